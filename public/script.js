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
for (const code of document.querySelectorAll('.cmd code')) {
  const text = code.textContent = code.textContent.replace('localhost:8080', host)
  const button = make('button', 'copy', 'cp')
  button.type = 'button'
  button.setAttribute('aria-label', 'copy ' + text)
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(text) } catch {
      // Without https a page has no clipboard, but may copy what is selected.
      getSelection().selectAllChildren(code)
      document.execCommand('copy')
    }
    button.textContent = 'copied'
    setTimeout(() => button.textContent = 'copy', 1500)
  }
  code.after(button)
}

const eol = () => [' ', make('i', '\\r\\n'), '\n']
const head = (first, fields) => [...first, ...eol(),
  ...fields.flatMap(([name, value]) => [make('span', name, 'n'), ':' + value, ...eol()]), make('i', '\\r\\n', 'end')]
const say = (id, title, note, lines) => {
  one(`#${id}-title`).textContent = title
  one(`#${id}-note`).replaceChildren(...note)
  one('#' + id).replaceChildren(...lines)
}

// With --study a request comes back as the body of its response, byte for byte.
const echo = async () => {
  const response = await fetch('/.try/echo', { cache: 'no-store' })
  const text = await response.text()
  const [first, ...fields] = text.split('\r\n\r\n')[0].split('\r\n')
  const [method, target, version] = first.split(' ')
  const link = make('a', 'Show it in the wire view')
  link.href = '/.wire?find=GET%20/.try/echo'
  say('rq', 'What this page just sent', [`The script of this page asked for /.try/echo. The browser sent these ${text.length} bytes. (A page cannot see the request for the page itself.) `, local ? link : ''],
    head([make('b', method, 'm'), ' ', make('b', target, 't'), ' ', make('span', version, 'v')],
      fields.map(field => [field.split(':', 1)[0], field.slice(field.indexOf(':') + 1)])))
  say('rs', 'What came back', ['The head of the response, as the browser gives it to a script: names in lower case, sorted. These are not the exact bytes. The body is the request above.'],
    head([make('span', version, 'v'), ' ', make('b', response.status, 't'), ' ', make('span', response.statusText, 'v')],
      [...response.headers].map(([name, value]) => [name, ' ' + value])))
}
const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)
const sandboxed = self.origin === 'null'
if (sandboxed) one('#start small').append(' (Uploads are allowed here, so this page runs in a sandbox: its script cannot send requests, and cannot see whether --study is on.)')
else {
  // A worker asks: there a 404 is a response like others, and no error in the console.
  const asking = new Worker(URL.createObjectURL(new Blob(['onmessage=e=>fetch(e.data,{method:"HEAD"}).then(r=>postMessage(r.ok),()=>postMessage(false))'])))
  asking.onmessage = async ({ data: study }) => {
    asking.terminate()
    root.dataset.study = study
    one('#start').hidden = one('.bits').hidden = study
    one('.wire').hidden = !study || !local
    document.querySelectorAll('em').forEach(em => em.hidden = study)
    if (study) await echo()
    loads()
  }
  asking.postMessage(location.origin + '/.try/')
}

// What the browser measured of its own requests. Nothing transferred: the response came from its cache.
const drawn = 'http://www.w3.org/2000/svg'
function loads() {
  const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  const end = Math.max(...all.map(entry => entry.responseEnd), 1)
  const rows = all.map(entry => {
    const row = document.createElement('tr'), svg = document.createElementNS(drawn, 'svg'), bar = document.createElementNS(drawn, 'rect')
    // A head counts as 300 bytes there, whatever it had; 300 and no more means that only a head came.
    const sent = Math.max(entry.transferSize - 300, 0)
    const from = entry.transferSize === 0 ? 'cache' : !sent && entry.decodedBodySize ? 'cache, after a 304' : 'server'
    const start = entry.fetchStart / end * 100
    const set = (element, values) => Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value))
    set(svg, { viewBox: '0 0 100 10', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${entry.fetchStart.toFixed()} to ${entry.responseEnd.toFixed()} ms` })
    set(bar, { x: start, width: Math.max(entry.responseEnd / end * 100 - start, 1.5), height: 10 })
    svg.append(bar)
    row.append(make('td', new URL(entry.name).pathname), make('td', from), make('td', sent.toLocaleString()), make('td', ''))
    row.lastChild.append(svg)
    return row
  })
  one('#loads p').textContent = `${all.length} requests in ${end.toFixed()} ms, as the browser measured them.` +
    (all.some(entry => entry.transferSize === 0) ? ' Cache: the browser had a copy and did not ask the server.' : '')
  one('#loads tbody').replaceChildren(...rows)
  one('#loads').hidden = false
}
})
})()
