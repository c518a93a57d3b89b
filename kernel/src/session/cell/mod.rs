//! What the text of a cell says, before anything is made of it: [`items`] makes `impl`s replaceable and keeps what [`thread_locals`] and macros ([`made`]) make, [`builtin`] answers for the source file, [`folded`] makes long lists short, [`lines`] tells code from text, [`whole`] whether it is
//! one block of statements.

/// How names begin that are given to what a cell leaves without one; evcxr's own begin so, too.
pub const ALIAS: &str = "evcxr_item_";

pub mod builtin;
pub mod folded;
pub mod items;
pub mod lines;
pub mod made;
pub mod thread_locals;
pub mod whole;
