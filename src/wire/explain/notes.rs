//! Notes: what each part of a message means, in words for a learner.
//!
//! A note has a name for programs, a short text that fits beside a line in a terminal, a long one for a panel, and the
//! section that defines the part. Spans and lines carry only the number of their note ([`NoteId`]): the texts are
//! many times longer than the bytes they explain. The texts stand in `notes.txt`. Sentences of faults come from
//! [`crate::http::Fault`], which has them for error pages as well.
//!
//! ```text
//! = 400 | field name                                                 a page: its first number, the heading of its notes
//! field/other | a field not in this dictionary | Unknown … | RFC …   number 400
//! field/host | which site is wanted; exactly one | One … | RFC …     number 401
//! ```
//!
//! A number is that of a page plus that of a line on it. A note that is added at the end of a page changes no other
//! number, so recordings that were saved earlier keep their meaning.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::http::grammar::decimal;
use crate::http::{Fault, Method};

/// The most columns of [`Note::short`]: one terminal line beside the bytes.
pub const SHORT: usize = 40;
/// The most characters of [`Note::long`]: a panel that is read at a glance.
pub const LONG: usize = 160;

/// What a part of a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its name, for programs: `field/host`.
    pub name: &'static str,
    /// At most [`SHORT`] columns.
    pub short: &'static str,
    /// At most [`LONG`] characters.
    pub long: &'static str,
    /// The section that defines it: `RFC 9110 §7.2`.
    pub section: &'static str,
    /// What kind of thing it explains: `field name`.
    pub title: &'static str,
}

/// The number of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoteId(pub u16);

/// Most notes of one page, and the first numbers of the pages. Parts of messages are on page 0.
const PAGE: u16 = 200;
/// The methods in the order of [`Method::ALL`], then the note of an unknown one.
const METHODS: u16 = PAGE;
/// The note of an unknown field, then the known ones.
const FIELDS: u16 = 2 * PAGE;
const STATUSES: u16 = 3 * PAGE;
const CLOSES: u16 = 4 * PAGE;
/// The faults of requests in the order of [`Fault::ALL`], then those that only a response can have.
const FAULTS: u16 = 5 * PAGE;

/// All notes by their numbers.
static NOTES: LazyLock<BTreeMap<u16, Note>> = LazyLock::new(|| {
    let (mut notes, mut number, mut page_title) = (BTreeMap::new(), 0, "");
    for line in include_str!("notes.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(page) = line.strip_prefix("= ") {
            // An invalid page number would show in a test; at run time its notes are only missing.
            let (first, title) = page.split_once(" | ").unwrap_or_default();
            page_title = title;
            number = decimal(first.as_bytes()).and_then(|first| u16::try_from(first).ok()).unwrap_or(u16::MAX);
            continue;
        }
        let mut columns = line.split(" | ");
        let [name, short, long, section] = std::array::from_fn(|_| columns.next().unwrap_or_default());
        let mut note = Note { name, short, long, section, title: columns.next().unwrap_or(page_title) };
        // A fault has its sentence and section in one table, so that pages, logs and notes say the same.
        if let Some(fault) = NoteId(number).as_fault() {
            (note.long, note.section) = (fault.sentence(), fault.section());
        }
        // The order of the lines is the numbering, so the constants of `part` stand in the same order.
        notes.insert(number, note);
        number = number.saturating_add(1);
    }
    notes
});

/// The first note of a page whose name after the page's own name is accepted.
fn find(page: u16, is_it: impl Fn(&str) -> bool) -> Option<NoteId> {
    // Faults have no page name before theirs.
    let bare = |name: &'static str| name.split_once('/').map_or(name, |(_, bare)| bare);
    NOTES.range(page..page + PAGE).find(|(_, note)| is_it(bare(note.name))).map(|(&number, _)| NoteId(number))
}

/// Makes a module of constants: the numbers of notes that follow each other in `notes.txt`, in its order.
macro_rules! numbers {
    ($(#[$doc:meta])* $module:ident from $first:expr; $($constant:ident)*) => {
        $(#[$doc])*
        #[allow(missing_docs)]
        pub mod $module {
            use super::*;

            #[repr(u16)]
            #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
            enum Number { $($constant),* }

            $(pub const $constant: NoteId = NoteId($first + Number::$constant as u16);)*

            #[cfg(test)]
            pub(crate) const ALL: &[(&str, NoteId)] = &[$((stringify!($constant), $constant)),*];
        }
    };
}

numbers! {
    /// The notes of parts of messages and of values.
    part from 0;
    PLAIN REQUEST_LINE STATUS_LINE PATH QUERY QUERY_NAME QUERY_VALUE SCHEME AUTHORITY ASTERISK VERSION STATUS REASON
    FIELD_NAME COLON OWS SPACE CRLF BLANK EMPTY_LINE SECRET AUTH_SCHEME COOKIE_NAME COOKIE_ATTRIBUTE MEDIA_TYPE
    PARAMETER WEIGHT ELEMENT SEPARATOR DIRECTIVE RANGE_UNIT RANGE_SPEC DAY MOMENT ZONE WEAK ENTITY_TAG LENGTH CODING
    CHUNK_SIZE CHUNK_EXT CHUNK_DATA CHUNK_END LAST_CHUNK TRAILER TRAILER_END BODY NOT_KEPT FROM_FILE BAD
    RULE_1 RULE_2 RULE_3 RULE_4 RULE_5 RULE_6 RULE_7 RULE_8 BOUNDARY LAST_BOUNDARY PART_BLANK PART_DATA
    DOT_SEGMENTS UNPARSED PROXY_HEADER
}

numbers! {
    /// The notes of faults that a response can have and a request cannot.
    response_fault from FAULTS + Fault::ALL.len() as u16;
    STATUS_LINE STATUS_CODE HEAD_TOO_LONG HEAD_CUT_OFF CONTENT_CUT_OFF CHUNKS_CUT_OFF MADE_UP_LINE
}

/// The side that closed a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Side {
    /// One word.
    pub const fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

impl NoteId {
    /// The note of a part whose place says all there is to say.
    pub const NONE: NoteId = part::PLAIN;

    /// The note itself; an empty one for a number that does not exist.
    pub fn note(self) -> Note {
        const EMPTY: Note = Note { name: "plain", short: "", long: "", section: "", title: "" };
        // A recording of a newer program may have numbers that this one does not know.
        NOTES.get(&self.0).or_else(|| NOTES.get(&NoteId::NONE.0)).copied().unwrap_or(EMPTY)
    }

    /// The note of a field, by its name in any case.
    pub fn field(name: &[u8]) -> NoteId {
        // The first note of the page is that of an unknown field.
        find(FIELDS, |known| name.eq_ignore_ascii_case(known.as_bytes())).unwrap_or(NoteId(FIELDS))
    }

    /// Whether the note is that of a field with a known name.
    pub fn is_known_field(self) -> bool {
        (FIELDS + 1..FIELDS + PAGE).contains(&self.0)
    }

    /// The note of a method.
    pub fn method(name: &[u8]) -> NoteId {
        find(METHODS, |known| name == known.as_bytes()).unwrap_or(NoteId(METHODS + Method::ALL.len() as u16))
    }

    /// The note of a status. A code without one has that of its class, as RFC 9110 §15 has clients treat it.
    pub fn status(code: u16) -> NoteId {
        // The names of classes are `1xx` to `5xx`; a code outside all of them has the first note.
        let class = || find(STATUSES, |known| known == format!("{}xx", code / 100));
        find(STATUSES, |known| known == code.to_string()).or_else(class).unwrap_or(NoteId(STATUSES))
    }

    /// The note of a rule of RFC 9112 §6.3, by its number from 1 to 8.
    pub fn framing_rule(rule: u8) -> NoteId {
        NoteId(part::RULE_1.0 + u16::from(rule.saturating_sub(1)))
    }

    /// The note of a fault.
    pub fn fault(fault: Fault) -> NoteId {
        NoteId(FAULTS + Fault::ALL.iter().position(|&other| other == fault).unwrap_or(0) as u16)
    }

    /// The fault that the note explains, `None` for every other note.
    pub fn as_fault(self) -> Option<Fault> {
        Fault::ALL.get(usize::from(self.0.checked_sub(FAULTS)?)).copied()
    }

    /// Whether the long text is written to stand after a colon, and so without a capital letter: that of a fault.
    pub fn is_fault(self) -> bool {
        self.0 >= FAULTS
    }

    /// The note of the end of a connection, by the name of its reason, and the side that closed.
    ///
    /// The side that closed is not always to blame: a server that gives up on a client that stopped reading closes,
    /// and the client is the reason.
    pub fn close(reason: &str) -> (NoteId, Side) {
        let by_client =
            ["PeerClosed", "NeverSpoke", "Broken", "LeftEarly", "ClosedInHead", "ClosedInContent", "ResetUnread"];
        // All other reasons are decisions of the server, or errors inside it.
        let side = if by_client.contains(&reason) { Side::Client } else { Side::Server };
        (find(CLOSES, |known| known == reason).unwrap_or(NoteId(CLOSES)), side)
    }

    /// Every note, with its number.
    pub fn all() -> impl Iterator<Item = (NoteId, Note)> {
        NOTES.iter().map(|(&number, &note)| (NoteId(number), note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Status;
    use std::collections::BTreeSet;

    use unicode_width::UnicodeWidthStr;

    #[test]
    fn no_note_is_too_long_to_be_read_or_lacks_its_section() {
        let mut names = BTreeSet::new();
        for (id, note) in NoteId::all() {
            let columns = note.short.width();
            assert!(columns <= SHORT, "{}: {columns} columns", note.name);
            assert!(id == NoteId::NONE || columns > 3, "{}", note.name);
            let characters = note.long.chars().count();
            assert!((10..=LONG).contains(&characters), "{}: {characters} characters", note.name);
            let known = ["RFC ", "W3C ", "Fetch ", "barewire "];
            assert!(known.iter().any(|k| note.section.starts_with(k)), "{}: {:?}", note.name, note.section);
            assert!(!note.short.ends_with('.') && !note.long.ends_with('.'), "{}", note.name);
            assert!((3..=30).contains(&note.title.width()), "{}: {:?}", note.name, note.title);
            assert!(names.insert(note.name), "{} twice", note.name);
        }
    }

    #[test]
    fn notes_are_true_of_a_file_too() {
        for (_, note) in NoteId::all() {
            for text in [note.short, note.long] {
                // What is explained may come from a file, which no server has read.
                assert!(!text.contains("this server") && !text.contains("spoken here"), "{}: {text}", note.name);
            }
        }
        assert_eq!(NoteId::status(425).note().name, "status/425");
    }

    #[test]
    fn the_pages_are_full_and_never_overflow() {
        let count = |page: u16| NOTES.range(page..page + PAGE).count();
        assert!(count(FIELDS) > 45 && count(STATUSES) > 30);
        assert_eq!(count(0), part::ALL.len());
        assert_eq!(count(METHODS), Method::ALL.len() + 1);
        assert_eq!(count(FAULTS), Fault::ALL.len() + response_fault::ALL.len());
        for page in [0, METHODS, FIELDS, STATUSES, CLOSES, FAULTS] {
            assert!(count(page) < usize::from(PAGE) && NOTES.contains_key(&page), "{page}");
        }
        let lines =
            include_str!("notes.txt").lines().filter(|line| line.contains(" | ") && !line.starts_with(['#', '=']));
        assert_eq!(lines.count(), NOTES.len(), "no line replaces another");
    }

    #[test]
    fn a_lookup_finds_the_note_that_was_meant() {
        assert_eq!(NoteId::field(b"CONTENT-length").note().name, "field/content-length");
        assert!(!NoteId::field(b"X-Nobody").is_known_field());
        assert_eq!(NoteId::method(b"GET").note().name, "method/GET");
        assert_eq!(NoteId::method(b"get").note().name, "method/other");
        assert_eq!(NoteId::status(404).note().short, "there is nothing at this address");
        assert_eq!(NoteId::status(499).note().name, "status/4xx");
        assert_eq!(NoteId::status(999).note().name, "status/other");
        for status in Status::ALL {
            let note = NoteId::status(status.code()).note();
            assert!(note.name.ends_with(&status.code().to_string()), "{status}: {}", note.name);
            assert_eq!(note.section, status.section());
        }
        for &fault in Fault::ALL {
            let note = NoteId::fault(fault).note();
            assert_eq!((note.name, note.long), (fault.name(), fault.sentence()));
        }
        for (name, id) in response_fault::ALL {
            assert_eq!(id.note().name.to_uppercase(), name.replace('_', ""));
        }
        for (name, id) in part::ALL {
            assert_eq!(id.note().name.replace('-', "_").to_uppercase(), *name);
        }
        assert_eq!(NoteId::close("NeverSpoke").1, Side::Client);
        assert_eq!(NoteId(u16::MAX).note(), NoteId::NONE.note());
    }
}
