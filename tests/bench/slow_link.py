#!/usr/bin/env python3
"""Downloads over a link with a limited rate and a delay: does each server fill it, and what does that cost?

    sudo python3 tests/bench/slow_link.py [--rate MBIT] [--delay MS] [--add NAME=COMMAND]

The client lives in a network namespace of its own. Two TUN devices lead to it, and this program carries the packets
between them: it holds each one back for the delay, and lets them pass no faster than the rate, with a queue of
QUEUE seconds. (The kernel's netem does the same where it is built in.) COMMAND has `{root}`, `{address}` and `{port}`.
"""
import argparse
import collections
import fcntl
import os
import pathlib
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

from servers import SERVERS, Server

NAMESPACE, HERE, THERE = "barewire-slow", "10.97.0.1", "10.97.0.2"
MTU, QUEUE, SIZE = 1500, 0.05, 24 << 20
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLIENT = """
import socket, sys, time
host, port, count, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
began, open_ = time.monotonic(), []
for _ in range(count):
    s = socket.create_connection((host, port))
    s.sendall(b"GET /large.bin HTTP/1.1\\r\\nHost: bench\\r\\nConnection: close\\r\\n\\r\\n")
    open_.append(s)
import selectors
at = selectors.DefaultSelector()
got = {s: 0 for s in open_}
for s in open_:
    at.register(s, selectors.EVENT_READ)
done = []
while got:
    for key, _ in at.select():
        piece = key.fileobj.recv(1 << 16)
        got[key.fileobj] += len(piece)
        if not piece:
            if got.pop(key.fileobj) < size:
                sys.exit("a download is not whole")
            at.unregister(key.fileobj)
            done.append(time.monotonic() - began)
print(done[0], done[-1])
"""


def run(*command):
    subprocess.run(command, check=True)


def tun(name):
    file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return file


def carry(here, there, delay, rate):
    """Carries packets for ever: to the client at `rate` bytes a second, back without limit, each `delay` seconds late."""
    ways = {here: (there, collections.deque()), there: (here, collections.deque())}
    free = time.monotonic()
    while True:
        now = time.monotonic()
        due = [queue[0][0] for _, queue in ways.values() if queue]
        ready, _, _ = select.select([here, there], [], [], max(0, min(due) - now) if due else None)
        now = time.monotonic()
        for source in ready:
            for _ in range(64):
                try:
                    packet = os.read(source, 65536)
                except BlockingIOError:
                    break
                except OSError:  # the namespace is removed: the end
                    return
                leaves = now
                if source == here:
                    # A full queue drops, as a router does.
                    if free > now + QUEUE:
                        continue
                    free = max(free, now) + len(packet) / rate
                    leaves = free
                ways[source][1].append((leaves + delay, packet))
        now = time.monotonic()
        for target, queue in ways.values():
            while queue and queue[0][0] <= now:
                try:
                    os.write(target, queue.popleft()[1])
                except OSError:
                    pass


def set_up():
    subprocess.run(["ip", "netns", "del", NAMESPACE], stderr=subprocess.DEVNULL)
    run("ip", "netns", "add", NAMESPACE)
    here, there = tun("bwslow0"), tun("bwslow1")
    run("ip", "link", "set", "bwslow1", "netns", NAMESPACE)
    run("ip", "addr", "add", f"{HERE}/24", "dev", "bwslow0")
    run("ip", "link", "set", "bwslow0", "mtu", str(MTU), "up")
    inside = ("ip", "netns", "exec", NAMESPACE, "ip")
    run(*inside, "addr", "add", f"{THERE}/24", "dev", "bwslow1")
    run(*inside, "link", "set", "bwslow1", "mtu", str(MTU), "up")
    return here, there


def nanoseconds(server):
    """Processor time of all threads. A download takes less than the tick in which the kernel counts elsewhere."""
    files = (file for process in server.processes() for file in pathlib.Path(f"/proc/{process}/task").glob("*/schedstat"))
    return sum(int(file.read_text().split()[0]) for file in files)


def download(server, count):
    """Seconds until the first and the last of `count` downloads are whole, and processor seconds for a GB."""
    before = nanoseconds(server)
    out = subprocess.run(["ip", "netns", "exec", NAMESPACE, sys.executable, "-c", CLIENT, HERE, str(server.port), str(count), str(SIZE)],
                         capture_output=True, text=True, timeout=300, check=True).stdout
    first, last = map(float, out.split())
    return first, last, (nanoseconds(server) - before) / (SIZE * count)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rate", type=float, default=100, help="Mbit/s")
    parser.add_argument("--delay", type=float, default=20, help="ms, each way")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", default="barewire,nginx,lighttpd")
    parser.add_argument("--add", action="append", default=[], metavar="NAME=COMMAND")
    options = parser.parse_args()
    for extra in options.add:
        name, command = extra.split("=", 1)
        SERVERS[name] = (lambda folder, root, address, port, workers, c=command: [
            word.format(root=root, address=address, port=port) for word in c.split()], set())
    names = options.servers.split(",") + [extra.split("=", 1)[0] for extra in options.add]
    here, there = set_up()
    rate = options.rate * 1e6 / 8
    threading.Thread(target=carry, args=(here, there, options.delay / 1000, rate), daemon=True).start()
    print(f"{options.rate:g} Mbit/s, {2 * options.delay:g} ms there and back, {SIZE >> 20} MiB; "
          f"congestion control: {pathlib.Path('/proc/sys/net/ipv4/tcp_congestion_control').read_text().strip()}\n\n"
          "| server | downloads | share of the rate | first, last whole (s) | CPU s/GB |\n|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory(prefix="barewire-slow-") as scratch:
        scratch = pathlib.Path(scratch)
        scratch.chmod(0o755)
        root = scratch / "root"
        root.mkdir()
        (root / "small.html").write_bytes(b"small")
        (root / "large.bin").write_bytes(os.urandom(SIZE))
        running = []
        try:
            for name in names:
                running.append(Server(name, root, scratch, address=HERE))
            for count in (1, 4):
                figures = {server.name: [] for server in running}
                for server in running * options.rounds:
                    figures[server.name].append(download(server, count))
                for name, measured in figures.items():
                    first, last, cost = (statistics.median(column) for column in zip(*measured))
                    print(f"| {name} | {count} | {SIZE * count / last / rate:.0%} | {first:.2f}, {last:.2f} | {cost:.2f} |", flush=True)
        finally:
            for server in running:
                server.stop()
            subprocess.run(["ip", "netns", "del", NAMESPACE])


if __name__ == "__main__":
    main()
