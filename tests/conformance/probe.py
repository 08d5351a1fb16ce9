#!/usr/bin/env python3
"""Asks a server over plain sockets which rules of HTTP it keeps: `probe.py HOST:PORT [--path /FILE] [--json]`.

It needs nothing but Python, changes nothing on the server, and knows no server by name. Each check names its section
and keyword. A feature that is optional and missing is "not offered", and does not count. The exit code is 0 if nothing is
wrong, 1 if something is, 2 for wrong usage or if there is no response to a plain GET.
"""
import argparse
import json
import sys

import conditional  # noqa: F401  (each module adds its checks)
import framing  # noqa: F401
import messages  # noqa: F401
import methods  # noqa: F401
import ranges  # noqa: F401
import validators  # noqa: F401
import wire
from checks import ABSENT, CHECKS, MUST, RIGHT, SECTIONS, WRONG


def results(target):
    """One dictionary for each check, in the order of the sections."""
    found = []
    for check in sorted(CHECKS, key=lambda check: SECTIONS.index(check.section)):
        try:
            verdict, seen = check.run(target)
        except OSError as error:
            verdict, seen = WRONG, f"no connection: {error}"
        found.append({"section": check.section, "rule": check.rule, "level": check.level, "name": check.name,
                      "requirement": check.requirement, "verdict": verdict, "seen": seen})
    return found


def score(found, level=None):
    """How many checks are right, of how many that apply."""
    counted = [r for r in found if r["verdict"] != ABSENT and level in (None, r["level"])]
    return sum(r["verdict"] == RIGHT for r in counted), len(counted)


def report(found):
    for section in SECTIONS:
        of_section = [r for r in found if r["section"] == section]
        print("{}: {} of {}".format(section, *score(of_section)))
        for r in of_section:
            print(f"  {r['verdict']:11} {r['rule']} {r['level']}: {r['requirement']}\n              {r['seen']}")
    must, should = score(found, MUST), score(found, "SHOULD")
    print("\nMUST {} of {}, SHOULD {} of {}, not offered {}".format(*must, *should, sum(r["verdict"] == ABSENT for r in found)))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("server", metavar="HOST:PORT")
    parser.add_argument("--path", default="/", help="a file of 1,000 bytes or more; / if not given")
    parser.add_argument("--json", action="store_true", help="one JSON array instead of text")
    parser.add_argument("--patience", type=float, default=wire.PATIENCE, metavar="SECONDS",
                        help="how long to wait for a response")
    given = parser.parse_args()
    wire.PATIENCE = given.patience
    host, _, port = given.server.rpartition(":")
    if not host or not port.isdigit() or not given.path.startswith("/"):
        parser.error("HOST:PORT and a path that begins with / are needed")
    return wire.Target(host.strip("[]"), int(port), given.path), given.json


def main():
    target, as_json = arguments()
    try:
        if target.whole.status == 404:
            raise OSError(f"{target.path} does not exist there: name a file with --path")
    except OSError as error:
        print(f"probe: {error}", file=sys.stderr)
        sys.exit(2)
    found = results(target)
    print(json.dumps(found, indent=1)) if as_json else report(found)
    sys.exit(any(r["verdict"] == WRONG for r in found))


if __name__ == "__main__":
    main()
