//! What of Jook touches CUDA: the card with its libraries and memory, kernels compiled for it when they are first wanted,
//! and the [`sweep`]: many small networks trained at once.
//!
//! Nothing of CUDA is needed to build this crate, nor to run it where there is no GPU: [`Card::open`] then says so. The
//! driver and NVRTC are opened when they are first called, see [`library`].

pub mod card;
pub mod compile;
pub mod error;
pub mod library;
pub mod memory;
pub mod sweep;

pub use card::Card;
pub use error::{Error, Result};
