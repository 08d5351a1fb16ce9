//! Notes of status codes (RFC 9110 §15).
//!
//! Never: a reason phrase or a section of a known code; [`Status`] has them.
//!
//! The subtle thing: a code nobody knows is treated as the x00 of its class (§15), so each class has a
//! note of its own behind those of the codes.

use crate::http::Status;
use crate::wire::explain::notes::Note;

macro_rules! statuses {
    ($($code:literal $name:literal $short:literal $long:literal,)*) => {
        /// The code of each note; below ten it is a class.
        pub(crate) const CODES: &[u16] = &[$($code),*];

        pub(crate) const STATUSES: &[Note] = &[$(Note {
            name: concat!("status/", $name),
            short: $short,
            long: $long,
            section: section($code),
        }),*];
    };
}

statuses! {
    0 "other" "a code outside every class" "Codes run from 100 to 599; a client treats others as 5xx",
    1 "1xx" "wait: more will come" "An interim response; a final one always follows",
    2 "2xx" "it worked" "The request was received, understood and done",
    3 "3xx" "look elsewhere" "Something more is needed, usually another address",
    4 "4xx" "the client's mistake" "Sent again unchanged it will fail again",
    5 "5xx" "the server's fault" "The request may be fine; sent again later it may work",
    100 "100" "go on, send the body" "The head is fine and the content is wanted; the final answer comes after it",
    101 "101" "agreed: another protocol from here on" "What follows on this connection is not HTTP any more",
    102 "102" "still working on it" "Only so that nobody gives up; the final answer follows",
    103 "103" "fetch these already" "Links a browser can load while the answer is still being made",
    200 "200" "it worked" "The content is what was asked for, or tells what was done",
    201 "201" "created" "Something new exists; Location names it, else it is at the address of the request",
    202 "202" "accepted, not done yet" "Promises nothing: the work may still fail",
    203 "203" "it worked; a proxy changed the content" "Not the bytes the origin server sent",
    204 "204" "done; there is nothing to show" "Never has a body; a browser stays on its page",
    205 "205" "done; clear the form" "Has no content; the sender of a form may empty it",
    206 "206" "the part that was asked for" "Content-Range says which part it is",
    300 "300" "several forms; choose one" "Rare: no format of the list was ever agreed on",
    301 "301" "moved for good" "Bookmarks may be changed; an old custom turns POST into GET, so 308 is better",
    302 "302" "for now it is elsewhere" "Ask here again next time; POST becomes GET in practice",
    303 "303" "look over there with GET" "The usual answer to a form: reloading sends nothing twice",
    304 "304" "your copy is still good" "Has no body whatever Content-Length says: use what you have",
    307 "307" "for now elsewhere, same method" "As 302, and POST stays POST",
    308 "308" "moved for good, same method" "As 301, and POST stays POST",
    400 "400" "the request breaks the grammar" "After it the borders are unknown, so the connection closes",
    401 "401" "say who you are first" "Unauthenticated, in truth; WWW-Authenticate tells how. Knowing you and refusing is 403",
    402 "402" "payment required" "Reserved for a future that has not come",
    403 "403" "understood and refused" "Logging in would not help, or you are known and may not",
    404 "404" "nothing has that address here" "Or nobody may know that there is something",
    405 "405" "not with this method" "The address exists; Allow names the methods that work",
    406 "406" "not in any form you accept" "Accept and its kin left nothing over; most servers send something anyway",
    407 "407" "say who you are, to the proxy" "As 401, from a proxy on the way",
    408 "408" "you took too long" "The request was not complete in time; the connection closes",
    409 "409" "collides with what is there" "Often a name that is taken; solve it and send again",
    410 "410" "it was here and is gone" "As 404, for ever: remove the link",
    411 "411" "Content-Length is wanted" "The server does not take content of unknown length",
    412 "412" "your condition does not hold" "If-Match or its kin failed: somebody was faster",
    413 "413" "the body is too large" "The server may close before it has read all of it",
    414 "414" "the address is too long" "Often a form sent with GET, or a redirect that grows",
    415 "415" "not this kind of content" "Content-Type or Content-Encoding is not one the resource takes",
    416 "416" "no such part" "The file is shorter; Content-Range tells its size",
    417 "417" "what you expect cannot be met" "About the Expect field: send it without",
    421 "421" "wrong server for this host" "The connection is fine, the host in the request is not served here",
    422 "422" "understood, but it makes no sense" "The syntax is right and the content cannot be processed",
    426 "426" "another protocol is needed" "Upgrade names the one",
    428 "428" "only with a condition" "Send If-Match, so that nobody's work is overwritten blindly",
    429 "429" "too many requests" "Retry-After may say when to come back",
    431 "431" "the head is too large" "Often a cookie that has grown",
    500 "500" "the server failed, not you" "Something broke inside; its log knows more",
    501 "501" "not implemented" "The server knows no such method for any address",
    502 "502" "the server behind answered nonsense" "From a proxy: what it got from behind was no valid answer",
    503 "503" "too busy or closed for now" "Retry-After says when; the request may be fine",
    504 "504" "the server behind did not answer" "From a proxy: nothing came in time",
    505 "505" "that version is not spoken" "Of the major version of HTTP in the request",
    507 "507" "no room to store it" "The disk is full or the share is used up",
}

/// The section of a code; of a class, its own.
const fn section(code: u16) -> &'static str {
    match code {
        1 => "RFC 9110 §15.2",
        2 => "RFC 9110 §15.3",
        3 => "RFC 9110 §15.4",
        4 => "RFC 9110 §15.5",
        5 => "RFC 9110 §15.6",
        _ => match Status::new(code) {
            Some(status) => status.section(),
            None => "RFC 9110 §15",
        },
    }
}
