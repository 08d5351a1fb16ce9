//! The shortest form: one line for each exchange.
//!
//! ```text
//! c4.1 00:23:48 GET /hello.txt 200  44>198 B  0.4 ms  4 recv  cut
//! ```
//!
//! Never: a line for half an exchange, unless the connection has ended in the middle of it.
//!
//! The subtle thing: a request is remembered until its answer is out, so the memory for those that
//! never get one is bounded.

use std::collections::BTreeMap;

use crate::wire::explain::message::{Role, count};
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent};
use crate::wire::show::look::{millis, title};

/// Requests that wait for their answers.
const WAITING: usize = 4096;

/// What is remembered of requests.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    waiting: BTreeMap<(u64, u64), (String, u64, u64, bool)>,
}

impl Exchanges {
    pub(crate) fn tell(&mut self, told: &WireEvent, ascii: bool, out: &mut String) {
        match &told.kind {
            EventKind::Message(spoken) => self.message(told.connection, spoken, ascii, out),
            EventKind::Closed { reason, .. } => {
                let begun = (told.connection, 0)..(told.connection + 1, 0);
                let left: Vec<_> = self.waiting.range(begun).map(|(key, _)| *key).collect();
                for key in left {
                    if let Some((title, bytes, ..)) = self.waiting.remove(&key) {
                        out.push_str(&format!("c{}.{} {title} -  {bytes}>0 B  {reason}\n", key.0, key.1));
                    }
                }
            }
            EventKind::Lost { events, open } => out.push_str(&format!("... {}\n", lost(*events, *open))),
            EventKind::Accepted { .. } | EventKind::Received(_) => {}
        }
    }

    fn message(&mut self, connection: u64, spoken: &TimedMessage, ascii: bool, out: &mut String) {
        let message = &spoken.message;
        let key = (connection, message.exchange);
        if message.role == Role::Request {
            let told = (title(message, ascii), message.len(), spoken.call_count, !spoken.boundaries.is_empty());
            self.waiting.insert(key, told);
            if self.waiting.len() > WAITING {
                self.waiting.pop_first();
            }
            return;
        }
        if message.is_interim() {
            return;
        }
        let (asked, bytes, calls, cut) = self.waiting.remove(&key).unwrap_or_else(|| ("-".into(), 0, 0, false));
        let clock = spoken.clock.get(..8).unwrap_or_default();
        let took = spoken.took.map(|took| format!("  {}", millis(took))).unwrap_or_default();
        let broken = if message.error.is_some() { "  broken" } else { "" };
        let cut = if cut { "  cut" } else { "" };
        out.push_str(&format!(
            "c{}.{} {clock} {asked} {}  {bytes}>{} B{took}  {calls} recv{cut}{broken}\n",
            key.0,
            key.1,
            title(message, ascii),
            message.len(),
        ));
    }
}

/// What was lost, and what becomes of it.
pub(crate) fn lost(events: u64, open: usize) -> String {
    let events = count(events, "event");
    match open {
        0 => format!("{events} not shown"),
        1 => format!("{events} not shown: too much came at once, 1 open connection is told no further"),
        open => format!("{events} not shown: too much came at once, {open} open connections are told no further"),
    }
}
