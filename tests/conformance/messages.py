"""RFC 9112: Host, malformed requests, pipelining, and the end of a connection."""
from checks import CLOSE, HOSTS, MUST, PIPELINING, REFUSING, SHOULD, absent, check, right, verdict, wrong
from wire import Connection


def refused(target, requests, statuses=(400,), close=False):
    """Whether each of these requests gets one of the statuses (and the connection is closed, if that is due)."""
    bad = []
    for request in requests:
        seen = target.send(request, methods=["GET"])
        fine = seen.first and seen.first.status in statuses and len(seen.final) == 1
        if not fine or close and not seen.closed:
            bad.append(f"{shown(request, target)}: {seen.seen}")
    wanted = " or ".join(map(str, statuses))
    return verdict(not bad, "; ".join(bad) if bad else f"{wanted}" + (", then close" if close else ""))


def shown(request, target):
    """What is special about a request: its line, or the lines besides the usual ones."""
    usual = {f"GET {target.path} HTTP/1.1", f"Host: {target.host}", "Connection: close", ""}
    text = request.decode("latin-1").split("\r\n")
    lines = [line for line in text if line not in usual] or [text[0]]
    return " | ".join(line[:60].encode("unicode_escape").decode() for line in lines)


@check(HOSTS, "9112 §3.2", MUST, "A request without Host is 400")
def without_host(target):
    return refused(target, [target.request(host=False)])


@check(HOSTS, "9112 §3.2", MUST, "A request with two Host lines is 400")
def two_hosts(target):
    return refused(target, [target.request("GET", f"Host: {name}") for name in (target.host, "other.example")])


@check(HOSTS, "9112 §3.2", MUST, "A Host that is no host is 400")
def invalid_host(target):
    values = ["a b", "a/b", "user@host", "[::1", "a:b", "a?b"]
    return refused(target, [target.request("GET", f"Host: {value}", host=False) for value in values])


@check(HOSTS, "9112 §3.2.2", MUST, "A target in absolute form is accepted")
def absolute_form(target):
    response = target.ask(path=f"http://{target.host}{target.path}")
    return verdict(response and response.status == target.whole.status, f"GET http://{target.host}{target.path}: {response}")


@check(HOSTS, "9112 §3.2.2", MUST, "The host of an absolute target replaces that of Host")
def absolute_form_first(target):
    response = target.ask("GET", "Host: other.example", host=False, path=f"http://{target.host}{target.path}")
    return verdict(response and response.status == target.whole.status, f"with Host: other.example: {response}")


@check(HOSTS, "9112 §3.2", MUST, "An absolute target without Host is 400")
def absolute_form_without_host(target):
    return refused(target, [target.request(host=False, path=f"http://{target.host}{target.path}")])


@check(REFUSING, "9112 §5.1", MUST, "A space between a field name and its colon is 400")
def space_before_colon(target):
    return refused(target, [target.request("GET", "X-Probe : a"), target.request("GET", "Content-Length : 0")])


def host_of_two_lines(target, value):
    return target.request("GET", f"Host: {value}", host=False)


@check(REFUSING, "9112 §5.2", MUST, "A folded line is 400, or folded into a space")
def folded(target):
    # Either way this Host is invalid: it would be "local host".
    return refused(target, [host_of_two_lines(target, "local\r\n host")])


@check(REFUSING, "9112 §2.2", MUST, "A CR without LF is invalid, or a space")
def bare_cr(target):
    return refused(target, [host_of_two_lines(target, "local\rhost")])


@check(REFUSING, "9110 §5.5", MUST, "NUL in a value is refused, or a space")
def nul(target):
    return refused(target, [host_of_two_lines(target, "local\0host")])


@check(REFUSING, "9112 §2.2", MUST, "A line that begins with a space after the request line is not a field")
def space_after_request_line(target):
    # If the line counted, the next request would be content.
    hidden = target.request().decode()
    head = f"POST {target.path} HTTP/1.1\r\n Content-Length: {len(hidden)}\r\nHost: {target.host}\r\n\r\n"
    seen = target.send(head.encode(), hidden.encode(), methods=["POST", "GET"])
    refused_or_ignored = seen.first and (seen.first.status == 400 or len(seen.final) == 2 or seen.first.closes)
    return verdict(refused_or_ignored, seen.seen)


@check(REFUSING, "9112 §3", SHOULD, "A request line that is invalid is 400 (or 301)")
def invalid_request_line(target):
    end = f"\r\nHost: {target.host}\r\nConnection: close\r\n\r\n"
    # Not here: a version or method with odd characters. A server may take it for one that it does not know (505, 501).
    lines = ["GET / HTTP/1.1 x", "GET /a b HTTP/1.1", "GET / http/1.1", "GET nothing HTTP/1.1"]
    return refused(target, [(line + end).encode() for line in lines], statuses=(400, 301))


@check(REFUSING, "9112 §2.2", SHOULD, "What is no HTTP is 400, then close")
def no_http(target):
    return refused(target, [b"\x01\x02\x03\x04 probe\r\n\r\n", b"hello\r\n\r\n"], close=True)


@check(REFUSING, "9112 §2.2", SHOULD, "A line that is no field is 400, then close")
def no_field(target):
    lines = ["no colon", ": no name", "X Probe: a", "X-Pr\x01be: a", "X-Pr(o)be: a"]
    return refused(target, [target.request("GET", line, close=False) for line in lines], close=True)


@check(REFUSING, "9112 §3", MUST, "A target that is too long is 414")
def long_target(target):
    seen = target.send(target.request(path="/" + "a" * 100_000))
    response = seen.first
    # A server may also read it, and not find such a file. What counts is that it does not refuse the length otherwise.
    fine = response and response.status not in (400, 413, 431)
    return verdict(fine, f"100,000 bytes: {seen.seen}")


@check(REFUSING, "9112 §3", SHOULD, "A request line of 8,000 bytes is read")
def request_line_of_8000(target):
    # As a query, so that no limit of names in a file system counts. The line is 8,000 bytes.
    query = "?" + "a" * (8000 - len(f"GET {target.path}? HTTP/1.1"))
    response = target.ask(path=target.path + query)
    return verdict(response and response.status == target.whole.status, f"{response}")


@check(REFUSING, "9110 §5.4", MUST, "Fields that are too large are 4xx")
def large_fields(target):
    seen = target.send(target.request("GET", "X-Probe: " + "a" * 100_000))
    fine = seen.first and (400 <= seen.first.status < 500 or seen.first.successful)
    return verdict(fine, f"100,000 bytes in one field: {seen.seen}")


@check(REFUSING, "9112 §2.2", SHOULD, "An empty line before a request is ignored")
def empty_line(target):
    seen = target.send(b"\r\n" + target.request(), methods=["GET"])
    return verdict(seen.first and seen.first.status == target.whole.status, seen.seen)


@check(REFUSING, "9110 §2.5", SHOULD, "A higher minor version is read as HTTP/1.1")
def minor_version(target):
    response = target.ask(version="HTTP/1.2")
    return verdict(response and response.status == target.whole.status, f"HTTP/1.2: {response}")


@check(PIPELINING, "9112 §9.3.2", MUST, "Pipelined requests are answered in order")
def order(target):
    missing = target.ask(path=target.missing)
    if missing is None or missing.status == target.whole.status:
        return absent(f"a missing file is {missing}")
    # The last one shows whether the HEAD in the middle was answered without content.
    paths = [("GET", target.path), ("GET", target.missing), ("HEAD", target.path), ("GET", target.missing), ("GET", target.path)]
    requests = [target.request(method, path=path, close=last) for (method, path), last in zip(paths, [0, 0, 0, 0, 1])]
    seen = target.send(*requests)
    if seen.closed and len(seen.final) < len(paths) and not seen.rest:
        return absent(f"closed after {len(seen.final)} of {len(paths)} requests")
    wanted = [target.whole.status if path == target.path else missing.status for _, path in paths]
    return verdict([r.status for r in seen.final] == wanted and not seen.rest, seen.seen)


@check(PIPELINING, "9112 §9.3.2", MUST, "Pipelined requests that come byte by byte are answered in order")
def order_in_pieces(target):
    requests = target.request(close=False) + target.request("HEAD", close=False) + target.request(path=target.missing)
    methods = ["GET", "HEAD", "GET"]
    with Connection(target.address) as connection:
        for byte in requests:
            connection.unsent += bytes([byte])
            connection.pump(1)
        seen = connection.converse(b"", methods)
    if seen.closed and len(seen.final) < len(methods) and not seen.rest:
        return absent(f"closed after {len(seen.final)} of {len(methods)} requests")
    return verdict(len(seen.final) == len(methods) and not seen.rest, seen.seen)


@check(CLOSE, "9112 §9.3", SHOULD, "A connection stays open for the next request")
def persistent(target):
    with Connection(target.address) as connection:
        first = connection.converse(target.request(close=False), ["GET"], enough=1)
        both = connection.converse(target.request(), ["GET", "GET"])
    version = first.first.version if first.first else "no response"
    return verdict(len(both.final) == 2, f"{len(both.final)} of 2 responses on one connection ({version})")


@check(CLOSE, "9112 §9.6", MUST, "After a request with Connection: close the connection is closed")
def close(target):
    bad = []
    for value in ("close", "Close", "x-probe, close"):
        seen = target.send(target.request("GET", f"Connection: {value}", close=False))
        if not seen.first or not seen.closed:
            bad.append(f"Connection: {value}: {seen.seen}")
    return verdict(not bad, "; ".join(bad) if bad else "closed")


@check(CLOSE, "9112 §9.6", SHOULD, "The response to such a request says Connection: close")
def says_close(target):
    response = target.ask()
    if response and response.version == "HTTP/1.0":
        return absent("the response is HTTP/1.0, which closes by itself")
    return verdict(response and response.closes, f"Connection: {response and response.field('connection')}")


@check(CLOSE, "9112 §9.6", MUST, "Nothing after such a request is answered")
def nothing_after_close(target):
    seen = target.send(target.request(), target.request("HEAD"))
    return verdict(len(seen.final) == 1, seen.seen)


@check(CLOSE, "9112 §9.6", SHOULD, "A server that closes says so before")
def says_that_it_closes(target):
    seen = target.send(target.request(close=False))
    if not seen.closed or seen.first and seen.first.version == "HTTP/1.0":
        return right("the connection was kept open") if not seen.closed else absent("the response is HTTP/1.0")
    return verdict(seen.first and seen.first.closes, seen.seen) if seen.first else wrong(seen.seen)
