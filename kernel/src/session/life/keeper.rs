//! The process above a process: it takes with it all that was started below.
//!
//! A keeper adopts whatever loses its parent below it (a daemon too), ends as its child ends, and kills what is left.
//! It does the same when its lifeline ends: a socket whose other end the kernel holds. The kernel lets go to kill, and
//! cannot help letting go when it is killed itself.

use crate::session::guards::Guard;
use crate::session::guards::timed;
use crate::session::life::family;
use std::os::fd::RawFd;

/// How the child ended, as `waitpid` says it.
type Status = libc::c_int;

/// What a keeper that listens is told to do with its child.
#[derive(Clone, Copy)]
pub enum Order {
    /// Ask it to stop.
    Stop = b'S' as isize,
    /// The request to stop is taken back.
    TakeBack = b'T' as isize,
}

/// Forks, and returns in the child. The parent stays in here: it keeps the child, and ends as the child does. Of this
/// process's files it keeps the lifeline. When it `listens` there, each byte that comes is an [`Order`]. Call it while the
/// process has one thread.
///
/// # Errors
/// When the process cannot be forked; then nobody keeps it.
pub fn keep(lifeline: RawFd, listens: bool) -> std::io::Result<()> {
    // SAFETY: one thread: the child is a whole copy. The parent uses its own values only.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => {
            ends_with_its_parent(libc::SIGKILL);
            Ok(())
        }
        child => {
            let lifeline = let_go_of_files(Some(lifeline));
            ends_with_its_parent(libc::SIGTERM);
            end_as(wait_and_keep(child, lifeline, listens))
        }
    }
}

/// Forks, and returns in the child. The parent only waits, and ends as the child does: whoever has started this process
/// may kill it, and the keeper below sees that and does its work. Should the keeper be killed, it does that work itself.
///
/// # Errors
/// When the process cannot be forked.
pub fn stand_before() -> std::io::Result<()> {
    // SAFETY: as in `keep`.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => Ok(()),
        child => {
            let_go_of_files(None);
            ends_with_its_parent(libc::SIGKILL);
            block(&[libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGQUIT]);
            adopt();
            let mut status = 0;
            // SAFETY: waits for a child of this process.
            while unsafe { libc::waitpid(child, &raw mut status, 0) } == -1 {}
            kill_what_is_left(|| {
                reap(child);
            });
            end_as(status)
        }
    }
}

/// This process gets a signal when its parent is gone, even if that is so already.
fn ends_with_its_parent(signal: libc::c_int) {
    // SAFETY: settings of this process, and a signal to itself.
    unsafe {
        let parent = libc::getppid();
        libc::prctl(libc::PR_SET_PDEATHSIG, signal);
        if libc::getppid() != parent {
            libc::raise(signal);
        }
    }
}

/// Closes all files but one, which becomes descriptor 3.
fn let_go_of_files(but: Option<RawFd>) -> RawFd {
    const KEPT: RawFd = 3;
    // SAFETY: this process uses no other file; the descriptors from 0 to 2 stay open, onto nothing.
    unsafe {
        if let Some(kept) = but.filter(|&kept| kept != KEPT) {
            libc::dup2(kept, KEPT);
        }
        let first = if but.is_some() { KEPT + 1 } else { KEPT };
        libc::syscall(libc::SYS_close_range, first, libc::c_int::MAX, 0);
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC);
        for stream in 0..3 {
            libc::dup2(nothing, stream);
        }
        libc::close(nothing);
    }
    KEPT
}

fn block(signals: &[libc::c_int]) -> libc::sigset_t {
    // SAFETY: fills in a set of signals, and blocks them for this process.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for &signal in signals {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        set
    }
}

/// Waits for the child's end, or kills it; then kills all that is left below.
fn wait_and_keep(child: libc::pid_t, lifeline: RawFd, listens: bool) -> Status {
    let heard = if listens { libc::POLLIN } else { 0 };
    adopt();
    let signals = block(&[
        libc::SIGCHLD,
        libc::SIGTERM,
        libc::SIGINT,
        libc::SIGHUP,
        libc::SIGUSR1,
        libc::SIGQUIT,
    ]);
    // SAFETY: a new descriptor that tells of the signals above.
    let news = unsafe { libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    let mut ended: Option<Status> = reap(child);
    // Two signals may be handled in another order than they were sent in: the child knows by this which request is
    // taken back.
    let mut stops = 0;
    while ended.is_none() {
        let mut watched =
            [(news, libc::POLLIN), (lifeline, heard | libc::POLLRDHUP)].map(|(fd, events)| libc::pollfd {
                fd,
                events,
                revents: 0,
            });
        // SAFETY: two descriptors, described by values that outlive the call.
        unsafe { libc::poll(watched.as_mut_ptr(), 2, -1) };
        let told = signals_of(news);
        ended = reap(child).or(ended);
        let cut = watched[1].revents & !libc::POLLIN != 0;
        if ended.is_none() && (cut || told.contains(&libc::SIGTERM)) {
            family::signal(child, libc::SIGKILL);
            break;
        }
        if watched[1].revents & libc::POLLIN != 0 {
            match byte_from(lifeline) {
                Some(b'S') => {
                    stops += 1;
                    family::signal_with(child, libc::SIGINT, stops);
                }
                Some(b'T') => family::signal_with(child, libc::SIGUSR1, stops),
                _ => {}
            }
        }
    }
    kill_what_is_left(|| ended = ended.or(reap(child)));
    ended.or(reap(child)).unwrap_or(libc::SIGKILL)
}

/// Whoever loses its parent below becomes a child of this process.
fn adopt() {
    // SAFETY: a setting of this process.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1) };
}

/// Kills all that is below; `each` reaps.
fn kill_what_is_left(each: impl FnMut()) {
    if timed(Guard::Groups, has_children) {
        // SAFETY: asks for this process's own number.
        let me = unsafe { libc::getpid() };
        family::kill_descendants(me, each);
    }
}

/// The byte that has come by the lifeline.
fn byte_from(lifeline: RawFd) -> Option<u8> {
    let mut byte = [0u8];
    // SAFETY: reads one byte into an array of one.
    let read = unsafe { libc::recv(lifeline, byte.as_mut_ptr().cast(), 1, libc::MSG_DONTWAIT) };
    (read == 1).then_some(byte[0])
}

fn signals_of(news: RawFd) -> Vec<libc::c_int> {
    let mut told = Vec::new();
    // SAFETY: all zeros is a valid value of what the read fills in.
    let mut info: libc::signalfd_siginfo = unsafe { std::mem::zeroed() };
    let size = size_of_val(&info);
    // SAFETY: reads as many bytes as the value has.
    while unsafe { libc::read(news, (&raw mut info).cast(), size) } == size as isize {
        told.push(info.ssi_signo as libc::c_int);
    }
    told
}

/// Whether anybody is left below: whoever loses its parent there is adopted here.
fn has_children() -> bool {
    // SAFETY: looks for a child that has ended, and leaves it as it is.
    let looked = unsafe {
        let mut info = std::mem::zeroed();
        libc::waitid(
            libc::P_ALL,
            0,
            &raw mut info,
            libc::WEXITED | libc::WNOHANG | libc::WNOWAIT,
        )
    };
    looked == 0
}

/// Reaps whoever has ended; says how the child did, if it was among them.
fn reap(child: libc::pid_t) -> Option<Status> {
    let mut ended = None;
    let mut status = 0;
    loop {
        // SAFETY: waits for children of this process that have ended already.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            pid if pid == child => ended = Some(status),
            pid if pid > 0 => {}
            _ => return ended,
        }
    }
}

/// Ends this process as another one has ended.
fn end_as(status: Status) -> ! {
    // SAFETY: ends the process; before that its own settings, so that no second core is dumped.
    unsafe {
        if libc::WIFEXITED(status) {
            libc::_exit(libc::WEXITSTATUS(status));
        }
        let signal = libc::WTERMSIG(status);
        let none = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
        libc::raise(signal);
        libc::_exit(128 + signal)
    }
}
