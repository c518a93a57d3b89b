//! How results look: in a notebook, in a page, and as readable text anywhere else.
//!
//! [`Show`] turns a value into a [`Bundle`] of forms (plain text, HTML, a Plotly chart). [`show()`] puts
//! one on display now; a value that ends a cell shows itself. [`show_updatable`] gives a [`Display`] that
//! can be replaced later and [`Progress`] a bar that keeps itself up to date.
//!
//! Where the forms go depends on who listens (see the `sink` module): the Jook kernel, stock evcxr, a
//! terminal, or a pipe.

mod bundle;
pub mod chart;
mod confusion;
pub(crate) mod cut;
mod display;
mod figure;
mod frame;
mod grid;
mod html;
mod number;
mod png;
mod progress;
pub(crate) mod request;
mod sink;
mod sparkline;
mod table;
mod values;

#[cfg(test)]
mod gallery;
#[cfg(test)]
mod tests;

pub(crate) use bundle::show_by_display;
pub use bundle::{Bundle, Show};
pub use confusion::confusion_bundle;
pub(crate) use display::fresh_id;
pub use display::{Display, clear_output, show, show_updatable};
pub use grid::ImageGrid;
pub use html::escape_html;
pub(crate) use number::even_numbers;
pub use number::{readable_number, readable_time};
pub(crate) use progress::is_quiet;
pub use progress::{Progress, quiet};
pub(crate) use sink::{Backend, backend};
pub use table::{Align, Table, table_html};
