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
        assert_eq!(credentials.add(text).unwrap_err(), reason, "{text:?}");
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
        assert_eq!(error, sentence);
        assert!(!error.contains(&hash[7..30]));
    }
}

/// `cost` and `password` as a line of a file has them.
fn made(password: &str, cost: u32) -> String {
    bcrypt::hash(password, cost).unwrap()
}

fn parse(text: &str) -> Bcrypt {
    Bcrypt::parse(text.as_bytes()).unwrap_or_else(|reason| panic!("{text}: {reason:?}"))
}

#[test]
fn hashes_of_other_programs_are_read_as_they_were_meant() {
    // From the test vectors of crypt_blowfish.
    for (hash, password) in [
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "U*U"),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
        // Bits at the end of the salt that mean nothing.
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC/VGOzA784oUp/Z0DY336zx7pLYAy0lwK", "U*U*"),
        ("$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a", "U*U*U"),
        ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.7uG0VCzI2bS7j6ymqJi9CdcdxiRTWNy", ""),
    ] {
        let hash = parse(hash);
        assert!(hash.verify(password.as_bytes(), 5), "{password}");
        assert!(!hash.verify(b"U*u", 5));
    }
    for version in ["2a", "2b", "2y"] {
        let text = made("secret", 4).replacen("2b", version, 1);
        assert!(parse(&text).verify(b"secret", 4), "{version}");
    }
}

#[test]
fn a_higher_cost_in_the_file_changes_the_work_and_not_the_result() {
    let hash = parse(&made("secret", 4));
    for top in 4..8 {
        for (password, right) in [("secret", true), ("Secret", false), ("", false)] {
            let (work, verdict) = bcrypt_work::of(|| hash.verify(password.as_bytes(), top));
            assert_eq!((work, verdict), (1 << top, right), "{password} {top}");
        }
        assert_eq!(bcrypt_work::of(|| spend(b"secret", top)).0, 1 << top);
    }
}

#[test]
fn a_long_password_counts_as_far_as_bcrypt_looks_and_panics_nowhere() {
    let long = "x".repeat(100);
    let hash = parse(&made(&long, 4));
    assert!(hash.verify(long.as_bytes(), 4) && hash.verify(&[b'x'; 72], 4));
    assert!(!hash.verify(&[b'x'; 71], 4) && !hash.verify(b"", 4));
    spend(b"", 4);
    spend(&[b'x'; 20_000], 4);
}

#[test]
fn a_hash_that_is_not_bcrypt_is_refused_and_named() {
    let good = made("x", 4);
    for (text, reason) in [
        ("$apr1$1hQxE6jR$2r7Qm7jV1xqK0mJq3h3cC.", "an MD5 hash"),
        ("$1$abc$def", "an MD5 hash"),
        ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "a SHA-1 hash"),
        ("{SSHA}abc", "a SHA-1 hash"),
        ("$5$rounds=1000$a$b", "a SHA-2 crypt hash"),
        ("$argon2id$v=19$x", "a hash of another kind"),
        ("rqXexS6ZhobKA", "no hash of a kind that is safe to keep"),
        ("secret", "no hash of a kind that is safe to keep"),
        ("", "no hash of a kind that is safe to keep"),
        (&good.replacen("2b", "2x", 1), "bcrypt of a faulty program ($2x$)"),
        (&good[..59], DAMAGED),
        (&format!("{good}."), DAMAGED),
        (&good.replace("$04$", "$+4$"), "the cost of the bcrypt hash is not between 04 and 17"),
        (&good.replace("$04$", "$03$"), "the cost of the bcrypt hash is not between 04 and 17"),
        (&good.replace("$04$", "$18$"), "the cost of the bcrypt hash is not between 04 and 17"),
        (&good.replace("$04$", "$31$"), "the cost of the bcrypt hash is not between 04 and 17"),
        (&good.replace("$04$", "$04="), DAMAGED),
        (&format!("{}!{}", &good[..20], &good[21..]), DAMAGED),
        (&format!("{}é{}", &good[..20], &good[22..]), DAMAGED),
    ] {
        let error = Bcrypt::parse(text.as_bytes()).map(|_| ()).unwrap_err();
        let error = error.strip_suffix("; only bcrypt is taken (htpasswd -B makes it)").unwrap_or(&error);
        assert_eq!(error, reason, "{text}");
    }
}

#[test]
fn a_file_has_comments_remarks_and_line_ends_of_every_kind() {
    let hash = made("x", 4);
    let file = format!("# who\r\n\n  \nann:{hash}\r\nb\u{f6}b:{hash}:a remark\n:{hash}\n  #x:y\nlast:{hash}");
    let users = people(&[], &file);
    for user in ["ann", "b\u{f6}b", "", "last"] {
        assert!(users.indices.contains_key(user.as_bytes()), "{user:?}");
    }
    assert_eq!(users.len(), 4);
    let broken = format!("ann:{hash}\n\nbob");
    assert_eq!(Credentials::new().add_htpasswd(broken.as_bytes()), Err(format!("line 3: {NO_COLON}")));
}
