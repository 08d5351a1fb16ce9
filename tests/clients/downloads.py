"""Programs that fetch or store one file."""

import os
import re

from support import Wrong, client, compare, contents, make_tree, noise, run, same, serve


@client('curl', 'by the text listing, `-C -`, `-r`, `-T`, `-F`', ['curl'], ['curl'], version='curl --version')
def curl(place):
    tree = make_tree(place / 'tree')
    with serve(tree, '--upload') as server:

        def take(url, folder):
            folder.mkdir()
            for line in run('curl', '-fsS', url).decode().splitlines():
                # What awk '{print $NF}' prints.
                word = line.split()[-1]
                name = os.fsdecode(percent_decoded(word.rstrip('/')))
                if word.endswith('/'):
                    take(url + word, folder / name)
                else:
                    run('curl', '-fsS', '-o', folder / name, url + word)

        take(server.url, place / 'got')
        found = compare(contents(tree), contents(place / 'got'))
        big = (tree / 'big.bin').read_bytes()
        (place / 'part').write_bytes(big[:1_000_000])
        run('curl', '-fsS', '-C', '-', '-o', place / 'part', f'{server.url}big.bin')
        same(place / 'part', big)
        run('curl', '-fsS', '-r', '5-9,100-,-3', '-o', place / 'ranges', f'{server.url}big.bin')
        if (place / 'ranges').read_bytes().count(b'Content-Range') != 2:
            raise Wrong('other ranges')
        run('curl', '-fsS', '-T', tree / 'big.bin', f'{server.url}sub/put.bin')
        same(tree / 'sub/put.bin', big)
        run(
            'curl',
            '-fsS',
            '-F',
            f'a=@{tree}/two words.txt',
            '-F',
            f'b=@{tree}/big.bin;filename="π %.bin"',
            f'{server.url}empty/',
        )
        same(tree / 'empty/two words.txt', tree / 'two words.txt')
        same(tree / 'empty/π %.bin', big)
    return f'{found}, 3 stored'


def percent_decoded(word):
    return re.sub(rb'%([0-9A-F]{2})', lambda match: bytes.fromhex(match[1].decode()), word.encode())


def one_file(place, *command, requests):
    """A program that fetches `big.bin` to `got`, over several connections at once."""
    tree = place / 'tree'
    tree.mkdir()
    (tree / 'big.bin').write_bytes(noise(12_000_000))
    with serve(tree) as server:
        run(*command, f'{server.url}big.bin', cwd=place)
        made = len(server.requests())
        if made < requests:
            raise Wrong(f'{made} requests: no ranges are used')
        same(place / 'got', tree / 'big.bin')
    return f'12 MB in {made} requests'


@client('aria2', 'fetches a file over 4 connections', ['aria2c'], ['aria2'], version='aria2c --version')
def aria2(place):
    return one_file(place, 'aria2c', '-q', '-x4', '-s4', '-k1M', '-o', 'got', requests=4)


@client('axel', 'fetches a file over 4 connections', ['axel'], ['axel'], version='axel --version')
def axel(place):
    return one_file(place, 'axel', '-q', '-n', '4', '-o', 'got', requests=4)


@client('zsync', 'fetches what changed, 3 and 18 pieces', ['zsync', 'zsyncmake'], ['zsync'], version='zsync -V')
def zsync(place):
    tree = place / 'tree'
    tree.mkdir()
    big = noise(6_000_000)
    (tree / 'big').write_bytes(big)
    run('zsyncmake', '-u', 'big', '-o', 'big.zsync', 'big', cwd=tree)
    with serve(tree) as server:
        for pieces in (3, 18):
            old = bytearray(big)
            for at in range(pieces):
                old[(at + 1) * 300_000 : (at + 1) * 300_000 + 5000] = noise(5000)
            (place / 'old').write_bytes(old)
            run('zsync', '-q', '-i', 'old', '-o', f'got-{pieces}', f'{server.url}big.zsync', cwd=place)
            same(place / f'got-{pieces}', big)
        made = len(server.requests())
        if made > 30:
            raise Wrong(f'{made} requests for 21 pieces')
    return f'{made} requests'


@client(
    'ffmpeg',
    'reads a film from its middle, with its index at the end',
    ['ffmpeg', 'ffprobe'],
    ['ffmpeg'],
    version='ffmpeg -version',
    quick=False,
)
def ffmpeg(place):
    tree = place / 'tree'
    tree.mkdir()
    film = ['-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25', '-t', '20', '-g', '50', '-c:v', 'mpeg4', '-b:v', '4M']
    for name in ('film.mp4', 'film.mkv'):
        # An mp4 has its index at the end, unless it is asked for at the start.
        run('ffmpeg', '-v', 'error', *film, tree / name)
    with serve(tree) as server:
        for name in ('film.mp4', 'film.mkv'):
            about = [
                'ffprobe',
                '-v',
                'error',
                '-show_entries',
                'format=duration,size:stream=codec_name,nb_read_packets',
                '-count_packets',
            ]
            if run(*about, server.url + name) != run(*about, tree / name):
                raise Wrong(f'{name}: ffprobe finds something else')
            frames = lambda source: run(
                'ffmpeg', '-v', 'error', '-ss', '13.4', '-i', source, '-frames:v', '5', '-f', 'framemd5', '-'
            )
            before = len(server.requests())
            if frames(server.url + name) != frames(tree / name):
                raise Wrong(f'{name}: other frames')
            if len(server.requests()) - before < 2:
                raise Wrong(f'{name}: it is not sought in')
    return '2 films'
