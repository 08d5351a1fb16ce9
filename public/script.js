// The first page, with --study: the bytes of its own request, and what it has loaded. The rest is in learn/lab.js.

// All words that this script shows. A translation is one more table of this kind.
const TEXT = {
  sentTitle: 'What this page just sent',
  sent: bytes =>
    `The script of this page asked for /.try/echo. The browser sent these ${bytes} bytes. ` +
    '(A page cannot see the request for the page itself.) ',
  showInView: 'Show it in the wire view',
  receivedTitle: 'What came back',
  received:
    'The head of the response, as the browser gives it to a script: names in lower case, sorted. ' +
    'These are not the exact bytes. The body is the request above.',
  loaded: (requests, time) => `${requests} requests in ${time} ms, as the browser measured them.`,
  cacheMeans: ' Cache: the browser had a copy and did not ask the server.',
  fromCache: 'cache',
  confirmed: 'cache, after a 304',
  fromServer: 'server',
  fromTo: (start, end) => `${start} to ${end} ms`,
}

/** Browsers count 300 bytes for the head of each response, whatever it had. */
const HEAD_BYTES = 300
const SVG = 'http://www.w3.org/2000/svg'

addEventListener('DOMContentLoaded', async () => {
  if (await study) await showEcho()
  showLoads()
})

/** A new element with a class and children. */
function make(tag, className, ...children) {
  const element = document.createElement(tag)
  element.className = className
  element.append(...children)
  return element
}

/** With --study a request comes back as the body of its response, byte for byte. */
async function showEcho() {
  const response = await fetch('/.try/echo', { cache: 'no-store' })
  const request = await response.text()
  const [requestLine, ...lines] = request.split('\r\n\r\n')[0].split('\r\n')
  const [method, target, version] = requestLine.split(' ')
  const link = make('a', '', TEXT.showInView)
  link.href = '/.wire?find=GET%20/.try/echo'
  showMessage('request', TEXT.sentTitle, [TEXT.sent(request.length), isLocal ? link : ''], [
    line(make('b', 'method', method), ' ', make('b', 'target', target), ' ', make('span', 'version', version)),
    ...lines.map(text => field(text.slice(0, text.indexOf(':')), text.slice(text.indexOf(':') + 1))),
  ])
  showMessage('response', TEXT.receivedTitle, [TEXT.received], [
    line(make('span', 'version', version), ' ', make('b', 'target', response.status), ' ',
      make('span', 'version', response.statusText)),
    ...Array.from(response.headers, ([name, value]) => field(name, ' ' + value)),
  ])
}

/** Shows a head in the card of the request or of the response. */
function showMessage(card, title, note, lines) {
  document.querySelector(`#${card}-title`).textContent = title
  document.querySelector(`#${card}-note`).replaceChildren(...note)
  document.querySelector('#' + card).replaceChildren(...lines.flat(), make('i', 'end', '\\r\\n'), '\n')
}

/** A line of a head, with its end. */
function line(...parts) {
  return [...parts, ' ', make('i', '', '\\r\\n'), '\n']
}

function field(name, value) {
  return line(make('span', 'name', name), ':' + value)
}

/** What the browser measured of its own requests. */
function showLoads() {
  const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  const end = Math.max(...entries.map(entry => entry.responseEnd), 1)
  const isCached = entries.some(entry => entry.transferSize === 0)
  document.querySelector('#loads p').textContent =
    TEXT.loaded(entries.length, end.toFixed()) + (isCached ? TEXT.cacheMeans : '')
  document.querySelector('#loads tbody').replaceChildren(...entries.map(entry => loadRow(entry, end)))
  document.querySelector('#loads').hidden = false
}

function loadRow(entry, end) {
  const bodyBytes = Math.max(entry.transferSize - HEAD_BYTES, 0)
  return make('tr', '',
    make('td', '', new URL(entry.name).pathname),
    make('td', '', loadedFrom(entry, bodyBytes)),
    make('td', '', bodyBytes.toLocaleString()),
    make('td', '', timeBar(entry, end)))
}

function loadedFrom(entry, bodyBytes) {
  if (entry.transferSize === 0) return TEXT.fromCache
  // The page has a body, but only a head was transferred.
  return bodyBytes === 0 && entry.decodedBodySize ? TEXT.confirmed : TEXT.fromServer
}

/** A bar from the start to the end of a request, in a picture as long as all of them together. */
function timeBar(entry, end) {
  const picture = document.createElementNS(SVG, 'svg')
  const bar = picture.appendChild(document.createElementNS(SVG, 'rect'))
  const label = TEXT.fromTo(entry.fetchStart.toFixed(), entry.responseEnd.toFixed())
  const start = (entry.fetchStart / end) * 100
  const width = (entry.responseEnd / end) * 100 - start
  const set = (element, values) => Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value))
  set(picture, { viewBox: '0 0 100 10', preserveAspectRatio: 'none', role: 'img', 'aria-label': label })
  // Wide enough to be seen, however short the request was.
  set(bar, { x: start, width: Math.max(width, 1.5), height: 10 })
  return picture
}
