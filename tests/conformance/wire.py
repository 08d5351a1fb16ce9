"""Bytes to a server and its responses, over plain sockets: nothing that could repair what either side sends."""
import re
import selectors
import socket
import time

# How long the probe waits for a response, or for the end of a connection that the server has announced. It only ends
# the wait for what never comes. It is less than the idle timeout of any server, which would look like a close.
PATIENCE = 4
# How long a connection must be silent after its last response until it counts as kept open.
SILENCE = 1.5


class Response:
    """One response: `fields` is a list of (name in lower case, value)."""

    def __init__(self, version, status, fields):
        self.version, self.status, self.fields = version, status, fields
        self.content = b""

    def __str__(self):
        return str(self.status)

    def all(self, name):
        return [value for key, value in self.fields if key == name]

    def field(self, name):
        return next(iter(self.all(name)), None)

    @property
    def closes(self):
        options = ",".join(self.all("connection")).lower().split(",")
        return "close" in [option.strip() for option in options]

    @property
    def successful(self):
        return 200 <= self.status < 300


class Conversation:
    """What a server sent on one connection.

    `end` is "closed", "reset" or "open" (silent for SILENCE). `rest` holds the bytes that are no complete response.
    """

    def __init__(self, responses, rest, end):
        self.responses, self.rest, self.end = responses, rest, end

    @property
    def final(self):
        """The responses without the interim ones."""
        return [r for r in self.responses if r.status >= 200]

    @property
    def first(self):
        return next(iter(self.final), None)

    @property
    def closed(self):
        return self.end != "open"

    @property
    def seen(self):
        """In words, for the sentence of a check."""
        said = ", ".join(map(str, self.responses))
        said = said or ("no response" if not self.rest else "no HTTP/1 response")
        return f"{said}, then {'kept open' if self.end == 'open' else self.end}"


def parse(data, methods, ended):
    """The responses in `data` to requests with these methods, and the bytes after the last complete one."""
    responses, methods = [], list(methods)
    while True:
        head = re.match(rb"(HTTP/1\.[01]) (\d{3})(?: [^\r\n]*)?\r?\n((?:[^\r\n]+\r?\n)*)\r?\n", data)
        if not head:
            return responses, data
        lines = [line.partition(":") for line in head[3].decode("latin-1").splitlines()]
        response = Response(head[1].decode(), int(head[2]), [(n.strip().lower(), v.strip()) for n, _, v in lines])
        method = methods[0] if methods else "GET"
        content, rest = content_of(response, method, data[head.end():], ended)
        if content is None:
            return responses, data
        response.content, data = content, rest
        responses.append(response)
        if response.status >= 200:
            methods = methods[1:]


def content_of(response, method, data, ended):
    """The content of a response, and the bytes after it; `None` while some is missing."""
    if method == "HEAD" or response.status < 200 or response.status in (204, 304):
        return b"", data
    if "chunked" in (response.field("transfer-encoding") or "").lower():
        return chunked(data)
    length = response.field("content-length")
    if length and length.isdigit():
        return (data[:int(length)], data[int(length):]) if len(data) >= int(length) else (None, data)
    return (data, b"") if ended else (None, data)


def chunked(data):
    content = b""
    while size := re.match(rb"([0-9a-fA-F]+)[^\r\n]*\r\n", data):
        length = int(size[1], 16)
        if length == 0:
            end = re.match(rb"[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n", data)
            return (content, data[end.end():]) if end else (None, data)
        if len(data) < size.end() + length + 2:
            break
        content += data[size.end():size.end() + length]
        data = data[size.end() + length + 2:]
    return None, data


class Connection:
    """One connection; what it has received is kept in `data`."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setblocking(False)
        self.data, self.end, self.unsent = b"", "open", b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def pump(self, wait):
        """Sends and receives once, or waits so many seconds in vain. True if something happened."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self.unsent else 0)
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, events)
            ready = selector.select(wait)
        for _, event in ready:
            try:
                # Reading comes first: a reset after a write would take away what the server has said before.
                if event & selectors.EVENT_READ:
                    piece = self.socket.recv(1 << 18)
                    self.data += piece
                    if not piece:
                        self.end = "closed"
                elif event & selectors.EVENT_WRITE:
                    self.unsent = self.unsent[self.socket.send(self.unsent[:1 << 16]):]
            except OSError:
                # What cannot be sent any more is dropped; a reset while reading is the end.
                self.unsent = b""
                if event & selectors.EVENT_READ:
                    self.end = "reset"
        return bool(ready)

    def converse(self, data, methods, enough=None):
        """Sends `data`, and receives to the end, to silence, or until there are so many final responses."""
        self.unsent += data
        deadline = time.monotonic() + PATIENCE
        while self.end == "open" and time.monotonic() < deadline:
            responses, rest = parse(self.data, methods, False)
            have = sum(r.status >= 200 for r in responses)
            if enough and have >= enough:
                break
            # What is due is a response to each request, and the end if it was announced.
            due = have < len(methods) or any(r.closes for r in responses)
            if not self.pump(PATIENCE if due else SILENCE):
                break
        responses, rest = parse(self.data, methods, self.end != "open")
        return Conversation(responses, rest, self.end)


class Target:
    """The server that is asked, and the path of a file on it."""

    def __init__(self, host, port, path):
        self.address, self.path = (host, port), path
        self.host = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        # No check depends on the name; it only has to be one that exists nowhere.
        self.missing = "/no-such-file-for-the-probe"
        self.known = {}

    def request(self, method="GET", *lines, path=None, version="HTTP/1.1", host=True, close=True, content=""):
        """The bytes of a request. Unless told otherwise it names the host and asks the server to close."""
        head = [f"{method} {path or self.path} {version}"]
        head += [f"Host: {self.host}"] if host else []
        head += [*lines, *(["Connection: close"] if close else [])]
        return "".join(f"{line}\r\n" for line in head).encode("latin-1") + b"\r\n" + content.encode("latin-1")

    def send(self, *requests, methods=None, enough=None):
        """Sends these bytes on a connection of their own."""
        data = b"".join(requests)
        methods = methods or [r.split(b" ", 1)[0].decode("latin-1") for r in requests]
        with Connection(self.address) as connection:
            return connection.converse(data, methods, enough)

    def ask(self, method="GET", *lines, **how):
        """The final response to one good request, or `None`."""
        return self.send(self.request(method, *lines, **how)).first

    def once(self, name, make):
        """Remembers a response that several checks look at."""
        if name not in self.known:
            self.known[name] = make()
        return self.known[name]

    @property
    def whole(self):
        """The response to a plain GET for the file."""
        response = self.once("whole", self.ask)
        if response is None:
            raise OSError("no response to a plain GET")
        return response
