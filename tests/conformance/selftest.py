#!/usr/bin/env python3
"""Each check of the probe can fail: for each there is a server here that breaks its rule. `selftest.py`

A check that nothing can fail would count as right for every server. The servers below are wrong on purpose, each in a way of
its own: it agrees to everything, refuses everything, says one thing only, leaves out, or writes what has no meaning.
"""
import concurrent.futures
import contextlib
import socket
import socketserver
import sys
import threading

import probe
import wire
from checks import CHECKS, WRONG

DATE = "Sun, 01 Nov 2026 08:00:00 GMT"
GOOD = ["Date: " + DATE, 'ETag: "a"', "Last-Modified: " + DATE, "Content-Type: text/html", "Cache-Control: no-cache",
        "Accept-Ranges: bytes", "Vary: Accept-Encoding"]
CONTENT = b"0123456789" * 200


def response(status, *fields, content=CONTENT, length=True):
    fields = [*fields, *([f"Content-Length: {len(content)}"] if length else [])]
    return f"HTTP/1.1 {status} Probe\r\n{''.join(f'{field}{chr(13)}{chr(10)}' for field in fields)}\r\n".encode() + content


def is_plain(head):
    """Whether this is the usual GET for the file."""
    lines = head.split(b"\r\n")
    return lines[0] == b"GET /file HTTP/1.1" and len(lines) == 3 and lines[2] == b"Connection: close"


def agrees(head):
    """All is well, whatever was asked; content also for HEAD; nothing ends the connection."""
    if is_plain(head):
        return response(200, *GOOD)
    if b"no-such-file" in head:
        return response(404)
    if head.startswith(b"HEAD"):
        return response(200, content=b"content")
    if b"Range: bytes=0-1,900" in head:
        return response(206, "Content-Type: multipart/byteranges", "Content-Range: bytes 0-1/2000")
    if b"Range: bytes=0-184467440737" in head:
        return response(206, content=CONTENT[:6])
    return response(206 if b"Range:" in head else 200, content=head if head.startswith(b"TRACE") else CONTENT)


def refuses(head):
    """Only the usual GET works; the status depends on what was asked for. The connection ends without a word."""
    ranged = b"Range: bytes=0-1\r\n" in head and b"If-" not in head
    if is_plain(head):
        return response(200, *GOOD)
    if ranged and head.startswith(b"GET"):
        return response(206, "Content-Type: multipart/byteranges; boundary=b")
    if b"Range" in head and b"If-Range" not in head:
        return response(416)
    if b"If-Match" in head or b"If-Unmodified-Since" in head:
        return response(412)
    if b"If-" in head and b"If-Range" not in head:
        return response(304, content=b"", length=False)
    if head.startswith(b"OPTIONS"):
        return response(204, content=b"", length=True)
    if b"no-such-file" in head.split(b"\r\n")[0] or b"If-Range" in head:
        return response(404)
    if b"HTTP/1.0" in head:
        return b"HTTP/1.1 100 Continue\r\n\r\n" + response(400, "Transfer-Encoding: chunked", content=b"0\r\n\r\n")
    if head.startswith((b"GET", b"POST", b"TRACE", b"BREW", b"HEAD")) and len(head) < 50_000 and b"GET / " not in head[:8]:
        return response(405)
    return response(500, "Transfer-Encoding: chunked")


def leaves_out(head):
    """No field but the length, and a file that does not exist."""
    return response(404, length=False)


def nonsense(head):
    """Dates, tags and directives that have no meaning, and a coding that was not asked for."""
    nonsense.count += 1
    fields = ["Date: Sunday", f"ETag: {nonsense.count}", "Last-Modified: Mon, 02 Nov 2099 08:00:00 GMT",
              'Cache-Control: max-age="5"']
    if b"Accept-Encoding" in head:
        return response(200, "Content-Encoding: gzip", *fields)
    return response(200, *fields)


nonsense.count = 0


def in_the_future(head):
    """A tag that is the same for each coding, and a time that has not come yet."""
    fields = ["Date: " + DATE, 'ETag: "a"', "Last-Modified: Mon, 02 Nov 2099 08:00:00 GMT"]
    return response(200, *fields, *(["Content-Encoding: gzip"] if b"Accept-Encoding" in head else []))


def waits(head):
    """Says nothing while content is due."""
    return b"" if b"Expect" in head else response(200, *GOOD)


# How each server answers, and whether it closes after its first response (True), stays (False), or says no more (None).
SERVERS = [(agrees, False), (refuses, True), (agrees, None), (leaves_out, True), (nonsense, True), (in_the_future, True),
           (waits, None)]


def handler(answer, closes):
    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            # The probe leaves when it has seen enough.
            with contextlib.suppress(OSError):
                self.converse()

        def converse(self):
            data, answered = b"", 0
            while piece := self.request.recv(1 << 18):
                data += piece
                while b"\r\n\r\n" in data:
                    head, _, data = data.partition(b"\r\n\r\n")
                    if answered and closes is not False:
                        continue
                    answered += 1
                    self.request.sendall(answer(head))
                if answered and closes:
                    self.request.shutdown(socket.SHUT_WR)
    return Handler


def broken(answer, closes):
    """What is required by the checks that find this server wrong."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler(answer, closes)) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = probe.results(wire.Target(*server.server_address, "/file"))
        server.shutdown()
    return {result["requirement"] for result in found if result["verdict"] == WRONG}


def main():
    # These servers say at once what they have to say, or never.
    wire.PATIENCE, wire.SILENCE = 0.15, 0.05
    with concurrent.futures.ThreadPoolExecutor(len(SERVERS)) as pool:
        all_broken = list(pool.map(lambda server: broken(*server), SERVERS))
    for (answer, _), here in zip(SERVERS, all_broken):
        print(f"{answer.__doc__} {len(here)} checks find it wrong.")
    found = set().union(*all_broken)
    never = [check.requirement for check in CHECKS if check.requirement not in found]
    print(f"{len(CHECKS)} checks, never wrong: {'; '.join(never) or 'none'}")
    sys.exit(bool(never))


main()
