"""RFC 9110 §14: ranges. They are optional: a server that sends no 206 offers none of this."""
import functools
import re

from checks import MUST, RANGES, SHOULD, absent, check, verdict

# The shortest file whose parts can be told from the whole.
SHORTEST = 10


def ranged(target, *lines, method="GET"):
    return target.ask(method, *lines)


def two_bytes(target):
    """The response to `Range: bytes=0-1`, at which several checks look."""
    return target.once("range", lambda: ranged(target, "Range: bytes=0-1"))


def offered(function):
    """Runs the check only where `bytes=0-1` is 206."""
    @functools.wraps(function)
    def run(target):
        probe = two_bytes(target)
        if len(target.whole.content) < SHORTEST:
            return absent(f"the file is shorter than {SHORTEST} bytes")
        if probe is None or probe.status != 206:
            return absent(f"Range: bytes=0-1 is {probe}")
        return function(target)
    return run


def part(target, spec, first, end):
    response = ranged(target, f"Range: bytes={spec}")
    length = len(target.whole.content)
    described = response and response.field("content-range")
    fine = (response and response.status == 206 and response.content == target.whole.content[first:end]
            and described in (f"bytes {first}-{end - 1}/{length}", f"bytes {first}-{end - 1}/*"))
    return verdict(fine, f"bytes={spec}: {response}, Content-Range: {described}, "
                         f"{len(response.content) if response else 0} bytes")


def ignored(target, *lines):
    """Whether the whole file comes in spite of a Range."""
    response = ranged(target, *lines)
    fine = response and response.status == 200 and response.content == target.whole.content
    return verdict(fine, f"{response} (due: 200 with the whole content)")


@check(RANGES, "9110 §15.3.7.1", MUST, "A part comes with its Content-Range")
@offered
def first_bytes(target):
    return part(target, "2-5", 2, 6)


@check(RANGES, "9110 §14.2", SHOULD, "A range without end is sent to the end")
@offered
def open_end(target):
    return part(target, "3-", 3, len(target.whole.content))


@check(RANGES, "9110 §14.2", SHOULD, "A suffix range sends the last bytes")
@offered
def suffix(target):
    length = len(target.whole.content)
    return part(target, "-4", length - 4, length)


@check(RANGES, "9110 §14.2", SHOULD, "A range that ends after the content is sent as far as it goes")
@offered
def too_long(target):
    return part(target, "4-99999999", 4, len(target.whole.content))


@check(RANGES, "9110 §14.1.2", MUST, "A number that no integer holds does not overflow")
@offered
def overflow(target):
    # 2^64 + 5: a server that computes with 64 bits would see 5.
    response = ranged(target, "Range: bytes=0-18446744073709551621")
    whole = response and response.content == target.whole.content
    fine = response and (response.status in (200, 206) and whole or response.status in (400, 416))
    return verdict(fine, f"bytes=0-18446744073709551621: {response}, {len(response.content) if response else 0} bytes")


@check(RANGES, "9110 §14.4", SHOULD, "Content-Range has the complete length")
@offered
def complete_length(target):
    described = two_bytes(target).field("content-range") or ""
    return verdict(described.endswith(f"/{len(target.whole.content)}"), f"Content-Range: {described}")


@check(RANGES, "9110 §15.3.7", MUST, "206 has the fields that 200 would have")
@offered
def fields_of_206(target):
    response = two_bytes(target)
    names = ["date", "cache-control", "etag", "expires", "content-location", "vary", "content-type", "last-modified",
             "content-encoding"]
    lost = [name for name in names if target.whole.all(name) and not response.all(name)]
    return verdict(not lost, f"missing: {', '.join(lost)}" if lost else "all of them")


@check(RANGES, "9110 §14.2", SHOULD, "A range after the end is 416")
@offered
def unsatisfiable(target):
    response = ranged(target, "Range: bytes=99999999-")
    return verdict(response and response.status == 416, f"bytes=99999999-: {response}")


@check(RANGES, "9110 §14.4", SHOULD, "416 has a Content-Range with the length")
@offered
def fields_of_416(target):
    response = ranged(target, "Range: bytes=99999999-")
    if response is None or response.status != 416:
        return absent(f"no 416 but {response}")
    described = response.field("content-range")
    return verdict(described == f"bytes */{len(target.whole.content)}", f"Content-Range: {described}")


@check(RANGES, "9110 §14.2", MUST, "Range is ignored for HEAD")
@offered
def head(target):
    response = ranged(target, "Range: bytes=0-1", method="HEAD")
    return verdict(response and response.status == 200, f"HEAD with Range: {response}")


@check(RANGES, "9110 §14.2", MUST, "A range unit that is unknown is ignored")
@offered
def unknown_unit(target):
    return ignored(target, "Range: apples=0-1")


@check(RANGES, "9110 §13.1.5", MUST, "Range is ignored if If-Range has another tag")
@offered
def if_range_other(target):
    return ignored(target, "Range: bytes=0-1", 'If-Range: "a-tag-of-the-probe"')


@check(RANGES, "9110 §13.1.5", MUST, "Range is ignored if If-Range has another date")
@offered
def if_range_other_date(target):
    return ignored(target, "Range: bytes=0-1", "If-Range: Sun, 06 Nov 1994 08:49:37 GMT")


@check(RANGES, "9110 §13.1.5", MUST, "Range is ignored if If-Range has a weak tag")
@offered
def if_range_weak(target):
    tag = target.whole.field("etag")
    if not tag:
        return absent("no etag in the response to GET")
    return ignored(target, "Range: bytes=0-1", f"If-Range: W/{tag.removeprefix('W/')}")


@check(RANGES, "9110 §13.1.5", SHOULD, "Range is obeyed if If-Range has the current tag")
@offered
def if_range(target):
    tag = target.whole.field("etag")
    if not tag or tag.startswith("W/"):
        return absent("no strong etag in the response to GET")
    response = ranged(target, "Range: bytes=0-1", f"If-Range: {tag}")
    return verdict(response and response.status == 206, f"{response} (due: 206)")


@check(RANGES, "9110 §13.2.2", MUST, "Conditions are evaluated before Range")
@offered
def condition_first(target):
    tag = target.whole.field("etag")
    if not tag:
        return absent("no etag in the response to GET")
    response = ranged(target, "Range: bytes=0-1", f"If-None-Match: {tag}")
    return verdict(response and response.status == 304, f"{response} (due: 304)")


def several(target):
    """The response to two ranges that are far enough apart to be two parts, or why there is none."""
    if len(target.whole.content) < 1000:
        return None, absent("the file is shorter than 1,000 bytes")
    response = ranged(target, "Range: bytes=0-1,900-903")
    media_type = (response and response.field("content-type") or "").lower()
    if response is None or response.status != 206 or not media_type.startswith("multipart/byteranges"):
        return None, absent(f"two ranges: {response}, {media_type}")
    return response, None


@check(RANGES, "9110 §15.3.7.2", MUST, "Several parts are multipart/byteranges with a boundary, each with its Content-Range")
@offered
def parts(target):
    response, none = several(target)
    if none:
        return none
    boundary = re.search(r'boundary="?([^";]+)', response.field("content-type"))
    if not boundary:
        return verdict(False, f"Content-Type: {response.field('content-type')}")
    pieces = response.content.split(b"--" + boundary[1].encode())[1:-1]
    length, content = len(target.whole.content), target.whole.content
    wanted = [(f"bytes 0-1/{length}", content[:2]), (f"bytes 900-903/{length}", content[900:904])]
    found = []
    for piece in pieces:
        head, _, body = piece.partition(b"\r\n\r\n")
        described = re.search(rb"(?i)\r\ncontent-range: *([^\r]+)", head)
        found.append((described[1].decode() if described else None, body.removesuffix(b"\r\n")))
    return verdict(found == wanted, f"{len(pieces)} parts: {', '.join(str(described) for described, _ in found)}")


@check(RANGES, "9110 §15.3.7.2", MUST, "The head of a response with several parts has no Content-Range")
@offered
def no_range_of_all_parts(target):
    response, none = several(target)
    return none or verdict(not response.all("content-range"), f"Content-Range: {response.field('content-range')}")


@check(RANGES, "9110 §15.3.7.2", MUST, "One range is not sent as multipart")
@offered
def single(target):
    media_type = two_bytes(target).field("content-type") or ""
    return verdict(not media_type.lower().startswith("multipart/"), f"Content-Type: {media_type}")
