"""What all clients need: files with odd names, a server on them, a comparison by content, the list of clients."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
# Packages of PyPI are installed here, not into the Python of the machine.
VENV = REPOSITORY / 'target' / 'clients-venv'
# Ends a client that hangs. None of them needs a tenth of it.
PATIENCE = 120

CLIENTS = []


class Wrong(Exception):
    """The client got something else than what is served."""


class NotTried(Exception):
    """A program that the client needs is not there, with its name."""


class Client:
    def __init__(self, name, does, function, programs, packages, pypi, version, quick):
        self.name, self.does, self.function, self.programs = name, does, function, programs
        self.packages, self.pypi, self.version, self.quick = packages, pypi, version, quick

    def missing(self):
        """The first program or module that is not there, or None."""
        for program in self.programs:
            if not find(program):
                return program
        for module in self.pypi:
            if not imports(module):
                return f'the Python module {module}'
        return None


def client(name, does, programs=(), packages=(), pypi=(), version=None, quick=True):
    """Registers a client. `packages` of Debian bring its `programs`; the command `version` tells its version."""

    def register(function):
        CLIENTS.append(Client(name, does, function, programs, packages, pypi, version, quick))
        return function

    return register


def find(program):
    """The path of a program; those that no PATH holds are named by a pattern from the root."""
    if program.startswith('/'):
        return next((str(path) for path in sorted(Path('/').glob(program[1:]))), None)
    return shutil.which(program, path=os.environ.get('PATH', '') + ':/usr/sbin:/sbin')


def python():
    """The Python that has the modules of PyPI, or else this one."""
    own = VENV / 'bin' / 'python'
    return str(own) if own.exists() else sys.executable


def imports(module):
    return subprocess.run([python(), '-c', f'import {module}'], capture_output=True).returncode == 0


def run(*command, check=True, **more):
    """Runs a program to its end and returns what it wrote. Ends it, and all that it started, if it hangs."""
    more.setdefault('stdin', subprocess.DEVNULL)
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **more
    )
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise Wrong(f'{command[0]} hangs') from None
    if check and process.returncode:
        last = (err or out).decode(errors='replace').strip().splitlines()[-1:]
        raise Wrong(f'{command[0]} exits with {process.returncode}: {"".join(last)}')
    return out


def until(what, condition):
    end = time.monotonic() + 30
    while not condition():
        if time.monotonic() > end:
            raise Wrong(f'never: {what}')
        time.sleep(0.02)


@contextlib.contextmanager
def scratch():
    with tempfile.TemporaryDirectory(prefix='barewire-clients-') as folder:
        yield Path(folder)


@contextlib.contextmanager
def daemon(*command, **more):
    """A program that runs until the end of the block."""
    more = {'stdout': subprocess.DEVNULL, 'stderr': subprocess.DEVNULL, **more}
    process = subprocess.Popen(
        [str(part) for part in command], stdin=subprocess.DEVNULL, start_new_session=True, **more
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Server:
    """barewire on a folder, on a port of its own."""

    binary = REPOSITORY / 'target' / 'debug' / 'barewire'

    def __init__(self, url, log):
        self.url, self.log = url, log
        self.port = int(re.search(r':(\d+)/', url)[1])

    def requests(self):
        """The request lines so far, from the access log."""
        return re.findall(r'"([A-Z]+ [^" ]+) HTTP', self.log.read_text(errors='replace'))


@contextlib.contextmanager
def serve(folder, *options):
    with scratch() as place:
        log, said = place / 'log', place / 'said'
        with log.open('wb') as out, said.open('wb') as err:
            command = [Server.binary, '--port', '0', '--log', 'common', *options, folder]
            with daemon(*command, stdout=out, stderr=err) as process:
                url = None

                def listening():
                    nonlocal url
                    if process.poll() is not None:
                        raise Wrong(f'barewire ends: {said.read_text(errors="replace")}')
                    url = re.search(r'^listening on (http://\S+)', said.read_text(errors='replace'), re.M)
                    return url

                until('barewire listens', listening)
                yield Server(url[1], log)


# Names that break programs which paste, split or decode them once too often.
NAMES = [
    'plain.txt',
    'two words.txt',
    '100%.txt',
    'a%20b.txt',
    'a:b.txt',
    'q?x=1.txt',
    'h#h.txt',
    "it's.txt",
    '"quote".txt',
    'a&b;c.txt',
    '<b>.txt',
    'back\\slash.txt',
    '-dash.txt',
    '~tilde.txt',
    'plus+plus.txt',
    '[1-3]{a,b}.txt',
    '$HOME`id`',
    'a=b,c@d!(e)*.txt',
    'a|b^c.txt',
    '1.2.3',
    'UPPER.TXT',
    'index of.txt',
    'sort=size',
    'x.tar.gz',
    'Öl.txt',
    '日本.txt',
    '🦀.txt',
    'e\u0301.txt',
    'zero\u200bwidth.txt',
    'שלום.txt',
]
FOLDERS = ['sub', 'sub/deep', 'sub/deep/er', 'with space', 'd:colon', '100%', 'amp&folder', 'Index of', 'ünï', '-']


def make_tree(folder):
    """Files with these names in nested folders with such names; each content is there once."""
    folder = Path(folder)
    for at in ['.', *FOLDERS]:
        (folder / at).mkdir(parents=True, exist_ok=True)
        for name in NAMES if at == '.' else ['in.txt', 'b c.txt']:
            (folder / at / name).write_text(f'{at}/{name}\n')
    (folder / 'empty').mkdir()
    (folder / 'zero').write_bytes(b'')
    (folder / 'big.bin').write_bytes(noise(3_000_000))
    (folder / 'sub' / 'mid.bin').write_bytes(noise(70_000))
    return folder


def noise(length):
    """Bytes that no program can shorten or guess, the same in each run."""
    seed, blocks = length.to_bytes(8, 'big'), []
    for at in range(length // 64 + 1):
        blocks.append(hashlib.sha512(seed + at.to_bytes(8, 'big')).digest())
    return b''.join(blocks)[:length]


def contents(folder, but=lambda path: False):
    """A hash for each file of a folder, by its path as bytes."""
    folder, found = os.fsencode(folder), {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(at, name), folder)
            if not but(path):
                with open(os.path.join(at, name), 'rb') as file:
                    found[path] = hashlib.sha256(file.read()).hexdigest()
    return found


def compare(wanted, got, limits=(), why=''):
    """Compares two results of `contents`. Names in `limits` may be missing: this client gets them from no server."""
    limits = {os.fsencode(name) for name in limits}
    missing = [name for name in wanted if name not in got and name not in limits]
    other = [name for name in wanted if name in got and got[name] != wanted[name]]
    more = [name for name in got if name not in wanted]
    for what, names in (('missing', missing), ('not the same', other), ('too many', more)):
        if names:
            first = ', '.join(os.fsdecode(name) for name in sorted(names)[:4])
            raise Wrong(f'{len(names)} of {len(wanted)} files {what}: {first}')
    return f'{sum(name in got for name in wanted)} files' + (why and f'; {why}')


def same(path, wanted):
    """Compares one file with these bytes, or with another file."""
    wanted = wanted if isinstance(wanted, bytes) else Path(wanted).read_bytes()
    got = Path(path).read_bytes()
    if got != wanted:
        raise Wrong(f'{Path(path).name}: {len(got)} bytes differ from the {len(wanted)} that are served')


def in_background(function, *arguments):
    threading.Thread(target=function, args=arguments, daemon=True).start()
