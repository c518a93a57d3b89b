//! What a cell asks of the session itself.

use crate::session::commands;
use crate::session::commands::Orders;
use crate::session::engine::Engine;
use crate::session::know::aliases;
use crate::session::know::docs;
use crate::session::know::lookup;
use crate::session::said::CellError;
use crate::session::talk::protocol::Event;
use crate::session::talk::pump;
use crate::session::talk::pump::Message;
use crate::session::talk::pump::Sink;
use crate::session::tell::losses::Variable;
use crate::session::tell::report;
use crate::session::variables;
use std::collections::HashSet;

impl Engine {
    /// Does what the cell's own lines ask of the session before its code runs.
    pub(super) fn answer(&mut self, orders: &Orders, sink: &Sink) {
        let send = |event| drop(sink.send(Message::Event(event)));
        if orders.help {
            send(commands::help());
        }
        for path in &orders.doc {
            send(match lookup::document(&mut self.context, &self.carried, path) {
                Ok(Some(documentation)) => commands::display(documentation),
                _ => Event::Stderr(
                    aliases::told(path)
                        .unwrap_or_else(|| format!("no documentation of `{path}` was found\n")),
                ),
            });
        }
        if let Some(code) = &orders.explain {
            send(commands::explanation(code));
        }
        if orders.version {
            send(commands::versions());
        }
        if let Some(level) = &orders.opt {
            let _ = self.context.set_opt_level(level);
            if !orders.has_code() {
                self.opt.clone_from(level);
            }
        }
        if orders.ask_opt || (orders.opt.is_some() && !orders.has_code()) {
            send(Event::Stdout(format!(
                "cells are compiled with opt-level {}\n",
                self.opt
            )));
        }
    }

    /// The table of variables. Measuring them is a cell of its own.
    pub(super) fn measure(&mut self, all: &[Variable], sink: &Sink) -> Event {
        let (own, told) = pump::sink();
        let sink = sink.clone();
        // Threads of earlier cells print meanwhile.
        let reader = std::thread::spawn(move || {
            let mut sizes = None;
            for message in told {
                match message {
                    Message::Event(Event::Result { data, .. }) => {
                        sizes = data["text/plain"].as_str().map(str::to_owned);
                    }
                    other => drop(sink.send(other)),
                }
            }
            sizes
        });
        self.note_run(HashSet::new());
        self.pump.begin(Some(own));
        let _ = self.context.execute(&variables::measuring(all));
        self.pump.finish(false);
        let sizes = reader.join().unwrap_or_default();
        variables::table(all, sizes.as_deref())
    }

    /// Answers a cell that asks what a name is.
    pub(super) fn explain(&mut self, question: &docs::Question, sink: &Sink) -> Result<(), CellError> {
        let found = lookup::document(&mut self.context, &self.carried, question.name)
            .map_err(|error| report::plain("InspectError", &format!("{error:#}")))?;
        let event = match found {
            Some(data) => Event::Page {
                data: docs::abridged(data, question.detail),
            },
            None => Event::Stderr(
                aliases::told(question.name)
                    .unwrap_or_else(|| format!("nothing is known about `{}`\n", question.name)),
            ),
        };
        let _ = sink.send(Message::Event(event));
        Ok(())
    }
}
