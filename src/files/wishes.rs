//! What a request asks besides its path, as far as it matters to what lies ready.
//!
//! RFC 9110 §13.2.2 (the order of conditions).
//!
//! Never: a decision. What is not understood here is left to the slow way ([`Wishes::special`]).
//!
//! The subtle thing: a browser sends 13 field lines, and each name is looked for in all of them. So the
//! lines are gone through once, by the length of the name first.

use crate::files::validator::Validators;
use crate::http::{Request, Span};

/// What a request asks besides the file, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// If-None-Match, If-Modified-Since.
    pub(crate) conditional: bool,
    /// How often If-None-Match stands there, and where the last one lies.
    tags: usize,
    tag: Span,
    /// Range, If-Range.
    pub(crate) part: bool,
    pub(crate) codings: bool,
    /// Something that only the slow way understands.
    pub(crate) special: bool,
}

impl Wishes {
    /// One look at each field line: by length first, then by name.
    pub(crate) fn of(request: &Request<'_>) -> Wishes {
        let mut wishes = Wishes::default();
        for line in request.head().lines() {
            let name = line.name.of(request.bytes());
            let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            match name.len() {
                5 => wishes.part |= is(b"range"),
                6 => wishes.special |= is(b"expect"),
                8 => {
                    wishes.part |= is(b"if-range");
                    wishes.special |= is(b"if-match");
                }
                13 if is(b"if-none-match") => {
                    (wishes.conditional, wishes.tags, wishes.tag) = (true, wishes.tags + 1, line.value);
                }
                15 => wishes.codings |= is(b"accept-encoding"),
                17 => wishes.conditional |= is(b"if-modified-since"),
                19 => wishes.special |= is(b"if-unmodified-since"),
                _ => {}
            }
        }
        wishes
    }

    /// Whether the client says in one word that it has this very version. Then no other condition
    /// counts (RFC 9110 §13.2.2: nothing before If-None-Match is there, and what follows does not matter).
    pub(crate) fn has_exactly(&self, request: &Request<'_>, validators: &Validators) -> bool {
        self.tags == 1 && self.tag.of(request.bytes()) == validators.tag.bytes()
    }
}
