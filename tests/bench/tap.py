#!/usr/bin/env python3
"""What the tap costs while nobody watches: user instructions for each request, with and without it.

    python3 tests/bench/tap.py

builds the server of tap.rs twice (with the Cargo feature `wire`, and without it), runs it under callgrind for
one client that sends identical GETs on one connection, and counts the user instructions of a run with REQUESTS
requests less those of a run with FEW. The two builds may differ by ALLOWED instructions a request.
"""

import os
import re
import socket
import subprocess
import sys
import tempfile

REQUESTS = 2000
FEW = 100
ALLOWED = 12
REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
REQUEST = b"GET /a.txt HTTP/1.1\r\nHost: localhost\r\nUser-Agent: tap\r\nAccept: */*\r\n\r\n"


def built(features, to):
    command = ["cargo", "build", "--release", "--quiet", "--example", "tap", *features]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(REPOSITORY, "target"))
    program = os.path.join(to, "tap-" + ("0" if features else "1"))
    with open(os.path.join(target, "release", "examples", "tap"), "rb") as source, open(program, "wb") as copy:
        copy.write(source.read())
    os.chmod(program, 0o755)
    return program


def ask(address, requests):
    with socket.create_connection(address) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        size = None
        for _ in range(requests):
            client.sendall(REQUEST)
            answer = b""
            while size is None or len(answer) < size:
                answer += client.recv(65536)
                if size is None and b"\r\n\r\n" in answer:
                    size = answer.index(b"\r\n\r\n") + 4 + 1024
            assert answer.startswith(b"HTTP/1.1 200 ") and len(answer) == size, answer[:200]


def instructions(program, requests):
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program]
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    try:
        host, port = server.stdout.readline().strip().rsplit(":", 1)
        ask((host, int(port)), requests)
        said = server.communicate("\n")[1]
    finally:
        server.kill()
        server.wait()
    return int(re.search(r"Collected : (\d+)", said).group(1))


def main():
    with tempfile.TemporaryDirectory() as folder:
        costs = {}
        for name, features in [("with", []), ("without", ["--no-default-features", "--features", "server"])]:
            program = built(features, folder)
            many, few = (instructions(program, n) for n in (REQUESTS, FEW))
            costs[name] = (many - few) / (REQUESTS - FEW)
            print(f"{name:8} the tap: {costs[name]:8.1f} instructions a request ({many} and {few})", flush=True)
        difference = costs["with"] - costs["without"]
        print(f"difference: {difference:.1f}, allowed: {ALLOWED}")
        return 0 if difference <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
