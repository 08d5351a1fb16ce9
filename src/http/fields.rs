//! The field lines of responses: those of one response ([`Fields`]), and those that a server adds to every
//! response ([`AddedFields`]).
//!
//! Added fields are merged when the head is written ([`crate::http::Http1::respond`]), so a response that is
//! sent from a cache carries them as well as one that was made a moment ago.
//!
//! A field line gets into a response only through this file, and no value with CR, LF or NUL passes. A value
//! copied from a request (the target of a redirect, a file name) can therefore never add a line of its own:
//! response splitting is impossible.

use crate::http::field;
use crate::http::grammar::{is_field_byte, is_token, trim};
use crate::http::status::Status;

/// The field lines of a response, ready as bytes: `Name: value CR LF`, in order.
///
/// ```
/// let mut fields = barewire::http::Fields::new();
/// assert!(fields.push("Location", "/a\r\nSet-Cookie: b=c").is_err());
/// fields.push("Location", "/a").unwrap();
/// assert_eq!(fields.bytes(), b"Location: /a\r\n");
/// assert_eq!(fields.get("location"), Some(&b"/a"[..]));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    bytes: Vec<u8>,
}

/// A field cannot be sent: its name is no token, or its value has a control byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldError;

impl Fields {
    /// No field lines.
    pub const fn new() -> Fields {
        Fields { bytes: Vec::new() }
    }

    /// The lines as they are sent, without the blank line.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a line.
    ///
    /// # Errors
    /// [`FieldError`] when `name` is no token or `value` contains a control byte; nothing is added.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        let value = trim(value.as_ref());
        // The check against response splitting. It refuses instead of repairing: a cut value would be wrong.
        if !is_token(name.as_bytes()) || !value.iter().all(|&b| is_field_byte(b)) {
            return Err(FieldError);
        }
        push_line(&mut self.bytes, name.as_bytes(), value);
        Ok(())
    }

    /// Replaces all lines of this name by one.
    ///
    /// # Errors
    /// As [`Fields::push`]; the lines of this name are removed then as well.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.remove(name);
        self.push(name, value)
    }

    /// Removes all lines of this name.
    pub fn remove(&mut self, name: &str) {
        // Mostly there is none, and nothing is copied.
        if !self.has(name) {
            return;
        }
        let mut kept = Vec::with_capacity(self.bytes.len());
        // The other lines keep their order, which matters for fields of the same name (RFC 9110 §5.3).
        for line in self.bytes.split_inclusive(|&b| b == b'\n').filter(|line| !has_name(line, name)) {
            kept.extend_from_slice(line);
        }
        self.bytes = kept;
    }

    /// The value of the first line of this name.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let line = self.bytes.split(|&b| b == b'\n').find(|line| has_name(line, name))?;
        field::split_line(line).map(|(_, value)| value)
    }

    /// Whether there is a line of this name.
    pub fn has(&self, name: &str) -> bool {
        self.bytes.split(|&b| b == b'\n').any(|line| has_name(line, name))
    }

    /// Name and value of each line.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        field::raw_lines(&self.bytes).map(|line| (line.name, line.value))
    }
}

/// Whether this line has this name. The position of the colon is compared first, since nearly every
/// line has another name.
fn has_name(line: &[u8], name: &str) -> bool {
    line.get(name.len()) == Some(&b':') && line[..name.len()].eq_ignore_ascii_case(name.as_bytes())
}

/// How an added field is merged with a field of the same name in the response itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The added field replaces it.
    Replace,
    /// The response's own field stays, and nothing is added.
    UnlessSet,
    /// As `UnlessSet`, and only for errors (4xx, 5xx).
    UnlessSetInError,
    /// The value becomes one more member of the response's own list (RFC 9110 §5.3).
    Member,
}

#[derive(Clone, Debug)]
struct Added {
    name: Box<str>,
    value: Box<[u8]>,
    rule: Rule,
}

/// An ordered set of fields, each with the rule by which it is merged into a response head.
///
/// It is filled once, when the server starts, and merged into each head. The rules have one purpose: what
/// a response says itself is more specific than a default, and what the user said is more than both.
#[derive(Clone, Debug, Default)]
pub struct AddedFields {
    fields: Vec<Added>,
    /// All lines for a response that is no error and has no field of any of these names.
    lines: Vec<u8>,
    /// The same for an error.
    error_lines: Vec<u8>,
}

impl AddedFields {
    /// No added fields.
    pub const NONE: AddedFields = AddedFields { fields: Vec::new(), lines: Vec::new(), error_lines: Vec::new() };

    /// Adds a field that replaces every field of this name.
    ///
    /// # Errors
    /// [`FieldError`] when `name` is no token or `value` contains a control byte; nothing is added.
    pub fn replace(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        // A default of this name would else replace nothing, and be sent next to this one.
        self.fields.retain(|added| !added.name.eq_ignore_ascii_case(name) || added.rule == Rule::Replace);
        self.push(name, value.as_ref(), Rule::Replace)
    }

    /// Adds a field that a response may overrule by one of its own.
    ///
    /// # Errors
    /// As [`AddedFields::replace`].
    pub fn unless_set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.push(name, value.as_ref(), Rule::UnlessSet)
    }

    /// The same for responses with a status of 400 and more.
    ///
    /// # Errors
    /// As [`AddedFields::replace`].
    pub fn unless_set_in_error(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.push(name, value.as_ref(), Rule::UnlessSetInError)
    }

    /// Adds one member to a list field such as Vary.
    ///
    /// # Errors
    /// As [`AddedFields::replace`].
    pub fn member(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.push(name, value.as_ref(), Rule::Member)
    }

    fn push(&mut self, name: &str, value: &[u8], rule: Rule) -> Result<(), FieldError> {
        // One check for all field lines of a response: it is what makes response splitting impossible.
        Fields::new().push(name, value)?;
        self.fields.push(Added { name: name.into(), value: value.trim_ascii().into(), rule });
        // Built once here, so that a response whose names are all different costs two copies.
        self.lines.clear();
        self.error_lines.clear();
        for added in &self.fields {
            push_line(&mut self.error_lines, added.name.as_bytes(), &added.value);
            if added.rule != Rule::UnlessSetInError {
                push_line(&mut self.lines, added.name.as_bytes(), &added.value);
            }
        }
        Ok(())
    }

    /// Appends `own`, the complete field lines of a response, merged with the added ones.
    pub(crate) fn merge(&self, status: Status, own: &[u8], out: &mut Vec<u8>) {
        let applies = |added: &&Added| added.rule != Rule::UnlessSetInError || status.is_error();
        let meets = |line: &[u8]| self.fields.iter().filter(applies).find(|added| has_name(line, &added.name));
        if !lines(own).any(|line| meets(line).is_some()) {
            // The common case: no name stands on both sides, so two copies are enough.
            out.extend_from_slice(own);
            out.extend_from_slice(if status.is_error() { &self.error_lines } else { &self.lines });
            return;
        }
        // First the own lines, each as its rule says.
        for line in lines(own) {
            match meets(line) {
                // Dropped here, since the added field comes with the others below.
                Some(Added { rule: Rule::Replace, .. }) => {}
                Some(Added { rule: Rule::Member, value, .. }) if !has_member(line, value) => {
                    // Into the same line, since a second one would mean the same and cost more.
                    out.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
                    out.extend_from_slice(&[b", ", &value[..], b"\r\n"].concat());
                }
                // Set by the response itself, or a list that has the member already.
                Some(_) | None => out.extend_from_slice(line),
            }
        }
        // Then the added ones that found no field of their name, and all that replace.
        for added in self.fields.iter().filter(applies) {
            if added.rule == Rule::Replace || !lines(own).any(|line| has_name(line, &added.name)) {
                push_line(out, added.name.as_bytes(), &added.value);
            }
        }
    }
}

fn push_line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The lines of `bytes`, each with its CR LF.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|&b| b == b'\n')
}

/// Whether the list in this line has this member, in any case.
fn has_member(line: &[u8], member: &[u8]) -> bool {
    let list = field::split_line(line).map_or(&[][..], |(_, value)| value);
    field::elements(list).any(|one| one.eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_with_a_line_end_never_becomes_a_line() {
        let mut fields = Fields::new();
        for value in ["a\r\nSet-Cookie: x", "a\nb", "a\rb", "a\0b", "\x7f"] {
            assert_eq!(fields.push("Location", value), Err(FieldError), "{value:?}");
        }
        for name in ["", "a b", "a:", "a\r\n", "ä"] {
            assert_eq!(fields.push(name, "x"), Err(FieldError), "{name:?}");
        }
        assert!(fields.bytes().is_empty());
    }

    #[test]
    fn lines_are_added_replaced_and_found_whatever_their_case() {
        let mut fields = Fields::new();
        fields.push("Vary", "Accept").unwrap();
        fields.push("ETag", "\"a\"").unwrap();
        fields.push("vary", "Origin").unwrap();
        assert_eq!(fields.get("VARY"), Some(&b"Accept"[..]));
        fields.set("Vary", " * ").unwrap();
        assert_eq!(fields.bytes(), b"ETag: \"a\"\r\nVary: *\r\n");
        fields.remove("etag");
        assert_eq!(fields.iter().collect::<Vec<_>>(), [(&b"Vary"[..], &b"*"[..])]);
        let mut two = Fields::new();
        two.push("A", "1").unwrap();
        two.push("Ab", "2").unwrap();
        two.push("a", "3").unwrap();
        assert_eq!((two.get("a"), two.get("AB"), two.get("b")), (Some(&b"1"[..]), Some(&b"2"[..]), None));
        assert!(two.has("A") && two.has("aB") && !two.has("b") && !two.has("") && !two.has("Ab: 2"));
    }

    fn merged(added: &AddedFields, status: Status, own: &str) -> String {
        let mut out = Vec::new();
        added.merge(status, own.as_bytes(), &mut out);
        String::from_utf8(out).unwrap().replace("\r\n", "|")
    }

    #[test]
    fn each_rule_says_which_of_two_fields_of_one_name_is_sent() {
        let mut added = AddedFields::default();
        added.unless_set_in_error("Cache-Control", "no-store").unwrap();
        added.unless_set("Policy", "ours").unwrap();
        added.member("Vary", "Origin").unwrap();
        added.replace("X", "1").unwrap();
        added.replace("X", "2").unwrap();
        for (status, own, expected) in [
            (Status::OK, "A: b\r\n", "A: b|Policy: ours|Vary: Origin|X: 1|X: 2|"),
            (Status::NOT_FOUND, "A: b\r\n", "A: b|Cache-Control: no-store|Policy: ours|Vary: Origin|X: 1|X: 2|"),
            (Status::OK, "x: own\r\nXX: y\r\n", "XX: y|Policy: ours|Vary: Origin|X: 1|X: 2|"),
            (Status::OK, "policy: own\r\n", "policy: own|Vary: Origin|X: 1|X: 2|"),
            (Status::OK, "Vary: Accept\r\n", "Vary: Accept, Origin|Policy: ours|X: 1|X: 2|"),
            (Status::OK, "Vary: a, ORIGIN\r\n", "Vary: a, ORIGIN|Policy: ours|X: 1|X: 2|"),
            (
                Status::NOT_FOUND,
                "Cache-Control: max-age=1\r\n",
                "Cache-Control: max-age=1|Policy: ours|Vary: Origin|X: 1|X: 2|",
            ),
            (Status::OK, "Cache-Control: no-cache\r\n", "Cache-Control: no-cache|Policy: ours|Vary: Origin|X: 1|X: 2|"),
        ] {
            assert_eq!(merged(&added, status, own), expected, "{status} {own:?}");
        }
    }

    #[test]
    fn a_replacement_takes_the_place_of_a_default_of_its_name() {
        let mut added = AddedFields::default();
        added.unless_set_in_error("Cache-Control", "no-store").unwrap();
        added.replace("cache-control", "max-age=9").unwrap();
        assert_eq!(merged(&added, Status::NOT_FOUND, "Cache-Control: no-store\r\n"), "cache-control: max-age=9|");
    }

    #[test]
    fn a_line_that_would_split_the_response_is_not_taken() {
        let mut added = AddedFields::default();
        assert!(added.replace("X", "1\r\nSet-Cookie: a=b").is_err());
        assert!(added.unless_set("X y", "1").is_err());
        assert_eq!(merged(&added, Status::OK, "A: b\r\n"), "A: b|");
    }
}
