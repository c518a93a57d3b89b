//! Studies: grids and random searches over anything, with seeds, intervals and comparisons.
//!
//! ```no_run
//! use jook::prelude::*;
//! # fn main() -> jook::Result<()> {
//! # let few = datasets::digits()?.few_shot(20, 0)?;
//! let study = Study::new("first bowl")
//!     .vary("activation", [Sigmoid, Tanh, Relu, Maxout(2)])
//!     .vary("dropout", [0.0, 0.2, 0.5])
//!     .seeds(5)
//!     .data(&few)
//!     .run(|t| {
//!         let net = Mlp::new([64, 128, 10]).activation(t["activation"]).dropout(t["dropout"]);
//!         net.fit(t.data()?, Recipe::new().epochs(60).sgd(0.05).seed(t.seed()))
//!     })?;
//! study.table();
//! study.chosen()?; // on validation, and on the test part
//! study.heatmap("accuracy")?;
//! study.compare([("dropout", 0.0)], [("dropout", 0.5)], "accuracy")?;
//! # Ok(()) }
//! ```
//!
//! **What runs again.** A trial's key is a hash of the study's name, the settings, the seed, the version of Jook and the
//! instruction set, the base network and recipe and the digests of the data, when given ([`Study::base`],
//! [`Study::data`]), and of what the closure is made of: in a notebook its cell, all functions and types of the notebook,
//! and what the variables that the cell takes came from, back to their own cells, with the contents of the files that
//! the toolkit read data, weights and networks from; in a program the program itself. Studies of one name that a cell or
//! a program runs one after another, in a loop or by a function, are told apart by their number. So
//! a closure that changed, or that captured other data, computes its trials anew. What is read from files by other means
//! is not part of the key, nor what the closure itself reads. A [`Study::version`] stands in place of the closure: trials of the same version count as the same.
//! A trial whose key is in the store is not run again, and the result says how many were found there. Failed trials are
//! tried again ([`Study::keep_failed`] keeps them); trials that were stopped on their way always are. More seeds, more
//! values or a longer random search compute only what is new: what `seeds`, `seed_list`, `vary`, `threads` and `metric`
//! are given is no part of the code.
//!
//! **What chooses.** A study with data chooses by validation and looks at the test part once, for the chosen setting:
//! [`Study::fit`], and [`Study::run`] where the closure takes its data from the trial ([`Trial::data`]), as above. A closure
//! with data of its own decides for itself what it measures on; a [`Run`](crate::train::Run) that it returns was measured
//! on their test part, and the table says so beside the best.
//!
//! **Same bits.** A trial depends on its settings and seed alone: not on the number of threads, the
//! order of the trials, or on being in a study at all.
//!
//! **Two settings or many.** [`StudyResult::compare`] compares two. Who compares many finds a difference by chance:
//! [`StudyResult::compare_all`] compares all with a baseline and corrects their p-values. Intervals over seeds speak of
//! the training's chance on one test part; several splits of the same data overlap, which tables and comparisons take
//! into account in a study with folds ([`Study::folds`], [`Paired::resampled`]).
//!
//! **The store** is a folder of small Parquet files, one a finished trial: see [`Store`]. Processes that run the same
//! study at once share its trials: each is computed by one of them and read by the others, and what a process that was
//! killed had begun is taken over.
//!
//! The modules import one way, each only those before it: value, settings, statistics, resampled, domain, base, trial,
//! outcome, job, on_card, record, frame, key, claim, store, goal, groups, tables, plan, live, work, runner, result, comparison,
//! against, parallel, charts, curves, differences, study, selection, run, growth, halving, verdicts, show.

mod against;
mod base;
mod charts;
mod claim;
mod comparison;
mod curves;
mod differences;
mod domain;
mod frame;
mod goal;
mod groups;
mod growth;
mod halving;
mod job;
mod key;
mod live;
mod on_card;
mod outcome;
mod parallel;
mod plan;
mod record;
mod resampled;
mod result;
mod run;
mod runner;
mod selection;
mod settings;
mod show;
pub mod statistics;
mod store;
#[expect(clippy::module_inception, reason = "the study of studies")]
mod study;
mod tables;
#[cfg(test)]
mod tests;
mod trial;
mod value;
mod verdicts;
mod work;

pub use against::{Against, Comparisons};
pub use charts::Chart;
pub use comparison::Comparison;
pub use domain::Domain;
pub use growth::{Grown, Growth};
pub use halving::Halved;
pub use job::{Backend, Job, Threads};
pub use record::TrialResult;
pub use result::{Chosen, StudyResult};
pub use runner::Counts;
pub use settings::Settings;
pub use statistics::{Mean, Paired};
pub use store::Store;
pub use study::Study;
pub use trial::{Measured, Outcome, Trial};
pub use value::Value;
pub use verdicts::{Verdict, Verdicts};
