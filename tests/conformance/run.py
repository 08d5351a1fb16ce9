#!/usr/bin/env python3
"""Probes barewire and every other server that is found here, and writes the tables: `run.py [--print] [BAREWIRE]`.

BAREWIRE is target/release/barewire if not given. The servers are started as for the benchmark (tests/bench/servers.py), on
the same folder, each on a port of its own, and stopped again. The table in README.md beside this file is written anew, and
the few lines that the README of the project quotes; with --print both are only printed.
"""
import gzip
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent / "bench"))

import probe  # noqa: E402
import servers  # noqa: E402
from checks import ABSENT, CHECKS, MUST, RIGHT, SECTIONS, SHOULD, WRONG  # noqa: E402
from wire import Target  # noqa: E402

MODULES = pathlib.Path("/usr/lib/apache2/modules")


def apache(folder, root, address, port, workers):
    loaded = "".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so\n" for name in
                     ("mpm_event", "authz_core", "mime", "dir", "autoindex") if (MODULES / f"mod_{name}.so").exists())
    types = "TypesConfig /etc/mime.types\n" if os.path.exists("/etc/mime.types") else "AddType text/html .html\n"
    (folder / "apache.conf").write_text(f"""
{loaded}{types}
ServerRoot {folder}
ServerName localhost
PidFile {folder}/pid
ErrorLog {folder}/errors
Listen {address}:{port}
User nobody
Group nogroup
DocumentRoot {root}
<Directory {root}>
  Options Indexes
  Require all granted
</Directory>
""")
    return ["apache2", "-D", "FOREGROUND", "-f", str(folder / "apache.conf")]


def python(folder, root, address, port, workers):
    return ["python3", "-m", "http.server", str(port), "--bind", address, "--directory", str(root)]


servers.SERVERS |= {"apache": (apache, set()), "python": (python, set())}
# The order of the columns, and how each says its version.
PEERS = {
    "barewire": None,
    "nginx": ["nginx", "-v"],
    "apache": ["apache2", "-v"],
    "lighttpd": ["lighttpd", "-v"],
    "caddy": ["caddy", "version"],
    "h2o": ["h2o", "-v"],
    "python": ["python3", "-V"],
}


def version(name):
    command = PEERS[name] or [str(servers.BAREWIRE), "--version"]
    command = [servers.program_of(command) or command[0], *command[1:]]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    # The first number with a dot: "nginx/1.22.1", "v2.6.2", "Python 3.11.7".
    return re.search(r"\d+\.\d+[.\d]*", ran.stdout + ran.stderr)[0]


def folder_of_files(scratch):
    """What every server serves: a file of 4,000 bytes, and the same compressed for servers that use such siblings."""
    root = scratch / "root"
    root.mkdir()
    content = "".join(f"<p>line {number:03} of the file\n" for number in range(160)).encode()[:4000]
    (root / "small.html").write_bytes(content)
    (root / "small.html.gz").write_bytes(gzip.compress(content, mtime=0))
    # An hour old, and not touched for some seconds: while a file is young, careful servers do not confirm its tag, since
    # it could change again without a new time.
    past = time.time() - 3600
    for path in (*root.iterdir(), root):
        os.utime(path, (past, past))
    time.sleep(3)
    # Apache gives up being root.
    scratch.chmod(0o755)
    return root


def probe_all():
    """The results of each server that is here, by its name and version."""
    found = {}
    with tempfile.TemporaryDirectory(prefix="conformance") as scratch:
        scratch = pathlib.Path(scratch)
        root = folder_of_files(scratch)
        for name in PEERS:
            try:
                server = servers.Server(name, root, scratch)
            except OSError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            try:
                target = Target(server.address, server.port, "/small.html")
                found[name] = probe.results(target)
            finally:
                server.stop()
            for result in found[name]:
                result["seen"] = result["seen"].replace(target.host, "HOST")
            print(f"{name}: {of(probe.score(found[name]))} right", file=sys.stderr)
    return found


def of(score):
    return "{} of {}".format(*score) if score[1] else "–"


def row(*cells):
    return f"| {' | '.join(cells)} |\n"


def head(names, first):
    return row(*first, *names) + f"|{'---|' * len(first)}{'---:|' * len(names)}\n"


def totals(found):
    text = head([f"{name} {version(name)}" for name in found], [""])
    for section in SECTIONS:
        of_section = [[r for r in results if r["section"] == section] for results in found.values()]
        text += row(section, *(of(probe.score(results)) for results in of_section))
    return text + sums(found)


def sums(found):
    text = ""
    for level in (MUST, SHOULD):
        text += row(f"**{level}**", *(of(probe.score(results, level)) for results in found.values()))
    return text + row("not offered", *(str(sum(r["verdict"] == ABSENT for r in results)) for results in found.values()))


def each_check(found):
    words = {RIGHT: "right", WRONG: "**wrong**", ABSENT: "–"}
    text = ""
    for number, check in enumerate(sorted(CHECKS, key=lambda check: SECTIONS.index(check.section))):
        results = [results[number] for results in found.values()]
        text += row(f"{check.rule} {check.level}", check.requirement, *(words[r["verdict"]] for r in results))
    return head(found, ["rule", "requirement"]) + text


def what_was_seen(found):
    text = ""
    for name, results in found.items():
        bad = [r for r in results if r["verdict"] == WRONG]
        if bad:
            text += f"\n### {name} {version(name)}\n\n"
            text += "".join(f"- {r['rule']} {r['level']}: {r['requirement']}. Seen: {code(r['seen'])}\n" for r in bad)
    return text


def code(text):
    return "`" + text.replace("`", "'") + "`"


def replace(path, text):
    """Puts `text` between the marks of a Markdown file."""
    old = path.read_text()
    new, count = re.subn(r"(?s)(<!-- conformance[^\n]*-->\n).*?(<!-- end of conformance -->)",
                         lambda marks: marks[1] + text + marks[2], old)
    assert count == 1, f"no marks in {path}"
    path.write_text(new)


def main():
    given = sys.argv[1:]
    printing = "--print" in given
    for word in given:
        if word != "--print":
            servers.BAREWIRE = pathlib.Path(word).resolve()
    found = probe_all()
    full = f"{totals(found)}\n## Each check\n\n{each_check(found)}\n## What was seen where something is wrong\n{what_was_seen(found)}"
    quote = head([f"{name} {version(name)}" for name in found], ["rules kept"]) + sums(found)
    if printing:
        print(full + "\n" + quote)
        return
    replace(HERE / "README.md", full)
    replace(ROOT / "README.md", quote)


main()
