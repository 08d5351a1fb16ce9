//! What is reported of messages that are not complete: each call with the bytes that it brought, and from time to time
//! what is known of the message.

use crate::wire::explain::{Awaited, Progress, Role, UnderWay};
use crate::wire::record::event::{Call, CallBytes, EventKind, WireEvent, clock};
use crate::wire::record::live::LiveConnection;

/// Most calls of one message whose bytes are shown with the call. For each of them all of the message is read again.
const SHOWN_CALLS: u64 = 1000;
/// Most bytes of a call that are shown with it: more than a line of a terminal has.
const CALL_BYTES: u64 = 160;

/// What has been reported of the message of one side that is under way.
#[derive(Debug, Default)]
pub(super) struct Reported {
    /// Calls have moved bytes since it was reported last.
    pub(super) is_stale: bool,
    /// The first byte of the message that was reported last.
    start: Option<u64>,
    /// The number of calls before those of this message.
    calls_before: u64,
    /// Calls after the first [`SHOWN_CALLS`] of this message, as a sum, which are not reported yet.
    sum: Option<(Call, Box<CallBytes>)>,
}

impl LiveConnection {
    /// Reports a `send` or `sendfile` whose first byte belongs to the response of this exchange. `is_part`: it completed
    /// no message.
    pub(super) fn report_sent(&mut self, call: Call, exchange: u64, is_part: bool, out: &mut Vec<WireEvent>) {
        let request = self.conversation.progress(Role::Request);
        // The request comes first in every view, also if it is not complete when its response begins.
        if self.early < exchange && request.is_some_and(|request| request.exchange == exchange && !request.is_unparsed)
        {
            self.early = exchange;
            self.report_snapshot(Role::Request, out);
        }
        let shown = self.call_bytes(Role::Response, call, is_part);
        self.report_call(Role::Response, call, shown, out);
    }

    /// Reports a call. A body may come in a million of them: those after the first thousand of a message are summed up.
    pub(super) fn report_call(
        &mut self,
        role: Role,
        call: Call,
        shown: Option<Box<CallBytes>>,
        out: &mut Vec<WireEvent>,
    ) {
        let reported = &mut self.reported[role as usize];
        match shown {
            Some(shown) if call.number - reported.calls_before > SHOWN_CALLS => match &mut reported.sum {
                Some((sum, last)) => {
                    sum.add(&call);
                    *last = shown;
                }
                sum => *sum = Some((call, shown)),
            },
            shown => {
                self.report_sum(role, out);
                self.report(call_event(role, call, shown), out);
            }
        }
    }

    /// Reports the calls that are summed up.
    pub(super) fn report_sum(&mut self, role: Role, out: &mut Vec<WireEvent>) {
        if let Some((sum, shown)) = self.reported[role as usize].sum.take() {
            self.report(call_event(role, sum, Some(shown)), out);
        }
    }

    /// The bytes that a call has brought to the message that is under way after it; `None` if there is no such message.
    pub(super) fn call_bytes(&mut self, role: Role, call: Call, is_part: bool) -> Option<Box<CallBytes>> {
        let reported = &mut self.reported[role as usize];
        reported.is_stale = true;
        if !is_part {
            reported.calls_before = call.number - 1;
        }
        let Progress { start, shown, under_way, is_unparsed, .. } = self.conversation.progress(role)?;
        // Bytes after a fault follow the message that has it, and not this call.
        if is_unparsed && !is_part {
            return None;
        }
        let is_shown = call.number - reported.calls_before <= SHOWN_CALLS && call.at < shown;
        let message = if is_shown { self.conversation.snapshot(role) } else { None };
        // The call may have completed another message before it began this one.
        let from = call.at.max(start);
        let bytes = message.map_or_else(Vec::new, |message| {
            let len = (call.end() - from).min(CALL_BYTES);
            message.bytes.get(from - start, len).0.to_vec()
        });
        let (is_begun, is_cut) = (from > call.at, from + (bytes.len() as u64) < call.end());
        Some(Box::new(CallBytes { bytes, is_begun, is_cut, under_way }))
    }

    /// Reports each message under way that has changed since it was reported last.
    pub fn report_under_way(&mut self, out: &mut Vec<WireEvent>) {
        for role in [Role::Request, Role::Response] {
            self.report_sum(role, out);
            if self.reported[role as usize].is_stale {
                self.report_snapshot(role, out);
            }
        }
    }

    /// Reports what is known of the message of this side that is under way, if there is one.
    fn report_snapshot(&mut self, role: Role, out: &mut Vec<WireEvent>) {
        let clock = clock(self.recording_start + self.latest);
        let reported = &mut self.reported[role as usize];
        reported.is_stale = false;
        // The request that was reported last may be complete now, and still wait for the responses before it.
        if role == Role::Request
            && let Some(held) = self.held.iter().find(|held| Some(held.message.start) == reported.start)
        {
            let mut held = held.clone();
            held.message.under_way =
                Some(UnderWay { awaits: Awaited::Turn, arrived: held.message.content_len(), promised: None });
            reported.start = None;
            self.report(EventKind::UnderWay(Box::new(held)), out);
        }
        let Some(message) = self.conversation.snapshot(role) else { return };
        self.reported[role as usize].start = Some(message.start);
        let mut calls = if role == Role::Request { self.received.clone() } else { self.sent.clone() };
        let exchange = message.exchange;
        let mut timed = calls.timed(message, clock);
        timed.early = role == Role::Request && self.early == exchange;
        self.report(EventKind::UnderWay(Box::new(timed)), out);
    }
}

/// The event of a call of this side.
fn call_event(role: Role, call: Call, shown: Option<Box<CallBytes>>) -> EventKind {
    match role {
        Role::Request => EventKind::Received(call, shown),
        Role::Response => EventKind::Sent(call, shown),
    }
}
