//! What the text of a cell says, before anything is made of it: [`items`] makes `impl`s replaceable ([`unnamed`]) and keeps what [`thread_locals`] and macros ([`made`]) make, [`imports`] writes a `use` out, [`builtin`] answers for the source file, [`folded`] makes long lists short, [`edit`] is how all of that changes the text, [`lines`] tells code from text, [`whole`] whether it is
//! one block of statements.

/// How names begin that are given to what a cell leaves without one; evcxr's own begin so, too.
pub const ALIAS: &str = "evcxr_item_";

pub mod builtin;
pub mod edit;
pub mod folded;
pub mod imports;
pub mod items;
pub mod lines;
pub mod made;
pub mod thread_locals;
pub mod unnamed;
pub mod whole;
