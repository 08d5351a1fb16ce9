//! Why a connection ended: one reason each, with a sentence.
//!
//! Every end has a reason of its own; there is none for "unknown". A reason also says which side is the cause: a client
//! that vanishes while a response is sent, and a server that gives up on a client that stopped reading, look alike on
//! the wire.

use std::borrow::Cow;

use rustix::io::Errno;

use crate::http::Phase;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed between requests, or had its answer.
    PeerClosed,
    /// The client connected, sent nothing, and closed.
    NeverSpoke,
    /// The client closed in the middle of a head.
    ClosedInHead,
    /// The client closed in the middle of the content; so many bytes were missing, if the head gave a length.
    ClosedInContent(Option<u64>),
    /// The client asked for the close.
    Finished,
    /// The client speaks HTTP/1.0 and did not ask to keep the connection.
    Http10,
    /// The end of the connection is the end of the content.
    Delimited,
    /// The service wanted its response to be the last one.
    Chosen,
    /// A request broke the protocol: its end, or that of the next one, cannot be known.
    Refused,
    /// The client began a TLS handshake.
    TlsHandshake,
    /// The response came before the content was read, and the rest was too long to be read and dropped.
    ContentUnread,
    /// The same, and the client went on sending until the time to linger was over.
    StillSending,
    /// A deadline passed.
    TimedOut(Phase),
    /// The limit of connections was reached: answered with 503.
    Shed,
    /// It was idle, and was closed to make room for a new connection.
    MadeRoom,
    /// The server is stopping.
    Draining,
    /// The grace period ended before the response was sent.
    CutOff,
    /// The client reset the connection, or the network broke.
    Broken,
    /// The same after bytes of a response, which the client had not read to their end.
    ResetUnread,
    /// The file became shorter while it was being sent: the announced length cannot be kept.
    FileShrank,
    /// The client closed before the end of a stream.
    LeftEarly,
    /// The end of a response sent exactly as given.
    Scripted,
    /// The same with a reset.
    ScriptedReset,
    /// The server failed inside.
    Failed,
}

impl CloseReason {
    /// The reason for an error of the socket. Most of them mean that the client is gone. But `sendfile` also reports
    /// what is wrong with the file, and that is not the client's doing.
    pub(crate) fn of_socket_error(error: &std::io::Error) -> CloseReason {
        if let Some(Errno::IO | Errno::STALE) = Errno::from_io_error(error) {
            log::error!("a file cannot be read: {error}");
            return CloseReason::Failed;
        }
        log::trace!("connection lost: {error}");
        CloseReason::Broken
    }

    /// Every reason, except the time-out of [`Phase::Owed`], which has no deadline.
    #[rustfmt::skip]
    pub const ALL: [CloseReason; 28] = {
        use CloseReason::*;
        [
            PeerClosed, NeverSpoke, ClosedInHead, ClosedInContent(None), Finished, Http10, Delimited, Chosen, Refused,
            TlsHandshake, ContentUnread, StillSending, TimedOut(Phase::Idle), TimedOut(Phase::Head),
            TimedOut(Phase::Content), TimedOut(Phase::Sending), TimedOut(Phase::Lingering), Shed, MadeRoom, Draining,
            CutOff, Broken, ResetUnread, FileShrank, LeftEarly, Scripted, ScriptedReset, Failed,
        ]
    };

    /// The name of the reason, and one sentence about it without full stop.
    const fn texts(self) -> (&'static str, &'static str) {
        use CloseReason::*;
        match self {
            PeerClosed => ("PeerClosed", "the client closed the connection"),
            NeverSpoke => ("NeverSpoke", "the client opened the connection, said nothing, and closed it"),
            ClosedInHead => ("ClosedInHead", "the client closed the connection in the middle of a head"),
            ClosedInContent(_) => ("ClosedInContent", "the client closed the connection in the middle of its content"),
            Finished => ("Finished", "closed after the answer, as the client asked"),
            Http10 => ("Http10", "closed after the answer: HTTP/1.0 without keep-alive"),
            Delimited => ("Delimited", "closed after the answer: nothing else tells where its content ends"),
            Chosen => ("Chosen", "closed after the answer, as the server chose"),
            Refused => {
                ("Refused", "closed after a request that breaks the protocol: where the next one begins is unknown")
            }
            TlsHandshake => ("TlsHandshake", "a TLS handshake; this port speaks plain http://"),
            ContentUnread => ("ContentUnread", "closed after an answer that came before the content was read"),
            StillSending => (
                "StillSending",
                "closed after an answer that came before the content was read; the client went on sending, which is met with a reset",
            ),
            TimedOut(Phase::Idle) => ("TimedOutIdle", "no further request came within the idle time"),
            TimedOut(Phase::Head) => ("TimedOutHead", "the head did not arrive in time"),
            TimedOut(Phase::Content) => ("TimedOutContent", "the content arrived too slowly"),
            TimedOut(Phase::Owed) => ("TimedOutOwed", "the answer took too long to make"),
            TimedOut(Phase::Sending) => ("TimedOutSending", "the client did not take the answer in time"),
            TimedOut(Phase::Lingering) => ("TimedOutLingering", "the client had its answer and did not close"),
            Shed => ("Shed", "answered 503: every seat was taken"),
            MadeRoom => ("MadeRoom", "an idle connection closed to make room for a new one"),
            Draining => ("Draining", "the server is stopping"),
            CutOff => ("CutOff", "the server stopped and its grace ended before the answer was out"),
            Broken => ("Broken", "the client reset the connection"),
            ResetUnread => ("ResetUnread", "the client reset the connection without having read all of the answer"),
            FileShrank => ("FileShrank", "the file became shorter while it was being sent"),
            LeftEarly => ("LeftEarly", "the client closed before the answer had its end"),
            Scripted => ("Scripted", "closed on purpose, behind an answer sent as it stands"),
            ScriptedReset => ("ScriptedReset", "reset on purpose, behind an answer sent as it stands"),
            Failed => ("Failed", "the server failed inside"),
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
            // The sentence of the table is constant; only this reason has a number to tell.
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
            assert_eq!(CloseReason::of_socket_error(&errno.into()), reason, "{errno:?}");
        }
    }

    #[test]
    fn every_reason_is_one_sentence() {
        for reason in CloseReason::ALL {
            assert!(reason.explain().len() > 15 && !reason.explain().ends_with('.'), "{reason:?}");
        }
    }
}
