//! How results look: in a notebook, in a page, and as readable text anywhere else.

mod bundle;

pub use bundle::{Bundle, Show};

/// Set by the Jook kernel in the process that runs cells: standard output carries display messages.
pub const NOTEBOOK_ENV: &str = "JOOK_NOTEBOOK";
