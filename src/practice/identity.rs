//! Who the client is.
//!
//! | address | response |
//! |---|---|
//! | `/.try/auth` | 200 with `student:wire`, else 401 (RFC 9110 §11, RFC 7617) |
//! | `/.try/auth/bearer` | 200 with the token `wire`, else 401 (RFC 6750) |
//! | `/.try/auth/digest` | 200 if the hash was made with `student:wire`, else 401 (RFC 7616) |
//! | `/.try/auth/forbidden` | 403 (RFC 9110 §15.5.4) |
//! | `/.try/cookie`, `…/set?name=value`, `…/clear` | the cookies that came, new ones, none (RFC 6265 §4) |
//!
//! The credentials are printed on the page, but they are compared as secret ones are, in constant time, because code
//! that is studied is copied.
//!
//! Cookies know no ports: one that is set here goes to every server of this host name. So they are limited to a path
//! that other servers hardly have, and a script cannot read them.

use std::hash::BuildHasher;

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::http::grammar::{hexadecimal, is_ows, is_token, trim};
use crate::http::{HttpDate, Status, field};
use crate::practice::limits::{COOKIE_NAME, COOKIE_VALUE, COOKIES};
use crate::practice::query::{Query, require};
use crate::practice::{PracticeRequest, TEXTS, hex, say, text};
use crate::service::access::credentials::Credential;
use crate::service::error_page::{self, Problem};
use crate::service::text::shown;
use crate::service::{Answer, Response};

/// The user of `/.try/auth`, with the password, which is also the token.
const USER: &[u8] = b"student";
const PASSWORD: &[u8] = b"wire";
/// The challenge of the Basic scheme.
pub(super) const BASIC: &str = "Basic realm=\"practice\", charset=\"UTF-8\"";
/// How long a nonce may be used.
const NONCE_SECONDS: u64 = 60;
const COOKIE_ATTRIBUTES: &str = "Path=/.try/; HttpOnly; SameSite=Lax";

/// 200 with the right name and password, else 401.
pub(super) fn basic(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // `&` compares both always: the time must not tell whether the name was right.
    let is_known = |sent: Credential| bool::from(sent.user().ct_eq(USER) & sent.password().ct_eq(PASSWORD));
    if Credential::of(practice.request).is_some_and(is_known) {
        return Ok(say(Status::OK, "welcome", &[]).into());
    }
    // The page does not say whether the name or the password was wrong: with that, names could be tried alone.
    Ok(unauthorized(practice, BASIC, "needs password", "curl -u student:wire").into())
}

/// 200 with the right token, else 401.
pub(super) fn bearer(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let token = practice.request.field("authorization").and_then(|value| {
        // Names of schemes are case-insensitive, tokens are not (RFC 9110 §11.1).
        let (scheme, token) = value.split_at(value.iter().position(|&b| is_ows(b))?);
        scheme.eq_ignore_ascii_case(b"bearer").then(|| token.trim_ascii_start())
    });
    let challenge = match token {
        Some(token) if bool::from(token.ct_eq(PASSWORD)) => {
            return Ok(say(Status::OK, "welcome token", &[]).into());
        }
        // RFC 6750 §3.1: the challenge names an error only if a token was sent.
        Some(_) => "Bearer realm=\"practice\", error=\"invalid_token\"",
        None => "Bearer realm=\"practice\"",
    };
    Ok(unauthorized(practice, challenge, "needs token", "curl -H 'Authorization: Bearer wire'").into())
}

/// 200 with the right hash of name, password, nonce, method and target, else 401 (RFC 7616 §3.4). SHA-256 alone: MD5 is
/// broken, and a student who wants to see a hash can see this one.
pub(super) fn digest(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let now = HttpDate::new(practice.context.now).second();
    let sent = practice.request.field("authorization").and_then(|value| {
        let (scheme, rest) = value.split_at(value.iter().position(|&b| is_ows(b))?);
        scheme.eq_ignore_ascii_case(b"digest").then_some(rest)
    });
    let has_stale_nonce = match sent.map(|sent| check_digest(practice, sent, now)) {
        Some(DigestCheck::Right) => {
            return Ok(say(Status::OK, "welcome digest", &[("seconds", &NONCE_SECONDS)]).into());
        }
        Some(DigestCheck::Stale) => true,
        Some(DigestCheck::Wrong) | None => false,
    };
    let stale = if has_stale_nonce { ", stale=true" } else { "" };
    let nonce = nonce(practice, now);
    let challenge = format!("Digest realm=\"practice\", qop=\"auth\", algorithm=SHA-256, nonce=\"{nonce}\"{stale}");
    Ok(unauthorized(practice, &challenge, "needs password", "curl --digest -u student:wire").into())
}

/// The result of a check of Digest credentials.
enum DigestCheck {
    Right,
    Wrong,
    /// They are right, but for a nonce that is too old: the client may use the password again without asking its user.
    Stale,
}

/// A nonce for this second. It is made from a secret, so that none must be kept. A server that protects something also
/// remembers each `nc` of a nonce, and refuses one that comes again (RFC 7616 §3.4).
fn nonce(practice: &PracticeRequest<'_>, second: u64) -> String {
    format!("{second:x}-{:016x}", practice.state.nonces.hash_one(second))
}

/// Checks the parameters of `Authorization: Digest`.
fn check_digest(practice: &PracticeRequest<'_>, sent: &[u8], now: u64) -> DigestCheck {
    let parameters: Vec<(&[u8], Vec<u8>)> = field::elements(sent)
        .filter_map(|element| {
            let equals = element.iter().position(|&b| b == b'=')?;
            Some((trim(&element[..equals]), field::unquote(trim(&element[equals + 1..]))))
        })
        .collect();
    let get = |name: &str| {
        let found = parameters.iter().find(|(other, _)| other.eq_ignore_ascii_case(name.as_bytes()));
        found.map_or(&[][..], |(_, value)| value)
    };
    let made = get("nonce").split(|&b| b == b'-').next().and_then(hexadecimal);
    let Some(made) = made.filter(|&made| nonce(practice, made).as_bytes() == get("nonce")) else {
        return DigestCheck::Wrong;
    };
    let hash = |parts: &[&[u8]]| hex(&Sha256::digest(parts.join(&b':')));
    let user = hash(&[USER, b"practice", PASSWORD]);
    let request = hash(&[practice.request.method_name(), practice.request.target()]);
    let whole = [user.as_bytes(), get("nonce"), get("nc"), get("cnonce"), b"auth", request.as_bytes()];
    let is_meant = get("username") == USER
        && get("realm") == b"practice"
        && get("uri") == practice.request.target()
        && get("algorithm").eq_ignore_ascii_case(b"sha-256")
        && get("qop") == b"auth";
    match bool::from(get("response").ct_eq(hash(&whole).as_bytes())) && is_meant {
        false => DigestCheck::Wrong,
        true if now.saturating_sub(made) > NONCE_SECONDS => DigestCheck::Stale,
        true => DigestCheck::Right,
    }
}

/// 403 for every client, with any credentials.
pub(super) fn forbidden(_: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    Err(Problem::new(Status::FORBIDDEN).saying(TEXTS.row("forbidden", &[])))
}

/// 401 with a challenge, which RFC 9110 §11.6.1 demands, and the command that would work. `needs` is a row of the texts.
fn unauthorized(practice: &PracticeRequest<'_>, challenge: &str, needs: &str, command: &str) -> Response {
    let problem = Problem::new(Status::UNAUTHORIZED).saying(TEXTS.row(needs, &[("command", &command)]));
    error_page::problem(practice.request, &problem).field("WWW-Authenticate", challenge)
}

/// The cookies that came with the request, without whitespace around them.
fn sent_cookies<'a>(practice: &PracticeRequest<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    // Not as a list: a comma may be part of a value, and only a semicolon separates cookies.
    practice.request.fields("cookie").flat_map(|value| value.split(|&b| b == b';')).map(<[u8]>::trim_ascii)
}

/// The cookies of the request as text.
pub(super) fn cookies(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // Made visible: a terminal would obey the control characters of a cookie.
    let mut lines: String = sent_cookies(practice).map(|cookie| shown(cookie) + "\n").collect();
    if lines.is_empty() {
        lines = TEXTS.say("no cookies", &[]) + "\n";
    }
    Ok(text(Status::OK, lines).into())
}

/// Sets each parameter of the query as a cookie.
pub(super) fn set_cookies(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    // RFC 6265 §4.1.1. A semicolon would add an attribute of the client's choice.
    let is_value_byte = |b| matches!(b, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~');
    let is_cookie = |(name, value): &(String, Option<String>)| {
        let is_value = |value: &String| value.len() <= COOKIE_VALUE && value.bytes().all(is_value_byte);
        is_token(name.as_bytes()) && name.len() <= COOKIE_NAME && value.as_ref().is_some_and(is_value)
    };
    let pairs = Query::any(practice.request)?.pairs;
    // All or none: a response that left out one cookie would look like success.
    let are_cookies = (1..=COOKIES).contains(&pairs.len()) && pairs.iter().all(is_cookie);
    require(are_cookies, "cookie pairs", &[("cookies", &COOKIES), ("name", &COOKIE_NAME), ("value", &COOKIE_VALUE)])?;
    let response = say(Status::OK, "cookies set", &[]);
    let add = |response: Response, (name, value): &(String, Option<String>)| {
        let value = value.as_deref().unwrap_or_default();
        response.field("Set-Cookie", format!("{name}={value}; {COOKIE_ATTRIBUTES}"))
    };
    Ok(pairs.iter().fold(response, add).into())
}

/// Removes the cookies of the request, by setting each again with an age of 0 (RFC 6265 §4.1.2).
pub(super) fn clear_cookies(practice: &PracticeRequest<'_>) -> Result<Answer, Problem> {
    let names = sent_cookies(practice).filter_map(|cookie| cookie.split(|&b| b == b'=').next());
    // A name that is no token was not set here, and could break the line that removes it.
    let names = names.filter(|name| is_token(name) && name.len() <= COOKIE_NAME).take(COOKIES);
    let response = say(Status::OK, "cookies cleared", &[]);
    let clear = |response: Response, name: &[u8]| {
        response.field("Set-Cookie", format!("{}=; Max-Age=0; {COOKIE_ATTRIBUTES}", String::from_utf8_lossy(name)))
    };
    Ok(names.fold(response, clear).into())
}
