// The wire view: the stream of events, the list, keys and links.
//
// Never: a cookie, a request without the key. The key comes in the fragment of the printed URL and goes
// to the storage of this origin, so that links of other pages work.
//
// The subtle thing: events may come faster than a screen is drawn. They only change what is known, and
// once per frame what has changed is drawn.

import { book, count, forget, messages, millis, number, take } from './wire-book.js'
import { button, draw, link, make, one, partAt, partAtPoint, pick, view } from './wire-draw.js'

const [root, list, main, filter] = ['html', '#list', '#main', '#q'].map(one)
const state = { seq: 0, follow: true, hello: {} }
const stored = (name, value) => { try { return value === undefined ? localStorage[name] : localStorage[name] = value } catch { return value } }

let hash = decodeURIComponent(location.hash.slice(1)), key = stored('wire-key')
hash = hash.replace(/(^|&)k=([^&]*)&?/, (_, before, found) => { stored('wire-key', key = found); return before })
history.replaceState(null, '', '/' + (hash && '#' + hash))

async function ask(path, options) {
  const answer = await fetch('/api/' + path, { ...options, headers: { 'X-Wire-Key': key } })
  if (answer.status === 401) lost()
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).why || 'The server said ' + answer.status)
  return answer
}
const attempt = act => () => act().catch(e => toast(e.message))
let toasted
function toast(text) {
  one('#toast').textContent = text
  clearTimeout(toasted)
  toasted = setTimeout(toast, 4000, '')
}
const copy = async text => { await navigator.clipboard.writeText(text); toast('Copied: ' + text) }

// What stands in the middle when there is no exchange.
function lead(title, ...kids) {
  main.replaceChildren(make('div', 'lead', make('h1', '', title), kids.map(kid => typeof kid === 'string' ? make('p', '', kid) : kid)))
  one('aside').hidden = true
}
const command = text => make('div', 'cmd', make('code', '', text), button('Copy', attempt(() => copy(text))))
function lost() {
  state.isLost = true
  lead('This page needs its key.', 'barewire prints the address of the wire view, with a key behind the #, each time it starts:', command('barewire --study'), 'Open the address behind “Wire view”. A new start has a new key.')
}
function teach() {
  const host = state.hello.main.replace(/^(0\.0\.0\.0|\[::\])/, '127.0.0.1'), href = `http://${host}/`
  lead('Nothing on the wire yet.', 'Type this in a terminal. The bytes appear here as they arrive:', command(`curl -v ${href}hello.txt`), 'One request in four pieces, cut inside a word, because TCP knows no messages:',
    command(`printf 'GET /hello.txt HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' | barewire send ${host} --cut 8,28,41 --gap 200`), 'Or a browser; count the connections it opens:', make('p', '', make('a', { href, target: '_blank', rel: 'noreferrer' }, href)))
}

// The stream.
async function listen() {
  for (let wait = 250; !state.isLost; wait = Math.min(wait * 2, 4000)) {
    try {
      if (!book.kinds[0]) Object.assign(book, await (await ask('notes')).json())
      let rest = ''
      for await (const text of (await ask('events?since=' + state.seq)).body.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split('\n')
        rest = lines.pop()
        lines.filter(Boolean).forEach(line => hear(JSON.parse(line)))
        wait = 250
      }
    } catch {}
    state.isLive = false
    soon()
    await new Promise(done => setTimeout(done, wait))
  }
}
function hear(e) {
  state.isLive = true
  state.seq = e.seq || state.seq
  if (e.event === 'hello') {
    if (e.reset || state.run && state.run !== e.run) clear()
    Object.assign(state, { hello: e, run: e.run, isPaused: e.paused })
    one('#safe').textContent = e.secrets ? 'Secrets are shown' : 'Only this computer can open this page · secrets are hidden'
    if (!view.c) teach()
  }
  if (e.event === 'paused') state.isPaused = e.paused
  if (e.event === 'cleared') clear()
  const c = take(e)
  if (c) changed.add(c)
  soon()
}
function clear() {
  forget()
  Object.assign(view, { c: undefined, x: undefined, at: undefined })
  if (state.hello.main) teach()
}

// Drawing, once a frame at most; the middle a few times a second, since nobody reads faster.
const changed = new Set()
let due, drawn = -1000
function soon() { due ||= requestAnimationFrame(frame) }
function frame(now) {
  due = 0
  const newest = drawList(), isOther = state.follow && newest && newest !== view.x
  view.isOld ||= changed.has(view.c)
  changed.clear()
  if (state.wanted) seek()
  else if (isOther || view.isOld) {
    if (now - drawn < 250) setTimeout(soon, 250)
    else {
      drawn = now
      isOther ? show(newest.c, newest) : show(view.c, view.x || view.c.exchanges[0])
    }
  }
  const words = [state.isPaused ? 'paused: nothing is recorded' : state.isLive ? 'live' : 'connecting again', count(book.connections.size, 'connection'), count(book.exchanges, 'exchange'), book.dropped ? count(book.dropped, 'event') + ' dropped' : 'kept in memory only']
  one('#live').textContent = words.join(' · ')
  one('#live').className = state.isLive && !state.isPaused ? 'on' : ''
  one('#pause').textContent = state.isPaused ? 'Resume' : 'Pause'
  one('#follow').ariaPressed = state.follow
}

// The list: the newest that fit, each card made once and made anew when it changed.
const CARDS = 200, ROWS = 400, EXCHANGES = 12
const cards = new Map()
const chips = ['2xx', '3xx', '4xx', '5xx', 'glued/cut', 'chunked', 'broken'].map(name => {
  const chip = button(name, () => { chip.ariaPressed = chip.ariaPressed !== 'true'; drawList(true) }, 'chip')
  chip.ariaPressed = false
  return chip
})
one('#chips').append(...chips)
filter.oninput = () => drawList(true)

/** All words must fit, one of the pressed statuses, and every other pressed chip. */
function fit() {
  const pressed = chips.filter(chip => chip.ariaPressed === 'true').map(chip => chip.textContent), statuses = pressed.filter(name => name.endsWith('xx'))
  const groups = [...filter.value.toLowerCase().split(/\s+/).map(word => [word]), ...pressed.filter(name => !statuses.includes(name)).map(name => name.split('/')), ...statuses[0] ? [statuses] : []]
  return hay => groups.every(words => words.some(word => hay.includes(word)))
}

function drawList(isAll) {
  const fits = fit(), all = [...book.connections.values()].reverse()
  // Somebody reads further down: what is new waits above.
  const isReading = Math.max(one('nav').scrollTop, list.scrollLeft) > 40
  state.held = isReading ? state.held || all[0]?.n : undefined
  let at = list.firstChild, shown = 0, rows = 0, waiting = 0, fitting = 0, newest
  for (const c of all) {
    const hits = c.hays.map(fits)
    if (!hits.includes(true)) continue
    newest ||= c.exchanges.at(-1)
    fitting++
    if (c.n > state.held) waiting++
    if (c.n > state.held || shown === CARDS || rows > ROWS) continue
    shown++
    let card = cards.get(c)
    if (!card) cards.set(c, card = make('div', { className: 'conn', c }))
    if (isAll || changed.has(c) || !card.firstChild) fill(card, hits)
    rows += card.childElementCount
    if (card === at) at = at.nextSibling
    else list.insertBefore(card, at)
  }
  while (at) {
    const gone = at
    at = at.nextSibling
    gone.remove()
    cards.delete(gone.c)
  }
  one('#newer').hidden = !waiting
  one('#newer').textContent = `↑ ${waiting} newer`
  one('#more').textContent = !shown && all[0] ? 'Nothing here has all of that.' : fitting > shown + waiting ? `The newest ${shown} of ${number(fitting)}. Filter to see others.` : ''
  mark()
  return newest
}
one('#newer').onclick = () => { one('nav').scrollTop = list.scrollLeft = 0; soon() }
for (const box of [one('nav'), list]) box.onscroll = () => state.held && soon()

function fill(card, hits) {
  const { c } = card, had = card.contains(document.activeElement) && document.activeElement.id
  const fitting = c.exchanges.filter((_, n) => hits[n])
  const rows = fitting.slice(-EXCHANGES).map(({ id, request: q, response: a }) => make('button', { className: 'ex', id }, make('span', 'm', q?.method || '?'), make('span', 'grow', q?.target ?? ''),
    make('b', 's' + (a?.status / 100 | 0), a?.status ?? '…'), make('small', '', a?.took == null ? '' : millis(a.took))))
  const tags = c.tags.map(tag => make('span', /broken|cut off|reset/.test(tag) ? 'tag bad' : 'tag', tag))
  card.replaceChildren(make('button', { className: 'who', id: 'c' + c.n }, make('b', '', 'c' + c.n), make('span', 'grow', c.who), c.clock),
    ...tags[0] ? [make('div', 'tags', tags, fitting[EXCHANGES] ? `the last ${EXCHANGES}:` : '')] : [], ...rows)
  if (had) document.getElementById(had)?.focus()
}

/** Shows in the list what is in the middle; that row alone is in the order of the Tab key. */
function mark() {
  const row = document.getElementById(view.x?.id || 'c' + view.c?.n), first = row || list.querySelector('button')
  for (const e of list.querySelectorAll('button')) {
    const isRow = e === row
    if (isRow !== e.hasAttribute('aria-current')) e.toggleAttribute('aria-current', isRow)
    if (e.tabIndex !== (e === first ? 0 : -1)) e.tabIndex = e === first ? 0 : -1
  }
  for (const card of list.children) card.classList.toggle('on', card.c === view.c)
  return row
}
list.onclick = e => go(e.target.closest('button')?.id || '')

// The middle.
const download = (path, name) => attempt(async () => {
  const href = URL.createObjectURL(await (await ask(path)).blob())
  make('a', { href, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(href), 1000)
})
function acts({ id, request, response }) {
  const n = id.slice(1), text = what => attempt(async () => copy(await (await ask(`ex/${n}/${what}`)).text()))
  const replay = attempt(async () => {
    const { connection } = await (await ask('replay/' + n, { method: 'POST' })).json()
    toast('Sent again, with the same cuts and pauses.')
    if (connection) state.wanted = { id: `c${connection}.1` }
    else state.follow = true
  })
  return [button('Copy as curl', text('curl')), button('Copy as barewire send', text('send')), button('Replay', replay), request && button('Raw request', download(`ex/${n}/request`, id + '.request')),
    response && button('Raw response', download(`ex/${n}/response`, id + '.response')), button('HAR', download('har?ids=' + n, id + '.har'))].filter(Boolean)
}

function show(c, x) {
  const isSame = x && x === view.x, was = isSame && view.at, isFocused = was?.e === document.activeElement
  view.isOld = false
  view.isHeld &&= isSame
  draw(c, x, x ? acts(x) : [])
  if (!isSame) main.scrollTop = 0
  mark()
  if (x) select(was ? partAt(messages(x).find(m => m.event === was.m.event && m.start === was.m.start), was.start) : first(x), isFocused)
}
/** What is looked at first: what is wrong, else the target. */
function first(x) {
  const all = messages(x), m = all.find(m => m.broken) || all[0]
  return partAt(m, m.broken ? m.broken.byte : (m.part('path') || [0])[0])
}
function select(part, isFocus) {
  if (!part) return
  pick(part)
  history.replaceState(null, '', link(part))
  if (!isFocus) return
  part.e.focus({ preventScroll: true })
  part.line.e.scrollIntoView({ block: 'nearest' })
}
const hold = part => { view.isHeld = true; select(part, true) }
view.go = (x, m, place) => {
  state.follow = false
  if (x !== view.x) show(x.c, x)
  hold(partAt(m, place))
}

const press = { follow: () => { state.follow = !state.follow; soon() }, keys: () => one('#help').showModal(), sheet: () => { one('#sheet').ariaExpanded = one('aside').classList.toggle('up') } }
press.pause = attempt(() => ask('pause', { method: 'POST', body: JSON.stringify({ paused: !state.isPaused }) }))
press.clear = attempt(() => ask('clear', { method: 'POST' }))
press.theme = () => paint(stored('theme', getComputedStyle(root).colorScheme === 'dark' || root.style.colorScheme !== 'light' && matchMedia('(prefers-color-scheme:dark)').matches ? 'light' : 'dark'))
for (const id in press) one('#' + id).onclick = press[id]
const paint = theme => { root.style.colorScheme = theme || 'light dark' }
paint(stored('theme'))

// The mouse looks, a click holds. A page that scrolls below a mouse at rest is no movement.
const under = e => e.target.closest('.f')?.span || (e.currentTarget === main ? undefined : partAtPoint(e.clientX, e.clientY))
let last
for (const box of [main, one('#bytes')]) {
  box.onpointermove = e => {
    const isMoved = last !== (last = e.clientX + ',' + e.clientY)
    const part = isMoved && !view.isHeld && e.pointerType === 'mouse' && under(e)
    if (part && part !== view.at) { state.follow = false; select(part) }
  }
  box.onclick = e => {
    const part = under(e)
    if (!part) return
    state.follow = false
    if (view.isHeld && part === view.at) KEYS.Escape()
    else hold(part)
    soon()
  }
}

// Links: `#c3`, `#c3.1`, `#c3.1/request/0x04`, `#find=GET /nope`.
function go(link) {
  const find = /^find=(.*)/.exec(link), exact = /^(c\d+(?:\.\d+)?)(?:\/(request|response)\/0x([\da-f]+))?$/i.exec(link)
  if (!find && !exact) return
  state.wanted = find ? { find: find[1] } : { id: exact[1], side: exact[2], at: parseInt(exact[3], 16) }
  state.follow = false
  soon()
}
function seek() {
  const { id, find, side, at } = state.wanted, all = [...book.connections.values()].reverse()
  const c = id && book.connections.get(parseInt(id.slice(1)))
  const x = id ? c?.exchanges.find(x => x.id === id || x.c.n === +id.slice(1)) : all.flatMap(c => c.exchanges.toReversed()).find(x => `${x.request?.method} ${x.request?.target}`.startsWith(find))
  if (!x && !(c && !id.includes('.'))) return view.c || lead(`${find || id} is not here.`, 'It has not been seen yet, or it was forgotten. If it comes, it is shown.')
  state.wanted = undefined
  show(c || x.c, x)
  mark().scrollIntoView({ block: 'nearest' })
  const m = side && x && messages(x).findLast(m => m.event === side)
  if (m) hold(partAt(m, at))
}
onhashchange = () => go(decodeURIComponent(location.hash.slice(1)))

// Keys.
function walk(lines, parts) {
  const s = view.at, all = s ? messages(view.x).flatMap(m => m.lines) : []
  const line = all[all.indexOf(s?.line) + lines]
  select(parts ? line?.spans[line.spans.indexOf(s) + parts] : line?.spans[0], true)
}
function step(by) {
  const rows = [...list.querySelectorAll('.ex,.who:only-child,.who:nth-last-child(2):has(+.tags)')], isIn = list.contains(document.activeElement)
  const row = rows[rows.findIndex(row => row.hasAttribute('aria-current')) + by]
  if (!row) return
  go(row.id)
  seek()
  if (isIn) row.focus()
}
const KEYS = {
  ArrowDown: () => walk(1), ArrowUp: () => walk(-1), ArrowRight: () => walk(0, 1), ArrowLeft: () => walk(0, -1),
  j: () => step(1), k: () => step(-1), f: press.follow, '?': press.keys, '/': () => filter.focus(),
  Escape: () => { view.isHeld = false; if (view.at) select(view.at) },
}
onkeydown = e => {
  if (e.ctrlKey || e.metaKey || e.altKey || one('#help').open) return
  if (e.target === filter && e.key === 'Escape') {
    filter.value = ''
    filter.blur()
    return drawList(true)
  }
  const { span } = e.target, act = span && /^( |Enter)$/.test(e.key) ? () => hold(span) : e.target !== filter && KEYS[e.key.length > 1 ? e.key : e.key.toLowerCase()]
  if (!act) return
  e.preventDefault()
  if (/Arrow|^[jk]$/i.test(e.key)) state.follow = false
  act()
  soon()
}

if (hash) go(hash)
if (key) listen()
else lost()
