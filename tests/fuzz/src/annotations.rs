//! What holds for the annotations of any bytes: nothing panics, spans are sorted, disjoint and cover every byte, a cut
//! changes nothing and shows all that came before it, a request is broken exactly when the server refuses it, and names
//! and values lie where the parser found them.

use barewire::http::{EndOfInput, Event, Fields, Http1, HttpDate, Length, Limits, Method, Next, RequestError, Status};
use barewire::wire::explain::message::SpanKind;
use barewire::wire::{Conversation, ExplainOptions, Message, NoteId, RedactOptions, Role, annotate};

/// What the protocol makes of bytes: the positions of the fields of each head, and perhaps a refusal.
#[derive(Default)]
struct Served {
    /// The first byte of each head, and the positions and lengths of its names and values.
    fields: Vec<(u64, Vec<(usize, usize)>)>,
    messages: usize,
    refused: Option<(RequestError, bool)>,
}

fn serve(bytes: &[u8]) -> Served {
    let mut connection = Http1::new(Limits::default());
    let (mut served, mut used, mut out) = (Served::default(), 0, Vec::new());
    loop {
        let step = connection.receive(&bytes[used..]);
        let start = used as u64;
        used += step.used;
        let done = match step.event {
            Event::NeedMore => break,
            Event::Request(request, framing) => {
                let skipped = start + (step.used - request.bytes().len()) as u64;
                let lines = request.head().lines().iter();
                let places = lines.flat_map(|l| [(l.name.start(), l.name.len()), (l.value.start(), l.value.len())]);
                served.fields.push((skipped, places.collect()));
                served.messages += 1;
                !framing.has_content()
            }
            Event::Content(_) => false,
            Event::End => true,
            Event::Refused(refusal) => {
                served.refused = Some((refusal, false));
                return served;
            }
        };
        if done {
            let date = HttpDate::from_second(0);
            connection.respond(
                Status::OK,
                &Fields::new(),
                Length::Known(0),
                &barewire::http::AddedFields::NONE,
                &date,
                &mut out,
            );
            if connection.sent() != Next::Request {
                return served;
            }
        }
    }
    if let EndOfInput::Refused(refusal) = connection.end_of_input() {
        served.refused = Some((refusal, true));
    }
    served
}

/// Nothing is hidden.
pub fn manner() -> ExplainOptions {
    ExplainOptions { redact: RedactOptions::off(), ..ExplainOptions::whole(Limits::default()) }
}

/// Spans and lines are sorted, disjoint, and cover the message.
fn tiles(message: &Message) {
    let mut at = 0;
    for span in &message.spans {
        assert_eq!(span.start, at);
        assert!(span.len > 0);
        at += span.len;
    }
    assert_eq!(at, message.len());
    let mut at = 0;
    for line in &message.lines {
        assert_eq!((line.start, line.len > 0), (at, true));
        at += line.len;
    }
    assert_eq!(at, message.len());
    if let Some(broken) = message.error {
        assert!(broken.at + broken.len <= message.len(), "the blame lies inside");
        let bad = message.spans.iter().filter(|s| s.kind == SpanKind::Bad).count();
        assert_eq!(bad, usize::from(broken.len > 0));
    }
}

fn pieces(bytes: &[u8], role: Role, cuts: &[usize]) -> Vec<Message> {
    let mut conversation = Conversation::new(&manner());
    let (mut out, mut from) = (Vec::new(), 0);
    for &cut in cuts.iter().chain([&bytes.len()]) {
        match role {
            Role::Request => conversation.received(&bytes[from..cut], &mut out),
            Role::Response => conversation.sent(&bytes[from..cut], &mut out),
        }
        // A message under way is shown as it came, to its last byte. Not at each cut: all of it is read again.
        if cut % 16 == 0
            && let Some(snapshot) = conversation.snapshot(role)
        {
            tiles(&snapshot);
            assert_eq!(snapshot.bytes.first, bytes[snapshot.start as usize..cut]);
        }
        from = cut;
    }
    conversation.client_ended(&mut out);
    conversation.server_ended(&mut out);
    out
}

fn same(a: &[Message], b: &[Message], what: &str) {
    let story = |messages: &[Message]| format!("{messages:?}");
    assert!(story(a) == story(b), "{what}:\n{}\n{}", story(a), story(b));
}

/// Any bytes as requests and as responses.
pub fn check(bytes: &[u8]) {
    let served = serve(bytes);
    let told = annotate(bytes, Role::Request, Method::Get, &manner());
    let mut at = 0;
    for message in &told.messages {
        assert_eq!(message.start, at, "messages follow each other");
        at = message.end();
        tiles(message);
        assert_eq!(message.bytes.first, bytes[message.start as usize..at as usize]);
    }
    assert_eq!(at + told.unread, bytes.len() as u64);

    let broken =
        told.messages.iter().find_map(|m| m.error.map(|b| (NoteId::fault(find(b.note)), b.at, b.len, b.cut_off)));
    let refused = served.refused.map(|(r, cut_off)| (NoteId::fault(r.fault), r.at, r.len, cut_off));
    assert_eq!(broken, refused, "broken exactly when it is refused");
    assert!(told.messages.iter().rev().skip(1).all(|m| m.error.is_none()), "nothing is read after a fault");

    for (start, fields) in &served.fields {
        let message =
            told.messages.iter().find(|m| m.start <= *start && *start < m.end()).expect("a message for each head");
        let base = start - message.start;
        for &(at, len) in fields.iter().filter(|(_, len)| *len > 0) {
            let (from, to) = (base + at as u64, base + (at + len) as u64);
            assert!(message.spans.iter().any(|s| s.start == from) && message.spans.iter().any(|s| s.end() == to));
        }
    }

    for role in [Role::Request, Role::Response] {
        let whole = pieces(bytes, role, &[]);
        let bytewise: Vec<usize> = (1..bytes.len()).collect();
        same(&pieces(bytes, role, &bytewise), &whole, "bytewise");
        let middle = bytes.len() / 2;
        same(&pieces(bytes, role, &[middle]), &whole, "in halves");
        whole.iter().for_each(tiles);
    }
}

/// The fault with this note.
fn find(note: NoteId) -> barewire::http::Fault {
    let faults = barewire::http::Fault::ALL.iter();
    faults.copied().find(|&f| NoteId::fault(f) == note).expect("a request is broken by a fault of the table")
}
