//! The list of all practice, as people read it.
//!
//! Never: a line for something that is not there. A test asks for every example.
//!
//! The subtle thing: an example is a command that can be typed, not a template: whoever wants other
//! numbers sees where they stand.

/// Some that belong together.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) entries: &'static [Entry],
}

/// One of them.
pub(crate) struct Entry {
    /// As in the table of the manual.
    pub(crate) path: &'static str,
    /// An address that works.
    pub(crate) example: &'static str,
    /// For curl.
    pub(crate) options: &'static str,
    pub(crate) says: &'static str,
}

impl Entry {
    /// Whether following a link does the same: nothing but ways of showing is asked of curl.
    pub(crate) fn is_link(&self) -> bool {
        matches!(self.options, "" | "-i" | "-iL" | "--raw" | "-iN" | "-N")
    }
}

const fn entry(path: &'static str, options: &'static str, example: &'static str, says: &'static str) -> Entry {
    Entry { path, example, options, says }
}

/// All of them.
pub(crate) const GROUPS: &[Group] = &[
    Group {
        title: "What you sent",
        entries: &[
            entry(
                "/.try/echo",
                "-d 'name=Ada'",
                "/.try/echo",
                "The bytes of your request, head and content, as they came. ?body: the content alone; ?text: as text, for browsers. Any method.",
            ),
            entry(
                "/.try/form",
                "-i",
                "/.try/form",
                "A page with three forms to the echo: urlencoded, multipart and plain text.",
            ),
            entry(
                "/.try/upload",
                "-d 'some content'",
                "/.try/upload",
                "Reads, counts and throws away: recv calls, the smallest, the largest, SHA-256. POST or PUT.",
            ),
            entry(
                "/.try/trace",
                "-i -X TRACE",
                "/.try/trace",
                "Your request back, without the fields that say who you are.",
            ),
            entry(
                "/.try/method",
                "-i -X POST",
                "/.try/method",
                "GET and OPTIONS work here, anything else is 405 with Allow.",
            ),
            entry(
                "/.try/note",
                "-i -X PUT -d 'Remember the milk.'",
                "/.try/note",
                "One text in memory for GET, HEAD, PUT, DELETE, OPTIONS: 201, then 204, ETag, If-Match.",
            ),
        ],
    },
    Group {
        title: "Status",
        entries: &[
            entry(
                "/.try/status/CODE",
                "-i",
                "/.try/status/404",
                "Any code from 200 to 599, with what the RFC demands of it. ?reason=Other%20words",
            ),
            entry("/.try/fail", "-i", "/.try/fail", "A handler that really fails: what a server says then."),
            entry("/.try/busy", "-i", "/.try/busy", "The answer of a server that is full."),
            entry("/.try/interim/CODE", "-i", "/.try/interim/103", "100, 102 or 103, then 200."),
            entry(
                "/.try/expect/refuse",
                "-i -H 'Expect: 100-continue' -d content",
                "/.try/expect/refuse",
                "413 before the content is sent.",
            ),
        ],
    },
    Group {
        title: "Where a message ends",
        entries: &[
            entry("/.try/length/N", "-i", "/.try/length/40", "So many bytes and their Content-Length."),
            entry("/.try/utf8", "-i", "/.try/utf8", "4 characters, 10 bytes."),
            entry(
                "/.try/chunked",
                "--raw",
                "/.try/chunked?sizes=5,26&gap=200&ext=a=b&trailer=X-Sum:31",
                "In chunks, one write for each; an extension and a trailer if you like.",
            ),
            entry("/.try/close", "-i", "/.try/close?n=40", "No length: the end of the connection is the end."),
            entry(
                "/.try/cut",
                "-i",
                "/.try/cut?send=20&of=100&how=fin",
                "Announces 100 bytes, sends 20, then FIN; how=rst: a reset.",
            ),
            entry("/.try/broken/", "-i", "/.try/broken/", "Eight answers that are wrong on purpose, and who notices."),
        ],
    },
    Group {
        title: "Time",
        entries: &[
            entry("/.try/drip", "-iN", "/.try/drip?n=10&gap=500", "One byte in each write."),
            entry(
                "/.try/split",
                "-iN",
                "/.try/split?at=3,10,17&gap=200",
                "One answer in pieces, cut at these offsets.",
            ),
            entry(
                "/.try/wait/MS",
                "-iN",
                "/.try/wait/2000?where=head",
                "Slow before the head, or with where=body behind it.",
            ),
        ],
    },
    Group {
        title: "Who you are",
        entries: &[
            entry("/.try/auth", "-i -u student:wire", "/.try/auth", "Basic: 401 with a challenge, or 200."),
            entry(
                "/.try/auth/bearer",
                "-i -H 'Authorization: Bearer wire'",
                "/.try/auth/bearer",
                "The same with a token.",
            ),
            entry("/.try/auth/forbidden", "-i -u student:wire", "/.try/auth/forbidden", "403, whoever you are."),
            entry("/.try/cookie", "-i -b name=value", "/.try/cookie", "The cookies you sent."),
            entry("/.try/cookie/set", "-i", "/.try/cookie/set?name=value", "Sets cookies for /.try/."),
            entry("/.try/cookie/clear", "-i -b name=value", "/.try/cookie/clear", "Takes back those you sent."),
        ],
    },
    Group {
        title: "Elsewhere, again, in part",
        entries: &[
            entry(
                "/.try/redirect/CODE",
                "-iL",
                "/.try/redirect/302?times=3",
                "301, 302, 303, 307 or 308, as often as you like, up to 20 times.",
            ),
            entry("/.try/redirect/loop", "-i", "/.try/redirect/loop", "For ever."),
            entry("/.try/range", "-i -r 500-509", "/.try/range", "1,000 numbered bytes: 206, 416, If-Range."),
            entry(
                "/.try/cache/SECONDS",
                "-i",
                "/.try/cache/60",
                "May be kept for so long. The number in the text grows with each request that arrives.",
            ),
            entry("/.try/cache/etag", "-i", "/.try/cache/etag", "An ETag that changes every 10 s: 304 in between."),
            entry("/.try/cache/modified", "-i", "/.try/cache/modified", "The same with Last-Modified."),
            entry("/.try/cache/never", "-i", "/.try/cache/never", "no-store: asked for every time."),
        ],
    },
];
