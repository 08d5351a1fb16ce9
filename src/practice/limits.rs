//! The bounds of practice, all in one place, and the count of what is slow.
//!
//! Whoever can reach the server can ask for these answers, so each number is a bound on what a stranger
//! may cost: memory, time, system calls.
//!
//! Never: a wait. Who finds no slot is answered at once, as on a server that is full.
//!
//! The subtle thing: a slot is given back by its drop ([`DropToken`]), not by a clock, so one that reads slowly
//! keeps it. One that leaves gives it back as soon as that can be told: a reset at once, but a FIN may
//! also mean "I wait for the answer", and only the next byte finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::service::DropToken;

/// Bytes of content of one answer: what a person can look at, and what a thousand clients may hold.
pub(crate) const OUT: u64 = 1024 * 1024;
/// Silence of one answer, all pauses together: longer than any lesson, shorter than any grudge.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);
/// The longest single pause between two pieces, in milliseconds.
pub(crate) const GAP: u64 = 10_000;
/// Slow answers at once. A class of thirty has one each.
pub(crate) const SLOW: usize = 32;
/// Pieces of one answer: each is a system call.
pub(crate) const PIECES: u64 = 1000;
/// Bytes behind the head of a request that is echoed; with the longest head they stay below [`OUT`].
pub(crate) const ECHO: u64 = OUT - 64 * 1024;
/// Bytes of the note.
pub(crate) const NOTE: u64 = 64 * 1024;
/// Bytes of an upload that is thrown away: nothing of it is kept, so as many as a real one may have.
pub(crate) const UPLOAD: u64 = 16 * 1024 * 1024 * 1024;
/// Redirects in a row: browsers give up at 20.
pub(crate) const REDIRECTS: u64 = 20;
/// Cookies set by one answer, and bytes of a name and of a value: together below any limit of heads.
pub(crate) const COOKIES: usize = 20;
pub(crate) const COOKIE_NAME: usize = 64;
pub(crate) const COOKIE_VALUE: usize = 256;
/// Bytes of a reason phrase, a chunk extension, a trailer line.
pub(crate) const WORDS: usize = 100;
/// Seconds a cache may keep an answer: a year, as long as caches believe.
pub(crate) const FRESH: u64 = 365 * 24 * 60 * 60;

/// Counts the slow answers of all loops.
#[derive(Debug, Default)]
pub(crate) struct Slots(Arc<AtomicUsize>);

struct Slot(Arc<AtomicUsize>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Slots {
    /// A slot for one more slow answer, if there is one.
    pub(crate) fn take(&self) -> Option<DropToken> {
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        // Made first, so that its drop takes back what was added.
        let slot = Slot(Arc::clone(&self.0));
        (before < SLOW).then(|| DropToken::new(slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thirty_third_finds_no_slot_until_another_is_dropped() {
        let slots = Slots::default();
        let mut held: Vec<_> = (0..SLOW).map(|_| slots.take().expect("a slot")).collect();
        assert!(slots.take().is_none() && slots.take().is_none(), "refusals take nothing");
        let copy = held[0].clone();
        drop(held.swap_remove(0));
        assert!(slots.take().is_none(), "a copy still holds it");
        drop(copy);
        held.push(slots.take().expect("freed"));
        assert!(slots.take().is_none());
    }
}
