//! Tables of the texts that people read.
//!
//! Each kind of text has one file beside the code that shows it, so that a translation is one more file:
//!
//! ```text
//! # a comment
//! port in use | port {port} on {address} is already in use. | Use another one:  barewire -p {free}
//! requests.one | {n} request
//! requests.other | {n} requests
//! ```
//!
//! A row has a name and one or more texts. A name in braces is replaced by the value of that name, so a translation may
//! put it elsewhere in the sentence. A text that depends on a number has a row for 1 and one for all other numbers.
//!
//! `tests/it/texts.rs` compares the tables with the code: the names, and the values of each name.

use std::collections::BTreeMap;
use std::fmt::Display;

use crate::service::text::grouped;

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
        let [text] = self.row(name, values);
        text
    }

    /// The text of a row for this number, with the number in the place of `{n}`.
    pub fn count(&self, name: &str, number: u64) -> String {
        // These two forms are those of English. A language with more of them needs more rows here.
        let form = if number == 1 { "one" } else { "other" };
        self.say(&format!("{name}.{form}"), &[("n", &grouped(number))])
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
        let (name, rest) = piece.split_once('}').unwrap_or((piece, ""));
        let value = values.iter().find(|(other, _)| *other == name);
        debug_assert!(value.is_some(), "no value for {{{name}}}: {text}");
        out += &value.map_or_else(String::new, |(_, value)| value.to_string());
        out += rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# a comment | x\n\nin use | {port} on {address}. | Use {free}\nlines.one | {n} line\nlines.other | {n} lines\n";

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
        assert_eq!([0, 1, 1204].map(|n| texts.count("lines", n)), ["0 lines", "1 line", "1,204 lines"]);
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
