//! The entries of a folder as rows of a page, as lines for a terminal, and as JSON.
//!
//! A reference is the name, percent-encoded from its bytes. So every name leads to its own file, even
//! one that cannot be displayed, and none can be read as a scheme (`javascript:x`) or a host (RFC
//! 3986 §4.2), since colons and slashes are encoded too. It has no `./` before it: programs that read
//! listings (httpdirfs, Kodi) know only names. Times are UTC (RFC 3339).
//!
//! Rows are written by hand and not by the template, because a folder may have 100,000 of them: no allocation and no
//! formatting per row, and optional end tags are left out (HTML §13.1.2.4). A row has about 130 bytes.
//!
//! ```text
//! <tr class=image><td><a href="beach.jpg" title="4,812,345 B">beach.jpg</a><td>4.8 MB<td><time …
//! ```

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::files::listing::{Entry, FileKind};
use crate::http::{date, grammar::push_decimal};
use crate::service::text::{push_grouped, push_html_name, push_readable_segment, push_segment, push_size};

/// Rows that are written between two calls of the formatter.
const BATCH: usize = 64;
/// Bytes of a row without the name, for the size of a buffer.
pub(crate) const ROW_BYTES: usize = 128;

/// The rows of the table.
pub(crate) struct Rows<'a>(pub(crate) &'a [&'a Entry]);

impl fmt::Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut batch = Vec::with_capacity(BATCH * ROW_BYTES * 2);
        // A String must be checked for UTF-8. By batches, that costs next to nothing.
        for entries in self.0.chunks(BATCH) {
            batch.clear();
            entries.iter().for_each(|entry| push_row(&mut batch, entry));
            f.write_str(str::from_utf8(&batch).map_err(|_| fmt::Error)?)?;
        }
        Ok(())
    }
}

fn push_row(out: &mut Vec<u8>, entry: &Entry) {
    let is_folder = entry.kind == FileKind::Directory;
    // No class for files of an unknown kind, which are many.
    match if is_folder { "folder" } else { icon(&entry.name) } {
        "" => out.extend_from_slice(b"<tr>"),
        icon => [b"<tr class=", icon.as_bytes(), b">"].iter().for_each(|part| out.extend_from_slice(part)),
    }
    out.extend_from_slice(b"<td><a href=\"");
    push_segment(out, &entry.name);
    if is_folder {
        out.extend_from_slice(b"/\">");
        push_html_name(out, &entry.name);
        out.extend_from_slice(b"/</a><td><td>");
    } else {
        // The size that is shown is rounded from a thousand bytes on.
        if entry.size >= 1000 {
            out.extend_from_slice(b"\" title=\"");
            push_grouped(out, entry.size);
            out.extend_from_slice(b" B");
        }
        out.extend_from_slice(b"\">");
        push_html_name(out, &entry.name);
        out.extend_from_slice(b"</a><td>");
        push_size(out, entry.size);
        out.extend_from_slice(b"<td>");
    }
    let time = date::iso(entry.modified.0);
    // The length of a time is fixed, so the cell is one copy with three parts replaced.
    let mut cell = *b"<time datetime=2026-08-01T10:00:02Z>2026-08-01 10:00</time>\n";
    cell[15..35].copy_from_slice(&time);
    cell[36..46].copy_from_slice(&time[..10]);
    cell[47..52].copy_from_slice(&time[11..16]);
    out.extend_from_slice(&cell);
}

/// The class of a file's row, which selects its icon; empty for an unknown kind.
fn icon(name: &[u8]) -> &'static str {
    const LONGEST: usize = 5;
    let Some(dot) = name.iter().rposition(|&b| b == b'.') else { return "" };
    let extension = &name[dot + 1..];
    let mut buffer = [0; LONGEST];
    // A longer extension has no icon.
    let Some(lower) = buffer.get_mut(..extension.len()) else { return "" };
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    match &*lower {
        b"jpg" | b"jpeg" | b"png" | b"gif" | b"webp" | b"avif" | b"svg" | b"bmp" | b"ico" | b"tif" | b"tiff"
        | b"heic" => "image",
        b"mp4" | b"m4v" | b"webm" | b"mkv" | b"mov" | b"avi" | b"mpg" | b"mpeg" | b"ogv" => "video",
        b"mp3" | b"m4a" | b"ogg" | b"oga" | b"opus" | b"flac" | b"wav" | b"aac" | b"mid" => "audio",
        b"txt" | b"md" | b"rst" | b"log" | b"csv" | b"pdf" | b"doc" | b"docx" | b"odt" | b"rtf" | b"epub" | b"tex" => {
            "text"
        }
        b"zip" | b"gz" | b"tgz" | b"bz2" | b"xz" | b"zst" | b"tar" | b"7z" | b"rar" | b"jar" | b"deb" | b"rpm"
        | b"iso" => "archive",
        b"html" | b"htm" | b"css" | b"js" | b"mjs" | b"ts" | b"json" | b"xml" | b"toml" | b"yaml" | b"yml" | b"rs"
        | b"py" | b"c" | b"h" | b"cpp" | b"go" | b"java" | b"sh" | b"sql" | b"wasm" | b"php" | b"rb" => "code",
        _ => "",
    }
}

/// Lines for a terminal with size, time and name in columns. The name is written as an address, so
/// that the last word of each line can be appended to the address of the folder, whatever the name is.
pub(crate) fn text(entries: &[&Entry]) -> Vec<u8> {
    let digits = |size: u64| size.checked_ilog10().map_or(1, |log| log as usize + 1);
    let width = entries.iter().map(|entry| digits(entry.size)).max().unwrap_or(1);
    let mut out = Vec::with_capacity(entries.len() * (width + ROW_BYTES / 2));
    for entry in entries {
        let is_folder = entry.kind == FileKind::Directory;
        // Right-aligned: numbers are compared by their last digits.
        let used = if is_folder { 1 } else { digits(entry.size) };
        out.resize(out.len() + width - used, b' ');
        if is_folder {
            out.push(b'-')
        } else {
            push_decimal(&mut out, entry.size)
        }
        out.extend_from_slice(b"  ");
        out.extend_from_slice(&date::iso(entry.modified.0));
        out.extend_from_slice(b"  ");
        push_readable_segment(&mut out, &entry.name);
        out.extend_from_slice(if is_folder { b"/\n" } else { b"\n" });
    }
    out
}

#[derive(Serialize)]
struct FolderJson<'a> {
    path: Cow<'a, str>,
    entries: Vec<EntryJson<'a>>,
}

#[derive(Serialize)]
struct EntryJson<'a> {
    /// Bytes that are not UTF-8 are replaced.
    name: Cow<'a, str>,
    /// Leads to the entry even if `name` does not.
    href: String,
    kind: &'static str,
    size: Option<u64>,
    modified: String,
}

pub(crate) fn json(path: &[u8], entries: &[&Entry]) -> String {
    let entries = entries.iter().map(|entry| {
        let is_folder = entry.kind == FileKind::Directory;
        let mut href = b"./".to_vec();
        push_segment(&mut href, &entry.name);
        href.extend_from_slice(if is_folder { b"/" } else { b"" });
        EntryJson {
            name: String::from_utf8_lossy(&entry.name),
            href: String::from_utf8(href).unwrap_or_default(),
            kind: if is_folder { "directory" } else { "file" },
            size: (!is_folder).then_some(entry.size),
            modified: String::from_utf8(date::iso(entry.modified.0).to_vec()).unwrap_or_default(),
        }
    });
    let folder = FolderJson { path: String::from_utf8_lossy(path), entries: entries.collect() };
    // Strings and numbers always have a JSON form, so this cannot fail.
    serde_json::to_string(&folder).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::text::is_unsafe;

    fn file(name: &[u8]) -> Entry {
        Entry { name: name.to_vec(), kind: FileKind::File, size: 2100, modified: (1_785_578_402, 0) }
    }

    #[test]
    fn a_hostile_name_neither_acts_nor_leads_elsewhere() {
        for (name, href, shown) in [
            (
                &b"<img onerror=alert(1)>.txt"[..],
                "%3Cimg%20onerror%3Dalert%281%29%3E.txt",
                "&lt;img onerror=alert(1)&gt;.txt",
            ),
            (b"\"quoted'.txt", "%22quoted%27.txt", "&#34;quoted&#39;.txt"),
            (b"100%.txt", "100%25.txt", "100%.txt"),
            (b"a#b?c.txt", "a%23b%3Fc.txt", "a#b?c.txt"),
            (b"a&amp;b", "a%26amp%3Bb", "a&amp;amp;b"),
            (b"javascript:x", "javascript%3Ax", "javascript:x"),
            (b"back\\slash", "back%5Cslash", "back\\slash"),
            ("🦀 é.md".as_bytes(), "%F0%9F%A6%80%20%C3%A9.md", "🦀 é.md"),
            (b"a\nb\x1b[2J", "a%0Ab%1B%5B2J", "a\\nb\\u{1b}[2J"),
            (b"\xff\xfe<", "%FF%FE%3C", "\u{fffd}\u{fffd}&lt;"),
            ("exe\u{202e}gpj.".as_bytes(), "exe%E2%80%AEgpj.", "exe\\u{202e}gpj."),
            (b"</a></table><script>", "%3C%2Fa%3E%3C%2Ftable%3E%3Cscript%3E", "&lt;/a&gt;&lt;/table&gt;&lt;script&gt;"),
        ] {
            let row = Rows(&[&file(name)]).to_string();
            let expected = format!("<td><a href=\"{href}\" title=\"2,100 B\">{shown}</a><td>2.1 kB<td>");
            assert!(row.contains(&expected), "{row}");
            let folder = Entry { kind: FileKind::Directory, ..file(name) };
            let row = Rows(&[&folder]).to_string();
            assert!(row.contains(&format!("<td><a href=\"{href}/\">{shown}/</a><td><td>")), "{row}");
            let line = String::from_utf8(text(&[&folder])).unwrap();
            assert!(!line.trim_end().contains(is_unsafe) && line.ends_with("/\n"), "{line}");
            let data: serde_json::Value = serde_json::from_str(&json(b"/\xff/", &[&folder])).unwrap();
            assert_eq!(data["entries"][0]["href"], format!("./{href}/"));
            assert_eq!(
                (&data["entries"][0]["size"], data["path"].as_str()),
                (&serde_json::Value::Null, Some("/\u{fffd}/"))
            );
        }
    }

    #[test]
    fn a_terminal_gets_columns_and_the_last_word_is_an_address() {
        let entries = [
            &Entry { kind: FileKind::Directory, ..file(b"sub dir") },
            &Entry { size: 0, ..file(b"a\nb\\") },
            &Entry { size: 1_234_567, ..file(b"\xffx") },
        ];
        let expected = "      -  2026-08-01T10:00:02Z  sub%20dir/\n      0  2026-08-01T10:00:02Z  a%0Ab%5C\n\
                        1234567  2026-08-01T10:00:02Z  %FFx\n";
        assert_eq!(String::from_utf8_lossy(&text(&entries)), expected);
        assert!(text(&[]).is_empty());
    }
}
