//! Those who knock at the session's door: the process of cells, and the compilers that work for it.

use super::{Control, Process};
use crate::session::life::door::{self, Caller, Door};
use crate::session::talk::comms::Comms;
use crate::session::talk::protocol::Event;
use crate::session::talk::pump::Message;
use anyhow::Result;
use serde_json::Value;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

impl Control {
    /// Opens the door of a session; whoever knocks is served as long as the session lives. Returns where it is.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open_door(self: &Arc<Self>, path: &Path, comms: &Arc<Comms>) -> Result<PathBuf> {
        let (control, comms) = (Arc::downgrade(self), comms.clone());
        let door = Door::open(path, move |caller, stream| match (control.upgrade(), caller) {
            (Some(_), Caller::Comms) => comms.hear(stream),
            (Some(control), caller) => control.enter(caller, stream),
            (None, _) => {}
        })?;
        let path = door.path().to_owned();
        // The door of the session before, if there was one, closes.
        self.state().door = Some(door);
        Ok(path)
    }

    /// Serves one who has knocked at the session's door, until he leaves.
    fn enter(&self, caller: Caller, stream: UnixStream) {
        match caller {
            Caller::Cells { group } => {
                let process = Process {
                    lifeline: stream,
                    group,
                };
                // One that is gone is let go of with this.
                self.state().process = Some(process);
            }
            Caller::Compiler => self.serve_compiler(&stream),
            Caller::Comms => {}
        }
    }

    /// Hears what a compiler says. It may work as long as the connection lasts.
    fn serve_compiler(&self, mut stream: &UnixStream) {
        let number = {
            let mut state = self.state();
            let Ok(hold) = stream.try_clone() else { return };
            if state.interrupted.is_some() {
                return;
            }
            state.compiled = true;
            state.knocks += 1;
            let number = state.knocks;
            state.compilers.push((number, hold));
            number
        };
        let mut go_on = stream.write_all(b"go\n").is_ok();
        while go_on && let Ok(line) = door::line(stream) {
            let said: Value = serde_json::from_slice(&line).unwrap_or_default();
            match said["kind"].as_str() {
                // The cell's analysis is over.
                Some("source") => {
                    let mut state = self.state();
                    state.resting = state.handed;
                    self.rest.notify_all();
                }
                // evcxr may analyse the cell again, and writes to the files that a copy does.
                Some("failed") => {
                    self.works();
                    go_on = stream.write_all(b"go\n").is_ok();
                }
                Some("warnings") => {
                    let tell = self.state().on_warnings.take();
                    if let Some(tell) = tell {
                        tell();
                    }
                    go_on = stream.write_all(b"go\n").is_ok();
                }
                Some("unknown") => self.note_fault(said["what"].as_str().unwrap_or_default()),
                Some("progress") => {
                    let sink = self.state().sink.clone();
                    if let (Some(sink), Some(text)) = (sink, said["text"].as_str()) {
                        let _ = sink.send(Message::Event(Event::Stderr(format!("{text}\n"))));
                    }
                }
                _ => {}
            }
        }
        self.state().compilers.retain(|(other, _)| *other != number);
    }
}
