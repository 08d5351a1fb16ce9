"""What each parser makes of the bytes of a case: messages, and how the conversation ends.

barewire's part is read from the events of the corpus, which `cargo test --test it protocol` compares with the parser. The
others are fed here. Each response is one that keeps the connection, so only the request decides whether it ends.
"""
import re

import h11
import httptools

# How the conversation ends: the next request may come, the message was the last one, a rule was broken, bytes are missing.
OPEN, CLOSED, REFUSED, INCOMPLETE = "open", "close", "refused", "incomplete"


class Outcome:
    """The messages, each as [method, target, bytes of content, complete], and the end."""

    def __init__(self):
        self.messages, self.end = [], OPEN

    def begin(self, method, target):
        self.messages.append([method, target, 0, False])

    def whole(self):
        """The same without a message that was refused half way: nothing is done for it."""
        if self.end == REFUSED and self.messages and not self.messages[-1][3]:
            self.messages.pop()
        return self

    def __eq__(self, other):
        return (self.messages, self.end) == (other.messages, other.end)

    def __str__(self):
        words = []
        for method, target, size, complete in self.messages:
            text = f"{shown(method)} {shown(target)}"
            text += f", {size:,} bytes" if size or not complete else ""
            words.append(text + ("" if complete else " so far"))
        return "; ".join([*words, self.end])


def shown(data):
    """A few bytes as text that fits into a cell of a Markdown table."""
    text = data.decode("latin-1").encode("unicode_escape").decode()
    text = text if len(text) <= 30 else f"{text[:20]}… ({len(data):,} bytes)"
    return text.replace("|", "\\|")


def barewire(case):
    outcome, complete = Outcome(), False
    for line in case.events:
        words = line.split()
        if words[0] == "request":
            complete = ", no content" in line or re.search(r", content of 0(,|$)", line) is not None
            outcome.begin(b"", b"")
            outcome.messages[-1][3] = complete
        elif words[0] in ("method", "target") and line.startswith("  ") and outcome.messages:
            first, end = map(int, words[1].split(".."))
            outcome.messages[-1][words[0] == "target"] = case.data[first:end]
        elif words[0] == "content":
            first, end = map(int, words[1].split(".."))
            outcome.messages[-1][2] += end - first
        elif words[0] == "end":
            outcome.messages[-1][3] = True
        elif words[0] == "refused":
            outcome.end = REFUSED
        elif words[0] == "end-of-input" and words[1] == "refused":
            outcome.end = INCOMPLETE
        elif words[0] == "answer" and re.search(r"then (a staged close|close)$", line) and outcome.end == OPEN:
            outcome.end = CLOSED
    return outcome.whole()


class Callbacks:
    """What llhttp calls."""

    def __init__(self, outcome):
        self.outcome, self.parser, self.url = outcome, None, b""

    def on_message_begin(self):
        # llhttp has no end of input here: what has begun and does not end is incomplete.
        self.url, self.outcome.end = b"", INCOMPLETE

    def on_url(self, url):
        self.url += url

    def on_headers_complete(self):
        self.outcome.begin(self.parser.get_method(), self.url)

    def on_body(self, body):
        self.outcome.messages[-1][2] += len(body)

    def on_message_complete(self):
        self.outcome.messages[-1][3] = True
        self.outcome.end = OPEN if self.parser.should_keep_alive() else CLOSED


def llhttp(case):
    outcome = Outcome()
    callbacks = Callbacks(outcome)
    callbacks.parser = httptools.HttpRequestParser(callbacks)
    try:
        callbacks.parser.feed_data(case.data)
    except httptools.HttpParserUpgrade:
        outcome.end = CLOSED
    except httptools.HttpParserError as error:
        # After the last message llhttp calls every further byte an error.
        outcome.end = CLOSED if "after `Connection: close`" in str(error) else REFUSED
    return outcome.whole()


def h11_(case):
    outcome, connection = Outcome(), h11.Connection(h11.SERVER)
    connection.receive_data(case.data)
    at_end = False
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                outcome.begin(event.method, event.target)
            elif isinstance(event, h11.Data):
                outcome.messages[-1][2] += len(event.data)
            elif isinstance(event, h11.EndOfMessage):
                outcome.messages[-1][3] = True
                connection.send(h11.Response(status_code=404, headers=[("Content-Length", "0")]))
                connection.send(h11.EndOfMessage())
                if connection.our_state is not h11.DONE:
                    outcome.end = CLOSED
                    break
                connection.start_next_cycle()
            elif event is h11.NEED_DATA and not at_end:
                at_end = True
                connection.receive_data(b"")
            else:
                break
    except h11.RemoteProtocolError:
        outcome.end = INCOMPLETE if at_end else REFUSED
    return outcome.whole()


OTHERS = {"llhttp": llhttp, "h11": h11_}
