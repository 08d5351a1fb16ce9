//! The upload page in a real browser: a dropped file arrives, an upload that is cut off leaves nothing, and a file is
//! replaced or deleted only when the user says so.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use crate::driver::Browser;
use crate::site::{Scratch, Site};
use crate::support::folder::names;
use crate::support::{notice, until};
use crate::{NOTHING, in_browser, pictures, pictures_of, screens};

const MIB: u64 = 1 << 20;

/// A file to be uploaded, outside the served folder.
fn outside(scratch: &Scratch, path: &str, content: &[u8]) -> PathBuf {
    let path = scratch.path().join("outside").join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

/// A large sparse file: a mark at each end and a hole between.
fn sparse(scratch: &Scratch, name: &str, size: u64) -> PathBuf {
    let path = outside(scratch, name, b"beginning");
    let mut file = File::options().write(true).open(&path).unwrap();
    file.set_len(size).unwrap();
    file.seek(SeekFrom::Start(size - 3)).unwrap();
    file.write_all(b"end").unwrap();
    path
}

fn same(a: &Path, b: &Path) -> bool {
    let (mut a, mut b) = (File::open(a).unwrap(), File::open(b).unwrap());
    let mut rooms = [vec![0; MIB as usize], vec![0; MIB as usize]];
    loop {
        let n = a.read(&mut rooms[0]).unwrap();
        if n == 0 {
            return b.read(&mut rooms[1]).unwrap() == 0;
        }
        let (left, right) = rooms.split_at_mut(1);
        if b.read_exact(&mut right[0][..n]).is_err() || left[0][..n] != right[0][..n] {
            return false;
        }
    }
}

/// The names in the table.
const TABLE: &str = "[...document.querySelectorAll('#rows a')].map(a => a.textContent)";
/// The state of each upload, a line each.
const LINES: &str = "[...document.querySelectorAll('.uploads li')].map(li => li.querySelector('.name').textContent + ': ' + li.querySelector('.status').textContent)";

fn stored(count: usize) -> String {
    format!("document.querySelectorAll('.uploads li.stored').length == {count}")
}

fn listed(name: &str) -> String {
    format!("{TABLE}.includes({})", json!(name))
}

/// Clicks the button with this text (the first of them).
#[track_caller]
fn press(browser: &mut Browser, text: &str) {
    let mark = format!(
        "(b => {{ document.querySelector('#press')?.removeAttribute('id'); if (b) b.id ||= 'press'; return b ? b.id : '' }})
            ([...document.querySelectorAll('button')].find(b => b.textContent == {} && b.getClientRects().length))",
        json!(text)
    );
    let id = browser.eval(&mark);
    assert_ne!(id, "", "no button {text}: {}", browser.eval("document.body.innerText"));
    browser.click(&format!("#{}", id.as_str().unwrap()));
}

fn buttons(browser: &mut Browser, css: &str) -> Value {
    browser.eval(&format!(
        "[...document.querySelectorAll('{css}')].filter(b => b.getClientRects().length).map(b => b.textContent)"
    ))
}

/// Complaints without those of Chromium about a status of 4xx, which it always prints.
fn complaints(browser: &mut Browser) -> Vec<String> {
    let mut complaints = browser.complaints();
    complaints.retain(|c| !c.contains("the server responded with a status of 4"));
    complaints
}

#[test]
fn a_dropped_file_stands_in_the_table_and_whole_on_the_disk() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        fs::create_dir(folder.join("sub")).unwrap();
        for name in ["alpha.txt", "item 9.txt", "zulu.txt"] {
            fs::write(folder.join(name), "there before").unwrap();
        }
        let site = Site::serve_at("127.0.0.1", &folder, &["--upload"]);
        browser.open(&site.url);
        assert!(
            browser
                .eval("document.querySelector('.summary').textContent")
                .as_str()
                .unwrap()
                .ends_with("You may add files here. Existing files are not overwritten.")
        );
        let content: Vec<u8> = (0..3 * MIB).map(|n| ((n * 7919) >> 3) as u8).collect();
        let hostile = "item 10 <img src=x onerror=document.title='owned'> \"quoted' \u{1f980}.txt";
        let files = [
            outside(scratch, "item 10.bin", &content),
            outside(scratch, hostile, b"hostile"),
            outside(scratch, "empty", b""),
        ];
        browser.drop_files(&files);
        browser.wait(&stored(3));
        browser.wait(&listed("empty"));
        browser.wait(&listed(hostile));
        browser.wait(&listed("item 10.bin"));
        assert_eq!(
            browser.eval(TABLE),
            json!(["sub/", "alpha.txt", "empty", "item 9.txt", hostile, "item 10.bin", "zulu.txt"])
        );
        assert_eq!(
            browser.eval("document.querySelector('.summary').textContent.split('.')[0]"),
            "1 folder, 6 files, 3"
        );
        assert!(same(&files[0], &folder.join("item 10.bin")) && same(&files[1], &folder.join(hostile)));
        assert_eq!(fs::metadata(folder.join("empty")).unwrap().len(), 0);
        assert_ne!(browser.eval("document.title"), "owned");
        // The new row is a link to the file, and has its time in the zone of the reader, like all others.
        let link = format!(
            "fetch([...document.querySelectorAll('#rows a')].find(a => a.textContent == {}).href).then(r => r.text())",
            json!(hostile)
        );
        assert_eq!(browser.eval(&link), "hostile");
        browser.wait(
            "[...document.querySelectorAll('#rows time')].every(t => t.textContent && t.textContent != t.dateTime)",
        );
        let curl = format!("curl -T film.mp4 {}", site.url);
        assert_eq!(browser.eval("document.querySelector('footer code').textContent"), curl.as_str());
        // The page is now as it would be after a reload.
        let live = browser.eval(TABLE);
        browser.open(&site.url);
        assert_eq!(browser.eval(TABLE), live);
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_dropped_folder_arrives_with_its_folders_and_a_page_in_it_rewrites_nothing() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        let site = Site::serve_at("127.0.0.1", &folder, &["--upload", "--overwrite"]);
        browser.open(&format!("{}?sort=size", site.url));
        assert_eq!(browser.eval("document.querySelector('table').getClientRects().length"), 0);
        for n in 0..5 {
            outside(scratch, &format!("holiday/day {n}/№ {n}.jpg"), format!("picture {n}").as_bytes());
        }
        outside(scratch, "holiday/.DS_Store", b"junk");
        let dropped = outside(scratch, "holiday/notes.txt", b"notes").parent().unwrap().to_path_buf();
        browser.drop_files(&[dropped]);
        browser.wait(&stored(6));
        browser.wait(&listed("holiday/"));
        assert!(
            browser.eval("document.querySelector('table').getClientRects().length") != 0,
            "the first row brings the table"
        );
        assert_eq!(names(&folder.join("holiday")), ["day 0", "day 1", "day 2", "day 3", "day 4", "notes.txt"]);
        for n in 0..5 {
            let path = folder.join(format!("holiday/day {n}/№ {n}.jpg"));
            assert_eq!(fs::read_to_string(path).unwrap(), format!("picture {n}"));
        }
        // From now on the folder has this page as its index. Nothing of it may come into the open page.
        let fake = "<main data-rights><p class=summary>owned<table><tbody id=rows><tr><td><a href=https://evil.example/>owned</a><td>1 B<td><time datetime=2026-08-01T10:00:02Z></time></table>";
        browser.drop_files(&[outside(scratch, "index.html", fake.as_bytes())]);
        browser.wait(&stored(1));
        browser.eval("new Promise(r => setTimeout(r, 600))");
        assert_eq!(
            browser.eval("document.body.innerText.includes('owned') || !!document.querySelector('a[href*=evil]')"),
            false
        );
        assert_eq!(complaints(browser), NOTHING);
    });
}

#[test]
fn a_big_file_moves_its_bar_and_a_reload_half_way_leaves_nothing() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        let site = Site::serve_at("127.0.0.1", &folder, &["--upload"]);
        let big = sparse(scratch, "big.bin", 256 * MIB);
        browser.open(&site.url);
        browser.slow(16 << 20);
        browser.drop_files(std::slice::from_ref(&big));
        browser.wait("document.querySelector('progress')?.value > 0.1");
        let line = browser.eval(LINES);
        assert!(
            line[0].as_str().unwrap().contains(" of 268 MB · ") && line[0].as_str().unwrap().ends_with(" left"),
            "{line}"
        );
        assert!(site.has_unnamed_file(), "an upload on its way has a file without a name");
        assert_eq!(names(&folder), NOTHING);
        // Leaving asks first.
        browser.click(".crumbs");
        browser.load(|browser| {
            browser.call("Page.reload", json!({}));
            assert_eq!(browser.event("Page.javascriptDialogOpening")["type"], "beforeunload");
            browser.call("Page.handleJavaScriptDialog", json!({"accept": true}));
        });
        until("the unfinished file is gone", || !site.has_unnamed_file());
        assert_eq!((names(&folder), browser.eval(TABLE)), (NOTHING, json!([])));

        browser.slow(0);
        browser.eval(
            "window.seen = []; new MutationObserver(all => all.forEach(m => m.target.value && seen.push(m.target.value)))
                .observe(document.body, {subtree: true, attributes: true, attributeFilter: ['value']})",
        );
        browser.drop_files(std::slice::from_ref(&big));
        browser.wait(&stored(1));
        let seen = browser.eval("seen");
        let seen: Vec<f64> = seen.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(seen.len() >= 5 && seen.is_sorted() && seen.last() == Some(&1.0), "{seen:?}");
        assert!(same(&big, &folder.join("big.bin")));
        browser.wait(&listed("big.bin"));
        // Nothing runs: leaving does not ask.
        browser.load(|browser| {
            browser.call("Page.reload", json!({}));
        });
        assert_eq!(browser.complaints(), NOTHING);
    });
}

/// Prints what a large drop costs: `cargo test --test browser gibibyte -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_gibibyte() {
    in_browser(|browser, scratch| {
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--upload"]);
        let big = sparse(scratch, "big.bin", 1024 * MIB);
        browser.open(&site.url);
        browser.eval(
            "window.seen = []; new MutationObserver(all => all.forEach(m => m.target.value && seen.push([m.target.value, performance.now()])))
                .observe(document.body, {subtree: true, attributes: true, attributeFilter: ['value']})",
        );
        let begun = Instant::now();
        browser.drop_files(std::slice::from_ref(&big));
        browser.wait(&stored(1));
        let took = begun.elapsed();
        let seen = browser.eval("seen");
        let seen: Vec<(f64, f64)> = serde_json::from_value(seen).unwrap();
        let spread = (seen.last().unwrap().1 - seen[0].1) / 1000.0;
        println!("1 GiB: {took:.2?}; {} updates, {:.1} a second", seen.len(), seen.len() as f64 / spread);
        println!("{}", browser.eval(LINES));
        assert!(same(&big, &scratch.site().join("big.bin")));
    });
}

#[test]
fn many_files_go_two_at_a_time_and_a_cancelled_one_comes_again() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        let site = Site::serve_at("127.0.0.1", &folder, &["--upload"]);
        browser.open(&site.url);
        browser.eval(
            "window.now = window.most = 0; const native = XMLHttpRequest.prototype.send
            XMLHttpRequest.prototype.send = function(body) {
                most = Math.max(most, ++now)
                this.addEventListener('readystatechange', () => this.readyState == 4 && now--)
                return native.call(this, body)
            }",
        );
        let files: Vec<_> = (0..9).map(|n| outside(scratch, &format!("{n}.txt"), &vec![b'0' + n; 200_000])).collect();
        browser.choose("input[name=file]", &files);
        browser.wait(&stored(9));
        assert_eq!((browser.eval("most"), browser.eval("now")), (json!(2), json!(0)));
        let expected: Vec<_> = (0..9).map(|n| format!("{n}.txt")).collect();
        browser.wait(&format!("{TABLE}.length == 9"));
        assert_eq!((browser.eval(TABLE), names(&folder)), (json!(expected), expected));
        assert_eq!(browser.eval("document.querySelector('.total p').textContent"), "9 of 9 files stored.");

        browser.slow(4 << 20);
        let big: Vec<_> = ["a", "b", "c", "d"].map(|name| sparse(scratch, name, 16 * MIB)).into();
        browser.drop_files(&big);
        browser.wait("document.querySelector('li progress')?.value > 0.05");
        assert_eq!(
            browser.eval("[...document.querySelectorAll('.uploads li')].map(li => li.className)"),
            json!(["active", "active", "waiting", "waiting"])
        );
        browser.click(".uploads li.active .cross");
        browser.wait("document.querySelector('.uploads li:is(.failed, .question)')");
        press(browser, "Cancel all");
        browser.wait("document.querySelectorAll('.uploads li:is(.failed, .question)').length == 4");
        assert_eq!(
            browser.eval(LINES),
            json!([
                "a: Cancelled. Nothing was stored.",
                "b: Cancelled. Nothing was stored.",
                "c: Cancelled. Nothing was stored.",
                "d: Not sent."
            ])
        );
        until("the unfinished files are gone", || !site.has_unnamed_file());
        assert_eq!(names(&folder).len(), 9);
        browser.slow(0);
        press(browser, "Try again");
        browser.wait(&stored(1));
        assert!(same(&big[0], &folder.join("a")));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_folder_of_many_files_arrives_whole_and_its_list_stays_short() {
    in_browser(|browser, scratch| {
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--upload"]);
        browser.open(&site.url);
        // The limit, and the two files that are being sent.
        browser.eval(
            "window.longest = 0; new MutationObserver(() => {
                longest = Math.max(longest, document.querySelectorAll('.uploads li').length)
            }).observe(document.body, {subtree: true, childList: true})",
        );
        for n in 0..130 {
            outside(scratch, &format!("many/{n}.txt"), format!("file {n}").as_bytes());
        }
        let folder = scratch.path().join("outside/many");
        browser.drop_files(&[folder]);
        browser.wait("document.querySelector('.total p').textContent == '130 of 130 files stored.'");
        assert_eq!(names(&scratch.site().join("many")).len(), 130);
        let longest = browser.eval("longest").as_u64().unwrap();
        assert!((100..=102).contains(&longest), "{longest} lines");
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn a_taken_name_is_replaced_or_kept_only_when_the_user_says_so() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        for name in ["film.mp4", "film (2).mp4", "notes.tar.gz", "styles.css", "styles.css.gz"] {
            fs::write(folder.join(name), format!("old {name}")).unwrap();
        }
        fs::create_dir(folder.join("album")).unwrap();
        let site = Site::serve_at("127.0.0.1", &folder, &["--upload", "--overwrite"]);
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        browser.open(&site.url);
        assert!(
            browser
                .eval("document.querySelector('.summary').textContent")
                .as_str()
                .unwrap()
                .ends_with("if you say so.")
        );
        // The styles lie there compressed too: the tag asked for must be that of the file itself.
        for (name, answer, lies_in) in [
            ("film.mp4", "Replace it", "film.mp4"),
            ("film.mp4", "Keep both", "film (3).mp4"),
            ("notes.tar.gz", "Keep both", "notes (2).tar.gz"),
            ("styles.css", "Replace it", "styles.css"),
            ("album", "Keep both", "album (2)"),
        ] {
            let new = format!("new {name} {answer}");
            browser.drop_files(&[outside(scratch, name, new.as_bytes())]);
            browser.wait("document.querySelector('.uploads li:is(.failed, .question)')");
            let there = if name == "album" { "folder album" } else { name };
            assert_eq!(browser.eval(LINES), json!([format!("{name}: There is already a {there} here.")]));
            let expected =
                if name == "album" { json!(["Keep both", "✕"]) } else { json!(["Replace it", "Keep both", "✕"]) };
            assert_eq!(buttons(browser, ".uploads li button"), expected);
            press(browser, answer);
            browser.wait(&stored(1));
            assert_eq!(read(lies_in), new);
            browser.wait(&listed(lies_in));
        }
        assert_eq!((&*read("film (2).mp4"), &*read("notes.tar.gz")), ("old film (2).mp4", "old notes.tar.gz"));

        // The user's answer was about the older file, so the newer one is not replaced.
        browser.drop_files(&[outside(scratch, "film.mp4", b"mine")]);
        browser.wait("document.querySelector('.uploads li:is(.failed, .question)')");
        fs::write(folder.join("film.mp4"), "another newer film").unwrap();
        press(browser, "Replace it");
        browser.wait(
            "document.querySelectorAll('.uploads li:is(.failed, .question) button').length == 3 && !document.querySelector('.uploads li.active')",
        );
        site.logged(&["PUT /film.mp4", " 412 "]);
        browser.wait("document.querySelector('.uploads li:is(.failed, .question)')");
        assert_eq!(read("film.mp4"), "another newer film");
        press(browser, "Replace it");
        browser.wait(&stored(1));
        assert_eq!(read("film.mp4"), "mine");

        // A name that is taken meanwhile: only the server knows it, and the condition of the request protects the file.
        fs::write(folder.join("late.txt"), "there first").unwrap();
        browser.drop_files(&[outside(scratch, "late.txt", b"second"), outside(scratch, "film.mp4", b"again")]);
        browser.wait("document.querySelectorAll('.uploads li:is(.failed, .question)').length == 2");
        assert_eq!(read("late.txt"), "there first");
        press(browser, "Keep all");
        browser.wait(&stored(2));
        assert_eq!(
            (&*read("late (2).txt"), &*read("late.txt"), &*read("film (4).mp4")),
            ("second", "there first", "again")
        );
        assert_eq!(complaints(browser), NOTHING);
    });
}

#[test]
fn without_the_right_nothing_is_replaced_or_deleted_and_refusals_are_in_words() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        fs::write(folder.join("film.mp4"), "old").unwrap();
        let site = Site::serve_at("127.0.0.1", &folder, &["--upload", "--max-body", "1M"]);
        browser.open(&site.url);
        assert_eq!(browser.eval("document.querySelectorAll('#rows button, dialog').length"), 0);
        fs::write(folder.join("late.txt"), "there first").unwrap();
        for name in ["film.mp4", "late.txt"] {
            browser.drop_files(&[outside(scratch, name, b"new")]);
            browser.wait("document.querySelector('.uploads li:is(.failed, .question)')");
            assert_eq!(buttons(browser, ".uploads li button"), json!(["Keep both", "✕"]), "{name}");
            browser.click(".uploads li .cross");
            browser.wait("!document.querySelector('.uploads li')");
        }
        let large = sparse(scratch, "large.bin", 64 * MIB);
        browser.drop_files(&[
            large,
            outside(scratch, ".hidden", b"x"),
            outside(scratch, "index.html", b"x"),
            outside(scratch, &format!("{}.txt", "n".repeat(240)), b"fits"),
        ]);
        browser.wait("document.querySelectorAll('.uploads li:is(.failed, .question)').length == 3");
        browser.wait(&stored(1));
        let lines = browser.eval(LINES).to_string();
        assert!(lines.contains("larger than this server accepts: at most 1.0 MB"), "{lines}");
        assert!(lines.contains("A name on this path begins with a dot."), "{lines}");
        assert!(lines.contains("A file called index.html would change the responses of other addresses"), "{lines}");
        assert_eq!((fs::read(folder.join("film.mp4")).unwrap(), names(&folder).len()), (b"old".to_vec(), 3));
        assert_eq!(complaints(browser), NOTHING);

        let site = Site::serve_at("127.0.0.1", &folder, &["--overwrite"]);
        browser.open(&site.url);
        browser.drop_files(&[outside(scratch, "film.mp4", b"new"), outside(scratch, "free.txt", b"new")]);
        browser.wait("document.querySelectorAll('.uploads li:is(.failed, .question)').length == 2");
        let lines = browser.eval(LINES).to_string();
        assert!(lines.contains("There is no free.txt here to replace."), "{lines}");
        press(browser, "Replace it");
        browser.wait(&stored(1));
        assert_eq!(fs::read(folder.join("film.mp4")).unwrap(), b"new");

        let site = Site::serve_at("127.0.0.1", &folder, &["--delete"]);
        browser.open(&site.url);
        assert_eq!(browser.eval("document.querySelectorAll('form.drop, #add').length"), 0);
        assert_ne!(browser.eval("document.querySelectorAll('#rows .cross').length"), 0);
        assert_eq!(complaints(browser), NOTHING);
    });
}

#[test]
fn deleting_asks_first_and_takes_empty_folders_only() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        for name in ["empty", "full"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        fs::write(folder.join("full/inside.txt"), "inside").unwrap();
        for name in ["a <b>\"'.txt", "b.txt", "c.txt"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let latin = folder.join(OsStr::from_bytes(b"x\xe9\xff"));
        fs::write(&latin, "not UTF-8").unwrap();
        let site = Site::serve_at("127.0.0.1", &folder, &["--write"]);
        browser.open(&site.url);
        let bin = |name: &str| format!("#rows tr:has(a[href^='{name}']) .cross");
        let title = "document.querySelector('dialog[open] h2')?.textContent";
        // No.
        browser.click(&bin("b.txt"));
        browser.wait(&format!("{title} == 'Delete b.txt?'"));
        assert_eq!(browser.eval("document.activeElement.textContent"), "Keep it");
        press(browser, "Keep it");
        browser.wait("!document.querySelector('dialog[open]')");
        assert_eq!(browser.eval("document.activeElement.ariaLabel"), "delete b.txt");
        assert!(folder.join("b.txt").exists());
        // Yes: a file, a hostile name, a name that is not UTF-8, an empty folder.
        for (name, path) in [
            ("b.txt", folder.join("b.txt")),
            ("a%20", folder.join("a <b>\"'.txt")),
            ("x%E9", latin),
            ("empty", folder.join("empty")),
        ] {
            browser.click(&bin(name));
            browser.wait("document.querySelector('dialog[open]')");
            press(browser, "Delete");
            browser.wait("!document.querySelector('dialog[open]')");
            assert!(!path.exists(), "{name}");
            assert_eq!(browser.eval("document.activeElement.className"), "cross", "the next row has the focus");
        }
        browser.wait("document.querySelector('.summary').textContent.startsWith('1 folder, 1 file,')");
        assert_eq!(browser.eval(TABLE), json!(["full/", "c.txt"]));
        // A full folder stays, and the server says why.
        browser.click(&bin("full"));
        browser.wait("document.querySelector('dialog[open]')");
        press(browser, "Delete");
        browser.wait("document.querySelector('dialog .error').textContent.includes('not empty')");
        assert_eq!(buttons(browser, "dialog button"), json!(["Close"]));
        pictures(browser, "upload-refused");
        press(browser, "Close");
        // A file that was changed while the question was open is not deleted.
        browser.click(&bin("c.txt"));
        browser.wait("document.querySelector('dialog[open]')");
        fs::write(folder.join("c.txt"), "changed by another").unwrap();
        press(browser, "Delete");
        browser.wait("document.querySelector('dialog .error').textContent.includes('changed')");
        assert_eq!(names(&folder), ["c.txt", "full"]);
        assert_eq!(complaints(browser), NOTHING);
    });
}

#[test]
fn everything_works_by_keyboard_alone() {
    in_browser(|browser, scratch| {
        let folder = scratch.site();
        for name in ["a.txt", "b.txt", "c.txt"] {
            fs::write(folder.join(name), name).unwrap();
        }
        let site = Site::serve_at("127.0.0.1", &folder, &["--write"]);
        browser.open(&site.url);
        let tab_to = |browser: &mut Browser, js: &str| {
            for _ in 0..60 {
                browser.key("Tab");
                if browser.eval(&format!("(e => {js})(document.activeElement)")) == true {
                    return;
                }
            }
            panic!("the Tab key never comes to {js}");
        };
        browser.call("Page.setInterceptFileChooserDialog", json!({"enabled": true}));
        for (button, multiple) in [("e.id == 'add'", "b.txt"), ("e.textContent == 'Choose files'", "new.txt")] {
            tab_to(browser, button);
            browser.key("Enter");
            let chooser = browser.event("Page.fileChooserOpened");
            let file = outside(scratch, multiple, b"by keyboard");
            browser.call("DOM.setFileInputFiles", json!({"files": [file], "backendNodeId": chooser["backendNodeId"]}));
            browser.wait("document.querySelector('.uploads li:is(.failed, .question), .uploads li.stored')");
            if browser.eval("!!document.querySelector('.uploads li:is(.failed, .question)')") == true {
                tab_to(browser, "e.textContent == 'Replace it'");
                browser.key("Enter");
                browser.wait(&stored(1));
                assert!(
                    browser.eval("document.activeElement.closest('.uploads') != null") == true,
                    "the focus is not lost"
                );
            }
            browser.wait(&stored(1));
        }
        assert_eq!(fs::read(folder.join("b.txt")).unwrap(), b"by keyboard");
        browser.wait(&listed("new.txt"));
        // The question of the browser itself is reached, left by Escape, and answered.
        browser.eval("scrollTo(0, 0), document.querySelector('#filter').focus()");
        tab_to(browser, "e.ariaLabel == 'delete b.txt'");
        browser.key("Enter");
        browser.wait("document.querySelector('dialog[open]')");
        browser.key("Escape");
        browser.wait("!document.querySelector('dialog[open]') && document.activeElement.ariaLabel == 'delete b.txt'");
        browser.key("Enter");
        browser.wait("document.querySelector('dialog[open]')");
        tab_to(browser, "e.textContent == 'Delete'");
        browser.key("Enter");
        browser.wait("!document.querySelector('dialog[open]')");
        assert_eq!(
            (browser.eval("document.activeElement.ariaLabel"), folder.join("b.txt").exists()),
            (json!("delete c.txt"), false)
        );
        assert_eq!(browser.complaints(), NOTHING);
    });
}

/// Sends a file with the form and without scripts, and sees it in the list that follows.
fn send_form(browser: &mut Browser, scratch: &Scratch, address: &str) {
    let folder = scratch.site();
    let site = Site::serve_at(address, &folder, &["--upload"]);
    let url = site.url.clone();
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(&url);
    let files =
        ["one", "\"two\" <three>"].map(|name| outside(scratch, &format!("{name} of {address}.txt"), name.as_bytes()));
    browser.choose("input[name=file]", &files);
    for (look, width, dark) in [("phone", 390, false), ("dark", 1000, true), ("light", 1000, false)] {
        browser.look(width, 700, dark);
        browser.screenshot(&screens().join(format!("upload-form-{look}.png")));
    }
    browser.load(|b| b.click("form.drop button"));
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": false}));
    assert_eq!(browser.eval("location.href"), url.as_str());
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        assert!(same(file, &folder.join(name)), "{name}");
        assert_eq!(browser.eval(&listed(name)), true, "{name}");
    }
    site.logged(&["POST / ", " 303 "]);
    assert_eq!(browser.complaints(), NOTHING);
}

#[test]
fn the_form_works_without_scripts() {
    in_browser(|browser, scratch| send_form(browser, scratch, "127.0.0.1"));
}

#[test]
fn the_form_works_at_an_address_that_no_browser_trusts() {
    let all = if_addrs::get_if_addrs().unwrap_or_default();
    let Some(address) =
        all.iter().map(if_addrs::Interface::ip).find(|ip| matches!(ip, IpAddr::V4(ip) if !ip.is_loopback()))
    else {
        return notice("there is no address but loopback here");
    };
    in_browser(|browser, scratch| {
        send_form(browser, scratch, &address.to_string());
        // And with scripts: there no Sec-Fetch-Site is sent, and Origin decides.
        let site = Site::serve_at(&address.to_string(), &scratch.site(), &["--write"]);
        browser.open(&site.url);
        assert_eq!(browser.eval("isSecureContext"), false);
        browser.drop_files(&[outside(scratch, "dropped.txt", b"dropped")]);
        browser.wait(&stored(1));
        browser.wait(&listed("dropped.txt"));
        assert_eq!(browser.complaints(), NOTHING);
    });
}

#[test]
fn the_upload_page_fits_a_phone() {
    in_browser(|browser, scratch| {
        let folder = scratch.site().join("photos/2026");
        fs::create_dir_all(&folder).unwrap();
        for name in ["april", "july at the sea", "raw"] {
            fs::create_dir(folder.join(name)).unwrap();
        }
        for (name, size) in [
            ("beach.jpg", 4_812_345),
            ("caption list.txt", 2_103),
            ("dawn.jpg", 5_200_001),
            ("harbour.mp4", 1_100_000_000),
            ("originals.zip", 268_000_000),
            ("README.md", 640),
            ("Öl auf Holz № 3.png", 1_900_000),
        ] {
            File::create(folder.join(name)).unwrap().set_len(size).unwrap();
        }
        let site = Site::serve_at("127.0.0.1", &scratch.site(), &["--write"]);
        browser.open(&format!("{}photos/2026/", site.url));
        browser.slow(4 << 20);
        browser.drop_files(&[outside(scratch, "заметки 2026-11.pdf", &vec![0; 1_200_000])]);
        browser.wait(&stored(1));
        pictures(browser, "upload-one");
        browser.slow(1 << 20);
        let long = format!("{}.tar.gz", "a-very-long-name-without-a-space-".repeat(4));
        browser.drop_files(&[
            sparse(scratch, "holiday-film.mp4", 32 * MIB),
            outside(scratch, "beach.jpg", b"another beach"),
            outside(scratch, &long, b"x"),
        ]);
        browser.wait("document.querySelector('.uploads progress')?.value > 0.02 && document.querySelector('.uploads :is(.failed, .question)') && document.querySelector('.uploads .stored')");
        pictures(browser, "upload");
        pictures_of(browser, "upload-whole", 1300, 1800);
        browser.look(390, 844, true);
        let small = browser.eval(
            "[...document.querySelectorAll('button, a, input')].filter(e => e.getClientRects().length && !e.closest('td'))
                .map(e => [e.outerHTML.slice(0, 90), e.getBoundingClientRect()]).filter(([_, r]) => r.height < 40 || r.width < 40)
                .map(([html, r]) => `${r.width} x ${r.height}: ${html}`).filter(t => !t.includes('home') && !t.includes('href=\"../\"'))",
        );
        assert_eq!(small, json!([]), "a finger needs 40 px");
        let small = browser.eval("[...document.querySelectorAll('td .cross')].map(e => e.getBoundingClientRect()).filter(r => r.height < 40 || r.width < 40).length");
        assert_eq!(small, 0);
        browser.look(1000, 700, false);
        browser.eval("scrollTo(0, 0)");
        browser.click("#rows tr:has(a[href='beach.jpg']) .cross");
        browser.wait("document.querySelector('dialog[open]')");
        pictures(browser, "upload-question");
    });
}
