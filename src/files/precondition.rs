//! Preconditions: whether a request may proceed, given the version that the client has (RFC 9110 §13).
//!
//! One pure function, in the order of §13.2.2, for reads and writes alike:
//!
//! | step | field | true | false |
//! |---|---|---|---|
//! | 1 | If-Match | 3 | 412 |
//! | 2 | If-Unmodified-Since, without If-Match | 3 | 412 |
//! | 3 | If-None-Match | 5 | 304 for GET and HEAD, else 412 |
//! | 4 | If-Modified-Since, GET and HEAD without If-None-Match | 5 | 304 |
//! | 5 | If-Range, GET with Range | the range | everything |
//!
//! Call it only when the response without it would be 2xx or 412 (§13.2.1): a redirect or a 404 stays what it is.
//!
//! Each check has three results. A date that is invalid or given twice counts as absent, which is
//! neither true nor false: step 4 depends on If-None-Match being absent, not on its being true.

use crate::files::validator::{ClientTag, Validators};
use crate::http::{Method, Request, date};

/// Whether a request may proceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Proceed {
        /// Whether a Range field counts.
        range_allowed: bool,
    },
    /// 304: the client has the current version.
    NotModified,
    /// 412.
    Failed,
}

/// Evaluates the preconditions against the current representation; `None` if there is none.
pub(crate) fn evaluate(request: &Request<'_>, current: Option<&Validators>) -> Verdict {
    let is_read = request.method().is_read();
    // Steps 1 and 2: the client asks to change or continue exactly the version that it has.
    let is_known_version = if_match(request, current).or_else(|| if_unmodified_since(request, current));
    if is_known_version == Some(false) {
        return Verdict::Failed;
    }
    // Steps 3 and 4: the client asks for a version other than the one that it has.
    let is_new_version =
        if_none_match(request, current).or_else(|| if is_read { if_modified_since(request, current) } else { None });
    match is_new_version {
        Some(false) if is_read => Verdict::NotModified,
        Some(false) => Verdict::Failed,
        _ => Verdict::Proceed { range_allowed: request.method() == Method::Get && if_range(request, current) },
    }
}

/// Whether all lines of this name together contain `*` and nothing else.
fn is_any(request: &Request<'_>, name: &str) -> bool {
    let mut elements = request.list(name);
    elements.next() == Some(b"*") && elements.next().is_none()
}

/// §13.1.1. A field without a usable tag is false: its purpose is that nothing is overwritten.
fn if_match(request: &Request<'_>, current: Option<&Validators>) -> Option<bool> {
    if !request.has("if-match") {
        return None;
    }
    // Nothing is there: even `*` is false.
    Some(current.is_some_and(|current| {
        is_any(request, "if-match")
            || request.fields("if-match").flat_map(ClientTag::list).any(|tag| current.tag.matches_strongly(&tag))
    }))
}

/// §13.1.4.
fn if_unmodified_since(request: &Request<'_>, current: Option<&Validators>) -> Option<bool> {
    let date = date::parse(request.field("if-unmodified-since")?)?;
    current.filter(|current| current.have_date()).map(|current| current.is_dated_until(date))
}

/// §13.1.2. A field without a usable tag is true: the client has no version that we could confirm.
fn if_none_match(request: &Request<'_>, current: Option<&Validators>) -> Option<bool> {
    if !request.has("if-none-match") {
        return None;
    }
    // Nothing is there: even `*` is true. `If-None-Match: *` means "create only".
    Some(current.is_none_or(|current| {
        !is_any(request, "if-none-match")
            // Weak comparison: the client only asks whether its copy is good enough.
            && !request.fields("if-none-match").flat_map(ClientTag::list).any(|tag| current.tag.matches_weakly(&tag))
    }))
}

/// §13.1.3.
fn if_modified_since(request: &Request<'_>, current: Option<&Validators>) -> Option<bool> {
    let date = date::parse(request.field("if-modified-since")?)?;
    current.filter(|current| current.have_date()).map(|current| !current.unchanged_since(date))
}

/// §13.1.5: whether the field is absent or names exactly this version. A weak tag, a later date or
/// an invalid value does not: joining ranges of two versions would destroy the client's copy.
fn if_range(request: &Request<'_>, current: Option<&Validators>) -> bool {
    if !request.has("if-range") {
        return true;
    }
    // Given twice: ambiguous, so the client gets everything.
    let (Some(value), Some(current)) = (request.field("if-range"), current) else { return false };
    match ClientTag::parse(value) {
        Some(tag) => current.tag.matches_strongly(&tag),
        None => date::parse(value).is_some_and(|date| current.is_dated(date)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::files::representation::Coding;
    use crate::files::root::{FileKind, FileSystem, Meta};
    use crate::files::testing::request;

    /// Sun, 06 Nov 1994 08:49:37 GMT.
    const SECOND: i64 = 784_111_777;
    const GO: Verdict = Verdict::Proceed { range_allowed: true };
    const WHOLE: Verdict = Verdict::Proceed { range_allowed: false };

    fn validators(young: bool) -> Validators {
        let moment = (SECOND, 5);
        let meta = Meta {
            device: 0,
            inode: 1,
            size: 2,
            modified: moment,
            changed: moment,
            kind: FileKind::File,
            mode: 0o100_644,
            owner: (0, 0),
        };
        Validators::of(
            &meta,
            FileSystem::Local,
            Coding::Identity,
            UNIX_EPOCH + Duration::from_secs(SECOND as u64 + if young { 0 } else { 60 }),
        )
    }

    /// `$` in `fields` stands for our opaque tag with its quotes.
    #[track_caller]
    fn check_for(method: &str, current: Option<&Validators>, fields: &str, expected: Verdict) {
        let strong = validators(false);
        let ours = String::from_utf8(strong.tag.bytes().to_vec()).unwrap();
        let lines: String = fields.split('|').filter(|l| !l.is_empty()).map(|l| format!("{l}\r\n")).collect();
        let text = format!("{method} / HTTP/1.1\r\nHost: a\r\n{}\r\n", lines.replace('$', &ours));
        assert_eq!(evaluate(&request(text.as_bytes()), current), expected, "{method} {fields} {}", current.is_some());
    }

    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
    const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

    #[test]
    fn each_field_alone() {
        let current = validators(false);
        let read = |fields: &str, expected| {
            check_for("GET", Some(&current), fields, expected);
            let head = if expected == GO { WHOLE } else { expected };
            check_for("HEAD", Some(&current), fields, head);
        };
        read("", GO);
        read("If-Match: $", GO);
        read("If-Match: \"x\", $", GO);
        read("If-Match: \"x\"|If-Match: $", GO);
        read("If-Match: *", GO);
        read("If-Match: \"x\"", Verdict::Failed);
        read("If-Match: W/$", Verdict::Failed);
        read("If-Match: nonsense", Verdict::Failed);
        read("If-Match:", Verdict::Failed);
        read("If-None-Match: $", Verdict::NotModified);
        read("If-None-Match: W/$", Verdict::NotModified);
        read("If-None-Match: \"x\"|If-None-Match: \"y\", $", Verdict::NotModified);
        read("If-None-Match: *", Verdict::NotModified);
        read("If-None-Match: \"x\"", GO);
        read("If-None-Match: *, \"x\"", GO);
        read("If-None-Match: nonsense", GO);
        for (date, modified, unmodified) in
            [(EARLIER, GO, Verdict::Failed), (EXACT, Verdict::NotModified, GO), (LATER, Verdict::NotModified, GO)]
        {
            read(&format!("If-Modified-Since: {date}"), modified);
            read(&format!("If-Unmodified-Since: {date}"), unmodified);
        }
    }

    #[test]
    fn an_invalid_date_counts_as_absent() {
        let current = validators(false);
        for date in ["yesterday", "", "0", "1994-11-06T08:49:37Z"] {
            check_for("GET", Some(&current), &format!("If-Modified-Since: {date}"), GO);
            check_for("GET", Some(&current), &format!("If-Unmodified-Since: {date}"), GO);
        }
        check_for("GET", Some(&current), &format!("If-Modified-Since: {EXACT}|If-Modified-Since: {EXACT}"), GO);
        check_for("GET", Some(&current), &format!("If-Unmodified-Since: {EARLIER}|If-Unmodified-Since: {EARLIER}"), GO);
        // The two other legal forms.
        check_for("GET", Some(&current), "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT", Verdict::NotModified);
        check_for("GET", Some(&current), "If-Modified-Since: Sun Nov  6 08:49:37 1994", Verdict::NotModified);
    }

    #[test]
    fn the_order_is_that_of_the_standard() {
        let current = validators(false);
        let read = |fields: &str, expected| check_for("GET", Some(&current), fields, expected);
        // A tag overrides the date of its pair, true or false.
        read(&format!("If-Match: $|If-Unmodified-Since: {EARLIER}"), GO);
        read(&format!("If-None-Match: \"x\"|If-Modified-Since: {EXACT}"), GO);
        read(&format!("If-None-Match: nonsense|If-Modified-Since: {EXACT}"), GO);
        read(&format!("If-None-Match: $|If-Modified-Since: {EARLIER}"), Verdict::NotModified);
        // 412 comes before 304.
        read("If-Match: \"x\"|If-None-Match: $", Verdict::Failed);
        read(&format!("If-Unmodified-Since: {EARLIER}|If-None-Match: $"), Verdict::Failed);
        read("If-Match: $|If-None-Match: $", Verdict::NotModified);
        read(&format!("If-Unmodified-Since: {EXACT}|If-Modified-Since: {EXACT}"), Verdict::NotModified);
    }

    #[test]
    fn a_write_fails_where_a_read_is_not_modified_and_dates_of_reading_do_not_bind_it() {
        let current = validators(false);
        for method in ["PUT", "DELETE", "POST", "PATCH"] {
            let write =
                |current: Option<&Validators>, fields: &str, expected| check_for(method, current, fields, expected);
            write(Some(&current), "", WHOLE);
            write(Some(&current), "If-None-Match: *", Verdict::Failed);
            write(Some(&current), "If-None-Match: $", Verdict::Failed);
            write(Some(&current), "If-Match: $", WHOLE);
            write(Some(&current), &format!("If-Modified-Since: {EXACT}"), WHOLE);
            write(Some(&current), &format!("If-Unmodified-Since: {EARLIER}"), Verdict::Failed);
            write(None, "If-None-Match: *", WHOLE);
            write(None, "If-None-Match: $", WHOLE);
            write(None, "If-Match: *", Verdict::Failed);
            write(None, "If-Match: $", Verdict::Failed);
            write(None, &format!("If-Unmodified-Since: {EARLIER}"), WHOLE);
        }
    }

    #[test]
    fn a_range_is_kept_only_for_exactly_this_version() {
        let current = validators(false);
        for (value, expected) in [
            ("$", GO),
            ("W/$", WHOLE),
            ("\"x\"", WHOLE),
            ("$, \"x\"", WHOLE),
            (EARLIER, WHOLE),
            (EXACT, GO),
            (LATER, WHOLE),
            ("nonsense", WHOLE),
            ("", WHOLE),
        ] {
            check_for("GET", Some(&current), &format!("Range: bytes=0-0|If-Range: {value}"), expected);
        }
        check_for("GET", Some(&current), "If-Range: $|If-Range: $", WHOLE);
    }

    #[test]
    fn a_young_file_is_never_confirmed() {
        let young = validators(true);
        assert!(young.tag.is_weak());
        check_for("GET", Some(&young), "If-None-Match: $", GO);
        check_for("GET", Some(&young), "If-Match: $", Verdict::Failed);
        check_for("GET", Some(&young), "If-Range: $", WHOLE);
        for date in [EXACT, LATER] {
            check_for("GET", Some(&young), &format!("If-Modified-Since: {date}"), GO);
            check_for("GET", Some(&young), &format!("If-Range: {date}"), WHOLE);
        }
    }
}
