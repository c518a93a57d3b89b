//! Files as PyTorch and others write them, and files made to deceive.

#[path = "../../../tests/archive/mod.rs"]
mod archive;
mod download;
mod golden;
mod pickle;
mod safetensors;
mod weights;
mod zip;

use std::path::PathBuf;

use super::Weights;
use archive::archive;

/// A file that tests/reference/weights.py wrote.
fn reference(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reference/weights")).join(name)
}

fn reference_bytes(name: &str) -> Vec<u8> {
    std::fs::read(reference(name)).expect("a reference file")
}

/// Makes sure that `content` is refused, with the file's name and each of `words` in the message.
#[track_caller]
fn assert_refused(content: &[u8], words: &[&str]) {
    let error = Weights::from_bytes("broken.file", content).expect_err("a broken file was read");
    let text = error.to_string();
    for word in ["broken.file", "to do:"].iter().chain(words) {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
}
