"""Programs that read listings and take the tree that they find."""

import os
import re
from urllib.parse import unquote_to_bytes

from support import Wrong, client, compare, contents, daemon, make_tree, python, run, same, serve, until


def mirrored(path):
    """What a mirror of pages has besides the files: the listings, and their style and script."""
    return os.path.basename(path) == b'index.html' or path.startswith(b'.barewire/')


@client('wget', 'mirrors a tree (`-m`)', ['wget'], ['wget'], version='wget --version')
def wget(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        run('wget', '-q', '-m', '-np', '-nH', '--restrict-file-names=nocontrol', '-P', place / 'got', server.url)
        listings = [line for line in server.requests() if line.endswith('/') or '?' in line]
        if len(listings) != len(set(listings)) or any('?' in line for line in listings):
            raise Wrong(f'{len(listings)} listings are fetched for {len(set(listings))} folders')
    got = contents(place / 'got', mirrored)
    got.pop(b'a b.txt', None)
    return compare(contents(tree), got, ['a%20b.txt'], 'not `a%20b.txt`, which wget decodes twice')


@client('wget2', 'mirrors a tree (`-m`)', ['wget2'], ['wget2'], version='wget2 --version')
def wget2(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        command = ['wget2', '-q', '-m', '-np', '-nH', '--no-robots', '--restrict-file-names=nocontrol']
        run(*command, '-P', place / 'got', server.url, check=False)
    return compare(contents(tree), contents(place / 'got', mirrored))


@client('lftp', 'mirrors a tree, lists it (`cls -l`), adds a file', ['lftp'], ['lftp'], version='lftp --version')
def lftp(place):
    tree = make_tree(place / 'tree')
    for path in tree.rglob('*'):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    lftp = ['lftp', '-c']
    setup = 'set net:max-retries 1; set net:reconnect-interval-base 1; set cmd:fail-exit yes;'
    with serve(tree, '--upload') as server:
        run(*lftp, f'{setup} mirror {server.url} {place}/got')
        listed = run(*lftp, f'{setup} open {server.url}; cls -l --time-style=%s', env={**os.environ, 'LANG': 'C.UTF-8'})
        sizes = {name: int(size) for size, name in re.findall(r'(\d+) 1700000000 (.+)$', listed.decode(), re.M)}
        wanted = {path.name: path.stat().st_size for path in tree.iterdir() if path.is_file()}
        if wrong := {name for name in wanted if sizes.get(name) != wanted[name]} - {'~tilde.txt'}:
            raise Wrong(f'cls -l has other sizes, dates or names: {sorted(wrong)[:4]}')
        (place / 'new.bin').write_bytes(b'from lftp')
        run(*lftp, f'{setup} open {server.url}; put {place}/new.bin')
        same(tree / 'new.bin', b'from lftp')
        (tree / 'new.bin').unlink()
    why = 'not `~tilde.txt`, which lftp takes for a home'
    return compare(contents(tree), contents(place / 'got'), ['~tilde.txt'], why)


@client('rclone', 'copies a tree (`:http:`)', ['rclone'], ['rclone'], version='rclone version')
def rclone(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        command = ['rclone', 'copy', '--config', '/dev/null', '--retries', '1', '--http-url', server.url]
        run(*command, ':http:', place / 'got', check=False)
    limits = ['d:colon/in.txt', 'd:colon/b c.txt']
    why = 'not the folder `d:colon`, since it takes `d:` for a scheme'
    return compare(contents(tree), contents(place / 'got'), limits, why)


@client(
    'httpdirfs', 'mounts a tree', ['httpdirfs', 'fusermount', '/dev/fuse'], ['httpdirfs'], version='httpdirfs --version'
)
def httpdirfs(place):
    tree = make_tree(place / 'tree')
    (place / 'got').mkdir()
    with serve(tree) as server:
        with daemon('httpdirfs', '-f', '--cache-location', place / 'cache', server.url, place / 'got'):
            try:
                until('the tree is mounted', lambda: os.path.ismount(place / 'got'))
                got = contents(place / 'got')
            finally:
                run('fusermount', '-u', place / 'got', check=False)
    limits = ['zero', '-dash.txt', '~tilde.txt', '-/in.txt', '-/b c.txt']
    return compare(contents(tree), got, limits, 'no empty file, and no name with `-` or `~` first: it knows neither')


FSSPEC = '''
import os, sys
from urllib.parse import unquote_to_bytes
import fsspec
url, got = sys.argv[1:]
files = fsspec.filesystem('http')
def take(folder, at, depth):
    if depth > 5:
        sys.exit('folders without end: ' + folder)
    for entry in files.ls(folder, detail=False):
        name = os.path.join(at, unquote_to_bytes(entry[len(folder.rstrip('/')) + 1:].rstrip('/')))
        if entry.endswith('/'):
            os.makedirs(os.path.join(os.fsencode(got), name))
            take(entry, name, depth + 1)
        else:
            # By blocks, which are ranges of the file.
            with files.open(entry, block_size=100_000) as file, open(os.path.join(os.fsencode(got), name), 'wb') as out:
                while block := file.read(65_536):
                    out.write(block)
os.mkdir(got)
take(url, b'', 0)
'''


@client(
    'fsspec',
    'walks a tree and reads it by ranges (as pandas, dask, zarr do)',
    [],
    ['python3-venv'],
    ['fsspec', 'aiohttp', 'requests'],
    version='python fsspec',
)
def fsspec(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        run(python(), '-c', FSSPEC, server.url, place / 'got')
    return compare(contents(tree), contents(place / 'got'))


GDAL = '''
import os, sys
from osgeo import gdal
url, got = sys.argv[1:]
def take(folder, at, depth):
    if depth > 5:
        sys.exit('folders without end: ' + folder)
    for name in set(gdal.ReadDir(folder) or []) - {'.', '..'}:
        path, target = folder + name, os.path.join(at, name)
        about = gdal.VSIStatL(path)
        if about is None:
            sys.exit('listed, but not there: ' + path)
        if about.IsDirectory():
            os.makedirs(target)
            take(path + '/', target, depth + 1)
        else:
            file = gdal.VSIFOpenL(path, 'rb')
            # Python's binding reads nothing from an empty file.
            content = gdal.VSIFReadL(1, about.size + 1, file) if about.size else b''
            gdal.VSIFCloseL(file)
            with open(target, 'wb') as out:
                out.write(content)
os.mkdir(got)
take('/vsicurl/' + url, got, 0)
'''


@client(
    'GDAL',
    'walks a tree (`/vsicurl/`)',
    ['gdalinfo', '/usr/lib/python3/dist-packages/osgeo'],
    ['gdal-bin', 'python3-gdal'],
    version='gdalinfo --version',
    quick=False,
)
def gdal(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        run('/usr/bin/python3', '-c', GDAL, server.url, place / 'got')
    # Its names are those of the links, percent-encoded.
    got = {unquote_to_bytes(path): content for path, content in contents(place / 'got').items()}
    return compare(contents(tree), got)


@client('lynx', 'lists links, sorts and goes up by buttons', ['lynx'], ['lynx'], version='lynx -version')
def lynx(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        links = run('lynx', '-dump', '-listonly', '-nonumbers', f'{server.url}sub/deep/').decode().splitlines()
        names = sorted(link.removeprefix(f'{server.url}sub/') for link in links if link.startswith('http'))
        if names != ['', 'deep/b c.txt', 'deep/er/', 'deep/in.txt']:
            raise Wrong(f'other links: {names}')
        # The controls of the page in their order, each with the request that it must make.
        expected = ['/', '/', '/sub/', '/sub/deep/?sort=name', '/sub/deep/?sort=size', '/sub/deep/?sort=time', '/sub/']
        for downs, target in enumerate(expected):
            keys = ['Down Arrow'] * downs + ['^J', 'Q', 'y']
            (place / 'keys').write_text(''.join(f'key {key}\n' for key in keys))
            run(
                'lynx',
                f'-cmd_script={place}/keys',
                f'{server.url}sub/deep/',
                env={**os.environ, 'TERM': 'xterm'},
                check=False,
            )
            # The first one was for the links.
            until('both requests are logged', lambda: len(server.requests()) == 3 + 2 * downs)
            if not server.requests()[-1].startswith(f'GET {target}'):
                raise Wrong(f'control {downs} leads to {server.requests()[-1]} and not to {target}')
        for name in ('two words.txt', '日本.txt'):
            got = run('lynx', '-source', server.url + ''.join(f'%{byte:02X}' for byte in name.encode()))
            (place / 'file').write_bytes(got)
            same(place / 'file', tree / name)
    return f'{len(expected)} controls'


@client('w3m', 'lists a folder, reads files', ['w3m'], ['w3m'], version='w3m -version')
def w3m(place):
    tree = make_tree(place / 'tree')
    with serve(tree) as server:
        # Without a script there must be no control that does nothing, such as the filter.
        text = run('w3m', '-dump', '-cols', '200', server.url, env={**os.environ, 'LANG': 'C.UTF-8'}).decode()
        if '[' in re.sub(r'\[1-3\]', '', text) or '◐' in text or '日本.txt' not in text:
            raise Wrong(f'another page: {text[:200]}')
        for name in ('two words.txt', 'sub/mid.bin'):
            path = '/'.join(''.join(f'%{byte:02X}' for byte in part.encode()) for part in name.split('/'))
            got = run('w3m', '-dump_source', server.url + path)
            (place / 'file').write_bytes(got)
            same(place / 'file', tree / name)
    return '2 files'
