//! `/.try/cookie`: cookies shown, set, cleared.
//!
//! RFC 6265 §4.1 (Set-Cookie), §4.2 (Cookie), §4.1.2 (attributes).
//!
//! Never: a cookie outside `/.try/`, one that a script can read, one with a value that is not checked.
//!
//! The subtle thing: cookies know no ports. Whatever is set here goes to every server of this host name,
//! so the path is a dot name that nobody else has.

use crate::http::Status;
use crate::http::grammar::is_token;
use crate::practice::call::{Call, text};
use crate::practice::limits::{COOKIE_NAME, COOKIE_VALUE, COOKIES};
use crate::practice::query::bad;
use crate::service::Answer;
use crate::service::error_page::Problem;
use crate::service::text::shown;

const ATTRIBUTES: &str = "Path=/.try/; HttpOnly; SameSite=Lax";

/// What the client has sent.
pub(crate) fn show(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let mut out = String::new();
    for cookie in call.request.fields("cookie").flat_map(|value| value.split(|&o| o == b';')) {
        out += &format!("{}\n", shown(cookie.trim_ascii()));
    }
    if out.is_empty() {
        out = "No cookies came with this request. Set one: /.try/cookie/set?name=value\n".into();
    }
    Ok(text(Status::OK, out).into())
}

/// Sets those of the query.
pub(crate) fn set(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let query = crate::practice::query::Query::any(call.request)?;
    let usage = || {
        bad(format!(
            "Write name=value, at most {COOKIES} of them: a name is a token of {COOKIE_NAME} characters at most, a value has \
             {COOKIE_VALUE} at most, of printable ASCII without space, comma, semicolon, backslash and double quote."
        ))
    };
    let mut response = text(Status::OK, "Set. Your client sends them from now on: /.try/cookie\n");
    let mut count = 0;
    for (name, value) in query.pairs() {
        let value = value.ok_or_else(usage)?;
        let fits = name.len() <= COOKIE_NAME && value.len() <= COOKIE_VALUE;
        if !fits || !is_token(name.as_bytes()) || !value.bytes().all(is_cookie_byte) {
            return Err(usage());
        }
        response = response.field("Set-Cookie", format!("{name}={value}; {ATTRIBUTES}"));
        count += 1;
    }
    if count == 0 || count > COOKIES { Err(usage()) } else { Ok(response.into()) }
}

/// Takes back those the client has sent, by an age that is over.
pub(crate) fn clear(call: &Call<'_, '_>) -> Result<Answer, Problem> {
    let mut response = text(Status::OK, "Cleared: each was set again with an age of 0.\n");
    let cookies = call.request.fields("cookie").flat_map(|value| value.split(|&o| o == b';'));
    let names = cookies.filter_map(|cookie| cookie.trim_ascii().split(|&o| o == b'=').next());
    for name in names.filter(|name| is_token(name) && name.len() <= COOKIE_NAME).take(COOKIES) {
        let name = String::from_utf8_lossy(name);
        response = response.field("Set-Cookie", format!("{name}=; Max-Age=0; {ATTRIBUTES}"));
    }
    Ok(response.into())
}

/// cookie-byte (RFC 6265 §4.1.1).
const fn is_cookie_byte(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~')
}
