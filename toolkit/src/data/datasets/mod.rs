//! Data to start with: [`digits`], [`iris`], [`wine`] and [`breast_cancer`] ship with Jook and need no
//! network; [`two_moons`], [`blobs`], [`spirals`] and the pictures of [`objects()`] are made from a seed.

mod generators;
mod objects;
mod shipped;

pub use generators::{blobs, spirals, two_moons};
pub use objects::{ImageDomain, objects};
pub use shipped::{breast_cancer, digits, iris, wine};
