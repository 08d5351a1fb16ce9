//! The calls of one side of a connection, and which of them moved a message.

use std::collections::VecDeque;

use crate::wire::explain::Message;
use crate::wire::record::event::{Call, CallBoundary, TimedMessage};

/// Most calls that are remembered for one message; the others are only counted.
const CALLS: usize = 1000;
/// The calls of one side that are still needed for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct CallLog {
    /// The last call; number 0 before the first.
    pub(super) last: Call,
    /// The first calls that the next message may need, in order.
    pub(super) remembered: VecDeque<Call>,
}

impl CallLog {
    /// Adds a call. Returns it with its number and position.
    pub(super) fn add(&mut self, call: Call) -> Call {
        let call = Call { number: self.last.number + 1, at: self.last.end(), ..call };
        self.last = call;
        // A body may come in a million calls. The first ones show the pattern; the others are only counted.
        if self.remembered.len() < CALLS {
            self.remembered.push_back(call);
        }
        call
    }

    /// Adds to a complete message the calls that moved it, and forgets those that no later message needs.
    pub(super) fn timed(&mut self, message: Message, clock: String) -> TimedMessage {
        // Calls and messages are compared by positions on the same side, counted from its first byte.
        let (start, end) = (message.start, message.end());
        self.forget_before(start);
        // Without any call remembered, the last one moved all of the message.
        let first = self.remembered.front().map_or(self.last.number, |call| call.number);
        let inside = self.remembered.iter().filter(|call| call.at > start && call.at < end);
        let boundaries = inside
            .map(|call| CallBoundary { at: call.at - start, call: call.number, from_file: call.from_file })
            .collect();
        // Calls may have moved bytes after the end of the message already.
        let after = self.remembered.iter().filter(|call| call.at >= end).count() as u64;
        let call_count = (self.last.number + 1).saturating_sub(first + after).max(1);
        let mut calls: Vec<Call> = self.remembered.iter().copied().filter(|call| call.at < end).collect();
        if let Some(known) = calls.last()
            && (calls.len() as u64) < call_count
        {
            let (number, at) = (known.number + 1, known.end());
            // The calls that were only counted become one: all bytes after the known ones.
            calls.push(Call { number, at, len: self.last.end().saturating_sub(at), ..self.last });
        }
        // The next message may begin in the last call, also if that was only counted.
        if self.last.number > self.remembered.back().map_or(0, |call| call.number) {
            self.remembered.push_back(self.last);
        }
        self.forget_before(end);
        TimedMessage { message, boundaries, call_count, calls, took: None, early: false, clock }
    }

    /// Forgets the calls whose bytes all lie before `position`.
    fn forget_before(&mut self, position: u64) {
        while self.remembered.get(1).is_some_and(|call| call.at <= position) {
            self.remembered.pop_front();
        }
    }
}
