//! The served folder is removed and made again, moved away, or the link to it is swapped: the server follows, or says
//! why it does not. It never goes on with the old folder.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::client::{Client, get};
use crate::support::folder::Folder;
use crate::support::response::Response;
use crate::support::server::Server;

/// Waits until the response to this target has a status and contains a text.
#[track_caller]
fn until(server: &Server, target: &str, status: u16, part: &str) -> Response {
    let end = Instant::now() + PATIENCE;
    loop {
        let response = get(server, target, "");
        if response.status == status && response.text().contains(part) {
            return response;
        }
        assert!(Instant::now() < end, "{status} {part:?} never came: {response:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether this kernel keeps the server inside the folder. Only then a folder that is made again can be closed.
fn has_landlock(server: &Server) -> bool {
    server.before().iter().any(|line| line.contains("Landlock is on"))
}

/// A server of the folder `dist`, whose cache has `a.txt`.
fn serve(folder: &Folder, arguments: &[&str]) -> Server {
    let server = Server::serve(&folder.join("dist"), arguments);
    for _ in 0..3 {
        assert_eq!(get(&server, "/a.txt", "").assert_status(200).text(), "old");
    }
    server
}

#[test]
fn a_folder_that_a_build_makes_again_is_served_and_its_old_files_are_not() {
    let folder = Folder::with(&[("dist/a.txt", "old"), ("dist/gone.txt", "old")]);
    let server = serve(&folder, &["-v"]);
    if has_landlock(&server) {
        let line = server.err.line("Landlock is on");
        assert!(line.contains("That is the folder above the served one"), "{line}");
    }
    let mut waiting = Client::connect(&server);
    waiting.get("/a.txt", "").assert_status(200);
    for content in ["new", "newer"] {
        fs::remove_dir_all(folder.join("dist")).unwrap();
        until(&server, "/a.txt", 503, "The folder that this server serves was removed.");
        folder.write("dist/a.txt", content);
        until(&server, "/a.txt", 200, content);
        get(&server, "/gone.txt", "").assert_status(404);
        assert!(!get(&server, "/", "").text().contains("gone.txt"));
        assert_eq!(waiting.get("/a.txt", "").text(), content, "an open connection follows too");
    }
}

#[test]
fn a_link_that_a_deploy_swaps_leads_to_the_new_folder() {
    let folder = Folder::with(&[("releases/1/a.txt", "old"), ("releases/2/a.txt", "new")]);
    symlink("releases/1", folder.join("dist")).unwrap();
    let server = serve(&folder, &[]);
    symlink("releases/2", folder.join("next")).unwrap();
    fs::rename(folder.join("next"), folder.join("dist")).unwrap();
    until(&server, "/a.txt", 200, "new");
    assert!(server.err.line("another folder").contains("which is served from now on"));
}

#[test]
fn a_folder_that_was_moved_away_is_not_served_until_it_is_back() {
    let folder = Folder::with(&[("dist/a.txt", "old")]);
    let server = serve(&folder, &[]);
    fs::rename(folder.join("dist"), folder.join("away")).unwrap();
    until(&server, "/a.txt", 503, "The folder that this server serves was removed.");
    assert!(server.err.line("not served any more").contains("it was removed or moved away"));
    fs::rename(folder.join("away"), folder.join("dist")).unwrap();
    until(&server, "/a.txt", 200, "old");
}

#[test]
fn a_folder_in_its_place_that_may_not_be_served_is_503_and_the_log_says_why() {
    let folder = Folder::with(&[("dist/a.txt", "old"), ("other/a.txt", "secret")]);
    let replace = |server: &Server, why: &str| {
        fs::rename(folder.join("dist"), folder.join("away")).unwrap();
        fs::rename(folder.join("other"), folder.join("dist")).unwrap();
        until(server, "/a.txt", 503, "another one is in its place");
        let line = server.err.line("is not served any more: ");
        assert!(line.contains(why) && line.ends_with("Start barewire again to serve it."), "{line}");
        fs::rename(folder.join("dist"), folder.join("other")).unwrap();
        fs::rename(folder.join("away"), folder.join("dist")).unwrap();
        until(server, "/a.txt", 200, "old");
    };
    let server = serve(&folder, &["--write", "-v"]);
    if has_landlock(&server) {
        replace(&server, "Landlock does not let barewire read the folder that is in its place.");
    } else {
        eprintln!("skipped: no Landlock here");
    }
    if chown(folder.join("other"), Some(65534), None).is_err() {
        return eprintln!("skipped: the owner of a folder cannot be changed here");
    }
    replace(&serve(&folder, &[]), "another user owns the folder that is in its place.");
}
