//! Data to start with: [`digits`], [`iris`], [`wine`] and [`breast_cancer`] ship with Jook and need no
//! network; [`two_moons`], [`blobs`], [`spirals`], the pictures of [`objects()`], the texts of [`reviews()`] and the
//! sounds of [`spoken_digits`] are made from a seed.

mod generators;
mod objects;
mod reviews;
mod shipped;
mod spoken;

pub use generators::{blobs, spirals, two_moons};
pub use objects::{ImageDomain, objects};
pub use reviews::reviews;
pub use shipped::{breast_cancer, digits, iris, wine};
pub use spoken::spoken_digits;
