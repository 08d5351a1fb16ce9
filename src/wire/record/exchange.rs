//! Exchanges as the history keeps them: a request and its responses, all redacted.
//!
//! A snapshot: it holds the events that were there when it was made, also if the history forgets them meanwhile. Bytes
//! that were never recorded, or are forgotten, are missing in it and are not replaced by anything.

use std::sync::Arc;

use crate::http::grammar::decimal;
use crate::wire::explain::Role;
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent};
use crate::wire::record::history::History;

/// The number of an exchange: that of its connection, and that on it.
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
        // Decimal numbers only: signs, spaces and a further dot are refused by `decimal`.
        let dot = text.iter().position(|&b| b == b'.')?;
        Some(ExchangeId { connection: decimal(&text[..dot])?, exchange: decimal(&text[dot + 1..])? })
    }
}

/// An exchange. The request or the responses may be missing.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Shown as `cN.M`.
    pub(crate) id: ExchangeId,
    /// Its messages in the order in which they were complete. They stay shared with the history.
    messages: Vec<Arc<WireEvent>>,
}

impl Exchange {
    /// The exchange with this number, if the history has something of it.
    pub(crate) fn find(history: &History, id: ExchangeId) -> Option<Exchange> {
        ConnectionHistory::of(history, id.connection).exchanges.into_iter().find(|exchange| exchange.id == id)
    }

    /// The request.
    pub(crate) fn request(&self) -> Option<&TimedMessage> {
        self.of(Role::Request).last()
    }

    /// The final response.
    pub(crate) fn response(&self) -> Option<&TimedMessage> {
        // An interim response only announces the final one, which may not have come yet.
        self.responses().filter(|timed| !timed.message.is_interim()).last()
    }

    /// All responses: interim ones, then the final one.
    pub(crate) fn responses(&self) -> impl Iterator<Item = &TimedMessage> {
        self.of(Role::Response)
    }

    /// The bytes of one side after the last message of this exchange, which no parser reads.
    pub(crate) fn rest(&self, role: Role) -> Option<&TimedMessage> {
        self.all(role).find(|other| other.message.is_unparsed() && !other.message.is_proxy_header())
    }

    /// A message of this exchange with the bytes after it that belong to it: if it is broken, it is not known where it
    /// would have ended, and a server may send more than it has announced.
    pub(crate) fn with_rest(&self, timed: &TimedMessage) -> TimedMessage {
        let mut whole = timed.clone();
        let (message, role) = (&timed.message, timed.message.role);
        let goes_on = message.error.is_some() || role == Role::Response && !message.is_interim();
        if goes_on && let Some(rest) = self.rest(role) {
            whole.message.masked |= rest.message.masked;
            whole.message.bytes.append(&rest.message.bytes);
            let last = whole.calls.last().map_or(0, |call| call.number);
            whole.calls.extend(rest.calls.iter().filter(|call| call.number > last));
        }
        whole
    }

    /// The messages of one side, in their order.
    fn of(&self, role: Role) -> impl Iterator<Item = &TimedMessage> {
        self.all(role).filter(|timed| !timed.message.is_unparsed())
    }

    /// The same, and the bytes that no parser has read.
    fn all(&self, role: Role) -> impl Iterator<Item = &TimedMessage> {
        self.messages.iter().filter_map(move |event| match &event.kind {
            EventKind::Message(timed) | EventKind::UnderWay(timed) if timed.message.role == role => Some(&**timed),
            _ => None,
        })
    }
}

/// What the history has of a connection, exchange by exchange.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionHistory {
    /// The event `Accepted`; `None` if the history does not have it.
    pub(crate) accepted: Option<Arc<WireEvent>>,
    /// In the order of their first kept messages.
    pub(crate) exchanges: Vec<Exchange>,
}

impl ConnectionHistory {
    /// Reads what the history has now; empty for an unknown connection.
    pub(crate) fn of(history: &History, connection: u64) -> ConnectionHistory {
        let mut found = ConnectionHistory { accepted: None, exchanges: Vec::new() };
        for (_, stored) in history.connection(connection) {
            match &stored.event.kind {
                // It is repeated when the connection was forgotten; the last one counts.
                EventKind::Accepted { .. } => found.accepted = Some(stored.event),
                EventKind::Message(timed) | EventKind::UnderWay(timed) => {
                    // A request comes before its own responses, but what is known of later ones may come between.
                    let id = ExchangeId { connection, exchange: timed.message.exchange };
                    match found
                        .exchanges
                        .iter_mut()
                        .rev()
                        .take_while(|later| later.id >= id)
                        .find(|exchange| exchange.id == id)
                    {
                        Some(exchange) => exchange.messages.push(stored.event),
                        None => found.exchanges.push(Exchange { id, messages: vec![stored.event] }),
                    }
                }
                _ => {}
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_two_numbers_and_a_dot() {
        assert_eq!(ExchangeId::parse(b"12.3"), Some(ExchangeId { connection: 12, exchange: 3 }));
        for text in ["", ".", "1", "1.", ".1", "1.2.3", "c1.2", "1.-2", "1.2 ", "99999999999999999999.1"] {
            assert_eq!(ExchangeId::parse(text.as_bytes()), None, "{text}");
        }
    }
}
