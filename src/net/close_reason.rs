//! Why a connection ended: one reason each, with a sentence.
//!
//! Every end has a reason of its own; there is none for "unknown". A reason also says which side is the cause: a client
//! that vanishes while a response is sent, and a server that gives up on a client that stopped reading, look alike on
//! the wire.
//!
//! | the cause is | reasons |
//! |---|---|
//! | the client, properly | `PeerClosed`, `NeverSpoke`, `Finished`, `Http10` |
//! | the client, with a fault | `ClosedIn…`, `Refused`, `TlsHandshake`, `Broken`, `ResetUnread`, `LeftEarly` |
//! | a deadline | `TimedOut…`, `StillSending` |
//! | this server, as intended | `Chosen`, `Delimited`, `ContentUnread`, `Shed`, `MadeRoom`, `Draining`, `Scripted…` |
//! | this server, with a loss | `CutOff`, `FileShrank`, `Failed` |

use std::borrow::Cow;

use rustix::io::Errno;

use crate::http::Phase;

/// Makes the enum, the list of all reasons, their names and their sentences from one table.
macro_rules! reasons {
    ($($reason:ident $(($number:ty))? $sentence:literal;)*) => {
        /// Why a connection ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $(#[doc = $sentence] $reason $(($number))?,)*
        }

        impl CloseReason {
            /// Every reason.
            pub const ALL: &[CloseReason] = &[$(CloseReason::$reason $((<$number>::None))?,)*];

            /// The name of the reason, and one sentence about it without full stop.
            const fn texts(self) -> (&'static str, &'static str) {
                match self {
                    $(CloseReason::$reason { .. } => (stringify!($reason), $sentence),)*
                }
            }
        }
    };
}

reasons! {
    PeerClosed "the client closed the connection";
    NeverSpoke "the client opened the connection, said nothing, and closed it";
    ClosedInHead "the client closed the connection in the middle of a head";
    // So many bytes were missing, if the head gave a length.
    ClosedInContent(Option<u64>) "the client closed the connection in the middle of its content";
    Finished "closed after the answer, as the client asked";
    Http10 "closed after the answer: HTTP/1.0 without keep-alive";
    Delimited "closed after the answer: nothing else tells where its content ends";
    Chosen "closed after the answer, as the server chose";
    Refused "closed after a request that breaks the protocol: where the next one begins is unknown";
    TlsHandshake "a TLS handshake; this port speaks plain http://";
    // The rest was too long to be read and dropped.
    ContentUnread "closed after an answer that came before the content was read";
    // The same, and the client went on until the time to linger was over.
    StillSending "closed after an answer that came before the content was read; the client went on sending, \
        which is met with a reset";
    TimedOutIdle "no further request came within the idle time";
    TimedOutHead "the head did not arrive in time";
    TimedOutContent "the content arrived too slowly";
    TimedOutSending "the client did not take the answer in time";
    TimedOutLingering "the client had its answer and did not close";
    Shed "answered 503: every seat was taken";
    MadeRoom "an idle connection closed to make room for a new one";
    Draining "the server is stopping";
    CutOff "the server stopped and its grace ended before the answer was out";
    // The client reset the connection, or the network broke.
    Broken "the client reset the connection";
    ResetUnread "the client reset the connection without having read all of the answer";
    // The length that was announced cannot be kept.
    FileShrank "the file became shorter while it was being sent";
    LeftEarly "the client closed before the answer had its end";
    Scripted "closed on purpose, behind an answer sent as it stands";
    ScriptedReset "reset on purpose, behind an answer sent as it stands";
    Failed "the server failed inside";
}

impl CloseReason {
    /// The reason for an error of the socket. Most of them mean that the client is gone. But `sendfile` also reports
    /// what is wrong with the file, and that is not the client's doing.
    pub(crate) fn of_socket_error(error: Errno) -> CloseReason {
        if let Errno::IO | Errno::STALE = error {
            log::error!("a file cannot be read: {error}");
            return CloseReason::Failed;
        }
        log::trace!("connection lost: {error}");
        CloseReason::Broken
    }

    /// The reason when a deadline has passed.
    pub(crate) fn timed_out(phase: Phase) -> CloseReason {
        match phase {
            Phase::Idle => CloseReason::TimedOutIdle,
            Phase::Head => CloseReason::TimedOutHead,
            Phase::Content => CloseReason::TimedOutContent,
            Phase::Sending => CloseReason::TimedOutSending,
            Phase::Lingering => CloseReason::TimedOutLingering,
            // This phase has no deadline: the server itself would be the cause.
            Phase::Owed => CloseReason::Failed,
        }
    }

    /// The name of the reason.
    pub const fn name(self) -> &'static str {
        self.texts().0
    }

    /// One sentence about it, without full stop.
    pub const fn explain(self) -> &'static str {
        self.texts().1
    }

    /// The same sentence with the numbers of this very end.
    pub fn sentence(self) -> Cow<'static, str> {
        match self {
            // The sentences of the table are constant. Only this reason has a number.
            CloseReason::ClosedInContent(Some(1)) => format!("{}: 1 octet was missing", self.explain()).into(),
            CloseReason::ClosedInContent(Some(missing)) => {
                format!("{}: {missing} octets were missing", self.explain()).into()
            }
            _ => self.explain().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_not_blamed_on_the_client() {
        for (errno, reason) in
            [(Errno::IO, CloseReason::Failed), (Errno::STALE, CloseReason::Failed), (Errno::PIPE, CloseReason::Broken)]
        {
            assert_eq!(CloseReason::of_socket_error(errno), reason, "{errno:?}");
        }
    }

    #[test]
    fn every_reason_is_one_sentence() {
        for reason in CloseReason::ALL {
            assert!(reason.explain().len() > 15 && !reason.explain().ends_with('.'), "{reason:?}");
        }
    }
}
