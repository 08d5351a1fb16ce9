//! Notes of the ends of connections: who ended it, and why.
//!
//! The names are those of `net`'s reasons; a test outside this room holds the two lists together.
//!
//! Never: "unknown". A reset whose cause nobody names is how learners lose hours.
//!
//! The subtle thing: who closed and who is to blame are two questions. A server that gives up on a
//! client that stopped reading closes, and the client is the reason.

use crate::wire::explain::notes::Side;
use crate::wire::explain::notes::Side::{Client, Server};
use crate::wire::explain::notes::{Note, note};

macro_rules! closes {
    ($($name:literal $side:ident $short:literal $long:literal $section:literal,)*) => {
        pub(crate) const CLOSES: &[Note] = &[$(note(concat!("close/", $name), $short, $long, $section)),*];
        pub(crate) const SIDES: &[Side] = &[$($side),*];
    };
}

closes! {
    "Other" Server "closed" "The connection has ended for a reason this dictionary does not know" "RFC 9112 §9.6",
    "PeerClosed" Client "closed its side (recv() returned 0)" "The client sent FIN between two requests or after its answer: the usual end" "RFC 9112 §9.6",
    "NeverSpoke" Client "said nothing: opened in advance" "Browsers open connections before they need them and close those that were not needed" "RFC 9112 §9.4",
    "Finished" Server "the client asked for it" "Connection: close, or HTTP/1.0 without keep-alive: the answer was the last one" "RFC 9112 §9.6",
    "Refused" Server "after a broken request borders are lost" "Nobody knows where the next request would begin, and guessing is what smuggling lives on" "RFC 9112 §11.2",
    "TlsHandshake" Server "the client spoke TLS to a plain port" "https:// was used where http:// is spoken" "RFC 9112 §9.7",
    "ContentUnread" Server "answered before the body was read" "The rest was too long to read past; a reset would have destroyed the answer, so it closed in stages" "RFC 9112 §9.6",
    "TimedOutIdle" Server "no further request in time" "An idle connection costs memory; the client opens another one when it needs it" "RFC 9112 §9.5",
    "TimedOutHead" Server "the head did not arrive in time" "Against clients that send a byte now and then to keep a connection busy" "RFC 9110 §15.5.9",
    "TimedOutContent" Server "the body arrived too slowly" "Fewer bytes a second than the server waits for" "RFC 9110 §15.5.9",
    "TimedOutSending" Server "the client stopped taking the answer" "The client's receive window stayed full: it reads too slowly, or not at all" "RFC 9112 §9.5",
    "TimedOutLingering" Server "the client kept it open after the end" "The server had said its last word and waited for the client to close, in vain" "RFC 9112 §9.6",
    "Shed" Server "too many connections: answered 503" "Every seat was taken; the client was told when to come back" "RFC 9110 §15.6.4",
    "MadeRoom" Server "idle, and a new one needed the place" "The longest idle connection makes room before a new client is refused" "RFC 9112 §9.4",
    "Draining" Server "the server is stopping" "Running answers go on, idle connections are closed" "RFC 9112 §9.6",
    "CutOff" Server "the server stopped and did not wait" "The grace ended before the answer was out: the client has a part of it" "RFC 9112 §9.6",
    "Broken" Client "reset the connection (ECONNRESET)" "The client closed with unread bytes, or crashed, or the network broke: a RST instead of a FIN" "RFC 9293 §3.10.7",
    "FileShrank" Server "the file became shorter meanwhile" "The announced length cannot be kept, so the only honest end is to close" "RFC 9112 §8",
    "Failed" Server "failed inside" "Not the client's fault; the log of the server knows more" "RFC 9110 §15.6.1",
    "LeftEarly" Client "closed before the answer had its end" "The answer was still being made; who closes then wants no more of it" "RFC 9112 §9.6",
    "Scripted" Server "on purpose: a practice answer" "The octets went out as they stand, and nobody knows where they end: the connection goes no further" "RFC 9112 §9.6",
    "ScriptedReset" Server "reset on purpose: a practice answer" "A RST in the place of a FIN: octets on their way may be lost" "RFC 9293 §3.10.5",
    "ClosedInHead" Client "closed in the middle of a head" "Half a head is no request, whatever it would have become" "RFC 9112 §8",
    "ClosedInContent" Client "closed in the middle of its body" "Fewer bytes came than were announced, or no last chunk: nobody may use such a body" "RFC 9112 §8",
    "Http10" Server "HTTP/1.0 without keep-alive" "Before HTTP/1.1 one connection carried one request, unless the client asks for more" "RFC 9112 §9.3",
    "Delimited" Server "its end is the end of the body" "The answer has neither a length nor chunks, so only the close can say that it is complete" "RFC 9112 §6.3",
    "Chosen" Server "the server wanted no more" "The answer said Connection: close, though the client would have gone on" "RFC 9112 §9.6",
    "StillSending" Server "answered early; more kept coming" "Bytes that nobody reads any more are answered with a RST: that is the reset the client may report" "RFC 9112 §9.6",
    "ResetUnread" Client "reset the connection, answer unread" "It closed while bytes of the answer were unread: a RST in the place of a FIN, and the client's doing" "RFC 9293 §3.6.1",
}
