//! The served folder: found, readable and writable, or refused at the start.

use std::fs;

use crate::program::{assert_error, barewire, site_folder, without_rights};
use crate::support::client::converse;
use crate::support::server::Server;
use crate::support::uploads::put;

#[test]
fn a_missing_folder_is_named_with_the_nearest_one() {
    let folder = site_folder();
    let near = "barewire: there is no folder ./sitee.\nDid you mean ./site ?\n";
    assert_error(&mut barewire(&folder, &["sitee"]), 4, near);
    assert_error(&mut barewire(&folder, &["./sitee"]), 4, near);
    let far = "barewire: there is no folder ./elsewhere/x.\nServe the folder you are in:  barewire .\n";
    assert_error(&mut barewire(&folder, &["elsewhere/x"]), 4, far);
    let other = "barewire: /dev/null is neither a folder nor a file.\nServe the folder you are in:  barewire .\n";
    assert_error(&mut barewire(&folder, &["/dev/null"]), 4, other);
    let hostile = "barewire: there is no folder ./\\u{1b}[2J.\nServe the folder you are in:  barewire .\n";
    assert_error(&mut barewire(&folder, &["\x1b[2J"]), 4, hostile);
}

#[test]
fn a_folder_that_may_not_be_read_is_named_before_a_client_can_connect() {
    use std::os::unix::fs::PermissionsExt;
    let folder = site_folder();
    let private = folder.join("private");
    fs::create_dir(&private).unwrap();
    fs::write(folder.join("secret.txt"), "x").unwrap();
    for (name, path) in [("./private", &private), ("./secret.txt", &folder.join("secret.txt"))] {
        fs::set_permissions(path, PermissionsExt::from_mode(0o000)).unwrap();
        let advice = "Serve another folder, or change its permissions:  ls -ld";
        let complaint = format!("barewire: may not read {name} (permission denied).\n{advice} {name}\n");
        assert_error(&mut without_rights(&folder, &[name]), 4, &complaint);
    }
    fs::set_permissions(&private, PermissionsExt::from_mode(0o700)).unwrap();
}

#[test]
fn a_folder_that_may_not_be_written_is_named_at_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let folder = site_folder();
    fs::set_permissions(folder.join("site"), PermissionsExt::from_mode(0o555)).unwrap();
    let advice = "Change its permissions, or serve another folder:  ls -ld ./site";
    for option in ["--upload", "--overwrite", "--delete", "--write"] {
        let complaint = format!("barewire: {option} was given, but ./site is not writable.\n{advice}\n");
        assert_error(&mut without_rights(&folder, &[option, "site"]), 4, &complaint);
    }
    fs::set_permissions(folder.join("site"), PermissionsExt::from_mode(0o755)).unwrap();
    let complaint = "barewire: --upload was given, but ./site/a.txt is one file: nothing can be added to it.\n\
                     Serve its folder, or let others replace it:  barewire --overwrite ./site/a.txt\n";
    assert_error(&mut barewire(&folder, &["--upload", "site/a.txt"]), 4, complaint);
}

#[test]
fn a_missing_page_of_an_application_is_named_at_the_start_and_served_once_it_is_built() {
    let folder = site_folder();
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "--spa=app.html", "site"]));
    let missing = "barewire: There is no file ./site/app.html, so --spa cannot send it, and unknown paths are 404.\n";
    assert_eq!(server.before(), [missing]);
    const REQUEST: &str = "GET /new HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\n\r\n";
    let ask = || String::from_utf8(converse(server.address, REQUEST)).unwrap();
    assert!(ask().starts_with("HTTP/1.1 404 "));
    folder.write("site/app.html", "built");
    assert!(ask().ends_with("\r\n\r\nbuilt"));
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "--spa=app.html", "site"]));
    assert_eq!(server.before(), Vec::<String>::new());
}

#[test]
fn a_read_only_folder_above_writable_ones_takes_uploads_in_those() {
    use std::os::unix::fs::PermissionsExt;
    let folder = site_folder();
    let set_mode = |name: &str, mode| fs::set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
    let start = |arguments: &[&str]| without_rights(&folder, &[&["-p", "0"], arguments, &["site"]].concat());
    // Hidden folders are not served, so one of them is no place for uploads.
    fs::create_dir_all(folder.join("site/.git")).unwrap();
    fs::create_dir_all(folder.join("site/deep/in")).unwrap();
    for (name, mode) in [("site/.git", 0o777), ("site/deep/in", 0o755), ("site/deep", 0o755), ("site", 0o555)] {
        set_mode(name, mode);
    }
    let advice = "Change its permissions, or serve another folder:  ls -ld ./site";
    let complaint = format!("barewire: --upload was given, but ./site is not writable.\n{advice}\n");
    assert_error(&mut start(&["--upload"]), 4, &complaint);
    set_mode("site/deep/in", 0o777);
    let server = Server::of(&mut start(&["--upload"]));
    let note = "./site itself is not writable. --upload works only in the folders below it that are.";
    assert!(server.notes().iter().any(|line| line == note), "{:?}", server.notes());
    put(&server, "/deep/in/a.txt", "", b"a").assert_status(201);
    for target in ["/b.txt", "/new/b.txt", "/deep/b.txt"] {
        put(&server, target, "", b"b").assert_status(403);
    }
    assert_eq!(fs::read(folder.join("site/deep/in/a.txt")).unwrap(), b"a");
    drop(server);
    let dotted = Server::of(&mut start(&["--dotfiles", "--delete"]));
    assert!(dotted.notes().concat().contains("--delete works only in the folders below"), "{:?}", dotted.notes());
    set_mode("site", 0o755);
}

#[test]
fn the_default_folder_is_public_and_else_this_one() {
    let folder = site_folder();
    let server = Server::of(&mut barewire(&folder, &["-p", "0"]));
    assert_eq!(
        server.line(),
        format!("listening on http://127.0.0.1:{}/ serving {}\n", server.port(), folder.path().display())
    );
    fs::create_dir(folder.join("public")).unwrap();
    let server = Server::of(&mut barewire(&folder, &["-p", "0"]));
    assert_eq!(server.line(), format!("listening on http://127.0.0.1:{}/ serving ./public\n", server.port()));
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "site/a.txt"]));
    assert!(server.line().ends_with(" serving ./site/a.txt\n"), "{}", server.line());
}
