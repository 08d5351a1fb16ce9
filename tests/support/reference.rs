//! How a client resolves a reference, such as a Location, against the address that it asked for (RFC 3986 §5.2).

/// Scheme and authority, path, query. The address has no fragment.
fn split(address: &str) -> (&str, &str, Option<&str>) {
    let (rest, query) = address.split_once('?').map_or((address, None), |(rest, query)| (rest, Some(query)));
    let host = rest.find("://").map_or(0, |at| at + 3);
    let path = rest[host..].find('/').map_or(rest.len(), |at| host + at);
    (&rest[..path], &rest[path..], query)
}

/// Whether the reference begins with a scheme (§3.1): then it is an address by itself.
fn has_scheme(reference: &str) -> bool {
    let end = reference.find([':', '/', '?', '#']).unwrap_or(reference.len());
    reference[end..].starts_with(':') && reference.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// The address that `reference` leads to from `base`, without dot segments. Some clients take a backslash for a slash;
/// so does this one.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    let reference = reference.replace('\\', "/");
    if has_scheme(&reference) {
        return reference;
    }
    let (origin, path, query) = split(base);
    if let Some(host) = reference.strip_prefix("//") {
        return format!("http://{host}");
    }
    let (to, new_query) = reference.split_once('?').map_or((&*reference, None), |(to, query)| (to, Some(query)));
    let merged = match to {
        "" => path.to_string(),
        to if to.starts_with('/') => to.to_string(),
        to => format!("{}{to}", &path[..path.rfind('/').map_or(0, |at| at + 1)]),
    };
    let query = if to.is_empty() { new_query.or(query) } else { new_query };
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    format!("{origin}{}{query}", without_dot_segments(&merged))
}

/// §5.2.4.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
        if segments.peek().is_none() && matches!(segment, "." | "..") {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

/// Asserts that a reference of ours leads to no other host, for any client: it is relative, begins with no slash or
/// backslash, and has no colon in its first segment, unless `./` or `../` stands before it (§4.2).
#[track_caller]
pub(crate) fn assert_stays(reference: &str) {
    assert!(!reference.is_empty() && !reference.starts_with(['/', '\\']), "{reference:?}");
    let first = reference.split(['/', '?']).next().unwrap();
    assert!(!first.contains(':'), "a scheme: {reference:?}");
    assert!(reference.bytes().all(|b| b.is_ascii_graphic()), "{reference:?}");
}
