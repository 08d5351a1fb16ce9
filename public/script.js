(() => {
const root = document.documentElement
const stored = value => { try { return value ? localStorage.setItem('theme', value) : localStorage.getItem('theme') } catch { return null } }
if (['dark', 'light'].includes(stored())) root.dataset.theme = stored()
addEventListener('DOMContentLoaded', () => {
const one = css => document.querySelector(css)
const make = (name, text, kind) => {
  const element = document.createElement(name)
  element.textContent = text
  if (kind) element.className = kind
  return element
}

const theme = one('#theme')
theme.hidden = false
theme.onclick = () => {
  const now = root.dataset.theme || (matchMedia('(prefers-color-scheme:dark)').matches ? 'dark' : 'light')
  stored(root.dataset.theme = now === 'dark' ? 'light' : 'dark')
}

// The commands, with the address that worked for this browser.
const host = location.host.replace('[::1]', 'localhost')
for (const code of document.querySelectorAll('.try code')) {
  const text = code.textContent.replace('localhost:8080', host)
  const button = make('button', 'copy', 'cp')
  const command = make('span', text)
  command.style.color = 'inherit'
  button.type = 'button'
  button.setAttribute('aria-label', 'copy ' + text)
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(text) } catch {
      // Without https a page has no clipboard, but may copy what is selected.
      getSelection().selectAllChildren(command)
      document.execCommand('copy')
    }
    button.textContent = 'copied'
    setTimeout(() => button.textContent = 'copy', 1500)
  }
  code.replaceChildren(command, button)
}

const line = (...parts) => [...parts, ' ', make('i', '\\r\\n'), '\n']
const field = (name, value) => line(make('span', name, 'n'), ': ' + value)
const head = (first, fields, after = []) =>
  [...line(...first), ...fields.flatMap(([name, value]) => field(name, value)), ...after, make('i', '\\r\\n', 'end')]
const say = (id, title, note, lines) => {
  one(`#${id}-title`).textContent = title
  one(`#${id}-note`).textContent = note
  if (lines) one('#' + id).replaceChildren(...lines)
}

const ask = async () => {
  const answer = await fetch('hello.txt', { cache: 'no-store', headers: { Accept: 'text/plain' } })
  const body = new Uint8Array(await answer.arrayBuffer())
  const seen = performance.getEntriesByName(answer.url).pop()
  const version = (seen && seen.nextHopProtocol || 'http/1.1').toUpperCase()
  say('rq', 'What this page just asked', 'A script fetched hello.txt. These are the fields it knows of; the browser adds some that scripts may not see.',
    head([make('b', 'GET', 'm'), ' ', make('b', new URL(answer.url).pathname, 't'), ' ', make('span', version, 'v')],
      [['Host', location.host], ['User-Agent', navigator.userAgent], ['Accept', 'text/plain'], ['Referer', location.href.split('#')[0]]],
      [make('span', '… Connection, Accept-Encoding, Accept-Language and others\n', 'dim')]))
  const length = answer.headers.get('content-length')
  const text = new TextDecoder().decode(body).replace(/\n$/, '')
  say('rs', 'What came back', `The real fields, as the browser hands them over: in lower case and in order of the alphabet. ` +
    `Then ${body.length} bytes, as many as content-length ${length == body.length ? 'promises' : 'should promise'}.`,
    [...head([make('span', version, 'v'), ' ', make('b', answer.status, 't'), ' ', make('span', answer.statusText, 'v')], [...answer.headers]),
      '\n' + text, make('i', '\\n')])
}
const sandboxed = self.origin === 'null'
if (sandboxed) one('#rq-note').textContent += ' This page runs in a sandbox, because uploads are allowed here: its script may not ask by itself.'
else ask().catch(() => one('#rq-note').textContent += ' hello.txt could not be fetched.').finally(loads)

// What the browser measured of its own requests. Where nothing was transferred its cache has answered.
const drawn = 'http://www.w3.org/2000/svg'
function loads() {
  const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  const end = Math.max(...all.map(entry => entry.responseEnd), 1)
  const rows = all.map(entry => {
    const row = document.createElement('tr'), svg = document.createElementNS(drawn, 'svg'), bar = document.createElementNS(drawn, 'rect')
    // A head counts as 300 bytes there, whatever it had; 300 and no more means that only a head came.
    const sent = Math.max(entry.transferSize - 300, 0)
    const status = entry.transferSize === 0 ? 'kept' : !sent && entry.decodedBodySize ? 304 : entry.responseStatus || ''
    const start = entry.fetchStart / end * 100
    const set = (element, values) => Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value))
    set(svg, { viewBox: '0 0 100 10', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${entry.fetchStart.toFixed()} to ${entry.responseEnd.toFixed()} ms` })
    set(bar, { x: start, width: Math.max(entry.responseEnd / end * 100 - start, 1.5), height: 10 })
    svg.append(bar)
    row.append(make('td', new URL(entry.name).pathname), make('td', status), make('td', sent.toLocaleString()), make('td', ''))
    row.lastChild.append(svg)
    return row
  })
  one('#loads p').textContent = `${all.length} requests in ${end.toFixed()} ms, as the browser measured them.` +
    (all.some(entry => entry.transferSize === 0) ? ' Kept: its cache had it, and nothing was asked.' : '')
  one('#loads tbody').replaceChildren(...rows)
  one('#loads').hidden = false
}
})
})()
