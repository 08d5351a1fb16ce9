"""Reads the cases of this folder in Python, for the programs that are not part of `cargo test`."""
import pathlib
import re
from dataclasses import dataclass

HERE = pathlib.Path(__file__).resolve().parent


@dataclass
class Case:
    title: str
    manner: list
    data: bytes
    events: list


def unescaped(text):
    """The bytes of the notation of README.md."""
    repeated = re.compile(r"\\\{(\d+) ((?:[^{}\\]|\\[^{])*?)\}")
    while repeated.search(text):
        text = repeated.sub(lambda found: found[2] * int(found[1]), text)
    simple = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\"}
    pieces = re.findall(r"\\x[0-9a-f]{2}|\\.|[^\\]+", text)
    return b"".join(bytes.fromhex(p[2:]) if p[:2] == "\\x" else simple[p[1]] if p[0] == "\\" else p.encode()
                    for p in pieces)


def cases():
    """All cases, in the order of the files."""
    pattern = re.compile(r"^## ([^\n]+)\n(?:(?!^## |^```).*\n)*^```http([^\n]*)\n((?:.*\n)*?)^```\n\n```events\n((?:.*\n)*?)^```$",
                         re.M)
    found = []
    for file in sorted(HERE.glob("*.md")):
        if file.name != "README.md":
            text = file.read_text()
            here = [Case(title, manner.split(), unescaped(sent.replace("\n", "")), events.splitlines())
                    for title, manner, sent, events in pattern.findall(text)]
            assert len(here) == text.count("\n```events\n"), f"a case of {file.name} cannot be read"
            found += here
    return found
