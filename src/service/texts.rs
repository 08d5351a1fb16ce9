//! Tables of the texts that people read.
//!
//! Each kind of text has one file beside the code that shows it, so that a translation is one more file:
//!
//! ```text
//! # a comment
//! port in use | port {port} on {address} is already in use. | Use another one:  barewire -p {free}
//! stopped | stopped: {requests} {requests:request/requests}
//! ```
//!
//! A row has a name and one or more texts, which are whole sentences: code never joins words, adds an ending or changes
//! a letter, because another language needs that in other places.
//!
//! | in a text | stands for |
//! |---|---|
//! | `{port}` | the value of this name |
//! | `{requests:request/requests}` | the form of a word that goes with this number |
//! | `**Fact**` at the start | words that a page shows in bold ([`Texts::parts`]) |
//!
//! `tests/it/texts.rs` compares the tables with the code: the names, and the values of each name.

use std::collections::BTreeMap;
use std::fmt::Display;

/// The values of a text by their names.
pub type Values<'a> = &'a [(&'a str, &'a dyn Display)];

/// A table of texts.
#[derive(Debug)]
pub struct Texts(BTreeMap<&'static str, Vec<&'static str>>);

impl Texts {
    /// Reads a table.
    pub fn new(table: &'static str) -> Texts {
        let row = |row: &'static str| {
            let mut columns = row.split(" | ");
            (columns.next().unwrap_or_default(), columns.collect())
        };
        Texts(rows(table).map(row).collect())
    }

    /// The first text of a row, if there is that row. For a name that is not written in the code, such as a status.
    pub fn find(&self, name: &str) -> Option<&'static str> {
        self.0.get(name)?.first().copied()
    }

    /// The texts of a row. One that the row does not have is empty.
    pub fn row<const N: usize>(&self, name: &str, values: Values<'_>) -> [String; N] {
        let texts = self.0.get(name).map_or(&[][..], Vec::as_slice);
        debug_assert!((1..=N).contains(&texts.len()), "no row of 1 to {N} texts: {name}");
        std::array::from_fn(|column| texts.get(column).map_or_else(String::new, |text| fill(text, values)))
    }

    /// The only text of a row.
    pub fn say(&self, name: &str, values: Values<'_>) -> String {
        let (bold, rest) = self.parts(name, values);
        bold + &rest
    }

    /// The only text of a row, as the words in bold at its start and the rest.
    pub fn parts(&self, name: &str, values: Values<'_>) -> (String, String) {
        let text = self.find(name);
        debug_assert!(text.is_some(), "no row {name}");
        let text = text.unwrap_or_default();
        // Divided before the values are in it: a client may have chosen them.
        let (bold, rest) = text.strip_prefix("**").and_then(|text| text.split_once("**")).unwrap_or(("", text));
        (fill(bold, values), fill(rest, values))
    }
}

/// The rows of a table, without comments and empty lines.
pub fn rows(table: &'static str) -> impl Iterator<Item = &'static str> {
    table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// A text with these values. Each brace of the text begins or ends a name. Braces of a value stay as they are.
fn fill(text: &str, values: Values<'_>) -> String {
    let mut pieces = text.split('{');
    let mut out = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (place, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let (name, forms) = place.split_once(':').unwrap_or((place, ""));
        let value = values.iter().find(|(other, _)| *other == name);
        debug_assert!(value.is_some(), "no value for {{{name}}}: {text}");
        let shown = value.map_or_else(String::new, |(_, value)| value.to_string());
        out += if forms.is_empty() { &shown } else { form(&shown, forms) };
        out += rest;
    }
    out
}

/// The form that goes with a number: in English one for 1, and one for all others.
fn form<'a>(number: &str, forms: &'a str) -> &'a str {
    let (one, other) = forms.split_once('/').unwrap_or((forms, forms));
    if number == "1" { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# a comment | x\n\nin use | {port} on {address}. | Use {free}\nlines | {n} {n:line/lines}\nno forms | {n} 行\n";

    #[test]
    fn a_row_has_its_values_in_place_and_a_value_is_not_read_again() {
        let texts = Texts::new(TABLE);
        let values: Values<'_> = &[("port", &80), ("free", &81), ("address", &"{port} | x")];
        assert_eq!(texts.row("in use", values), ["80 on {port} | x.", "Use 81", ""].map(String::from));
        assert_eq!(texts.find("in use"), Some("{port} on {address}."));
        assert_eq!((texts.find("in"), texts.find("# a comment")), (None, None));
    }

    #[test]
    fn a_number_chooses_its_form() {
        let texts = Texts::new(TABLE);
        let lines = |n| texts.say("lines", &[("n", &n)]);
        assert_eq!(["0", "1", "11", "1,204"].map(lines), ["0 lines", "1 line", "11 lines", "1,204 lines"]);
        assert_eq!(texts.say("no forms", &[("n", &2)]), "2 行");
    }

    #[test]
    fn only_the_table_decides_what_is_bold() {
        let texts = Texts::new("fact | **{n} {n:byte/bytes}**, as {who} says\nplain | {who} says **no**\n");
        let values: Values<'_> = &[("n", &1), ("who", &"**{n}")];
        assert_eq!(texts.parts("fact", values), ("1 byte".to_string(), ", as **{n} says".to_string()));
        assert_eq!(texts.say("fact", values), "1 byte, as **{n} says");
        assert_eq!(texts.parts("plain", values), (String::new(), "**{n} says **no**".to_string()));
    }

    #[test]
    fn a_row_or_a_value_that_is_missing_is_found_by_every_test() {
        let panics = |name: &str, values: Values<'_>| {
            let row = || Texts::new(TABLE).row::<2>(name, values);
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(row)).is_err()
        };
        assert!(panics("nothing", &[]) && panics("in use", &[]));
        assert!(!panics("in use", &[("port", &1), ("address", &2), ("free", &3)]));
    }
}
