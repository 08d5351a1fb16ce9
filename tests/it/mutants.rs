//! Thousands of broken requests, from a fixed seed: nothing crashes it, nothing is a server's fault.

use crate::client::{Client, get};
use crate::server::{Folder, Server};

/// xorshift64: the same mutants on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

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

const PIECES: [&[u8]; 16] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b",",
    b"\"",
    b"%",
    b"%00",
    b"../",
    b"\xff",
    b"\x80",
    b"Content-Length: 3\r\n",
    b"99999999999999999999",
];

fn mutate(random: &mut Random) -> Vec<u8> {
    let mut octets = SEEDS[random.below(SEEDS.len())].as_bytes().to_vec();
    if random.below(4) == 0 {
        octets.extend_from_slice(SEEDS[random.below(SEEDS.len())].as_bytes());
    }
    for _ in 0..=random.below(4) {
        let at = random.below(octets.len() + 1);
        let len = random.below(12).min(octets.len() - at);
        match random.below(7) {
            0 if at < octets.len() => octets[at] ^= 1 << random.below(8),
            1 if at < octets.len() => octets[at] = random.below(256) as u8,
            2 => drop(octets.drain(at..at + len)),
            3 => {
                let again = octets[at..at + len].to_vec();
                octets.splice(at..at, again);
            }
            4 => octets.truncate(at.max(1)),
            _ => drop(octets.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
        }
        if octets.is_empty() {
            octets.push(b'G');
        }
    }
    octets
}

#[test]
fn mutants_of_good_requests_crash_nothing_and_blame_nobody_else() {
    let folder = Folder::with(&[("a.txt", "fine"), ("dir/b.txt", "b")]);
    folder.pattern("big.bin", 70_000);
    let mut server = Server::start(&folder, &["--log", "off"]);
    let mut random = Random(0x5eed_cafe_f00d_1234);
    for i in 0..4_000 {
        let octets = mutate(&mut random);
        let mut client = Client::connect(&server);
        client.send(&octets);
        client.half_close();
        let (answer, _) = client.rest();
        let shown = || format!("mutant {i}: {}\n{}", octets.escape_ascii(), String::from_utf8_lossy(&answer));
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
