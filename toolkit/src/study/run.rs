//! A declared study is planned and run.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::domain::{MOST, grid, random};
use super::frame::TAKEN;
use super::plan::{Part, Plan, folds_of};
use super::result::StudyResult;
use super::selection::choose;
use super::settings::Settings;
use super::store::Store;
use super::study::{Place, Seeds, Study};
use super::tables::Described;
use super::trial::{Outcome, Trial};
use super::work::Engine;
use crate::cells;
use crate::data::Split;
use crate::hex::{hex, sha256_of_file};
use crate::{Error, Result};

/// Trials that one study may run at a time.
const MOST_THREADS: usize = 1024;

impl Study {
    /// Runs `trial` for every combination and seed that is not in the store yet. A trial that fails or
    /// panics is recorded with its error and stops no other. Stop (or Ctrl-C) ends the study: finished trials
    /// are kept, those on their way are marked and run again next time.
    ///
    /// Where the study has data and the closure takes them from [`Trial::data`], the study chooses as
    /// [`fit`](Self::fit) does: trials are judged on validation or folds, and the chosen setting alone is run again, with
    /// each seed, on the whole training part and the test part ([`StudyResult::chosen`]).
    ///
    /// # Errors
    /// When the study cannot be run as described, its training part is too small to split, or no result at all can be put
    /// on disk. When that breaks on the way, the study stops and gives what it has: [`StudyResult::trouble`].
    pub fn run<F, O>(self, trial: F) -> Result<StudyResult>
    where
        F: Fn(&Trial) -> Result<O> + Sync,
        O: Outcome,
    {
        if self.backend.is_some() {
            return Err(Error::spec(
                "a closure runs on threads of this machine, and the study has a backend",
            )
            .at(self.place())
            .fix("leave .backend(..) out, or say the study by .base, .data and .fit()"));
        }
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let engine = Engine::Closure(&|one: &Trial| cells::in_trial(|| trial(one))?.measured());
        if self.folds.is_none() && self.data.is_none() {
            let mut parts = vec![self.part(None, None)];
            self.put_code(&mut parts)?;
            return choose(&self.plan(parts, None)?, None, &engine);
        }
        let (mut parts, judged_on) = self.judges()?;
        // A part may be what chooses here and what is tested on there, and what a closure measured says which.
        for part in &mut parts {
            part.fingerprint += " chooses";
        }
        let judging = parts.len();
        parts.extend(self.tested());
        self.put_code(&mut parts)?;
        let tested = parts.split_off(judging).pop();
        let mut plan = self.plan(parts, Some("validation"))?;
        plan.described.judged_on = Some(judged_on);
        choose(&plan, tested, &engine)
    }

    /// Adds to the keys of these parts what the closure is made of.
    fn put_code(&self, parts: &mut [Part]) -> Result<()> {
        let (Some(first), true) = (parts.first(), self.version.is_empty()) else {
            return Ok(());
        };
        let mut code = code_of_closure()?;
        let mark = format!("{:?} {}", self.place_of_store(), first.fingerprint);
        match cells::earlier_studies(&mark) {
            0 => {}
            earlier => code += &format!(" after {earlier}"),
        }
        for part in parts {
            part.fingerprint += &code;
        }
        Ok(())
    }

    pub(super) fn parts_of(&self, folds: &[Split]) -> Vec<Part> {
        (0..)
            .zip(folds)
            .map(|(fold, split)| self.part(Some(split.clone()), Some(fold)))
            .collect()
    }

    pub(super) fn part(&self, data: Option<Split>, fold: Option<u32>) -> Part {
        let mut fingerprint = self.base.as_ref().map_or("", |base| base.text()).to_owned();
        if let Some(device) = self.backend.as_ref().and_then(|backend| backend.device()) {
            fingerprint += &format!(" {device}");
        }
        if let Some(split) = &data {
            fingerprint += &format!(" {} {}", split.train.digest(), split.test.digest());
            if let Some(validation) = &split.validation {
                fingerprint += &format!(" {}", validation.digest());
            }
        }
        Part {
            fold,
            data,
            fingerprint,
        }
    }

    /// Where its results are kept, if they are.
    fn place_of_store(&self) -> Option<PathBuf> {
        match &self.place {
            Place::Memory => None,
            Place::At(dir) => Some(dir.clone()),
            Place::Default => Some(default_store(&self.name)),
        }
    }

    pub(super) fn place(&self) -> String {
        format!("study \"{}\"", self.name)
    }

    /// All that is decided before the first trial runs.
    pub(super) fn plan(self, parts: Vec<Part>, measured_on: Option<&'static str>) -> Result<Plan> {
        let place = self.place();
        if let Some(error) = self.error {
            return Err(error);
        }
        if parts.is_empty() {
            return Err(Error::spec("expected one fold or more, found none").at(place));
        }
        for (i, (name, domain)) in self.varied.iter().enumerate() {
            if name.is_empty() || TAKEN.contains(&name.as_str()) || name.starts_with("history.") {
                return Err(
                    Error::spec(format!("\"{name}\" is the name of a column of every study"))
                        .at(place)
                        .fix("vary it under another name"),
                );
            }
            if self.varied[..i].iter().any(|(earlier, _)| earlier == name) {
                return Err(Error::spec(format!("\"{name}\" is varied twice")).at(place));
            }
            domain.check(name)?;
        }
        let given = self.seeds.len();
        let many = |what: String| {
            Err(
                Error::spec(format!("expected at most ten million trials, found {what}"))
                    .at(place.clone())
                    .fix("vary less at a time, with fewer seeds"),
            )
        };
        if given > MOST {
            return many(format!("{given} seeds"));
        }
        let mut seeds = match self.seeds {
            Seeds::First(n) => (0..n as u64).collect(),
            Seeds::These(seeds) => seeds,
        };
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.is_empty() || seeds.len() < given {
            return Err(Error::spec("expected one seed or more, each once").at(place));
        }
        if let Some(threads) = self.threads
            && !(1..=MOST_THREADS).contains(&threads)
        {
            return Err(
                Error::spec(format!("expected 1 to {MOST_THREADS} threads, found {threads}"))
                    .at(place)
                    .fix("more trials at a time than cores gain nothing"),
            );
        }
        if let Some((n, _)) = self.search
            && n > MOST
        {
            return many(format!("{n} combinations"));
        }
        let combinations: Vec<Settings> = match self.search {
            None => grid(&self.varied)?,
            Some((0, _)) => return Err(Error::spec("expected a search of one combination or more").at(place)),
            Some((n, seed)) => random(&self.varied, n, seed),
        };
        let each = seeds.len().saturating_mul(parts.len());
        if combinations.len().saturating_mul(each) > MOST {
            return many(format!(
                "{} combinations with {} seeds on {} parts of data",
                combinations.len(),
                seeds.len(),
                parts.len()
            ));
        }
        let store = match self.place {
            Place::Memory => None,
            Place::At(dir) => Some(Store::create(&dir)?),
            Place::Default => Some(Store::create(&default_store(&self.name))?),
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Plan {
            described: Described {
                name: self.name,
                varied: self.varied.into_iter().map(|(name, _)| name).collect(),
                metric: self.metric,
                goals: self.goals,
                combinations,
                folds: folds_of(&parts),
                judged_on: None,
            },
            version: self.version,
            parts,
            seeds,
            store,
            threads: self.threads.unwrap_or_else(cores),
            quiet: self.quiet,
            retry: self.retry,
            base: self.base,
            measured_on,
            announce: self.announce,
        })
    }
}

/// What a closure is made of, for keys: the cell that runs, what it names, and what the variables that it takes came
/// from; in a program, the program itself.
fn code_of_closure() -> Result<String> {
    if let Some(cell) = cells::running_cell() {
        return Ok(format!(" cell {cell:x}"));
    }
    static PROGRAM: OnceLock<Result<String>> = OnceLock::new();
    let program = || {
        let path = std::env::current_exe().map_err(|e| Error::io("the running program", &e))?;
        Ok(format!(" program {}", hex(&sha256_of_file(&path)?)))
    };
    PROGRAM.get_or_init(program).clone()
}

/// Where results are kept unless another place is named.
fn default_store(study: &str) -> PathBuf {
    Path::new("jook-results").join(slug(study))
}

/// The study's name as that of a folder.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.is_alphanumeric() {
            true => slug.extend(c.to_lowercase()),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    let slug: String = slug.trim_end_matches('-').chars().take(80).collect();
    if slug.is_empty() { "study".to_owned() } else { slug }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Domain;
    use crate::train::Recipe;

    #[test]
    fn a_name_becomes_a_folder() {
        assert_eq!(slug("Activation x init (2)"), "activation-x-init-2");
        assert_eq!(slug("../../etc"), "etc");
        assert_eq!(slug("..."), "study");
    }

    #[test]
    fn studies_that_cannot_run_say_why() {
        let run = |study: Study| {
            study
                .in_memory()
                .quiet()
                .run(|_| Ok(1.0))
                .unwrap_err()
                .to_string()
        };
        assert!(run(Study::new("s").vary("seed", [1])).contains("column"));
        assert!(run(Study::new("s").vary("a", [1]).vary("a", [2])).contains("twice"));
        assert!(run(Study::new("s").vary("a", Domain::uniform(0.0, 1.0))).contains(".random"));
        assert!(run(Study::new("s").vary("a", [1]).seeds(0)).contains("seed"));
        assert!(run(Study::new("s").vary("a", [1]).threads(0)).contains("thread"));
        assert!(run(Study::new("s").vary("a", [1]).threads(usize::MAX)).contains("thread"));
        assert!(run(Study::new("s").vary("a", [1]).seeds(usize::MAX)).contains("ten million"));
        assert!(run(Study::new("s").vary("a", [1, 2, 3]).seeds(5_000_000)).contains("ten million"));
        let endless = Study::new("s")
            .vary("a", Domain::uniform(0.0, 1.0))
            .random(usize::MAX, 0);
        assert!(run(endless).contains("ten million"));
        let writing = Recipe::new().checkpoint("x", 5);
        assert!(run(Study::new("s").base(crate::net::Mlp::new([4, 2]), writing)).contains("checkpoint"));
        let broken = crate::net::Mlp::new([4]);
        assert!(run(Study::new("s").base(broken, Recipe::new())).contains("widths"));
    }
}
