//! The recorder: what comes back, what is dropped and counted, and which bytes are left out.

use super::*;
use crate::http::{Fields, HttpDate, Length, Limits, Status};
use crate::service::testing::rounds;
use crate::wire::record::memory::WireMemory;
use crate::wire::record::{
    event::{EventKind, WireEvent},
    live::LiveConnection,
};
use crate::wire::{ExplainOptions, Message, RedactOptions};

/// Bytes that fill a batch.
const FULL: usize = 2 * 1024 * 1024;
/// Batches of them that may wait: 32 MiB, less what their tables need.
const MANY: usize = 15;

fn memory() -> Arc<RecordMemory> {
    RecordMemory::new(WireMemory::WITHOUT_HISTORY, 1)
}

#[test]
fn records_come_back_byte_by_byte() {
    let start = Instant::now();
    let (mut recorder, receiver) = recorder(start, Arc::default(), memory());
    let later = start + Duration::from_millis(5);
    recorder.record(7, later, SocketEvent::Received(4), b"GET ");
    recorder.record(7, later, SocketEvent::Received(0), b"");
    recorder.record(8, later, SocketEvent::Sent(2), b"ok");
    recorder.hand_over();
    let batch = receiver.receive(Duration::ZERO).unwrap();
    let got: Vec<_> = batch.iter().map(|(r, o)| (r.connection, r.at.as_millis(), o.to_vec())).collect();
    assert_eq!(got, [(7, 5, b"GET ".to_vec()), (7, 5, vec![]), (8, 5, b"ok".to_vec())]);
    receiver.recycle(batch);
}

#[test]
fn a_reader_that_stops_reading_costs_records_and_nothing_else() {
    let now = Instant::now();
    let (mut recorder, receiver) = recorder(now, Arc::default(), memory());
    let bytes = vec![0; FULL];
    for _ in 0..MANY + 5 {
        recorder.record(1, now, SocketEvent::Sent(bytes.len()), &bytes);
    }
    let (mut seen, mut dropped) = (0, 0);
    while let Ok(batch) = receiver.receive(Duration::ZERO) {
        seen += batch.iter().count();
        dropped += batch.dropped;
    }
    assert_eq!((seen, dropped), (MANY, 0));
    recorder.record(1, now, SocketEvent::Sent(1), b"x");
    recorder.hand_over();
    assert_eq!(receiver.receive(Duration::ZERO).unwrap().dropped, 5);
    for _ in 0..=MANY {
        recorder.record(1, now, SocketEvent::Sent(bytes.len()), &bytes);
    }
    while receiver.receive(Duration::ZERO).is_ok() {}
    recorder.hand_over();
    assert_eq!(receiver.receive(Duration::ZERO).unwrap().dropped, 1, "also when nothing happens any more");
    assert_eq!(receiver.receive(Duration::ZERO).err(), Some(RecvTimeoutError::Timeout));
    recorder.record(1, now, SocketEvent::Sent(16 * FULL), &vec![0; 16 * FULL]);
    recorder.record(1, now, SocketEvent::Sent(1), b"y");
    recorder.hand_over();
    assert_eq!(receiver.receive(Duration::ZERO).unwrap().dropped, 1, "what can never wait is lost alone");
    drop(recorder);
    assert_eq!(receiver.receive(Duration::ZERO).err(), Some(RecvTimeoutError::Disconnected));
}

#[test]
fn the_records_of_all_loops_have_one_bound() {
    let (now, memory) = (Instant::now(), RecordMemory::new(WireMemory::LEAST, 64));
    let mut loops: Vec<_> = (0..64).map(|_| recorder(now, Arc::default(), Arc::clone(&memory))).collect();
    for round in 0..10_000 {
        let (recorder, _) = &mut loops[round % 64];
        recorder.record(1, now, SocketEvent::Sent(1000), &[7; 1000]);
        recorder.hand_over();
    }
    let waiting = loops.iter().flat_map(|(_, receiver)| std::iter::from_fn(|| receiver.receive(Duration::ZERO).ok()));
    let size = waiting.map(|batch| batch.size()).sum::<usize>();
    assert!((1000..=WireMemory::LEAST.records()).contains(&size), "{size}");
}

#[test]
fn an_upload_that_is_not_read_waits_whole_in_bounded_memory() {
    let now = Instant::now();
    let (mut recorder, receiver) = recorder(now, Arc::default(), memory());
    let (turns, len) = (16 * 1024, 64 * 1024);
    let bytes = vec![7; len];
    let gap = Gap { at: 2, len: len - 2 - 1000 };
    for _ in 0..turns {
        recorder.record_received(1, now, &bytes, vec![gap]);
        recorder.hand_over();
    }
    let (mut seen, mut held) = (0, 0);
    while let Ok(batch) = receiver.receive(Duration::ZERO) {
        assert_eq!(batch.dropped, 0);
        for (record, bytes) in batch.iter() {
            assert!(
                matches!(&record.event, SocketEvent::ReceivedInPart { len: all, gaps } if *all == len && **gaps == [gap])
            );
            seen += 1;
            held += bytes.len();
        }
        receiver.recycle(batch);
    }
    assert_eq!((seen, held), (turns, turns * 1002), "a gibibyte");
}

/// A response of 10 MB from memory in calls of 200 KB: what a view gets of it, and the number of recorded bytes.
fn long_response(in_part: bool) -> (Vec<String>, usize) {
    let now = Instant::now();
    let content: Vec<u8> = (0..10_000_000u32).map(|n| b'a' + (n % 23) as u8).collect();
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n";
    // With room for all of it, since the whole record is the measure.
    let memory = RecordMemory::new(WireMemory(128 << 20), 1);
    let (mut recorder, receiver) = recorder(now, Arc::default(), memory);
    recorder.record(1, now, SocketEvent::Received(27), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    recorder.record(1, now, SocketEvent::Sent(head.len()), head);
    for (n, bytes) in content.chunks(200_000).enumerate() {
        match in_part {
            true => recorder.record_content(1, now, bytes, n as u64 * 200_000),
            false => recorder.record(1, now, SocketEvent::Sent(bytes.len()), bytes),
        }
    }
    recorder.hand_over();
    let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
    let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &options);
    let (mut out, mut recorded) = (Vec::new(), 0);
    while let Ok(batch) = receiver.receive(Duration::ZERO) {
        assert_eq!(batch.dropped, 0);
        for (record, bytes) in batch.iter() {
            recorded += bytes.len();
            live.explain(record, bytes, &mut out);
        }
    }
    let messages = out.iter().filter_map(|event| match &event.kind {
        EventKind::Message(timed) => Some(&timed.message),
        _ => None,
    });
    (messages.map(|message| format!("{} {:?}", message.len(), message.bytes)).collect(), recorded)
}

#[test]
fn a_long_response_from_memory_is_told_alike_by_its_ends_and_needs_little_memory() {
    let (whole, all) = long_response(false);
    let (ends, recorded) = long_response(true);
    assert_eq!(whole.len(), 2, "request and response");
    assert!(whole == ends);
    assert!(all > 10_000_000 && recorded < 300_000, "{recorded} of {all}");
}

#[test]
fn gaps_leave_the_bytes_around_them_in_their_order() {
    let now = Instant::now();
    let (mut recorder, receiver) = recorder(now, Arc::default(), memory());
    let gaps = vec![Gap { at: 0, len: 2 }, Gap { at: 4, len: 3 }, Gap { at: 8, len: 1 }];
    recorder.record_received(1, now, b"0123456789", gaps);
    recorder.record_received(1, now, b"abc", Vec::new());
    recorder.hand_over();
    let batch = receiver.receive(Duration::ZERO).unwrap();
    let got: Vec<_> = batch.iter().map(|(_, bytes)| bytes).collect();
    assert_eq!(got, [&b"2379"[..], b"abc"]);
}

/// The events of these pieces, and how many bytes the record had.
fn told(pieces: &[&[u8]], elides: bool) -> (Vec<WireEvent>, usize) {
    let options = ExplainOptions::live(Limits::default(), RedactOptions::default());
    let mut live = LiveConnection::new(1, Duration::ZERO, Duration::ZERO, &options);
    let mut http = Http1::new(Limits::default());
    let (mut out, mut carried, mut left, mut before) = (Vec::new(), 0, Vec::new(), 0);
    for (n, piece) in pieces.iter().enumerate() {
        let gaps = if elides && left.is_empty() { gaps(&http, before, piece) } else { Vec::new() };
        let mut kept = piece.to_vec();
        gaps.iter().rev().for_each(|gap| drop(kept.drain(gap.at..gap.at + gap.len)));
        carried += kept.len();
        let event = match gaps.is_empty() {
            true => SocketEvent::Received(piece.len()),
            false => SocketEvent::ReceivedInPart { len: piece.len(), gaps: gaps.into() },
        };
        let record = Record { connection: 1, at: Duration::from_millis(n as u64), event };
        live.explain(&record, &kept, &mut out);
        left.extend_from_slice(piece);
        before = read(&mut http, &mut left, before);
    }
    let closed = SocketEvent::Closed { reason: "PeerClosed" };
    live.explain(&Record { connection: 1, at: Duration::from_secs(9), event: closed }, b"", &mut out);
    (out, carried)
}

/// The server reads on; bytes of the content so far.
fn read(http: &mut Http1, input: &mut Vec<u8>, mut before: u64) -> u64 {
    let mut used = 0;
    loop {
        let step = http.receive(&input[used..]);
        used += step.used;
        match step.event {
            Event::Request(_, framing) if framing.has_content() => before = 0,
            Event::Content(data) => before += data.len() as u64,
            Event::End | Event::Request(..) => {
                let (fields, date) = (Fields::new(), HttpDate::from_second(0));
                http.respond(
                    Status::OK,
                    &fields,
                    Length::Known(0),
                    &crate::http::AddedFields::NONE,
                    &date,
                    &mut Vec::new(),
                );
                http.sent();
            }
            Event::NeedMore | Event::Refused(_) => break,
        }
    }
    input.drain(..used);
    before
}

fn message(told: &WireEvent) -> Option<&Message> {
    if let EventKind::Message(timed) = &told.kind { Some(&timed.message) } else { None }
}

fn messages(told: &[WireEvent]) -> Vec<&Message> {
    told.iter().filter_map(message).collect()
}

/// Text without a short period, with a secret in it every so often.
fn content(len: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for n in 0u32.. {
        if bytes.len() >= len {
            break;
        }
        bytes.extend_from_slice(format!("{n:08} hunter2-is-no-secret\n").as_bytes());
    }
    bytes.truncate(len);
    bytes
}

fn with_length(content: &[u8], more: &str) -> Vec<u8> {
    let head = format!("PUT /a HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {}\r\n\r\n", content.len());
    [head.as_bytes(), content].concat()
}

fn chunked(content: &[u8], size: usize) -> Vec<u8> {
    let head = b"PUT /a HTTP/1.1\r\nHost: a\r\nCookie: a=hunter2-is\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut bytes = head.to_vec();
    content.chunks(size).for_each(|chunk| crate::http::chunked::encode(chunk, &mut bytes));
    bytes.extend_from_slice(b"0\r\nX-Sum: 5\r\n\r\n");
    bytes
}

/// Where what is secret begins in bytes that are not shown depends on how many there are.
fn in_what_is_kept(told: &mut WireEvent) {
    let EventKind::Message(timed) = &mut told.kind else { return };
    let Message { bytes, spans, .. } = &mut timed.message;
    let (from, to) = (bytes.first.len() as u64, bytes.first.len() as u64 + bytes.gap);
    let mut clipped = Vec::new();
    for span in spans.iter() {
        let (start, end) = (span.start, span.end());
        clipped.push(crate::wire::MessageSpan { len: end.min(from).saturating_sub(start), ..*span });
        let start = start.max(to);
        clipped.push(crate::wire::MessageSpan { start, len: end.saturating_sub(start), ..*span });
    }
    clipped.retain(|span| span.len > 0);
    *spans = clipped;
}

/// Everything that is told is the same: places, spans, counts, cuts, what is kept and what is painted over.
#[track_caller]
fn same(bytes: &[u8], size: usize, most: usize) {
    let bytes = [bytes, b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
    let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
    let ((mut with, carried), (mut without, all)) = (told(&pieces, true), told(&pieces, false));
    with.iter_mut().chain(&mut without).for_each(in_what_is_kept);
    assert_eq!(all, bytes.len());
    assert!(carried <= most, "{carried} of {all} bytes in pieces of {size}");
    assert_eq!(messages(&with).len(), 2);
    assert!(messages(&with).iter().all(|message| message.error.is_none()));
    assert!(format!("{with:?}") == format!("{without:?}"), "in pieces of {size}:\n{with:?}\n{without:?}");
}

#[test]
fn bytes_that_are_left_out_change_no_event() {
    let content = content(600_000);
    let secret = "Cookie: a=hunter2-is\r\n";
    for &size in [65_536, 7_919, 400_000, 65_535].iter().take(rounds(2, 4)) {
        let recvs = content.len() / size + 2;
        let front = 2 * GAP_FRONT as usize + size.min(65_536);
        let most = front + recvs * (GAP_BACK + SHORTEST_GAP) + if size > 65_536 { size } else { 0 };
        same(&with_length(&content, secret), size, most);
        for chunk in [1_000_000, 65_524, 700] {
            let lines = content.len() / chunk * (12 + if chunk < 1000 { SHORTEST_GAP } else { 0 });
            same(&chunked(&content, chunk), size, most + lines);
        }
    }
    // Nothing is gained, and nothing is lost.
    same(&chunked(&content[..200_000], SHORTEST_GAP - 1), 65_536, usize::MAX);
    same(&with_length(&content, secret), 1_000, usize::MAX);
}

#[test]
fn a_form_with_a_long_file_has_its_parts() {
    let file = content(500_000);
    let begin = b"--XyZ\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nhunter2-is\r\n--XyZ\r\n\
        Content-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n";
    let form = [&begin[..], &file, b"\r\n--XyZ--\r\n"].concat();
    let bytes = with_length(&form, "Content-Type: multipart/form-data; boundary=XyZ\r\n");
    for size in [400_000, 65_536] {
        same(&bytes, size, bytes.len() / 2 + size);
    }
    let (told, _) = told(&bytes.chunks(65_536).collect::<Vec<_>>(), true);
    let names: Vec<_> = messages(&told)[0].spans.iter().map(|span| span.note.note().name).collect();
    assert_eq!(names.iter().filter(|name| **name == "boundary").count(), 3, "{names:?}");
}

#[test]
fn half_a_secret_beside_a_gap_is_not_kept() {
    let secret: String = (0..400u32).map(|n| format!("{n:08x}")).collect();
    let filler = content(200_000);
    for after in (0..4000).step_by(rounds(911, 211)) {
        // Its end lies after the gap, wherever the gap ends.
        let body = [&filler[..], secret.as_bytes(), &filler[..after]].concat();
        let bytes = with_length(&body, &format!("Cookie: a={secret}\r\n"));
        let head = bytes.len() - body.len();
        let (told, carried) = told(&[&bytes[..head + 70_000], &bytes[head + 70_000..]], true);
        assert!(carried < 80_000);
        let kept = &messages(&told)[0].bytes;
        assert_eq!(kept.len(), bytes.len() as u64);
        for piece in secret.as_bytes().windows(16).step_by(8) {
            let found = kept.last.windows(16).any(|window| window == piece);
            assert!(!found, "{after}: {}", kept.last.escape_ascii());
        }
    }
}

#[test]
fn only_content_is_left_out() {
    let bytes = content(100_000);
    let mut http = Http1::new(Limits::default());
    assert_eq!(gaps(&http, 0, &bytes), [], "it is a head, or none");
    http.receive(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n");
    let (front, end) = (GAP_FRONT as usize, 90_000 - GAP_BACK);
    assert_eq!(gaps(&http, 0, &bytes), [Gap { at: front, len: end - front }]);
    assert_eq!(gaps(&http, GAP_FRONT + 1, &bytes), [Gap { at: 0, len: end }]);
    assert_eq!(gaps(&http, GAP_FRONT - 5, &bytes), [Gap { at: 5, len: end - 5 }]);
    assert_eq!(gaps(&http, GAP_FRONT, &bytes[..GAP_BACK + SHORTEST_GAP - 1]), []);
    http.time_out();
    assert_eq!(gaps(&http, GAP_FRONT, &bytes), [], "it is not read any more");
}
