// What is known of the wire: connections, calls, messages, and plain words about them.
//
// Never: the DOM, the network. A place in a message counts from its first octet, that of a call from
// the first octet of its side of the connection.
//
// The subtle thing: an answer may come before the end of its request (413, 401), so an exchange begins
// with whichever event names it first.

export const book = { connections: new Map(), exchanges: 0, dropped: 0, notes: {}, kinds: [] }

export const number = n => n.toLocaleString('en')
export const count = (n, noun) => `${number(n)} ${noun}${n === 1 ? '' : 's'}`
export const bytes = n => count(n, 'byte')
export const millis = ms => ms < 9.95 ? ms.toFixed(ms < .95 ? 2 : 1) + ' ms' : ms < 9950 ? Math.round(ms) + ' ms' : (ms / 1000).toFixed(1) + ' s'
export const capital = text => text[0].toUpperCase() + text.slice(1)
export const messages = x => [x.request, ...x.interims, x.response].filter(Boolean)

export function forget() {
  book.connections.clear()
  book.exchanges = book.dropped = 0
}

/** Takes one event; returns the connection it changed. */
export function take(e) {
  book.dropped += e.dropped || 0
  const n = e.connection
  if (!n) return
  let c = book.connections.get(n)
  if (e.event === 'forgotten') {
    book.exchanges -= c?.exchanges.length || 0
    book.connections.delete(n)
    return
  }
  if (!c) book.connections.set(n, c = new Connection(n))
  c.take(e)
  return c
}

class Connection {
  exchanges = []
  recvs = []
  sends = []
  clock = ''
  peer = ''

  constructor(n) { this.n = n }

  take(e) {
    this.words = this.hay = undefined
    if (e.event === 'accepted') Object.assign(this, { peer: e.peer, clock: e.clock })
    if (e.event === 'closed') this.closed = e
    if (e.event === 'recv') this.recvs.push({ at: end(this.recvs), len: e.bytes, time: e.at, requests: e.requests, segments: e.segments })
    if (!e.spans) return
    const m = new Message(e), id = 'c' + e.exchange
    let x = this.exchanges.findLast(x => x.id === id)
    if (!x) {
      this.exchanges.push(x = { id, c: this, interims: [] })
      book.exchanges++
    }
    if (m.isRequest) x.request = m
    else if (m.isInterim) x.interims.push(m)
    else x.response = m
    merge(this.calls(m), e.recvs || e.sends || [], m.start)
  }

  calls(m) { return m.isRequest ? this.recvs : this.sends }

  /** Plain words on its card. */
  get tags() {
    const all = this.exchanges, glued = Math.max(0, ...this.recvs.slice(-999).map(r => r.requests || 0)), calls = Math.max(0, ...all.map(x => x.request?.calls || 0))
    const when = (words, f) => all.some(f) && words
    return this.words ||= [
      this.closed?.reason === 'NeverSpoke' ? 'never spoke: opened in advance' : !this.recvs[0] && 'silent so far',
      glued > 1 && glued + ' requests in one recv()',
      calls > 1 && `one request, ${calls} recv() calls`,
      glued < 2 && all.length > 1 && `reused: ${all.length} exchanges`,
      when('chunked request', x => x.request?.isChunked),
      when('chunked response', x => x.response?.isChunked),
      when('100-continue', x => x.interims.some(m => m.status === 100)),
      when('broken', x => messages(x).some(m => m.broken?.cut_off === false)),
      when('cut off', x => messages(x).some(m => m.broken?.cut_off)),
      this.closed?.reason === 'Broken' && 'reset',
    ].filter(Boolean)
  }

  /** What the filter looks through, for each exchange. */
  get hays() {
    const tags = this.tags.join(' '), more = (/ in one /.test(tags) ? 'glued' : '') + (/ calls/.test(tags) ? 'cut' : '')
    return this.hay ||= (this.exchanges[0] ? this.exchanges : [{}]).map(({ request: q, response: a }) =>
      `${q?.method} ${q?.target} ${a?.status} ${a?.status / 100 | 0}xx c${this.n} ${tags} ${more} ${this.who}`.toLowerCase())
  }

  get who() {
    const name = /\\nuser-agent: *(.*?)\\r/i.exec(this.exchanges[0]?.request?.text)?.[1]
    return !name ? this.exchanges[0] ? 'by hand' : this.peer : name.startsWith('Mozilla') ? /Firefox|Edg|Chrome|Safari|$/.exec(name)[0] || 'browser' : name.split(' ')[0]
  }
}

const end = calls => calls[0] ? calls.at(-1).at + calls.at(-1).len : 0

/** Puts the calls of a message among those that are known; only the last ones can be concerned. */
function merge(calls, more, from) {
  const tail = new Map()
  while (end(calls) > from) tail.set(calls.at(-1).at, calls.pop())
  for (const [at, len, time, via] of more) tail.set(at, { ...tail.get(at), at, len, time, via })
  calls.push(...[...tail.values()].sort((a, b) => a.at - b.at))
}

/** The calls that moved octets `from..to` of a side, and the number before the first. */
export function carried(calls, from, to) {
  const before = calls.findIndex(c => c.at + c.len > from)
  return { before, inside: before < 0 ? [] : calls.slice(before).filter(c => c.at < to) }
}
const moment = (calls, at) => calls.find(c => c.at + c.len > at)?.time
const decode = text => Uint8Array.from(atob(text), c => c.charCodeAt(0))

class Message {
  constructor(e) {
    Object.assign(this, e)
    this.isRequest = e.event === 'request'
    this.isInterim = e.status >= 100 && e.status < 200 && e.status !== 101
    this.end = e.start + e.bytes
    this.isChunked = /chunk/.test(e.framing?.sentence)
    this.reason = this.say('reason')
  }

  /** Octets as far as they were kept: those at the front, how many were not, those at the back. */
  slice(from, to) {
    this.first ||= decode(this.octets.first)
    this.last ||= decode(this.octets.last)
    const back = this.first.length + this.octets.gap
    const first = this.first.subarray(from, to), last = this.last.subarray(Math.max(0, from - back), Math.max(0, to - back))
    return [first, to - from - first.length - last.length, last]
  }

  part(kind) { return this.spans.find(s => book.kinds[s[2]] === kind) }

  /** The first part of a kind, as text. */
  say(kind, [at, len] = this.part(kind) || [0, 0]) { return String.fromCharCode(...this.slice(at, at + len)[0]) }

  /** Its lines, as a person would number them, each with its spans. */
  get lines() {
    if (this.made) return this.made
    let line, isData = false, chunks = 0
    this.made = []
    for (const [start, len, kindNumber, id] of this.spans) {
      const kind = book.kinds[kindNumber], note = book.notes[id], end = start + len
      if (kind === 'chunk-end' || kind === 'bad') isData = false
      const isContent = kind === 'body' || start >= this.head && (isData || !this.isChunked)
      if (line?.isContent !== isContent) this.made.push(line = { start, spans: [], isContent })
      line.spans.push({ m: this, line, start, end, kind, note })
      line.end = end
      if (kind === 'chunk-size') line.chunk = note.name === 'last-chunk' ? 0 : ++chunks
      if (!isContent && this.slice(end - 1, end)[0][0] === 10) {
        isData = line.chunk > 0
        line = undefined
      }
    }
    return this.made
  }

  /** What stands beside a line: words, the section that says so, how it looks. */
  note({ spans, chunk, isContent, start, end }) {
    const [{ kind, note, ...first }] = spans, bad = spans.find(s => s.kind === 'bad')
    if (bad) return [bad.note.short, bad.note.section, 'wrong']
    if (kind === 'method') return ['request line: ' + note.short, 'RFC 9112 §3']
    if (kind === 'version') return ['status line: ' + spans.find(s => s.kind === 'status')?.note.short, 'RFC 9112 §4']
    if (isContent) return [`${bytes(end - start)} of body${this.hidden ? ', hidden: it may repeat a short secret' : this.from_file ? ', sent by the kernel with sendfile()' : ''}`]
    if (kind === 'blank' && start < this.head) return [`blank line: head ends, ${bytes(end)}`, note.section, 'mark']
    const digits = chunk && this.say('', [first.start, first.end - first.start])
    if (chunk) return [`chunk ${chunk}: size 0x${digits} = ${bytes(parseInt(digits, 16))}`, note.section]
    return note.name === 'field/other' ? [] : [note.short, note.section, kind === 'blank' ? 'mark' : '']
  }
}

const DOES = { GET: 'asks for', HEAD: 'asks only for the head of', POST: 'sends data to', PUT: 'wants to store', DELETE: 'wants to remove', OPTIONS: 'asks what is possible with' }

/** One exchange in plain words. */
export function story({ c, request: q, response: a, interims, id }) {
  const said = [], before = id.split('.')[1] - 1
  if (q?.broken) said.push(q.broken.cut_off ? `The request is cut off: ${q.broken.sentence}.` : `The marked bytes break the grammar of HTTP: ${q.broken.sentence}. Nobody can say for sure where this request ends, so the connection is closed after the answer.`)
  else if (q) said.push(`${c.who === 'by hand' ? 'Someone typing by hand' : c.who} ${DOES[q.method] || `sends ${q.method} to`} ${short(q.target)}${before ? `, on a connection already used ${before === 1 ? 'once' : before + ' times'}` : ''}.`)
  if (interims[0]?.status === 100) said.push('The server first says 100: go on, send the body.')
  if (!a) said.push(c.closed ? 'There was no answer.' : 'The answer is still to come.')
  else {
    if (q && moment(c.sends, a.start) < moment(c.recvs, q.end - 1)) said.push('The answer was given before the whole request was there.')
    said.push(`barewire answers ${a.status} ${a.reason}.`, a.broken ? `The answer is broken: ${a.broken.sentence}.` : capital(a.framing?.sentence || '') + '.')
  }
  return said.join(' ')
}
export const short = (text, most = 90) => text.length > most ? text.slice(0, most - 30) + ' … ' + text.slice(-20) : text

/** What the ribbon shows: the bold part and the rest. */
export function seams({ request: q, c }) {
  if (!q) return ['', 'The request has not arrived completely.']
  const { before, inside } = carried(c.recvs, q.start, q.end), calls = inside.length
  const each = inside.map(r => r.requests || 1), glued = Math.max(...each), segments = calls === 1 && inside[0].segments
  const waited = segments > 1 ? `${segments} TCP segments were waiting, one recv() took them all. ` : ''
  if (q.broken?.cut_off === false) return ['', 'The server stops at the byte that breaks the rule. What lies behind it is not looked at: it could mean anything.']
  if (glued > 1 && calls > 1) return [`recv() #${before + 1 + each.indexOf(glued)} brought pieces of ${glued} requests.`, 'TCP carries a stream of bytes and knows no messages: behind the end of one request lies the start of the next.']
  if (glued > 1) return [`${glued} requests arrived glued together in one recv().`, `TCP carries a stream of bytes and knows no messages. The blank line after each head is the border that HTTP draws. ${waited}`]
  if (calls > 1) return [`One request, ${number(calls)} recv() calls.`, inside[1].at < q.start + q.head ? 'The cuts fall anywhere, even inside a word. A server must keep reading until it has seen the blank line.' : 'Only the head says how many bytes of body are still to come. A server must keep reading until it has them all.']
  return [waited, 'Here one recv() happened to hold exactly one request. Do not count on it.']
}

/** The moments of an exchange: `[time, words, whose turn it was until then]`. */
export function steps({ c, request: q, response: a, interims }) {
  const out = [], say = (calls, at, words, turn) => out.push([moment(calls, at), words, turn])
  if (q) {
    say(c.recvs, q.start, 'first byte', 'quiet')
    if (q.framing) say(c.recvs, q.start + q.head - 1, 'head complete', 'client')
    if (q.broken || q.bytes > q.head) say(c.recvs, q.end - 1, q.broken ? q.broken.cut_off ? 'nothing more came' : 'found broken' : 'body complete', 'client')
  }
  for (const m of interims) say(c.sends, m.start, m.status + ' sent', 'server')
  if (a) {
    say(c.sends, a.start, 'answer starts', 'server')
    say(c.sends, a.end - 1, 'answer sent', 'sending')
  }
  const known = out.filter(([time]) => time !== undefined).sort(([a], [b]) => a - b)
  return c.closed ? [...known, farewell(c, known.at(-1)?.[0])] : known
}
export const farewell = ({ closed }, after = 0) => [Math.max(closed.at, after), `closed by the ${closed.by}: ${book.notes[closed.note].short}`, 'quiet']
