//! Credentials out of a request, and the users who may be added.

use crate::service::access::credentials::*;
use crate::service::testing::{asked, bcrypt_work};

fn basic(bytes: &[u8]) -> Vec<u8> {
    [b"Basic ", STANDARD.encode(bytes).as_bytes()].concat()
}

fn parsed(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    Credential::parse(value).map(|c| (c.user().to_vec(), c.password().to_vec()))
}

#[test]
fn text_that_cannot_be_read_is_no_credential() {
    for (value, expected) in [
        // The example of RFC 7617 §2, and the one of §2.1 in UTF-8.
        (&b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="[..], Some((&b"Aladdin"[..], &b"open sesame"[..]))),
        (b"Basic dGVzdDoxMjPCow==", Some((b"test", "123£".as_bytes()))),
        // The scheme is a token: any case, one space or more.
        (b"basic dTpw", Some((b"u", b"p"))),
        (b"BASIC dTpw", Some((b"u", b"p"))),
        (b"bAsIc   dTpw", Some((b"u", b"p"))),
        (b"Basic\tdTpw", Some((b"u", b"p"))),
        // The first colon ends the user; either side may be empty.
        (&basic(b"u:p:q::"), Some((b"u", b"p:q::"))),
        (&basic(b"u:"), Some((b"u", b""))),
        (&basic(b":p"), Some((b"", b"p"))),
        (&basic(b":"), Some((b"", b""))),
        (&basic(b" u : p "), Some((b" u ", b" p "))),
        // Bytes are bytes, UTF-8 or not.
        (&basic("j\u{f6}rg:\u{1f511}".as_bytes()), Some(("jörg".as_bytes(), "🔑".as_bytes()))),
        (&basic(b"j\xf6rg:\xa3"), Some((b"j\xf6rg", b"\xa3"))),
        (&basic(b"u:\xff\xfe"), Some((b"u", b"\xff\xfe"))),
        // No colon, no user.
        (&basic(b"user"), None),
        (&basic(b""), None),
        (b"Basic", None),
        (b"Basic ", None),
        (b"", None),
        // Control bytes, of which bcrypt confuses NUL.
        (&basic(b"u:a\0a"), None),
        (&basic(b"u\0:p"), None),
        (&basic(b"u:p\n"), None),
        (&basic(b"u:p\x7f"), None),
        (&basic(b"u:\tp"), None),
        // Base64 that is not, exactly.
        (b"Basic dTpwcA", None),
        (b"Basic dTpwcA=", None),
        (b"Basic dTpwcA===", None),
        (b"Basic dTpwcB==", None),
        (b"Basic dTp=w", None),
        (b"Basic dTp\xe4", None),
        (b"Basic dT pw", None),
        (b"Basic dTpw dTpw", None),
        (b"Basic dTpw, Basic dTpw", None),
        (b"Basic dTpw,", None),
        (b"Basic u:p", None),
        (b"Basic ====", None),
        // Other schemes.
        (b"Bearer dTpw", None),
        (b"BasicdTpw", None),
        (b"Basics dTpw", None),
        (b"Digest username=\"u\"", None),
        (b"\"Basic\" dTpw", None),
    ] {
        let expected = expected.map(|(user, password)| (user.to_vec(), password.to_vec()));
        assert_eq!(parsed(value), expected, "{}", value.escape_ascii());
    }
}

#[test]
fn two_authorization_lines_are_none_since_proxy_and_server_could_differ() {
    let one = "Authorization: Basic dTpw\r\n";
    assert!(Credential::of(&asked("GET /", one)).is_some());
    assert!(Credential::of(&asked("GET /", &one.repeat(2))).is_none());
    assert!(Credential::of(&asked("GET /", "")).is_none());
    assert!(Credential::of(&asked("GET /", "Proxy-Authorization: Basic dTpw\r\n")).is_none());
}

fn people(plain: &[&str], file: &str) -> Credentials {
    let mut credentials = Credentials::new();
    plain.iter().for_each(|text| credentials.add(text).unwrap());
    credentials.add_htpasswd(file.as_bytes()).unwrap();
    credentials
}

fn plain(credentials: &Credentials, text: &str) -> Option<usize> {
    let credential = Credential::new(text.into()).unwrap();
    credentials.find_plain(credentials.digest(&credential))
}

#[test]
fn a_password_in_clear_is_right_for_its_own_user_only() {
    let people = people(&["ann:one", "bob:two", "c:a:b", ":x"], "");
    for (text, found) in [
        ("ann:one", Some(0)),
        ("bob:two", Some(1)),
        ("c:a:b", Some(2)),
        (":x", Some(3)),
        ("ann:two", None),
        ("ann:one ", None),
        ("ann:onee", None),
        ("ann:on", None),
        ("ann:", None),
        ("Ann:one", None),
        ("nobody:one", None),
        ("an:none", None),
    ] {
        assert_eq!(plain(&people, text), found, "{text}");
    }
    assert_eq!(plain(&Credentials::new(), "a:b"), None);
    assert!(!people.has_hashes() && people.len() == 4);
}

#[test]
fn a_digest_of_one_process_means_nothing_to_another() {
    let credential = Credential::new(b"ann:one".to_vec()).unwrap();
    let (here, there) = (Credentials::new(), Credentials::new());
    assert!(here.digest(&credential) == here.digest(&credential));
    assert!(here.digest(&credential) != there.digest(&credential));
}

#[test]
fn a_hash_is_checked_for_its_own_user_only_and_takes_as_long_for_an_unknown_one() {
    let (ann, bob) = (bcrypt::hash("one", 4).unwrap(), bcrypt::hash("two", 5).unwrap());
    let people = people(&["carl:three"], &format!("ann:{ann}\nbob:{bob}\n"));
    let find = |text: &str| {
        let credential = Credential::new(text.into()).unwrap();
        let (work, found) = bcrypt_work::of(|| people.find_hashed(&credential));
        assert_eq!(work, 1 << 5, "the time it takes tells who {text} is");
        found
    };
    for (text, found) in [
        ("ann:one", Some(1)),
        ("bob:two", Some(2)),
        ("ann:two", None),
        ("bob:one", None),
        ("nobody:one", None),
        ("Ann:one", None),
        ("ann:", None),
        // Known, but not by a hash: takes as long as an unknown user.
        ("carl:three", None),
        ("carl:one", None),
    ] {
        assert_eq!(find(text), found, "{text}");
    }
    assert_eq!((people.top_cost, people.len()), (Some(5), 3));
}

#[test]
fn a_user_who_could_never_sign_in_or_for_whom_all_could_is_refused_at_start() {
    let hash = bcrypt::hash("x", 4).unwrap();
    for (text, reason) in [
        ("ann", NO_COLON),
        ("", NO_COLON),
        ("ann:", "the password is empty"),
        (":", "the password is empty"),
        ("ann:a\0b", CONTROL_BYTE),
        ("a\nb:c", CONTROL_BYTE),
        (&format!("ann:{hash}"), "that is a hash and not a password; hashes belong in a file (--auth-file)"),
        ("taken:other", "the user \"taken\" is there twice"),
        ("taken:x", "the user \"taken\" is there twice"),
    ] {
        let mut credentials = people(&["taken:x"], "");
        assert_eq!(credentials.add(text).unwrap_err(), HtpasswdError::new(None, reason), "{text:?}");
        assert_eq!(credentials.len(), 1);
    }
}

#[test]
fn a_password_file_is_refused_by_the_number_of_its_line_and_without_its_hash() {
    let hash = bcrypt::hash("x", 4).unwrap();
    for (file, sentence) in [
        (
            format!("ann:{hash}\nbob:$apr1$abc$def\n"),
            "line 2: an MD5 hash; only bcrypt is taken (htpasswd -B makes it)",
        ),
        (format!("ann:{hash}\n# x\nann:{hash}\n"), "line 3: the user \"ann\" is there twice"),
        ("\n\nann\n".into(), "line 3: there is no colon between user and password"),
        (format!("taken:{hash}"), "line 1: the user \"taken\" is there twice"),
        (format!("a\x1b[2Jb:{hash}"), "line 1: there is a control character in it, which no client can send"),
        (format!("ann:{}", &hash[..50]), "line 1: the bcrypt hash is damaged"),
        (
            format!("ann:{}", hash.replace("$04$", "$30$")),
            "line 1: the cost of the bcrypt hash is not between 04 and 17",
        ),
    ] {
        let error = people(&["taken:x"], "").add_htpasswd(file.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), sentence);
        assert!(!error.to_string().contains(&hash[7..30]));
    }
}
