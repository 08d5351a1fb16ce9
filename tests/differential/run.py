#!/usr/bin/env python3
"""Compares what barewire, llhttp and h11 make of each case of tests/corpus: `run.py [--write]`.

Each difference stands in differences.md, in a section that names the rule and the reason. This fails if a difference is
missing there, if one of them does not exist any more, or if a section has no rule. `--write` brings the rows up to date;
a difference that is new comes at the end, in a section that fails until somebody has written the reason.
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "corpus"))

import parsers  # noqa: E402
import reader  # noqa: E402

FILE = HERE / "differences.md"
HEAD = f"| case | barewire | {' | '.join(parsers.OTHERS)} |\n|---|{'---|' * (1 + len(parsers.OTHERS))}\n"
NEW = "Not explained yet"


def differences():
    """The row of each case that is not the same for all, by its title; and how many cases were compared."""
    # The others are skipped: they say how a server behaves, which is no question to a parser.
    cases = [case for case in reader.cases() if not case.manner]
    rows = {}
    for case in cases:
        ours = parsers.barewire(case)
        theirs = [parse(case) for parse in parsers.OTHERS.values()]
        if any(outcome != ours for outcome in theirs):
            cells = ["the same" if outcome == ours else str(outcome) for outcome in theirs]
            rows[case.title] = f"| {' | '.join([case.title.replace('|', chr(92) + '|'), str(ours), *cells])} |"
    return rows, len(cases)


def sections(text):
    """The introduction, and each section as its heading, its prose, and the rows of its table by title."""
    first, *rest = re.split(r"(?m)^## ", text)
    found = []
    for part in rest:
        heading, _, body = part.partition("\n")
        rows = {re.split(r"(?<!\\) \| ", row[2:])[0].replace("\\|", "|"): row for row in re.findall(r"(?m)^\| .*$", body)}
        rows.pop("case", None)
        found.append((heading, body.split("\n|")[0].strip(), rows))
    return first, found


def problems(rows, found):
    """What is wrong with the sections, in words."""
    listed = [(title, row) for _, _, of_section in found for title, row in of_section.items()]
    titles = [title for title, _ in listed]
    said = [f"no such difference any more: {title}" for title in titles if title not in rows]
    said += [f"not listed: {row}" for title, row in rows.items() if title not in titles]
    said += [f"not as listed: {row}\n   it is: {rows[title]}" for title, row in listed if rows.get(title, row) != row]
    said += [f"listed twice: {title}" for title in set(titles) if titles.count(title) > 1]
    said += [f"no rule: {heading}" for heading, prose, _ in found if not re.search(r"RFC \d+ §\d", prose)]
    said += [f"no row: {heading}" for heading, _, of_section in found if not of_section]
    return said


def updated(rows, first, found):
    """The text of the file with the rows as they are now."""
    listed = {title for _, _, of_section in found for title in of_section}
    found = [(heading, prose, {title: rows[title] for title in of_section if title in rows})
             for heading, prose, of_section in found]
    new = {title: row for title, row in rows.items() if title not in listed}
    found += [(NEW, "Why barewire is right:", new)] if new else []
    return first + "\n".join(f"## {heading}\n\n{prose}\n\n{HEAD}" + "".join(f"{row}\n" for row in of_section.values())
                             for heading, prose, of_section in found if of_section)


def self_test():
    """A check that finds nothing must have been able to find something."""
    row = "| a | x | y | z |"
    good = [("S", "RFC 9112 §2.2.", {"a": row})]
    planted = [({}, good), ({"a": row, "b": row}, good), ({"a": "| a | x | y | y |"}, good), ({"a": row}, good + good),
               ({"a": row}, [("S", "no rule", {"a": row})]), ({"a": row}, good + [("T", "RFC 9112 §2.2.", {})])]
    assert not problems({"a": row}, good) and all(problems(*case) for case in planted)
    assert sections(f"# T\n\n## S\n\nRFC 9112 §2.2.\n\n{HEAD}{row}\n") == ("# T\n\n", good)


def main():
    self_test()
    rows, compared = differences()
    first, found = sections(FILE.read_text())
    if "--write" in sys.argv[1:]:
        FILE.write_text(updated(rows, first, found))
        first, found = sections(FILE.read_text())
    said = problems(rows, found)
    print("\n".join([*said, f"{compared} cases, {len(rows)} differences, {len(said)} problems"]))
    sys.exit(bool(said))


main()
