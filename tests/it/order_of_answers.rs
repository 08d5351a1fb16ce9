//! The order of checks: of two things wrong, the response names the one that is checked first.
//!
//! Each test makes two things wrong, and then puts each of them right. So a refusal that is right by accident is found.

use crate::cross_origin::EVIL;
use crate::support::client::{basic, get, raw};
use crate::support::folder::small_site;
use crate::support::server::Server;

/// A size that no disk has room for, and that is below the bound of the server.
const HUGE: &str = "500000000000000";

#[test]
fn of_two_things_wrong_the_one_checked_first_is_named() {
    let folder = small_site();
    let arguments = ["--write", "--max-body", "900T", "--auth", "ann:one", "--cors=http://app.example"];
    let server = Server::start(&folder, &arguments);
    let right = basic("ann:one");
    let answer = |method: &str, target: &str, host: &str, fields: &str| {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        raw(&server, head, method).status
    };
    let preflight = "Origin: http://app.example\r\nAccess-Control-Request-Method: PUT\r\n";
    let unlucky = "If-Match: \"other\"\r\n";
    // 1 before 2: malformed, and for a foreign host.
    assert_eq!(answer("GET", "/%zz", "evil.example", ""), 400);
    assert_eq!(answer("GET", "/a.txt", "evil.example", "A B: c\r\n"), 400);
    assert_eq!(answer("GET", "/a.txt", "evil.example", &right), 421);
    // 2 before 3: a foreign host, and an unknown method.
    assert_eq!(answer("BREW", "/a.txt", "evil.example", ""), 421);
    assert_eq!(answer("TRACE", "/a.txt", "evil.example", ""), 421);
    // 2 before 4.
    assert_eq!(answer("OPTIONS", "/a.txt", "evil.example", preflight), 421);
    // 3 before 5 and 6: an unknown method, from another site, without a password.
    assert_eq!(answer("BREW", "/a.txt", "localhost", EVIL), 501);
    assert_eq!(answer("TRACE", "/a.txt", "localhost", EVIL), 405);
    // 4 before 6: a preflight has no password. 4 before 7: its target need not exist.
    assert_eq!(answer("OPTIONS", "/missing", "localhost", preflight), 204);
    // 5 before 6: a write from another site, without a password.
    assert_eq!(answer("DELETE", "/a.txt", "localhost", EVIL), 403);
    assert_eq!(answer("DELETE", "/missing", "localhost", &format!("{EVIL}{right}")), 403);
    // 2 before `/.health`, and `/.health` before 6: a probe has no password, and only GET and HEAD are one.
    assert_eq!(answer("GET", "/.health", "evil.example", ""), 421);
    assert_eq!(answer("GET", "/.health", "localhost", ""), 200);
    assert_eq!(answer("PUT", "/.health", "localhost", ""), 401);
    assert_eq!(answer("GET", "/.health", "localhost", "X-Forwarded-For: 192.0.2.1\r\n"), 401);
    // 6 before 7: without a password a client does not learn which files exist.
    assert_eq!(answer("DELETE", "/missing", "localhost", ""), 401);
    assert_eq!(answer("GET", "/missing", "localhost", ""), 401);
    assert_eq!(answer("DELETE", "/missing", "localhost", &right), 404);
    // 7 before 8: a target that does not exist has no rights.
    assert_eq!(answer("POST", "/missing/", "localhost", &right), 404);
    assert_eq!(answer("POST", "/a.txt", "localhost", &right), 405);
    // 8 before 9: no right, and an unknown expectation, no length, too long.
    assert_eq!(answer("POST", "/a.txt", "localhost", &format!("{right}Expect: x\r\n")), 405);
    assert_eq!(answer("PUT", "/dir/c.txt", "localhost", &format!("{right}Expect: x\r\nContent-Length: 1\r\n")), 417);
    assert_eq!(answer("PUT", "/dir/c.txt", "localhost", &right), 411);
    assert_eq!(answer("PUT", "/dir/c.txt", "localhost", &format!("{right}Content-Length: {HUGE}0\r\n")), 413);
    // 9 before 10: no length, and a condition that does not hold.
    assert_eq!(answer("PUT", "/a.txt", "localhost", &format!("{right}{unlucky}")), 411);
    assert_eq!(
        answer("PUT", "/a.txt", "localhost", &format!("{right}{unlucky}Expect: x\r\nContent-Length: 1\r\n")),
        417
    );
    // 10 before 11: a condition that does not hold, and a full disk.
    assert_eq!(answer("PUT", "/a.txt", "localhost", &format!("{right}{unlucky}Content-Length: {HUGE}\r\n")), 412);
    assert_eq!(answer("PUT", "/a.txt", "localhost", &format!("{right}Content-Length: {HUGE}\r\n")), 507);
    // 10 before 12: a condition, and a range beyond the end.
    assert_eq!(answer("GET", "/a.txt", "localhost", &format!("{right}If-None-Match: *\r\nRange: bytes=99-\r\n")), 304);
    assert_eq!(answer("GET", "/a.txt", "localhost", &format!("{right}{unlucky}Range: bytes=99-\r\n")), 412);
    assert_eq!(answer("GET", "/a.txt", "localhost", &format!("{right}Range: bytes=99-\r\n")), 416);
    assert_eq!(get(&server, "/a.txt", &right).text(), "fine");
}
