"""RFC 9110: methods, Expect, and the fields of every response."""
import re

from checks import METHODS, MUST, SHOULD, absent, check, right, verdict, wrong
from wire import Connection

IMF_FIXDATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
                         r"\d\d:\d\d:\d\d GMT")
# What a HEAD must not leave out: fields whose value does not depend on generating the content.
METADATA = ["content-type", "etag", "last-modified", "cache-control", "expires", "vary", "content-encoding",
            "content-location"]


@check(METHODS, "9110 §9.1", MUST, "GET is supported")
def get(target):
    return verdict(target.whole.successful, f"GET: {target.whole}")


@check(METHODS, "9110 §9.1", MUST, "HEAD is supported")
def head(target):
    response = target.ask("HEAD")
    return verdict(response and response.status == target.whole.status, f"HEAD: {response}, GET: {target.whole}")


@check(METHODS, "9110 §9.3.2", MUST, "A response to HEAD has no content")
def head_without_content(target):
    seen = target.send(target.request("HEAD", close=False), target.request())
    if len(seen.final) == 1 and seen.closed and not seen.rest:
        return right("HEAD: only a head, then the connection was closed")
    return verdict(len(seen.final) == 2 and not seen.rest, f"HEAD, then GET: {seen.seen}")


@check(METHODS, "9110 §9.3.2", SHOULD, "HEAD has the same fields as GET")
def head_with_the_fields_of_get(target):
    response = target.ask("HEAD")
    if response is None:
        return wrong("no response to HEAD")
    differ = [n for n in METADATA if response.all(n) != target.whole.all(n)]
    return verdict(not differ, f"different or missing: {', '.join(differ)}" if differ else "the same fields")


@check(METHODS, "9110 §8.6", MUST, "Content-Length of HEAD is the length that GET sends")
def length_of_head(target):
    response = target.ask("HEAD")
    length = response and response.field("content-length")
    if length is None:
        return absent("HEAD has no Content-Length")
    return verdict(length == str(len(target.whole.content)), f"HEAD: {length}, GET: {len(target.whole.content)} bytes")


@check(METHODS, "9110 §9.1", SHOULD, "An unknown method is 501")
def unknown_method(target):
    response = target.ask("BREW")
    return verdict(response and response.status == 501, f"BREW: {response}")


@check(METHODS, "9110 §10.2.1", MUST, "405 has Allow")
def allow_of_405(target):
    refused = []
    for method in ("POST", "TRACE", "BREW"):
        response = target.ask(method, "Content-Length: 0")
        if response and response.status == 405:
            refused.append((method, bool(response.all("allow"))))
    if not refused:
        return absent("none of POST, TRACE, BREW is 405")
    missing = [method for method, has in refused if not has]
    return verdict(not missing, f"405 without Allow: {', '.join(missing)}" if missing else
                   f"Allow in 405 for {', '.join(method for method, _ in refused)}")


@check(METHODS, "9110 §9.3.7", SHOULD, "A successful OPTIONS says what is allowed")
def options(target):
    response = target.ask("OPTIONS")
    if response is None or not response.successful:
        return absent(f"OPTIONS: {response}")
    return verdict(response.field("allow"), f"OPTIONS: {response}, Allow: {response.field('allow')}")


@check(METHODS, "9110 §9.3.8", SHOULD, "TRACE does not send cookies back")
def trace(target):
    response = target.ask("TRACE", "Cookie: probe=secret")
    if response is None or not response.successful or b" HTTP/1.1\r\n" not in response.content:
        return absent(f"TRACE: {response}, and the request is not sent back")
    reflected = b"probe=secret" in response.content
    return verdict(not reflected, "the cookie was sent back" if reflected else "TRACE without the cookie")


@check(METHODS, "9110 §10.1.1", MUST, "Expect: 100-continue is answered before the content comes")
def expect(target):
    request = target.request("POST", "Content-Length: 5", "Expect: 100-continue", close=False)
    with Connection(target.address) as connection:
        # The content is never sent: a server that waits for it says nothing.
        connection.converse(request, ["POST"], enough=1)
        answered = re.match(rb"HTTP/1\.[01] (\d{3})", connection.data)
    return verdict(answered, f"before the content: {answered[1].decode() if answered else 'nothing'}")


@check(METHODS, "9110 §15.2", MUST, "An HTTP/1.0 client gets no 1xx response")
def no_interim_for_http_10(target):
    request = target.request("POST", "Content-Length: 5", "Expect: 100-continue", version="HTTP/1.0", content="hello")
    seen = target.send(request)
    interim = [r for r in seen.responses if r.status < 200]
    return verdict(seen.first and not interim, f"POST HTTP/1.0 with Expect: {seen.seen}")


@check(METHODS, "9110 §6.6.1", MUST, "2xx, 3xx and 4xx have Date")
def date(target):
    responses = {"GET": target.whole, "a missing file": target.ask(path=target.missing)}
    responses["a refused request"] = target.send(target.request(host=False)).first
    missing = [name for name, r in responses.items() if r and r.status < 500 and not r.field("date")]
    return verdict(not missing, f"no Date: {', '.join(missing)}" if missing else "Date in all of them")


@check(METHODS, "9110 §5.6.7", MUST, "Dates have the form IMF-fixdate")
def form_of_dates(target):
    dates = [(name, v) for name in ("date", "last-modified", "expires") for v in target.whole.all(name)]
    if not dates:
        return absent("no date in the response to GET")
    bad = [f"{name}: {value}" for name, value in dates if not IMF_FIXDATE.fullmatch(value)]
    return verdict(not bad, "; ".join(bad) if bad else ", ".join(name for name, _ in dates))


@check(METHODS, "9110 §8.3", SHOULD, "Content has a Content-Type")
def content_type(target):
    return verdict(target.whole.field("content-type"), f"Content-Type: {target.whole.field('content-type')}")


@check(METHODS, "9110 §8.6", SHOULD, "A length that is known is sent as Content-Length")
def content_length(target):
    if target.path.endswith("/"):
        return absent("no file was named with --path")
    return verdict(target.whole.field("content-length"), f"Content-Length: {target.whole.field('content-length')}")


@check(METHODS, "9110 §8.6", MUST, "204 has no Content-Length")
def no_length_in_204(target):
    response = target.ask("OPTIONS")
    if response is None or response.status != 204:
        return absent("OPTIONS is not 204")
    return verdict(not response.all("content-length"), f"204, Content-Length: {response.field('content-length')}")
