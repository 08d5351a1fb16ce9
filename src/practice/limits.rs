//! The bounds of all practice addresses, and the slots of slow responses.
//!
//! Any client that reaches the server can ask for these responses. Each number bounds what one request can cost:
//! memory, time or system calls. Values outside the bounds are refused with 400 and never reduced in silence.
//!
//! A response with pauses takes a slot, so that only some connections at a time are kept open by them. Without a free
//! slot a client gets the 503 of a full server at once; it is not made to wait.

use std::sync::Arc;
use std::time::Duration;

use crate::practice::PracticeRequest;
use crate::practice::query::bad_request;
use crate::service::error_page::{self, Problem};
use crate::service::text::grouped;
use crate::service::{Answer, DropToken};

/// Bytes of content of one response: enough to look at, and a thousand clients may hold as much each.
pub(super) const CONTENT: u64 = 1024 * 1024;
/// Bytes of `/.try/length/N`. Twice what the buffers of both kernels hold of one connection, so that a slow reader makes
/// the server wait. All responses share one copy.
pub(super) const LENGTH: u64 = 16 * 1024 * 1024;
/// Milliseconds of silence in one response, all pauses together: longer than a lesson needs.
pub(super) const SILENCE: u64 = 60_000;
/// Milliseconds of one pause between two pieces.
pub(super) const GAP: u64 = 10_000;
/// Slow responses at the same time: one for each person of a class of thirty.
pub(super) const SLOTS: usize = 32;
/// Pieces of one response. Each is a system call.
pub(super) const PIECES: u64 = 1000;
/// Bytes after the head of a request that is echoed. With the longest head they stay below [`CONTENT`].
pub(super) const ECHO: u64 = CONTENT - 64 * 1024;
/// Bytes of the note.
pub(super) const NOTE: u64 = 64 * 1024;
/// Bytes of an upload that is counted. Nothing of it is kept, so it may be as large as one that is saved.
pub(super) const UPLOAD: u64 = 16 * 1024 * 1024 * 1024;
/// Redirects in a row. Browsers give up after 20.
pub(super) const REDIRECTS: u64 = 20;
/// Cookies of one response, and bytes of a name and of a value. Together they stay below all limits of a head.
pub(super) const COOKIES: usize = 20;
pub(super) const COOKIE_NAME: usize = 64;
pub(super) const COOKIE_VALUE: usize = 256;
/// Response fields of a client's choice, and bytes of a value; a name is as long as that of a cookie at most.
pub(super) const FIELDS: usize = 20;
pub(super) const FIELD_VALUE: usize = 256;
/// Bytes of a reason phrase, a chunk extension or a trailer line.
pub(super) const PHRASE: usize = 100;
/// Seconds for which a cache may keep a response: one year, the most that caches respect.
pub(super) const MAX_AGE: u64 = 365 * 24 * 60 * 60;

/// The slots of slow responses, shared by all loops. Each taken slot holds one more reference.
#[derive(Default)]
pub(super) struct Slots(Arc<()>);

impl Slots {
    /// A slot, if one is free. It stays taken until the response is sent or its connection ends, however slowly the
    /// client reads. A client that has closed only its sending side still waits, so it keeps the slot.
    fn take(&self) -> Option<DropToken> {
        let slot = Arc::clone(&self.0);
        // Counted after this slot was taken: two loops that take the last one at once may both be refused, but there
        // is never one too many. One reference is that of `self`.
        (Arc::strong_count(&slot) <= SLOTS + 1).then(|| DropToken::new(slot))
    }
}

impl PracticeRequest<'_> {
    /// The answer that `make` returns, for a response with this much silence. Without a free slot it is [`busy`].
    pub(super) fn slow(&self, silence: Duration, make: impl FnOnce(DropToken) -> Answer) -> Answer {
        // It leaves at once like any other response, so it needs no slot.
        if silence.is_zero() {
            return make(DropToken::default());
        }
        self.state.slots.take().map_or_else(busy, make)
    }
}

/// The response of a server without room, byte for byte that of a full one.
pub(super) fn busy() -> Answer {
    error_page::overload().closing().into()
}

/// The time of `count` pauses of `gap` milliseconds together.
///
/// # Errors
/// 400 when it is longer than [`SILENCE`].
pub(super) fn silence(count: u64, gap: u64) -> Result<Duration, Problem> {
    // Callers bound both factors, but this function should not depend on that.
    let total = count.saturating_mul(gap);
    if total <= SILENCE {
        return Ok(Duration::from_millis(total));
    }
    let (count, gap) = (grouped(count), grouped(gap));
    Err(bad_request("pauses", &[("seconds", &(SILENCE / 1000)), ("count", &count), ("gap", &gap)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirty_third_finds_no_slot_until_another_is_dropped() {
        let slots = Slots::default();
        let mut held: Vec<_> = (0..SLOTS).map(|_| slots.take().expect("a slot")).collect();
        assert!(slots.take().is_none() && slots.take().is_none(), "refusals take nothing");
        let copy = held[0].clone();
        drop(held.swap_remove(0));
        assert!(slots.take().is_none(), "a copy still holds it");
        drop(copy);
        held.push(slots.take().expect("freed"));
        assert!(slots.take().is_none());
    }
}
