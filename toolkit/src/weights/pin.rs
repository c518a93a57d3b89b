//! Downloads whose checksum nobody says: what came first is pinned, and anything else is refused from then on.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use super::download::{beside, fetch, file_name};
use crate::hex::{hex, sha256_of_file};
use crate::{Error, Result, replace};

/// Fetches `address` to `path` as [`download`](super::download()) does, and holds it to what was there the first
/// time: the SHA-256 of that is in `<name>.sha256` beside it, as the `sha256sum` command writes it. Gives what the user
/// should know, where there was nothing to check with.
///
/// # Errors
/// As [`download`](super::download()); when the file is another one than was pinned; when the pin cannot be read or
/// written.
pub(super) fn download_pinned(address: &str, path: &Path) -> Result<Option<String>> {
    let path = &replace::target(path)?;
    let pin = beside(path, ".sha256")?;
    match fs::read_to_string(&pin) {
        Ok(text) => {
            let digits = text.split_whitespace().next().unwrap_or_default();
            if digits.len() != 64 {
                return Err(Error::data(
                    "expected the SHA-256 of what was fetched first, found something else",
                )
                .at(pin.display().to_string())
                .fix("remove it, so that the file is pinned anew"));
            }
            fetch(address, Some(digits), path, Some(&pin))?;
            Ok(None)
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            fetch(address, None, path, None)?;
            let digest = hex(&sha256_of_file(path)?);
            replace::file(&pin, format!("{digest}  {}\n", file_name(path)).as_bytes())?;
            Ok(Some(format!(
                "{} is not checked: no checksum of it is known. Its SHA-256 is {digest}, written to {}: \
                 from now on another file is refused",
                path.display(),
                pin.display()
            )))
        }
        Err(e) => Err(Error::io(&pin, &e)),
    }
}
