//! The process that ran a cell is gone: of what it died, what that means, and what to do.

use crate::session::said::CellError;
use crate::session::tell::notes::Notes;
use crate::session::tell::report::plain;

const LOST: &str = "The notebook's variables are lost; its `use` lines and functions are still there. A new process is ready: \
    run the cells that make your variables again.";

/// From evcxr's account: what the process still printed, and its exit status.
pub fn of_child(message: &str, notes: &Notes) -> CellError {
    let (printed, status) = message
        .rsplit_once("Subprocess terminated with status: ")
        .unwrap_or(("", message));
    let status = status.trim();
    let mut text = format!("{}\n{LOST}", cause(status, notes));
    for line in printed.lines() {
        text.push('\n');
        text.push_str(line);
    }
    plain("ChildDied", &text)
}

fn cause(status: &str, notes: &Notes) -> String {
    if let Some(code) = status.strip_prefix("exit status: ") {
        return format!(
            "the cell ended its own process with exit code {code} (`std::process::exit`, or a library that calls it)"
        );
    }
    let signal = status
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(')'))
        .map_or("", |(name, _)| name);
    let said = notes.last_words.as_deref().unwrap_or_default();
    let what = match signal {
        "SIGABRT" if said.starts_with("memory") => format!("{said}; the machine has not that much left"),
        "SIGABRT" if said.ends_with("stack") => {
            "its stack overflowed, most often by a function that calls itself without end".to_owned()
        }
        "SIGABRT" => "it was aborted: by `std::process::abort`, a panic while another one unwound, or a C library".to_owned(),
        "SIGSEGV" | "SIGBUS" => "it touched memory that is not its own, which only `unsafe` code or a C library can do".to_owned(),
        "SIGKILL" => "it was killed from outside, most likely because the machine ran out of memory: try with less data, or smaller batches".to_owned(),
        "SIGILL" => "it came upon an instruction that this processor does not have".to_owned(),
        "SIGFPE" => "it made an arithmetic error that the processor refuses".to_owned(),
        _ => "it was ended".to_owned(),
    };
    format!("the process that ran the cell died: {what} ({status})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: &str, last_words: Option<&str>) -> String {
        let notes = Notes {
            last_words: last_words.map(str::to_owned),
            ..Notes::default()
        };
        let message = format!("last words\nSubprocess terminated with status: {status}");
        let error = of_child(&message, &notes);
        assert_eq!(error.traceback.last().map(String::as_str), Some("last words"));
        error.evalue
    }

    #[test]
    fn each_death_has_its_name() {
        assert!(said("exit status: 3", None).contains("exit code 3"));
        assert!(said("signal: 6 (SIGABRT)", None).contains("aborted"));
        assert!(
            said(
                "signal: 6 (SIGABRT) (core dumped)",
                Some("thread 'main' (7) has overflowed its stack")
            )
            .contains("calls itself")
        );
        assert!(
            said("signal: 6 (SIGABRT)", Some("memory allocation of 9 bytes failed")).contains("of 9 bytes")
        );
        assert!(said("signal: 11 (SIGSEGV)", None).contains("not its own"));
        assert!(said("signal: 9 (SIGKILL)", None).contains("out of memory"));
        assert!(said("signal: 31 (SIGSYS)", None).ends_with("it was ended (signal: 31 (SIGSYS))"));
    }
}
