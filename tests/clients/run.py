#!/usr/bin/env python3
"""Runs real clients against the real program, and compares what they got with what is served.

    python3 tests/clients/run.py [BINARY] [--quick] [--install] [--only NAME]

BINARY is target/debug/barewire unless it is named. A run of all clients writes the table in README.md.
--quick leaves out what takes long to install, --install gets what is missing from Debian and PyPI first.
Exits with 1 if a client is wrong, and with --install also if one could not be tried.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import support

# In the order of the table. Importing them registers their clients.
import downloads, walkers, packages, browsers, proxies  # noqa: E401, F401

README = Path(__file__).with_name('README.md')
TABLE = re.compile(r'(<!-- table -->\n).*(<!-- end -->)', re.S)


def install(clients):
    missing = [client for client in clients if client.missing()]
    debian = sorted({package for client in missing for package in client.packages})
    pypi = sorted({module for client in missing for module in client.pypi} - {'pip'})
    if debian:
        print('installing', *debian, flush=True)
        environment = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
        as_root = [] if os.geteuid() == 0 else ['sudo']
        for command in (['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', *debian]):
            subprocess.run([*as_root, 'apt-get', *command], check=True, stdout=subprocess.DEVNULL, env=environment)
    if pypi:
        print('installing', *pypi, flush=True)
        subprocess.run([sys.executable, '-m', 'venv', support.VENV], check=True)
        subprocess.run([support.VENV / 'bin' / 'pip', 'install', '-q', *pypi], check=True)


def version(client):
    """The version that a client tells of itself: the first number with a point, after the word if it is there."""
    program, *options = client.version.split()
    if program == 'python':
        about = f'import importlib.metadata as m; print(m.version("{options[0]}"))'
        program, options = support.python(), ['-c', about]
    # Some write it on standard error, and some exit with an error after it.
    result = subprocess.run(
        [support.find(program), *options], stdin=subprocess.DEVNULL, capture_output=True, timeout=30
    )
    said = result.stderr + result.stdout
    number = re.search(rb'[Vv]ersion:? v?(\d+\.\d[\w.+~-]*)', said) or re.search(rb'(\d+\.\d[\w.+~-]*)', said)
    return number[1].decode().rstrip('.') if number else ''


def attempt(client):
    """Runs one client: its version, and what the table says of it."""
    if missing := client.missing():
        return '', f'not tried: no {missing}'
    number = version(client)
    try:
        with support.scratch() as place:
            return number, f'right: {client.function(place)}'
    except support.Wrong as error:
        return number, f'wrong: {error}'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('binary', nargs='?', type=Path, default=support.Server.binary)
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--install', action='store_true')
    parser.add_argument('--only', metavar='NAME', action='append')
    options = parser.parse_args()
    support.Server.binary = options.binary.resolve()
    if not support.Server.binary.is_file():
        sys.exit(f'{options.binary} is not there: cargo build')
    clients = [client for client in support.CLIENTS if client.quick or not options.quick]
    if options.only:
        clients = [client for client in clients if client.name in options.only]
    if options.install:
        install(clients)
    rows, counts = [], {'right': 0, 'wrong': 0, 'not tried': 0}
    for client in clients:
        start = time.monotonic()
        number, result = attempt(client)
        print(f'{client.name} {number}: {result} ({time.monotonic() - start:.1f} s)', flush=True)
        counts[result.split(':')[0]] += 1
        rows.append(f'| {client.name} | {number} | {client.does} | {result} |'.replace('\n', ' '))
    print(', '.join(f'{count} {what}' for what, count in counts.items()))
    if not options.quick and not options.only:
        table = '| client | version | what it does | result |\n|---|---|---|---|\n' + '\n'.join(rows) + '\n'
        README.write_text(TABLE.sub(lambda match: match[1] + table + match[2], README.read_text()))
    return 1 if counts['wrong'] or (options.install and counts['not tried']) else 0


if __name__ == '__main__':
    sys.exit(main())
