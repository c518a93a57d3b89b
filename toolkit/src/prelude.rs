//! The names a notebook cell wants: `use jook::prelude::*;`.
//!
//! The crates `polars`, `plotly` and `dfdx` come along under their own names, so that examples from
//! their documentation paste in.

pub use crate::comm;
pub use crate::data::*;
pub use crate::evaluate::*;
pub use crate::loss::*;
pub use crate::net::*;
pub use crate::show::*;
// By name: inside this crate `show` has another of the same name.
pub use crate::study::Backend;
pub use crate::study::*;
pub use crate::train::*;
pub use crate::transfer::*;
pub use crate::weights::{self, Weights};
pub use crate::widgets::{Area, Button, Dropdown, FloatSlider, IntSlider, Interact, interact};
pub use crate::{Error, Result, input, password};
pub use {dfdx, plotly, polars};
