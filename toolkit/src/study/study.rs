//! [`Study`]: what to vary, how often, and where results are kept.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::base::Base;
use super::domain::Domain;
use super::goal::Goals;
use super::job::Backend;
use super::on_card::OnCard;
use super::plan::Announce;
use super::record::TrialResult;
use crate::data::Split;
use crate::device::Device;
use crate::net::NetSpec;
use crate::number::count;
use crate::show::{Bundle, Show};
use crate::train::Recipe;
use crate::{Error, Number, Result};

/// An experiment over settings and seeds.
///
/// Every combination of the varied values runs once for each seed, in parallel, one thread a trial. Each
/// finished trial is on disk before it is shown, and a study that is run again computes only what is
/// missing. See the [module](super) for what "again" means.
///
/// ```
/// use jook::study::Study;
/// let study = Study::new("a parabola")
///     .vary("x", [-1.0, 0.0, 1.0, 2.0])
///     .seeds(3)
///     .in_memory()
///     .run(|t| {
///         let x = t["x"].number()?;
///         Ok((x - 1.0).powi(2) + 0.01 * t.seed() as f64)
///     })?;
/// assert_eq!(study.table().height(), 4);
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "GridSearchCV")]
#[doc(alias = "sweep")]
#[doc(alias = "optuna")]
#[derive(Clone)]
pub struct Study {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) varied: Vec<(String, Domain)>,
    pub(super) seeds: Seeds,
    pub(super) search: Option<(usize, u64)>,
    pub(super) place: Place,
    pub(super) threads: Option<usize>,
    pub(super) metric: Option<String>,
    pub(super) goals: Goals,
    pub(super) quiet: bool,
    pub(super) retry: bool,
    pub(super) base: Option<Arc<Base>>,
    pub(super) data: Option<Split>,
    pub(super) folds: Option<Vec<Split>>,
    pub(super) backend: Option<Arc<dyn Backend>>,
    pub(super) announce: Option<Arc<Announce>>,
    pub(super) error: Option<Error>,
}

#[derive(Clone)]
pub(super) enum Seeds {
    /// So many, from 0.
    First(usize),
    These(Vec<u64>),
}

impl Seeds {
    pub(super) fn len(&self) -> usize {
        match self {
            Seeds::First(n) => *n,
            Seeds::These(seeds) => seeds.len(),
        }
    }
}

#[derive(Clone)]
pub(super) enum Place {
    Default,
    At(PathBuf),
    Memory,
}

impl Study {
    /// A study that varies nothing yet, with the single seed 0.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: String::new(),
            varied: Vec::new(),
            seeds: Seeds::First(1),
            search: None,
            place: Place::Default,
            threads: None,
            metric: None,
            goals: Goals::default(),
            quiet: false,
            retry: true,
            base: None,
            data: None,
            folds: None,
            backend: None,
            announce: None,
            error: None,
        }
    }

    /// Varies `name` over a list of values or a [`Domain`]. The closure of [`Study::run`] says what the name
    /// means; with [`Study::fit`] it is a path into the base: `recipe.batch`, `recipe.rule`,
    /// `net.layers.0.kind.Dense.units`, or `net` for whole networks of different depth. `None` in a list is no
    /// value where one is optional.
    pub fn vary(mut self, name: impl Into<String>, values: impl Into<Domain>) -> Self {
        self.varied.push((name.into(), values.into()));
        self
    }

    /// Runs every combination with the seeds 0, 1, .., `n` - 1. With another `n`, only what is new is computed; where a
    /// closure's cell had no such call before, it is other code.
    pub fn seeds(self, n: impl Number) -> Self {
        self.set(count("study, seeds", n, 0), |s, n| s.seeds = Seeds::First(n))
    }

    /// Runs every combination with exactly these seeds.
    pub fn seed_list(mut self, seeds: impl IntoIterator<Item = u64>) -> Self {
        self.seeds = Seeds::These(seeds.into_iter().collect());
        self
    }

    /// Searches at random: `n` combinations drawn with `seed` instead of the whole grid. Ranges are allowed
    /// then. Each name draws from its own stream, so a longer search begins with the shorter one's
    /// combinations and computes only the rest.
    pub fn random(self, n: impl Number, seed: impl Number) -> Self {
        let seed = seed.whole(0).map_err(|e| e.within("study, random"));
        let both = seed.and_then(|seed| Ok((count("study, random", n, 0)?, seed)));
        self.set(both, |s, search| s.search = Some(search))
    }

    /// Keeps finished trials in this folder. By default it is `jook-results/` and the study's name, in the
    /// working directory. Studies may share a folder.
    pub fn store(mut self, dir: impl AsRef<Path>) -> Self {
        self.place = Place::At(dir.as_ref().into());
        self
    }

    /// Keeps nothing on disk: for trials that take no time.
    pub fn in_memory(mut self) -> Self {
        self.place = Place::Memory;
        self
    }

    /// Runs this many trials at a time; by default one a core. Results do not depend on it. A [`Study::backend`] says for
    /// itself how many it takes.
    pub fn threads(self, n: impl Number) -> Self {
        self.set(count("study, threads", n, 0), |s, n| s.threads = Some(n))
    }

    /// Part of every trial's key, in place of the code of the closure: trials of the same version count as the same,
    /// whatever the closure does now and has captured. Change it when the closure changes its meaning.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// The metric that tables show by default, and that [`Study::fit`] chooses by; else `accuracy` or `rmse` where there
    /// is one, else the first.
    pub fn metric(mut self, name: impl Into<String>) -> Self {
        self.metric = Some(name.into());
        self
    }

    /// Less of this metric is better: the best combinations, and the lines drawn on top, are the lowest. Without a
    /// word from you its name decides ([`StudyResult::best`](super::StudyResult::best)); tables say which way it was.
    ///
    /// ```
    /// # use jook::study::Study;
    /// let study = Study::new("bandit").vary("greed", [0.0, 0.5, 1.0]).minimize("regret").in_memory();
    /// let study = study.run(|t| Ok([("regret", 1.0 - t["greed"].number()?)]))?;
    /// assert_eq!(study.best("regret")?.1.mean, 0.0);
    /// # Ok::<(), jook::Error>(())
    /// ```
    pub fn minimize(mut self, metric: impl Into<String>) -> Self {
        self.goals.set(metric.into(), true);
        self
    }

    /// More of this metric is better: the opposite of [`Study::minimize`].
    pub fn maximize(mut self, metric: impl Into<String>) -> Self {
        self.goals.set(metric.into(), false);
        self
    }

    /// Shows nothing while it runs.
    pub fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Keeps failed trials as they are. By default a failed trial is tried again the next time.
    pub fn keep_failed(mut self) -> Self {
        self.retry = false;
        self
    }

    /// Calls `announce` with every finished trial, once it is on disk (and with the trials found there).
    pub fn on_finished(mut self, announce: impl Fn(&TrialResult) + Send + Sync + 'static) -> Self {
        self.announce = Some(Arc::new(announce));
        self
    }

    /// The network (a builder such as `Mlp` or `Cnn`, or a `NetSpec`) and the recipe that every trial starts from; part of its key.
    pub fn base<N>(self, net: N, recipe: Recipe) -> Self
    where
        N: TryInto<NetSpec>,
        N::Error: Into<Error>,
    {
        let base = net
            .try_into()
            .map_err(Into::into)
            .and_then(|net| Base::new(&net, &recipe));
        self.set(base, |s, base| s.base = Some(Arc::new(base)))
    }

    /// The data of the study: it learns from the training part, chooses by the validation part, and looks at the test
    /// part once ([`Study::fit`]); a closure takes them from [`Trial::data`](super::Trial::data). Their digests are part of
    /// every trial's key. Classes of the other parts are matched by name ([`Split::new`]).
    pub fn data(self, split: &Split) -> Self {
        // Before the digest is taken, which does not tell labels in one order from those in another.
        self.set(split.matched(), |s, split| s.data = Some(split))
    }

    /// Keeps the first error, which the run reports.
    fn set<T>(mut self, value: Result<T>, put: impl FnOnce(&mut Self, T)) -> Self {
        match value {
            Ok(value) => put(&mut self, value),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }

    /// Runs every combination on each of these folds, with each seed: on [`Dataset::folds`](crate::data::Dataset::folds)
    /// or [`repeated_folds`](crate::data::Dataset::repeated_folds). Means are then over folds, each with its mean over
    /// the seeds; where training parts overlap, intervals and comparisons are corrected (Nadeau and Bengio 2003).
    ///
    /// With [`Study::fit`] the folds take the place of a validation part. Where there is a test part beside, the folds
    /// are of the training part alone:
    ///
    /// ```no_run
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?.split(0.2, 0)?;
    /// let study = Study::new("units")
    ///     .base(Mlp::new([64, 32, 10]), Recipe::new().epochs(30))
    ///     .vary("net.layers.dense1.kind.Dense.units", [16, 64])
    ///     .data(&digits)
    ///     .folds(&digits.train.folds(5, 0)?)
    ///     .fit()?;
    /// println!("{}", study.chosen()?);
    /// # Ok::<(), jook::Error>(())
    /// ```
    #[doc(alias = "cross_validation")]
    pub fn folds(self, folds: &[Split]) -> Self {
        let folds = folds.iter().map(Split::matched).collect();
        self.set(folds, |s, folds| s.folds = Some(folds))
    }

    /// Trains on this device. On a GPU [`Study::fit`] trains multilayer perceptrons of one shape all at once, with the
    /// processor's numbers, bit for bit; it says how many, and names what is trained on the processor instead with the
    /// reason. A store holds the trials of both.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let moons = datasets::two_moons(200, 0.1, 0)?.split(0.2, 0)?;
    /// let study = Study::new("rates")
    ///     .base(Mlp::new([2, 8, 2]), Recipe::new().epochs(5))
    ///     .vary("recipe.rule.Adam.rate", [0.01, 0.1])
    ///     .data(&moons)
    ///     .on(jook::Device::best())
    ///     .in_memory()
    ///     .fit()?;
    /// # let _ = study;
    /// # Ok::<(), jook::Error>(())
    /// ```
    pub fn on(mut self, device: Device) -> Self {
        self.backend = device.card().map(|card| {
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            Arc::new(OnCard::new(Arc::clone(card), threads)) as Arc<dyn Backend>
        });
        self
    }

    /// Trains on this instead of the threads of this machine: [`Study::fit`] hands its trials over as
    /// [jobs](super::Job).
    pub fn backend(mut self, backend: impl Backend + 'static) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }
}

impl fmt::Display for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "study \"{}\", not run yet", self.name)?;
        for (name, domain) in &self.varied {
            write!(f, "\n  {name}: {domain}")?;
        }
        if let Some((n, seed)) = self.search {
            write!(
                f,
                "\n  a random search of {n} combinations, drawn with seed {seed}"
            )?;
        }
        if let Some(folds) = &self.folds {
            write!(f, "\n  folds: {}", folds.len())?;
        }
        write!(f, "\n  seeds: {}", self.seeds.len())
    }
}

impl fmt::Debug for Study {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for Study {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}
