//! Passwords and host names: from options, variables and files, and which of them are refused at the start.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::program::{assert_error, barewire, run, site_folder, without_rights};
use crate::support::PATIENCE;
use crate::support::server::Server;

#[test]
fn passwords_and_names_that_are_mistakes_are_refused() {
    let folder = site_folder();
    let auth = "For example:  barewire --auth ann:secret";
    let host = "For example:  barewire --host files.example.org";
    let name = |text| format!("--host takes a name without port, such as files.example.org, or *, not {text:?}.");
    let hash = "$2y$04$abcdefghijklmnopqrstuuJm3R5gQ3Uu9cWkTzjZsT5ZPvS7RSQ0S";
    for (arguments, what, advice) in [
        (&["-a", "secret"][..], "--auth cannot be used: there is no colon between user and password.".into(), auth),
        (&["--auth", "ann:"], "--auth cannot be used: the password is empty.".into(), auth),
        (
            &["-a", "ann:\u{1}"],
            "--auth cannot be used: there is a control character in it, which no client can send.".into(),
            auth,
        ),
        (
            &["-a", &format!("ann:{hash}")],
            "--auth cannot be used: that is a hash and not a password; hashes belong in a file (--auth-file).".into(),
            auth,
        ),
        (&["-a", "ann:x", "-a", "ann:y"], "--auth cannot be used: the user \"ann\" is there twice.".into(), auth),
        (&["--host", "http://a"], name("http://a"), host),
        (&["--host", "a:80"], name("a:80"), host),
        (&["--host", "a", "--host", "*.example.org"], name("*.example.org"), host),
        (
            &["--auth-for", "all"],
            "--auth-for says what a password is needed for, but there is no password.".into(),
            "Give one:  barewire --auth ann:secret",
        ),
        (
            &["-a", "ann:x", "--auth-for", "write"],
            "--auth-for asks for a password for changes, but no changes are allowed.".into(),
            "Allow some:  barewire --upload --auth ann:secret --auth-for write",
        ),
        (
            &["-a", "ann:x", "--auth-for", "read"],
            "--auth-for does not take \"read\". It takes one of these words: all, write.".into(),
            "For example:  barewire --upload --auth ann:secret --auth-for write",
        ),
        (
            &["-a", "ann:x", "--cors"],
            "--cors opens the files to every page, --auth closes them.".into(),
            "Name the page that may read:  barewire --cors=http://localhost:3000",
        ),
        (
            &["--auth-file", "x", "--cors=*"],
            "--cors opens the files to every page, --auth-file closes them.".into(),
            "Name the page that may read:  barewire --cors=http://localhost:3000",
        ),
    ] {
        assert_error(&mut barewire(&folder, arguments), 2, &format!("barewire: {what}\n{advice}\n"));
    }
    for (name, value, what) in [
        ("BAREWIRE_AUTH", "ann:one\n\nbob:", "BAREWIRE_AUTH cannot be used: line 3: the password is empty."),
        ("BAREWIRE_AUTH", "\n", "BAREWIRE_AUTH cannot be used: there is no user in it."),
        (
            "BAREWIRE_HOST",
            "a\nb:1",
            "BAREWIRE_HOST takes a name without port, such as files.example.org, or *, not \"b:1\".",
        ),
        ("BAREWIRE_AUTH_FOR", "all", "BAREWIRE_AUTH_FOR says what a password is needed for, but there is no password."),
    ] {
        let (exit, _, said) = run(barewire(&folder, &[]).env(name, value));
        assert_eq!((exit, said.lines().next()), (2, Some(format!("barewire: {what}").as_str())), "{name}");
    }
}

#[test]
fn a_password_file_that_cannot_be_used_ends_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = site_folder();
    let file = folder.join("file");
    let line = format!("ann:{}\n", bcrypt::hash("secret", 4).unwrap());
    let complain = |arguments: &[&str], complaint: &str| {
        assert_error(&mut barewire(&folder, arguments), 2, &format!("barewire: {complaint}\n"));
    };
    let from_file = ["--auth-file", "file", "site"];
    complain(&from_file, "there is no password file ./file.\nMake it with:  htpasswd -B -c ./file ann");
    for (content, complaint) in [
        (
            "# nobody\n\n".to_string(),
            "the password file ./file has no users, so no one could sign in.\nAdd one:  htpasswd -B ./file ann",
        ),
        (
            format!("{line}bob"),
            "the password file ./file cannot be used: line 2: there is no colon between user and password.",
        ),
        (
            "ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n".into(),
            "the password file ./file cannot be used: line 1: a SHA-1 hash; only bcrypt is taken (htpasswd -B makes it).",
        ),
        (line.repeat(2), "the password file ./file cannot be used: line 2: the user \"ann\" is there twice."),
        ("#\n".repeat(600_000), "cannot read the password file ./file: it is larger than 1 MiB."),
    ] {
        fs::write(&file, content).unwrap();
        complain(&from_file, complaint);
    }
    fs::write(&file, &line).unwrap();
    complain(
        &["-a", "ann:x", "--auth-file", "file", "site"],
        "the password file ./file cannot be used: line 1: the user \"ann\" is there twice.",
    );

    // A client that downloads the file can try passwords offline. A link leads to it too, and it may be a link.
    fs::write(folder.join("site/inside"), &line).unwrap();
    std::os::unix::fs::symlink("site/inside", folder.join("to-inside")).unwrap();
    std::os::unix::fs::symlink("../file", folder.join("site/to-outside")).unwrap();
    let advice = "Move it to a folder that is not served, so that it cannot be downloaded.";
    for (name, served) in [
        ("site/inside", "site"),
        ("site/inside", "."),
        ("to-inside", "site"),
        ("site/to-outside", "site"),
        ("site/inside", "site/inside"),
    ] {
        let complaint = format!("the password file ./{name} is in the folder that is served.\n{advice}");
        complain(&["--auth-file", name, served], &complaint);
    }

    fs::set_permissions(&file, PermissionsExt::from_mode(0o000)).unwrap();
    let complaint = "barewire: may not read the password file ./file (permission denied).\n\
                     Change its permissions:  ls -l ./file\n";
    assert_error(&mut without_rights(&folder, &from_file), 2, complaint);
}

/// The status of a GET with these field lines.
fn status(port: u16, fields: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET /a.txt HTTP/1.1\r\nConnection: close\r\n{fields}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_string()
}

#[test]
fn passwords_and_names_come_from_variables_too_and_are_not_shown() {
    use base64::Engine;
    let folder = site_folder();
    // With the byte order mark of an editor on Windows.
    fs::write(folder.join("file"), format!("\u{feff}carl:{}\r\n", bcrypt::hash("three", 4).unwrap())).unwrap();
    let mut command = barewire(&folder, &["-p", "0", "--log", "json", "site"]);
    command.env("BAREWIRE_AUTH", "ann:one\nbob:two").env("BAREWIRE_AUTH_FILE", "file");
    let server = Server::of(command.env("BAREWIRE_HOST", "files.example.org\nother.example"));
    assert_eq!(server.before(), Vec::<String>::new(), "nothing to warn of");
    assert!(!server.proc("cmdline").contains("ann:one"));
    for (who, expected) in [("ann:one", "200"), ("bob:two", "200"), ("carl:three", "200"), ("ann:two", "401")] {
        let who = base64::engine::general_purpose::STANDARD.encode(who);
        let fields = format!("Host: other.example\r\nAuthorization: Basic {who}\r\n");
        assert_eq!(status(server.port(), &fields), expected, "{fields}");
    }
    assert_eq!(status(server.port(), "Host: evil.example\r\n"), "421");
    assert_eq!(status(server.port(), "Host: files.example.org\r\n"), "401");
    // The log tells a client that sends Latin-1 from one that mistypes: in a note of the request, and once in words.
    for _ in 0..2 {
        let who = base64::engine::general_purpose::STANDARD.encode(b"carl:\xfcber");
        assert_eq!(status(server.port(), &format!("Host: localhost\r\nAuthorization: Basic {who}\r\n")), "401");
    }
    server.log().wait("two notes", |log| {
        (log.matches(r#""credentials refused: they are not UTF-8""#).count() == 2).then_some(())
    });
    server.err.line("in another encoding than UTF-8, so letters such as é do not match.");
    assert_eq!(server.err.so_far().matches("another encoding").count(), 1);
    assert_eq!(server.log().so_far().matches(r#""credentials refused""#).count(), 1, "ann:two is UTF-8");
    // A password for writes only.
    let mut command = barewire(&folder, &["-p", "0", "-w", "site"]);
    let server = Server::of(command.env("BAREWIRE_AUTH", "ann:one").env("BAREWIRE_AUTH_FOR", "write"));
    assert_eq!(status(server.port(), "Host: localhost\r\n"), "200");
}
