// One exchange as a person reads it: ribbon, lines, octets, and what each part means.
//
// Never: markup made of text. What a client sent is text here, whatever it looks like.
//
// The subtle thing: one selected part drives everything. Line, hex, ribbon and address only show it, so
// they cannot disagree.

import { answers, book, capital, carried, count, messages, millis, number, seams, short, steps, story } from './wire-book.js'

export const one = css => document.querySelector(css)

/** An element: `h('p.name', 'text', { title: '…' }, other)`. */
export function h(name, ...kids) {
  const [tag, ...names] = name.split('.'), e = document.createElement(tag)
  e.className = names.join(' ')
  for (const kid of kids.flat(9)) kid?.constructor === Object ? Object.assign(e, kid) : e.append(kid ?? '')
  return e
}
export const button = (text, onclick, name = '') => h('button.' + name, text, { onclick })

/** What is shown: connection, exchange, selected part; whether a click holds it. */
export const view = {}
const callName = (m, via) => m.isRequest ? 'recv()' : via === 'sendfile' ? 'sendfile()' : 'write()'

/** A link to the section that says so. */
function rule(section = '', text = section) {
  const rfc = /RFC (\d+) §([\w.]+)/.exec(section)
  return rfc ? h('a', text, { href: `https://www.rfc-editor.org/rfc/rfc${rfc[1]}.html#section-${rfc[2]}`, target: '_blank', rel: 'noreferrer' }) : text
}

const hex = (n, digits) => n.toString(16).padStart(digits, '0')
const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const PILLS = /(\r\n|[\0-\x08\n-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\udc80-\udcff])/u

/** Octets as text. What cannot be seen, or would move the text around it, is written out on a pill. */
function spell(octets, isContent) {
  let text
  // What is no UTF-8 becomes half a surrogate, which no text has, and comes out as \xNN.
  try { text = strict.decode(octets) } catch { text = String.fromCharCode(...Array.from(octets, o => o < 128 ? o : 0xdc00 + o)) }
  return text.split(PILLS).map((piece, n) => {
    if (n % 2 === 0 || isContent && piece === '\n') return piece
    const code = piece.charCodeAt(0), wide = code > 255 && code >> 8 !== 0xdc
    return h('span.pill', { '\r\n': '\\r\\n', '\r': '\\r', '\n': '\\n' }[piece] || (wide ? `\\u{${hex(code, 4)}}` : '\\x' + hex(code & 255, 2)), isContent && piece === '\r\n' ? '\n' : '')
  })
}

/** Rows of octets: where each begins, how many it has, and its text. */
const dump = (octets, place, width) => Array.from({ length: Math.ceil(octets.length / width) }, (_, n) => {
  const row = Array.from(octets.subarray(n * width, n * width + width)), start = place + n * width
  const pairs = row.map(o => hex(o, 2)).join(' '), letters = row.map(o => o > 31 && o < 127 ? String.fromCharCode(o) : '·').join('')
  return { start, size: row.length, text: hex(start, 4).padEnd(6) + pairs.padEnd(width * 3 + 1) + letters.padEnd(width) }
})

/** Draws an exchange; of a connection without one, what is known of it. */
export function draw(c, x, acts) {
  Object.assign(view, { c, x, at: undefined, blocks: [] })
  const { request: q, response: a } = x || {}, list = h('ol.steps', h('li', h('b', c.accepted?.clock), 'accepted from ' + c.accepted?.peer))
  let before = 0
  for (const [time, words, turn] of steps(x || { c })) {
    // The bar between two moments has the colour of whoever was waited for.
    list.lastChild.classList.add(turn)
    if (time - before >= 1) list.lastChild.append(h('i', `${{ client: 'client sends', server: 'server works' }[turn] || turn} ${millis(time - before)}`))
    list.append(h('li', h('b', '+' + millis(time)), words))
    before = time
  }
  const [bold, rest] = x ? seams(x) : ['', c.closed ? book.notes[c.closed.note].long : c.recvs[0] ? 'A request has begun and is not complete.' : 'Nothing has been said yet.']
  one('main').replaceChildren(
    h('h1', x ? [h('span.m', q?.method), ` ${short(q?.target || '', 300)} → `, h('span.s' + (a?.status / 100 | 0), a ? `${a.status} ${a.reason}` : '…')] : 'Connection c' + c.n),
    h('p.story', x && story(x)), h('div.acts', acts),
    card('Connection c' + c.n, 'what the socket gave, and what HTTP made of it', ribbons(c, x), h('p.say', h('b', bold), ' ', rest), list),
    ...x ? messages(x).map(m => message(c, m)) : [])
  document.title = `c${c.n} ${short(q?.target || '', 40)} · wire view`
  one('aside').hidden = !x
}
const card = (title, about, ...kids) => h('section.card', h('h2', title, h('span', about)), kids)

// Of a connection with thousands of exchanges or calls, those near the one that is shown.
const NEAR = 3, CALLS = 8

function ribbons(c, x) {
  const at = c.exchanges.indexOf(x), near = c.exchanges.slice(Math.max(0, at - NEAR), at + NEAR + 1), last = c.recvs.at(-1)
  const block = (y, m, from, to, kind, text) => to > from ? { from, to, text, kind: kind + (x === y ? '.cur' : ''), act: at => view.go(y, m, at - m.start) } : []
  const asked = near.filter(x => x.request).flatMap(x => {
    const m = x.request, head = m.start + m.head
    return [block(x, m, m.start, head, 'head', `#${x.id.split('.')[1]} head ${m.head}`), block(x, m, head, m.end, 'body', 'body ' + number(m.end - head))].flat()
  })
  const from = asked.at(-1)?.to || 0, to = last ? last.at + last.len : 0
  if (to > from && near.at(-1) === c.exchanges.at(-1)) asked.push({ from, to, kind: 'rest', text: number(to - from) + (c.closed ? ' not read' : ' arriving') })
  return [ribbon(c.recvs, asked, true), ribbon(c.sends, near.flatMap(x => answers(x).map(m => block(x, m, m.start, m.end, 'ans', `${m.status} · ${number(m.bytes)} B`))), false)]
}

/** Calls and messages over the same octets: two rows of one grid, so that borders stand above each other. */
function ribbon(all, parts, isRequest) {
  if (!parts[0]) return ''
  const from = parts[0].from, to = parts.at(-1).to, calls = carried(all, from, to).map(({ at, len, n, time, via }) => ({
    from: Math.max(from, at), to: Math.min(to, at + len), kind: 'call', isRequest, text: `${via === 'sendfile' ? 'file' : '#' + n} · ${number(len)} B`, title: `${callName({ isRequest }, via)} #${n}: ${count(len, 'byte')} at +${millis(time)}`,
  }))
  if (calls.length > CALLS) {
    const most = calls.splice(CALLS / 2, calls.length - CALLS)
    calls.splice(CALLS / 2, 0, { ...most[0], to: most.at(-1).to, kind: 'rest', text: count(most.length, 'call') })
  }
  const blocks = [...calls, ...parts], edges = [...new Set(blocks.flatMap(b => [b.from, b.to]))].sort((a, b) => a - b), box = h('div.ribbon')
  // A block of one column is never narrower than its words.
  box.style.gridTemplateColumns = 'var(--lab) ' + edges.slice(1).map((edge, n) => `minmax(${Math.max(1, ...blocks.map(b => b.from === edges[n] && b.to === edge && b.text.length + 1))}ch,${edge - edges[n]}fr)`).join(' ')
  const place = (e, row, b) => {
    e.style.gridArea = `${row} / ${edges.indexOf(b.from) + 2} / auto / ${edges.indexOf(b.to) + 2}`
    box.append(e)
  }
  for (const b of blocks) {
    const isCall = calls.includes(b), owner = parts.find(p => p.act && p.from <= b.from && b.from < p.to)
    b.e = button(b.text, () => owner?.act(b.from), 'blk.' + b.kind)
    b.e.title = b.title || b.text
    place(b.e, isCall === isRequest ? 1 : 2, b)
    if (isCall) view.blocks.push(b)
    // Where a call ends inside of a message, the cut goes through it.
    if (isCall && parts.some(p => p.from < b.from && b.from < p.to)) place(h('span.tear'), isRequest ? 2 : 1, b)
  }
  box.append(...(isRequest ? ['recv() gave', 'HTTP says'] : ['answers', 'write() took']).map((text, n) => h('span.lab', text, { style: `grid-row:${n + 1}` })))
  return box
}

function message(c, m) {
  const inside = carried(c.calls(m), m.start, m.end), { broken: bad, framing } = m
  const cuts = inside.map(({ at, n, time, via }) => ({ at: at - m.start, name: '#' + n, title: `${callName(m, via)} #${n} starts here, +${millis(time)}` })).filter(cut => cut.at > 0)
  const rows = m.lines.flatMap(line => {
    const [note, section = '', kind = ''] = m.note(line), cut = cuts.find(cut => cut.at === line.start)
    line.e = h(`div.ln.${kind}.${line.isContent ? 'content' : ''}`, h('span.off', hex(line.start, 4)), h('div.by', line.spans.map(s => field(s, cuts))), h('div.nt', note, ' ', rule(section, section.replace('RFC ', ''))))
    return [cut ? h('div.seam', cut.title) : [], line.e]
  })
  const [bold, because] = (bad ? `broken at byte ${bad.byte}: ${bad.sentence}` : framing?.sentence || '').split(/(?=, because)/)
  return card(m.isRequest ? 'Request' : m.isInterim ? 'Interim answer' : 'Response', `${count(m.head, 'byte')} of head, ${number(m.bytes - m.head)} after it${inside[1] ? `, in ${inside.length} ${callName(m)} calls` : ''}`,
    h('div.msg', rows), h(bad ? 'p.fr.wrong' : 'p.fr', h('b', capital(bold)), because, ' ', rule((bad || framing)?.section)))
}

// Content that is no text is shown by its first octets; all that was kept is in the panel.
const FIRST = 128

/** A part of a line: a button in the middle of text, with the marks of the calls that begin in it. */
function field(s, cuts) {
  const { isContent, start } = s.line
  const tell = octets => !isContent || !/[\0\ufffd]/.test(new TextDecoder().decode(octets, { stream: true })) ? spell(octets, isContent)
    : [dump(octets.subarray(0, FIRST), 0, 16).map(row => row.text.slice(6) + '\n'), octets.length > FIRST ? `… ${count(octets.length - FIRST, 'byte')} more\n` : '']
  const put = (from, to) => {
    const [first, gap, last] = s.m.slice(from, to)
    return [tell(first), gap ? h('span.pill', `… ${count(gap, 'byte')} counted, not kept …`) : '', tell(last)]
  }
  const marks = cuts.filter(({ at }) => at >= s.start && at < s.end && at > start), places = [s.start, ...marks.map(cut => cut.at), s.end]
  return s.e = h('span.f.k-' + s.kind, { tabIndex: -1, role: 'button', span: s, ariaLabel: /ows|space/.test(s.kind) ? 'space' : null },
    put(...places), marks.map(({ name, title }, n) => [h('span.cut', name, { title }), put(places[n + 1], places[n + 2])]))
}

/** Selects a part: its line, its octets, its calls, its meaning. */
export function pick(s) {
  const was = view.at, { start, isRequest } = s.m
  if (was) was.e.tabIndex = -1
  for (const e of [was?.e, was?.line.e]) e?.classList.remove('on')
  for (const e of [s.e, s.line.e]) e.classList.add('on')
  s.e.tabIndex = 0
  view.at = s
  for (const b of view.blocks) b.e.classList.toggle('lit', b.isRequest === isRequest && b.from < start + s.end && start + s.start < b.to)
  meaning(s)
  octets(s)
}
export const link = s => `#${view.x.id}/${s.m.event}/0x${hex(s.start, 2)}`

function meaning(s) {
  const { m, note, kind } = s, inside = carried(view.c.calls(m), m.start + s.start, m.start + s.end), [call] = inside, n = inside.length, size = s.end - s.start
  const owner = s.line.spans.find(o => /name|trailer/.test(o.kind)), isValue = owner && /value|framing|secret|path|query/.test(kind), main = isValue && !note.short ? owner.note : note
  const title = { name: 'field name', trailer: 'trailer field', bad: 'here it breaks', status: 'status code' }[kind] || (isValue ? 'value of ' + owner.text : note.name.split('/')[0].replace('-', ' '))
  const sentences = [main.long, isValue && main === note && `${owner.text}: ${owner.note.short}`, kind === 'framing' && m.framing?.sentence]
  const facts = {
    bytes: `${s.start}–${s.end - 1} of the ${m.event} (${number(size)})`,
    [m.isRequest ? 'came in' : 'went out']: call && `${callName(m, call.via)} #${call.n}${n > 1 ? ` to #${inside[n - 1].n} (cut in ${n === 2 ? 'two' : n}!)` : ''} at +${millis(call.time)}`,
    rule: rule(main.section),
    link: h('a', link(s), { href: link(s) }),
  }
  one('#what').replaceChildren(h('h3', title, h('small', view.isHeld ? 'held, Esc lets go' : '')), h('div.v', spell(m.slice(s.start, Math.min(s.end, s.start + 400))[0]), size > 400 ? ' …' : ''), h('strong', main.short),
    ...sentences.filter(Boolean).map(text => h('p', capital(text) + '.')), h('dl', Object.entries(facts).map(([name, what]) => what ? [h('dt', name), h('dd', what)] : [])))
}

// The hex is one text of lines of equal length: two nodes for any message. What is selected in it is a
// highlight over places that are counted, and no element.
const hexed = {}, HEX = 6, TEXT = 31, LINE = 40

function octets(s) {
  const { m } = s, box = one('#bytes')
  if (hexed.m !== m) {
    const [first, gap, last] = m.slice(0, m.bytes)
    hexed.m = m
    hexed.rows = [...dump(first, 0, 8), ...gap ? [{ size: 0, text: `      … ${count(gap, 'byte')} not kept …`.padEnd(LINE - 1) }] : [], ...dump(last, m.bytes - last.length, 8)]
    box.textContent = hexed.rows.map(row => row.text).join('\n')
  }
  const text = box.firstChild, range = (from, to) => new StaticRange({ startContainer: text, startOffset: from, endContainer: text, endOffset: to })
  for (const [name, { start, end }] of [['line', s.line], ['on', s]]) {
    CSS.highlights.set(name, new Highlight(...hexed.rows.flatMap((row, n) => {
      const from = Math.max(start - row.start, 0), to = Math.min(end - row.start, row.size), hex = n * LINE + HEX, text = n * LINE + TEXT
      return from < to ? [range(hex + from * 3, hex + to * 3 - 1), range(text + from, text + to)] : []
    })))
  }
  const top = hexed.rows.findIndex(row => row.start + row.size > s.start) * box.scrollHeight / hexed.rows.length
  if (top < box.scrollTop || top > box.scrollTop + box.clientHeight - 40) box.scrollTop = top - 60
}

/** The part below a point of the hex. */
export function partAtPoint(x, y) {
  const { offsetNode, offset } = document.caretPositionFromPoint(x, y) || {}, column = offset % LINE, row = hexed.rows[offset / LINE | 0]
  if (offsetNode !== one('#bytes').firstChild || !row.size) return
  return partAt(hexed.m, row.start + Math.min(Math.max(column < TEXT ? (column - HEX) / 3 | 0 : column - TEXT, 0), row.size - 1))
}

/** The part that holds a place of a message, the last one behind its end. */
export function partAt(m, place) {
  const all = m.lines.flatMap(line => line.spans)
  return all.find(s => place < s.end) || all.at(-1)
}
