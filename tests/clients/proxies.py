"""Proxies in front of barewire that take a path prefix off: `/files/photos/` becomes `/photos/`."""

import re
import socket
from urllib.parse import urljoin

from support import Wrong, client, compare, contents, daemon, make_tree, run, same, serve, until
from walkers import mirrored

NGINX = '''
daemon off; pid {place}/pid; error_log {place}/error; worker_processes 1;
events {{}}
http {{
    access_log off; client_body_temp_path {place}; proxy_temp_path {place};
    fastcgi_temp_path {place}; uwsgi_temp_path {place}; scgi_temp_path {place};
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        location /files/ {{ proxy_pass http://127.0.0.1:{behind}/; }}
    }}
}}
'''
HAPROXY = '''
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend front
    bind 127.0.0.1:{port}
    http-request set-path %[path,regsub(^/files/,/)] if {{ path_beg /files/ }}
    default_backend behind
backend behind
    server barewire 127.0.0.1:{behind}
'''


def under_a_prefix(place, configuration, *command):
    tree = make_tree(place / 'tree')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with serve(tree, '--upload') as server:
        file = place / 'configuration'
        file.write_text(configuration.format(place=place, port=port, behind=server.port))
        with daemon(*command, file):
            until('the proxy listens', lambda: socket.socket().connect_ex(('127.0.0.1', port)) == 0)
            url = f'http://127.0.0.1:{port}/files/'
            run(
                'wget',
                '-q',
                '-m',
                '-np',
                '-nH',
                '--cut-dirs=1',
                '--restrict-file-names=nocontrol',
                '-P',
                place / 'got',
                url,
            )
            got = contents(place / 'got', mirrored)
            got.pop(b'a b.txt', None)
            found = compare(contents(tree), got, ['a%20b.txt'])
            stays_under(url)
            run('curl', '-fsS', '-T', tree / 'big.bin', f'{url}empty/put.bin')
            same(tree / 'empty/put.bin', tree / 'big.bin')
    return f'{found}, redirects and links stay under the prefix'


def stays_under(url):
    """Each redirect, and each address in each kind of page, leads to something under the prefix."""
    where = lambda *options: run(
        'curl', '-sS', '-o', '/dev/null', '-w', '%{http_code} %{redirect_url}', *options
    ).decode()
    form = ['-F', 'f=@/dev/null;filename=form.txt', '-H', 'Accept: text/html']
    for options, expected in (
        ([f'{url}sub/deep'], f'301 {url}sub/deep/'),
        ([f'{url}d%3Acolon?x=1'], f'301 {url}d%3Acolon/?x=1'),
        ([*form, f'{url}empty/'], f'303 {url}empty/'),
    ):
        if where(*options) != expected:
            raise Wrong(f'{where(*options)} instead of {expected}')
    for page in (url, f'{url}sub/deep/', f'{url}sub/nothing', f'{url}nothing/at/all'):
        html = run('curl', '-sS', '-H', 'Accept: text/html', page).decode()
        for address in re.findall(r'(?:href|src|action)="([^"]*)"', html):
            if not urljoin(page, address).startswith((url, 'data:', 'https://www.rfc-editor.org/')):
                raise Wrong(f'{address} on {page} leaves the prefix')


@client(
    'nginx in front',
    'takes `/files` off: a mirror, redirects, links, PUT',
    ['nginx', 'wget', 'curl'],
    ['nginx', 'wget', 'curl'],
    version='nginx -v',
)
def nginx(place):
    return under_a_prefix(place, NGINX, '/usr/sbin/nginx', '-p', place, '-c')


@client(
    'HAProxy in front',
    'takes `/files` off: a mirror, redirects, links, PUT',
    ['haproxy', 'wget', 'curl'],
    ['haproxy', 'wget', 'curl'],
    version='haproxy -v',
)
def haproxy(place):
    return under_a_prefix(place, HAPROXY, '/usr/sbin/haproxy', '-db', '-f')
