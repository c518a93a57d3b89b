//! Numbers that stand for what they were made of, within one session or one build of this program.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The digest of something.
pub fn digest_of(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
