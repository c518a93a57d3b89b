//! The CPU: a whole network forward and backward, on buffers made once ([`Passes`]), and the numbers that training
//! moves with it ([`CpuExecutor`]).
//!
//! A dense or convolutional layer and the ReLU behind it are one product; the derivative of a ReLU joins the
//! product that passes the gradient back. Layers on plain numbers run in the thread that calls; convolutions
//! and pooling of more than a few images share the pool. Every sum has a fixed order: the same numbers in give
//! the same bits out, whatever the number of threads.

mod aligned;
mod backward;
mod block;
pub(crate) mod conv;
mod executor;
pub(crate) mod gemm;
pub(crate) mod inference;
mod lanes;
mod layers;
mod passes;
mod pool;
mod rows;

/// The instruction set that the passes were compiled for: it decides the last bits of every result.
pub const INSTRUCTIONS: &str = lanes::NAME;

pub use executor::CpuExecutor;
pub(crate) use gemm::multiply;
pub use passes::Passes;
pub(in crate::net) use passes::{NUMBERS, ROWS};
