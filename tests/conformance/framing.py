"""RFC 9112 §6 and §7: where a message ends. A server and a proxy that disagree about it are request smuggling."""
from checks import FRAMING, MUST, SHOULD, absent, check, right, verdict, wrong

# Methods that a file server may take content with. None of them changes a file here.
CARRIERS = ["POST", "GET", "OPTIONS"]
CHUNKED = "Transfer-Encoding: chunked"


def hidden(target):
    """A request in the place of content: a server that answers it has lost the boundary of the message."""
    return target.request(path=target.missing, close=False).decode()


def after_content(target, *lines, content, method):
    """A request with content, and one for the file after it."""
    first = target.request(method, *lines, close=False, content=content)
    return target.send(first, target.request(), methods=[method, "GET"])


def decoded(target, content, *lines):
    """Whether the next request is found after this chunked content, with the first method that lets it be seen."""
    said = []
    for method in CARRIERS:
        seen = after_content(target, CHUNKED, *lines, content=content, method=method)
        said.append(f"{method}: {seen.seen}")
        if len(seen.final) == 2 and not seen.rest:
            return verdict(seen.final[1].status == target.whole.status, said[-1])
        # Where the server closes, the end of the content cannot be seen. Content of GET and OPTIONS may be refused.
        if seen.first is None or not seen.closed or seen.first.status == 400 and method == "POST":
            return wrong(said[-1])
    return absent("closed after the first response: " + "; ".join(said))


@check(FRAMING, "9112 §9.3", MUST, "Content is read, or the connection closed: never taken for a request")
def content_is_no_request(target):
    content = hidden(target)
    for method in CARRIERS:
        seen = after_content(target, f"Content-Length: {len(content)}", content=content, method=method)
        if len(seen.final) > 2 or len(seen.final) == 2 and seen.final[1].status != target.whole.status:
            return wrong(f"{method} with content that looks like a request: {seen.seen}")
    return right("POST, GET and OPTIONS with content that looks like a request: no response to it")


@check(FRAMING, "9112 §7.1", MUST, "Chunked content is decoded")
def chunks(target):
    return decoded(target, "5\r\nhello\r\n0\r\n\r\n")


@check(FRAMING, "9112 §7.1.1", MUST, "Chunk extensions that are unknown are ignored")
def chunk_extensions(target):
    return decoded(target, '5;a=b;c="d;e"\r\nhello\r\n0;last\r\n\r\n')


@check(FRAMING, "9112 §7.1", MUST, "Chunked content with a trailer section is decoded")
def trailers(target):
    return decoded(target, "5\r\nhello\r\n0\r\nX-Probe: trailer\r\n\r\n", "Trailer: X-Probe")


@check(FRAMING, "9112 §7.1", MUST, "A chunk size that no integer holds does not overflow")
def chunk_overflow(target):
    # 2^64 + 5: a server that computes with 64 bits would see 5, and answer the next request.
    for method in CARRIERS:
        seen = after_content(target, CHUNKED, content="10000000000000005\r\nhello\r\n0\r\n\r\n", method=method)
        if len(seen.final) > 1 and seen.final[1].successful:
            return wrong(f"{method}, chunk size 10000000000000005: {seen.seen}")
    return right("no response to what stands after such a chunk")


@check(FRAMING, "9112 §6.1", MUST, "After Content-Length with Transfer-Encoding the connection is closed")
def length_and_coding(target):
    seen = after_content(target, "Content-Length: 5", CHUNKED, content="0\r\n\r\n", method="GET")
    return verdict(seen.first and len(seen.final) == 1 and seen.closed, seen.seen)


@check(FRAMING, "9112 §6.3", MUST, "Transfer-Encoding that does not end in chunked is 400, then close")
def not_chunked_last(target):
    seen = after_content(target, "Transfer-Encoding: chunked, gzip", content="0\r\n\r\n", method="GET")
    # A server that does not understand gzip here should say 501 (§6.1).
    return verdict(seen.first and seen.first.status in (400, 501) and len(seen.final) == 1 and seen.closed, seen.seen)


@check(FRAMING, "9112 §6.1", SHOULD, "A transfer coding that is unknown is 501")
def unknown_coding(target):
    seen = after_content(target, "Transfer-Encoding: probe, chunked", content="0\r\n\r\n", method="GET")
    return verdict(seen.first and seen.first.status == 501, seen.seen)


@check(FRAMING, "9112 §6.1", MUST, "After Transfer-Encoding in HTTP/1.0 the connection is closed")
def coding_in_http_10(target):
    first = target.request("GET", CHUNKED, "Connection: keep-alive", version="HTTP/1.0", close=False, content="0\r\n\r\n")
    seen = target.send(first, target.request(), methods=["GET", "GET"])
    return verdict(seen.first and len(seen.final) == 1 and seen.closed, seen.seen)


def refused_lengths(target, cases):
    """Whether each of these framings is 400 and the end of the connection."""
    bad = []
    for lines in cases:
        seen = after_content(target, *lines, content="hello", method="GET")
        if not (seen.first and seen.first.status == 400 and len(seen.final) == 1 and seen.closed):
            bad.append(f"{' and '.join(lines)}: {seen.seen}")
    return verdict(not bad, "; ".join(bad) if bad else f"{len(cases)} of {len(cases)} are 400, then close")


@check(FRAMING, "9112 §6.3", MUST, "A Content-Length that is no number is 400, then close")
def invalid_length(target):
    return refused_lengths(target, [[f"Content-Length: {value}"] for value in ("+5", "-5", "5x", "0x5", "5 5", "5.0")])


@check(FRAMING, "9112 §6.3", MUST, "Two different lengths are 400, then close")
def two_lengths(target):
    return refused_lengths(target, [["Content-Length: 5", "Content-Length: 6"], ["Content-Length: 5, 6"]])


@check(FRAMING, "9112 §6.3", MUST, "A Content-Length that no integer holds is no small number")
def huge_length(target):
    # 2^64 + 5, see above.
    seen = after_content(target, "Content-Length: 18446744073709551621", content="hello", method="GET")
    return verdict(len(seen.final) < 2, seen.seen)


@check(FRAMING, "9112 §6.1", MUST, "An HTTP/1.0 client gets no Transfer-Encoding")
def no_coding_for_http_10(target):
    asked = [(path, target.ask(path=path, version="HTTP/1.0")) for path in ("/", target.path, target.missing)]
    bad = [path for path, r in asked if r is None or r.all("transfer-encoding")]
    return verdict(not bad, f"Transfer-Encoding, or no response: {', '.join(bad)}" if bad else "none in three responses")


@check(FRAMING, "9112 §6.2", MUST, "No response has both Content-Length and Transfer-Encoding")
def one_framing(target):
    asked = [(path, target.ask(path=path)) for path in ("/", target.path, target.missing)]
    bad = [path for path, r in asked if r is None or r.all("transfer-encoding") and r.all("content-length")]
    return verdict(not bad, f"both, or no response: {', '.join(bad)}" if bad else "three responses with one of them")
