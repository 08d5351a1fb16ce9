//! An exchange as the history keeps it: the request, its answers, and what is in them.
//!
//! Never: a byte that is not masked; a part that is made up. What was not kept is said to be missing.
//!
//! The subtle thing: names and values are taken from the bytes by the lines of the annotator, so that
//! a field in an archive or in a command is the one that was on the wire, in its case and its order.

use std::sync::Arc;

use crate::http::grammar::decimal;
use crate::wire::explain::message::Role;
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent};
use crate::wire::record::history::History;

/// The number of an exchange: of its connection, and on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ExchangeId {
    /// N of `cN`.
    pub(crate) connection: u64,
    /// M of `cN.M`.
    pub(crate) exchange: u64,
}

impl ExchangeId {
    /// Reads `N.M`.
    pub(crate) fn parse(text: &[u8]) -> Option<ExchangeId> {
        let dot = text.iter().position(|&o| o == b'.')?;
        Some(ExchangeId { connection: decimal(&text[..dot])?, exchange: decimal(&text[dot + 1..])? })
    }
}

/// A message that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Said(Arc<WireEvent>);

impl Said {
    fn of(told: &Arc<WireEvent>) -> Option<Said> {
        matches!(told.kind, EventKind::Message(_)).then(|| Said(Arc::clone(told)))
    }

    /// The message and how it was carried; the event is one, or there would be no [`Said`].
    pub(crate) fn spoken(&self) -> Option<&TimedMessage> {
        match &self.0.kind {
            EventKind::Message(spoken) => Some(spoken),
            _ => None,
        }
    }
}

/// An exchange; either half may be missing.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) name: ExchangeId,
    request: Option<Said>,
    /// Interim ones first.
    answers: Vec<Said>,
}

impl Exchange {
    /// One of the history.
    pub(crate) fn find(history: &History, name: ExchangeId) -> Option<Exchange> {
        ConnectionHistory::of(history, name.connection).exchanges.into_iter().find(|exchange| exchange.name == name)
    }

    /// The request.
    pub(crate) fn request(&self) -> Option<&TimedMessage> {
        self.request.as_ref().and_then(Said::spoken)
    }

    /// The final response.
    pub(crate) fn response(&self) -> Option<&TimedMessage> {
        self.answers().filter(|spoken| !spoken.message.is_interim()).last()
    }

    /// All responses, in order.
    pub(crate) fn answers(&self) -> impl Iterator<Item = &TimedMessage> {
        self.answers.iter().filter_map(Said::spoken)
    }
}

/// What is kept of a connection, exchange by exchange.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHistory {
    pub(crate) connection: u64,
    pub(crate) accepted: Option<Arc<WireEvent>>,
    pub(crate) exchanges: Vec<Exchange>,
}

impl ConnectionHistory {
    pub(crate) fn of(history: &History, connection: u64) -> ConnectionHistory {
        let mut story = ConnectionHistory { connection, accepted: None, exchanges: Vec::new() };
        for (_, kept) in history.connection(connection) {
            match &kept.event.kind {
                EventKind::Accepted { .. } => story.accepted = Some(kept.event),
                EventKind::Message(spoken) => story.add(spoken, &kept.event),
                _ => {}
            }
        }
        story
    }

    fn add(&mut self, spoken: &TimedMessage, told: &Arc<WireEvent>) {
        let name = ExchangeId { connection: self.connection, exchange: spoken.message.exchange };
        if self.exchanges.last().is_none_or(|last| last.name != name) {
            self.exchanges.push(Exchange { name, request: None, answers: Vec::new() });
        }
        if let (Some(exchange), Some(said)) = (self.exchanges.last_mut(), Said::of(told)) {
            match spoken.message.role {
                Role::Request => exchange.request = Some(said),
                Role::Response => exchange.answers.push(said),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_two_numbers_and_a_dot() {
        assert_eq!(ExchangeId::parse(b"12.3"), Some(ExchangeId { connection: 12, exchange: 3 }));
        for text in ["", ".", "1", "1.", ".1", "1.2.3", "c1.2", "1.-2", "1.2 ", "99999999999999999999.1"] {
            assert_eq!(ExchangeId::parse(text.as_bytes()), None, "{text}");
        }
    }
}
