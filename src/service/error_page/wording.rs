//! The usual texts of each error status (RFC 9110 §15), and the next step after each fault of a request.
//!
//! The heading says what happened. The sentence is used when the caller knows nothing better about the case. The
//! meaning is the last paragraph of a page. No text contains anything of the request.

use crate::http::{Fault, Status};

/// The texts of one status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wording {
    pub(crate) heading: &'static str,
    pub(crate) sentence: &'static str,
    /// A next step, if there is one.
    pub(crate) advice: Option<&'static str>,
    pub(crate) meaning: &'static str,
}

/// Makes [`Wording::of`] of a table. A row has the code, the heading, the sentence, perhaps an advice, the meaning.
macro_rules! wordings {
    ($($codes:pat => $heading:literal $sentence:literal $(advice $advice:literal)? $meaning:literal;)*) => {
        impl Wording {
            /// The texts of `status`, or those of its class if it has none of its own.
            pub(crate) const fn of(status: Status) -> Wording {
                match status.code() {
                    $($codes => Wording {
                        heading: $heading,
                        sentence: $sentence,
                        advice: wordings!(@option $($advice)?),
                        meaning: $meaning,
                    },)*
                }
            }
        }
    };
    (@option) => { None };
    (@option $advice:literal) => { Some($advice) };
}

wordings! {
    400 => "The request breaks a rule of HTTP." "The server cannot make sense of the request."
        "400 means the octets that arrived are no well-formed request. Guessing what was meant is how attacks get \
         through, so the server answers and closes the connection.";
    401 => "Say who you are." "This address is only for people with a name and a password."
        advice "In a terminal: curl -u NAME with the same address asks for the password."
        "401 means the request carried no credentials, or none that are valid here. It does not say which part was \
         wrong.";
    403 => "That is not allowed." "The server understood the request and will not do it."
        "403 means that asking again, or in other words, will not help: the answer is a decision and not a fault.";
    404 => "Nothing here has that address." "There is no file or folder of that name on this server."
        advice "Check the spelling: upper and lower case count."
        "404 means the server understood the request and has nothing to send for this address. It says nothing about \
         whether there ever was something, or will be.";
    405 => "That method does not work here." "There is something at this address, but not for this method."
        "405 means the address is fine and the method is not. The Allow field of the answer lists the methods that \
         work.";
    406 => "Not in the form you asked for." "Nothing that this address has fits the Accept fields of the request."
        advice "Ask again without them."
        "406 means there is something here, in none of the forms the client takes.";
    408 => "The request did not arrive in time." "The server waited for the rest of the request and gave up."
        advice "Try again; if you type by hand, prepare the text and send it at once."
        "408 means the client was too slow. The connection is closed, so that slow clients cannot take the place of \
         others.";
    409 => "Something is in the way." "The request contradicts what is already here."
        "409 means the request was right in itself, but not in the present state of the server.";
    411 => "How long is it?" "The request has content, but does not say how much."
        advice "Send Content-Length, or the content in chunks."
        "411 means the server wants to know the length before it reads the content.";
    412 => "It is not what you took it for." "A condition of the request does not hold, so nothing was done."
        advice "Fetch it again and look at its ETag."
        "412 means an If-Match, If-None-Match or If-Unmodified-Since field of the request kept the server from acting \
         on something that has changed.";
    413 => "That is too much." "The content is larger than this server takes."
        "413 means the server refused the content because of its size; it need not have read it.";
    414 => "The address is too long." "The request target has more octets than this server takes."
        advice "Send long values as content, with POST."
        "414 means the first line of the request is longer than the server is willing to read.";
    415 => "Not that kind of content." "The server does not take content of this type here."
        "415 means the Content-Type or Content-Encoding of the request is not one that works at this address.";
    416 => "That part does not exist." "None of the ranges lies inside the file."
        advice "The Content-Range field of the answer says how long the file is."
        "416 means the Range field asked for octets beyond the end.";
    417 => "The server cannot promise that." "The Expect field asks for something other than 100-continue."
        advice "Send the request without it."
        "417 means the client expected a behaviour that this server does not have.";
    421 => "This server does not go by that name." "The request is for a host that this server does not answer for."
        "421 means the request reached a server that must not answer for the host in it. Otherwise any web page could \
         reach a server on your own computer under a name of its choice.";
    429 => "Not so fast." "Too many requests came from your address."
        advice "Wait a little and try again."
        "429 means the client is asking more often than the server allows.";
    431 => "The head is too large." "The request has more or longer field lines than this server takes."
        advice "Large cookies are a common reason: remove those of this site."
        "431 means the fields of the request, alone or together, are larger than the server is willing to read.";
    500 => "The server failed, not you." "Something went wrong inside the server while it worked on your request."
        advice "Try again; if it stays like this, tell whoever runs the server."
        "500 means the server met a fault of its own. What exactly stands in its log and not here.";
    501 => "The server does not know how." "The request uses a method or a coding that this server does not have."
        "501 means no address of this server can do it; 405 would mean that this one cannot.";
    503 => "Too busy. Trying again in 5 s." "The server has more to do at the moment than it can."
        "503 means the server is well but has more to do than it can. The Retry-After field says how long to wait; \
         this page does so by itself.";
    505 => "Another version of HTTP, please." "This server speaks HTTP/1.0 and HTTP/1.1."
        "505 means the version in the first line of the request is none that the server speaks.";
    507 => "There is no room for that." "The disk of the server has less space than the content needs."
        advice "Nothing was stored. Send less, or free some space there."
        "507 means the request was right but the server cannot store what it brings.";
    400..=499 => "That did not work." "The server will not do what the request asks for."
        "A code from 400 to 499 means that something is wrong with the request and not with the server.";
    _ => "The server could not do it." "The request may be right, but the server failed to fulfil it."
        advice "Try again later."
        "A code from 500 to 599 means that something is wrong with the server and not with the request.";
}

/// The next step after a fault; that of its status if the fault has none of its own.
pub(crate) const fn remedy(fault: Fault) -> Option<&'static str> {
    Some(match fault {
        Fault::BareLf => "End every line with CR LF; in printf that is \\r\\n.",
        Fault::TlsHandshake => "Open the address with http:// instead of https://.",
        Fault::RequestLine | Fault::NoVersion | Fault::VersionSyntax => {
            "A request line looks like this: GET / HTTP/1.1"
        }
        Fault::HostMissing => "Add a line that names the server, such as: Host: localhost",
        Fault::TargetByte => "Write it as %XX; spaces are %20.",
        Fault::PercentEncoding => "A percent sign that means itself is written %25.",
        Fault::NoColon => "A field line is a name, a colon, a value. The head ends with an empty line.",
        Fault::SpaceBeforeColon => "Put the colon directly behind the name.",
        Fault::LengthAndCoding => "Send one of them.",
        Fault::LengthInvalid | Fault::LengthTwice => "Count octets, not characters, and send the number once.",
        Fault::ChunkSize => {
            "A chunk is: its size in hexadecimal digits, CR LF, that many octets, CR LF. A chunk of size 0 ends the content."
        }
        Fault::ChunkEnd => "The size counts the octets of the chunk without the CR LF behind them.",
        Fault::TruncatedHead => "The head ends with an empty line: CR LF alone.",
        Fault::TruncatedContent => "Content-Length counts octets, not characters; in chunks, the last one has size 0.",
        _ => return Wording::of(fault.status()).advice,
    })
}
