//! The pictures of README: `BAREWIRE_PICTURES=1 cargo test --test browser readme` leaves them in `target/screens/readme`.
//! In `docs` they have 128 colors, which makes them a third as long.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::json;

use crate::site::Site;
use crate::support::folder::pattern;
use crate::wire::{get, go, open, study, talk};
use crate::{NOTHING, in_browser, screens};

/// Small enough that README loads at once, large enough to be read.
const WINDOW: (u32, u32) = (1200, 760);
/// The most bytes of a picture.
const MOST: u64 = 150_000;

#[test]
fn a_folder_for_readme() {
    in_browser(|browser, scratch| {
        let files = [
            ("notes.md", 4_200, 1),
            ("photo.jpg", 2_310_000, 26),
            ("film.mp4", 48_600_000, 300),
            ("report.pdf", 318_000, 70),
        ];
        for (name, size, hours) in files {
            let path = scratch.site().join(name);
            fs::write(&path, pattern(1, size)).unwrap();
            let time = SystemTime::now() - Duration::from_secs(hours * 3600);
            fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        for name in ["music", "photos"] {
            fs::create_dir(scratch.site().join(name)).unwrap();
        }
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--upload"]);
        browser.look(WINDOW.0, 560, false);
        browser.open(&site.url);
        for name in files.map(|(name, ..)| name).into_iter().chain(["music/", "photos/"]) {
            browser.wait(&format!("document.body.innerText.includes({})", json!(name)));
        }
        browser.eval("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(r)))");
        browser.screenshot(&screens().join("readme/listing.png"));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn the_wire_view_for_readme() {
    in_browser(|browser, scratch| {
        let site = study(scratch);
        get(&site, "/");
        let request = b"GET /hello.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
        talk(&site, &[&request[..8], &request[8..28], &request[28..41], &request[41..]]);
        get(&site, "/.try/chunked?sizes=5,26");
        talk(&site, &[&[&request[..], request, request].concat()]);
        get(&site, "/nothing");
        talk(&site, &[b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n"]);
        open(browser, &site);
        browser.look(WINDOW.0, WINDOW.1, false);
        go(browser, "c2.1", "/hello.txt");
        // The path, which came in two pieces.
        browser.eval("location.hash = 'c2.1/request/0x04'; 0");
        browser.wait(
            "location.hash == '#c2.1/request/0x04' && document.querySelector('h1').innerText.includes('/hello.txt')",
        );
        browser.eval("Promise.all(document.getAnimations().filter(a => a.effect.getTiming().iterations < 9).map(a => a.finished.catch(() => 0))).then(() => 0)");
        browser.screenshot(&screens().join("readme/wire.png"));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn the_pictures_of_readme_are_there_and_small() {
    for name in ["listing", "wire"] {
        let path = crate::public().with_file_name(format!("docs/{name}.png"));
        let size = fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
        assert!((10_000..MOST).contains(&size), "{name}: {size} bytes");
    }
}
