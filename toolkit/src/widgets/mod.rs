//! Sliders, lists and buttons that change what a notebook shows.
//!
//! They speak the model protocol of ipywidgets, so JupyterLab shows them where the package `jupyterlab_widgets`
//! is installed, as it is in the one that `jook lab` opens; elsewhere they show as text. [`interact`] is the
//! short way: a closure that runs again with each new value, its result in place.
//!
//! ```no_run
//! use jook::prelude::*;
//! interact(FloatSlider::new("noise", 0.0, 1.0, 0.1), |noise| {
//!     datasets::two_moons(200, noise, 0).map(|moons| moons.chart())
//! })?;
//! # Ok::<(), jook::Error>(())
//! ```
//!
//! Handlers run on the thread of the [`comm`](crate::comm) handlers, also while a cell runs.

mod area;
mod button;
mod dropdown;
mod interact;
mod model;
mod slider;

pub use area::Area;
pub use button::Button;
pub use dropdown::Dropdown;
pub use interact::{Control, Interact, interact};
pub use slider::{FloatSlider, IntSlider, Slider, SliderNumber};
