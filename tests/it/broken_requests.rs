//! Thousands of broken requests, from a fixed seed: none crashes the server, and none is answered as a fault of the
//! server.

use crate::support::client::{Client, get};
use crate::support::folder::Folder;
use crate::support::mutants::{Dice, mutant};
use crate::support::rounds;
use crate::support::server::Server;

const SEEDS: [&str; 8] = [
    "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nAccept: text/html;q=0.9, */*;q=0.1\r\n\r\n",
    "HEAD /dir/?sort=name&order=desc HTTP/1.1\r\nHost: localhost:80\r\nAccept-Encoding: gzip, br;q=0.5\r\n\r\n",
    "GET /big.bin HTTP/1.1\r\nHost: [::1]\r\nRange: bytes=0-99,200-,-5\r\nIf-Range: \"abc\"\r\n\r\n",
    "POST /a.txt HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX: y\r\n\r\n",
    "PUT /new HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello",
    "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close, x\r\n\r\n",
    "GET http://localhost:80/%e2%82%ac/..a?x#y HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: W/\"x\", *\r\nIf-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n",
];

#[test]
fn mutants_of_good_requests_crash_nothing_and_are_never_the_servers_fault() {
    let folder = Folder::with(&[("a.txt", "fine"), ("dir/b.txt", "b")]);
    folder.pattern("big.bin", 70_000);
    let mut server = Server::start(&folder, &["--log", "off"]);
    let seeds: Vec<Vec<u8>> = SEEDS.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let mut dice = Dice(0x5eed_cafe_f00d_1234);
    for i in 0..rounds(500, 4_000) {
        let bytes = mutant(&mut dice, &seeds);
        let mut client = Client::connect(&server);
        client.send(&bytes);
        client.half_close();
        let (answer, _) = client.rest();
        let shown = || format!("mutant {i}: {}\n{}", bytes.escape_ascii(), String::from_utf8_lossy(&answer));
        if !answer.is_empty() {
            let status = answer
                .strip_prefix(b"HTTP/1.1 ")
                .and_then(|rest| rest.get(..3))
                .unwrap_or_else(|| panic!("{}", shown()));
            // 501 and 505 are statements about the request; 100 cannot come, since nothing here takes content.
            assert!(status[0] != b'1', "{}", shown());
            assert!(status[0] != b'5' || status == b"501" || status == b"505", "{}", shown());
        }
        if i % 100 == 0 {
            assert_eq!(get(&server, "/a.txt", "").text(), "fine", "after mutant {i}");
        }
    }
    server.assert_alive();
}
