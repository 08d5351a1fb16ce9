"""What a check is: a rule with its section and keyword, and a function that tells what was seen."""
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Callable

METHODS = "RFC 9110: methods and fields"
CONDITIONAL = "RFC 9110: conditional requests"
RANGES = "RFC 9110: ranges"
FRAMING = "RFC 9112: framing"
HOSTS = "RFC 9112: hosts"
REFUSING = "RFC 9112: malformed requests"
PIPELINING = "RFC 9112: pipelining"
CLOSE = "RFC 9112: persistence and close"
VALIDATORS = "RFC 9111: validators and dates"
SECTIONS = [METHODS, CONDITIONAL, RANGES, FRAMING, HOSTS, REFUSING, PIPELINING, CLOSE, VALIDATORS]

MUST, SHOULD = "MUST", "SHOULD"
RIGHT, WRONG, ABSENT = "right", "wrong", "not offered"


@dataclass
class Check:
    section: str
    rule: str
    level: str
    requirement: str
    name: str
    run: Callable


CHECKS = []


def check(section, rule, level, requirement):
    """Adds a check. Its function gets the target, and returns one of the three below."""
    def add(function):
        CHECKS.append(Check(section, rule, level, requirement, function.__name__, function))
        return function
    return add


def right(seen):
    return RIGHT, seen


def wrong(seen):
    return WRONG, seen


def absent(why):
    """For a feature that is optional, or a case that does not come up on this server."""
    return ABSENT, why


def verdict(fine, seen):
    return right(seen) if fine else wrong(seen)


def date_of(response, name):
    """The date in this field, or `None` if there is none that can be read."""
    try:
        return parsedate_to_datetime(response.field(name) or "")
    except ValueError:
        return None


def needs(response, *names):
    """Says which of these fields a response does not have; checks that build on them are then not offered."""
    missing = [name for name in names if not response.field(name) or name != "etag" and not date_of(response, name)]
    return absent(f"no {' and no '.join(missing)} in the response to GET") if missing else None
