//! The connections of one event loop, in a slot map whose keys carry a generation.
//!
//! The slot of a closed connection is given to a later one, with another generation in its key. Poll events, results
//! of jobs and deadlines name a connection by its key. One that was meant for a closed connection therefore finds
//! nothing, and never reaches the next connection in the slot, which belongs to another client.
//!
//! ```text
//! key     generation 32 │ index 32
//! token   generation 32 │ index 32   on 64 bits
//!         generation 12 │ index 20   on 32 bits
//! ```

use std::time::Instant;

use mio::Token;
use slotmap::{Key, SlotMap, new_key_type};

new_key_type! {
    /// Names one connection of a loop, and no later one in the same slot.
    pub(crate) struct ConnectionId;
}

/// How a key is packed into a poll token: the generation in the upper bits, the index of the slot in the lower ones.
#[derive(Clone, Copy, Debug)]
struct TokenLayout {
    /// Bits of the index, the lower ones.
    index_bits: u32,
    /// Bits of the whole token; those of the generation that do not fit are dropped.
    token_bits: u32,
}

/// The layout of this target. A token of 64 bits holds a whole key. One of 32 bits holds an index of 20 bits, as many
/// descriptors as Linux gives to a process (`fs.nr_open`), and the lower 12 bits of the generation.
const LAYOUT: TokenLayout =
    TokenLayout { index_bits: if usize::BITS >= 64 { 32 } else { 20 }, token_bits: usize::BITS };

impl TokenLayout {
    /// The token of a key. Generations of keys in use are odd, so no token is below `1 << index_bits`: the small
    /// numbers stay free for the waker and the listeners.
    fn pack(self, id: ConnectionId) -> u64 {
        let (generation, index) = (id.data().as_ffi() >> 32, u64::from(id.index()));
        (generation << self.index_bits | index) & (u64::MAX >> (64 - self.token_bits))
    }

    /// The index in a token; `None` for one of the small numbers.
    fn index(self, token: u64) -> Option<usize> {
        (token >> self.index_bits > 0).then_some((token & ((1 << self.index_bits) - 1)) as usize)
    }
}

impl ConnectionId {
    /// The number of its slot.
    fn index(self) -> u32 {
        self.data().as_ffi() as u32
    }

    /// The token under which the connection is registered with the poller.
    pub(crate) fn token(self) -> Token {
        Token(LAYOUT.pack(self) as usize)
    }
}

/// All connections of a loop.
pub(crate) struct Connections<T> {
    map: SlotMap<ConnectionId, T>,
    /// For each slot, the key that was given out last: a token is compared with it, and searches walk over it.
    keys: Vec<ConnectionId>,
    /// The slot where the next search for an idle connection begins.
    cursor: usize,
}

impl<T> Default for Connections<T> {
    fn default() -> Connections<T> {
        Connections { map: SlotMap::with_key(), keys: Vec::new(), cursor: 0 }
    }
}

impl<T> Connections<T> {
    /// Adds the connection that `new` makes of its key.
    pub(crate) fn insert(&mut self, new: impl FnOnce(ConnectionId) -> T) -> ConnectionId {
        let id = self.map.insert_with_key(new);
        // A new slot is always the next one, so the list grows by one at most.
        let index = id.index() as usize;
        if index >= self.keys.len() {
            self.keys.resize(index + 1, ConnectionId::null());
        }
        self.keys[index] = id;
        id
    }

    /// The connection with this key, unless it is closed.
    pub(crate) fn get(&mut self, id: ConnectionId) -> Option<&mut T> {
        self.map.get_mut(id)
    }

    /// The key that belongs to a token of [`ConnectionId::token`]. `None` for one of the small numbers, and for the
    /// token of an earlier connection in the same slot.
    pub(crate) fn find(&self, token: Token) -> Option<ConnectionId> {
        self.find_in(LAYOUT, token.0 as u64)
    }

    fn find_in(&self, layout: TokenLayout, token: u64) -> Option<ConnectionId> {
        // The generation in the token must be that of the key given out last. A connection that is closed but not
        // replaced is still found here, and then not found in the map.
        let id = *self.keys.get(layout.index(token)?)?;
        (layout.pack(id) == token).then_some(id)
    }

    /// Takes a connection out; its key finds nothing from now on.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<T> {
        self.map.remove(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        self.map.keys().collect()
    }

    /// The connection that has been idle longest among the next `slots` slots. The search is bounded: to look at all
    /// connections for each one over the limit would make a flood of them dearer to refuse than to serve.
    pub(crate) fn longest_idle(
        &mut self,
        slots: usize,
        idle_since: impl Fn(&T) -> Option<Instant>,
    ) -> Option<ConnectionId> {
        let mut longest = None;
        for _ in 0..slots.min(self.keys.len()) {
            // Each search goes on where the last one ended, so that in time every connection is looked at.
            self.cursor = (self.cursor + 1) % self.keys.len();
            let id = self.keys[self.cursor];
            let Some(since) = self.map.get(id).and_then(&idle_since) else { continue };
            if longest.is_none_or(|(earliest, _)| since < earliest) {
                longest = Some((since, id));
            }
        }
        longest.map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LAYOUTS: [TokenLayout; 2] =
        [TokenLayout { index_bits: 32, token_bits: 64 }, TokenLayout { index_bits: 20, token_bits: 32 }];

    #[test]
    fn a_late_event_or_result_of_a_closed_connection_never_reaches_the_next_one_in_its_slot() {
        let mut connections = Connections::default();
        let first = connections.insert(|_| "first");
        let tokens = LAYOUTS.map(|layout| layout.pack(first));
        assert_eq!(connections.remove(first), Some("first"));
        for successor in 0..100 {
            let next = connections.insert(|_| "next");
            assert_eq!(first.index(), next.index(), "the slot is used again");
            assert!(connections.get(first).is_none() && connections.get(next).is_some());
            for (layout, token) in LAYOUTS.into_iter().zip(tokens) {
                assert_eq!(connections.find_in(layout, token), None, "{successor}");
                assert_eq!(connections.find_in(layout, layout.pack(next)), Some(next));
            }
            assert!(connections.remove(first).is_none() && !connections.is_empty());
            connections.remove(next);
        }
        assert!(connections.is_empty());
    }

    #[test]
    fn no_token_of_a_connection_is_one_of_the_small_numbers() {
        let mut connections = Connections::default();
        for _ in 0..1000 {
            let id = connections.insert(|_| ());
            for layout in LAYOUTS {
                assert!(layout.pack(id) >= 1 << 20);
                assert_eq!(connections.find_in(layout, layout.pack(id)), Some(id));
            }
            assert_eq!(connections.find(id.token()), Some(id));
        }
        for small in 0..1000 {
            assert_eq!(connections.find(Token(small)), None);
        }
    }

    #[test]
    fn a_search_for_an_idle_connection_looks_at_a_few_slots_and_goes_on_from_there() {
        let start = Instant::now();
        let mut connections = Connections::default();
        let ids: Vec<_> = (0..100).map(|n| connections.insert(|_| start + Duration::from_secs(n))).collect();
        let looked = std::cell::Cell::new(0);
        let search = |connections: &mut Connections<Instant>| {
            let found = connections.longest_idle(10, |since| {
                looked.set(looked.get() + 1);
                Some(*since)
            });
            (found, looked.take())
        };
        assert_eq!(search(&mut connections), (Some(ids[0]), 10));
        assert_eq!(search(&mut connections), (Some(ids[10]), 10));
        connections.remove(ids[20]);
        assert_eq!(search(&mut connections), (Some(ids[21]), 9), "a closed connection is none");
    }
}
