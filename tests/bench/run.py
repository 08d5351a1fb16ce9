#!/usr/bin/env python3
"""Puts barewire beside nginx (and others, where installed) on this machine.

The figure to trust is processor time per response: user and system time of the server's whole
process tree, divided by the responses the client counted. All servers are started once and measured
in turn within each round, so that a ratio is taken under one and the same disturbance.
"""
import argparse
import json
import os
import pathlib
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

HERE = pathlib.Path(__file__).resolve().parent
CRATE = HERE.parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


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


# name: title, connections, mode of the load client, expected status, requests for a port
WORKLOADS = {
    "small": ("1 KiB, keep-alive, 64 connections", 64, "1", 200, lambda port: get("/small.html")),
    "pipelined": ("1 KiB, pipelined 16 deep", 64, "16", 200, lambda port: get("/small.html")),
    "medium": ("100 KiB, keep-alive", 64, "1", 200, lambda port: get("/medium.jpg")),
    "connect": ("a connection per request, 1 KiB", 64, "close", 200, lambda port: get("/small.html", "Connection: close\r\n")),
    "unchanged": ("304", 64, "1", 304, not_modified),
    "missing": ("404 over 64 names", 64, "1", 404, lambda port: b"".join(get(f"/none/{i}.html") for i in range(64))),
}


def nginx(folder, root, port, lean):
    """The usual tuning; lean: without tcp_nopush and multi_accept, which costs it 40 ms stalls elsewhere."""
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(f"""
{user} worker_processes 1; pid {folder}/pid; error_log stderr crit; daemon off;
events {{ worker_connections 15000; {"" if lean else "multi_accept on;"} }}
http {{
  types {{ text/html html; image/jpeg jpg; }}
  access_log off; {temporary}
  sendfile on; tcp_nodelay on; tcp_nopush {"off" if lean else "on"};
  keepalive_requests 100000000; keepalive_timeout 300s; reset_timedout_connection on;
  open_file_cache max=20000 inactive=60s; open_file_cache_valid 30s; open_file_cache_min_uses 1; open_file_cache_errors on;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {root}; }}
}}
""")
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def h2o(folder, root, port):
    user = "user: root" if os.getuid() == 0 else ""
    (folder / "h2o.conf").write_text(f"""
{user}
num-threads: 1
max-connections: 15000
http1-request-timeout: 300
pid-file: {folder}/pid
error-log: /dev/null
listen: {{host: 127.0.0.1, port: {port}}}
hosts: {{default: {{paths: {{/: {{file.dir: {root}}}}}}}}}
""")
    return ["h2o", "-m", "worker", "-c", str(folder / "h2o.conf")]


def lighttpd(folder, root, port):
    (folder / "lighttpd.conf").write_text(f"""
server.document-root = "{root}"
server.port = {port}
server.bind = "127.0.0.1"
server.modules = ("mod_staticfile")
server.max-keep-alive-requests = 1000000000
server.max-keep-alive-idle = 300
server.max-fds = {min(20000, HARD_LIMIT)}
server.max-connections = 15000
server.listen-backlog = 1024
mimetype.assign = (".html" => "text/html", ".jpg" => "image/jpeg")
""")
    return ["lighttpd", "-D", "-f", str(folder / "lighttpd.conf")]


SERVERS = {
    "barewire": lambda folder, root, port: [
        str(CRATE / "target/release/barewire"), "--port", str(port), "--bind", "127.0.0.1", "--loops", "1", "--log", "off",
        "--idle-timeout", "300s", str(root)],
    "nginx": lambda folder, root, port: nginx(folder, root, port, False),
    "nginx-lean": lambda folder, root, port: nginx(folder, root, port, True),
    "h2o": h2o,
    "lighttpd": lighttpd,
    "darkhttpd": lambda folder, root, port: ["darkhttpd", str(root), "--addr", "127.0.0.1", "--port", str(port), "--timeout", "300"],
}


def on_processor(number):
    """What a child does before it becomes the program: pinned, in a group of its own, with all descriptors."""
    allowed = sorted(os.sched_getaffinity(0))

    def before():
        os.setsid()
        os.sched_setaffinity(0, {allowed[number % len(allowed)]})
        resource.setrlimit(resource.RLIMIT_NOFILE, (HARD_LIMIT, HARD_LIMIT))
    return before


class Server:
    def __init__(self, name, root, port, scratch):
        folder = scratch / name
        folder.mkdir()
        self.name, self.port = name, port
        command = SERVERS[name](folder, root, port)
        program = shutil.which(command[0], path=os.environ.get("PATH", "") + ":/usr/sbin")
        if program is None:
            raise OSError("not installed")
        self.errors = open(folder / "stderr", "w+")
        self.process = subprocess.Popen([program] + command[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=self.errors, preexec_fn=on_processor(0))
        self.await_answer((root / "small.html").read_bytes())

    def await_answer(self, content):
        end = time.monotonic() + 20
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as s:
                    s.settimeout(5)
                    s.sendall(get("/small.html", "Connection: close\r\n"))
                    answer = b""
                    while piece := s.recv(65536):
                        answer += piece
                if answer.startswith(b"HTTP/1.1 200 ") and answer.endswith(content):
                    return
            except OSError:
                pass
            time.sleep(0.01)
        self.stop()
        self.errors.seek(0)
        raise OSError("does not answer: " + self.errors.read()[-400:])

    def processes(self):
        """The server and its children."""
        children, found = {}, []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = pathlib.Path(f"/proc/{entry}/stat").read_text()
                except OSError:
                    continue
                children.setdefault(int(stat[stat.rindex(")") + 2:].split()[1]), []).append(int(entry))
        todo = [self.process.pid]
        while todo:
            found.append(todo.pop())
            todo += children.get(found[-1], [])
        return found

    def processor_seconds(self):
        ticks = 0
        for process in self.processes():
            stat = pathlib.Path(f"/proc/{process}/stat").read_text()
            ticks += sum(map(int, stat[stat.rindex(")") + 2:].split()[11:13]))
        return ticks / TICKS

    def resident_kib(self):
        kib = 0
        for process in self.processes():
            for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    kib += int(line.split()[1])
        return kib

    def stop(self):
        for end in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, end)
                self.process.wait(2)
                return
            except (OSError, subprocess.TimeoutExpired):
                continue


def load(port, connections, seconds, mode, status, requests):
    command = [str(CRATE / "target/release/examples/load"), str(port), str(connections), str(seconds), mode, str(status)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=on_processor(1)), requests


def measure(server, workload, seconds):
    _, connections, mode, status, requests = WORKLOADS[workload]
    client, octets = load(server.port, connections, seconds, mode, status, requests(server.port))
    before = server.processor_seconds()
    out, _ = client.communicate(octets, timeout=seconds + 60)
    figures = json.loads(out)
    spent = server.processor_seconds() - before
    figures["us"] = spent * 1e6 / max(1, figures["responses"])
    figures["busy"] = spent / figures["seconds"]
    return figures


def idle_memory(server, connections):
    """KiB of resident memory for each of many connections that have asked once and are silent."""
    before = server.resident_kib()
    client, octets = load(server.port, connections, 60, "hold", 200, get("/small.html"))
    client.stdin.write(octets)
    client.stdin.close()
    try:
        if not select.select([client.stdout], [], [], 60)[0]:
            return None
        figures = json.loads(client.stdout.readline())
        if figures["responses"] < connections:
            return None
        return (server.resident_kib() - before) / connections
    finally:
        client.kill()
        client.wait()


def make_root(root):
    root.mkdir()
    text = ("a small page of one KiB " * 60).encode()
    (root / "small.html").write_bytes(b"<!doctype html><title>small</title><p>" + text[:986])
    (root / "medium.jpg").write_bytes(bytes(range(256)) * 400)
    for name in ("small.html", "medium.jpg"):
        os.utime(root / name, (1_700_000_000, 1_700_000_000))
    root.chmod(0o755)


def table(workload, results, base):
    title = WORKLOADS[workload][0]
    lines = [f"\n### {workload}: {title}\n", f"| server | CPU µs/request | least | spread | × {base} | requests/s | busy | p50 µs | p99 µs | wrong, errors |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    median = {name: statistics.median(r["us"] for r in rounds) for name, rounds in results.items()}
    for name in sorted(results, key=median.get):
        rounds = results[name]
        us = [r["us"] for r in rounds]
        spread = (max(us) - min(us)) / median[name] if median[name] else 0
        ratio = f"{median[name] / median[base]:.2f}" if median.get(base) else "–"
        rate = statistics.median(r["responses"] / r["seconds"] for r in rounds)
        rest = [statistics.median(r[key] for r in rounds) for key in ("busy", "p50", "p99")]
        bad = f"{sum(r['wrong'] for r in rounds)}, {sum(r['errors'] for r in rounds)}"
        lines.append(f"| {name} | {median[name]:.2f} | {min(us):.2f} | {spread:.0%} | {ratio} | {rate:,.0f} | {rest[0]:.0%} | {rest[1]:.0f} | {rest[2]:.0f} | {bad} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", default=",".join(SERVERS), help="those not installed are left out")
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each measurement")
    parser.add_argument("--idle", type=int, default=4000, help="idle connections for the memory figure; 0: none")
    parser.add_argument("--base", default="nginx", help="the server of the ratio")
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bin", "barewire", "--example", "load"], cwd=CRATE, check=True)
    names = [name for name in options.servers.split(",") if name]
    workloads = [name for name in options.workloads.split(",") if name]
    with tempfile.TemporaryDirectory(prefix="barewire-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        scratch.chmod(0o755)
        make_root(scratch / "root")
        servers, failed = [], 0
        try:
            for i, name in enumerate(names):
                with socket.socket() as free:
                    free.bind(("127.0.0.1", 0))
                    port = free.getsockname()[1]
                try:
                    servers.append(Server(name, scratch / "root", port, scratch))
                except OSError as error:
                    print(f"{name} is left out: {error}", file=sys.stderr)
                    failed += name == "barewire"
            results = {w: {s.name: [] for s in servers} for w in workloads}
            for round_number in range(options.rounds):
                for w in workloads:
                    for s in servers:
                        figures = measure(s, w, options.seconds)
                        results[w][s.name].append(figures)
                        failed += s.name == "barewire" and (figures["wrong"] > 0 or figures["errors"] > 0 or not figures["responses"])
                print(f"round {round_number + 1} of {options.rounds}", file=sys.stderr)
            for w in workloads:
                print(table(w, results[w], options.base))
            if options.idle:
                print(f"\n### memory: {options.idle} idle connections\n\n| server | KiB of RSS each |\n|---|---:|")
                for s in servers:
                    kib = idle_memory(s, min(options.idle, HARD_LIMIT // 2))
                    print(f"| {s.name} | {'not held' if kib is None else f'{kib:.2f}'} |")
        finally:
            for s in servers:
                s.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
