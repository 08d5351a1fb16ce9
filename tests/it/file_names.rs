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
        "zero\u{200b}width\u{feff}",
        "שלום.txt",
        "no\u{a0}break",
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
    let links = page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let json: serde_json::Value =
        serde_json::from_slice(&client.get("/", "Accept: application/json\r\n").body).expect("JSON");
    let hrefs = json["entries"].as_array().unwrap().iter().map(|entry| entry["href"].as_str().unwrap());
    let text = client.get("/", "Accept: text/plain\r\n").assert_status(200).text();
    let words: Vec<_> = text.lines().map(|line| line.split_ascii_whitespace().last().unwrap()).collect();
    // What is left of a word can be sent by a client that encodes letters, as curl does, and nothing else.
    let sent =
        |word: &&str| word.bytes().map(|b| if b.is_ascii() { char::from(b).into() } else { encode(&[b]) }).collect();
    let shown: Vec<_> = (0..names.len()).filter(|i| !hidden(&names[*i])).collect();
    for (form, links) in [
        ("HTML", links.map(str::to_string).collect::<Vec<_>>()),
        ("JSON", hrefs.map(|href| href.strip_prefix("./").unwrap().to_string()).collect()),
        ("text", words.iter().map(sent).collect()),
    ] {
        let file = |link: &String| -> usize {
            let text = client.get(&format!("/{link}"), "").assert_status(200).text();
            text.strip_prefix("file ").expect("a file of ours").parse().unwrap()
        };
        let mut opened: Vec<_> = links.iter().map(file).collect();
        opened.sort_unstable();
        assert_eq!(opened, shown, "{form}: not each name leads to its own file, once");
    }
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
    let unsafe_char = |c: char| c != '\n' && (c.is_control() || "\u{202e}\u{200b}\u{feff}".contains(c));
    assert!(!text.contains(unsafe_char), "a name reached the terminal raw");
    assert!(text.contains("emoji%20\u{1f980}.txt") && text.contains("e\u{301}.txt"), "letters are not encoded");
    let shown = names.iter().filter(|n| !n.starts_with(b".")).count();
    assert!(text.lines().count() >= shown && text.lines().count() < shown + 10, "a name became two lines");
}
