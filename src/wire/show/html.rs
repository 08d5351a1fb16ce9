//! Messages as one page of HTML that needs nothing else: for homework, for a bug report.
//!
//! The page has no script and sends no request. It shows the same rows as the terminal, so that the two
//! cannot disagree. All text was made safe for a terminal before, and is escaped once more for HTML here.

use crate::service::text::push_html;
use crate::wire::explain::message::{Message, Role, byte_count};
use crate::wire::explain::notes::NoteId;
use crate::wire::record::event::{EventKind, WireEvent};
use crate::wire::show::rows::message_rows;
use crate::wire::show::sentences::story;

/// A class `s131` has the colours of the ANSI sequence `1;31`.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
h2{font-size:1.1rem;margin:2rem 0 .5rem}\
table{border-collapse:collapse;width:100%}\
td{padding:.1rem .75rem .1rem 0;vertical-align:top}\
td:first-child{font:14px/1.6 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;min-width:20rem}\
td:last-child{white-space:nowrap}\
.note,td:last-child{color:#555}\
p{margin:.25rem 0;color:#8a5a00}.story{color:inherit}p.wrong,.s131{color:#b3261e;font-weight:600}\
.s134{color:#1a56b8;font-weight:600}.s32{color:#1e7a34}.s35{color:#7b3fa0}.s36{color:#0b6b75}\
.s133,.s33{color:#8a5a00}.s1733{background:#8a5a00;color:#fff;padding:0 .2em}.s2,.s27{color:#777}\
@media(prefers-color-scheme:dark){body{background:#131313;color:#e6e6e6}.note,td:last-child,.s2,.s27{color:#a0a0a0}\
p,.s133,.s33{color:#e8a55a}p.wrong,.s131{color:#ff8a80}.s134{color:#8ab4ff}.s32{color:#7fd491}.s35{color:#c9a0e8}\
.s36{color:#7cd0d8}.s1733{background:#e8a55a;color:#131313}}";

/// Appends the page. Events that are not messages are left out.
pub fn push_page(events: &[WireEvent], out: &mut String) {
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    out.push_str("<title>HTTP, byte by byte</title>\n<style>");
    out.push_str(STYLE);
    out.push_str("</style>\n<h1>HTTP, byte by byte</h1>\n");
    for event in events {
        let EventKind::Message(timed) = &event.kind else { continue };
        let message = &timed.message;
        let arrow = if message.role == Role::Request { "▶" } else { "◀" };
        let name = format!("{arrow} {} {}", message.role.name(), message.exchange);
        out.push_str(&format!("<h2>{name} <small>{}</small></h2>\n", byte_count(message.len())));
        out.push_str("<p class=\"story\">");
        push_html(out, &story(timed));
        out.push_str("</p>\n<table>\n");
        // A page is read in any order, so every note is there every time.
        for row in message_rows(timed, true, false, &mut |_: NoteId| true) {
            out.push_str("<tr><td>");
            for part in &row.bytes {
                let class: String = part.style.chars().filter(char::is_ascii_digit).collect();
                out.push_str(&format!("<span class=\"s{class}\">"));
                push_html(out, &part.text);
                out.push_str("</span>");
            }
            out.push_str("<td class=\"note\">");
            push_html(out, &row.note);
            out.push_str("<td>");
            push_html(out, row.section);
            out.push('\n');
        }
        out.push_str("</table>\n");
        push_sentences(message, out);
    }
    out.push_str("</html>\n");
}

fn push_sentences(message: &Message, out: &mut String) {
    if let Some(framed) = message.framing {
        out.push_str("<p>= ");
        push_html(out, &format!("{} ({})", framed.sentence(), framed.section()));
        out.push_str("</p>\n");
    }
    if let Some(broken) = message.error {
        let note = broken.note.note();
        out.push_str("<p class=\"wrong\">! ");
        push_html(out, &format!("byte {}: {} ({})", broken.at, note.long, note.section));
        out.push_str("</p>\n");
    }
}
