//! The texts at the start and at the end, on standard error (standard output carries the access log).
//!
//! ```text
//!   barewire 0.1   serving ./public  (read only)
//!
//!   http://127.0.0.1:8080/          open this
//!
//!   Only this computer can connect.      barewire --lan      share on your network
//!   See every byte:                      barewire --study
//!   Stop: Ctrl-C
//! ```
//!
//! A terminal gets this start screen, at most [`LINES`] lines. Everything else gets the one line that scripts wait
//! for: `listening on http://127.0.0.1:8080/ serving ./public`; a server that others can reach adds their URLs after the
//! first one. The sentence about who can connect follows from the
//! sockets and not from the options, since a service manager may have passed other sockets. A URL has spaces around it,
//! so that terminals make it a link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use barewire::net::Report;
use barewire::service::text::{grouped, size};

use crate::program::error::TEXTS;
use crate::program::options::{AuthFor, WriteOptions};
use crate::program::zone;

/// A start screen longer than this scrolls its most important lines out of sight.
const LINES: usize = 12;
/// The most URLs in the line for scripts: a machine with containers has dozens of addresses.
const LINE_URLS: usize = 8;
/// The column width of URLs. Every URL with an IPv4 address fits, and three spaces are left after the longest one.
const URL_WIDTH: usize = 32;

/// The content of the start screen.
#[derive(Debug, Default)]
pub(crate) struct Banner {
    /// The name of the folder or file, safe to print.
    pub(crate) title: String,
    pub(crate) addresses: Vec<SocketAddr>,
    /// The paths of Unix sockets, safe to print.
    pub(crate) unix: Vec<String>,
    /// The addresses of this computer on the network, with their interfaces.
    pub(crate) network: Vec<(IpAddr, String)>,
    /// Which changes others may make, from [`changes`]; `None` if they may only read.
    pub(crate) changes: Option<String>,
    /// What a password is needed for, if for anything.
    pub(crate) password: Option<AuthFor>,
    /// The default port was taken.
    pub(crate) moved: bool,
    /// The URL of the wire view in a browser, with its key (`--study`).
    pub(crate) view: Option<String>,
    /// The URL of the counts (`--metrics`).
    pub(crate) metrics: Option<String>,
    /// The wire view shows secrets.
    pub(crate) secrets: bool,
    pub(crate) remarks: Vec<String>,
    /// Whether to use bold type and colors.
    pub(crate) color: bool,
}

/// The changes that others may make to the files.
pub(crate) fn changes(options: &WriteOptions) -> Option<String> {
    let rights = [(options.upload, "added"), (options.overwrite, "replaced"), (options.delete, "removed")];
    let words = rights.into_iter().filter(|(given, _)| *given).map(|(_, name)| TEXTS.say(name, &[]));
    let list = words.collect::<Vec<_>>().join(", ");
    (!list.is_empty()).then(|| TEXTS.say("changes", &[("changes", &list)]))
}

impl Banner {
    /// The line for scripts; with `--study` one more with the URL of the wire view, with `--metrics` one with that of the
    /// counts.
    pub(crate) fn line(&self) -> String {
        // Not in the table of texts: scripts read these words, so they are the same in every language.
        let view = self.view.as_ref().map(|url| format!("wire view {url}\n")).unwrap_or_default();
        let metrics = self.metrics.as_ref().map(|url| format!("metrics {url}\n")).unwrap_or_default();
        // The first URL is the one for this computer. Scripts take that, and people the next ones.
        let urls: Vec<String> = self.urls().into_iter().take(LINE_URLS).map(|(url, _)| url).collect();
        format!("listening on {} serving {}\n{view}{metrics}", urls.join(" "), self.title)
    }

    /// The URL for this computer, or the first one there is.
    fn url(&self) -> String {
        self.urls().first().map(|(url, _)| url.clone()).unwrap_or_default()
    }

    /// The escape sequences for bold type, for yellow, and for neither.
    fn styles(&self) -> [&'static str; 3] {
        if self.color { ["\x1b[1m", "\x1b[33m", "\x1b[0m"] } else { [""; 3] }
    }

    /// The lines of `--study`: the wire view, the practice endpoints, the labs.
    fn study_lines(&self) -> Vec<String> {
        let Some(view) = &self.view else { return Vec::new() };
        let ([bold, _, off], url) = (self.styles(), self.url());
        let in_bold = |url: String| format!("{bold}{url}{off}");
        // The key stands in the URL of the view, so nothing may follow it without a space.
        let name = if self.secrets { "view with secrets" } else { "view" };
        let practice = format!("{url}.try/");
        vec![
            TEXTS.say(name, &[("view", &in_bold(view.clone()))]),
            TEXTS.say("practice", &[("url", &in_bold(practice.clone())), ("curl", &practice)]),
            TEXTS.say("labs", &[("url", &in_bold(practice + "learn/"))]),
        ]
    }

    /// The lines below the URLs: warnings first, then hints.
    fn notes(&self) -> Vec<String> {
        let [_, yellow, off] = self.styles();
        let mut notes = Vec::new();
        // First, since a bookmark or another program may still use the old port.
        if self.moved {
            // The port is the same at all addresses.
            let port = self.addresses.first().map_or(0, SocketAddr::port);
            notes.push(TEXTS.say("moved", &[("port", &port)]));
        }
        notes.push(match self.is_local() {
            true => TEXTS.say("only this computer", &[]),
            false => format!("{yellow}!{off} {}", TEXTS.say(self.network_warning(), &[])),
        });
        notes.extend(self.remarks.iter().map(|remark| format!("{yellow}!{off} {remark}")));
        // The hint is only shown when it takes no line from a warning or a URL.
        if self.view.is_none() && notes.len() + self.urls().len() + 6 <= LINES {
            notes.push(TEXTS.say("see every byte", &[]));
        }
        notes.extend(self.metrics.as_ref().map(|url| TEXTS.say("metrics", &[("url", url)])));
        notes.push(TEXTS.say("stop", &[]));
        notes
    }

    /// The row of the texts about the rights of all clients on the network.
    fn network_warning(&self) -> &'static str {
        // Without a password: the most that a client can do. With one: where it is needed.
        match (self.password, self.view.is_some(), self.changes.is_some()) {
            (None, true, true) => "anyone changes, practice",
            (None, true, false) => "anyone reads, practice",
            (None, false, _) => "anyone reads",
            (Some(AuthFor::All), ..) => "password for all",
            (Some(AuthFor::Write), ..) => "password for changes",
        }
    }

    pub(crate) fn screen(&self) -> String {
        let [bold, _, off] = self.styles();
        let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let (urls, study, notes) = (self.urls(), self.study_lines(), self.notes());
        let in_bold = |text: &str| format!("{bold}{text}{off}");
        let changes = self.changes.clone().unwrap_or_else(|| TEXTS.say("read only", &[]));
        let (name, title) = (in_bold("barewire"), in_bold(&self.title));
        let first =
            [("barewire", &name as _), ("version", &version as _), ("title", &title as _), ("changes", &changes as _)];
        let mut lines = vec![TEXTS.say("title", &first), String::new()];
        // Four lines are taken: the first one, and blank ones before and after the URLs and at the end. The
        // URLs get the rest, since a URL can be looked up elsewhere and a warning cannot.
        let more = study.len() + usize::from(!study.is_empty());
        let free = LINES.saturating_sub(notes.len() + more + 4).max(1);
        let shown = if urls.len() > free { free.saturating_sub(1).max(1) } else { urls.len() };
        lines.extend(urls[..shown].iter().map(|(url, meaning)| {
            // The padding is computed here, since `{:32}` would count the escape sequences of bold type.
            let space = URL_WIDTH.saturating_sub(url.len());
            format!("{bold}{url}{off}{:space$}{meaning}", "")
        }));
        if shown < urls.len() && free > 1 {
            lines.push(TEXTS.say("more addresses", &[("n", &(urls.len() - shown))]));
        }
        lines.push(String::new());
        lines.extend(study);
        // Blank lines are the first to go on a full screen.
        if more > 0 && lines.len() + notes.len() < LINES {
            lines.push(String::new());
        }
        lines.extend(notes);
        if lines.len() < LINES {
            lines.push(String::new());
        }
        lines.into_iter().map(|line| if line.is_empty() { "\n".into() } else { format!("  {line}\n") }).collect()
    }

    /// Whether only this computer can connect, as the sockets say.
    fn is_local(&self) -> bool {
        self.addresses.iter().all(|address| address.ip().to_canonical().is_loopback())
    }

    /// Each URL and who can use it.
    fn urls(&self) -> Vec<(String, String)> {
        let mut urls: Vec<(String, String)> = Vec::new();
        // Two sockets may lead to the same URL: 127.0.0.1 and 0.0.0.0.
        let mut add = |address: SocketAddr, meaning: String| {
            let url = zone::url(address);
            if urls.iter().all(|(other, _)| *other != url) {
                urls.push((url, meaning));
            }
        };
        // One URL for this computer is enough: 127.0.0.1 and ::1 reach the same server.
        let own = self.addresses.iter().filter(|a| a.ip().is_loopback() || a.ip().is_unspecified());
        if let Some(own) = own.min_by_key(|a| a.is_ipv6()) {
            let meaning = if self.is_local() { "open this" } else { "this computer" };
            add(SocketAddr::new(reachable(own.ip()), own.port()), TEXTS.say(meaning, &[]));
        }
        for address in self.addresses.iter().filter(|address| !address.ip().is_loopback()) {
            // A wildcard stands for all addresses of its family that other computers can reach.
            let is_wildcard = address.ip().is_unspecified();
            let is_bound = |ip: &IpAddr| *ip == address.ip() || is_wildcard && ip.is_ipv4() == address.is_ipv4();
            for (ip, interface) in self.network.iter().filter(|(ip, _)| is_bound(ip)) {
                add(SocketAddr::new(*ip, address.port()), TEXTS.say("interface", &[("interface", interface)]));
            }
            // An address without interface: the socket was passed by a service manager, or it came up later.
            if !is_wildcard {
                add(*address, TEXTS.say("network", &[]));
            }
        }
        urls.extend(self.unix.iter().map(|path| (format!("unix:{path}"), TEXTS.say("this computer", &[]))));
        urls
    }
}

/// The address at which this computer reaches a socket bound to `ip`: for a wildcard, loopback.
pub(crate) fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(four) if four.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(six) if six.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// The last line: `stopped: 1,204 requests, 38 MB, 2 h 10 min`.
pub(crate) fn farewell(report: &Report, ran: Duration, grace: Duration) -> String {
    let (requests, ran) = (grouped(report.requests), time(ran.as_secs()));
    let mut parts =
        vec![TEXTS.say("stopped", &[("requests", &requests), ("size", &size(report.bytes)), ("time", &ran)])];
    // Connections cut off mean lost downloads, so they are reported even if there was only one.
    if report.cut_off > 0 {
        let (connections, grace) = (grouped(report.cut_off), time(grace.as_secs()));
        parts.push(TEXTS.say("cut off", &[("connections", &connections), ("time", &grace)]));
    }
    if report.unfinished > 0 {
        parts.push(TEXTS.say("unfinished", &[("operations", &grouped(report.unfinished))]));
    }
    parts.join("; ") + "\n"
}

/// A time in its two largest units: `2 h 10 min`.
fn time(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let Some(first) = units.iter().position(|(length, _)| seconds >= *length) else { return "0 s".into() };
    let mut rest = seconds;
    let parts = units[first..].iter().take(2).filter_map(|(length, name)| {
        // A unit of which there are none is left out: "1 h" and not "1 h 0 min".
        let count = rest / length;
        rest %= length;
        (count > 0).then(|| format!("{count} {name}"))
    });
    parts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banner(addresses: &[&str], network: &[(&str, &str)]) -> Banner {
        Banner {
            title: "./public".into(),
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            network: network.iter().map(|(a, i)| (a.parse().unwrap(), i.to_string())).collect(),
            ..Banner::default()
        }
    }

    #[test]
    fn the_usual_start_is_one_url_and_who_can_use_it() {
        let banner = banner(&["127.0.0.1:8080", "[::1]:8080"], &[("192.168.1.20", "wlan0")]);
        let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let expected = format!(
            "  barewire {version}   serving ./public  (read only)\n\n  \
             http://127.0.0.1:8080/          open this\n\n  \
             Only this computer can connect.      barewire --lan      share on your network\n  \
             See every byte:                      barewire --study\n  \
             Stop: Ctrl-C\n\n"
        );
        assert_eq!(banner.screen(), expected);
        assert_eq!(banner.line(), "listening on http://127.0.0.1:8080/ serving ./public\n");
    }

    #[test]
    fn an_open_server_says_so_and_lists_what_others_can_type() {
        let network = [("192.168.1.20", "wlan0"), ("10.0.0.2", "tun0"), ("2001:db8::5", "wlan0")];
        let screen = banner(&["0.0.0.0:8080", "[::]:8080"], &network).screen();
        for line in [
            "  http://127.0.0.1:8080/          this computer",
            "  http://192.168.1.20:8080/       your network (wlan0)",
            "  http://10.0.0.2:8080/           your network (tun0)",
            "  http://[2001:db8::5]:8080/      your network (wlan0)",
            "  ! Anyone on your network can read these files.",
        ] {
            assert!(screen.lines().any(|other| other == line), "{line}\n{screen}");
        }
        let urls = "http://127.0.0.1:8080/ http://192.168.1.20:8080/ http://10.0.0.2:8080/ http://[2001:db8::5]:8080/";
        let line = banner(&["0.0.0.0:8080", "[::]:8080"], &network).line();
        assert_eq!(line, format!("listening on {urls} serving ./public\n"));
        let four = banner(&["0.0.0.0:80"], &network).screen();
        assert!(!four.contains("2001:db8"), "{four}");
        let one = banner(&["192.168.1.20:8080"], &network).screen();
        assert!(!one.contains("127.0.0.1") && !one.contains("10.0.0.2") && one.contains("(wlan0)"), "{one}");
        let passed = banner(&["203.0.113.9:8080"], &network);
        assert_eq!(passed.line(), "listening on http://203.0.113.9:8080/ serving ./public\n");
    }

    #[test]
    fn the_screen_never_exceeds_its_lines() {
        let many: Vec<(String, &str)> = (0..40).map(|n| (format!("10.0.0.{n}"), "eth0")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(a, i)| (a.as_str(), *i)).collect();
        let mut banner = banner(&["0.0.0.0:8081"], &many);
        banner.moved = true;
        banner.remarks = vec!["one".into(), "two".into()];
        let full = banner.remarks.clone();
        banner.remarks = ["one"; 5].map(String::from).to_vec();
        let screen = banner.screen();
        assert_eq!(screen.lines().count(), LINES, "{screen}");
        assert!(screen.contains("http://127.0.0.1:8081/") && screen.ends_with("Stop: Ctrl-C\n"), "{screen}");
        assert_eq!(banner.line().matches("http://").count(), LINE_URLS);
        banner.remarks = full;
        let screen = banner.screen();
        assert!(screen.lines().count() <= LINES, "{screen}");
        assert!(screen.contains("Port 8080 is in use, so this server uses port 8081.\n"), "{screen}");
        assert!(screen.contains("  and 39 more addresses\n") || screen.contains(" more addresses\n"), "{screen}");
        assert!(screen.contains("http://127.0.0.1:8081/"), "{screen}");
    }

    #[test]
    fn with_study_the_screen_shows_the_view_and_who_else_can_practise() {
        let mut banner = banner(&["0.0.0.0:8080"], &[("192.168.1.20", "wlan0")]);
        banner.changes = Some("files may be added".into());
        banner.view = Some("http://127.0.0.1:8081/#k=6Q2M".into());
        let screen = banner.screen();
        let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let expected = format!(
            "  barewire {version}   serving ./public  (files may be added)\n\n  \
             http://127.0.0.1:8080/          this computer\n  \
             http://192.168.1.20:8080/       your network (wlan0)\n\n  \
             Wire view   http://127.0.0.1:8081/#k=6Q2M   only this computer, secrets hidden\n  \
             Practice    http://127.0.0.1:8080/.try/   curl http://127.0.0.1:8080/.try/\n  \
             Labs        http://127.0.0.1:8080/.try/learn/\n\n  \
             ! Anyone on your network can change files and use the practice addresses.\n  \
             Stop: Ctrl-C\n\n"
        );
        assert_eq!(screen, expected);
        assert!(screen.lines().count() <= LINES);
        let line = "listening on http://127.0.0.1:8080/ http://192.168.1.20:8080/ serving ./public\n\
                    wire view http://127.0.0.1:8081/#k=6Q2M\n";
        assert_eq!(banner.line(), line);
        banner.secrets = true;
        banner.moved = true;
        banner.remarks = ["one", "two"].map(String::from).to_vec();
        let screen = banner.screen();
        assert!(screen.contains("secrets shown"), "{screen}");
        assert!(screen.lines().count() <= LINES && screen.ends_with("Stop: Ctrl-C\n"), "{screen}");
    }

    #[test]
    fn the_screen_tells_what_needs_a_password() {
        let mut banner = banner(&["0.0.0.0:8080"], &[]);
        for (password, line) in [
            (None, "  ! Anyone on your network can read these files."),
            (Some(AuthFor::All), "  ! Anyone on your network who knows a password can use these files."),
            (Some(AuthFor::Write), "  ! Anyone on your network can read these files. Changes need a password."),
        ] {
            banner.password = password;
            assert!(banner.screen().lines().any(|other| other == line), "{}", banner.screen());
        }
    }

    #[test]
    fn color_changes_nothing_but_color() {
        let mut colored = banner(&["0.0.0.0:8080"], &[("10.0.0.2", "tun0")]);
        let plain = colored.screen();
        colored.color = true;
        let screen = colored.screen();
        assert_ne!(screen, plain);
        assert_eq!(screen.replace("\x1b[1m", "").replace("\x1b[33m", "").replace("\x1b[0m", ""), plain);
    }

    #[test]
    fn the_last_line_counts_for_people() {
        let say = |requests, bytes, cut_off, seconds| {
            let report = Report { requests, bytes, cut_off, unfinished: 0 };
            farewell(&report, Duration::from_secs(seconds), Duration::from_secs(10))
        };
        assert_eq!(say(1204, 38_000_000, 0, 7_800), "stopped: 1,204 requests, 38 MB, 2 h 10 min\n");
        assert_eq!(say(1, 0, 0, 0), "stopped: 1 request, 0 B, 0 s\n");
        assert_eq!(
            say(1_234_567, 1_500, 3, 90_061),
            "stopped: 1,234,567 requests, 1.5 kB, 1 d 1 h; 3 connections cut off after 10 s\n"
        );
        let report = Report { unfinished: 1, ..Report::default() };
        let hung = farewell(&report, Duration::from_secs(5), Duration::from_secs(1));
        assert_eq!(hung, "stopped: 0 requests, 0 B, 5 s; 1 disk operation not finished\n");
        assert_eq!(say(0, 999, 1, 3_605), "stopped: 0 requests, 999 B, 1 h; 1 connection cut off after 10 s\n");
    }
}
