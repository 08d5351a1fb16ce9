"""Firefox and WebKit (the engine of Safari), by the commands of WebDriver. What the pages do in them is tested in
`tests/browser/other_engines.rs`; here they walk the listings and read each file."""

import base64
import contextlib
import json
import os
import re
import socket
import urllib.error
import urllib.request

from support import Wrong, client, compare, contents, daemon, find, make_tree, serve, until

# Reads all files that this page lists.
READ = '''
const done = arguments[0]
const links = [...document.querySelectorAll('#rows a')].map(a => a.href)
const read = url => fetch(url).then(answer => answer.blob()).then(blob => new Promise((yes, no) => {
  const reader = new FileReader()
  reader.onload = () => yes([url, reader.result.split(',')[1] || ''])
  reader.onerror = no
  reader.readAsDataURL(blob)
}))
const folders = links.filter(url => url.endsWith('/'))
Promise.all(links.filter(url => !url.endsWith('/')).map(read))
  .then(files => done({title: document.title, folders, files}), error => done({error: String(error)}))
'''


def walk(open_page, evaluate, url, target):
    """Takes a tree by its listings, as a person does who opens each folder."""
    target.mkdir()
    open_page(url)
    page = evaluate(READ)
    if 'error' in page or not page['title'].startswith('Index of /'):
        raise Wrong(f'{url}: {page.get("error") or page["title"]}')
    names = lambda address: urllib.request.unquote(address.removeprefix(url).rstrip('/'))
    for address, content in page['files']:
        (target / names(address)).write_bytes(base64.b64decode(content))
    for address in page['folders']:
        walk(open_page, evaluate, address, target / names(address))


@client(
    'WebKitGTK',
    'opens all listings of a tree, reads all files',
    ['WebKitWebDriver', 'Xvfb', '/usr/lib/*/webkit2gtk-4*/MiniBrowser'],
    ['webkit2gtk-driver', 'xvfb'],
    version='dpkg-query -W -f version:${Version} webkit2gtk-driver',
    quick=False,
)
def webkit(place):
    tree = make_tree(place / 'tree')
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(serve(tree))
        number, write = os.pipe()
        stack.enter_context(daemon('Xvfb', '-displayfd', write, '-screen', '0', '1200x900x24', pass_fds=[write]))
        os.close(write)
        with os.fdopen(number) as pipe:
            display = pipe.readline().strip()
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        # Its sandbox needs rights that a container may not have, and every page here is our own.
        settings = {
            **os.environ,
            'DISPLAY': f':{display}',
            'WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS': '1',
            'HOME': str(place),
        }
        stack.enter_context(daemon('WebKitWebDriver', f'--port={port}', env=settings))

        def call(path, value, method='POST'):
            body = json.dumps(value).encode()
            request = urllib.request.Request(
                f'http://127.0.0.1:{port}/session{path}', body, {'Content-Type': 'application/json'}, method=method
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer)['value']
            except urllib.error.HTTPError as error:
                raise Wrong(f'WebDriver: {error.read().decode()}') from None

        until('WebKitWebDriver listens', lambda: socket.socket().connect_ex(('127.0.0.1', port)) == 0)
        browser = find('/usr/lib/*/webkit2gtk-4*/MiniBrowser')
        wanted = {'webkitgtk:browserOptions': {'binary': browser, 'args': ['--automation']}}
        session = '/' + call('', {'capabilities': {'alwaysMatch': wanted}})['sessionId']
        try:
            evaluate = lambda script: call(f'{session}/execute/async', {'script': script, 'args': []})
            walk(lambda url: call(f'{session}/url', {'url': url}), evaluate, server.url, place / 'got')
        finally:
            call(session, {}, 'DELETE')
    return compare(contents(tree), contents(place / 'got'))


@client(
    'Firefox ESR',
    'opens all listings of a tree, reads all files',
    ['firefox-esr'],
    ['firefox-esr'],
    version='firefox-esr --version',
    quick=False,
)
def firefox(place):
    tree, profile = make_tree(place / 'tree'), place / 'profile'
    profile.mkdir()
    # Port 0: it chooses one, and writes it into the profile. The others keep it from asking the network.
    settings = {
        'marionette.port': 0,
        'app.update.disabledForTesting': True,
        'datareporting.policy.dataSubmissionEnabled': False,
        'network.captive-portal-service.enabled': False,
        'network.connectivity-service.enabled': False,
        'services.settings.server': 'data:,',
    }
    (profile / 'user.js').write_text(
        ''.join(f'user_pref({json.dumps(name)}, {json.dumps(value)});\n' for name, value in settings.items())
    )
    command = ['firefox-esr', '--headless', '--no-remote', '--marionette', '--profile', profile]
    with serve(tree) as server, daemon(*command, env={**os.environ, 'HOME': str(profile)}):
        port = profile / 'MarionetteActivePort'
        until('Firefox listens', lambda: port.exists() and port.read_text().strip())
        with socket.create_connection(('127.0.0.1', int(port.read_text())), 60) as stream, stream.makefile(
            'rb'
        ) as answers:

            def message():
                length = re.match(rb'\d+', b''.join(iter(lambda: answers.read(1), b':')))
                return json.loads(answers.read(int(length[0])))

            def call(name, **parameters):
                text = json.dumps([0, 1, name, parameters]).encode()
                stream.sendall(b'%d:%s' % (len(text), text))
                _, _, error, result = message()
                if error:
                    raise Wrong(f'{name}: {error["message"]}')
                return result

            message()
            call('WebDriver:NewSession')
            evaluate = lambda script: call('WebDriver:ExecuteAsyncScript', script=script, args=[])['value']
            walk(lambda url: call('WebDriver:Navigate', url=url), evaluate, server.url, place / 'got')
    return compare(contents(tree), contents(place / 'got'))
