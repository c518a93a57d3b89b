//! What the text of a cell says, before anything is made of it.
//!
//! [`lines`] tells code from text, [`whole`] whether all of it can be read. [`items`] writes down what evcxr would lose:
//! `impl`s get a name ([`unnamed`]), [`thread_locals`] and macros ([`made`], [`making`]) keep what they make, [`imports`] are written
//! out, what a `#[cfg]` leaves out is taken away ([`conditions`]), variables are bound so that it sees them ([`patterns`]), with lengths that it need not find ([`lengths`]), a `return` ends the cell ([`returns`]), [`builtin`] answers for the source file, [`folded`] makes
//! long lists short; [`edit`] is how all of that changes the text.

/// How names begin that are given to what a cell leaves without one; evcxr's own begin so, too.
pub const ALIAS: &str = "evcxr_item_";

pub mod builtin;
pub mod conditions;
pub mod edit;
pub mod folded;
pub mod imports;
pub mod items;
pub mod lengths;
pub mod lines;
pub mod made;
pub mod making;
pub mod negation;
pub mod own_statics;
pub mod patterns;
pub mod returns;
pub mod thread_locals;
pub mod unnamed;
pub mod whole;
