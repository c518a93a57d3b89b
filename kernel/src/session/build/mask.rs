//! Who may read new files. The session's own are for the user alone, and so are those of whatever inherits its mask; what
//! runs in the user's place makes files as he does.

use std::process::{Child, Command};

/// The mask for new files that the user has.
pub const UMASK: &str = "JOOK_UMASK";

/// Has files that are new to this thread readable by their owner alone. [`outside`](super::home::outside), the mask is
/// what it was.
pub fn keep_files_private() {
    // SAFETY: exchanges a setting of this thread, or of this process; the environment as in `home::make`.
    unsafe {
        let own = libc::umask(0o077);
        if std::env::var_os(UMASK).is_none() {
            std::env::set_var(UMASK, own.to_string());
        }
    }
}

/// The user's, where this process has another one.
pub fn own() -> Option<libc::mode_t> {
    std::env::var(UMASK).ok().and_then(|own| own.parse().ok())
}

/// Starts a command that is [in the user's environment](super::home::in_own_environment) with his mask. No other thread
/// of this process may make files meanwhile: the mask is changed here, for the system would have to copy this process
/// first to change it in the new one alone, and a cell waits for that.
///
/// # Errors
/// When it cannot be started.
pub fn start(command: &mut Command) -> std::io::Result<Child> {
    let Some(own) = own() else {
        return command.spawn();
    };
    // SAFETY: exchanges a setting of this process, in which nothing else makes files.
    let before = unsafe { libc::umask(own) };
    let started = command.spawn();
    // SAFETY: as above.
    unsafe { libc::umask(before) };
    started
}
