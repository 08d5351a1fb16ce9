//! Ports and addresses: which are taken, and what is said where that fails.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::process::Signal;

use crate::program::{PASS_SOCKET, assert_error, barewire, get, run, shell, site_folder, without_rights};
use crate::support::client::{converse, request};
use crate::support::notice;
use crate::support::server::Server;

#[test]
fn a_taken_port_names_its_owner_and_one_that_is_free() {
    let folder = site_folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let (exit, _, said) = run(&mut barewire(&folder, &["-p", &port.to_string(), "site"]));
    let comm = fs::read_to_string(format!("/proc/{}/comm", std::process::id())).unwrap();
    let owner = format!("(by {}, pid {})", comm.trim_end(), std::process::id());
    let first =
        format!("barewire: port {port} on 127.0.0.1 is already in use {owner}.\nUse another one:  barewire -p ");
    let free = said.strip_prefix(&first).unwrap_or_else(|| panic!("{said}")).trim_end();
    let free: u16 = free.parse().unwrap();
    assert_eq!((exit, free > port && free <= port.saturating_add(100) || free == 0), (3, true), "{said}");
}

#[test]
fn two_servers_never_share_a_port() {
    let folder = site_folder();
    let first = Server::of(&mut barewire(&folder, &["-p", "0", "--loops", "2", "site"]));
    let (port, pid) = (first.port(), first.pid());
    let (exit, _, said) = run(&mut barewire(&folder, &["-p", &port.to_string(), "--loops", "2", "site"]));
    let expected = format!("barewire: port {port} on 127.0.0.1 is already in use (by barewire, pid {pid}).\n");
    assert!(exit == 3 && said.starts_with(&expected), "{exit} {said}");
    let (exit, _, said) = run(&mut barewire(&folder, &["-p", &port.to_string(), "-b", "0.0.0.0", "site"]));
    let expected = format!("barewire: port {port} on 0.0.0.0 is already in use (by barewire, pid {pid}).\n");
    assert!(exit == 3 && said.starts_with(&expected), "{exit} {said}");
}

#[test]
fn without_a_port_the_next_free_one_is_taken() {
    let folder = site_folder();
    let servers = [(); 3].map(|()| Server::of(&mut barewire(&folder, &["site"])));
    let ports: BTreeSet<u16> = servers.iter().map(|server| server.port()).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| (8080..=8099).contains(port)), "{ports:?}");
    assert!(servers.iter().all(|server| get(server.port(), "/a.txt").ends_with("hello\n")));
}

#[test]
fn an_address_of_another_computer_is_refused_with_those_here() {
    let folder = site_folder();
    let (exit, _, said) = run(&mut barewire(&folder, &["-p", "0", "-b", "203.0.113.77", "site"]));
    let expected = "barewire: 203.0.113.77 is not an address of this computer. Addresses here: 127.0.0.1";
    assert!(exit == 3 && said.starts_with(expected), "{exit} {said}");
}

#[test]
fn a_low_port_needs_special_rights() {
    let folder = site_folder();
    let first_free = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or("1024".into());
    let port: u16 = 79;
    if first_free.trim().parse::<u16>().unwrap() <= port {
        notice("every user may use low ports here (the message itself is tested in src/program/listen)");
        return;
    }
    let complaint = "barewire: port 79 needs special rights.\nUse a port above 1023:  barewire -p 8080\n";
    assert_error(&mut without_rights(&folder, &["-p", "79", "site"]), 3, complaint);
}

#[test]
fn a_socket_passed_by_a_service_manager_is_used() {
    let folder = site_folder();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut command = shell(&folder, PASS_SOCKET, &["-p", "1", "site"]);
    let server = Server::of(command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap()))));
    assert_eq!(server.port(), port);
    assert!(get(server.port(), "/a.txt").ends_with("hello\n"));

    let mut command = shell(&folder, PASS_SOCKET, &["site"]);
    command.stdin(Stdio::from(OwnedFd::from(File::open("/dev/null").unwrap())));
    let (exit, _, said) = run(&mut command);
    assert!(
        exit == 3 && said.starts_with("barewire: a socket passed by the service manager cannot be used ("),
        "{said}"
    );
}

#[test]
fn the_view_has_a_port_of_its_own_or_says_why_not() {
    let folder = site_folder();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let arguments = ["-p", "0", "--study", "--wire-port", &port, "site"];
    let (exit, _, said) = run(&mut barewire(&folder, &arguments));
    let (what, advice) = said.split_once('\n').unwrap();
    assert!(what.starts_with(&format!("barewire: port {port} on 127.0.0.1 is already in use (by ")), "{said}");
    assert!(advice.starts_with("Use another one:  barewire --study --wire-port "), "{said}");
    assert_eq!(exit, 3);
    drop(taken);
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "--study", "site"]));
    let line = server.err.line("wire view http://");
    let url = line.strip_prefix("wire view http://127.0.0.1:").unwrap();
    let (view, key) = url.trim_end().split_once("/#k=").unwrap();
    let view: u16 = view.parse().unwrap();
    assert!(view != server.port() && key.len() == 22, "{line}");
    // It listens before it says so.
    assert!(get(view, "/").starts_with("HTTP/1.1 403 "), "a name without port is not one of its names");
    let (exit, said) = server.stop(Signal::TERM);
    assert_eq!((exit, said.lines().count()), (0, 2), "the view and the end: {said}");
}

/// The link-local addresses of this computer: address, number and name of the interface.
fn link_local() -> Option<(Ipv6Addr, u32, String)> {
    // fe8000000000000000fc00fffe000001 04 40 20 80 eth0: address, interface, prefix, scope, flags, name.
    let table = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = u128::from_str_radix(words[0], 16).ok()?;
        let interface = u32::from_str_radix(words[1], 16).ok()?;
        (words[3] == "20").then(|| (Ipv6Addr::from_bits(address), interface, words[5].to_string()))
    })
}

#[test]
fn a_link_local_address_with_its_interface_is_served_and_its_url_is_one_for_curl() {
    let Some((address, number, name)) = link_local() else {
        return notice("skipped: no interface has a link-local address");
    };
    let folder = site_folder();
    let bind = format!("{address}%{name}");
    let server = Server::of(&mut barewire(&folder, &["-p", "0", "-b", "127.0.0.1", "-b", &bind, "site"]));
    let port = server.port();
    let response =
        converse(SocketAddrV6::new(address, port, 0, number).into(), request("GET", "/a.txt", "Connection: close\r\n"));
    assert!(response.ends_with(b"hello\n"), "{}", response.escape_ascii());
    let line = format!("listening on http://127.0.0.1:{port}/ http://[{address}%25{name}]:{port}/ serving ./site\n");
    assert_eq!(server.line(), line);
}
