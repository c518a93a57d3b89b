//! The programs that a cell has started, and how they are stopped: asked first, and killed with all that they have started
//! meanwhile when they do not end.

use crate::session::life::family;
use crate::session::life::family::Relative;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The programs below `group` that a cell has started which began at `begun`: not within the same tick of the clock, for it
/// is compiled first. What earlier ones start meanwhile is theirs. Processes of
/// the name `ours` are no programs.
pub fn started_since(begun: u64, group: libc::pid_t, ours: &str) -> Vec<Relative> {
    let all = family::descendants(group);
    let programs: Vec<Relative> = all
        .into_iter()
        .filter(|one| !family::is_called(one.pid, ours))
        .collect();
    let earlier: Vec<Relative> = programs
        .iter()
        .copied()
        .filter(|one| one.started <= begun)
        .collect();
    let of_earlier = Marked::of(&earlier).among(&programs);
    programs
        .into_iter()
        .filter(|one| !of_earlier.contains(one))
        .collect()
}

/// Programs that were asked to end.
pub struct Stopping {
    ours: &'static str,
    marked: Marked,
    /// When they were asked, on the clock of processes and on this one's.
    asked: u64,
    since: Instant,
}

impl Stopping {
    /// Asks them to end.
    pub fn ask(programs: &[Relative], ours: &'static str) -> Self {
        let stopping = Self {
            ours,
            marked: Marked::of(programs),
            asked: family::now(),
            since: Instant::now(),
        };
        for program in programs {
            family::signal(program.pid, libc::SIGINT);
        }
        stopping
    }

    /// Looks below `group` for what they have started meanwhile: call it often. A program that has lost its parent, since
    /// they were asked, is taken for one of theirs as long as the cell `still_runs`, and for a moment; it could be that of
    /// a server of an earlier cell.
    pub fn look(&mut self, group: libc::pid_t, still_runs: bool) {
        /// In which a program that is asked to end may leave another one behind.
        const PARTING: Duration = Duration::from_millis(800);
        /// In which the cell may have ended before it.
        const BRIEF: Duration = Duration::from_millis(300);
        let all = family::descendants(group);
        let since = self.since.elapsed();
        if since < BRIEF || still_runs && since < PARTING {
            let left = all
                .iter()
                .filter(|one| one.started >= self.asked && self.is_an_orphan(one, group, &all));
            let left: Vec<Relative> = left.copied().collect();
            self.marked.add(&left);
        }
        self.marked.among(&all);
    }

    /// Kills what is left of them.
    pub fn kill(&mut self, group: libc::pid_t) {
        // One that stands still starts nothing any more.
        for deadly in [libc::SIGSTOP, libc::SIGKILL] {
            for program in self.marked.among(&family::descendants(group)) {
                family::signal(program.pid, deadly);
            }
        }
    }

    /// Whether a keeper has taken this program over, whose own parent is gone.
    fn is_an_orphan(&self, one: &Relative, group: libc::pid_t, all: &[Relative]) -> bool {
        let is_above =
            |pid| pid == group || all.iter().any(|other| other.pid == pid && other.parent == group);
        is_above(one.parent) && !family::is_called(one.pid, self.ours)
    }
}

/// Programs that are to end, and what they start meanwhile, which becomes another's child when they end.
struct Marked(HashMap<libc::pid_t, u64>);

impl Marked {
    fn of(programs: &[Relative]) -> Self {
        Self(programs.iter().map(|one| (one.pid, one.started)).collect())
    }

    fn add(&mut self, programs: &[Relative]) {
        self.0.extend(programs.iter().map(|one| (one.pid, one.started)));
    }

    /// Those of `relatives` that are marked, or that a marked one has started, and is marked with that.
    fn among(&mut self, relatives: &[Relative]) -> Vec<Relative> {
        let there: HashMap<libc::pid_t, u64> = relatives.iter().map(|one| (one.pid, one.started)).collect();
        // Parents come before their children.
        let mut found = Vec::new();
        for one in relatives {
            // The number of one that is gone may be another's.
            let is_marked = |pid| {
                there
                    .get(&pid)
                    .is_some_and(|started| self.0.get(&pid) == Some(started))
            };
            if is_marked(one.pid) || is_marked(one.parent) {
                self.0.insert(one.pid, one.started);
                found.push(*one);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_marked_program_starts_is_marked_also_when_another_has_it() {
        let one = |pid, parent, started| Relative { pid, parent, started };
        let mut marked = Marked::of(&[one(5, 2, 10)]);
        let of = |found: Vec<Relative>| found.iter().map(|one| one.pid).collect::<Vec<_>>();
        let first = [one(5, 2, 10), one(8, 2, 12), one(6, 5, 11), one(7, 6, 12)];
        assert_eq!(of(marked.among(&first)), [5, 6, 7]);
        assert_eq!(
            of(marked.among(&[one(5, 2, 20), one(9, 5, 21), one(7, 2, 12), one(10, 7, 22)])),
            [7, 10]
        );
    }
}
