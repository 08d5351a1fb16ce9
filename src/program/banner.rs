//! What is said at the start and at the end.
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
//! On a terminal that is at most [`LINES`] lines; elsewhere exactly one, which scripts wait for:
//! `listening on http://127.0.0.1:8080/ serving ./public`. All of it on standard error, since standard
//! output carries the access log.
//!
//! Never: a claim that is not so. Who can connect is told from the sockets and not from the options.
//!
//! The subtle thing: a URL stands alone between spaces, so that terminals make it a link.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use barewire::net::Report;
use barewire::service::error_page::count;

use crate::program::options::AuthFor;

/// A start screen longer than this scrolls what matters out of sight.
const LINES: usize = 12;
/// URLs are followed by their meaning in one column.
const URL_WIDTH: usize = 32;

/// [`Banner::changes`] when nothing can be changed.
pub(crate) const READ_ONLY: &str = "read only";

/// What the start screen is made of.
#[derive(Debug)]
pub(crate) struct Banner {
    /// What is served, ready to print.
    pub(crate) title: String,
    /// Where the server listens.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Addresses of this computer on the network, with their interfaces.
    pub(crate) network: Vec<(IpAddr, String)>,
    /// What others may do with the files.
    pub(crate) changes: String,
    /// What a password is asked for, if there is one.
    pub(crate) password: Option<AuthFor>,
    /// Why the port is not the usual one.
    pub(crate) moved: bool,
    /// The address of the view in a browser, with its key, while somebody studies.
    pub(crate) view: Option<String>,
    /// It shows secrets as they are.
    pub(crate) secrets: bool,
    /// The lessons are there.
    pub(crate) labs: bool,
    /// What else must be known.
    pub(crate) remarks: Vec<String>,
    /// Whether to use bold type.
    pub(crate) color: bool,
}

/// Who can reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    Computer,
    Network,
}

impl Banner {
    /// The one line for scripts, and one more with the view.
    pub(crate) fn line(&self) -> String {
        let view = self.view.as_ref().map(|url| format!("wire view {url}\n")).unwrap_or_default();
        format!("listening on {} serving {}\n{view}", self.url(), self.title)
    }

    fn url(&self) -> String {
        self.urls().first().map(|(url, _)| url.clone()).unwrap_or_default()
    }

    /// The lines of those who study: the view, addresses to practise with, lessons.
    fn study(&self) -> Vec<String> {
        let (bold, off) = if self.color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let url = self.url();
        let mut lines = Vec::new();
        if let Some(view) = &self.view {
            let secrets = if self.secrets { "secrets shown" } else { "secrets hidden" };
            lines.push(format!("Wire view   {bold}{view}{off}   only this computer, {secrets}"));
            lines.push(format!("Practice    {bold}{url}.try/{off}   curl {url}.try/"));
            if self.labs {
                lines.push(format!("Labs        {bold}{url}learn/{off}"));
            }
        }
        lines
    }

    /// What must be known, and what is good to know.
    fn below(&self) -> Vec<String> {
        let (yellow, off) = if self.color { ("\x1b[33m", "\x1b[0m") } else { ("", "") };
        let mut below = Vec::new();
        if self.moved {
            below.push(format!("Port 8080 was taken, so this is {}.", self.port()));
        }
        below.push(match self.reach() {
            Reach::Computer => "Only this computer can connect.      barewire --lan      share on your network".into(),
            Reach::Network => format!(
                "{yellow}!{off} {}",
                match self.password {
                    None if self.view.is_some() && self.changes != READ_ONLY => {
                        "Anyone on your network can change files and use the practice endpoints."
                    }
                    None if self.view.is_some() => {
                        "Anyone on your network can read these files and use the practice endpoints."
                    }
                    None => "Anyone on your network can read these files.",
                    Some(AuthFor::All) => "Anyone on your network who knows a password can use these files.",
                    Some(AuthFor::Write) => "Anyone on your network can read these files; changes need a password.",
                }
            ),
        });
        below.extend(self.remarks.iter().map(|remark| format!("{yellow}!{off} {remark}")));
        // What is good to know gives way to what must be known.
        if self.view.is_none() && below.len() + self.urls().len() + 6 <= LINES {
            below.push("See every byte:                      barewire --study".into());
        }
        below.push("Stop: Ctrl-C".into());
        below
    }

    /// The start screen.
    pub(crate) fn screen(&self) -> String {
        let (bold, off) = if self.color { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
        let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let (study, below) = (self.study(), self.below());
        let mut screen =
            format!("  {bold}barewire{off} {version}   serving {bold}{}{off}  ({})\n\n", self.title, self.changes);
        // Besides these and the URLs: the first line, and blank ones before and after the URLs and at the end.
        let more = study.len() + usize::from(!study.is_empty());
        let room = LINES.saturating_sub(below.len() + more + 4).max(1);
        let urls = self.urls();
        let shown = if urls.len() > room { room.saturating_sub(1).max(1) } else { urls.len() };
        for (url, meaning) in &urls[..shown] {
            let space = URL_WIDTH.saturating_sub(url.len());
            screen += &format!("  {bold}{url}{off}{:space$}{meaning}\n", "");
        }
        if shown < urls.len() && room > 1 {
            screen += &format!("  and {} more addresses\n", urls.len() - shown);
        }
        screen += "\n";
        for line in &study {
            screen += &format!("  {line}\n");
        }
        if !study.is_empty() && screen.lines().count() + below.len() < LINES {
            screen += "\n";
        }
        for line in below {
            screen += &format!("  {line}\n");
        }
        if screen.lines().count() < LINES {
            screen += "\n";
        }
        screen
    }

    fn port(&self) -> u16 {
        self.addresses.first().map_or(0, SocketAddr::port)
    }

    fn reach(&self) -> Reach {
        if self.addresses.iter().all(|address| address.ip().is_loopback()) { Reach::Computer } else { Reach::Network }
    }

    /// Each URL and who can use it.
    fn urls(&self) -> Vec<(String, String)> {
        let alone = self.reach() == Reach::Computer;
        let mut urls: Vec<(String, String)> = Vec::new();
        let mut add = |ip: IpAddr, port, meaning: String| {
            let url = format!("http://{}/", SocketAddr::new(ip, port));
            if urls.iter().all(|(other, _)| *other != url) {
                urls.push((url, meaning));
            }
        };
        // One URL for this computer is enough: the other loopback address leads to the same place.
        let own = self.addresses.iter().filter(|a| a.ip().is_loopback() || a.ip().is_unspecified());
        if let Some(own) = own.min_by_key(|a| a.is_ipv6()) {
            let ip = match own.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
                IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
                ip => ip,
            };
            add(ip, own.port(), if alone { "open this".into() } else { "this computer".into() });
        }
        for address in self.addresses.iter().filter(|address| !address.ip().is_loopback()) {
            let same_family = |ip: &IpAddr| ip.is_ipv4() == address.is_ipv4();
            let is_it = |ip: &IpAddr| same_family(ip) && (address.ip().is_unspecified() || *ip == address.ip());
            for (ip, interface) in self.network.iter().filter(|(ip, _)| is_it(ip)) {
                add(*ip, address.port(), format!("your network ({interface})"));
            }
            if !address.ip().is_unspecified() {
                add(address.ip(), address.port(), "your network".into());
            }
        }
        urls
    }
}

/// The last line: `stopped: 1,204 requests, 38 MB, 2 h 10 min`.
pub(crate) fn farewell(report: &Report, ran: Duration, grace: Duration) -> String {
    let requests = count(report.requests, "request");
    let mut line = format!("stopped: {requests}, {}, {}", bytes(report.bytes), time(ran.as_secs()));
    if report.cut_off > 0 {
        let connections = count(report.cut_off, "connection");
        line += &format!("; {connections} cut off after {}", time(grace.as_secs()));
    }
    line + "\n"
}

/// In steps of a thousand, as file managers and carriers count; a digit behind the point while there
/// is but one before it.
fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let (mut tenths, mut unit) = (u128::from(count) * 10, 0);
    while tenths >= 9_995 && unit + 1 < UNITS.len() {
        (tenths, unit) = ((tenths + 500) / 1000, unit + 1);
    }
    match tenths {
        10..100 if unit > 0 && tenths % 10 > 0 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", (tenths + 5) / 10, UNITS[unit]),
    }
}

/// The two greatest units.
fn time(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let Some(first) = units.iter().position(|(length, _)| seconds >= *length) else { return "0 s".into() };
    let mut rest = seconds;
    let parts = units[first..].iter().take(2).filter_map(|(length, name)| {
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
            changes: READ_ONLY.into(),
            password: None,
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            network: network.iter().map(|(a, i)| (a.parse().unwrap(), i.to_string())).collect(),
            moved: false,
            view: None,
            secrets: false,
            labs: false,
            remarks: Vec::new(),
            color: false,
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
        banner.remarks = full;
        let screen = banner.screen();
        assert!(screen.lines().count() <= LINES, "{screen}");
        assert!(screen.contains("Port 8080 was taken, so this is 8081.\n"), "{screen}");
        assert!(screen.contains("  and 39 more addresses\n") || screen.contains(" more addresses\n"), "{screen}");
        assert!(screen.contains("http://127.0.0.1:8081/"), "{screen}");
    }

    #[test]
    fn those_who_study_see_where_and_who_else_can_practise() {
        let mut banner = banner(&["0.0.0.0:8080"], &[("192.168.1.20", "wlan0")]);
        banner.changes = "files may be added".into();
        banner.view = Some("http://127.0.0.1:8081/#k=6Q2M".into());
        banner.labs = true;
        let screen = banner.screen();
        let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
        let expected = format!(
            "  barewire {version}   serving ./public  (files may be added)\n\n  \
             http://127.0.0.1:8080/          this computer\n  \
             http://192.168.1.20:8080/       your network (wlan0)\n\n  \
             Wire view   http://127.0.0.1:8081/#k=6Q2M   only this computer, secrets hidden\n  \
             Practice    http://127.0.0.1:8080/.try/   curl http://127.0.0.1:8080/.try/\n  \
             Labs        http://127.0.0.1:8080/learn/\n\n  \
             ! Anyone on your network can change files and use the practice endpoints.\n  \
             Stop: Ctrl-C\n\n"
        );
        assert_eq!(screen, expected);
        assert!(screen.lines().count() <= LINES);
        let line = "listening on http://127.0.0.1:8080/ serving ./public\nwire view http://127.0.0.1:8081/#k=6Q2M\n";
        assert_eq!(banner.line(), line);
        banner.labs = false;
        banner.secrets = true;
        banner.moved = true;
        banner.remarks = ["one", "two"].map(String::from).to_vec();
        let screen = banner.screen();
        assert!(!screen.contains("learn/") && screen.contains("secrets shown"), "{screen}");
        assert!(screen.lines().count() <= LINES && screen.ends_with("Stop: Ctrl-C\n"), "{screen}");
    }

    #[test]
    fn who_needs_a_password_is_said() {
        let mut banner = banner(&["0.0.0.0:8080"], &[]);
        for (password, line) in [
            (None, "  ! Anyone on your network can read these files."),
            (Some(AuthFor::All), "  ! Anyone on your network who knows a password can use these files."),
            (Some(AuthFor::Write), "  ! Anyone on your network can read these files; changes need a password."),
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
            farewell(&Report { requests, bytes, cut_off }, Duration::from_secs(seconds), Duration::from_secs(10))
        };
        assert_eq!(say(1204, 38_000_000, 0, 7_800), "stopped: 1,204 requests, 38 MB, 2 h 10 min\n");
        assert_eq!(say(1, 0, 0, 0), "stopped: 1 request, 0 B, 0 s\n");
        assert_eq!(
            say(1_234_567, 1_500, 3, 90_061),
            "stopped: 1,234,567 requests, 1.5 kB, 1 d 1 h; 3 connections cut off after 10 s\n"
        );
        assert_eq!(say(0, 999, 1, 3_605), "stopped: 0 requests, 999 B, 1 h; 1 connection cut off after 10 s\n");
    }

    #[test]
    fn sizes_round_to_what_one_can_say() {
        for (count, text) in [
            (1, "1 B"),
            (999, "999 B"),
            (1_000, "1 kB"),
            (9_949, "9.9 kB"),
            (9_960, "10 kB"),
            (38_400, "38 kB"),
            (999_400, "999 kB"),
            (999_600, "1 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(count), text, "{count}");
        }
    }
}
