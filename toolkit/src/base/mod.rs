//! What all parts stand on: random streams by name, numbers given to setters, hashes, memory that is promised once, files
//! that are replaced in one move, specs as text, what a tensor is.

pub mod canonical;
pub mod code;
pub mod hex;
pub mod math;
pub mod memory;
pub mod number;
pub mod replace;
pub mod seed;
pub mod tensor;
#[cfg(test)]
pub mod testing;
