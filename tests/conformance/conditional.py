"""RFC 9110 §13: conditional requests."""
from datetime import timedelta

from checks import CONDITIONAL, MUST, SHOULD, absent, check, date_of, needs, verdict

OTHER = '"a-tag-of-the-probe"'
LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"


def expect(target, status, *lines, method="GET", path=None):
    """The verdict of a check for one status."""
    response = target.ask(method, *lines, path=path)
    return verdict(response and response.status == status, f"{response} (due: {status})")


def refused(target, *lines):
    """The verdict of a check whose condition is false: 412 is usual, but any status that is no success will do."""
    response = target.ask("GET", *lines)
    return verdict(response and not response.successful, f"{response} (due: 412)")


def strong(tag):
    return tag.removeprefix("W/")


@check(CONDITIONAL, "9110 §13.1.2", MUST, "If-None-Match with the current tag is 304")
def none_match(target):
    return needs(target.whole, "etag") or expect(target, 304, f"If-None-Match: {target.whole.field('etag')}")


@check(CONDITIONAL, "9110 §13.1.2", MUST, "If-None-Match compares weakly")
def none_match_weak(target):
    return needs(target.whole, "etag") or expect(target, 304, f"If-None-Match: W/{strong(target.whole.field('etag'))}")


@check(CONDITIONAL, "9110 §13.1.2", MUST, "If-None-Match takes a list of tags")
def none_match_list(target):
    line = f"If-None-Match: {OTHER}, {target.whole.field('etag')}, \"c\""
    return needs(target.whole, "etag") or expect(target, 304, line)


@check(CONDITIONAL, "9110 §13.1.2", MUST, "If-None-Match: * is 304 for what exists")
def none_match_any(target):
    return needs(target.whole, "etag") or expect(target, 304, "If-None-Match: *")


@check(CONDITIONAL, "9110 §13.1.2", MUST, "If-None-Match with other tags sends the content")
def none_match_other(target):
    return needs(target.whole, "etag") or expect(target, 200, f"If-None-Match: {OTHER}")


@check(CONDITIONAL, "9110 §13.1.2", MUST, "If-None-Match holds for HEAD too")
def none_match_head(target):
    return needs(target.whole, "etag") or expect(
        target, 304, f"If-None-Match: {target.whole.field('etag')}", method="HEAD")


@check(CONDITIONAL, "9110 §13.1.3", MUST, "If-Modified-Since is ignored beside If-None-Match")
def since_beside_none_match(target):
    date = target.whole.field("last-modified")
    return needs(target.whole, "etag", "last-modified") or expect(
        target, 200, f"If-None-Match: {OTHER}", f"If-Modified-Since: {date}")


@check(CONDITIONAL, "9110 §13.1.3", SHOULD, "If-Modified-Since with the current date is 304")
def since(target):
    return needs(target.whole, "last-modified") or expect(
        target, 304, f"If-Modified-Since: {target.whole.field('last-modified')}")


@check(CONDITIONAL, "9110 §13.1.3", SHOULD, "If-Modified-Since with an older date sends the content")
def since_older(target):
    return needs(target.whole, "last-modified") or expect(target, 200, f"If-Modified-Since: {LONG_AGO}")


@check(CONDITIONAL, "9110 §13.1.3", MUST, "If-Modified-Since that is no date is ignored")
def since_no_date(target):
    return needs(target.whole, "last-modified") or expect(target, 200, "If-Modified-Since: yesterday")


def old_forms(target):
    """The date of Last-Modified in the two forms that no one should send any more."""
    date = date_of(target.whole, "last-modified")
    return [date.strftime("%A, %d-%b-%y %H:%M:%S GMT"), date.strftime("%a %b ") + f"{date.day:2}" + date.strftime(" %H:%M:%S %Y")]


@check(CONDITIONAL, "9110 §5.6.7", MUST, "Dates in the two obsolete forms are read")
def since_in_old_forms(target):
    if missing := needs(target.whole, "last-modified"):
        return missing
    asked = [(form, target.ask("GET", f"If-Modified-Since: {form}")) for form in old_forms(target)]
    return verdict(all(r and r.status == 304 for _, r in asked), "; ".join(f"{form}: {r}" for form, r in asked))


def matching(target, line):
    return expect(target, 200, line)


@check(CONDITIONAL, "9110 §13.1.1", MUST, "If-Match with the current tag sends the content")
def match(target):
    tag = target.whole.field("etag")
    missing = needs(target.whole, "etag")
    # A weak tag never matches here: If-Match compares strongly.
    return missing or (refused if tag.startswith("W/") else matching)(target, f"If-Match: {tag}")


@check(CONDITIONAL, "9110 §13.1.1", MUST, "If-Match with another tag does not send the content")
def match_other(target):
    return needs(target.whole, "etag") or refused(target, f"If-Match: {OTHER}")


@check(CONDITIONAL, "9110 §13.1.1", MUST, "If-Match compares strongly")
def match_weak(target):
    return needs(target.whole, "etag") or refused(target, f"If-Match: W/{strong(target.whole.field('etag'))}")


@check(CONDITIONAL, "9110 §13.1.4", MUST, "If-Unmodified-Since with an older date does not send the content")
def unmodified(target):
    return needs(target.whole, "last-modified") or refused(target, f"If-Unmodified-Since: {LONG_AGO}")


@check(CONDITIONAL, "9110 §13.1.4", MUST, "If-Unmodified-Since with a later date sends the content")
def unmodified_later(target):
    if missing := needs(target.whole, "last-modified"):
        return missing
    later = (date_of(target.whole, "last-modified") + timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    return expect(target, 200, f"If-Unmodified-Since: {later}")


@check(CONDITIONAL, "9110 §13.1.4", MUST, "If-Unmodified-Since that is no date is ignored")
def unmodified_no_date(target):
    return needs(target.whole, "last-modified") or expect(target, 200, "If-Unmodified-Since: yesterday")


@check(CONDITIONAL, "9110 §13.1.4", MUST, "If-Unmodified-Since is ignored beside If-Match")
def unmodified_beside_match(target):
    return needs(target.whole, "etag", "last-modified") or expect(
        target, 200, "If-Match: *", f"If-Unmodified-Since: {LONG_AGO}")


@check(CONDITIONAL, "9110 §13.2.2", MUST, "If-Match is evaluated before If-None-Match")
def order(target):
    return needs(target.whole, "etag") or expect(
        target, 412, f"If-None-Match: {target.whole.field('etag')}", f"If-Match: {OTHER}")


@check(CONDITIONAL, "9110 §13.2.1", MUST, "Conditions are ignored where the response is not 2xx")
def missing_file(target):
    plain = target.ask(path=target.missing)
    if plain is None or plain.successful:
        return absent(f"a missing file is {plain}")
    asked = [target.ask("GET", line, path=target.missing) for line in (f"If-Match: {OTHER}", "If-None-Match: *")]
    return verdict(all(r and r.status == plain.status for r in asked),
                   f"{plain}; with If-Match {asked[0]}, with If-None-Match {asked[1]}")


@check(CONDITIONAL, "9110 §13.2.1", MUST, "Conditions are ignored for OPTIONS")
def options_with_conditions(target):
    plain, asked = target.ask("OPTIONS"), target.ask("OPTIONS", f"If-Match: {OTHER}")
    return verdict(plain and asked and plain.status == asked.status, f"OPTIONS: {plain}, with If-Match: {asked}")


@check(CONDITIONAL, "9110 §15.4.5", MUST, "304 has the fields that 200 would have for caches")
def fields_of_304(target):
    if missing := needs(target.whole, "etag"):
        return missing
    response = target.ask("GET", f"If-None-Match: {target.whole.field('etag')}")
    if response is None or response.status != 304:
        return verdict(False, f"no 304 but {response}")
    names = ["content-location", "date", "etag", "vary", "cache-control", "expires"]
    lost = [name for name in names if target.whole.all(name) and not response.all(name)]
    return verdict(not lost, f"missing: {', '.join(lost)}" if lost else "all of them")


@check(CONDITIONAL, "9110 §8.6", MUST, "Content-Length of 304 is that of 200, or absent")
def length_of_304(target):
    if missing := needs(target.whole, "etag"):
        return missing
    response = target.ask("GET", f"If-None-Match: {target.whole.field('etag')}")
    length = response and response.field("content-length")
    return verdict(response and response.status == 304 and length in (None, str(len(target.whole.content))),
                   f"{response}, Content-Length: {length}")
