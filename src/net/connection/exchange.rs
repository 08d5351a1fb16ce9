//! What is remembered of the exchange in hand, for the log and for the end.
//!
//! Never: the content, the head: one line's worth, and nothing at all when no log is kept.
//!
//! The subtle thing: for every request begun there is exactly one line in the log, also for one whose
//! client left, or whose file became shorter: [`Exchange::break_off`] sees to it.

use std::net::SocketAddr;
use std::time::SystemTime;

use crate::http::Status;
use crate::net::access_log::{AccessLog, Entry, Result as Line};
use crate::net::close_reason::CloseReason;
use crate::service::app::Additions;

/// What is remembered of the exchange in hand.
#[derive(Debug, Default)]
pub struct Exchange {
    pub(crate) entry: Option<Box<Entry>>,
    pub(crate) status: Option<Status>,
    /// Bytes that leave before the content of this answer and are none of it: its head, and whatever is
    /// still gathered of the answers before it. `sent` counts them too.
    pub(crate) head: u64,
    pub(crate) sent: u64,
    pub(crate) note: Option<String>,
    /// What is added to the response when it is sent.
    pub(crate) additions: Additions,
    /// Why the connection will end after this answer, if it will.
    pub(crate) reason: Option<CloseReason>,
}

impl Exchange {
    /// Bytes of the answer have left.
    pub fn progress(&mut self, bytes: u64) {
        self.sent += bytes;
    }

    /// Writes the line of the log; `bytes` of content were sent.
    pub(crate) fn end(&mut self, peer: SocketAddr, bytes: u64, wall: SystemTime, access_log: &mut AccessLog) {
        if let (Some(entry), Some(status)) = (self.entry.take(), self.status) {
            let line = Line { peer, status, bytes, ended: wall, note: self.note.as_deref() };
            access_log.write(entry, &line);
        }
        self.status = None;
        self.note = None;
    }

    /// The connection ended before the answer was out, or before there was one.
    pub fn break_off(&mut self, peer: SocketAddr, ended: CloseReason, wall: SystemTime, access_log: &mut AccessLog) {
        if self.entry.is_some() {
            // 499 is what nginx writes for a client that left before its answer: no status was sent.
            let status = self.status.or(Status::new(499));
            let bytes = self.sent.saturating_sub(self.head);
            self.status = status;
            self.note = Some(ended.sentence().into_owned());
            self.end(peer, bytes, wall, access_log);
        }
    }
}
