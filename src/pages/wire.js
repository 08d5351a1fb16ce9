// The wire view: the stream of events, the list, keys and links.
//
// Never: a cookie, a request without the key, an answer that is kept. The key comes in the fragment of
// the printed URL and goes to the storage of this origin, so that links of other pages work.
//
// The subtle thing: events may come faster than a screen is drawn. They only change what is known and
// mark it; once per frame what is marked is drawn.

import { book, count, forget, learn, messages, millis, take } from './wire-book.js'
import { button, draw, link, make, one, partAt, pick, view } from './wire-draw.js'

// A list longer than this is filtered, not scrolled.
const CARDS = 200
const list = one('#list'), main = one('#main'), filter = one('#q')
const state = { seq: 0, run: '', hello: {}, follow: true, wanted: undefined, held: undefined }

const store = (name, value) => { try { return value === undefined ? localStorage.getItem(name) : localStorage.setItem(name, value) } catch { return null } }
let hash = decodeURIComponent(location.hash.slice(1))
let key = store('key')
hash = hash.replace(/(^|&)k=([^&]*)&?/, (_, before, found) => { store('key', key = found); return before })
const ask = async (path, options = {}) => {
  const answer = await fetch(path, { ...options, cache: 'no-store', headers: { 'X-Wire-Key': key } })
  if (answer.status === 401) throw lost()
  if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).why || `the server said ${answer.status}`)
  return answer
}

// Theme: as the system has it, until the button says otherwise.
const dark = matchMedia('(prefers-color-scheme:dark)')
const paint = () => { document.documentElement.dataset.theme = store('theme') || (dark.matches ? 'dark' : 'light') }
paint()
dark.onchange = paint
one('#theme').onclick = () => { store('theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark'); paint() }

let toasted
function toast(text) {
  one('#toast').textContent = text
  clearTimeout(toasted)
  toasted = setTimeout(() => { one('#toast').textContent = '' }, 4000)
}
const attempt = act => async () => { try { await act() } catch (e) { toast(e.message) } }
const copy = async text => { await navigator.clipboard.writeText(text); toast('Copied: ' + text) }

// What stands in the middle when there is no exchange.
const lead = (title, ...kids) => { main.replaceChildren(make('div', { className: 'lead' }, make('h1', {}, title), ...kids)); one('aside').hidden = true }
const say = text => make('p', {}, text)
const command = text => make('div', { className: 'cmd' }, make('code', {}, text), button('Copy', attempt(() => copy(text))))

function lost() {
  state.isLost = true
  lead('This page needs its key.', say('barewire prints the address of the wire view, with a key behind the #, each time it starts with --study:'), command('barewire --study'), say('Open the line that begins with “Wire view”. A new start has a new key.'))
  document.body.classList.add('lost')
  return new Error('no key')
}

function teach() {
  const main = (state.hello.main || '127.0.0.1:8080').replace(/^(0\.0\.0\.0|\[::\])/, '127.0.0.1')
  lead('Nothing on the wire yet.', say('Type this in a terminal. The bytes appear here as they arrive:'), command(`curl -v http://${main}/hello.txt`),
    say('Then see that TCP knows no messages: one request in four pieces, cut inside a word.'), command(`printf 'GET /hello.txt HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n' | barewire send ${main} --cut 8,28,41 --gap 200`),
    say('Or open it in a browser, and count the connections it makes: '), make('p', {}, make('a', { href: `http://${main}/`, target: '_blank', rel: 'noreferrer', textContent: `http://${main}/` })))
}

// The stream.
const pause = ms => new Promise(done => setTimeout(done, ms))
async function listen() {
  for (let wait = 250; !state.isLost; wait = Math.min(wait * 2, 4000)) {
    try {
      if (!book.kinds.length) learn(await (await ask('/api/notes')).json())
      const reader = (await ask('/api/events?since=' + state.seq)).body.pipeThrough(new TextDecoderStream()).getReader()
      let rest = ''
      for (;;) {
        const { value, done } = await reader.read()
        if (done) break
        const lines = (rest + value).split('\n')
        rest = lines.pop()
        for (const line of lines) if (line) event(JSON.parse(line))
        wait = 250
      }
    } catch {}
    state.isLive = false
    soon()
    await pause(wait)
  }
}

function event(e) {
  state.isLive = true
  if (e.seq) state.seq = e.seq
  if (e.event === 'hello') {
    if (e.reset || (state.run && e.run !== state.run)) clear()
    Object.assign(state, { hello: e, run: e.run, isPaused: e.paused })
    state.seq = Math.min(state.seq, e.kept?.last_seq ?? state.seq)
    one('#safe').textContent = e.secrets ? 'Secrets are shown' : 'Only this computer can open this page · secrets are hidden'
    one('#safe').classList.toggle('bad', e.secrets)
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
  state.seq = 0
  Object.assign(view, { c: undefined, x: undefined, at: undefined })
  cards.clear()
  teach()
}

// Drawing, once per frame at most.
const cards = new Map(), changed = new Set()
let isDue = false, drawn = 0
function soon() {
  if (!isDue) requestAnimationFrame(frame)
  isDue = true
}

function frame(now) {
  isDue = false
  drawList()
  const last = state.newest
  if (state.wanted) seek()
  else if (state.follow && last && last !== view.x) later(now, () => show(last.c, last))
  else if (view.c && changed.has(view.c)) later(now, () => show(view.c, view.x || view.c.exchanges[0], view.at))
  else changed.clear()
  one('#live').className = state.isLive ? 'on' : ''
  one('#live').textContent = [state.isPaused ? 'paused: nothing is recorded' : state.isLive ? 'live' : 'connecting again', count(book.order.length, 'connection'), count(book.exchanges, 'exchange'), book.dropped ? count(book.dropped, 'event') + ' dropped' : 'kept in memory only'].join(' · ')
  one('#pause').textContent = state.isPaused ? 'Resume' : 'Pause'
  one('#pause').setAttribute('aria-pressed', !!state.isPaused)
  one('#follow').setAttribute('aria-pressed', state.follow)
}

/** The middle is drawn a few times a second at most: nobody reads faster. */
function later(now, act) {
  if (now - drawn < 250) return setTimeout(soon, 250)
  drawn = now
  changed.clear()
  act()
}

// The list.
const CHIPS = { '2xx': ['2xx'], '3xx': ['3xx'], '4xx': ['4xx'], '5xx': ['5xx'], 'glued/cut': ['glued', 'cut'], chunked: ['chunked'], broken: ['broken', 'cut off'] }
for (const name of Object.keys(CHIPS)) {
  const chip = button(name, () => { chip.setAttribute('aria-pressed', chip.getAttribute('aria-pressed') !== 'true'); drawList(true) }, 'chip')
  chip.setAttribute('aria-pressed', false)
  one('#chips').append(chip)
}
filter.oninput = () => drawList(true)

/** All words must fit, and one of the pressed statuses, and each other pressed chip. */
function wanted() {
  const pressed = [...document.querySelectorAll('.chip[aria-pressed=true]')].map(chip => chip.textContent)
  const groups = filter.value.toLowerCase().split(/\s+/).filter(Boolean).map(word => [word])
  const statuses = pressed.filter(name => name.endsWith('xx'))
  if (statuses.length) groups.push(statuses)
  for (const name of pressed) if (!name.endsWith('xx')) groups.push(CHIPS[name])
  return groups.length && (hay => groups.every(words => words.some(word => hay.includes(word))))
}

function drawList(isAll) {
  const fits = wanted(), { order } = book
  // Somebody reads further down: what is new waits.
  const isBusy = list.scrollWidth > list.clientWidth ? list.scrollLeft > 40 : one('nav').scrollTop > 40
  state.held = isBusy ? state.held ?? order.at(-1)?.n : undefined
  let at = list.firstChild, shown = 0, held = 0, fitting = 0
  state.newest = undefined
  for (let i = order.length - 1; i >= 0; i--) {
    const c = order[i], hits = fits && c.hays.map(fits)
    if (hits && !hits.includes(true)) continue
    state.newest ||= c.exchanges.at(-1)
    fitting++
    if (c.n > state.held) { held++; continue }
    if (shown === CARDS) { if (fits) continue; break }
    shown++
    let card = cards.get(c)
    if (!card) cards.set(c, card = make('div', { className: 'conn' + (isAll || drawn === 0 ? '' : ' new') }))
    if (isAll || changed.has(c) || !card.firstChild) fill(card, c, hits)
    if (card === at) at = at.nextSibling
    else list.insertBefore(card, at)
  }
  while (at) {
    const next = at.nextSibling
    at.remove()
    cards.delete(at.c)
    at = next
  }
  one('#newer').hidden = !held
  one('#newer').textContent = `↑ ${held} newer`
  const all = fits ? fitting : order.length
  one('#more').textContent = !shown && fits ? 'Nothing here has all of that.' : all > CARDS ? `The newest ${CARDS} of ${all.toLocaleString('en')}: filter to see others.` : ''
  mark()
}
one('#newer').onclick = () => { one('nav').scrollTop = list.scrollLeft = 0; soon() }
for (const box of [one('nav'), list]) box.addEventListener('scroll', () => state.held !== undefined && soon(), { passive: true })

const ROWS = 12
function fill(card, c, hits) {
  const had = card.contains(document.activeElement) && document.activeElement.dataset.id
  const hit = c.exchanges.filter((_, n) => !hits || hits[n])
  const rows = hit.slice(-ROWS).map(x => {
    const { request: q, response: a } = x
    const row = make('button', { className: 'ex' }, make('span', { className: 'm' }, q?.method || '?'), make('span', { className: 'grow' }, q?.target ?? ''),
      make('span', { className: 'st s' + String(a?.status)[0] }, a?.status ?? '…'), make('small', {}, typeof a?.took === 'number' ? millis(a.took) : ''))
    row.dataset.id = x.id
    return row
  })
  const head = make('button', { className: 'who' }, make('b', {}, 'c' + c.n), make('span', { className: 'grow' }, c.who), c.clock)
  head.dataset.id = 'c' + c.n
  card.c = c
  card.replaceChildren(head, make('div', { className: 'tags' }, ...c.tags.map(tag => make('span', { className: /broken|cut off|reset/.test(tag) ? 'tag bad' : 'tag' }, tag)), hit.length > ROWS ? `the last ${ROWS} of ${hit.length}` : ''), ...rows)
  if (had) card.querySelector(`[data-id="${had}"]`)?.focus()
}

/** Shows in the list what is shown in the middle; one row is in the order of the Tab key. */
function mark() {
  const id = view.x?.id || (view.c ? 'c' + view.c.n : '')
  for (const row of list.querySelectorAll('[tabindex="0"],[aria-current]')) { row.removeAttribute('aria-current'); row.tabIndex = -1 }
  for (const card of list.querySelectorAll('.on')) card.classList.remove('on')
  for (const row of list.querySelectorAll('button:not([tabindex])')) row.tabIndex = -1
  const row = id && list.querySelector(`[data-id="${id}"]`)
  if (row) { row.setAttribute('aria-current', true); row.parentNode.classList.add('on') }
  const first = row || list.querySelector('button')
  if (first) first.tabIndex = 0
  return row
}
list.onclick = e => {
  const id = e.target.closest('button')?.dataset.id
  if (id) go(id)
}

// The middle.
const download = (path, name) => attempt(async () => {
  const url = URL.createObjectURL(await (await ask(path)).blob())
  make('a', { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 1000)
})
function acts({ id, request, response }) {
  const n = id.slice(1), path = '/api/ex/' + n
  const text = what => attempt(async () => copy(await (await ask(`${path}/${what}`)).text()))
  const replay = attempt(async () => {
    const { connection } = await (await ask('/api/replay/' + n, { method: 'POST' })).json()
    toast('Sent again, with the same cuts and pauses.')
    if (connection) state.wanted = { id: 'c' + connection + '.1' }
    else follow(true)
  })
  return [button('Copy as curl', text('curl')), button('Copy as barewire send', text('send')), button('Replay', replay),
    ...(request ? [button('Raw request', download(path + '/request', id + '.request'))] : []), ...(response ? [button('Raw response', download(path + '/response', id + '.response'))] : []),
    button('HAR', download('/api/har?ids=' + n, id + '.har'))]
}

function show(c, x, place) {
  const isSame = x === view.x && c === view.c, focus = document.activeElement?.part && isSame
  if (!isSame) view.isPinned = false
  draw(c, x, x && acts(x))
  if (!isSame) main.scrollTop = 0
  mark()
  if (x) select(isSame && place ? partAt(messages(x).find(m => m.event === place.m.event && m.start === place.m.start) || messages(x)[0], place.s.start) : start(x), focus)
}

/** What is looked at first: what is wrong, else the target. */
function start(x) {
  for (const m of messages(x)) if (m.broken) return partAt(m, m.broken.byte)
  const m = messages(x)[0], target = m.part('path') || m.part('status')
  return partAt(m, target ? target[0] : 0)
}

function select(part, isFocus) {
  if (!part) return
  pick(part.m, part.s)
  history.replaceState(null, '', link(part))
  if (isFocus) {
    part.s.e.focus({ preventScroll: true })
    part.s.line.e.scrollIntoView({ block: 'nearest' })
  }
}
view.go = (x, m, at) => {
  follow(false)
  if (x !== view.x) show(x.c, x)
  view.isPinned = true
  select(partAt(m, at), true)
}

function follow(isOn) { state.follow = isOn; soon() }
one('#follow').onclick = () => follow(!state.follow)
one('#pause').onclick = attempt(() => ask('/api/pause', { method: 'POST', body: JSON.stringify({ paused: !state.isPaused }) }))
one('#clear').onclick = attempt(() => ask('/api/clear', { method: 'POST' }))
one('#keys').onclick = () => one('#help').showModal()
one('#sheet').onclick = () => one('#sheet').setAttribute('aria-expanded', one('aside').classList.toggle('up'))

// The mouse looks, a click holds.
let last = ''
const under = e => {
  const part = e.target.part || e.target.closest('.f')?.part
  return part || (e.target.place !== undefined && view.at ? partAt(view.at.m, e.target.place) : undefined)
}
for (const box of [main, one('#bytes')]) {
  box.addEventListener('pointermove', e => {
    // A page that scrolls below a mouse at rest is no movement.
    const here = e.clientX + ',' + e.clientY, part = here !== last && !view.isPinned && e.pointerType === 'mouse' && under(e)
    last = here
    if (part && part.s !== view.at?.s) { follow(false); select(part) }
  })
  box.addEventListener('click', e => {
    const part = under(e)
    if (!part) return
    follow(false)
    view.isPinned = !(view.isPinned && part.s === view.at.s)
    select(part, box === main)
    if (box !== main) part.s.line.e.scrollIntoView({ block: 'nearest' })
  })
}

// Links: `#c3`, `#c3.1`, `#c3.1/request/0x04`, `#find=GET /nope`.
function go(link) {
  state.wanted = undefined
  const find = link.match(/^find=(.*)$/), exact = link.match(/^c(\d+)(?:\.(\d+))?(?:\/(\w+)\/0x([\da-f]+))?$/i)
  if (find) state.wanted = { find: find[1] }
  if (exact) state.wanted = { id: link.split('/')[0], side: exact[3], at: parseInt(exact[4], 16) }
  if (state.wanted) { follow(false); seek() }
}
function seek() {
  const { id, find, side, at } = state.wanted, [n, number] = (id || '').slice(1).split('.')
  let c, x
  if (id) {
    c = book.connections.get(+n)
    x = number ? c?.byNumber.get(+number) : c?.exchanges[0]
    if (!c || number && !x) c = undefined
  } else for (let i = book.order.length - 1; i >= 0 && !x; i--) {
    x = book.order[i].exchanges.findLast(y => `${y.request?.method} ${y.request?.target}`.startsWith(find))
    c = x?.c
  }
  if (!c) return view.c || lead(`${find || id} is not here.`, say('It has not been seen yet, or it was forgotten. If it comes, it is shown.'))
  state.wanted = undefined
  show(c, x)
  const m = side && x && messages(x).findLast(m => m.event === side)
  if (m) { view.isPinned = true; select(partAt(m, at), true) }
}
addEventListener('hashchange', () => go(decodeURIComponent(location.hash.slice(1))))

// Keys.
function walk(lines, fields) {
  const all = messages(view.x).flatMap(m => m.lines.map(line => [m, line])), { s } = view.at
  const n = all.findIndex(([, line]) => line === s.line), [m, line] = all[n + lines] || []
  if (!line) return
  select({ m, s: lines ? line.spans[0] : line.spans[s.line.spans.indexOf(s) + fields] || s }, true)
}
const step = by => {
  const rows = [...list.querySelectorAll('[data-id]')].filter(row => row.className === 'ex' || row.parentNode.childElementCount < 3)
  const row = rows[rows.findIndex(row => row.hasAttribute('aria-current')) + by]
  if (!row) return
  const isIn = list.contains(document.activeElement)
  go(row.dataset.id)
  const now = mark()
  now?.scrollIntoView({ block: 'nearest' })
  if (isIn) now?.focus()
}
const KEYS = {
  ArrowDown: () => view.at && walk(1, 0), ArrowUp: () => view.at && walk(-1, 0), ArrowRight: () => view.at && walk(0, 1), ArrowLeft: () => view.at && walk(0, -1),
  j: () => step(1), k: () => step(-1), f: () => follow(!state.follow), '/': () => filter.focus(), '?': () => one('#help').showModal(),
  Escape: () => { view.isPinned = false; if (view.at) select(view.at) },
}
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || one('#help').open) return
  if (e.target === filter) {
    if (e.key !== 'Escape') return
    filter.value = ''
    drawList(true)
    return filter.blur()
  }
  const act = KEYS[e.key.length === 1 ? e.key.toLowerCase() : e.key]
  if ((e.key === 'Enter' || e.key === ' ') && e.target.part) { view.isPinned = true; select(e.target.part, true) }
  else if (act) { follow(e.key === 'f' ? state.follow : state.follow && 'Escape/?'.includes(e.key)); act() }
  else return
  e.preventDefault()
})

if (hash) go(hash)
history.replaceState(null, '', location.pathname + (hash ? '#' + hash : ''))
if (key) listen()
else lost()
