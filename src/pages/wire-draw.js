// One exchange as a person reads it: ribbon, lines, bytes, and what each part means.
//
// Never: innerHTML. What a client sent is text here, whatever it looks like.
//
// The subtle thing: one selection (side, place) drives everything. Lines, hex, ribbon and address bar
// only show it, so they cannot disagree.

import { book, bytes, capital, carried, count, messages, millis, seams, short, steps, story } from './wire-book.js'

export const one = css => document.querySelector(css)
export function make(tag, props, ...kids) {
  const e = Object.assign(document.createElement(tag), props)
  e.append(...kids.filter(kid => kid !== undefined))
  return e
}
export const button = (textContent, onclick, className = 'btn') => make('button', { textContent, onclick, className })
const span = (className, ...kids) => make('span', { className }, ...kids)

/** A link to the section that says so. */
function rule(section = '') {
  const rfc = /RFC (\d+) §([\w.]+)/.exec(section)
  return rfc ? make('a', { href: `https://www.rfc-editor.org/rfc/rfc${rfc[1]}.html#section-${rfc[2]}`, target: '_blank', rel: 'noreferrer', textContent: section }) : section
}

// Text. Octets a reader could not see, or that would act on the page's layout, are written out.
const UNSEEN = /[\0-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const hex = (n, digits) => n.toString(16).padStart(digits, '0')

/** Octets as text and pills; in content a line end is one. */
function spell(octets, isContent) {
  let text
  try { text = strict.decode(octets) } catch { text = Array.from(octets, o => o < 128 ? String.fromCharCode(o) : `\ufdd0${hex(o, 2)}`).join('') }
  return text.split(/(\r\n|\ufdd0..|[\0-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff])/).filter(Boolean).map(piece => {
    if (piece[0] === '\ufdd0') return span('pill', '\\x' + piece.slice(1))
    if (isContent && piece === '\n') return piece
    if (!UNSEEN.test(piece) || piece === '\t') return piece
    const names = { '\r': '\\r', '\n': '\\n', '\r\n': '\\r\\n' }, code = piece.codePointAt(0)
    return span('pill', (names[piece] || (code < 256 ? '\\x' + hex(code, 2) : `\\u{${hex(code, 4)}}`)) + (isContent && piece === '\r\n' ? '\n' : ''))
  })
}
const isText = octets => {
  try { return !/[\0-\x08\x0b\x0c\x0e-\x1f]/.test(new TextDecoder('utf-8', { fatal: true }).decode(octets, { stream: true })) } catch { return false }
}
const dump = (octets, from) => Array.from({ length: Math.ceil(octets.length / 16) }, (_, n) => {
  const row = octets.subarray(n * 16, n * 16 + 16)
  return hex(from + n * 16, 4) + '  ' + Array.from(row, o => hex(o, 2)).join(' ').padEnd(49) + Array.from(row, o => o > 31 && o < 127 ? String.fromCharCode(o) : '·').join('')
}).join('\n')

export const view = { x: undefined, c: undefined, at: undefined, blocks: [] }
const callName = m => m.isRequest ? 'recv()' : 'write()'

/** Draws an exchange; of a connection without one, what is known of it. */
export function draw(c, x, acts) {
  Object.assign(view, { c, x, at: undefined, blocks: [] })
  const { request: q, response: a } = x || {}
  const main = one('#main')
  const title = x ? [span('m', q?.method || '?'), ` ${short(q?.target ?? '', 300)} → `, span('s' + String(a?.status)[0], a ? `${a.status} ${a.reason}` : '…')] : [`Connection c${c.n}`]
  main.replaceChildren(
    make('h1', {}, ...title),
    make('p', { className: 'story' }, x ? story(x) : c.closed?.reason === 'NeverSpoke' ? book.notes[c.closed.note].long + '.' : c.recvs.length ? 'A request has begun and is not complete yet.' : 'Accepted. Nothing has been said yet.'),
    make('div', { className: 'acts' }, ...(x ? acts : [])),
    connection(c, x),
    ...(x ? messages(x).map(m => message(c, m)) : []))
  document.title = (x ? `${x.id} ${q?.method} ${short(q?.target ?? '', 40)}` : 'c' + c.n) + ' · wire view'
  one('aside').hidden = !x
}

function card(title, about, ...kids) {
  return make('section', { className: 'card' }, make('h2', {}, title + ' ', span('', about)), ...kids)
}

function connection(c, x) {
  const [bold, rest] = x ? seams(x) : ['', '']
  const list = make('ol', { className: 'steps' }, make('li', {}, make('b', {}, c.clock), 'accepted from ' + c.peer))
  let before = 0
  for (const [time, words, turn] of x ? steps(x) : c.closed ? [[c.closed.at, `closed by the ${c.closed.by}: ${book.notes[c.closed.note]?.short}`]] : []) {
    // The bar between two moments belongs to whoever was waited for.
    list.lastChild.classList.add(turn)
    if (time - before >= 1 && turn) list.lastChild.append(make('i', {}, { client: 'client sends ', server: 'server works ', sending: 'sending ', idle: 'quiet ' }[turn] + millis(time - before)))
    list.append(make('li', {}, make('b', {}, '+' + millis(time)), words))
    before = time
  }
  return card(`Connection c${c.n}`, 'what the socket gave, and what HTTP made of it', ...ribbons(c, x), make('p', { className: 'say' }, make('b', {}, bold), ' ', rest), list)
}

// A connection of thousands of exchanges or calls: those near the one that is shown.
const NEAR = 5, CALLS = 16

function ribbons(c, x) {
  const at = c.exchanges.indexOf(x), near = c.exchanges.slice(Math.max(0, at - NEAR), at + NEAR + 1)
  const asked = near.filter(y => y.request), answered = near.flatMap(y => [...y.interims, y.response].filter(Boolean).map(m => [y, m]))
  const arrived = c.recvs.at(-1), total = arrived ? arrived.at + arrived.len : 0
  const from = asked[0]?.request.start ?? 0
  let to = asked.at(-1)?.request.end ?? 0
  const parts = asked.flatMap(y => {
    const m = y.request, head = m.start + m.head
    const part = (from, to, kind, text) => ({ from, to, kind, isCurrent: y === x, text, x: y, m, act: from - m.start })
    return [part(m.start, head, 'head', `#${y.number} head ${m.head}`), ...(m.end > head ? [part(head, m.end, 'body', `body ${(m.end - head).toLocaleString('en')}`)] : [])]
  })
  if (near.at(-1) === c.exchanges.at(-1) && total > to) {
    parts.push({ from: to, to: total, kind: 'rest', text: `${(total - to).toLocaleString('en')} ${c.closed || asked.at(-1)?.request.broken ? 'not read' : 'arriving'}` })
    to = total
  }
  const answers = answered.map(([y, m]) => ({ from: m.start, to: m.end, kind: 'ans', isCurrent: y === x, text: `${m.status} · ${m.bytes.toLocaleString('en')} B`, x: y, m, act: 0 }))
  return [
    ribbon('recv() gave', 'HTTP says', 'recv()', c.recvs, parts, from, to),
    ribbon('write() took', 'answers', 'write()', c.sends, answers, answers[0]?.from, answers.at(-1)?.to),
  ].filter(Boolean)
}

function ribbon(above, below, name, calls, parts, from, to) {
  const { first, inside } = carried(calls, from, to)
  if (!inside.length && !parts.length) return
  let blocks = inside.map((call, n) => ({
    from: Math.max(from, call.at), to: Math.min(to, call.at + call.len), kind: 'call',
    text: `${call.via === 'sendfile' ? 'file' : '#' + (first + n + 1)} · ${call.len.toLocaleString('en')} B`,
    title: `${call.via === 'sendfile' ? 'sendfile()' : name} #${first + n + 1}: ${bytes(call.len)} at +${millis(call.time)}`,
  }))
  if (blocks.length > CALLS) {
    const hidden = blocks.slice(CALLS / 2, -CALLS / 2)
    blocks.splice(CALLS / 2, hidden.length, { from: hidden[0].from, to: hidden.at(-1).to, kind: 'call rest', text: count(hidden.length, 'call') })
  }
  const edges = [...new Set([...blocks, ...parts].flatMap(b => [b.from, b.to]))].sort((a, b) => a - b), column = at => edges.indexOf(at) + 2
  const isIn = name === 'recv()', [upper, lower] = isIn ? [blocks, parts] : [parts, blocks]
  const box = make('div', { className: 'ribbon' })
  box.style.gridTemplateColumns = '92px ' + edges.slice(1).map((edge, n) => `minmax(62px,${edge - edges[n]}fr)`).join(' ')
  const place = (e, row, b) => {
    e.style.gridArea = `${row} / ${column(b.from)} / ${row + 1} / ${column(b.to)}`
    box.append(e)
  }
  for (const [row, label, list] of [[1, isIn ? above : below, upper], [2, isIn ? below : above, lower]]) {
    box.append(span('lab', label))
    box.lastChild.style.gridRow = row
    for (const b of list) {
      const e = button(b.text, undefined, `blk ${b.kind}${b.isCurrent ? ' cur' : ''}`)
      e.title = b.title || b.text
      const owner = b.x ? b : parts.find(p => p.m && p.from <= b.from && b.from < p.m.start + p.m.bytes)
      if (owner) e.onclick = () => view.go(owner.x, owner.m, b.x ? b.act : b.from - owner.m.start)
      view.blocks.push({ e, isIn, from: b.from, to: b.to, isCall: !b.x })
      place(e, row, b)
    }
  }
  // A border of calls inside a message: the cut goes through it.
  for (const call of blocks.slice(1)) if (parts.some(p => p.from < call.from && call.from < p.to)) place(span('tear'), isIn ? 2 : 1, call)
  return box
}

function message(c, m) {
  const calls = carried(c.calls(m), m.start, m.end), rest = m.bytes - m.head
  const name = m.isRequest ? 'Request' : m.status < 200 ? 'Interim response' : 'Response'
  const cuts = new Map(calls.inside.map((call, n) => [call.at - m.start, [calls.first + n + 1, call]]))
  const box = make('div', { className: 'msg' })
  for (const line of m.lines) {
    const cut = cuts.get(line.start)
    if (cut && line.start) box.append(make('div', { className: 'seam' }, `${cut[1].via === 'sendfile' ? 'sendfile()' : callName(m)} #${cut[0]} starts here, +${millis(cut[1].time)}`))
    const [note, section, kind] = m.note(line)
    line.e = make('div', { className: `ln ${kind || ''}` }, span('off', hex(line.start, 4)),
      make('div', { className: 'by' }, ...line.spans.map(s => field(m, s, cuts))),
      make('div', { className: 'nt' }, note || '', rule(section)))
    box.append(line.e)
  }
  const foot = m.broken ? ['wrong', `broken at byte ${m.broken.byte}: ${m.broken.sentence}`, m.broken.section] : m.framing && ['', m.framing.sentence, m.framing.section]
  const [bold, because] = foot?.[1].split(/(?=,? because)/) || []
  return card(name, `${bytes(m.head)} of head, ${rest ? rest.toLocaleString('en') + ' after it' : 'nothing after it'}${calls.inside.length > 1 ? `, in ${calls.inside.length} ${callName(m)} calls` : ''}`,
    box, foot && make('p', { className: 'fr ' + foot[0] }, make('b', {}, capital(bold)), because || '', ' ', rule(foot[2])))
}

/** A part of a line: a button inside of text. */
function field(m, s, cuts) {
  const e = s.e = span('f k-' + s.kind)
  e.tabIndex = -1
  e.setAttribute('role', 'button')
  e.part = { m, s }
  const { isContent } = s.line
  const put = (octets, at) => {
    if (isContent && !isText(octets)) return e.append(dump(octets.subarray(0, 256), at - m.head), octets.length > 256 ? `\n… ${bytes(octets.length - 256)} more` : '')
    let from = 0
    for (const [place, [n, call]] of cuts) {
      if (place <= at || place >= at + octets.length || (place === s.line.start)) {
        if (place !== at || at === s.line.start || !at) continue
      }
      e.append(...spell(octets.subarray(from, place - at), isContent), make('span', { className: 'cut', textContent: '#' + n, title: `${callName(m)} #${n} starts at this byte, +${millis(call.time)}` }))
      from = place - at
    }
    e.append(...spell(octets.subarray(from), isContent))
  }
  const [first, gap, last] = m.slice(s.start, s.end)
  put(first, s.start)
  if (gap) e.append(make('span', { className: 'pill', textContent: `… ${bytes(gap)} counted, not kept …` }))
  if (last.length) put(last, s.end - last.length)
  return e
}

/** Selects a part: its line, its bytes, its calls, its meaning. */
export function pick(m, s) {
  view.at?.s.e.classList.remove('on')
  view.at?.s.line.e.classList.remove('on')
  if (view.at) view.at.s.e.tabIndex = -1
  view.at = { m, s }
  s.e.classList.add('on')
  s.e.tabIndex = 0
  s.line.e.classList.add('on')
  for (const b of view.blocks) {
    const isLit = b.isCall && b.isIn === m.isRequest && b.from < m.start + s.end && m.start + s.start < b.to
    b.e.classList.toggle('lit', isLit)
  }
  meaning(m, s)
  octets(m, s)
}

const at = m => `#${view.x.id}/${m.event}`
export const link = ({ m, s }) => `${at(m)}/0x${hex(s.start, 2)}`

function meaning(m, s) {
  const { inside, first } = carried(view.c.calls(m), m.start + s.start, m.start + s.end)
  const owner = s.line.spans.find(o => o.kind === 'name' || o.kind === 'trailer'), isValue = owner && ['value', 'framing', 'secret', 'path', 'query'].includes(s.kind)
  const says = text => String.fromCharCode(...m.slice(text.start, text.end)[0])
  const names = { name: 'field name', trailer: 'trailer field', bad: 'here it breaks', status: 'status code', method: 'method' }
  const title = names[s.kind] || (isValue ? `value of ${says(owner)}` : s.note.name.replace('-', ' '))
  const part = s.note.short ? s.note : isValue ? owner.note : s.note
  const sentences = [part.long, isValue && part !== owner.note && `${says(owner)}: ${owner.note.short}`, s.kind === 'framing' && m.framing?.sentence, s.kind === 'bad' && m.broken?.sentence]
  const [value, gap] = m.slice(s.start, s.end)
  const dl = make('dl')
  const row = (name, ...what) => dl.append(make('dt', {}, name), make('dd', {}, ...what))
  row('bytes', `${s.start}–${s.end - 1} of the ${m.event} (${s.end - s.start})`)
  if (inside.length) row(m.isRequest ? 'came in' : 'went out', `${inside[0].via === 'sendfile' ? 'sendfile()' : callName(m)} #${first + 1}${inside.length > 1 ? ` to #${first + inside.length} (cut in ${inside.length === 2 ? 'two' : inside.length}!)` : ''} at +${millis(inside[0].time)}`)
  row('rule', rule(part.section))
  row('link', make('a', { href: link({ m, s }), textContent: link({ m, s }) }))
  one('#what').replaceChildren(
    make('h3', {}, title, make('small', {}, view.isPinned ? 'held, Esc lets go' : '')),
    make('div', { className: 'v' }, ...spell(value.subarray(0, 400)), value.length > 400 || gap ? ' …' : ''),
    make('strong', {}, part.short || ''),
    ...sentences.filter(Boolean).map(text => make('p', {}, capital(text) + '.')), dl)
}

// Rows of the hex that are there at a time.
const ROWS = 26
let shown = {}

function octets(m, s, wanted) {
  const row = wanted ?? s.start >> 3, all = Math.ceil(m.bytes / 8)
  if (shown.m !== m || wanted !== undefined || row < shown.from || row >= shown.to || !one('#bytes').firstChild) {
    const from = Math.max(0, Math.min(wanted ?? row - 8, all - ROWS)), to = Math.min(all, from + ROWS)
    shown = { m, from, to, cells: [] }
    const cuts = new Set(view.c.calls(m).map(call => call.at - m.start))
    const rows = []
    for (let r = from; r < to; r++) {
      const numbers = span('h'), texts = span('t')
      for (let n = r * 8; n < r * 8 + 8; n++) {
        if (n >= m.bytes) { numbers.append('   '); continue }
        const o = m.octet(n), pair = [span('x', o === undefined ? '--' : hex(o, 2)), span('x', o > 31 && o < 127 ? String.fromCharCode(o) : '·')]
        for (const e of pair) e.place = n
        if (n && cuts.has(n)) pair[0].classList.add('at')
        shown.cells.push([n, ...pair])
        numbers.append(pair[0])
        texts.append(pair[1])
      }
      rows.push(make('div', { className: 'hr' }, span('off', hex(r * 8, 4)), numbers, texts))
    }
    const turn = (text, to) => Object.assign(button(text, () => octets(m, view.at.s, to)), { disabled: to < 0 && from === 0 || to >= all })
    const foot = all > ROWS ? [make('div', { className: 'turn' }, turn('▲', Math.max(from - ROWS, 0)), `of ${bytes(m.bytes)}`, turn('▼', to))] : []
    one('#bytes').replaceChildren(...rows, ...foot)
  }
  for (const [n, ...pair] of shown.cells) {
    for (const e of pair) {
      e.classList.toggle('on', s.start <= n && n < s.end)
      e.classList.toggle('ln0', s.line.start <= n && n < s.line.end)
    }
  }
}

/** The part that holds a place of a message. */
export function partAt(m, place) {
  for (const line of m.lines) for (const s of line.spans) if (place < s.end) return { m, s }
  const s = m.lines.at(-1)?.spans.at(-1)
  return s && { m, s }
}
