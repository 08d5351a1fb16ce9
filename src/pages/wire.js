// The wire view: the stream of events, the list, keys and links.
//
// Never: a cookie, a request without the key. The key comes in the fragment of the printed URL and goes
// to the storage of this origin, so that links of other pages work.
//
// The subtle thing: events may come faster than a screen is drawn. They only change what is known, and
// once per frame what has changed is drawn.

import { book, connections, count, messages, millis, number, take } from './wire-book.js'
import { button, draw, h, link, one, partAt, partAtPoint, pick, view } from './wire-draw.js'

const [root, nav, list, main, aside, filter, help, bytes] = ['html', 'nav', '#list', 'main', 'aside', '#q', 'dialog', '#bytes'].map(one)
const state = { seq: 0, follow: true }
const stored = (name, value) => { try { return value ? localStorage[name] = value : localStorage[name] } catch { return value } }

const fragment = () => { try { return decodeURIComponent(location.hash.slice(1)) } catch { return '' } }
let key = stored('wire-key')
const hash = fragment().replace(/^k=([^&]*)&?/, (_, found) => { stored('wire-key', key = found); return '' })
history.replaceState(null, '', '/' + (hash && '#' + hash))

async function ask(path, body) {
  const answer = await fetch('/api/' + path, { body, method: body === undefined ? 'GET' : 'POST', headers: { 'X-Wire-Key': key } })
  if (answer.status === 401) lost()
  if (!answer.ok) throw new Error((await answer.json()).why)
  return answer
}
const attempt = act => () => act().catch(e => toast(e.message))
let fading
function toast(text) {
  one('#toast').textContent = text
  clearTimeout(fading)
  fading = setTimeout(toast, 4000, '')
}
const copy = async text => { await navigator.clipboard.writeText(text); toast('Copied: ' + text) }

// What stands in the middle when there is no exchange.
function lead(title, ...kids) {
  main.replaceChildren(h('div.lead', h('h1', title), kids.map(kid => kid.at ? h('p', kid) : kid)))
  aside.hidden = true
}
const command = text => h('div.cmd', h('code', text), button('Copy', attempt(() => copy(text))))
function lost() {
  state.isLost = true
  lead('This page needs its key.', 'barewire prints the address of the wire view, with a key behind the #, each time it starts:', command('barewire --study'), 'Open the address behind “Wire view”. A new start has a new key.')
}
function teach() {
  const host = state.main.replace(/^(0\.0\.0\.0|\[::\])/, '127.0.0.1'), href = `http://${host}/`
  lead('Nothing on the wire yet.', 'Type this in a terminal. The bytes appear here as they arrive:', command(`curl -v ${href}hello.txt`), 'One request in four pieces, cut inside a word, because TCP knows no messages:',
    command(`printf 'GET /hello.txt HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' | barewire send ${host} --cut 8,28,41 --gap 200`), 'Or a browser; count the connections it opens:', h('p', h('a', href, { href, target: '_blank', rel: 'noreferrer' })))
}

// The stream. When it ends, it is asked for again from where it was.
async function listen() {
  for (let wait = 250; !state.isLost; wait = Math.min(wait * 2, 4000)) {
    try {
      if (!book.kinds) Object.assign(book, await (await ask('notes')).json())
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
  Object.assign(state, { isLive: true, seq: e.seq || state.seq, heard: performance.now(), last: e.kept?.last_seq ?? state.last })
  state.isPaused = e.paused ?? state.isPaused
  if (e.event === 'cleared' || e.reset || e.run && state.run && e.run !== state.run) {
    connections.clear()
    book.dropped = 0
    view.c = view.x = view.at = undefined
    lead('The recording began anew.')
  }
  if (e.event === 'hello') Object.assign(state, { run: e.run, main: e.main, hasSecrets: e.secrets })
  if (e.event === 'cleared' || e.kept?.connections === 0) teach()
  changed.add(take(e))
  soon()
}

// Drawing, once a frame at most; the middle a few times a second, since nobody reads faster.
const changed = new Set(), REST = 250
let due, drawn = -REST
function soon() { due ||= requestAnimationFrame(frame) }
function frame(now) {
  due = 0
  const newest = drawList(), isOther = state.follow && newest && newest !== view.x
  view.isOld ||= view.c && changed.has(view.c)
  changed.clear()
  // The newest of what is sought is known only when all that was kept has come.
  if (state.wanted && state.seq < state.last && now - state.heard < REST) setTimeout(soon, REST)
  else if (state.wanted) seek()
  else if (isOther || view.isOld) {
    if (now - drawn < REST) return setTimeout(soon, REST)
    drawn = now
    isOther ? show(newest.c, newest) : show(view.c, view.x || view.c.exchanges[0])
  }
}

// The list: the newest that fit, each card made once, and made anew when it changed.
const CARDS = 200, ROWS = 500, EXCHANGES = 12
const cards = new Map(), newestFirst = () => [...connections.values()].sort((a, b) => b.n - a.n)
const chips = ['2xx', '3xx', '4xx', '5xx', 'glued/cut', 'chunked', 'broken'].map(name => {
  const chip = button(name, () => { chip.ariaPressed = chip.ariaPressed !== 'true'; drawList(true) }, 'chip')
  return Object.assign(chip, { ariaPressed: false, value: name.replace('glued/cut', 'seam') })
})
one('#chips').append(...chips)
filter.oninput = () => drawList(true)

/** All words must fit, every pressed chip, and of the pressed statuses one. */
function fit() {
  const pressed = chips.filter(chip => chip.ariaPressed === 'true').map(chip => chip.value), isStatus = word => word.endsWith('xx')
  const statuses = pressed.filter(isStatus), words = [...filter.value.toLowerCase().split(/\s+/), ...pressed.filter(word => !isStatus(word))]
  return hay => words.every(word => hay.includes(word)) && (!statuses[0] || statuses.some(status => hay.includes(status)))
}

function drawList(isAll) {
  const fits = fit(), all = newestFirst()
  // Somebody reads further down: what is new waits above.
  state.held = Math.max(nav.scrollTop, list.scrollLeft) > 40 ? state.held || all[0]?.n : undefined
  let at = list.firstChild, shown = 0, rows = 0, waiting = 0, fitting = 0, exchanges = 0, newest
  for (const c of all) {
    const hits = c.hays.map(fits)
    exchanges += c.exchanges.length
    if (!hits.includes(true)) continue
    newest ||= c.exchanges.at(-1)
    fitting++
    waiting += c.n > state.held
    if (c.n > state.held || shown === CARDS || rows > ROWS) continue
    shown++
    if (!cards.has(c)) cards.set(c, h('div.conn', { c }))
    const card = cards.get(c)
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
  const news = state.isPaused ? 'paused: nothing is recorded' : state.isLive ? 'live' : 'connecting again'
  const say = { live: [news, count(all.length, 'connection'), count(exchanges, 'exchange'), book.dropped ? count(book.dropped, 'event') + ' dropped' : 'kept in memory only'].join(' · ') }
  say.safe = state.hasSecrets ? 'Secrets are shown' : 'Only this computer can open this page · secrets are hidden'
  say.more = !shown && all[0] ? 'Nothing here has all of that.' : fitting > shown + waiting ? `The newest ${shown} of ${number(fitting)}. Filter to see others.` : ''
  say.newer = `↑ ${waiting} newer`
  say.pause = state.isPaused ? 'Resume' : 'Pause'
  for (const id in say) one('#' + id).textContent = say[id]
  one('#live').className = news === 'live' ? 'on' : ''
  one('#newer').hidden = !waiting
  one('#follow').ariaPressed = state.follow
  mark()
  return newest
}
for (const box of [nav, list]) box.onscroll = () => state.held && soon()

function fill(card, hits) {
  const { c } = card, had = card.contains(document.activeElement) && document.activeElement.id
  const rows = c.exchanges.filter((_, n) => hits[n]).slice(-EXCHANGES).map(({ id, request: q, response: a }) => h('button.ex', { id }, h('span.m', q?.method), h('span.grow', q?.target),
    h('b.s' + (a?.status / 100 | 0), String(a?.status ?? '…')), h('small', a?.took == null ? '' : millis(a.took))))
  card.replaceChildren(h('button.who', { id: 'c' + c.n }, h('b', 'c' + c.n), h('span.grow', c.who), c.accepted?.clock), h('div.tags', c.tags.map(tag => h(/broken|cut off|reset/.test(tag) ? 'span.tag.bad' : 'span.tag', tag))), ...rows)
  if (had) document.getElementById(had)?.focus()
}

/** Shows in the list what is in the middle; that row alone is in the order of the Tab key. */
function mark() {
  const row = document.getElementById(view.x?.id || 'c' + view.c?.n), first = row || list.querySelector('button')
  for (const e of list.querySelectorAll('button')) {
    const current = e === row ? 'true' : null, tab = e === first ? 0 : -1
    if (e.ariaCurrent !== current) e.ariaCurrent = current
    if (e.tabIndex !== tab) e.tabIndex = tab
  }
  for (const card of list.children) card.classList.toggle('on', card.c === view.c)
  return row
}
list.onclick = e => go(e.target.closest('button')?.id)

// The middle.
const save = (path, download) => attempt(async () => {
  const href = URL.createObjectURL(await (await ask(path)).blob())
  h('a', { href, download }).click()
  setTimeout(() => URL.revokeObjectURL(href), 1000)
})
function acts({ id, request, response }) {
  const n = id.slice(1), text = what => attempt(async () => copy(await (await ask(`ex/${n}/${what}`)).text()))
  const replay = attempt(async () => {
    const { connection } = await (await ask('replay/' + n, '')).json()
    toast('Sent again, with the same cuts and pauses.')
    if (connection) go(`c${connection}.1`)
    else state.follow = true
  })
  return [button('Copy as curl', text('curl')), button('Copy as barewire send', text('send')), button('Replay', replay), request ? button('Raw request', save(`ex/${n}/request`, id + '.request')) : [],
    response ? button('Raw response', save(`ex/${n}/response`, id + '.response')) : [], button('HAR', save('har?ids=' + n, id + '.har'))]
}

function show(c, x) {
  const isSame = x && x === view.x, was = isSame && view.at, isFocused = was?.e === document.activeElement
  view.isOld = false
  view.isHeld &&= isSame
  draw(c, x, x && acts(x))
  if (!isSame) main.scrollTop = 0
  mark()
  if (!x) return
  // What is looked at first: what is wrong, else the target.
  const all = messages(x), m = all.find(m => was ? m.event === was.m.event && m.start === was.m.start : m.broken) || all[0]
  select(partAt(m, was ? was.start : m.broken ? m.broken.byte : (m.part('path') || [0])[0]), isFocused)
  if (m.broken && !was) view.at.line.e.scrollIntoView({ block: 'nearest' })
}
function select(part, isFocus) {
  if (!part) return
  pick(part)
  history.replaceState(null, '', link(part))
  if (!isFocus) return
  part.e.focus({ preventScroll: true })
  part.line.e.scrollIntoView({ block: 'nearest' })
}
function hold(part) {
  state.follow = false
  view.isHeld = true
  select(part, true)
  soon()
}
view.go = (x, m, place) => {
  if (x !== view.x) show(x.c, x)
  hold(partAt(m, place))
}

const dark = matchMedia('(prefers-color-scheme:dark)'), paint = theme => { root.style.colorScheme = theme || 'light dark' }
const press = {
  follow: () => { state.follow = !state.follow; soon() },
  pause: attempt(() => ask('pause', JSON.stringify({ paused: !state.isPaused }))),
  clear: attempt(() => ask('clear', '')),
  keys: () => help.showModal(),
  theme: () => paint(stored('theme', (stored('theme') || (dark.matches ? 'dark' : '')) === 'dark' ? 'light' : 'dark')),
  sheet: () => { aside.classList.toggle('up'); select(view.at) },
  newer: () => { nav.scrollTop = list.scrollLeft = 0; soon() },
}
for (const id in press) one('#' + id).onclick = press[id]
paint(stored('theme'))

// The mouse looks, a click holds. A page that scrolls below a mouse at rest is no movement.
const under = e => e.currentTarget === main ? e.target.closest('.f')?.span : partAtPoint(e.clientX, e.clientY)
for (const box of [main, bytes]) {
  box.onpointermove = e => {
    const part = (e.movementX || e.movementY) && !view.isHeld && e.pointerType === 'mouse' && under(e)
    if (part && part !== view.at) { state.follow = false; select(part); soon() }
  }
  box.onclick = e => {
    const part = under(e)
    if (view.isHeld && part === view.at) KEYS.escape()
    else if (part) hold(part)
  }
}

// Links: `#c3`, `#c3.1`, `#c3.1/request/0x04`, `#find=GET /nope`.
function go(link = '') {
  const [, find, id, side, at] = /^(?:find=(.*)|(c[\d.]+)(?:\/(\w+)\/0x(\w+))?)$/.exec(link) || []
  if (!find && !id) return
  state.wanted = { find, id, side, at: parseInt(at, 16) }
  state.follow = false
  soon()
}
function seek() {
  const { id, find, side, at } = state.wanted, n = parseInt(id?.slice(1)), isBare = id === 'c' + n
  const here = id ? [connections.get(n)].filter(Boolean) : newestFirst()
  const x = here.flatMap(c => isBare ? c.exchanges : c.exchanges.toReversed()).find(x => id ? isBare || x.id === id : `${x.request?.method} ${x.request?.target}`.startsWith(find))
  const c = x?.c || isBare && here[0]
  if (!c) return view.c || lead(`${find || id} is not here.`, 'It has not been seen yet, or it was forgotten. If it comes, it is shown.')
  state.wanted = undefined
  show(c, x)
  mark()?.scrollIntoView({ block: 'nearest' })
  const m = x && side && messages(x).findLast(m => m.event === side)
  if (m) hold(partAt(m, at))
}
// An address with a key, pasted into this very window, is a new start.
onhashchange = () => /[#&]k=/.test(location.hash) ? location.reload() : go(fragment())

// Keys.
function walk(lines, parts) {
  const s = view.at, all = s ? messages(view.x).flatMap(m => m.lines) : [], line = all[all.indexOf(s?.line) + lines]
  state.follow = false
  select(parts ? line?.spans[line.spans.indexOf(s) + parts] : line?.spans[0], true)
}
function step(by) {
  const rows = [...list.querySelectorAll('.ex,.who:nth-last-child(2)')], row = rows[rows.findIndex(row => row.ariaCurrent) + by], isIn = list.contains(document.activeElement)
  if (!row) return
  go(row.id)
  seek()
  if (isIn) row.focus()
}
const KEYS = {
  arrowdown: () => walk(1), arrowup: () => walk(-1), arrowright: () => walk(0, 1), arrowleft: () => walk(0, -1), j: () => step(1), k: () => step(-1), f: press.follow, '?': press.keys, '/': () => filter.focus(),
  escape: () => { view.isHeld = false; select(view.at) },
}
onkeydown = e => {
  if (e.ctrlKey || e.metaKey || e.altKey || help.open) return
  const { key, target } = e
  if (target === filter && key === 'Escape') {
    filter.value = ''
    filter.blur()
    drawList(true)
  } else if (target.span && (key === ' ' || key === 'Enter')) hold(target.span)
  else if (target !== filter && KEYS[key.toLowerCase()]) KEYS[key.toLowerCase()]()
  else return
  e.preventDefault()
  soon()
}

go(hash)
if (key) listen()
else lost()
