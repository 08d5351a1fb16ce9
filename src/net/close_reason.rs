//! Why a connection ended: one reason each, with a sentence.
//!
//! Never: "unknown". A reset whose cause nobody names is how learners lose hours.
//!
//! The subtle thing: the reason says who is to blame. A client that vanishes while an answer is on its
//! way, and a server that gave up on a client that stopped reading, look alike on the wire.

use std::borrow::Cow;

use rustix::io::Errno;

use crate::http::Phase;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client closed between requests, or had its answer.
    PeerClosed,
    /// The client connected, said nothing, and left.
    NeverSpoke,
    /// The client closed in the middle of a head.
    ClosedInHead,
    /// The client closed in the middle of content; so many bytes were missing, if the head said how many.
    ClosedInContent(Option<u64>),
    /// The client asked for the close.
    Finished,
    /// The client speaks HTTP/1.0 and did not ask to keep the connection.
    Http10,
    /// The end of the connection is the end of the content.
    Delimited,
    /// The service wanted the answer to be the last one.
    Chosen,
    /// A request broke the protocol: its end, or that of the next one, cannot be known.
    Refused,
    /// The client began to speak TLS.
    TlsHandshake,
    /// The answer came before the content was read, and the rest was too long to read past.
    ContentUnread,
    /// The same, and the client went on sending for longer than a server reads past.
    StillSending,
    /// A deadline passed.
    TimedOut(Phase),
    /// There was no seat: answered 503.
    Shed,
    /// An idle connection made room for a new one.
    MadeRoom,
    /// The server is stopping.
    Draining,
    /// The grace ended before the answer was out.
    CutOff,
    /// The client reset the connection, or the network broke.
    Broken,
    /// The same behind bytes of an answer, which the client had not read to their end.
    ResetUnread,
    /// The file became shorter while it was being sent: the announced length cannot be kept.
    FileShrank,
    /// The client closed before a stream had its end.
    LeftEarly,
    /// The end of an answer as it stands.
    Scripted,
    /// The same with a reset.
    ScriptedReset,
    /// The server failed inside.
    Failed,
}

impl CloseReason {
    /// An error of the socket: the connection is of no use any more, whatever the kernel calls it. But
    /// `sendfile` also says what is wrong with the file, and that is not the client's doing.
    pub(crate) fn of_socket_error(error: &std::io::Error) -> CloseReason {
        if let Some(Errno::IO | Errno::STALE) = Errno::from_io_error(error) {
            log::error!("a file cannot be read: {error}");
            return CloseReason::Failed;
        }
        log::trace!("connection lost: {error}");
        CloseReason::Broken
    }

    /// Every reason, but for a time-out of what has no clock ([`Phase::Owed`]).
    pub const ALL: [CloseReason; 28] = [
        CloseReason::PeerClosed,
        CloseReason::NeverSpoke,
        CloseReason::ClosedInHead,
        CloseReason::ClosedInContent(None),
        CloseReason::Finished,
        CloseReason::Http10,
        CloseReason::Delimited,
        CloseReason::Chosen,
        CloseReason::Refused,
        CloseReason::TlsHandshake,
        CloseReason::ContentUnread,
        CloseReason::StillSending,
        CloseReason::TimedOut(Phase::Idle),
        CloseReason::TimedOut(Phase::Head),
        CloseReason::TimedOut(Phase::Content),
        CloseReason::TimedOut(Phase::Sending),
        CloseReason::TimedOut(Phase::Lingering),
        CloseReason::Shed,
        CloseReason::MadeRoom,
        CloseReason::Draining,
        CloseReason::CutOff,
        CloseReason::Broken,
        CloseReason::ResetUnread,
        CloseReason::FileShrank,
        CloseReason::LeftEarly,
        CloseReason::Scripted,
        CloseReason::ScriptedReset,
        CloseReason::Failed,
    ];

    /// The name of the reason.
    pub const fn name(self) -> &'static str {
        match self {
            CloseReason::PeerClosed => "PeerClosed",
            CloseReason::NeverSpoke => "NeverSpoke",
            CloseReason::ClosedInHead => "ClosedInHead",
            CloseReason::ClosedInContent(_) => "ClosedInContent",
            CloseReason::Finished => "Finished",
            CloseReason::Http10 => "Http10",
            CloseReason::Delimited => "Delimited",
            CloseReason::Chosen => "Chosen",
            CloseReason::Refused => "Refused",
            CloseReason::TlsHandshake => "TlsHandshake",
            CloseReason::ContentUnread => "ContentUnread",
            CloseReason::StillSending => "StillSending",
            CloseReason::TimedOut(Phase::Idle) => "TimedOutIdle",
            CloseReason::TimedOut(Phase::Head) => "TimedOutHead",
            CloseReason::TimedOut(Phase::Content) => "TimedOutContent",
            CloseReason::TimedOut(Phase::Owed) => "TimedOutOwed",
            CloseReason::TimedOut(Phase::Sending) => "TimedOutSending",
            CloseReason::TimedOut(Phase::Lingering) => "TimedOutLingering",
            CloseReason::Shed => "Shed",
            CloseReason::MadeRoom => "MadeRoom",
            CloseReason::Draining => "Draining",
            CloseReason::CutOff => "CutOff",
            CloseReason::Broken => "Broken",
            CloseReason::ResetUnread => "ResetUnread",
            CloseReason::FileShrank => "FileShrank",
            CloseReason::LeftEarly => "LeftEarly",
            CloseReason::Scripted => "Scripted",
            CloseReason::ScriptedReset => "ScriptedReset",
            CloseReason::Failed => "Failed",
        }
    }

    /// The same sentence as [`CloseReason::explain`], with the numbers of this very end.
    pub fn sentence(self) -> Cow<'static, str> {
        match self {
            CloseReason::ClosedInContent(Some(1)) => format!("{}: 1 octet was missing", self.explain()).into(),
            CloseReason::ClosedInContent(Some(missing)) => {
                format!("{}: {missing} octets were missing", self.explain()).into()
            }
            _ => self.explain().into(),
        }
    }

    /// One sentence for a person, without full stop.
    pub const fn explain(self) -> &'static str {
        match self {
            CloseReason::PeerClosed => "the client closed the connection",
            CloseReason::NeverSpoke => "the client opened the connection, said nothing, and closed it",
            CloseReason::ClosedInHead => "the client closed the connection in the middle of a head",
            CloseReason::ClosedInContent(_) => "the client closed the connection in the middle of its content",
            CloseReason::Http10 => "closed after the answer: HTTP/1.0 without keep-alive",
            CloseReason::Delimited => "closed after the answer: nothing else tells where its content ends",
            CloseReason::Chosen => "closed after the answer, as the server chose",
            CloseReason::Finished => "closed after the answer, as the client asked",
            CloseReason::Refused => {
                "closed after a request that breaks the protocol: where the next one begins is unknown"
            }
            CloseReason::TlsHandshake => "a TLS handshake; this port speaks plain http://",
            CloseReason::ContentUnread => "closed after an answer that came before the content was read",
            CloseReason::StillSending => {
                "closed after an answer that came before the content was read; the client went on sending, which is met with a reset"
            }
            CloseReason::TimedOut(Phase::Idle) => "no further request came within the idle time",
            CloseReason::TimedOut(Phase::Head) => "the head did not arrive in time",
            CloseReason::TimedOut(Phase::Content) => "the content arrived too slowly",
            CloseReason::TimedOut(Phase::Owed) => "the answer took too long to make",
            CloseReason::TimedOut(Phase::Sending) => "the client did not take the answer in time",
            CloseReason::TimedOut(Phase::Lingering) => "the client had its answer and did not close",
            CloseReason::Shed => "answered 503: every seat was taken",
            CloseReason::MadeRoom => "an idle connection closed to make room for a new one",
            CloseReason::Draining => "the server is stopping",
            CloseReason::CutOff => "the server stopped and its grace ended before the answer was out",
            CloseReason::Broken => "the client reset the connection",
            CloseReason::ResetUnread => "the client reset the connection without having read all of the answer",
            CloseReason::FileShrank => "the file became shorter while it was being sent",
            CloseReason::LeftEarly => "the client closed before the answer had its end",
            CloseReason::Scripted => "closed on purpose, behind an answer sent as it stands",
            CloseReason::ScriptedReset => "reset on purpose, behind an answer sent as it stands",
            CloseReason::Failed => "the server failed inside",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_not_blamed_on_the_client() {
        for (errno, ended) in
            [(Errno::IO, CloseReason::Failed), (Errno::STALE, CloseReason::Failed), (Errno::PIPE, CloseReason::Broken)]
        {
            assert_eq!(CloseReason::of_socket_error(&errno.into()), ended, "{errno:?}");
        }
    }

    #[test]
    fn every_reason_is_one_sentence() {
        for ended in CloseReason::ALL {
            assert!(ended.explain().len() > 15 && !ended.explain().ends_with('.'), "{ended:?}");
        }
    }
}
