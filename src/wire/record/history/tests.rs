//! The bounds of the history, and what its readers are words.

use crate::http::Limits;
use crate::wire::explain::builder::ExplainOptions;
use crate::wire::explain::value::RedactOptions;
use crate::wire::record::event::EventKind;
use crate::wire::record::history::*;
use crate::wire::record::live::LiveConnection;
use crate::wire::record::memory::WireMemory;
use crate::wire::record::recorder::{Record, SocketEvent};

const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const RESPONSE: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const AT_ONCE: Duration = Duration::ZERO;

fn peer(connection: u64) -> SocketAddr {
    ([127, 0, 0, 1], 40_000 + connection as u16).into()
}

/// A connection, told record by record.
struct TestConnection(u64, LiveConnection);

impl TestConnection {
    fn accepted(history: &History, connection: u64) -> TestConnection {
        let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
        let mut line = TestConnection(connection, LiveConnection::new(connection, AT_ONCE, AT_ONCE, &options));
        line.tell(history, SocketEvent::Accepted { peer: peer(connection) }, b"");
        line
    }

    fn tell(&mut self, history: &History, event: SocketEvent, bytes: &[u8]) {
        let mut out = Vec::new();
        self.1.explain(&Record { connection: self.0, at: AT_ONCE, event }, bytes, &mut out);
        history.push(&out);
    }

    fn exchange(&mut self, history: &History) {
        self.tell(history, SocketEvent::Received(REQUEST.len()), REQUEST);
        self.tell(history, SocketEvent::Sent(RESPONSE.len()), RESPONSE);
    }

    fn close(mut self, history: &History) {
        self.tell(history, SocketEvent::Closed { reason: "PeerClosed" }, b"");
    }
}

/// The lock is released before the caller goes on: two of these may stand in one statement.
fn held(history: &History) -> usize {
    history.lock().held
}

/// One word for each item.
fn words(history: &History, since: u64) -> Vec<String> {
    let mut all = Vec::new();
    let mut reader = HistoryReader::after(since);
    loop {
        match history.wait(&mut reader, AT_ONCE) {
            HistoryRead::Items(items) => {
                all.extend(items.into_iter().map(|(_, item)| match item {
                    HistoryItem::Event(stored) => {
                        let word = match &stored.event.kind {
                            EventKind::Accepted { .. } => "accepted",
                            EventKind::Received(..) => "recv",
                            EventKind::Sent(..) => "send",
                            EventKind::Message(timed) => timed.message.role.name(),
                            EventKind::UnderWay(_) => "under way",
                            EventKind::Closed { .. } => "closed",
                            EventKind::Lost { .. } => "lost",
                        };
                        format!("{word} {}{}", stored.event.connection, if stored.repeated { " again" } else { "" })
                    }
                    notice => format!("{notice:?}"),
                }));
            }
            HistoryRead::TimedOut => return all,
            HistoryRead::Missed => return vec!["missed".into()],
            HistoryRead::Ended => {
                all.push("ended".into());
                return all;
            }
        }
    }
}

#[test]
fn events_are_numbered_and_read_from_any_number_on() {
    let history = History::new(1 << 20);
    let mut line = TestConnection::accepted(&history, 1);
    line.exchange(&history);
    line.close(&history);
    assert_eq!(words(&history, 0), ["accepted 1", "recv 1", "request 1", "send 1", "response 1", "closed 1"]);
    assert_eq!(words(&history, 4), ["response 1", "closed 1"]);
    assert_eq!(history.status(), HistoryStatus { first: 1, last: 6, connections: 1, paused: false });
    assert_eq!(history.connection(1).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(history.connection(2).is_empty() && history.reaches(6) && !history.reaches(7));
}

#[test]
fn the_oldest_connection_is_forgotten_first_and_whole_and_memory_stays_bounded() {
    let history = History::new(64 * 1024);
    for connection in 1..=500 {
        let mut line = TestConnection::accepted(&history, connection);
        line.exchange(&history);
        line.close(&history);
        assert!(held(&history) <= history.bound(), "{}", held(&history));
    }
    let kept = history.connections();
    assert_eq!(kept.last(), Some(&500));
    assert!(kept.len() > 10 && kept.len() < 100, "{}", kept.len());
    assert!(kept.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{kept:?}");
    assert!(kept.iter().all(|&connection| history.connection(connection).len() == 6));
    let words = words(&history, 0);
    assert_eq!(words.iter().filter(|word| word.starts_with("Forgotten")).count(), 500 - kept.len());
}

#[test]
fn an_empty_history_holds_no_bytes() {
    let history = History::new(1 << 20);
    for connection in 1..=50 {
        let mut line = TestConnection::accepted(&history, connection);
        line.exchange(&history);
        line.close(&history);
    }
    assert!(held(&history) > 50 * 500);
    history.clear();
    assert_eq!((held(&history), history.connections().len()), (0, 0));
    let mut dropped = Vec::new();
    let line = TestConnection::accepted(&history, 51);
    line.close(&history);
    while history.lock().forget_oldest(&mut dropped) {}
    assert_eq!(held(&history), 0);
}

#[test]
fn an_open_connection_that_was_forgotten_is_told_from_its_start() {
    let history = History::new(8 * 1024);
    let mut old = TestConnection::accepted(&history, 1);
    old.exchange(&history);
    for connection in 2..40 {
        let mut line = TestConnection::accepted(&history, connection);
        line.exchange(&history);
        line.close(&history);
    }
    let since = history.status().last;
    assert!(history.connection(1).is_empty());
    old.exchange(&history);
    let words = words(&history, since);
    let mine: Vec<&str> = words.iter().map(String::as_str).filter(|word| word.contains(" 1")).collect();
    assert_eq!(mine, ["accepted 1 again", "recv 1", "request 1", "send 1", "response 1"]);
}

#[test]
fn one_connection_alone_cannot_grow_beyond_the_bound() {
    let history = History::new(32 * 1024);
    let mut line = TestConnection::accepted(&history, 1);
    for _ in 0..500 {
        line.exchange(&history);
        assert!(held(&history) <= history.bound());
    }
    assert!(history.connection(1)[0].1.repeated);
}

#[test]
fn after_a_pause_every_connection_that_is_told_was_accepted() {
    let history = History::new(1 << 20);
    let mut before = TestConnection::accepted(&history, 1);
    history.pause(true);
    history.pause(true);
    let mut during = TestConnection::accepted(&history, 2);
    before.exchange(&history);
    during.exchange(&history);
    let gone = TestConnection::accepted(&history, 3);
    gone.close(&history);
    history.pause(false);
    during.exchange(&history);
    before.close(&history);
    during.close(&history);
    assert_eq!(
        words(&history, 0),
        [
            "accepted 1",
            "Paused(true)",
            "Paused(false)",
            "accepted 2 again",
            "recv 2",
            "request 2",
            "send 2",
            "response 2",
            "closed 1",
            "closed 2"
        ]
    );
}

#[test]
fn what_was_under_way_when_a_pause_began_ends_in_it() {
    let history = History::new(1 << 20);
    let (begun, rest) = REQUEST.split_at(5);
    let mut lines = [1, 2].map(|connection| TestConnection::accepted(&history, connection));
    for line in &mut lines {
        line.tell(&history, SocketEvent::Received(begun.len()), begun);
        let mut out = Vec::new();
        line.1.report_under_way(&mut out);
        history.push(&out);
    }
    history.pause(true);
    let since = history.status().last;
    let [mut complete, closed] = lines;
    complete.tell(&history, SocketEvent::Received(rest.len()), rest);
    complete.exchange(&history);
    closed.close(&history);
    assert_eq!(words(&history, since), ["request 1", "response 1", "request 2", "closed 2"]);
    assert!(!words(&history, 0).iter().any(|word| word.starts_with("under way")));
    let during = TestConnection::accepted(&history, 3);
    during.close(&history);
    complete.close(&history);
    history.pause(false);
    assert_eq!(words(&history, since)[4..], ["closed 1", "Paused(false)"]);
}

#[test]
fn cleared_is_told_and_the_open_connections_go_on() {
    let history = History::new(1 << 20);
    let mut line = TestConnection::accepted(&history, 1);
    line.exchange(&history);
    history.clear();
    line.exchange(&history);
    assert_eq!(words(&history, 0), ["Cleared", "accepted 1 again", "recv 1", "request 1", "send 1", "response 1"]);
    assert_eq!(words(&history, 5)[0], "Cleared");
}

#[test]
fn after_a_hole_nothing_is_awaited_of_what_was_open() {
    let history = History::new(1 << 20);
    let _line = TestConnection::accepted(&history, 1);
    history.push(&[WireEvent::without_connection(EventKind::Lost { events: 7, open: 0 })]);
    assert_eq!(words(&history, 0), ["accepted 1", "lost 0"]);
    history.clear();
    assert_eq!(held(&history), 0);
}

#[test]
fn a_reader_that_missed_notices_starts_again() {
    let history = History::new(1 << 20);
    let most = (1 << 20) / PORTION_SHARE / NOTICE;
    for n in 0..=most {
        history.pause(n % 2 == 0);
    }
    assert_eq!(words(&history, 0), ["missed"]);
    assert!(!history.reaches(0) && history.reaches(1));
    assert_eq!(words(&history, 1).len(), most);
    let mut afresh = history.reader();
    assert!(matches!(history.wait(&mut afresh, AT_ONCE), HistoryRead::TimedOut));
}

#[test]
fn portions_follow_each_other_without_a_hole() {
    let history = History::new(1 << 22);
    for connection in 1..=300 {
        TestConnection::accepted(&history, connection).close(&history);
        if connection % 50 == 0 {
            history.pause(true);
            history.pause(false);
        }
    }
    let words = words(&history, 0);
    assert_eq!(words.len(), 600 + 12);
    assert_eq!(words[100..104], ["Paused(true)", "Paused(false)", "accepted 51", "closed 51"]);
}

#[test]
fn a_reader_that_waits_is_woken_by_an_event_and_by_the_end() {
    let history = Arc::new(History::new(1 << 20));
    let reader = {
        let history = Arc::clone(&history);
        std::thread::spawn(move || {
            let mut reader = HistoryReader::after(0);
            let mut count = 0;
            loop {
                match history.wait(&mut reader, Duration::from_secs(60)) {
                    HistoryRead::Items(items) => count += items.len(),
                    HistoryRead::Ended => return count,
                    other => panic!("{other:?}"),
                }
            }
        })
    };
    TestConnection::accepted(&history, 1).close(&history);
    history.end();
    assert_eq!(reader.join().unwrap(), 2);
}

#[test]
fn a_client_is_found_by_its_address_open_or_not() {
    let history = History::new(1 << 20);
    let line = TestConnection::accepted(&history, 1);
    assert_eq!(history.connection_of(peer(1), AT_ONCE), Some(1));
    line.close(&history);
    assert_eq!(history.connection_of(peer(1), AT_ONCE), Some(1));
    assert_eq!(history.connection_of(peer(2), AT_ONCE), None);
}

#[test]
fn of_a_message_under_way_the_newest_state_is_kept_and_the_whole_message_replaces_it() {
    let history = History::new(1 << 20);
    let mut line = TestConnection::accepted(&history, 1);
    let (mut slow, mut most) = (history.reader(), 0);
    for byte in REQUEST.chunks(1) {
        let mut out = Vec::new();
        line.1.explain(&Record { connection: 1, at: AT_ONCE, event: SocketEvent::Received(1) }, byte, &mut out);
        line.1.report_under_way(&mut out);
        out.retain(|event| !matches!(event.kind, EventKind::Received(..)));
        history.push(&out);
        most = most.max(held(&history));
        let kept = words(&history, 0);
        assert_eq!((kept.len(), &*kept[0]), (2, "accepted 1"), "{kept:?}");
    }
    assert_eq!(words(&history, 0), ["accepted 1", "request 1"]);
    // A reader that does not read holds nothing back.
    let HistoryRead::Items(items) = history.wait(&mut slow, AT_ONCE) else { panic!() };
    assert_eq!(items.len(), 2);
    // What was replaced is counted no more.
    history.clear();
    line.close(&history);
    assert!(most < 6 * 1024, "{most}");
    while history.lock().forget_oldest(&mut Vec::new()) {}
    assert_eq!(held(&history), 0);
}

#[test]
fn an_upload_that_is_long_under_way_forgets_nothing_else() {
    // The share of the history in the least memory that a view may have.
    let history = History::new(WireMemory::LEAST.history());
    TestConnection::accepted(&history, 1).close(&history);
    let mut line = TestConnection::accepted(&history, 2);
    let head = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
    line.tell(&history, SocketEvent::Received(head.len()), head);
    for _ in 0..20_000 {
        let mut out = Vec::new();
        let event = SocketEvent::Received(1000);
        line.1.explain(&Record { connection: 2, at: AT_ONCE, event }, &[b'x'; 1000], &mut out);
        history.push(&out);
    }
    let mut out = Vec::new();
    line.1.report_under_way(&mut out);
    history.push(&out);
    assert_eq!(history.connections(), [1, 2]);
    let (_, last) = history.connection(2).pop().unwrap();
    let EventKind::UnderWay(timed) = &last.event.kind else { panic!() };
    assert_eq!(timed.message.under_way.unwrap().sentence(), "20,000,000 of 1,000,000,000 bytes");
}
