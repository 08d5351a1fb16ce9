#!/usr/bin/env python3
"""Puts barewire beside nginx, h2o, lighttpd, caddy and darkhttpd, as far as they are installed.

The figure to trust is processor time per response: user and system time of the server's whole
process tree, divided by the responses the client counted. All servers are started once and measured
in turn within each round, so that a ratio is taken under one and the same disturbance.
"""
import argparse
import json
import os
import pathlib
import random
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import report
from servers import BAREWIRE, CRATE, HARD_LIMIT, SERVERS, VARIANTS, Server, on_processor

LOAD = CRATE / "target/release/examples/load"
README, PICTURE = CRATE / "README.md", pathlib.Path("tests/bench/figures.svg")
BEGIN, END = "<!-- figures: python3 tests/bench/run.py --rounds 4 --write-readme -->\n", "<!-- end of the figures -->\n"
KIB, MIB = 1 << 10, 1 << 20
LARGE, UPLOAD, MANY, RANGE = 100 * MIB, 256 * MIB, 10_000, 64 * KIB
BROWSER = (
    "Connection: keep-alive\r\nCache-Control: max-age=0\r\n"
    'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"\r\n'
    'sec-ch-ua-mobile: ?0\r\nsec-ch-ua-platform: "Linux"\r\nUpgrade-Insecure-Requests: 1\r\n'
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n"
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\n"
    "Sec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n")


def get(path, fields=""):
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode()


def not_modified(port):
    """A request that this server itself will answer with 304."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(get("/small.html", "Connection: close\r\n"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(65536)
    fields = ""
    for line in head.split(b"\r\n\r\n")[0].decode().split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "etag":
            fields += f"If-None-Match: {value.strip()}\r\n"
        if name.lower() == "last-modified":
            fields += f"If-Modified-Since: {value.strip()}\r\n"
    return get("/small.html", fields)


def ranges(huge):
    places = random.Random(11)
    starts = (places.randrange(huge - RANGE) for _ in range(4000))
    return b"".join(get("/huge.bin", f"Range: bytes={start}-{start + RANGE - 1}\r\n") for start in starts)


def workloads(huge):
    """name: title, connections, mode of the load client, expected status, requests for a port"""
    small = lambda port: get("/small.html")
    return {
        "small": ("1 KiB, keep-alive, 64 connections", 64, "1", 200, small),
        "browser": ("the same with the 13 fields of Chromium", 64, "1", 200, lambda port: get("/small.html", BROWSER)),
        "pipelined": ("1 KiB, pipelined 16 deep", 64, "16", 200, small),
        "medium": ("100 KiB, keep-alive", 64, "1", 200, lambda port: get("/medium.jpg")),
        "large": ("100 MiB, 1 connection", 1, "1", 200, lambda port: get("/large.bin")),
        "large8": ("100 MiB, 8 connections", 8, "1", 200, lambda port: get("/large.bin")),
        "connect": ("a connection per request, 1 KiB", 64, "close", 200, lambda port: get("/small.html", "Connection: close\r\n")),
        "unchanged": ("304", 64, "1", 304, not_modified),
        "missing": ("404 over 64 names", 64, "1", 404, lambda port: b"".join(get(f"/none/{i}.html") for i in range(64))),
        "many": (f"{MANY:,} files of 0.2 to 4 KiB at random", 64, "1", 200,
                 lambda port: b"".join(get(f"/many/d{i % 100:02}/f{i:04}.html") for i in range(MANY))),
        "ranges": (f"64 KiB ranges of {huge // MIB} MiB at 4,000 random places", 16, "1", 206, lambda port: ranges(huge)),
        "listing": ("listing of 1,000 entries", 8, "1", 200, lambda port: get("/list/")),
        "beside": ("1 KiB beside idle connections", 64, "1", 200, small),
        "upload": ("PUT of 256 MiB", 1, "put", 201, None),
    }


def make_root(root, huge):
    words = random.Random(7)
    stamp = (1_700_000_000, 1_700_000_000)

    def write(name, octets):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(octets)
        os.utime(path, stamp)

    text = ("a small page of one KiB " * 200).encode()
    write("small.html", b"<!doctype html><title>small</title><p>" + text[:986])
    write("medium.jpg", words.randbytes(100 * KIB))
    for i in range(MANY):
        write(f"many/d{i % 100:02}/f{i:04}.html", text[:200 + i * 37 % 4000])
    for i in range(1000):
        write(f"list/entry-{i:04}.txt", b"x" * (i % 50))
    block = words.randbytes(MIB)
    for name, size in (("large.bin", LARGE), ("huge.bin", huge)):
        with open(root / name, "wb") as file:
            for _ in range(size // MIB):
                file.write(block)
    (root / "up").mkdir()
    (root / "up").chmod(0o777)


def start_load(server, connections, seconds, mode, status, enough=None):
    command = [str(LOAD), str(server.port), str(connections), str(seconds), mode, str(status)] + ([str(enough)] if enough else [])
    processor = 1 if server.workers == 1 else None
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=on_processor(processor))


def put(port):
    """One upload; sent from this process, whose time nobody counts."""
    block, head = bytes(MIB), b""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), 60) as s:
        s.sendall(f"PUT /up/upload.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {UPLOAD}\r\n\r\n".encode())
        for _ in range(UPLOAD // MIB):
            s.sendall(block)
        while piece := s.recv(65536):
            head += piece
    good = head[9:12] in (b"200", b"201", b"204")
    took = time.monotonic() - began
    return {"responses": 1, "seconds": took, "octets": UPLOAD, "wrong": int(not good), "errors": 0, "p50": took * 1e6, "p99": took * 1e6}


def measure(server, name, workload, seconds, root):
    _, connections, mode, status, requests = workload
    before = server.processor_seconds()
    if mode == "put":
        figures = put(server.port)
        (root / "up/upload.bin").unlink(missing_ok=True)
    else:
        octets = requests(server.port)
        client = start_load(server, connections, seconds, mode, status)
        out, _ = client.communicate(octets, timeout=seconds + 60)
        figures = json.loads(out)
    spent = server.processor_seconds() - before
    if name in report.BULK:
        figures["figure"] = spent / max(1, figures["octets"]) * 1e9
    else:
        figures["figure"] = spent * 1e6 / max(1, figures["responses"])
    figures["busy"] = spent / figures["seconds"]
    figures["rate"] = figures["responses"] / figures["seconds"]
    return figures


def waits(server, rate, seconds):
    """How long responses take at this rate."""
    client = start_load(server, 64, seconds, f"rate={rate:.0f}", 200)
    out, _ = client.communicate(get("/small.html"), timeout=seconds + 60)
    figures = json.loads(out)
    return figures if figures["wrong"] + figures["errors"] == 0 and figures["responses"] > 0.95 * rate * seconds else None


class Idle:
    """Many connections that have asked once and are silent."""

    def __init__(self, server, connections):
        self.before, self.connections = server.resident_kib(), connections
        self.client = start_load(server, connections, 120, "hold", 200)
        self.client.stdin.write(get("/small.html"))
        self.client.stdin.close()
        answered = select.select([self.client.stdout], [], [], 60)[0] and json.loads(self.client.stdout.readline())
        self.held = bool(answered) and answered["responses"] >= connections
        self.kib = (server.resident_kib() - self.before) / connections if self.held else None

    def end(self):
        self.client.kill()
        self.client.wait()


def system_calls(server):
    """How often each is called for one request; `None` where they may not be traced."""
    file = server.folder / "strace"
    attached = [word for process in server.processes() for word in ("-p", str(process))]
    tracer = subprocess.Popen(["strace", "-f", "-c", "-qq", "-o", str(file), *attached], stderr=subprocess.PIPE)
    time.sleep(1)
    client = start_load(server, 64, 20, "1", 200, 5000)
    out, _ = client.communicate(get("/small.html"), timeout=60)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=30)
    counts, responses = {}, json.loads(out)["responses"]
    for line in file.read_text().splitlines() if file.exists() else ():
        words = line.split()
        if len(words) >= 5 and words[0][0].isdigit() and words[-1] != "total":
            counts[words[-1]] = int(words[3]) / responses
    return counts or None


def instructions(name, root, scratch):
    """User instructions of a 1 KiB request: the difference of two runs. Fails where valgrind lacks a
    call (3.19: openat2, without which barewire serves in its slow way): something else would be counted."""
    got = []
    for enough in (500, 3500):
        out = scratch / f"callgrind-{name}-{enough}"
        out.mkdir()
        tool = ["valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}/%p"]
        server = Server(name, root, scratch, tool, 60)
        client = start_load(server, 8, 60, "1", 200, enough)
        answer, _ = client.communicate(get("/small.html"), timeout=120)
        os.killpg(server.process.pid, signal.SIGTERM)
        try:
            server.process.wait(20)
        finally:
            server.stop()
        server.errors.seek(0)
        if name.startswith("barewire") and "unhandled" in server.errors.read():
            raise OSError("this valgrind does not know every system call")
        totals = [re.search(r"^totals: (\d+)", file.read_text(), re.M) for file in out.iterdir()]
        got.append((sum(int(t.group(1)) for t in totals if t), json.loads(answer)["responses"]))
    (less, few), (more, many) = got
    return (more - less) / (many - few) if more > less else None


def start_up(name, root, scratch, times):
    """Milliseconds from exec to the first answer, MiB of memory then, MiB of the program."""
    took, rest, size = [], None, None
    for _ in range(times):
        server = Server(name, root, scratch)
        try:
            took.append(server.started * 1000)
            time.sleep(0.2)
            rest, size = server.resident_kib() / 1024, os.path.getsize(os.path.realpath(server.program)) / MIB
        finally:
            server.stop()
    return statistics.median(took), rest, size


def attempt(what, call):
    """A figure that cannot be had is no reason to lose the others."""
    try:
        return call()
    except Exception as error:  # whatever a foreign server or tool came up with
        print(f"{what}: {error!r}", file=sys.stderr)
        return None


def write_readme(block, svg):
    text = README.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    README.write_text(before + BEGIN + block + END + after)
    (CRATE / PICTURE).write_text(svg)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", default=",".join([*SERVERS, *VARIANTS]), help="those not installed are left out")
    parser.add_argument("--workloads", default="", help="all, if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--idle", type=int, default=9900, help="idle connections for the memory figure; 0: none")
    parser.add_argument("--huge", type=int, default=1024, metavar="MIB", help="size of the file that ranges are taken of")
    parser.add_argument("--starts", type=int, default=7, help="starts of each server; 0: none")
    parser.add_argument("--no-tools", action="store_true", help="neither strace nor valgrind")
    parser.add_argument("--base", default="nginx", help="the server of the ratio")
    parser.add_argument("--out", type=pathlib.Path, default=CRATE / "target/bench", help="a folder for figures.md, figures.svg, figures.json")
    parser.add_argument("--write-readme", action="store_true", help=f"replace the figures in README.md and {PICTURE}")
    return parser.parse_args()


def rounds(options, chosen, running, root, data):
    """Every server in every workload, in turn; says how often barewire failed."""
    failed = 0
    for number in range(options.rounds):
        for name, workload in chosen.items():
            for server in running:
                if not server.can(name) or (name == "beside" and not options.idle):
                    continue
                idle = Idle(server, min(options.idle, HARD_LIMIT // 2)) if name == "beside" else None
                try:
                    if idle and not idle.held:
                        continue
                    figures = measure(server, name, workload, options.seconds, root)
                    if idle:
                        data["idle"].setdefault(server.name, idle.kib)
                finally:
                    if idle:
                        idle.end()
                data["results"][name].setdefault(server.name, []).append(figures)
                failed += server.name.startswith("barewire") and not report.sound([figures])
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return failed


def latency(options, running, data, key):
    """p99 and p99.9 in microseconds, with 60 % of the requests that the base server can answer."""
    base = [figures["rate"] for figures in data["results"].get(key, {}).get(options.base, [])]
    if not base:
        return
    rate = 0.6 * statistics.median(base)
    for server in running * options.rounds:
        figures = server.name in report.COMPARED and attempt(f"waits of {server.name}", lambda s=server: waits(s, rate, options.seconds))
        if figures:
            data["latency"].setdefault(key, {}).setdefault(server.name, []).append(figures)


def two_workers(options, root, scratch, data):
    """The same with two loops, threads or processes, which share all processors with the client."""
    chosen = {"small2": workloads(MIB)["small"], "connect2": workloads(MIB)["connect"]}
    data["titles"].update({"small2": "two workers: 1 KiB, keep-alive", "connect2": "two workers: a connection per request"})
    data["results"].update({name: {} for name in chosen})
    running, failed = [], 0
    try:
        for name in data["servers"]:
            if name in report.COMPARED:
                running.append(Server(name, root, scratch, workers=2))
        failed = rounds(options, chosen, running, root, data)
        latency(options, running, data, "small2")
    finally:
        for server in running:
            server.stop()
    return failed


def main():
    options = arguments()
    huge = options.huge * MIB
    all_workloads = workloads(huge)
    chosen = {n: all_workloads[n] for n in options.workloads.split(",") if n} or all_workloads
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "barewire", "--example", "load"], cwd=CRATE, check=True)
    data = {"rounds": options.rounds, "base": options.base, "servers": [], "titles": {n: w[0] for n, w in chosen.items()},
            "results": {n: {} for n in chosen}, "calls": {}, "detail": {}, "instructions": {}, "idle": {}, "latency": {}, "start": {}, "rest": {}, "size": {}}
    resource.setrlimit(resource.RLIMIT_NOFILE, (HARD_LIMIT, HARD_LIMIT))
    failed, running = 0, []
    with tempfile.TemporaryDirectory(prefix="barewire-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        scratch.chmod(0o755)
        root = scratch / "root"
        root.mkdir()
        make_root(root, huge)
        try:
            for name in [name for name in options.servers.split(",") if name]:
                try:
                    running.append(Server(name, root, scratch))
                    data["servers"].append(name)
                except OSError as error:
                    print(f"{name} is left out: {error}", file=sys.stderr)
                    failed += name.startswith("barewire")
            failed += rounds(options, chosen, running, root, data)
            latency(options, running, data, "small")
            if not options.no_tools and shutil.which("strace"):
                for server in running:
                    counts = attempt(f"system calls of {server.name}", lambda s=server: system_calls(s))
                    if counts:
                        data["detail"][server.name], data["calls"][server.name] = counts, sum(counts.values())
        finally:
            for server in running:
                server.stop()
        if {"small", "connect"} <= set(chosen):
            failed += two_workers(options, root, scratch, data)
        for name in data["servers"]:
            if options.starts:
                start = attempt(f"start of {name}", lambda n=name: start_up(n, root, scratch, options.starts))
                if start:
                    data["start"][name], data["rest"][name], data["size"][name] = start
            if not options.no_tools and shutil.which("valgrind"):
                data["instructions"][name] = attempt(f"instructions of {name}", lambda n=name: instructions(n, root, scratch))
    options.out.mkdir(parents=True, exist_ok=True)
    svg, details = report.picture(data), report.details(data)
    (options.out / "figures.md").write_text(report.section(data, "figures.svg") + details + "\n")
    (options.out / "figures.svg").write_text(svg)
    (options.out / "figures.json").write_text(json.dumps(data, indent=1))
    print(report.section(data, "figures.svg") + details)
    if options.write_readme:
        write_readme(report.section(data, PICTURE), svg)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
