//! The sweep: many small multilayer perceptrons trained at once, one to a block of the card, from their first step to
//! their last, with the CPU executor's very bits.
//!
//! [`Plan`] says whether networks of a [`Shape`] fit a card, and how; a [`Job`] is one network's training as plain numbers;
//! [`run`] trains all jobs of a plan in segments of a tenth of a second, between which it can be watched and stopped.

mod job;
mod plan;
mod record;
mod run;
mod supply;

pub use job::{Activation, Batches, Check, Data, Done, Ending, Job, Layer, Loss, Pace, Watch};
pub use plan::{Dense, Plan, Rule, Shape};
pub use record::Record;
pub use run::{Flow, Progress, run};
