//! What is remembered of the exchange in hand, for the log and for the end.
//!
//! Never: the content, the head: one line's worth, and nothing at all when no log is kept.
//!
//! The subtle thing: for every request begun there is exactly one line in the log, also for one whose
//! client left, or whose file became shorter: [`Exchange::break_off`] sees to it.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::http::Status;
use crate::net::access_log::{Entry, Journal, Result as Line};
use crate::net::close_reason::Ended;

/// What is remembered of the exchange in hand.
#[derive(Debug, Default)]
pub struct Exchange {
    pub(crate) entry: Option<Box<Entry>>,
    pub(crate) status: Option<Status>,
    /// Octets that leave before the content of this answer and are none of it: its head, and whatever is
    /// still gathered of the answers before it. `sent` counts them too.
    pub(crate) head: u64,
    pub(crate) sent: u64,
    pub(crate) note: Option<String>,
    /// Why the connection will end after this answer, if it will.
    pub(crate) reason: Option<Ended>,
}

impl Exchange {
    /// Octets of the answer have left.
    pub fn progress(&mut self, octets: u64) {
        self.sent += octets;
    }

    /// Writes the line of the log; `octets` of content were sent.
    pub(crate) fn end(&mut self, peer: SocketAddr, octets: u64, wall: SystemTime, journal: &mut Journal) {
        if let (Some(entry), Some(status)) = (self.entry.take(), self.status) {
            let line = Line { peer, status, octets, ended: wall, note: self.note.as_deref() };
            journal.write(entry, &line);
        }
        self.status = None;
        self.note = None;
    }

    /// The connection ended before the answer was out, or before there was one.
    pub fn break_off(&mut self, peer: SocketAddr, ended: Ended, wall: SystemTime, journal: &mut Journal) {
        if self.entry.is_some() {
            // 499 is what nginx writes for a client that left before its answer: no status was sent.
            let status = self.status.or(Status::new(499));
            let octets = self.sent.saturating_sub(self.head);
            self.status = status;
            self.note = Some(ended.sentence().into_owned());
            self.end(peer, octets, wall, journal);
        }
    }
}
