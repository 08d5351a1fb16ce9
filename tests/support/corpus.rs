//! Reads the Markdown of the corpus: its files, the cases in them, and the notation of their bytes, which
//! `tests/corpus/README.md` explains.
//!
//! A case remembers the lines of its events in the file, so that an update changes nothing else.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

/// One case of a file.
#[derive(Debug)]
pub(crate) struct Case {
    /// Its heading.
    pub(crate) title: String,
    /// How the server behaves: the words after `http`.
    pub(crate) manner: Vec<String>,
    /// What the client sends.
    pub(crate) bytes: Vec<u8>,
    /// The line of the heading, counted from 1.
    pub(crate) line: usize,
    /// The events as they are written in the file.
    pub(crate) events: String,
    /// Their lines in the file, counted from 0.
    pub(crate) place: Range<usize>,
}

impl Case {
    /// Whether the server behaves this way.
    pub(crate) fn is(&self, manner: &str) -> bool {
        self.manner.iter().any(|m| m == manner)
    }
}

/// The files of the corpus, in order.
pub(crate) fn files() -> Vec<(PathBuf, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/corpus");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "md") && !p.ends_with("README.md"));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// All cases, each with its file.
pub(crate) fn all_cases() -> Vec<(PathBuf, Case)> {
    let mut all = Vec::new();
    for (path, text) in files() {
        let found = cases(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        all.extend(found.into_iter().map(|case| (path.clone(), case)));
    }
    all
}

/// The cases of one file.
pub(crate) fn cases(text: &str) -> Result<Vec<Case>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let (mut cases, mut title, mut story, mut at) = (Vec::new(), None, 0, 0);
    let mut sent: Option<(Vec<String>, Vec<u8>)> = None;
    while at < lines.len() {
        let line = lines[at];
        at += 1;
        if let Some(heading) = line.strip_prefix("## ") {
            (title, story) = (Some((heading.to_string(), at)), 0);
        } else if let Some(info) = line.strip_prefix("```") {
            let block = at..at
                + lines[at..].iter().position(|l| *l == "```").ok_or(format!("line {at}: a block without end"))?;
            at = block.end + 1;
            let mut words = info.split_whitespace().map(str::to_string);
            match words.next().as_deref() {
                Some("http") => {
                    let bytes =
                        bytes(&lines[block.clone()].concat()).map_err(|e| format!("line {}: {e}", block.start))?;
                    sent = Some((words.collect(), bytes));
                }
                Some("events") => {
                    let wrong = |what| format!("line {}: {what}", block.start);
                    let (title, line) = title.take().ok_or_else(|| wrong("events without a heading of their own"))?;
                    let (manner, bytes) = sent.take().ok_or_else(|| wrong("events without bytes"))?;
                    if story == 0 {
                        return Err(wrong("a case without a word of why"));
                    }
                    let events = lines[block.clone()].iter().map(|l| format!("{l}\n")).collect();
                    cases.push(Case { title, manner, bytes, line, events, place: block });
                }
                _ => return Err(format!("line {}: a block of unknown kind", block.start)),
            }
        } else if !line.is_empty() {
            story += 1;
        }
    }
    match (title, sent) {
        (None, None) => Ok(cases),
        _ => Err("the last case has no events".to_string()),
    }
}

/// The text of a file with these events in the place of its own.
pub(crate) fn with_events(text: &str, cases: &[(Case, String)]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (mut out, mut from) = (String::new(), 0);
    for (case, events) in cases {
        lines[from..case.place.start].iter().for_each(|l| out.extend([l, "\n"]));
        out.push_str(events);
        from = case.place.end;
    }
    lines[from..].iter().for_each(|l| out.extend([l, "\n"]));
    out
}

/// The bytes that `text` stands for.
pub(crate) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let (bytes, rest) = bytes_until(text, None)?;
    if rest.is_empty() { Ok(bytes) } else { Err(format!("left over: {rest}")) }
}

fn bytes_until(mut text: &str, end: Option<char>) -> Result<(Vec<u8>, &str), String> {
    let mut out = Vec::new();
    loop {
        let Some(first) = text.chars().next() else {
            return if end.is_none() { Ok((out, text)) } else { Err("a repetition without end".to_string()) };
        };
        text = &text[first.len_utf8()..];
        if Some(first) == end {
            return Ok((out, text));
        }
        if first != '\\' {
            out.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let wrong = || format!("no escape: \\{text}");
        let kind = text.chars().next().ok_or_else(wrong)?;
        let rest = &text[kind.len_utf8()..];
        text = match kind {
            'r' | 'n' | 't' | '\\' => {
                out.push(match kind {
                    'r' => b'\r',
                    'n' => b'\n',
                    't' => b'\t',
                    _ => b'\\',
                });
                rest
            }
            'x' => {
                out.push(u8::from_str_radix(rest.get(..2).ok_or_else(wrong)?, 16).map_err(|_| wrong())?);
                &rest[2..]
            }
            '{' => {
                let (times, inner) = rest.split_once(' ').ok_or_else(wrong)?;
                let times: usize = times.parse().map_err(|_| wrong())?;
                let (inner, rest) = bytes_until(inner, Some('}'))?;
                out.extend(inner.repeat(times));
                rest
            }
            _ => return Err(wrong()),
        };
    }
}

/// Bytes as they are shown in events: printable ones as they are, long ones cut.
pub(crate) fn shown(bytes: &[u8]) -> String {
    const LONGEST: usize = 64;
    let cut = &bytes[..bytes.len().min(LONGEST)];
    let mut text = String::new();
    for chunk in cut.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\r' => text.push_str("\\r"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\\' => text.push_str("\\\\"),
                c if c.is_control() => c.to_string().bytes().for_each(|b| text.push_str(&format!("\\x{b:02x}"))),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|b| text.push_str(&format!("\\x{b:02x}")));
    }
    if cut.len() < bytes.len() {
        text.push_str(&format!("… ({} bytes)", bytes.len()));
    }
    text
}
