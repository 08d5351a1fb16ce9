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
pub enum Ended {
    /// The client closed between requests, or had its answer.
    PeerClosed,
    /// The client connected, said nothing, and left.
    NeverSpoke,
    /// The client closed in the middle of a head.
    ClosedInHead,
    /// The client closed in the middle of content; so many octets were missing, if the head said how many.
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
    /// The same behind octets of an answer, which the client had not read to their end.
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

impl Ended {
    /// An error of the socket: the connection is of no use any more, whatever the kernel calls it. But
    /// `sendfile` also says what is wrong with the file, and that is not the client's doing.
    pub(crate) fn broken(error: &std::io::Error) -> Ended {
        if let Some(Errno::IO | Errno::STALE) = Errno::from_io_error(error) {
            log::error!("a file cannot be read: {error}");
            return Ended::Failed;
        }
        log::trace!("connection lost: {error}");
        Ended::Broken
    }

    /// Every reason, but for a time-out of what has no clock ([`Phase::Owed`]).
    pub const ALL: [Ended; 28] = [
        Ended::PeerClosed,
        Ended::NeverSpoke,
        Ended::ClosedInHead,
        Ended::ClosedInContent(None),
        Ended::Finished,
        Ended::Http10,
        Ended::Delimited,
        Ended::Chosen,
        Ended::Refused,
        Ended::TlsHandshake,
        Ended::ContentUnread,
        Ended::StillSending,
        Ended::TimedOut(Phase::Idle),
        Ended::TimedOut(Phase::Head),
        Ended::TimedOut(Phase::Content),
        Ended::TimedOut(Phase::Sending),
        Ended::TimedOut(Phase::Lingering),
        Ended::Shed,
        Ended::MadeRoom,
        Ended::Draining,
        Ended::CutOff,
        Ended::Broken,
        Ended::ResetUnread,
        Ended::FileShrank,
        Ended::LeftEarly,
        Ended::Scripted,
        Ended::ScriptedReset,
        Ended::Failed,
    ];

    /// The name of the reason.
    pub const fn name(self) -> &'static str {
        match self {
            Ended::PeerClosed => "PeerClosed",
            Ended::NeverSpoke => "NeverSpoke",
            Ended::ClosedInHead => "ClosedInHead",
            Ended::ClosedInContent(_) => "ClosedInContent",
            Ended::Finished => "Finished",
            Ended::Http10 => "Http10",
            Ended::Delimited => "Delimited",
            Ended::Chosen => "Chosen",
            Ended::Refused => "Refused",
            Ended::TlsHandshake => "TlsHandshake",
            Ended::ContentUnread => "ContentUnread",
            Ended::StillSending => "StillSending",
            Ended::TimedOut(Phase::Idle) => "TimedOutIdle",
            Ended::TimedOut(Phase::Head) => "TimedOutHead",
            Ended::TimedOut(Phase::Content) => "TimedOutContent",
            Ended::TimedOut(Phase::Owed) => "TimedOutOwed",
            Ended::TimedOut(Phase::Sending) => "TimedOutSending",
            Ended::TimedOut(Phase::Lingering) => "TimedOutLingering",
            Ended::Shed => "Shed",
            Ended::MadeRoom => "MadeRoom",
            Ended::Draining => "Draining",
            Ended::CutOff => "CutOff",
            Ended::Broken => "Broken",
            Ended::ResetUnread => "ResetUnread",
            Ended::FileShrank => "FileShrank",
            Ended::LeftEarly => "LeftEarly",
            Ended::Scripted => "Scripted",
            Ended::ScriptedReset => "ScriptedReset",
            Ended::Failed => "Failed",
        }
    }

    /// The same sentence as [`Ended::explain`], with the numbers of this very end.
    pub fn sentence(self) -> Cow<'static, str> {
        match self {
            Ended::ClosedInContent(Some(1)) => format!("{}: 1 octet was missing", self.explain()).into(),
            Ended::ClosedInContent(Some(missing)) => {
                format!("{}: {missing} octets were missing", self.explain()).into()
            }
            _ => self.explain().into(),
        }
    }

    /// One sentence for a person, without full stop.
    pub const fn explain(self) -> &'static str {
        match self {
            Ended::PeerClosed => "the client closed the connection",
            Ended::NeverSpoke => "the client opened the connection, said nothing, and closed it",
            Ended::ClosedInHead => "the client closed the connection in the middle of a head",
            Ended::ClosedInContent(_) => "the client closed the connection in the middle of its content",
            Ended::Http10 => "closed after the answer: HTTP/1.0 without keep-alive",
            Ended::Delimited => "closed after the answer: nothing else tells where its content ends",
            Ended::Chosen => "closed after the answer, as the server chose",
            Ended::Finished => "closed after the answer, as the client asked",
            Ended::Refused => "closed after a request that breaks the protocol: where the next one begins is unknown",
            Ended::TlsHandshake => "a TLS handshake; this port speaks plain http://",
            Ended::ContentUnread => "closed after an answer that came before the content was read",
            Ended::StillSending => {
                "closed after an answer that came before the content was read; the client went on sending, which is met with a reset"
            }
            Ended::TimedOut(Phase::Idle) => "no further request came within the idle time",
            Ended::TimedOut(Phase::Head) => "the head did not arrive in time",
            Ended::TimedOut(Phase::Content) => "the content arrived too slowly",
            Ended::TimedOut(Phase::Owed) => "the answer took too long to make",
            Ended::TimedOut(Phase::Sending) => "the client did not take the answer in time",
            Ended::TimedOut(Phase::Lingering) => "the client had its answer and did not close",
            Ended::Shed => "answered 503: every seat was taken",
            Ended::MadeRoom => "an idle connection closed to make room for a new one",
            Ended::Draining => "the server is stopping",
            Ended::CutOff => "the server stopped and its grace ended before the answer was out",
            Ended::Broken => "the client reset the connection",
            Ended::ResetUnread => "the client reset the connection without having read all of the answer",
            Ended::FileShrank => "the file became shorter while it was being sent",
            Ended::LeftEarly => "the client closed before the answer had its end",
            Ended::Scripted => "closed on purpose, behind an answer sent as it stands",
            Ended::ScriptedReset => "reset on purpose, behind an answer sent as it stands",
            Ended::Failed => "the server failed inside",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_disk_is_not_blamed_on_the_client() {
        for (errno, ended) in [(Errno::IO, Ended::Failed), (Errno::STALE, Ended::Failed), (Errno::PIPE, Ended::Broken)]
        {
            assert_eq!(Ended::broken(&errno.into()), ended, "{errno:?}");
        }
    }

    #[test]
    fn every_reason_is_one_sentence() {
        for ended in Ended::ALL {
            assert!(ended.explain().len() > 15 && !ended.explain().ends_with('.'), "{ended:?}");
        }
    }
}
