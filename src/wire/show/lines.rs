//! One line for each exchange, written when its response is complete, or its connection has ended without one.
//!
//! ```text
//! c4.1 00:23:48 GET /hello.txt 200  44>198 B  0.4 ms  4 recv  cut
//! ```
//!
//! | word | meaning |
//! |---|---|
//! | `glued` | a `recv` that brought the request brought bytes of other requests too |
//! | `cut` | several calls of `recv` brought it |
//! | `early` | the response was complete before the request; the bytes are those until then |
//! | `broken` | the request or the response breaks a rule or exceeds a limit |
//! | `cut off` | one of them ended before its last byte |

use std::collections::BTreeMap;

use crate::say;
use crate::service::text::visible;
use crate::wire::explain::message::{Role, SpanKind};
use crate::wire::explain::notes::Side;
use crate::wire::record::event::{EventKind, TimedMessage, WireEvent};
use crate::wire::show::layout::format_duration;
use crate::wire::show::sentences::lost_sentence;

/// Most requests that are remembered. Their connections may be lost, so beyond this the oldest is dropped.
const PENDING: usize = 4096;

/// The facts about a request that the line of its exchange will show.
#[derive(Debug, Default)]
struct PendingRequest {
    /// Method and target.
    title: String,
    /// The time of day, in whole seconds.
    clock: String,
    /// Bytes of the message, head and content.
    bytes: u64,
    /// `recv()` calls that brought it.
    calls: u64,
    words: Vec<String>,
    state: RequestState,
}

/// How far a request has come, and its exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RequestState {
    #[default]
    Complete,
    UnderWay,
    /// It is under way, and the line of its exchange is written.
    Written,
}

/// The exchanges whose lines are not written yet.
#[derive(Debug)]
pub(super) struct ExchangeLines {
    ascii: bool,
    /// By connection and exchange.
    pending: BTreeMap<(u64, u64), PendingRequest>,
}

impl ExchangeLines {
    pub(super) fn new(ascii: bool) -> ExchangeLines {
        ExchangeLines { ascii, pending: BTreeMap::new() }
    }

    /// Appends the lines of all exchanges that end with this event.
    pub(super) fn push_event(&mut self, event: &WireEvent, out: &mut String) {
        let connection = event.connection;
        match &event.kind {
            EventKind::Message(timed) | EventKind::UnderWay(timed) if timed.message.is_unparsed() => {}
            EventKind::Message(timed) | EventKind::UnderWay(timed) if timed.message.role == Role::Request => {
                self.add_request(connection, timed);
            }
            EventKind::Message(timed) => self.push_response(connection, timed, out),
            EventKind::Closed { note, side, .. } => {
                // These requests will have no response: the reason of the close stands in its place.
                let mut left = self.pending.split_off(&(connection, 0));
                self.pending.append(&mut left.split_off(&(connection + 1, 0)));
                for ((connection, exchange), request) in left {
                    let PendingRequest { clock, title, bytes, calls, words, state } = request;
                    if state != RequestState::Written {
                        let reason = note.note().short;
                        let closed = match side {
                            Side::Client => say!("exchange/closed-by-client", reason),
                            Side::Server => say!("exchange/closed-by-server", reason),
                        };
                        out.push_str(&format!(
                            "c{connection}.{exchange} {clock} {title} -  {bytes}>0 B  {calls} recv{}  {closed}\n",
                            joined(&words)
                        ));
                    }
                }
            }
            EventKind::Lost { events, open } => out.push_str(&format!("... {}\n", lost_sentence(*events, *open))),
            EventKind::Accepted { .. } | EventKind::Received(..) | EventKind::Sent(..) | EventKind::UnderWay(_) => {}
        }
    }

    /// Remembers a request, or what is known of it so far.
    fn add_request(&mut self, connection: u64, timed: &TimedMessage) {
        let message = &timed.message;
        let key = (connection, message.exchange);
        let is_under_way = message.under_way.is_some();
        if self.pending.get(&key).is_some_and(|request| request.state == RequestState::Written) {
            if !is_under_way {
                self.pending.remove(&key);
            }
            return;
        }
        // The parts of a broken first line are empty, and the title is short; it is never text that was not sent.
        let method = visible(message.part(SpanKind::Method), self.ascii);
        let is_glued = timed.calls.iter().any(|call| call.requests > 1);
        let is_cut = !timed.boundaries.is_empty();
        let words = [is_glued.then(|| say!("exchange/glued")), is_cut.then(|| say!("exchange/cut")), broken(timed)];
        let request = PendingRequest {
            title: format!("{method} {}", visible(message.target(), self.ascii)),
            clock: clock(timed),
            bytes: message.len(),
            calls: timed.call_count,
            words: words.into_iter().flatten().collect(),
            state: if is_under_way { RequestState::UnderWay } else { RequestState::Complete },
        };
        self.pending.insert(key, request);
        if self.pending.len() > PENDING {
            self.pending.pop_first();
        }
    }

    /// Appends the line of the exchange that a response completes.
    fn push_response(&mut self, connection: u64, timed: &TimedMessage, out: &mut String) {
        let message = &timed.message;
        // The exchange goes on until its final response.
        if message.is_interim() && !message.begins_tunnel() {
            return;
        }
        let key = (connection, message.exchange);
        // The request is unknown if it was dropped above, or if recording began between the two.
        let unknown = || PendingRequest { title: "-".into(), ..PendingRequest::default() };
        let request = self.pending.remove(&key).unwrap_or_else(unknown);
        let PendingRequest { title, bytes, calls, mut words, state, .. } = request;
        if state == RequestState::UnderWay {
            words.push(say!("exchange/early"));
            self.pending.insert(key, PendingRequest { state: RequestState::Written, ..PendingRequest::default() });
        }
        // Once is enough.
        words.extend(broken(timed).filter(|word| !words.contains(word)));
        let (clock, status) = (clock(timed), visible(message.part(SpanKind::Status), self.ascii));
        let took = timed.took.map(|took| format!("  {}", format_duration(took))).unwrap_or_default();
        let facts = format!("{bytes}>{} B{took}  {calls} recv{}", message.len(), joined(&words));
        out.push_str(&format!("c{connection}.{} {clock} {title} {status}  {facts}\n", message.exchange));
    }
}

/// Whole seconds are enough in a list; the clock is empty for a message of a file.
fn clock(timed: &TimedMessage) -> String {
    timed.clock.get(..8).unwrap_or_default().into()
}

/// The word for what is wrong with a message.
fn broken(timed: &TimedMessage) -> Option<String> {
    Some(if timed.message.error?.cut_off { say!("exchange/cut-off") } else { say!("exchange/broken") })
}

/// Words with two spaces before each.
fn joined(words: &[String]) -> String {
    words.iter().flat_map(|word| ["  ", word]).collect()
}
