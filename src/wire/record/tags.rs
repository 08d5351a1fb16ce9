//! A connection in a few plain words each: `3 requests in one recv()`, `broken`.
//!
//! Never: a byte of the network; a connection that is remembered for the sake of its tags.
//!
//! The subtle thing: every event carries the tags as they are by then, so whoever takes one event out of
//! the middle knows what was seen before, also when that is forgotten.

use crate::http::Status;
use crate::wire::explain::message::{ContentKind, Message, Role, count};

/// What has been seen on a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// The most requests that one `recv` brought, and the most calls that brought one request.
    glued: u64,
    calls: u64,
    exchanges: u64,
    is_silent: bool,
    has_chunked_request: bool,
    has_chunked_response: bool,
    was_told_to_go_on: bool,
    is_broken: bool,
    is_cut_off: bool,
    is_reset: bool,
}

impl Tags {
    /// A `recv` brought bytes of so many requests.
    pub(crate) fn received(&mut self, requests: u64) {
        self.glued = self.glued.max(requests);
    }

    /// A message is complete, and so many calls carried it.
    pub(crate) fn message(&mut self, message: &Message, calls: u64) {
        self.exchanges = self.exchanges.max(message.exchange);
        let is_chunked = message.framing.is_some_and(|f| matches!(f.content, ContentKind::Chunked { .. }));
        match message.role {
            Role::Request => {
                self.calls = self.calls.max(calls);
                self.has_chunked_request |= is_chunked;
            }
            Role::Response => {
                self.has_chunked_response |= is_chunked;
                self.was_told_to_go_on |= message.status() == Status::CONTINUE.code();
            }
        }
        if let Some(broken) = message.error {
            self.is_cut_off |= broken.cut_off;
            self.is_broken |= !broken.cut_off;
        }
    }

    /// It has ended, for the reason of this name.
    pub(crate) fn closed(&mut self, reason: &str) {
        self.is_silent |= reason == "NeverSpoke";
        self.is_reset |= reason == "Broken";
    }

    /// The words.
    pub fn words(&self) -> Vec<String> {
        let Tags { glued, calls, exchanges, .. } = *self;
        let all = [
            (self.is_silent, "never spoke: opened in advance".to_string()),
            (glued > 1, format!("{} in one recv()", count(glued, "request"))),
            (calls > 1, format!("one request, {}", count(calls, "recv() call"))),
            // Requests that came together are on one connection anyway.
            (glued < 2 && exchanges > 1, format!("reused: {}", count(exchanges, "exchange"))),
            (self.has_chunked_request, "chunked request".into()),
            (self.has_chunked_response, "chunked response".into()),
            (self.was_told_to_go_on, "100-continue".into()),
            (self.is_broken, "broken".into()),
            (self.is_cut_off, "cut off".into()),
            (self.is_reset, "reset".into()),
        ];
        all.into_iter().filter(|(is_so, _)| *is_so).map(|(_, words)| words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_greatest_that_were_seen() {
        let mut tags = Tags::default();
        assert!(tags.words().is_empty());
        for requests in [1, 3, 2] {
            tags.received(requests);
        }
        tags.closed("Broken");
        assert_eq!(tags.words(), ["3 requests in one recv()", "reset"]);
        tags.closed("NeverSpoke");
        assert_eq!(tags.words()[0], "never spoke: opened in advance");
    }
}
