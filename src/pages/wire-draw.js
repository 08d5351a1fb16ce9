// One exchange as a person reads it: ribbon, lines, octets, and what each part means.
//
// Never: innerHTML. What a client sent is text here, whatever it looks like.
//
// The subtle thing: one selected part drives everything. Line, hex, ribbon and address only show it, so
// they cannot disagree.

import { book, bytes, capital, carried, count, farewell, messages, millis, number, seams, short, steps, story } from './wire-book.js'

export const one = css => document.querySelector(css)
export function make(tag, props, ...kids) {
  const e = Object.assign(document.createElement(tag), typeof props === 'string' ? { className: props } : props)
  e.append(...kids.flat(9).filter(kid => kid !== undefined))
  return e
}
export const button = (textContent, onclick, className = '') => make('button', { type: 'button', textContent, onclick, className })

/** What is shown: connection, exchange, selected part; whether a click holds it. */
export const view = { blocks: [] }
const callName = (m, via) => m.isRequest ? 'recv()' : via === 'sendfile' ? 'sendfile()' : 'write()'

/** A link to the section that says so. */
function rule(section = '', text = section) {
  const rfc = /RFC (\d+) §([\w.]+)/.exec(section)
  return rfc ? make('a', { href: `https://www.rfc-editor.org/rfc/rfc${rfc[1]}.html#section-${rfc[2]}`, target: '_blank', rel: 'noreferrer' }, text) : section
}

const hex = (n, digits) => n.toString(16).padStart(digits, '0')
const ascii = o => o > 31 && o < 127 ? String.fromCharCode(o) : '·'
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Octets as text. What cannot be seen, or would move the text around it, is written out on a pill. */
function spell(octets, isContent) {
  let text
  try { text = strict.decode(octets) } catch { text = Array.from(octets, o => String.fromCodePoint(o < 128 ? o : 0xf0000 + o)).join('') }
  return text.split(/(\r\n|[\0-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|[\u{f0080}-\u{f00ff}])/u).filter(Boolean).map(piece => {
    const code = piece.codePointAt(0), isOctet = code < 256 || code > 0xf0000
    if (piece === '\t' || isContent && piece === '\n' || piece.length > 2 || code > 31 && code < 127) return piece
    const name = { '\r': '\\r', '\n': '\\n', '\r\n': '\\r\\n' }[piece] || (isOctet ? '\\x' + hex(code & 255, 2) : `\\u{${hex(code, 4)}}`)
    return UNSEEN.test(piece) ? make('span', 'pill', name + (isContent && piece === '\r\n' ? '\n' : '')) : piece
  })
}
const UNSEEN = /^[\0-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\u{f0080}-\u{f00ff}]/u

/** Draws an exchange; of a connection without one, what is known of it. */
export function draw(c, x, acts) {
  Object.assign(view, { c, x, at: undefined, blocks: [] })
  const { request: q, response: a } = x || {}, never = c.closed?.reason === 'NeverSpoke' && book.notes[c.closed.note].long
  one('#main').replaceChildren(
    make('h1', '', x ? [make('span', 'm', q?.method || '?'), ` ${short(q?.target ?? '', 300)} → `, make('span', 's' + (a?.status / 100 | 0), a ? `${a.status} ${a.reason}` : '…')] : `Connection c${c.n}`),
    make('p', 'story', x ? story(x) : never || (c.recvs[0] ? 'A request has begun and is not complete.' : 'Nothing has been said yet.')),
    make('div', 'acts', acts),
    card(`Connection c${c.n}`, 'what the socket gave, and what HTTP made of it', ribbons(c, x), x && say(x), timeline(c, x)),
    ...(x ? messages(x).map(m => message(c, m)) : []))
  document.title = `c${c.n} ${q?.method || ''} ${short(q?.target ?? '', 40)} · wire view`
  one('aside').hidden = !x
}
const card = (title, about, ...kids) => make('section', 'card', make('h2', '', title, make('span', '', about)), kids)
const say = (x, [bold, rest] = seams(x)) => make('p', 'say', make('b', '', bold), ' ', rest)

/** The bar between two moments has the colour of whoever was waited for. */
function timeline(c, x) {
  const list = make('ol', 'steps', make('li', '', make('b', '', c.clock), 'accepted from ' + c.peer))
  let before = 0
  for (const [time, words, turn] of x ? steps(x) : c.closed ? [farewell(c)] : []) {
    list.lastChild.classList.add(turn)
    if (time - before >= 1) list.lastChild.append(make('i', '', `${{ client: 'client sends', server: 'server works' }[turn] || turn} ${millis(time - before)}`))
    list.append(make('li', '', make('b', '', '+' + millis(time)), words))
    before = time
  }
  return list
}

// Of a connection with thousands of exchanges or calls, those near the one that is shown.
const NEAR = 5, CALLS = 16

function ribbons(c, x) {
  const at = c.exchanges.indexOf(x), near = c.exchanges.slice(Math.max(0, at - NEAR), at + NEAR + 1)
  const block = (x, m, from, to, kind, text) => ({ x, m, from, to, kind: kind + (x === view.x ? ' cur' : ''), text })
  const asked = near.filter(x => x.request).flatMap(x => {
    const m = x.request, head = m.start + m.head
    return [block(x, m, m.start, head, 'head', `#${x.id.split('.')[1]} head ${m.head}`), block(x, m, head, m.end, 'body', 'body ' + number(m.end - head))].filter(b => b.to > b.from)
  })
  const from = asked[0]?.from || 0, read = asked.at(-1)?.to || 0, all = c.recvs.reduce((sum, call) => sum + call.len, 0)
  if (all > read && near.at(-1) === c.exchanges.at(-1)) asked.push({ from: read, to: all, kind: 'rest', text: number(all - read) + (c.closed || x?.request?.broken ? ' not read' : ' arriving') })
  const answered = near.flatMap(x => [...x.interims, x.response].filter(Boolean).map(m => block(x, m, m.start, m.end, 'ans', `${m.status} · ${number(m.bytes)} B`)))
  return [ribbon(c.recvs, asked, ['recv() gave', 'HTTP says'], true), ribbon(c.sends, answered, ['write() took', 'answers'], false)]
}

/** Calls and messages over the same octets: rows of one grid, so that borders stand above each other. */
function ribbon(calls, parts, labels, isRequest) {
  if (!parts[0]) return
  const from = parts[0].from, to = parts.at(-1).to, { before, inside } = carried(calls, from, to)
  const blocks = inside.map(({ at, len, time, via }, n) => ({
    from: Math.max(from, at), to: Math.min(to, at + len), kind: 'call', text: `${via === 'sendfile' ? 'file' : '#' + (before + n + 1)} · ${number(len)} B`,
    title: `${callName({ isRequest }, via)} #${before + n + 1}: ${bytes(len)} at +${millis(time)}`,
  }))
  if (blocks.length > CALLS) {
    const most = blocks.splice(CALLS / 2, blocks.length - CALLS)
    blocks.splice(CALLS / 2, 0, { from: most[0].from, to: most.at(-1).to, kind: 'call rest', text: count(most.length, 'call') })
  }
  const edges = [...new Set([...blocks, ...parts].flatMap(b => [b.from, b.to]))].sort((a, b) => a - b), column = at => edges.indexOf(at) + 2
  const box = make('div', 'ribbon')
  const place = (e, row, b) => {
    e.style.gridArea = `${row} / ${column(b.from)} / ${row + 1} / ${column(b.to)}`
    box.append(e)
  }
  // A block of one column is never narrower than its words.
  box.style.gridTemplateColumns = 'var(--lab) ' + edges.slice(1).map((edge, n) => {
    const least = Math.max(1, ...[...blocks, ...parts].filter(b => b.from === edges[n] && b.to === edge).map(b => b.text.length + 1))
    return `minmax(${least}ch,${edge - edges[n]}fr)`
  }).join(' ')
  const rows = [blocks, parts].map((row, n) => [row, labels[n]])
  for (const [n, [row, label]] of (isRequest ? rows : rows.reverse()).entries()) {
    box.append(make('span', 'lab', label))
    for (const b of row) {
      const owner = b.m ? b : parts.find(p => p.m && p.from <= b.from && b.from < p.to)
      const e = button(b.text, owner && (() => view.go(owner.x, owner.m, b.from - owner.m.start)), 'blk ' + b.kind)
      e.title = b.title || b.text
      if (row === blocks) view.blocks.push({ e, isRequest, ...b })
      place(e, n + 1, b)
    }
  }
  // Where a call ends inside of a message, the cut goes through it.
  for (const b of blocks.slice(1)) if (parts.some(p => p.from < b.from && b.from < p.to)) place(make('span', 'tear'), isRequest ? 2 : 1, b)
  return box
}

function message(c, m) {
  const { before, inside } = carried(c.calls(m), m.start, m.end)
  const cuts = inside.map(({ at, time, via }, n) => ({ at: at - m.start, name: '#' + (before + n + 1), title: `${callName(m, via)} #${before + n + 1} starts here, +${millis(time)}` })).filter(cut => cut.at > 0)
  const rows = m.lines.flatMap(line => {
    const [note, section = '', kind = ''] = m.note(line), cut = cuts.find(cut => cut.at === line.start)
    line.e = make('div', `ln ${kind} ${line.isContent ? 'content' : ''}`, make('span', 'off', hex(line.start, 4)), make('div', 'by', line.spans.map(s => field(s, cuts))), make('div', 'nt', note, ' ', rule(section, section.replace('RFC ', ''))))
    return [cut && make('div', 'seam', cut.title), line.e]
  })
  const bad = m.broken, [bold, because = ''] = (bad ? `broken at byte ${bad.byte}: ${bad.sentence}` : m.framing?.sentence || '?').split(/(?=, because)/)
  return card(m.isRequest ? 'Request' : m.isInterim ? 'Interim answer' : 'Response', `${bytes(m.head)} of head, ${number(m.bytes - m.head)} after it${inside[1] ? `, in ${inside.length} ${callName(m)} calls` : ''}`,
    make('div', 'msg', rows), make('p', bad ? 'fr wrong' : 'fr', make('b', '', capital(bold)), because, ' ', rule((bad || m.framing)?.section)))
}

/** A part of a line: a button in the middle of text, with the marks of the calls that begin in it. */
function field(s, cuts) {
  const e = s.e = make('span', { className: 'f k-' + s.kind, tabIndex: -1, role: 'button', span: s, ariaLabel: /ows|space/.test(s.kind) ? 'space' : null })
  const { isContent, start } = s.line, inside = cuts.filter(cut => cut.at >= s.start && cut.at < s.end && cut.at > start)
  const put = (from, to) => {
    const [first, gap, last] = s.m.slice(from, to)
    e.append(...told(first, isContent), gap ? make('span', 'pill', `… ${bytes(gap)} counted, not kept …`) : '', ...told(last, isContent))
    return to
  }
  let from = s.start
  for (const { at, name, title } of inside) {
    from = put(from, at)
    e.append(make('span', { className: 'cut', title }, name))
  }
  put(from, s.end)
  return e
}

/** Content that is no text is a dump of its first rows; all of it is in the panel. */
const DUMP = 128
function told(octets, isContent) {
  const isText = !/[\0-\x08\x0b\x0c\x0e-\x1f\ufffd]/.test(new TextDecoder().decode(octets, { stream: true }))
  if (!isContent || isText) return spell(octets, isContent)
  const rows = Array.from({ length: Math.min(octets.length, DUMP) / 16 + .99 | 0 }, (_, n) => octets.subarray(n * 16, n * 16 + 16))
  return [rows.map(row => Array.from(row, o => hex(o, 2)).join(' ').padEnd(50) + Array.from(row, ascii).join('') + '\n').join(''), octets.length > DUMP ? `… ${bytes(octets.length - DUMP)} more\n` : '']
}

/** Selects a part: its line, its octets, its calls, its meaning. */
export function pick(s) {
  for (const e of [view.at?.e, view.at?.line.e]) e?.classList.remove('on')
  if (view.at) view.at.e.tabIndex = -1
  view.at = s
  s.e.tabIndex = 0
  for (const e of [s.e, s.line.e]) e.classList.add('on')
  const { start } = s.m
  for (const b of view.blocks) b.e.classList.toggle('lit', b.isRequest === s.m.isRequest && b.from < start + s.end && start + s.start < b.to)
  meaning(s)
  octets(s)
}
export const link = s => `#${view.x.id}/${s.m.event}/0x${hex(s.start, 2)}`

function meaning(s) {
  const { m, note, kind } = s, { before, inside } = carried(view.c.calls(m), m.start + s.start, m.start + s.end), n = inside.length
  const owner = s.line.spans.find(o => /name|trailer/.test(o.kind)), name = owner && m.say('', [owner.start, owner.end - owner.start])
  const isValue = owner && /value|framing|secret|path|query/.test(kind), main = isValue && !note.short ? owner.note : note
  const title = { name: 'field name', trailer: 'trailer field', bad: 'here it breaks', status: 'status code' }[kind] || (isValue ? 'value of ' + name : note.name.split('/')[0].replace('-', ' '))
  const sentences = [main.long, isValue && main === note && `${name}: ${owner.note.short}`, kind === 'framing' && m.framing?.sentence, s === view.first && m.broken?.cut_off && m.broken.sentence]
  const [first, gap] = m.slice(s.start, Math.min(s.end, s.start + 400))
  const facts = [
    ['bytes', `${s.start}–${s.end - 1} of the ${m.event} (${number(s.end - s.start)})`],
    [m.isRequest ? 'came in' : 'went out', n && `${callName(m, inside[0].via)} #${before + 1}${n > 1 ? ` to #${before + n} (cut in ${n === 2 ? 'two' : n}!)` : ''} at +${millis(inside[0].time)}`],
    ['rule', rule(main.section)],
    ['link', make('a', { href: link(s) }, link(s))],
  ]
  one('#what').replaceChildren(make('h3', '', title, make('small', '', view.isHeld ? 'held, Esc lets go' : '')), make('div', 'v', spell(first), gap || s.end - s.start > 400 ? ' …' : ''),
    make('strong', '', main.short), ...sentences.filter(Boolean).map(text => make('p', '', capital(text) + '.')),
    make('dl', '', facts.filter(([, what]) => what).flatMap(([name, what]) => [make('dt', '', name), make('dd', '', what)])))
}

// The hex is one text of lines of equal length: two nodes for any message. Places in it are counted,
// and what is selected is a highlight and no element.
const LINE = 40, TEXT = 31
const hexed = {}
const row = n => n < hexed.gap ? n >> 3 : hexed.back + (n - hexed.gap >> 3)

function octets(s) {
  const { m } = s, box = one('#bytes')
  if (hexed.m !== m) {
    const [first, gap, last] = m.slice(0, m.bytes), lines = []
    const rows = (octets, from) => {
      for (let n = 0; n < octets.length; n += 8) {
        const row = Array.from(octets.subarray(n, n + 8))
        lines.push((hex(from + n, 4).slice(-5).padEnd(6) + row.map(o => hex(o, 2)).join(' ')).padEnd(TEXT) + row.map(ascii).join('').padEnd(LINE - TEXT - 1))
      }
    }
    rows(first, 0)
    if (gap) lines.push(` … ${bytes(gap)} not kept …`.padEnd(LINE - 1))
    Object.assign(hexed, { m, gap: gap ? m.bytes - last.length : Infinity, back: lines.length, front: first.length })
    rows(last, m.bytes - last.length)
    box.replaceChildren(lines.join('\n'))
  }
  const text = box.firstChild, ranges = (start, end) => {
    const out = []
    for (let n = start; n < end;) {
      if (n >= hexed.front && n < hexed.gap && hexed.gap < Infinity) { n = hexed.gap; continue }
      const base = n < hexed.gap ? 0 : hexed.gap, next = Math.min(end, n + 8 - (n - base) % 8), at = row(n) * LINE, column = (n - base) % 8, columns = next - n
      for (const [from, to] of [[6 + column * 3, 5 + (column + columns) * 3], [TEXT + column, TEXT + column + columns]]) {
        const range = new Range()
        range.setStart(text, at + from)
        range.setEnd(text, at + to)
        out.push(range)
      }
      n = next
    }
    return out
  }
  const marks = { line: ranges(s.line.start, s.line.end), on: ranges(s.start, s.end) }
  for (const name in marks) CSS.highlights?.set(name, new Highlight(...marks[name]))
  // Only the hex is moved, and only if what is selected is out of its sight.
  const top = row(s.start) * box.scrollHeight / (text.length / LINE)
  if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 40) box.scrollTop = top - 60
}

/** The part below a point of the hex. */
export function partAtPoint(x, y) {
  const caret = document.caretPositionFromPoint?.(x, y), { offset } = caret || {}
  if (caret?.offsetNode !== one('#bytes').firstChild) return
  const column = offset % LINE, line = offset / LINE | 0, isHex = column < TEXT - 1
  const n = (line < hexed.back ? line * 8 : hexed.gap + (line - hexed.back) * 8) + Math.min(7, Math.max(0, isHex ? (column - 6) / 3 | 0 : column - TEXT))
  return partAt(hexed.m, n)
}

/** The part that holds a place of a message, the last one behind its end. */
export function partAt(m, place) {
  const all = m.lines.flatMap(line => line.spans)
  return all.find(s => place < s.end) || all.at(-1)
}
