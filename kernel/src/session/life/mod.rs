//! Who lives how long: nothing that a session starts outlives it.
//!
//! [`family`] finds and ends the processes that descend from one; [`keeper`] is the process that stands above the
//! cells' process and above each compiler, and takes what they have started with it; [`door`] is the socket by which
//! those processes hold on to the kernel, [`hold`] a compiler's end of it, [`kept`] the same for what the kernel runs
//! itself; [`programs`] are those that a cell has started, and how they are stopped.

pub mod door;
pub mod family;
pub mod hold;
pub mod keeper;
pub mod kept;
pub mod programs;
