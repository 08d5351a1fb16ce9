"""What caches build on (RFC 9111 §4.3): validators, dates, and fields that say what may be reused."""
import re

from checks import MUST, SHOULD, VALIDATORS, absent, check, date_of, needs, verdict


def file_needed(target):
    return absent("no file was named with --path") if target.path.endswith("/") else None


@check(VALIDATORS, "9110 §8.8.3.1", SHOULD, "A file has an ETag")
def tag(target):
    return file_needed(target) or verdict(target.whole.field("etag"), f"ETag: {target.whole.field('etag')}")


@check(VALIDATORS, "9110 §8.8.2.1", SHOULD, "A file has Last-Modified")
def last_modified(target):
    date = target.whole.field("last-modified")
    return file_needed(target) or verdict(date, f"Last-Modified: {date}")


@check(VALIDATORS, "9110 §8.8.3", MUST, "An ETag is quoted")
def form_of_tag(target):
    # The grammar is a MUST by RFC 9110 §2.2.
    return needs(target.whole, "etag") or verdict(
        re.fullmatch(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"', target.whole.field("etag")), f"ETag: {target.whole.field('etag')}")


@check(VALIDATORS, "9110 §8.8.2.1", MUST, "Last-Modified is not later than Date")
def not_in_the_future(target):
    if missing := needs(target.whole, "last-modified", "date"):
        return missing
    changed, now = (date_of(target.whole, name) for name in ("last-modified", "date"))
    return verdict(changed <= now, f"Last-Modified: {target.whole.field('last-modified')}, Date: {target.whole.field('date')}")


@check(VALIDATORS, "9111 §5.2.2.1", MUST, "max-age is a number without quotes")
def max_age(target):
    directives = ",".join(target.whole.all("cache-control"))
    ages = re.findall(r"(?i)(?:^|[, ])(?:s-maxage|max-age) *= *([^, ]*)", directives)
    if not ages:
        return absent("no max-age in the response to GET")
    return verdict(all(age.isdigit() for age in ages), f"Cache-Control: {directives}")


def coded(target):
    """The response with a content coding, or why there is none."""
    response = target.once("coded", lambda: target.ask("GET", "Accept-Encoding: gzip, br"))
    coding = response and response.field("content-encoding")
    return (response, None) if coding else (None, absent("no content coding for Accept-Encoding: gzip, br"))


@check(VALIDATORS, "9110 §12.5.5", SHOULD, "Content that depends on Accept-Encoding has Vary")
def vary(target):
    response, none = coded(target)
    if none:
        return none
    both = [",".join(r.all("vary")).lower() for r in (response, target.whole)]
    return verdict(all("accept-encoding" in v or "*" in v for v in both), f"Vary: {both[0]!r}, without coding {both[1]!r}")


@check(VALIDATORS, "9110 §8.8.3", MUST, "A strong ETag is not the same with and without content coding")
def tag_of_coding(target):
    response, none = coded(target)
    if none:
        return none
    tags = [r.field("etag") for r in (target.whole, response)]
    same = tags[0] == tags[1] and tags[0] and not tags[0].startswith("W/")
    return verdict(not same, f"ETag: {tags[0]}, with {response.field('content-encoding')} {tags[1]}")


@check(VALIDATORS, "9110 §12.5.3", SHOULD, "A coding that is not acceptable is not used")
def no_coding(target):
    response = target.ask("GET", "Accept-Encoding: probe")
    coding = response and response.field("content-encoding")
    return verdict(response and coding in (None, "identity"), f"Accept-Encoding: probe: {response}, Content-Encoding: {coding}")


@check(VALIDATORS, "9110 §8.8.3", MUST, "The same file has the same ETag for each request")
def same_tag(target):
    if missing := needs(target.whole, "etag"):
        return missing
    tags = {response.field("etag") for response in (target.whole, target.ask(), target.ask("HEAD"))}
    return verdict(len(tags) == 1, f"ETag: {', '.join(map(str, sorted(tags, key=str)))}")
