//! Environment variables set options that are not typed.

use crate::program::{assert_error, barewire, get, run, site_folder};
use crate::support::server::Server;

#[test]
fn a_wrong_variable_is_blamed_by_its_own_name() {
    let folder = site_folder();
    for (name, value, complaint) in [
        (
            "BAREWIRE_PORT",
            "x",
            "BAREWIRE_PORT takes a number from 0 to 65535, not \"x\".\nFor example:  barewire -p 9000\n",
        ),
        (
            "BAREWIRE_LOG",
            "loud",
            "BAREWIRE_LOG does not take \"loud\". It takes one of these words: short, common, combined, json, off.\nFor example:  barewire --log json >access.log\n",
        ),
        ("BAREWIRE_LAN", "perhaps", "BAREWIRE_LAN takes true or false, not \"perhaps\".\n"),
    ] {
        assert_error(barewire(&folder, &[]).env(name, value), 2, &format!("barewire: {complaint}"));
    }
    let typed =
        "barewire: --log does not take \"x\". It takes one of these words: short, common, combined, json, off.\n";
    let (exit, _, said) = run(barewire(&folder, &["--log", "x"]).env("BAREWIRE_LOG", "json"));
    assert_eq!((exit, said.starts_with(typed)), (2, true), "{said}");
}

#[test]
fn variables_set_what_is_not_typed() {
    let folder = site_folder();
    let mut command = barewire(&folder, &["-p", "0", "site"]);
    command.env("BAREWIRE_PORT", "1").env("BAREWIRE_HEADER", "X-One: 1\nX-Two: a, b").env("BAREWIRE_NO_LISTING", "");
    let server = Server::of(&mut command);
    let answer = get(server.port(), "/a.txt");
    assert!(answer.contains("\r\nX-One: 1\r\n") && answer.contains("\r\nX-Two: a, b\r\n"), "{answer}");
    assert!(get(server.port(), "/").starts_with("HTTP/1.1 200 "), "an empty variable counts as none");

    // Kubernetes sets this variable beside a Service of this name. It is no option.
    let mut command = barewire(&folder, &["site"]);
    let server = Server::of(command.env("BAREWIRE_PORT", "tcp://10.0.0.1:80"));
    assert!((8080..=8099).contains(&server.port()), "{}", server.line());
}
