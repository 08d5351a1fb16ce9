//! Why a connection ended: one reason each, with a sentence.
//!
//! Every end has a reason of its own; there is none for "unknown". A reason also says which side is the cause: a client
//! that vanishes while a response is sent, and a server that gives up on a client that stopped reading, look alike on
//! the wire.
//!
//! | the cause is | reasons |
//! |---|---|
//! | the client, properly | `PeerClosed`, `NeverSpoke`, `Finished`, `Http10` |
//! | the client, with a fault | `ClosedIn…`, `Refused`, `ProxyHeader…`, `TlsHandshake`, `Broken`, `ResetUnread`, `LeftEarly` |
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
        #[non_exhaustive]
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
    NeverSpoke "the client opened the connection, sent nothing, and closed it";
    ClosedInHead "the client closed the connection in the middle of a head";
    // So many bytes were missing, if the head gave a length.
    ClosedInContent(Option<u64>) "the client closed the connection in the middle of a body";
    Finished "closed after the response, as the client asked";
    Http10 "closed after the response: HTTP/1.0 without keep-alive";
    Delimited "closed after the response: only the close tells where its body ends";
    Chosen "closed after the response, as the server decided";
    Refused "closed after a refused request: it is not known where the next one begins";
    ProxyHeaderMissing "a trusted proxy did not begin with a valid PROXY header";
    ProxyHeaderUnexpected "the client sent a PROXY header, but it is no trusted proxy";
    TlsHandshake "the client started TLS (https://) on a port for plain http://";
    // The rest was too long to be read and dropped.
    ContentUnread "closed after a response that was sent before the body was read";
    // The same, and the client went on until the time to linger was over.
    StillSending "closed after a response that was sent before the body was read; the client kept sending, which causes \
        a reset";
    TimedOutIdle "no further request came within the time limit";
    TimedOutHead "the head did not arrive within the time limit";
    TimedOutContent "the body arrived too slowly";
    TimedOutSending "the client did not read the response, or read it too slowly";
    TimedOutLingering "the response was complete, but the client did not close the connection";
    Shed "too many connections: 503 was sent";
    MadeRoom "an idle connection was closed to make room for a new one";
    Draining "the server is stopping";
    CutOff "the server stopped before the response was complete";
    // Most errors of a socket.
    Broken "the client reset the connection, or the network failed";
    ResetUnread "the client reset the connection before it had read the whole response";
    // The length that was announced cannot be kept.
    FileShrank "the file became shorter while it was being sent";
    LeftEarly "the client closed the connection before the response was complete";
    Scripted "closed on purpose after a response that was sent exactly as written";
    ScriptedReset "reset on purpose after a response that was sent exactly as written";
    Failed "an error inside the server";
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
            // A label and a number, so that the sentence needs no form for one byte.
            CloseReason::ClosedInContent(Some(missing)) => {
                format!("{}; missing bytes: {missing}", self.explain()).into()
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
