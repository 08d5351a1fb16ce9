//! Any file name works: every byte that a name may have, and names that look like something else.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::client::{Client, encode, get};
use crate::support::folder::Folder;
use crate::support::server::Server;

fn hostile() -> Vec<Vec<u8>> {
    let mut names: Vec<Vec<u8>> =
        (1..=255_u8).filter(|&o| o != b'/').map(|o| [b"x", &[o][..], b"y.txt"].concat()).collect();
    names.extend((1..=255_u8).filter(|o| !b"/.".contains(o)).map(|o| vec![o]));
    for name in [
        "<img src=x onerror=alert(1)>.txt",
        "\"quotes\" and 'quotes'.txt",
        "100%.txt",
        "%41.txt",
        "%2e%2e%2fx.txt",
        "a#b?c.txt",
        "a&amp;b.txt",
        "&lt;b&gt;.txt",
        "javascript:alert(1)",
        "http:",
        "c:\\windows",
        " leading and trailing ",
        "tab\tand\nline",
        "emoji \u{1f980}.txt",
        "\u{202e}txt.exe",
        "e\u{301}.txt",
        "...",
        "..a",
        "a..",
        "CON",
        "-rf",
        "~",
        "</script><script>alert(1)</script>".replace('/', "\u{2215}").as_str(),
    ] {
        names.push(name.as_bytes().to_vec());
    }
    names.push(b"latin-1 \xe9\xff.txt".to_vec());
    names.push(b"\xff\xfe\xfd".to_vec());
    names.push(b"\xed\xa0\x80 lone surrogate".to_vec());
    names.push(vec![b'n'; 255]);
    names.sort_unstable();
    names.dedup();
    names
}

#[test]
fn every_name_is_fetched_by_its_encoding_and_linked_by_the_listing() {
    let folder = Folder::new();
    let names = hostile();
    for (i, name) in names.iter().enumerate() {
        folder.write(OsStr::from_bytes(name), format!("file {i}"));
    }
    let server = Server::start(&folder, &[]);
    let mut client = Client::connect(&server);
    let hidden = |name: &[u8]| name.starts_with(b".");
    for (i, name) in names.iter().enumerate() {
        let target = format!("/{}", encode(name));
        let answer = client.get(&target, "");
        if hidden(name) {
            answer.assert_status(404);
            continue;
        }
        assert_eq!(answer.assert_status(200).text(), format!("file {i}"), "{target}");
    }

    let page = client.get("/", "Accept: text/html\r\n").assert_status(200).text();
    assert!(!page.contains("<img src=x"), "a name became markup");
    let links: Vec<_> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let mut opened = std::collections::BTreeSet::new();
    for link in links {
        let link = link.replace("&amp;", "&").replace("&#38;", "&").replace("&#x26;", "&").replace("&#39;", "'");
        let Some(name) = link.strip_prefix("./") else { continue };
        // Links for sorting, and the style and script of the page, are no names of files.
        if name.is_empty() || name.starts_with('?') || name.starts_with(".barewire/") {
            continue;
        }
        let text = client.get(&format!("/{name}"), "").assert_status(200).text();
        opened.insert(text.strip_prefix("file ").expect("a file of ours").parse::<usize>().unwrap());
    }
    let missing: Vec<_> = (0..names.len())
        .filter(|i| !hidden(&names[*i]) && !opened.contains(i))
        .map(|i| String::from_utf8_lossy(&names[i]).into_owned())
        .collect();
    assert!(missing.is_empty(), "not linked: {missing:?}");
    client.end();
}

#[test]
fn json_and_text_listings_cannot_be_broken_out_of() {
    let folder = Folder::new();
    let names = hostile();
    for name in &names {
        folder.write(OsStr::from_bytes(name), "");
    }
    let server = Server::start(&folder, &[]);
    let json = get(&server, "/", "Accept: application/json\r\n");
    let value: serde_json::Value = serde_json::from_slice(&json.assert_status(200).body).expect("JSON");
    assert!(value.to_string().contains("onerror"), "{value}");
    let text = get(&server, "/", "Accept: text/plain\r\n").assert_status(200).text();
    assert!(!text.contains('\x1b') && !text.contains('\r'), "a name reached the terminal raw");
    let shown = names.iter().filter(|n| !n.starts_with(b".")).count();
    assert!(text.lines().count() >= shown && text.lines().count() < shown + 10, "a name became two lines");
}
