"""Package managers and git, with barewire as the place they fetch from."""

import base64
import hashlib
import json
import os
import zipfile

from support import Wrong, client, compare, contents, make_tree, noise, python, run, same, serve

CONTROL = """Package: tiny{suffix}
Version: 1.0+b~rc1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: a package of one file
"""


def make_packages(folder, place):
    """Two packages in the folder; the version has a plus and a tilde, which are in the name of the file too."""
    for suffix in ('', '-two'):
        build = place / f'build{suffix}'
        (build / 'DEBIAN').mkdir(parents=True)
        (build / 'DEBIAN' / 'control').write_text(CONTROL.format(suffix=suffix))
        (build / 'file').write_bytes(noise(100_000))
        run('dpkg-deb', '-b', build, folder / f'tiny{suffix}_1.0+b~rc1_all.deb')


def apt(place, sources):
    """Updates and downloads with an apt that knows only these sources; returns the packages."""
    root = place / 'apt'
    for path in (
        'etc/apt/sources.list.d',
        'etc/apt/preferences.d',
        'etc/apt/apt.conf.d',
        'etc/apt/trusted.gpg.d',
        'var/lib/apt/lists/partial',
        'var/lib/dpkg',
        'var/cache/apt/archives/partial',
        'var/log/apt',
    ):
        (root / path).mkdir(parents=True)
    (root / 'var/lib/dpkg/status').touch()
    (root / 'etc/apt/sources.list').write_text(sources)
    options = [
        f'Dir={root}',
        f'Dir::State::status={root}/var/lib/dpkg/status',
        'APT::Sandbox::User=root',
        'Acquire::http::Proxy=DIRECT',
        'Acquire::Retries=0',
        'APT::Update::Error-Mode=any',
    ]
    command = ['apt-get', '-qq', *(part for option in options for part in ('-o', option))]
    run(*command, 'update')
    (place / 'got').mkdir()
    run(*command, 'download', 'tiny', 'tiny-two', cwd=place / 'got')
    return contents(place / 'got')


@client(
    'apt, flat',
    '`deb URL ./`: update and download',
    ['apt-get', 'dpkg-scanpackages'],
    ['dpkg-dev'],
    version='apt-get --version',
)
def apt_flat(place):
    tree = place / 'tree'
    tree.mkdir()
    make_packages(tree, place)
    wanted = contents(tree)
    (tree / 'Packages').write_bytes(run('dpkg-scanpackages', '.', cwd=tree))
    with serve(tree) as server:
        got = apt(place, f'deb [trusted=yes] {server.url} ./\n')
    return compare(wanted, got)


@client(
    'apt, dists',
    '`deb URL stable main`: update, by hash, and download',
    ['apt-get', 'apt-ftparchive', 'dpkg-scanpackages'],
    ['apt-utils', 'dpkg-dev'],
    version='apt-get --version',
)
def apt_dists(place):
    tree = place / 'tree'
    pool, index = tree / 'pool/main/t/tiny', tree / 'dists/stable/main/binary-all'
    pool.mkdir(parents=True)
    index.mkdir(parents=True)
    make_packages(pool, place)
    wanted = contents(pool)
    packages = run('dpkg-scanpackages', 'pool', cwd=tree)
    architecture = run('dpkg', '--print-architecture').decode().strip()
    for folder in (index, index.with_name(f'binary-{architecture}')):
        folder.mkdir(exist_ok=True)
        (folder / 'Packages').write_bytes(packages)
        by_hash = folder / 'by-hash/SHA256'
        by_hash.mkdir(parents=True)
        (by_hash / hashlib.sha256(packages).hexdigest()).write_bytes(packages)
    values = {'Suite': 'stable', 'Components': 'main', 'Architectures': f'all {architecture}', 'Acquire-By-Hash': 'yes'}
    options = [part for name, value in values.items() for part in ('-o', f'APT::FTPArchive::Release::{name}={value}')]
    (tree / 'dists/stable/Release').write_bytes(run('apt-ftparchive', *options, 'release', 'dists/stable', cwd=tree))
    with serve(tree) as server:
        got = apt(place, f'deb [trusted=yes] {server.url} stable main\n')
        if not any('/by-hash/' in line for line in server.requests()):
            raise Wrong('nothing is fetched by its hash')
    return compare(wanted, got)


@client('git', 'clones, and fetches more, over dumb HTTP', ['git'], ['git'], version='git --version')
def git(place):
    tree = make_tree(place / 'work')
    who = [
        '-c',
        'user.name=Nobody',
        '-c',
        'user.email=nobody@example.org',
        '-c',
        'commit.gpgsign=false',
        '-c',
        'core.hooksPath=/dev/null',
    ]
    git = ['git', *who, '-C', tree]
    environment = {**os.environ, 'GIT_CONFIG_GLOBAL': '/dev/null', 'GIT_CONFIG_SYSTEM': '/dev/null'}
    run(*git, 'init', '-q', '-b', 'main', env=environment)
    run(*git, 'add', '-A', env=environment)
    run(*git, 'commit', '-q', '-m', 'one', env=environment)
    # Served as files: .git is a hidden name, so a bare copy has another one.
    bare = place / 'tree' / 'project.git'
    run('git', 'clone', '-q', '--bare', tree, bare, env=environment)
    run('git', '-C', bare, 'update-server-info', env=environment)
    with serve(place / 'tree') as server:
        run('git', 'clone', '-q', f'{server.url}project.git', place / 'got', env=environment)
        (tree / 'later.txt').write_text('later')
        run(*git, 'add', '-A', env=environment)
        run(*git, 'commit', '-q', '-m', 'two', env=environment)
        run(*git, 'push', '-q', bare, 'main', env=environment)
        run('git', '-C', bare, 'repack', '-a', '-d', '-q', env=environment)
        run('git', '-C', bare, 'update-server-info', env=environment)
        run('git', '-C', place / 'got', 'pull', '-q', '--ff-only', env=environment)
        run('git', '-C', place / 'got', 'fsck', '--full', '--strict', env=environment)
    own = lambda path: path.startswith(b'.git/')
    return compare(contents(tree, own), contents(place / 'got', own))


@client(
    'pip',
    '`--index-url` on folders without index files, `--find-links`',
    [],
    ['python3-pip'],
    ['pip'],
    version='python pip',
)
def pip(place):
    name = 'tiny-1.0+local-py3-none-any.whl'
    (place / 'tree/simple/tiny').mkdir(parents=True)
    wheel = place / 'tree/simple/tiny' / name
    with zipfile.ZipFile(wheel, 'w') as file:
        file.writestr('tiny.py', noise(50_000).hex())
        file.writestr('tiny-1.0+local.dist-info/METADATA', 'Metadata-Version: 2.1\nName: tiny\nVersion: 1.0+local\n')
        file.writestr(
            'tiny-1.0+local.dist-info/WHEEL',
            'Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
        )
        file.writestr('tiny-1.0+local.dist-info/RECORD', '')
    environment = {
        **os.environ,
        'PIP_CONFIG_FILE': '/dev/null',
        'PIP_NO_CACHE_DIR': '1',
        'PIP_DISABLE_PIP_VERSION_CHECK': '1',
    }
    for variable in ('PIP_INDEX_URL', 'PIP_EXTRA_INDEX_URL', 'PIP_FIND_LINKS', 'PIP_TRUSTED_HOST'):
        environment.pop(variable, None)
    with serve(place / 'tree') as server:
        for where in (
            ['--index-url', f'{server.url}simple/'],
            ['--no-index', '--find-links', f'{server.url}simple/tiny/'],
        ):
            got = place / where[0].strip('-')
            run(python(), '-m', 'pip', 'download', '-q', '--no-deps', '-d', got, *where, 'tiny', env=environment)
            same(got / name, wheel)
    return '2 wheels'


@client('npm', 'installs from a registry of files', ['npm', 'node'], ['npm'], version='npm --version')
def npm(place):
    tree, source = place / 'tree', place / 'tiny'
    tree.mkdir()
    source.mkdir()
    (source / 'package.json').write_text(json.dumps({'name': 'tiny', 'version': '1.0.0', 'main': 'index.js'}))
    (source / 'index.js').write_text(f'module.exports = {json.dumps(noise(50_000).hex())}\n')
    environment = {
        **os.environ,
        'HOME': str(place),
        'npm_config_cache': str(place / 'cache'),
        'npm_config_userconfig': '/dev/null',
        'npm_config_update_notifier': 'false',
        'npm_config_audit': 'false',
        'npm_config_fund': 'false',
    }
    run('npm', 'pack', '--silent', source, cwd=tree, env=environment)
    tarball = (tree / 'tiny-1.0.0.tgz').read_bytes()
    integrity = 'sha512-' + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    with serve(tree) as server:
        version = {
            'name': 'tiny',
            'version': '1.0.0',
            'dist': {'tarball': f'{server.url}tiny-1.0.0.tgz', 'integrity': integrity},
        }
        (tree / 'tiny').write_text(
            json.dumps({'name': 'tiny', 'dist-tags': {'latest': '1.0.0'}, 'versions': {'1.0.0': version}})
        )
        for what in ('tiny', f'{server.url}tiny-1.0.0.tgz'):
            target = place / f'got-{len(what)}'
            target.mkdir()
            run('npm', 'install', '--silent', '--registry', server.url, '--prefix', target, what, env=environment)
            for name in ('index.js', 'package.json'):
                same(target / 'node_modules/tiny' / name, source / name)
    return '2 packages'
