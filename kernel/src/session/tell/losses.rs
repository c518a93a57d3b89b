//! Variables that a notebook had, or was about to have, and why they are not there.
//!
//! rustc says of all of them "cannot find value in this scope". A reader wants to know which cell took it.

use crate::session::cell::ALIAS;
use crate::session::cell::made;
use crate::session::tell::aside::Unfit;
use std::collections::{HashMap, HashSet};

/// A cell that was run.
pub struct Cell<'a> {
    /// Its execution count; 0 when it has none.
    pub number: usize,
    pub code: &'a str,
    /// The functions, types and so on that it defines.
    pub items: &'a HashSet<String>,
    /// Whether these are there now: its code has compiled.
    pub compiled: bool,
}

/// How a cell ended, as far as its variables are concerned.
#[derive(Clone, Copy, PartialEq)]
pub enum End {
    Done,
    /// It did not compile, panicked, left by `?` or was stopped.
    Failed,
    /// A `return` has left it before its end.
    Left,
    /// Its process ended with it.
    Died,
    /// The user cleared the notebook's variables.
    Cleared,
}

#[derive(Clone, Copy)]
enum Why {
    Moved,
    /// By the cell that made it.
    MovedAtOnce,
    /// A cell that defines it did not come to its end.
    Failed,
    Died,
    Retyped,
    Cleared,
    /// A cell that defines it was left by `return`.
    Left,
    /// It is an item that did not fit what another cell defined.
    Aside,
    /// It was made by a call of a macro that another one has replaced.
    Unmade,
}

struct Loss {
    why: Why,
    number: usize,
    line: String,
}

/// A variable's name and the type it has.
pub type Variable = (String, String);

/// What is gone.
#[derive(Default)]
pub struct Losses {
    named: HashMap<String, Loss>,
    /// Items without a name that were set aside, and by which cells.
    aside: Vec<(Unfit, usize)>,
}

impl Losses {
    /// Takes note of a cell that had `before` and left `now`.
    pub fn note(&mut self, cell: &Cell, end: End, before: &[Variable], now: &[Variable]) {
        let is_there = |name: &str| now.iter().any(|(there, _)| there == name);
        for (name, _) in before.iter().filter(|(name, _)| !is_there(name)) {
            if matches!(self.named.get(name), Some(loss) if matches!(loss.why, Why::Retyped)) {
                continue;
            }
            let why = match end {
                End::Died => Why::Died,
                End::Cleared => Why::Cleared,
                _ => Why::Moved,
            };
            self.insert(name, why, cell, taking_line(cell.code, name));
        }
        if matches!(end, End::Failed | End::Died | End::Left) {
            let why = match end {
                End::Left => Why::Left,
                _ => Why::Failed,
            };
            for (name, line) in defined(cell.code) {
                if !is_there(&name) {
                    self.insert(&name, why, cell, line);
                }
            }
        }
        if end == End::Done {
            for (name, _) in defined(cell.code) {
                let line = taking_line(cell.code, &name);
                if !is_there(&name) && !cell.items.contains(&name) && !line.is_empty() {
                    self.insert(&name, Why::MovedAtOnce, cell, line);
                }
            }
        }
        if end == End::Cleared {
            self.aside.clear();
        }
        if cell.compiled {
            self.aside.retain(|(unfit, _)| !cell.items.contains(&unfit.name));
        }
        if matches!(end, End::Failed | End::Died) && !cell.compiled {
            for name in cell.items.iter().filter(|name| !name.starts_with(ALIAS)) {
                self.insert(name, Why::Failed, cell, defining_line(cell.code, name));
            }
        }
        self.named
            .retain(|name, _| !(is_there(name) || cell.compiled && cell.items.contains(name)));
    }

    /// These were found to have a type that a cell has since defined anew.
    pub fn retyped(&mut self, names: &[String]) {
        for name in names {
            let cell = Cell {
                number: 0,
                code: "",
                items: &HashSet::new(),
                compiled: true,
            };
            self.insert(name, Why::Retyped, &cell, "");
        }
    }

    /// The cell of this number has set items aside, and made macros go without others, of which the calls are told.
    pub fn took(&mut self, aside: &[Unfit], unmade: &[(String, String)], number: usize) {
        let aside_of = aside.iter().map(|unfit| (&unfit.name, Why::Aside, &unfit.shown));
        let unmade = unmade.iter().map(|(name, call)| (name, Why::Unmade, call));
        for (name, why, line) in aside_of.chain(unmade) {
            let line = line.clone();
            self.named.insert(name.clone(), Loss { why, number, line });
        }
        let is_unnamed = |name: &str| name.starts_with(ALIAS) || name.starts_with(made::MODULE);
        let unnamed = aside.iter().filter(|unfit| is_unnamed(&unfit.name));
        self.aside.extend(unnamed.map(|unfit| (unfit.clone(), number)));
    }

    /// Why a method or a trait that rustc misses is not there, when an `impl` with it was set aside. `message` is what it
    /// says, `rendered` all of it.
    pub fn of_impl(&self, message: &str, rendered: &str) -> Option<String> {
        let quoted = |text: &str| -> HashSet<String> {
            let quoted = text.split('`').skip(1).step_by(2);
            quoted.flat_map(words).map(|(_, word)| word.to_owned()).collect()
        };
        let (named, all) = (quoted(message), quoted(rendered));
        let is_it = |unfit: &Unfit| {
            // Of what a macro has made the call alone is known.
            if unfit.name.starts_with(made::MODULE) {
                return words(&unfit.shown).any(|(_, word)| named.contains(word));
            }
            let (of_trait, of_type) = match unfit.shown.split_once(" for ") {
                Some((of_trait, of_type)) => (Some(of_trait), of_type),
                None => (None, unfit.shown.as_str()),
            };
            let last = |text: &str| words(text).last().map(|(_, word)| word.to_owned());
            let of_type = words(of_type).any(|(_, word)| named.contains(word));
            let members = unfit.text.split("fn ").chain(unfit.text.split("const ")).skip(1);
            let has = members
                .filter_map(|member| words(member).next())
                .any(|(_, member)| named.contains(member));
            of_type && (has || of_trait.and_then(last).is_some_and(|name| all.contains(&name)))
        };
        let (unfit, number) = self.aside.iter().rev().find(|(unfit, _)| is_it(unfit))?;
        Some(set_aside(&in_words(*number), &unfit.shown))
    }

    fn insert(&mut self, name: &str, why: Why, cell: &Cell, line: &str) {
        let loss = Loss {
            why,
            number: cell.number,
            line: line.trim().to_owned(),
        };
        self.named.insert(name.to_owned(), loss);
    }

    /// Why `name` is not there and what to do, in one line.
    pub fn why(&self, name: &str) -> Option<String> {
        let Loss { why, number, line } = self.named.get(name)?;
        let cell = in_words(*number);
        let at = if line.is_empty() || line.chars().count() > 80 {
            String::new()
        } else {
            format!(", at `{line}`")
        };
        Some(match why {
            Why::Moved => format!(
                "`{name}` was moved away by {cell}{at}; run again the cell that makes it, and give `&{name}` or `{name}.clone()` there"
            ),
            Why::MovedAtOnce => format!(
                "{cell} has made `{name}` and moved it away{at}; give `&{name}` or `{name}.clone()` there to keep it"
            ),
            Why::Failed => {
                format!("{cell} would have made `{name}`{at}, but failed; mend it and run it again")
            }
            Why::Died => format!(
                "`{name}` was lost when the process of {cell} ended; run again the cell that makes it"
            ),
            Why::Retyped => format!(
                "`{name}` was lost because its type was defined anew; run again the cell that makes it"
            ),
            Why::Left => format!(
                "{cell} would have made `{name}`{at}, but was left by a `return`, and nothing that it had made is kept"
            ),
            Why::Aside => set_aside(&cell, line),
            Why::Unmade => format!(
                "`{line}` made `{name}`, in the place of which {cell} makes other things; make it again"
            ),
            Why::Cleared => {
                format!("`{name}` was cleared by {cell}; run again the cell that makes it")
            }
        })
    }
}

/// The cell of this number.
fn in_words(number: usize) -> String {
    match number {
        0 => "an earlier cell".to_owned(),
        number => format!("cell [{number}]"),
    }
}

fn set_aside(cell: &str, item: &str) -> String {
    format!("{cell} has set `{item}` aside, which did not fit it; mend that and run its cell again")
}

fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c: char| !is_part(c))
        .filter(|word| !word.is_empty())
        .map(|word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

/// The line that most likely moved `name`: the last one that names it without a `&` before or a `.` behind.
fn taking_line<'a>(code: &'a str, name: &str) -> &'a str {
    let names = |line: &&str| words(line).any(|(_, word)| word == name);
    let takes = |line: &&str| {
        words(line).any(|(at, word)| {
            word == name && !line[..at].ends_with('&') && !line[at + word.len()..].starts_with('.')
        })
    };
    let lines = || {
        code.lines()
            .rev()
            .filter(|line| !line.trim_start().starts_with("//"))
    };
    lines()
        .find(takes)
        .or_else(|| lines().find(names))
        .unwrap_or_default()
}

/// The line that most likely defines the item `name`: the first one that names it.
fn defining_line<'a>(code: &'a str, name: &str) -> &'a str {
    let names = |line: &&str| words(line).any(|(_, word)| word == name);
    code.lines().find(names).unwrap_or_default()
}

/// The names that the cell's outermost `let`s bind, with their lines.
pub fn defined(code: &str) -> Vec<(String, &str)> {
    let mut found = Vec::new();
    let mut depth = 0i32;
    for line in code.lines() {
        let opens = line.matches(['{', '(', '[']).count() as i32;
        let closes = line.matches(['}', ')', ']']).count() as i32;
        if depth == 0 {
            for statement in line.split("let ").skip(1) {
                let end = statement.find('=').unwrap_or(statement.len());
                let pattern = &statement[..end];
                // A type follows the name, but not in a tuple.
                let pattern = match pattern.split_once(':') {
                    Some((name, _)) if !pattern.trim_start().starts_with(['(', '[']) => name,
                    _ => pattern,
                };
                for (_, word) in words(pattern) {
                    let binds = word.starts_with(|c: char| c.is_lowercase() || c == '_');
                    if binds && !matches!(word, "mut" | "ref" | "_") {
                        found.push((word.to_owned(), line));
                    }
                }
            }
        }
        depth = (depth + opens - closes).max(0);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(list: &[&str]) -> Vec<Variable> {
        list.iter()
            .map(|name| ((*name).to_owned(), "Vec<Point>".to_owned()))
            .collect()
    }

    #[test]
    fn what_is_gone_says_why() {
        let mut losses = Losses::default();
        let none: &[Variable] = &[];
        let mut note = |number, code, end, before: &[&str], now: &[&str]| {
            let items = HashSet::from(["area".to_owned()]);
            let cell = Cell {
                number,
                code,
                items: &items,
                compiled: end != End::Failed,
            };
            losses.note(&cell, end, &variables(before), &variables(now));
        };
        note(
            3,
            "print(&data);\nlet run = train(data);",
            End::Done,
            &["data"],
            &["run"],
        );
        note(
            4,
            "let (a, mut b) = (1, 2);\nlet n: i32 = \"x\";\nfn area() {}",
            End::Failed,
            &["run"],
            &["run"],
        );
        assert!(
            losses
                .why("area")
                .unwrap()
                .starts_with("cell [4] would have made `area`, at `fn area() {}`, but failed")
        );
        let mut note = |number, code, end, before: &[&str], now: &[&str]| {
            let items = HashSet::from(["area".to_owned()]);
            let cell = Cell {
                number,
                code,
                items: &items,
                compiled: true,
            };
            losses.note(&cell, end, &variables(before), &variables(now));
        };
        note(
            0,
            "let x = first(points);",
            End::Done,
            &["points", "run"],
            &["run", "x"],
        );
        note(6, "std::process::abort()", End::Died, &["run"], &[]);
        let said = |name: &str| losses.why(name).unwrap();
        assert!(said("data").starts_with("`data` was moved away by cell [3], at `let run = train(data);`"));
        assert!(said("b").contains("cell [4] would have made `b`"));
        assert!(said("n").contains("failed"));
        assert!(said("points").contains("was moved away by an earlier cell, at"));
        assert!(said("run").contains("process of cell [6]"));
        assert!(losses.why("never").is_none() && losses.why("area").is_none());
        losses.retyped(&["points".to_owned()]);
        assert!(losses.why("points").unwrap().contains("defined anew"));
        let again = Cell {
            number: 7,
            code: "let data = 1;",
            items: &HashSet::new(),
            compiled: true,
        };
        losses.note(&again, End::Done, none, &variables(&["data"]));
        assert!(losses.why("data").is_none());
    }

    #[test]
    fn outermost_lets_are_found() {
        let code = "let mut a: Vec<f32> = v; let Some(b) = c else { return };\nfor i in 0..3 {\n    let inner = i;\n}\nlet z = 1;";
        let names: Vec<String> = defined(code).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b", "z"]);
    }
}
