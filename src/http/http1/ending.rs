//! How a request can end before its end: the client has nothing more to say, or takes too long.
//!
//! RFC 9112 §8 (incomplete messages), §9.5 (time-outs), §9.6 (who asked for the close).
//!
//! Never: a clock. Somebody else says that time has run out.
//!
//! The subtle thing: the end of the client's side is no fault by itself. Between requests it is the
//! usual end, and behind a whole request it only means that no other will come.

use crate::http::http1::{EndOfInput, Http1, Phase, Reading, Writing};
use crate::http::{Fault, RequestError, Version};

impl Http1 {
    /// The client has ended its side. Say so after the last of its bytes was shown: a request that
    /// waits in the caller's input is one the client still wants answered.
    pub fn end_of_input(&mut self) -> EndOfInput {
        self.persistent = false;
        let fault = match self.reading {
            _ if self.writing == Writing::Done => return EndOfInput::Clean,
            Reading::Head(scan) if scan.has_begun() => Fault::TruncatedHead,
            Reading::Length(1..) | Reading::Chunked(_) if self.writing == Writing::Owed => Fault::TruncatedContent,
            Reading::Head(_) => {
                self.reading = Reading::Shut;
                return EndOfInput::Clean;
            }
            _ => return EndOfInput::AnswerOwed,
        };
        EndOfInput::Refused(self.give_up(fault))
    }

    /// The time for a head or for content has run out; `None` when nothing was being waited for that
    /// deserves an answer.
    pub fn time_out(&mut self) -> Option<RequestError> {
        match self.phase() {
            Phase::Head => Some(self.give_up(Fault::SlowHead)),
            Phase::Content if self.writing == Writing::Owed => Some(self.give_up(Fault::SlowContent)),
            _ => None,
        }
    }

    /// Refuses what never came, at the place it should have come to.
    fn give_up(&mut self, fault: Fault) -> RequestError {
        let at = match self.reading {
            Reading::Head(scan) => scan.seen() as u64,
            _ => self.position + self.pending,
        };
        let refusal = RequestError { fault, at, len: 0 };
        self.refuse(refusal);
        refusal
    }

    /// Bytes of content that are still to come, where the head has said how many.
    pub fn missing(&self) -> Option<u64> {
        if let Reading::Length(left) = self.reading { Some(left) } else { None }
    }

    /// The version of the client if it was the client that wanted this exchange to be the last, by a
    /// field or by speaking HTTP/1.0 without keep-alive.
    pub fn close_asked_by(&self) -> Option<Version> {
        self.close_asked.then_some(self.version)
    }
}
