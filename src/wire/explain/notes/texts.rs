//! Notes of the parts of messages, of methods, of framing rules, and the short forms of faults.
//!
//! RFC 9112 §2–7, RFC 9110 §5 and §9.
//!
//! Never: a field or a status; they have files of their own.
//!
//! The subtle thing: the first note is the one of parts that explain themselves, so its short form is
//! empty and nothing is printed beside them.

use crate::http::Fault;
use crate::wire::explain::notes::{Note, NoteId, note};

macro_rules! parts {
    ($($constant:ident $name:literal $short:literal $long:literal $section:literal,)*) => {
        pub(crate) const PARTS: &[Note] = &[$(note($name, $short, $long, $section)),*];

        /// The numbers of the parts.
        #[allow(missing_docs)]
        pub mod part {
            use crate::wire::NoteId;

            #[repr(u16)]
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Line { $($constant),* }

            $(pub const $constant: NoteId = NoteId(Line::$constant as u16);)*

            #[cfg(test)]
            pub(crate) const ALL: &[(&str, NoteId)] = &[$((stringify!($constant), $constant)),*];
        }
    };
}

parts! {
    PLAIN "plain" "" "A part whose place says what it is" "RFC 9112 §2.1",
    REQUEST_LINE "request-line" "request line" "The first line of a request: method, target and version, one space between them" "RFC 9112 §3",
    STATUS_LINE "status-line" "status line" "The first line of a response: version, status code, reason phrase" "RFC 9112 §4",
    PATH "path" "which resource" "The path of the target, as the client encoded it; the server decodes it exactly once" "RFC 9112 §3.2.1",
    QUERY "query" "details for the resource" "What follows the first question mark; its meaning is up to the resource" "RFC 3986 §3.4",
    QUERY_NAME "query-name" "name of a query value" "Names and values in a query are a custom of forms, not a rule of HTTP" "RFC 3986 §3.4",
    QUERY_VALUE "query-value" "value in the query" "What the client says for this name; spaces and special octets are percent-encoded" "RFC 3986 §3.4",
    SCHEME "scheme" "which protocol the address means" "Only http is spoken here; https needs encryption before the first octet" "RFC 9110 §4.2.1",
    AUTHORITY "authority" "which server is meant" "Host and port of the address. In this form the Host field is not looked at" "RFC 9112 §3.2.2",
    ASTERISK "asterisk" "the server as a whole" "OPTIONS * asks about the server and not about one resource" "RFC 9112 §3.2.4",
    VERSION "version" "the version the sender speaks" "The sender's highest version; the meaning of the message does not depend on who passed it on" "RFC 9112 §2.3",
    STATUS "status" "three digits: how it went" "The first digit is the class: 1 wait, 2 done, 3 elsewhere, 4 your mistake, 5 mine" "RFC 9110 §15",
    REASON "reason" "for people; programs ignore it" "A phrase that says the same as the code; a client must not rely on it" "RFC 9112 §4",
    FIELD_NAME "field-name" "name of a field; case means nothing" "A field line is name, colon, value; the case of the name means nothing" "RFC 9112 §5",
    COLON "colon" "ends the name, no space before it" "A space before the colon has been used to smuggle requests, so it is refused" "RFC 9112 §5.1",
    OWS "ows" "optional space, no part of the value" "Spaces and tabs around a value are allowed and mean nothing" "RFC 9110 §5.6.3",
    SPACE "space" "exactly one space" "The parts of a start line are separated by one space each" "RFC 9112 §3",
    CRLF "crlf" "end of the line" "Every line of a head ends with CR LF, the octets 13 and 10" "RFC 9112 §2.1",
    BLANK "blank" "blank line: the head ends" "An empty line ends the head; what follows is content, if the head announced some" "RFC 9112 §2.1",
    EMPTY_LINE "empty-line" "empty line before the request, skipped" "Old clients sent one behind a form; a server should skip it" "RFC 9112 §2.2",
    SECRET "secret" "hidden: as long as the original" "A secret is shown as stars, one for each octet, wherever it appears" "barewire study view",
    AUTH_SCHEME "auth-scheme" "how the proof is made" "Basic is name and password in Base64: readable by everyone on the way; Bearer is a token" "RFC 9110 §11.1",
    COOKIE_NAME "cookie-name" "name of a cookie" "The server chose the name; the client sends it back with the value" "RFC 6265 §4.2",
    COOKIE_ATTRIBUTE "cookie-attribute" "rule for keeping or sending it" "HttpOnly hides it from scripts, Secure wants https, SameSite limits other sites, Max-Age is its life" "RFC 6265 §4.1.2",
    MEDIA_TYPE "media-type" "type/subtype of the content" "Says how the content is to be read; names are registered at IANA" "RFC 9110 §8.3.1",
    PARAMETER "parameter" "a detail: name=value" "Details of a value follow behind semicolons" "RFC 9110 §5.6.6",
    WEIGHT "weight" "how much it is wanted, 0 to 1" "q=1 is wanted most, q=0 not at all; without q it is 1" "RFC 9110 §12.4.2",
    ELEMENT "element" "one element of a list" "Lists are separated by commas; several lines of one name are one list" "RFC 9110 §5.6.1",
    SEPARATOR "separator" "separates the parts of a value" "Commas between elements, semicolons between parameters" "RFC 9110 §5.6.1",
    DIRECTIVE "directive" "one rule for caches" "Caches obey the rules they know and pass the others on" "RFC 9111 §5.2",
    RANGE_UNIT "range-unit" "the unit: bytes" "Ranges are counted in bytes; other units may be defined and never were" "RFC 9110 §14.1",
    RANGE_SPEC "range-spec" "first-last, counted from 0" "Both ends are included: 0-9 are ten bytes; -5 are the last five" "RFC 9110 §14.1.2",
    DAY "day" "the day of the week" "Redundant, and still required" "RFC 9110 §5.6.7",
    MOMENT "moment" "day, month, year and time" "Always to the second, always in GMT, whatever the zone of the server" "RFC 9110 §5.6.7",
    ZONE "zone" "always GMT" "HTTP knows no other zone" "RFC 9110 §5.6.7",
    WEAK "weak" "weak: the same meaning, not each byte" "W/ says that two versions with this tag may differ in bytes; ranges need a strong one" "RFC 9110 §8.8.1",
    ENTITY_TAG "entity-tag" "opaque: only equality counts" "The server made it up; a client compares and sends it back, nothing else" "RFC 9110 §8.8.3",
    LENGTH "length" "a decimal number of bytes" "Bytes, not characters: é is one character and two bytes in UTF-8" "RFC 9110 §8.6",
    CODING "coding" "how the content is framed" "chunked: the content comes in pieces, each with its size before it" "RFC 9112 §6.1",
    CHUNK_SIZE "chunk-size" "size of the next chunk, hexadecimal" "Counts the data only, not the line ends around it" "RFC 9112 §7.1",
    CHUNK_EXT "chunk-ext" "chunk extension: nobody uses it" "Name and value behind the size; unknown ones are ignored" "RFC 9112 §7.1.1",
    CHUNK_DATA "chunk-data" "data of a chunk" "As many bytes as the size line said" "RFC 9112 §7.1",
    CHUNK_END "chunk-end" "ends the data of a chunk" "The CR LF behind the data is not counted in the size" "RFC 9112 §7.1",
    LAST_CHUNK "last-chunk" "last chunk: size 0, the body ends here" "Without it the content is incomplete, even if the connection closes" "RFC 9112 §7.1",
    TRAILER "trailer" "trailer: known only after the body" "Fields that could not be known before the content was made, such as a checksum" "RFC 9110 §6.5",
    TRAILER_END "trailer-end" "blank line: the message ends here" "Ends the trailer section, also when it has no lines" "RFC 9112 §7.1.2",
    BODY "body" "content" "The bytes the head announced; their meaning is told by Content-Type" "RFC 9112 §6",
    NOT_KEPT "not-kept" "counted, not kept" "Of a long body the first 2,048 bytes and the last 256 are kept; the rest is counted" "barewire study view",
    FROM_FILE "from-file" "sent by the kernel with sendfile()" "These bytes never passed through the program; the first 2,048 and the last 256 were read again" "barewire study view",
    BAD "bad" "here it breaks the grammar" "The first octet that breaks a rule; nobody knows what follows it" "RFC 9112 §2.2",
    RULE_1 "rule-1" "no body, whatever the fields say" "A response to HEAD and any 1xx, 204 or 304 response ends with its head, whatever its fields say" "RFC 9112 §6.3",
    RULE_2 "rule-2" "no HTTP from here on: a tunnel" "Behind the head of a 2xx answer to CONNECT come the octets of others, in both directions" "RFC 9112 §6.3",
    RULE_3 "rule-3" "both lengths: chunked counts" "Transfer-Encoding overrides Content-Length in a response; in a request both together are refused here" "RFC 9112 §6.3",
    RULE_4 "rule-4" "body in chunks" "With Transfer-Encoding: chunked the body ends with the chunk of size 0" "RFC 9112 §6.3",
    RULE_5 "rule-5" "Content-Length is no single number" "A length that cannot be read leaves the end of the message unknown, so the connection is closed" "RFC 9112 §6.3",
    RULE_6 "rule-6" "as many bytes as Content-Length says" "A valid Content-Length without Transfer-Encoding is the exact size of the body" "RFC 9112 §6.3",
    RULE_7 "rule-7" "no body: nothing announces one" "A request with neither Content-Length nor Transfer-Encoding has no body" "RFC 9112 §6.3",
    RULE_8 "rule-8" "until the connection closes" "A response without a length ends where the connection does, so a cut cannot be told from the end" "RFC 9112 §6.3",
    BORDER "border" "border between parts, with its CR LF" "Two dashes and the boundary that Content-Type names; the line end before it is no part of the data" "RFC 2046 §5.1.1",
    LAST_BORDER "last-border" "two more dashes: no more parts" "Without the two dashes behind the last boundary the form is not complete" "RFC 2046 §5.1.1",
    PART_BLANK "part-blank" "blank line: the data of the part follows" "Each part has a small head of its own, which ends as that of a message does" "RFC 2046 §5.1",
    PART_DATA "part-data" "data of the part" "As it is, without any encoding; it ends at the next border" "RFC 7578 §4.7",
}

/// The eight rules of framing, in their order.
pub const FRAMING: [NoteId; 8] =
    [part::RULE_1, part::RULE_2, part::RULE_3, part::RULE_4, part::RULE_5, part::RULE_6, part::RULE_7, part::RULE_8];

// In the order of [`crate::http::Method::ALL`], and the unknown one.
notes! { pub(crate) METHODS:
    "method/GET" "give me this" "Asks for the resource and changes nothing: safe to repeat, to prefetch, to cache" "RFC 9110 §9.3.1",
    "method/HEAD" "only the head of what GET would answer" "The same head as GET, Content-Length included, and never a body" "RFC 9110 §9.3.2",
    "method/POST" "do something with this content" "The resource decides; sent twice it may happen twice" "RFC 9110 §9.3.3",
    "method/PUT" "store this content under this address" "Creates or replaces; sent twice it is as if sent once" "RFC 9110 §9.3.4",
    "method/DELETE" "remove this" "Afterwards the address names nothing; sent twice it is as if sent once" "RFC 9110 §9.3.5",
    "method/CONNECT" "open a tunnel" "For proxies: what follows is not HTTP; an origin server never does it" "RFC 9110 §9.3.6",
    "method/OPTIONS" "which methods are possible?" "Browsers ask by themselves before some cross-origin requests (preflight)" "RFC 9110 §9.3.7",
    "method/TRACE" "send my request back to me" "For finding out what proxies changed; credentials must not come back, so most servers refuse it" "RFC 9110 §9.3.8",
    "method/PATCH" "change a part of this" "The content says what to change; unlike PUT it may not be safe to send twice" "RFC 5789 §2",
    "method/other" "a method unknown here" "Any token may be a method; one that a server does not implement is answered 501" "RFC 9110 §9.1",
}

// In the order of [`crate::wire::explain::notes::ResponseFault::ALL`].
notes! { pub(crate) FLAWS:
    "StatusLine" "this is no status line" "a response begins with version, one space, three digits, one space and perhaps a phrase" "RFC 9112 §4",
    "StatusCode" "the code is not 100 to 999" "a status code is exactly three digits and the first is not 0" "RFC 9110 §15",
    "HeadTooLong" "the head does not end" "no blank line within 64 KiB: no reader waits for ever" "RFC 9110 §5.4",
    "HeadCutOff" "cut off before the blank line" "the stream ended inside the head; nothing of it may be used" "RFC 9112 §8",
    "ContentCutOff" "cut off: fewer bytes than announced" "the stream ended before Content-Length was reached; the client must treat it as incomplete" "RFC 9112 §8",
    "ChunksCutOff" "cut off before the last chunk" "chunked content ends with a chunk of size 0; without it the content is incomplete" "RFC 9112 §8",
    "MadeUpLine" "written for people: not HTTP/1.1" "HTTP/2 and HTTP/3 have no status line, so a program made this one up; ask for the real thing with curl --http1.1" "RFC 9113 §8.3.2",
}

/// A fault in so few words that they stand beside the line.
pub(crate) const fn short_of(fault: Fault) -> &'static str {
    match fault {
        Fault::BareLf => "a bare LF where CR LF was due",
        Fault::BareCr => "a CR without its LF",
        Fault::EmptyLines => "more than one empty line before it",
        Fault::TlsHandshake => "encrypted: https:// sent to http://",
        Fault::RequestLine => "not: method, target, version",
        Fault::MethodName => "no method may contain this",
        Fault::NoVersion => "no version: HTTP/0.9 is gone",
        Fault::VersionSyntax => "not written as HTTP/1.1 is",
        Fault::VersionUnsupported => "a version not spoken here",
        Fault::TargetTooLong => "the target is too long",
        Fault::TargetByte => "must be percent-encoded",
        Fault::TargetForm => "no valid form of a target",
        Fault::TargetScheme => "a scheme not answered here",
        Fault::TargetUserinfo => "no user name in an http address",
        Fault::TargetHost => "the host in the target is not valid",
        Fault::PercentEncoding => "% without two hexadecimal digits",
        Fault::EncodedNul => "an encoded NUL",
        Fault::EncodedSlash => "an encoded slash: which resource?",
        Fault::DotSegment => "a '.' or '..' the client should remove",
        Fault::HeadTooLarge => "the head is too long",
        Fault::TooManyFields => "too many field lines",
        Fault::ObsFold => "a folded line: obsolete, refused",
        Fault::SpaceBeforeColon => "space before the colon",
        Fault::NoColon => "a field line without colon",
        Fault::FieldName => "no field name may contain this",
        Fault::FieldValue => "a control octet in a value",
        Fault::HostMissing => "HTTP/1.1 must have a Host field",
        Fault::HostTwice => "a second Host field",
        Fault::HostInvalid => "no valid host",
        Fault::LengthAndCoding => "two rules for one end: smuggling?",
        Fault::LengthInvalid => "not one plain decimal number",
        Fault::LengthTwice => "a second Content-Length",
        Fault::CodingUnknown => "a transfer coding not known here",
        Fault::CodingNotFinal => "chunked must be the only coding, once",
        Fault::CodingInHttp10 => "HTTP/1.0 knows no Transfer-Encoding",
        Fault::ChunkSize => "no hexadecimal chunk size",
        Fault::ChunkTooLarge => "a chunk size with too many digits",
        Fault::ChunkExtension => "a malformed chunk extension",
        Fault::ChunkLineTooLong => "the chunk-size line is too long",
        Fault::ChunkEnd => "chunk size and data disagree",
        Fault::TrailerTooLarge => "the trailer section is too long",
        Fault::TruncatedHead => "cut off before the blank line",
        Fault::TruncatedContent => "cut off before the content was there",
        Fault::SlowHead => "the head took too long",
        Fault::SlowContent => "the content took too long",
    }
}
