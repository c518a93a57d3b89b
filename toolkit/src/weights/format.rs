//! Which format a file of weights is in.

/// What the bytes at the start and the end of a file say.
pub(super) enum Format {
    Safetensors,
    Zip,
    Other(&'static str),
}

pub(super) const BARE_PICKLE: &str = "a bare pickle (PyTorch before 1.6 wrote such files)";

impl Format {
    pub(super) fn of(content: &[u8]) -> Self {
        match content {
            [] => Self::Other("an empty file (0 bytes)"),
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Self::Zip,
            // The length of the header, below 2^32, and the header's first byte.
            [_, _, _, _, 0, 0, 0, 0, b'{', ..] => Self::Safetensors,
            [0x80, 2..=5, ..] => Self::Other(BARE_PICKLE),
            [0x1f, 0x8b, ..] => Self::Other("a gzip file"),
            [0x89, b'H', b'D', b'F', ..] => Self::Other("an HDF5 file (Keras)"),
            [b'G', b'G', b'U', b'F', ..] => Self::Other("a GGUF file, whose numbers are mostly quantized"),
            [b'<', ..] => Self::Other("a web page"),
            [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => Self::Other("a Git LFS pointer"),
            // Wrong lengths are best explained by the format that begins with one.
            [_, _, _, _, _, _, _, _, b'{', ..] => Self::Safetensors,
            [_, _, _, _, _, _, _, _] | [_, _, _, _, 0, 0, 0, 0, ..] => Self::Safetensors,
            _ => Self::Other("neither"),
        }
    }
}
