// The page of the wire view: stream of events, list, keys, links.
//
// There are no cookies. The key comes in the fragment of the printed URL and is kept in the storage of
// this origin, so that links of other pages work. Events come faster than a screen is drawn, so their
// changes are drawn once a frame.

import { book, connections, count, messages, millis, number, take } from './wire-book.js'
import { away, button, draw, h, link, one, partAt, partAtPoint, pick, statusOf, view } from './wire-draw.js'

const [list, main, aside, filter, help, bytes] = ['#list', 'main', 'aside', '#q', 'dialog', '#bytes'].map(one)
const stored = (name, value) => { try { return value ? localStorage[name] = value : localStorage[name] } catch { return value } }
const fragment = url => { try { return decodeURIComponent(new URL(url).hash.slice(1)) } catch { return '' } }

let key = stored('wire-key')
const hash = fragment(location).replace(/^k=([^&]*)&?/, (_, found) => { stored('wire-key', key = found); return '' })
history.replaceState(null, '', '/' + (hash && '#' + hash))

async function ask(path, how, body) {
  const answer = await fetch('/api/' + path, { body, method: body ? 'POST' : 'GET', headers: { 'X-Wire-Key': key } })
  if (answer.ok) return how ? answer[how]() : answer
  const { why, start } = await answer.json()
  isLost = answer.status === 401
  if (isLost) lead('This page needs its key.', start)
  throw new Error(why)
}
const attempt = act => () => act().catch(e => toast(e.message))
let fading
function toast(text) {
  one('#toast').textContent = text
  clearTimeout(fading)
  fading = setTimeout(toast, 4000, '')
}
// Safari writes to the clipboard only while a click is being handled. A text that must be fetched first is therefore
// handed over at once, as a promise.
async function copy(coming) {
  const blob = Promise.resolve(coming).then(text => new Blob([text], { type: 'text/plain' }))
  const [text] = await Promise.all([coming, navigator.clipboard.write([new ClipboardItem({ 'text/plain': blob })])])
  toast('Copied: ' + text)
}

// Shown instead of an exchange.
function lead(title, start) {
  main.replaceChildren(h('div.lead', h('h1', title), start.map(([words, what]) => [h('p', words),
    /^http/.test(what) ? h('p', away(what, what)) : what && h('p.cmd', h('code', what), button('Copy', attempt(() => copy(what))))])))
  aside.hidden = true
}

// The stream. When it ends, it is continued after the last event. `failed` is the reason why there is none.
let hello, seq = 0, heard, isLive, isPaused, isLost, failed
async function listen() {
  for (let wait = 250; !isLost; wait = Math.min(wait * 2, 4000)) {
    try {
      if (!book.kinds) Object.assign(book, await ask('notes', 'json'))
      for await (const line of lines((await ask('events?since=' + seq)).body)) {
        hear(JSON.parse(line))
        wait = 250
      }
      failed = 'the server ended the stream'
    } catch (e) {
      failed = e.message
    }
    isLive = false
    soon()
    await new Promise(done => setTimeout(done, wait))
  }
}

/** The lines of a body as they arrive. Safari before 27 cannot iterate over a stream, but has readers. */
async function* lines(body) {
  const reader = body.getReader(), decoder = new TextDecoder()
  try {
    for (let rest = ''; ;) {
      const { done, value } = await reader.read()
      if (done) return
      const complete = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = complete.pop()
      yield* complete.filter(Boolean)
    }
  } finally {
    // Also after a failure here: a stream that is not read would keep one of the few places of the server. Cancelling
    // a stream that has failed itself reports that failure again, which is known already.
    reader.cancel().catch(() => {})
  }
}
function hear(e) {
  isLive = true
  heard = performance.now()
  seq = e.seq || seq
  isPaused = e.paused ?? isPaused
  if (e.event === 'hello') hello = e
  const isNew = e.event === 'cleared' || e.reset
  if (isNew) {
    connections.clear()
    book.dropped = 0
    follow = true
    view.c = view.x = view.at = undefined
  }
  if (isNew || e.kept?.connections === 0) lead('Nothing on the wire yet.', hello.start)
  changed.add(take(e))
  soon()
}

// The list is drawn once a frame at most, the exchange a few times a second.
const changed = new Set(), REST = 250
let due, drawn = -REST, follow = true, wanted
function soon() { due ||= requestAnimationFrame(frame) }
function frame(now) {
  due = 0
  const newest = drawList(), isOther = follow && newest && newest !== view.x
  view.isOld ||= view.c && changed.has(view.c)
  changed.clear()
  // A link is resolved after all kept events, or it would find an old exchange.
  if (wanted && seq < hello?.kept.last_seq && now - heard < REST) setTimeout(soon, REST)
  else if (wanted) seek()
  else if (isOther || view.isOld) {
    if (now - drawn < REST) return setTimeout(soon, REST)
    drawn = now
    isOther ? show(newest.c, newest) : show(view.c, view.x || view.c.exchanges[0])
  }
}

// The list: the newest that match. A card is rebuilt if it changed.
const CARDS = 200, ROWS = 500, EXCHANGES = 12
const newestFirst = () => [...connections.values()].sort((a, b) => b.n - a.n)
// A chip of tags stands for each tag whose identifier begins so.
const TAGS = { 'glued/cut': ['#glued', '#cut '], chunked: ['#chunked'], broken: ['#broken'] }
const chips = ['2xx', '3xx', '4xx', '5xx', ...Object.keys(TAGS)].map(name => h('button.chip', name, {
  ariaPressed: false, value: name, onclick({ target }) { target.ariaPressed = target.ariaPressed !== 'true'; drawList(true) },
}))
one('#chips').append(...chips)
filter.oninput = () => drawList(true)

/** All words must match, all pressed chips, and one of the pressed statuses. */
function fit() {
  const { true: statuses, false: words = [] } = Object.groupBy(chips.filter(chip => chip.ariaPressed === 'true').map(chip => chip.value), word => word.endsWith('xx'))
  const all = [...words.map(name => TAGS[name]), ...filter.value.toLowerCase().split(/\s+/).map(word => [word])]
  return hay => all.every(some => some.some(word => hay.includes(word))) && (!statuses || statuses.some(status => hay.includes(status)))
}

function drawList(isAll) {
  const fits = fit(), all = newestFirst()
  let at = list.firstChild, shown = 0, rows = 0, fitting = 0, exchanges = 0, newest
  for (const c of all) {
    const hits = c.hays.map(fits)
    exchanges += c.exchanges.length
    if (!hits.includes(true)) continue
    newest ||= c.exchanges.at(-1)
    fitting++
    if (shown === CARDS || rows > ROWS) continue
    shown++
    const card = c.card ||= h('div.conn', { c })
    if (isAll || changed.has(c) || !card.firstChild) fill(card, hits)
    rows += card.childElementCount
    if (card === at) at = at.nextSibling
    else list.insertBefore(card, at)
  }
  for (const card of [...list.children].slice(shown)) {
    card.remove()
    card.c.card = undefined
  }
  const news = isLost ? 'no valid key' : failed && !isLive ? 'connecting again: ' + failed : !isLive ? 'connecting' : isPaused ? 'paused: nothing is recorded' : 'live', say = {
    live: [news, count(all.length, 'connection'), count(exchanges, 'exchange'), book.dropped ? count(book.dropped, 'event') + ' dropped' : 'kept in memory only'].join(' · '),
    safe: hello?.safe,
    more: !shown && all[0] ? 'No exchange matches all words.' : fitting > shown ? `The newest ${shown} of ${number(fitting)}. Filter to see others.` : '',
    pause: isPaused ? 'Resume' : 'Pause',
  }
  for (const id in say) one('#' + id).textContent = say[id]
  one('#live').className = news === 'live' ? 'on' : ''
  one('#follow').ariaPressed = follow
  mark()
  return newest
}

function fill(card, hits) {
  const { c } = card, had = card.contains(document.activeElement) && document.activeElement.id
  const rows = c.exchanges.filter((_, n) => hits[n]).slice(-EXCHANGES).map(({ id, request: q, response: a }) => h('button.ex', { id }, h('span.m', q?.method), h('span.grow', q?.target),
    h('b.' + statusOf(a), a?.status ?? '…'), h('small', a?.took && millis(a.took))))
  card.replaceChildren(h('button.who', { id: 'c' + c.n }, h('b', 'c' + c.n), h('span.grow', c.who), c.accepted?.clock), h('div.tags', c.tags.map(({ id, text }) => h(/broken|cut-off|reset/.test(id) ? 'span.tag.bad' : 'span.tag', text))), ...rows)
  if (had) document.getElementById(had)?.focus()
}

/** Marks the shown row. It is the only one that Tab stops at. */
function mark() {
  const row = document.getElementById(view.x?.id || 'c' + view.c?.n), first = row || list.querySelector('button')
  for (const e of list.querySelectorAll('button')) {
    e.ariaCurrent = e === row ? 'true' : null
    e.tabIndex = e === first ? 0 : -1
  }
  return row
}
list.onclick = e => go(e.target.closest('button')?.id)

function acts({ id, request, response }) {
  const n = id.slice(1), act = (name, run) => button(name, attempt(run))
  const text = what => act('Copy as ' + what, () => copy(ask(`ex/${n}/${what.split(' ').at(-1)}`, 'text')))
  const save = (name, end, path = `ex/${n}/${end}`) => act(name, async () => {
    const href = URL.createObjectURL(await ask(path, 'blob'))
    h('a', { href, download: id + '.' + end }).click()
    setTimeout(URL.revokeObjectURL, 1000, href)
  })
  return [text('curl'), text('barewire send'), act('Replay', async () => {
    const { connection } = await ask('replay/' + n, 'json', '{}')
    toast('Sent again, with the same cuts and pauses.')
    if (connection) go(`c${connection}.1`)
    else follow = true
  }), request && save('Raw request', 'request'), response && save('Raw response', 'response'), save('HAR', 'har', 'har?ids=' + n)]
}

function show(c, x) {
  const isSame = x && x === view.x, was = isSame && view.at, isFocused = was?.e === document.activeElement
  view.isOld = false
  view.isHeld &&= isSame
  draw(c, x, x && acts(x))
  if (!isSame) main.scrollTop = 0
  mark()
  if (!x) return
  // Selected at first: the error, else the target.
  const all = messages(x), m = all.find(m => was ? m.event === was.m.event && m.start === was.m.start : m.broken) || all[0]
  select(partAt(m, was ? was.start : m.broken?.byte ?? (m.isRequest && m.method.length + 1)), isFocused)
  if (m.broken && !was) reveal(view.at.line.e)
}
const reveal = e => e?.scrollIntoView({ block: 'nearest' })
function select(part, isFocus) {
  if (!part) return
  pick(part)
  history.replaceState(null, '', link(part))
  if (!isFocus) return
  part.e.focus({ preventScroll: true })
  reveal(part.line.e)
}
function hold(part) {
  follow = false
  view.isHeld = true
  select(part, true)
  soon()
}
view.go = (x, m, place) => {
  if (x !== view.x) show(x.c, x)
  hold(partAt(m, place))
}

const paint = theme => { document.documentElement.style.colorScheme = theme || '' }
const press = {
  follow: () => { follow = !follow; soon() },
  pause: attempt(() => ask('pause', '', JSON.stringify({ paused: !isPaused }))),
  clear: attempt(() => ask('clear', '', '{}')),
  keys: () => help.showModal(),
  theme: () => paint(stored('theme', (stored('theme') || matchMedia('(prefers-color-scheme:dark)').matches && 'dark') === 'dark' ? 'light' : 'dark')),
  sheet: () => { aside.classList.toggle('up'); select(view.at) },
}
for (const id in press) one('#' + id).onclick = press[id]
paint(stored('theme'))

// Hovering selects, a click holds. Scrolling below the mouse does not select.
const under = e => e.currentTarget === main ? e.target.closest('.f')?.span : partAtPoint(e.clientX, e.clientY)
for (const box of [main, bytes]) {
  box.onpointermove = e => {
    const part = (e.movementX || e.movementY) && !view.isHeld && e.pointerType === 'mouse' && under(e)
    if (part && part !== view.at) { follow = false; select(part); soon() }
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
  wanted = { find, id, side, at: parseInt(at, 16) }
  follow = false
  soon()
}
function seek() {
  const { id, find, side, at } = wanted, named = connections.get(parseInt(id?.slice(1))), isBare = id === 'c' + named?.n
  const x = id ? named?.exchanges.find(x => isBare || x.id === id)
    : newestFirst().flatMap(c => c.exchanges.toReversed()).find(({ request: q }) => `${q?.method} ${q?.target}`.startsWith(find))
  const c = x?.c || isBare && named
  if (!c) return view.c || lead(find ? `No exchange "${find}" has been recorded.` : `${id} is not recorded.`, [['It has not happened yet, or it was dropped to free memory. When it arrives, it is shown.']])
  wanted = undefined
  show(c, x)
  reveal(mark())
  const m = x && side && messages(x).findLast(m => m.event === side)
  if (m) hold(partAt(m, at))
}
// An address with a key, pasted into this window: start again.
onhashchange = ({ newURL }) => /[#&]k=/.test(newURL) ? location.reload() : go(fragment(newURL))

function walk(lines, parts) {
  const s = view.at, all = s ? messages(view.x).flatMap(m => m.lines) : [], line = all[all.indexOf(s?.line) + lines]
  follow = false
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
listen()
