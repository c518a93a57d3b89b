//! Which code this is: what is kept on disk between runs must not outlive the code that made it.
//!
//! The version number stays the same through development, and one that is raised by hand is forgotten. So the code is
//! known by the file that it was loaded from: the library that notebooks share, or the program it is linked into. The
//! SHA-256 of the whole file changes with every build that changes anything, constants, dependencies, compiler and
//! instruction set included. A change that would have done no harm counts too: that costs a computation, never a wrong
//! number. It takes a moment for a large library, once a process.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::hex::sha256_of_file;
use crate::{Error, Result};

/// The SHA-256 of the file that this code was loaded from.
///
/// # Errors
/// When the file is not there any more (replaced by a newer build, say) or cannot be read.
pub(crate) fn digest() -> Result<[u8; 32]> {
    static DIGEST: OnceLock<Result<[u8; 32]>> = OnceLock::new();
    DIGEST.get_or_init(|| sha256_of_file(&loaded_from()?)).clone()
}

/// The library or program that has this function in it.
fn loaded_from() -> Result<PathBuf> {
    let here = loaded_from as *const () as u64;
    match fs::read_to_string("/proc/self/maps") {
        Ok(maps) => file_at(&maps, here),
        // Where the system does not tell, a program is all that can be asked for.
        Err(_) => std::env::current_exe().map_err(|e| {
            Error::data(format!("expected to find the file of this program: {e}")).at("the running program")
        }),
    }
}

/// The file that is mapped at `address`, from lines such as
/// `7f0c1000-7f0c9000 r-xp 00001000 fe:00 1234    /usr/lib/a library.so`.
fn file_at(maps: &str, address: u64) -> Result<PathBuf> {
    let has_it = |line: &&str| {
        let range = line
            .split_whitespace()
            .next()
            .and_then(|range| range.split_once('-'));
        let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
        range.is_some_and(|(from, to)| {
            matches!((number(from), number(to)), (Some(from), Some(to)) if (from..to).contains(&address))
        })
    };
    // A path may have spaces, and begins at the first slash.
    let path = maps
        .lines()
        .find(has_it)
        .and_then(|line| line.find('/').map(|at| &line[at..]));
    match path {
        Some(path) if !path.ends_with(" (deleted)") => Ok(PathBuf::from(path)),
        Some(path) => Err(
            Error::data("the file of the running code was replaced or removed")
                .at(path.to_owned())
                .fix("start the program again (in a notebook: restart the kernel)"),
        ),
        None => Err(
            Error::data("expected a file that this code was loaded from, found none")
                .at("the running program"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_code_is_the_program_of_the_tests() {
        let program = std::env::current_exe().unwrap();
        assert_eq!(loaded_from().unwrap(), program.canonicalize().unwrap());
        let expected = sha256_of_file(&program).unwrap();
        assert_eq!(digest().unwrap(), expected);
        assert_eq!(digest().unwrap(), expected, "from memory");
    }

    #[test]
    fn the_file_behind_an_address_is_found_or_the_reason_said() {
        let maps = "55000000-55001000 r-xp 00000000 fe:00 12 /bin/program\n\
                    7f000000-7f002000 r--p 00000000 fe:00 34    /opt/a b/libjook_cells.so\n\
                    7f002000-7f004000 r-xp 00002000 fe:00 34    /opt/a b/libjook_cells.so\n\
                    7f004000-7f006000 rw-p 00000000 00:00 0\n\
                    7f006000-7f008000 r-xp 00000000 fe:00 56    /opt/old.so (deleted)\n";
        assert_eq!(
            file_at(maps, 0x7f00_2fff).unwrap(),
            PathBuf::from("/opt/a b/libjook_cells.so")
        );
        assert_eq!(file_at(maps, 0x5500_0000).unwrap(), PathBuf::from("/bin/program"));
        let gone = file_at(maps, 0x7f00_6000).unwrap_err().to_string();
        assert!(gone.contains("/opt/old.so") && gone.contains("restart"), "{gone}");
        for nowhere in [0x7f00_4000, 0x7f00_8000, 0] {
            assert!(
                file_at(maps, nowhere)
                    .unwrap_err()
                    .to_string()
                    .contains("found none")
            );
        }
    }
}
