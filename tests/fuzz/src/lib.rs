//! Tries a reader of foreign bytes with broken input: it must not panic, and must not ask for more memory than
//! its input deserves.
//!
//! A target is an ordinary test. Its test binary has the allocator that counts:
//!
//! ```
//! use jook_fuzz::{Counting, Fuzz};
//!
//! #[global_allocator]
//! static MEMORY: Counting = Counting;
//!
//! # fn main() {
//! Fuzz::new("numbers")
//!     .seeds(["1 2 3", "-4"])
//!     .tokens(["+", "e9"])
//!     .iterations(1000)
//!     .memory(16, 64 << 10)
//!     .run(|bytes| {
//!         let text = String::from_utf8_lossy(bytes);
//!         let _: Vec<f64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
//!     });
//! # }
//! ```
//!
//! Every input follows from the seed and its number alone. The environment's `JOOK_FUZZ_SEED` sets the seed,
//! `JOOK_FUZZ_FROM` the number to begin with; `JOOK_FUZZ_SECONDS` has every target run that long, with a seed of
//! its own, instead of its number of inputs. A find is written to a file in `jook-fuzz/` of the folder for temporary
//! files. Should the whole process die, `NAME.at` there says by which seed and number.

mod memory;
mod mutate;

pub use memory::Counting;

use mutate::{Mutator, Random};
use std::os::unix::fs::FileExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// A reader to try, and with what.
#[must_use = "nothing is tried before `run`"]
pub struct Fuzz {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    tokens: Vec<Vec<u8>>,
    iterations: u64,
    /// Bytes of memory a byte of input, and beside that.
    memory: (usize, usize),
}

impl Fuzz {
    /// A target; the name is that of its files.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            seeds: vec![Vec::new()],
            tokens: Vec::new(),
            iterations: 10_000,
            memory: (64, 1 << 20),
        }
    }

    /// Adds whole inputs; all others are made of them. The first inputs tried are nothing, and the seeds as they are.
    pub fn seeds<T: Into<Vec<u8>>>(mut self, seeds: impl IntoIterator<Item = T>) -> Self {
        self.seeds.extend(seeds.into_iter().map(Into::into));
        self
    }

    /// Adds words of the format, which are put into inputs here and there.
    pub fn tokens<T: Into<Vec<u8>>>(mut self, tokens: impl IntoIterator<Item = T>) -> Self {
        self.tokens.extend(tokens.into_iter().map(Into::into));
        self
    }

    /// How many inputs an ordinary run tries: some seconds' worth.
    pub fn iterations(mut self, iterations: u64) -> Self {
        self.iterations = iterations;
        self
    }

    /// The most memory that the thread of the target may hold at any time: `times` the size of the input, and
    /// `beside` bytes.
    pub fn memory(mut self, times: usize, beside: usize) -> Self {
        self.memory = (times, beside);
        self
    }

    /// Tries the inputs.
    ///
    /// # Panics
    /// At the first input that makes `target` panic or ask for too much memory, which is then on file; and
    /// where the program does not count its memory by [`Counting`].
    pub fn run(self, target: impl Fn(&[u8])) {
        assert!(
            memory::is_counted(),
            "{}: the test program needs `#[global_allocator] static MEMORY: Counting = Counting;`",
            self.name
        );
        let plan = Plan::of_environment(self.iterations);
        let folder = std::env::temp_dir().join("jook-fuzz");
        std::fs::create_dir_all(&folder).expect("the folder for temporary files can be written");
        let at = folder.join(format!("{}.at", self.name.replace(' ', "-")));
        let place = std::fs::File::create(&at).expect("the folder for temporary files can be written");
        let mutator = Mutator::new(&self.seeds[1..], &self.tokens);
        let (mut slowest, mut hungriest) = (Duration::ZERO, 0);
        let mut number = plan.from;
        while plan.goes_on(number) {
            let input = match self.seeds.get(number as usize) {
                Some(seed) => seed.clone(),
                None => mutator.input(&mut Random::new(plan.seed, number)),
            };
            let note = format!("JOOK_FUZZ_SEED={} JOOK_FUZZ_FROM={number}\n", plan.seed);
            let _ = place.write_all_at(note.as_bytes(), 0);
            let begun = Instant::now();
            let (done, held) = memory::peak(|| catch_unwind(AssertUnwindSafe(|| target(&input))));
            slowest = slowest.max(begun.elapsed());
            hungriest = hungriest.max(held);
            let most = self.memory.0 * input.len() + self.memory.1;
            let problem = match done {
                Err(panic) => Some(format!("panicked: {}", message(&*panic))),
                Ok(()) if held > most => Some(format!(
                    "held {held} bytes for an input of {}: the bound is {most}",
                    input.len()
                )),
                Ok(()) => None,
            };
            if let Some(problem) = problem {
                let file = self.keep(&folder, &plan, number, &input);
                panic!(
                    "{}: {problem}\nthe input is {}; JOOK_FUZZ_SEED={} JOOK_FUZZ_FROM={number} tries it again",
                    self.name,
                    file.display(),
                    plan.seed
                );
            }
            number += 1;
        }
        let _ = std::fs::remove_file(at);
        println!(
            "{}: {} inputs in {:.0} s with seed {}, no find; the slowest took {:.1} ms, the hungriest held {} KiB",
            self.name,
            number - plan.from,
            plan.begun.elapsed().as_secs_f64(),
            plan.seed,
            slowest.as_secs_f64() * 1e3,
            hungriest >> 10
        );
    }

    fn keep(&self, folder: &std::path::Path, plan: &Plan, number: u64, input: &[u8]) -> PathBuf {
        let name = self.name.replace(' ', "-");
        let file = folder.join(format!("{name}-{}-{number}", plan.seed));
        std::fs::write(&file, input).expect("the folder for temporary files can be written");
        file
    }
}

/// Which inputs are tried.
struct Plan {
    seed: u64,
    from: u64,
    iterations: u64,
    seconds: Option<f64>,
    begun: Instant,
}

impl Plan {
    fn of_environment(iterations: u64) -> Self {
        let seconds = number_in("JOOK_FUZZ_SECONDS");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let fresh = now.map_or(0, |now| now.as_nanos() as u64 >> 20);
        Self {
            seed: number_in("JOOK_FUZZ_SEED").unwrap_or(if seconds.is_some() { fresh } else { 1 }),
            from: number_in("JOOK_FUZZ_FROM").unwrap_or(0),
            iterations,
            seconds,
            begun: Instant::now(),
        }
    }

    fn goes_on(&self, number: u64) -> bool {
        match self.seconds {
            Some(seconds) => self.begun.elapsed().as_secs_f64() < seconds,
            None => number - self.from < self.iterations,
        }
    }
}

/// A number in the environment.
fn number_in<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is {text:?}, and should be a number"),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, RefCell};

    #[global_allocator]
    static MEMORY: Counting = Counting;

    /// What the run says at its end.
    fn find(fuzz: Fuzz, target: impl Fn(&[u8])) -> String {
        let panic =
            catch_unwind(AssertUnwindSafe(|| fuzz.run(target))).expect_err("there is something to find");
        message(&*panic).to_owned()
    }

    /// The file of the input that it names.
    fn file_in(said: &str) -> &str {
        let rest = said.split("the input is ").nth(1).unwrap();
        rest.split(';').next().unwrap()
    }

    #[test]
    fn a_panic_is_found_and_its_input_kept() {
        let said = find(Fuzz::new("a planted panic").seeds(["abc"]), |bytes| {
            assert!(!bytes.contains(&0xff), "planted");
        });
        assert!(said.contains("panicked: planted"), "{said}");
        let file = file_in(&said);
        assert!(std::fs::read(file).unwrap().contains(&0xff));
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_length_that_is_believed_is_found() {
        let said = find(
            Fuzz::new("a planted length").seeds([[4, 0, 0, 0, 1, 2, 3, 4]]),
            |bytes| {
                if let Some(length) = bytes.first_chunk() {
                    let length = u32::from_le_bytes(*length) as usize;
                    std::hint::black_box(Vec::<u8>::with_capacity(length));
                }
            },
        );
        assert!(said.contains("the bound is"), "{said}");
        let file = file_in(&said);
        std::fs::remove_file(file).unwrap();
    }

    #[test]
    fn inputs_repeat_and_differ() {
        let tried = || {
            let seen = RefCell::new(Vec::new());
            Fuzz::new("repeats")
                .seeds(["{\"a\": 12, \"b\": [\"c\", {\"d\": null}]}", "[1, 2, 3, 4, 5]"])
                .tokens(["null"])
                .iterations(500)
                .run(|bytes| {
                    seen.borrow_mut().push(bytes.to_vec());
                });
            seen.into_inner()
        };
        let (once, again) = (tried(), tried());
        assert_eq!(once, again);
        assert_eq!(once[1], b"{\"a\": 12, \"b\": [\"c\", {\"d\": null}]}");
        let different: std::collections::HashSet<_> = once.iter().collect();
        assert!(different.len() > 400, "{}", different.len());
    }

    #[test]
    fn memory_given_back_does_not_add_up() {
        let count = Cell::new(0);
        Fuzz::new("gives back")
            .iterations(100)
            .memory(0, 3 << 20)
            .run(|_| {
                drop(std::hint::black_box(vec![1u8; 1 << 20]));
                count.set(count.get() + 1);
            });
        assert_eq!(count.get(), 100);
    }
}
