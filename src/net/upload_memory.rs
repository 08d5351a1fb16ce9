//! The memory of unfinished uploads: one budget for the blocks of all clients, those on loopback included.
//!
//! A client decides when its bytes come. If it could hold memory that others wait for, a few silent clients would stop
//! all uploads. So there are two halves:
//!
//! | used | an upload may hold | bytes of content go to the disk |
//! |---|---|---|
//! | up to half | a large block, which fills as its client sends | in large pieces |
//! | more | only bytes that have come | at once, as they come |
//! | all | | its socket is not read until there is memory |
//!
//! What is held while a client is silent was taken, or kept, while no more than half was used: so it is never more than
//! half. All else is on its way to the disk and comes back without any client. Every upload goes on, however many there
//! are.
//!
//! Content that is collected in memory for a handler cannot go to a disk. It is refused with 503 where more than half is
//! used.
//!
//! Each loop receives at most one buffer more than there is memory, since loops do not wait for each other.

use std::sync::{Arc, Mutex};

use mio::Waker;

use crate::service::lock;

/// Default of `--upload-memory`. Enough for 16 uploads at full speed, two large blocks each.
pub const UPLOAD_MEMORY: usize = 64 * 1024 * 1024;
/// Size of the buffer into which a loop receives, so of what one `recv` brings, unless it goes into a block. All
/// connections of a loop share it: only one of them receives at a time.
pub(crate) const PIECE: usize = 64 * 1024;

/// The budget.
pub(crate) struct UploadMemory {
    /// Bytes.
    limit: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Bytes of all blocks.
    used: usize,
    /// Loops with uploads that wait.
    waiting: Vec<Arc<Waker>>,
}

/// How much is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// No more than half is used.
    Ample,
    /// More than half.
    Tight,
    /// There is no memory for what one `recv` may bring.
    None,
}

impl UploadMemory {
    /// A budget of this many bytes; at least one buffer of a loop, or no upload could go on.
    pub(crate) fn new(limit: usize) -> Arc<UploadMemory> {
        Arc::new(UploadMemory { limit: limit.max(PIECE), state: Mutex::default() })
    }

    fn supply_of(&self, used: usize) -> Supply {
        match used {
            _ if used <= self.limit / 2 => Supply::Ample,
            _ if used + PIECE <= self.limit => Supply::Tight,
            _ => Supply::None,
        }
    }

    /// Bytes of all blocks.
    pub(crate) fn used(&self) -> usize {
        lock(&self.state).used
    }

    pub(crate) fn supply(&self) -> Supply {
        self.supply_of(lock(&self.state).used)
    }

    /// Whether there is nothing left. Then this loop will be woken when there is.
    pub(crate) fn wait(&self, waker: &Arc<Waker>) -> bool {
        // Under one lock: memory that is given back in between would wake no loop.
        let mut state = lock(&self.state);
        let waits = self.supply_of(state.used) == Supply::None;
        if waits && !state.waiting.iter().any(|other| Arc::ptr_eq(other, waker)) {
            state.waiting.push(Arc::clone(waker));
        }
        waits
    }

    fn give_back(&self, bytes: usize) {
        let mut state = lock(&self.state);
        state.used -= bytes;
        let woken =
            if self.supply_of(state.used) == Supply::None { Vec::new() } else { std::mem::take(&mut state.waiting) };
        drop(state);
        // A waker fails only when its loop has ended.
        woken.iter().for_each(|waker| _ = waker.wake());
    }
}

/// Bytes that are counted until this is dropped. `None`: none are.
#[derive(Default)]
pub(crate) struct Counted(Option<(Arc<UploadMemory>, usize)>);

impl Counted {
    /// Counts up to so many bytes. They are there, so they are counted in any case.
    pub(crate) fn grow(&mut self, memory: &Arc<UploadMemory>, bytes: usize) {
        let (_, counted) = self.0.get_or_insert_with(|| (Arc::clone(memory), 0));
        if bytes > *counted {
            lock(&memory.state).used += bytes - *counted;
            *counted = bytes;
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if let Some((memory, bytes)) = self.0.take() {
            memory.give_back(bytes);
        }
    }
}

/// Bytes of an upload.
#[derive(Default)]
pub(crate) struct Block {
    // Before the count, so that it is freed first: another upload takes the memory as soon as it is given back.
    bytes: Vec<u8>,
    counted: Counted,
}

impl Block {
    /// A block for bytes that are still to come. `None`: then only bytes that have come may be held.
    pub(crate) fn hold(memory: &Arc<UploadMemory>, size: usize) -> Option<Block> {
        let mut state = lock(&memory.state);
        if state.used + size > memory.limit / 2 {
            return None;
        }
        state.used += size;
        drop(state);
        Some(Block { bytes: Vec::with_capacity(size), counted: Counted(Some((Arc::clone(memory), size))) })
    }

    /// Appends bytes that have come.
    pub(crate) fn extend(&mut self, memory: &Arc<UploadMemory>, bytes: &[u8]) {
        /// A block of this size need not become twice as large.
        const LARGE: usize = 256 * 1024;
        match self.bytes.len() {
            LARGE.. => self.bytes.reserve_exact(bytes.len()),
            _ => self.bytes.reserve(bytes.len()),
        }
        self.bytes.extend_from_slice(bytes);
        self.counted.grow(memory, self.bytes.capacity());
    }

    /// The bytes, and room for more up to the capacity.
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many there may be before it grows.
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_clients_hold_no_more_than_half() {
        let memory = UploadMemory::new(16 * PIECE);
        let held: Vec<Block> = std::iter::from_fn(|| Block::hold(&memory, 3 * PIECE)).collect();
        assert_eq!((held.len(), memory.supply()), (2, Supply::Ample));
        // What has come is taken until nothing is left.
        let mut pieces = Vec::new();
        while memory.supply() != Supply::None {
            let mut piece = Block::default();
            piece.extend(&memory, &[7; PIECE]);
            pieces.push(piece);
            assert!(lock(&memory.state).used <= memory.limit);
        }
        assert_eq!(pieces.len(), 10);
        pieces.truncate(9);
        assert_eq!(memory.supply(), Supply::Tight);
        drop((held, pieces));
        assert_eq!(lock(&memory.state).used, 0);
    }

    #[test]
    fn a_block_counts_what_it_grows_by() {
        let memory = UploadMemory::new(UPLOAD_MEMORY);
        let mut block = Block::hold(&memory, 100).unwrap();
        for _ in 0..100_000 {
            block.extend(&memory, &[7; 10]);
        }
        assert_eq!((lock(&memory.state).used, block.bytes().len()), (block.capacity(), 1_000_000));
        drop(block);
        assert_eq!(lock(&memory.state).used, 0);
    }

    #[test]
    fn a_loop_that_waits_is_woken_and_one_for_which_there_is_memory_does_not_wait() {
        let mut poll = mio::Poll::new().unwrap();
        let waker = Arc::new(Waker::new(poll.registry(), mio::Token(7)).unwrap());
        let memory = UploadMemory::new(PIECE);
        assert!(!memory.wait(&waker));
        let mut block = Block::default();
        block.extend(&memory, &[7; PIECE]);
        assert!(memory.wait(&waker) && memory.wait(&waker));
        assert_eq!(lock(&memory.state).waiting.len(), 1);
        std::thread::spawn(move || drop(block));
        let mut events = mio::Events::with_capacity(1);
        poll.poll(&mut events, None).unwrap();
        assert!(!memory.wait(&waker));
    }
}
