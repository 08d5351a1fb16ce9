//! The dictionary: what every part of a message means, each note under a number.
//!
//! A note has a name for programs, a `short` text that fits one terminal line, a `long` one for a panel,
//! and the section that says so. Notes travel as numbers ([`NoteId`]): texts repeated for every span
//! would be ten times the recording itself.
//!
//! Never: a sentence of a fault ([`crate::http::Fault`] has them), a decision about bytes.
//!
//! The subtle thing: a number is a page and a line on it. Adding a note to the end of a page changes no
//! other number, so what was saved yesterday can still be read.

/// A page of notes as a table, one note a line.
macro_rules! notes {
    ($visibility:vis $page:ident: $($name:literal $short:literal $long:literal $section:literal,)*) => {
        $visibility const $page: &[$crate::wire::explain::notes::Note] =
            &[$($crate::wire::explain::notes::note($name, $short, $long, $section)),*];
    };
}

mod closes;
mod fields;
mod statuses;
mod texts;

use crate::http::{Fault, Method, Status};

/// The most characters of [`Note::short`]: one terminal line beside the bytes.
pub const SHORT: usize = 40;
/// The most characters of [`Note::long`]: a panel one reads at a glance.
pub const LONG: usize = 160;

/// What a part of a message means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// Its name, for programs: `field/host`.
    pub name: &'static str,
    /// At most [`SHORT`] characters.
    pub short: &'static str,
    /// At most [`LONG`] characters.
    pub long: &'static str,
    /// The section that defines it: `RFC 9110 §7.2`.
    pub section: &'static str,
}

/// Short, for the tables.
const fn note(name: &'static str, short: &'static str, long: &'static str, section: &'static str) -> Note {
    Note { name, short, long, section }
}

/// The number of a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NoteId(pub u16);

/// Notes of one page.
const PAGE: u16 = 200;
/// Parts of messages, framing rules and parts of values; methods; fields; statuses; ends of
/// connections; faults, those of responses behind those of requests.
const METHODS: u16 = PAGE;
const FIELDS: u16 = 2 * PAGE;
const STATUSES: u16 = 3 * PAGE;
const CLOSES: u16 = 4 * PAGE;
const FAULTS: u16 = 5 * PAGE;

pub use texts::{FRAMING, part};

/// Who ended a connection.
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
    /// Of a part without words.
    pub const NONE: NoteId = part::PLAIN;

    /// The note itself.
    pub fn note(self) -> Note {
        let line = usize::from(self.0 % PAGE);
        let page: &[Note] = match self.0 / PAGE * PAGE {
            0 => texts::PARTS,
            METHODS => texts::METHODS,
            FIELDS => fields::FIELDS,
            STATUSES => statuses::STATUSES,
            CLOSES => closes::CLOSES,
            _ => return fault(line),
        };
        page.get(line).copied().unwrap_or(texts::PARTS[0])
    }

    /// Of a field.
    pub fn field(name: &[u8]) -> NoteId {
        let known = fields::FIELDS.iter().position(|n| {
            let bare = n.name.strip_prefix("field/").unwrap_or_default();
            name.eq_ignore_ascii_case(bare.as_bytes())
        });
        NoteId(FIELDS + known.unwrap_or(0) as u16)
    }

    /// Whether the field is one that the dictionary knows.
    pub fn is_known_field(self) -> bool {
        self.0 / PAGE * PAGE == FIELDS && self.0 != FIELDS
    }

    /// Of a method.
    pub fn method(name: &[u8]) -> NoteId {
        let at = Method::ALL.iter().position(|m| m.name().as_bytes() == name).unwrap_or(Method::ALL.len());
        NoteId(METHODS + at as u16)
    }

    /// Of a status; a code without a note has that of its class.
    pub fn status(code: u16) -> NoteId {
        let exact = statuses::CODES.iter().position(|&c| c == code);
        let class = statuses::CODES.iter().position(|&c| c == code / 100);
        NoteId(STATUSES + exact.or(class).unwrap_or(0) as u16)
    }

    /// Of a fault.
    pub fn fault(fault: Fault) -> NoteId {
        let at = Fault::ALL.iter().position(|&f| f == fault).unwrap_or(0);
        NoteId(FAULTS + at as u16)
    }

    /// Of a fault that only a response can have.
    pub fn flaw(flaw: ResponseFault) -> NoteId {
        let at = ResponseFault::ALL.iter().position(|&f| f == flaw).unwrap_or(0);
        NoteId(FAULTS + (Fault::ALL.len() + at) as u16)
    }

    /// Of the end of a connection, by the name of its reason, and who brought it about.
    pub fn close(reason: &str) -> (NoteId, Side) {
        let at = closes::CLOSES.iter().position(|n| n.name.strip_prefix("close/") == Some(reason)).unwrap_or(0);
        (NoteId(CLOSES + at as u16), closes::SIDES[at])
    }

    /// Every note, with its number.
    pub fn all() -> impl Iterator<Item = (NoteId, Note)> {
        let lines = [
            (0, texts::PARTS.len()),
            (METHODS, texts::METHODS.len()),
            (FIELDS, fields::FIELDS.len()),
            (STATUSES, statuses::STATUSES.len()),
            (CLOSES, closes::CLOSES.len()),
            (FAULTS, Fault::ALL.len() + ResponseFault::ALL.len()),
        ];
        lines.into_iter().flat_map(|(page, count)| (page..page + count as u16).map(NoteId).map(|id| (id, id.note())))
    }
}

/// A way in which a response can be wrong and a request cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFault {
    /// The first line is no status line.
    StatusLine,
    /// The code is no three digits, or below 100.
    StatusCode,
    /// The head is longer than any reader takes.
    HeadTooLong,
    /// The stream ended before the blank line.
    HeadCutOff,
    /// The stream ended before the announced content was there.
    ContentCutOff,
    /// The stream ended before the last chunk.
    ChunksCutOff,
    /// What programs print for a response of HTTP/2 or HTTP/3, which have no such line.
    MadeUpLine,
}

impl ResponseFault {
    /// All of them.
    pub const ALL: &'static [ResponseFault] = &[
        ResponseFault::StatusLine,
        ResponseFault::StatusCode,
        ResponseFault::HeadTooLong,
        ResponseFault::HeadCutOff,
        ResponseFault::ContentCutOff,
        ResponseFault::ChunksCutOff,
        ResponseFault::MadeUpLine,
    ];
}

/// Sentence and section come from the table of faults; only the short form is said here.
fn fault(line: usize) -> Note {
    match Fault::ALL.get(line) {
        Some(&fault) => note(fault.name(), texts::short_of(fault), fault.sentence(), fault.section()),
        None => texts::FLAWS.get(line - Fault::ALL.len()).copied().unwrap_or(texts::PARTS[0]),
    }
}

/// What a status code means, for a start line.
pub fn status_section(code: u16) -> &'static str {
    Status::new(code).map_or("RFC 9110 §15", Status::section)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_note_is_too_long_to_be_read_or_lacks_its_section() {
        let mut names = BTreeSet::new();
        for (id, note) in NoteId::all() {
            let columns = note.short.chars().count();
            assert!(columns <= SHORT, "{}: {columns} columns", note.name);
            assert!(id == NoteId::NONE || columns > 3, "{}", note.name);
            let characters = note.long.chars().count();
            assert!((10..=LONG).contains(&characters), "{}: {characters} characters", note.name);
            let known = ["RFC ", "W3C ", "Fetch ", "barewire "];
            assert!(known.iter().any(|k| note.section.starts_with(k)), "{}: {:?}", note.name, note.section);
            assert!(!note.short.ends_with('.') && !note.long.ends_with('.'), "{}", note.name);
            assert!(names.insert(note.name), "{} twice", note.name);
        }
    }

    #[test]
    fn the_pages_are_as_full_as_they_must_be_and_never_overflow() {
        assert!(fields::FIELDS.len() > 45 && statuses::STATUSES.len() > 30 && FRAMING.len() == 8);
        for count in [texts::PARTS.len(), fields::FIELDS.len(), statuses::STATUSES.len(), Fault::ALL.len() + 10] {
            assert!(count < usize::from(PAGE));
        }
        assert_eq!(statuses::CODES.len(), statuses::STATUSES.len());
        assert_eq!(texts::METHODS.len(), Method::ALL.len() + 1);
        assert_eq!(texts::FLAWS.len(), ResponseFault::ALL.len());
        assert_eq!(closes::SIDES.len(), closes::CLOSES.len());
    }

    #[test]
    fn what_is_looked_up_is_what_was_meant() {
        assert_eq!(NoteId::field(b"CONTENT-length").note().name, "field/content-length");
        assert!(!NoteId::field(b"X-Nobody").is_known_field());
        assert_eq!(NoteId::method(b"GET").note().name, "method/GET");
        assert_eq!(NoteId::method(b"get").note().name, "method/other");
        assert_eq!(NoteId::status(404).note().short, "nothing has that address here");
        assert_eq!(NoteId::status(499).note().name, "status/4xx");
        assert_eq!(NoteId::status(999).note().name, "status/other");
        for status in Status::ALL {
            let note = NoteId::status(status.code()).note();
            assert!(note.name.ends_with(&status.code().to_string()), "{status}: {}", note.name);
            assert_eq!(note.section, status.section());
        }
        for &fault in Fault::ALL {
            assert_eq!(NoteId::fault(fault).note().long, fault.sentence());
        }
        for (&flaw, note) in ResponseFault::ALL.iter().zip(texts::FLAWS) {
            assert_eq!(NoteId::flaw(flaw).note(), *note);
        }
        for (name, id) in part::ALL {
            assert_eq!(id.note().name.replace(['/', '-'], "_").to_uppercase(), *name);
        }
        assert_eq!(NoteId::close("NeverSpoke").1, Side::Client);
        assert_eq!(NoteId(u16::MAX).note(), NoteId::NONE.note());
    }
}
