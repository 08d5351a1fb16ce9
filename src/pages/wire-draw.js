// Draws one exchange: ribbon, lines, bytes, and the meaning of each part.
//
// Text never becomes markup, since clients choose it. One selected part decides all: line, hex, ribbon
// and address only show it.

import { book, carried, count, messages, millis, number } from './wire-book.js'

export const one = css => document.querySelector(css)

/** An element: `h('p.name', 'text', { title: '…' }, other)`. */
export function h(name, ...kids) {
  const [tag, ...names] = name.split('.'), e = document.createElement(tag)
  e.className = names.join(' ')
  for (const kid of kids.flat(9)) kid?.constructor === Object ? Object.assign(e, kid) : e.append(kid || '')
  return e
}
export const button = (text, onclick) => h('button', text, { onclick })
export const away = (text, href) => h('a', text, { href, target: '_blank', rel: 'noreferrer' })

/** The shown connection and exchange, the selected part. */
export const view = {}
/** A link to the section of a note. */
const rule = (note, text = note.section) => note.link ? away(text, note.link) : text
const hex = (n, digits) => n.toString(16).padStart(digits, '0')
export const statusOf = a => 's' + (a?.status / 100 | 0)

// Characters that are invisible, or would move the text around them.
const PILLS = /(\r\n|(?!\t)[\p{C}\p{Zl}\p{Zp}])/u, FIRST = 128, NAMES = { '\r\n': '\\r\\n', '\r': '\\r', '\n': '\\n' }

/** Bytes as text; content that is no text as a short dump. */
function spell(bytes, isContent) {
  let text
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isContent })
    if (isContent && text.includes('\0')) throw 0
  } catch {
    if (isContent) return [dump(bytes.subarray(0, FIRST), 0, 8).map(row => row.text.slice(6) + '\n'), bytes.length > FIRST && '…\n']
    // No text has half a surrogate, so it can stand for a byte: \xNN.
    text = String.fromCharCode(...Array.from(bytes, b => b < 128 ? b : 0xdc00 + b))
  }
  return text.split(PILLS).map((piece, n) => {
    if (n % 2 === 0 || isContent && piece === '\n') return piece
    const code = piece.codePointAt(0)
    return h('span.pill', NAMES[piece] || (code > 255 && code >> 8 !== 0xdc ? `\\u{${hex(code, 4)}}` : '\\x' + hex(code & 255, 2)), isContent && piece === '\r\n' && '\n')
  })
}

/** Rows of a dump: first byte, size, text. */
const dump = (bytes, place, width) => Array.from({ length: Math.ceil(bytes.length / width) }, (_, n) => {
  const row = [...bytes.subarray(n * width, n * width + width)], start = place + n * width
  const pairs = row.map(b => hex(b, 2)).join(' '), letters = row.map(b => b > 31 && b < 127 ? String.fromCharCode(b) : '·').join('')
  return { start, size: row.length, text: hex(start, 4).padEnd(6) + pairs.padEnd(width * 3 + 1) + letters.padEnd(width) }
})

/** Draws an exchange, or a connection that has none. */
export function draw(c, x, acts) {
  Object.assign(view, { c, x, at: undefined, blocks: [] })
  const { request: q, response: a } = x || {}, all = messages(x), { closed } = c
  const [bold, rest] = q?.seam || ['', closed ? closed.sentence + '.' : c.recvs[0] ? 'A request has begun and is not complete.' : 'The client has sent nothing yet.']
  const end = a ? '' : closed ? 'There was no response.' : book.dropped > c.heard ? 'Too much arrived at once: the rest was not recorded.' : 'There is no response yet.'
  one('main').replaceChildren(
    h('h1', x ? [h('span.m', q?.method), ` ${q?.target} → `, h('span.' + statusOf(a), a ? `${a.status} ${a.reason}` : '…')] : 'Connection c' + c.n),
    h('p.story', x && [...all.map(m => m.story), end].join(' ')), h('div.acts', acts),
    card('Connection c' + c.n, 'the calls of the program, and the HTTP messages in them', ribbon(c, x, true), ribbon(c, x, false), h('p.say', h('b', bold), ' ', rest), timeline(c, all)),
    ...all.map(message))
  document.title = one('h1').textContent + ' · wire view'
  one('aside').hidden = !x
}
const card = (title, about, ...kids) => h('section.card', h('h2', title, h('small', about)), kids)

function timeline(c, all) {
  const steps = [c.accepted, ...all, c.closed].flatMap(e => e?.steps || []).sort(([a], [b]) => a - b)
  return h('ol.steps', steps.map(([time, words], n) => {
    const [next, , until = ''] = steps[n + 1] || []
    // The colour of the bar shows which side is waited for.
    return h('li.' + until.split(' ')[0], h('b', n ? '+' + millis(time) : c.accepted?.clock), words, next - time >= 1 && h('small', `${until} ${millis(next - time)}`))
  }))
}

// Drawn at most: exchanges on each side of the shown one, and calls.
const NEAR = 3, CALLS = 8

/** Calls and messages over the same bytes: two rows of a grid, so that boundaries align. */
function ribbon(c, x, isRequest) {
  const at = c.exchanges.indexOf(x), near = c.exchanges.slice(Math.max(0, at - NEAR), at + NEAR + 1), all = isRequest ? c.recvs : c.sends
  const parts = near.flatMap(y => messages(y).filter(m => m.isRequest === isRequest).flatMap(m => m.blocks.map(([from, to, kind, text]) =>
    ({ from, to, text, kind: kind + (x === y ? '.cur' : ''), act: at => view.go(y, m, at - m.start) }))))
  const known = parts.at(-1)?.to || 0, last = all.at(-1)?.to
  if (isRequest && last > known && near.at(-1) === c.exchanges.at(-1)) parts.push({ from: known, to: last, kind: 'rest', text: number(last - known) + (c.closed ? ' not parsed' : ' arriving') })
  if (!parts[0]) return ''
  const from = parts[0].from, to = parts.at(-1).to, calls = carried(all, from, to).map(call => {
    const len = call.to - call.from
    return { from: Math.max(from, call.from), to: Math.min(to, call.to), kind: 'call', isRequest, text: `#${call.n} · ${number(len)} B`, title: `${call.name}: ${count(len, 'byte')} at +${millis(call.time)}` }
  })
  if (calls.length > CALLS) {
    const more = calls.splice(CALLS)
    calls.push({ ...more[0], to, kind: 'rest', text: count(more.length, 'more call') })
  }
  const blocks = [...calls, ...parts], edges = [...new Set(blocks.flatMap(b => [b.from, b.to]))].sort((a, b) => a - b)
  const area = (isTop, { from, to }) => ({ style: `grid-area:${isTop ? 1 : 2}/${edges.indexOf(from) + 2}/auto/${edges.indexOf(to) + 2}` })
  view.blocks.push(...calls)
  // Widths follow the number of bytes, but leave room for the labels.
  return h('div.ribbon', { style: 'grid-template-columns:var(--lab) ' + edges.slice(1).map((edge, n) => `minmax(min-content,${edge - edges[n]}fr)`).join(' ') },
    (isRequest ? ['recv() gave', 'messages'] : ['responses', 'send() took']).map((text, n) => h('small.lab', text, { style: `grid-row:${n + 1}` })),
    blocks.map(b => {
      const { from, text } = b, isCall = calls.includes(b), owner = parts.find(p => p.act && p.from <= from && from < p.to)
      b.e = h('button.blk.' + b.kind, text, area(isCall === isRequest, b), { title: b.title || text, onclick: () => owner?.act(from) })
      return [b.e, isCall && parts.some(p => p.from < from && from < p.to) && h('span.tear', area(!isRequest, b))]
    }))
}

function message(m) {
  const [bold, because, section, note] = m.foot || []
  const cuts = m.calls.filter(({ from }) => from > m.start && from < m.end).map(({ from, n, name, time }) => ({ at: from - m.start, n, title: `${name} starts here, +${millis(time)}` }))
  const rows = m.lines.flatMap(line => {
    const { start, note } = line, cut = cuts.find(cut => cut.at === start)
    line.e = h(line.isContent ? 'div.ln.content' : 'div.ln', h('span.off', hex(start, 4)), h('div.by', line.spans.map(s => field(s, cuts))), h('div.nt', line.words, ' ', rule(note, note.section?.replace('RFC ', ''))))
    return [cut && h('div.seam', cut.title), line.e]
  })
  return card(...m.about, h('div.msg', rows), h(m.broken ? 'p.fr.wrong' : 'p.fr', h('b', bold), because, ' ', note && rule(book.notes[note], section)))
}

/** A part of a line: a button, with marks where calls begin. */
function field(s, cuts) {
  const { isContent, start } = s.line, put = (from, to) => {
    const [first, gap, last] = s.m.slice(from, to)
    return [spell(first, isContent), gap && h('div.pill', `… ${count(gap, 'byte')} counted, not kept …`), spell(last, isContent)]
  }
  const marks = cuts.filter(({ at }) => at >= s.start && at < s.end && at > start), ends = [...marks.map(cut => cut.at), s.end]
  s.e = h('span.f.k-' + s.kind, { tabIndex: -1, role: 'button', span: s },
    put(s.start, ends[0]), marks.map(({ at, n, title }, i) => [h('span.cut', '#' + n, { title }), put(at, ends[i + 1])]))
  // A screen reader has no other name for a button without letters.
  if (!s.e.textContent.trim()) s.e.ariaLabel = 'space'
  return s.e
}

/** Selects a part, everywhere it is shown. */
export function pick(s) {
  const was = view.at, { start, isRequest } = s.m
  if (was) was.e.tabIndex = -1
  for (const e of [was?.e, was?.line.e]) e?.classList.remove('on')
  for (const e of [s.e, s.line.e]) e.classList.add('on')
  s.e.tabIndex = 0
  view.at = s
  for (const b of view.blocks) b.e.classList.toggle('lit', b.isRequest === isRequest && b.from < start + s.end && start + s.start < b.to)
  meaning(s)
  showHex(s)
}
export const link = s => `#${view.x.id}/${s.m.event}/0x${hex(s.start, 2)}`

function meaning({ m, line, start, end, note, kind }) {
  const inside = carried(m.calls, m.start + start, m.start + end), [call] = inside, n = inside.length, size = end - start
  const owner = /value|framing|secret|path|query/.test(kind) && line.spans.find(o => /name|trailer/.test(o.kind)), main = owner && !note.short ? owner.note : note
  const name = owner && String.fromCharCode(...m.slice(owner.start, owner.end)[0])
  const sentences = [main.long, owner && main === note && `${name}: ${owner.note.short}`, kind === 'framing' && m.foot && m.foot[0] + m.foot[1]]
  const facts = [
    ['bytes', `${start}–${end - 1} of the ${m.event} (${number(size)})`],
    [m.isRequest ? 'came in' : 'went out', call && `${call.name}${n > 1 ? ` to #${inside[n - 1].n} (cut in ${n === 2 ? 'two' : n}!)` : ''} at +${millis(call.time)}`],
    ['rule', rule(main)],
  ]
  one('#what').replaceChildren(h('h3', owner ? 'value of ' + name : note.title, h('small', view.isHeld && 'pinned (Esc to unpin)')),
    h('div.v', spell(m.slice(start, Math.min(end, start + 400))[0]), size > 400 && ' …'), h('strong', main.short),
    ...sentences.filter(Boolean).map(text => h('p', text + '.')), h('dl', facts.map(([name, what]) => what && [h('dt', name), h('dd', what)])))
}

// The hex is one text with lines of equal length, so a selection is a highlight over computed ranges.
const hexed = {}, HEX = 6, TEXT = 31, LINE = 40

function showHex(s) {
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

/** The part at a point of the hex. Its letters are equally wide, so the box of the text gives row and column. */
export function partAtPoint(x, y) {
  const range = document.createRange()
  range.selectNodeContents(one('#bytes'))
  const box = range.getBoundingClientRect(), column = (x - box.x) / box.width * (LINE - 1) | 0
  const row = hexed.rows[Math.floor((y - box.y) / box.height * hexed.rows.length)]
  if (!row?.size || x < box.x || x > box.right) return
  return partAt(hexed.m, row.start + Math.min(Math.max(column < TEXT ? (column - HEX) / 3 | 0 : column - TEXT, 0), row.size - 1))
}

/** The part at a position of a message; after its end, the last part. */
export function partAt(m, place) {
  const all = m.lines.flatMap(line => line.spans)
  return all.find(s => place < s.end) || all.at(-1)
}
