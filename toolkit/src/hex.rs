//! Digests of files, and digests as text.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// Lowercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256 of a file, read a piece at a time.
pub(crate) fn sha256_of_file(path: &Path) -> Result<[u8; 32]> {
    let io = |e: std::io::Error| Error::io(path, &e);
    let mut file = File::open(path).map_err(io)?;
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece).map_err(io)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&piece[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn a_file_has_the_digest_of_its_bytes() {
        let scratch = Scratch::new();
        // More than a piece, and the last one short.
        let mut bytes: Vec<u8> = (0..2_500_000u32).map(|i| (i % 251) as u8).collect();
        let path = scratch.file("library.so", &bytes);
        assert_eq!(sha256_of_file(&path).unwrap()[..], Sha256::digest(&bytes)[..]);
        bytes[2_400_000] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(sha256_of_file(&path).unwrap()[..], Sha256::digest(&bytes)[..]);
        let abc = scratch.file("abc", "abc");
        // FIPS 180-2, appendix B.1.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hex(&sha256_of_file(&abc).unwrap()), expected);
        assert!(sha256_of_file(&scratch.path().join("none")).is_err());
    }
}
