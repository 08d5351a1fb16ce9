// What is known of the wire: connections, calls, messages, and plain words about them.
//
// Never: the DOM, the network, an octet as markup. The events are those of `--wire=json`; a place in a
// message counts from its first octet, a place of a call from the first octet of its side.
//
// The subtle thing: an answer may come before the end of its request (413, 401), so an exchange begins
// with whichever event names it first.

export const book = { connections: new Map(), order: [], exchanges: 0, dropped: 0, kinds: [], notes: {}, named: {} }

export const count = (n, noun) => `${n.toLocaleString('en')} ${noun}${n === 1 ? '' : 's'}`
export const bytes = n => count(n, 'byte')
export const millis = ms => (ms < 9.95 ? ms.toFixed(1) : ms < 9950 ? Math.round(ms).toLocaleString('en') : (ms / 1000).toFixed(1)) + (ms < 9950 ? ' ms' : ' s')
export const capital = text => text[0].toUpperCase() + text.slice(1)
const end = call => call.at + call.len

export function learn({ kinds, notes }) {
  Object.assign(book, { kinds, notes })
  for (const note of Object.values(notes)) book.named[note.name] = note
}

export function forget() {
  book.connections.clear()
  Object.assign(book, { order: [], exchanges: 0, dropped: 0 })
}

/** Takes one event; what changed is the connection it returns. */
export function take(event) {
  if (event.event === 'dropped') book.dropped += event.dropped
  const n = event.connection
  if (!n) return
  if (event.event === 'forgotten') {
    const gone = book.connections.get(n)
    if (gone) {
      book.connections.delete(n)
      book.order.splice(book.order.indexOf(gone), 1)
      book.exchanges -= gone.exchanges.length
    }
    return
  }
  let c = book.connections.get(n)
  if (!c) {
    book.connections.set(n, c = new Connection(n))
    // Nearly always the newest; the place is looked for from the end.
    let at = book.order.length
    while (at && book.order[at - 1].n > n) at--
    book.order.splice(at, 0, c)
  }
  c.take(event)
  return c
}

class Connection {
  constructor(n) {
    Object.assign(this, { n, peer: '', clock: '', recvs: [], sends: [], exchanges: [], byNumber: new Map() })
  }

  take(e) {
    this.hay = this.said = undefined
    if (e.event === 'accepted') Object.assign(this, { peer: e.peer, clock: e.clock })
    if (e.event === 'closed') this.closed = e
    if (e.event === 'recv') {
      const last = this.recvs.at(-1)
      this.recvs.push({ at: last ? end(last) : 0, len: e.bytes, time: e.at, requests: e.requests, segments: e.segments })
    }
    if (e.event !== 'request' && e.event !== 'response') return
    const message = new Message(e), number = +e.exchange.split('.')[1]
    let x = this.byNumber.get(number)
    if (!x) {
      x = { id: 'c' + e.exchange, c: this, number, interims: [] }
      this.byNumber.set(number, x)
      this.exchanges.push(x)
      book.exchanges++
    }
    if (message.isRequest) x.request = message
    else if (e.status >= 100 && e.status < 200 && e.status !== 101) x.interims.push(message)
    else x.response = message
    merge(message.isRequest ? this.recvs : this.sends, (e.recvs || e.sends || []), message.start)
  }

  calls(message) { return message.isRequest ? this.recvs : this.sends }

  /** Plain words on the card, and for the filter. */
  get tags() {
    if (this.said) return this.said
    const tags = [], all = this.exchanges, some = f => all.some(f)
    const glued = Math.max(0, ...this.recvs.slice(-999).map(r => r.requests || 0)), calls = Math.max(0, ...all.map(x => x.request?.calls || 0))
    if (this.closed?.reason === 'NeverSpoke') tags.push('never spoke: opened in advance')
    else if (!this.recvs.length && !all.length) tags.push('silent so far')
    if (glued > 1) tags.push(glued + ' requests in one recv()')
    if (calls > 1) tags.push(`one request, ${calls} recv() calls`)
    if (all.length > 1 && glued < 2) tags.push(`reused: ${all.length} exchanges`)
    if (some(x => x.request?.isChunked)) tags.push('chunked request')
    if (some(x => x.response?.isChunked)) tags.push('chunked response')
    if (some(x => x.interims.some(m => m.status === 100))) tags.push('100-continue')
    if (some(x => messages(x).some(m => m.broken && !m.broken.cut_off))) tags.push('broken')
    if (some(x => messages(x).some(m => m.broken?.cut_off))) tags.push('cut off')
    if (this.closed?.reason === 'Broken') tags.push('reset')
    return this.said = tags
  }

  /** What the filter looks through, for each exchange, or for the connection that has none. */
  get hays() {
    const tags = this.tags.join(' '), seams = (/ in one /.test(tags) ? ' glued' : '') + (/ calls/.test(tags) ? ' cut' : '')
    return this.hay ||= (this.exchanges.length ? this.exchanges : [{}]).map(({ request: q, response: a }) =>
      `${q?.method} ${q?.target} ${a?.status} ${String(a?.status)[0]}xx c${this.n} ${tags}${seams} ${this.who}`.toLowerCase())
  }

  get who() {
    const name = this.exchanges[0]?.request?.text.match(/\\nuser-agent:\s*(.*?)\\r/i)?.[1]
    if (!name) return this.exchanges.length ? 'by hand' : this.peer
    return name.startsWith('Mozilla') ? (/Firefox|Edg|Chrome|Safari/.exec(name)?.[0] || 'a browser').replace('Edg', 'Edge') : name.split(' ')[0]
  }
}

/** Puts the calls of a message among those that are known; only the last ones can be concerned. */
function merge(calls, more, from) {
  const tail = new Map()
  while (calls.length && end(calls.at(-1)) > from) {
    const call = calls.pop()
    tail.set(call.at, call)
  }
  for (const [at, len, time, via] of more) tail.set(at, { ...tail.get(at), at, len, time, via })
  calls.push(...[...tail.values()].sort((a, b) => a.at - b.at))
}

export const messages = x => [x.request, ...x.interims, x.response].filter(Boolean)

class Message {
  constructor(event) {
    Object.assign(this, event)
    this.isRequest = event.event === 'request'
    this.end = this.start + this.bytes
    this.isChunked = [3, 4].includes(this.framing?.rule)
    this.reason = this.spell(this.part('reason'))
  }

  /** Octets `from..to` as far as they were kept: `[first, how many were not, last]`. */
  slice(from, to) {
    this.first ||= decode(this.octets.first)
    this.last ||= decode(this.octets.last)
    const front = this.first.length, back = front + this.octets.gap
    const first = this.first.subarray(from, to), last = this.last.subarray(Math.max(0, from - back), Math.max(0, to - back))
    return [first, to - from - first.length - last.length, last]
  }

  /** The octet at a place, undefined where it was only counted. */
  octet(at) {
    const [a, , b] = this.slice(at, at + 1)
    return a[0] ?? b[0]
  }

  /** A span of the head as text. */
  spell(span) { return span ? String.fromCharCode(...this.slice(span[0], span[0] + span[1])[0]) : '' }

  part(kind) { return this.spans.find(s => book.kinds[s[2]] === kind) }

  /** Its lines, as a person would number them, each with its spans. */
  get lines() {
    if (this.made) return this.made
    const lines = []
    let line, isData = false, chunks = 0
    for (const [start, len, kindNumber, note] of this.spans) {
      const span = { start, end: start + len, kind: book.kinds[kindNumber], note: book.notes[note] }
      const { kind } = span
      if (kind === 'chunk-end' || kind === 'bad') isData = false
      const isContent = kind === 'body' || (start >= this.head && (this.isChunked ? isData : true))
      if (!line || line.isContent !== isContent) lines.push(line = { start, spans: [], isContent })
      span.line = line
      line.spans.push(span)
      line.end = span.end
      if (kind === 'chunk-size') line.chunk = span.note.name === 'last-chunk' ? 0 : ++chunks
      if (!isContent && this.octet(span.end - 1) === 10) {
        isData = line.chunk > 0
        line = undefined
      }
    }
    return this.made = lines
  }

  get broke() { return this.broken?.len ? this.broken : undefined }

  /** What stands beside a line: words, and the section that says so. */
  note(line) {
    const { named } = book, first = line.spans[0], n = line.end - line.start
    const bad = this.broke && line.start <= this.broken.byte && this.broken.byte < line.end
    if (bad) return [line.spans.find(s => s.kind === 'bad')?.note.short, this.broken.section, 'wrong']
    if (first.kind === 'method') return ['request line: ' + first.note.short, 'RFC 9112 §3']
    if (first.kind === 'version') return ['status line: ' + (line.spans.find(s => s.kind === 'status')?.note.short || ''), 'RFC 9112 §4']
    if (line.isContent) return [this.hidden ? 'hidden: it may repeat a secret too short to be found' : this.from_file ? `${bytes(n)} of body, ${named['from-file'].short}` : this.isChunked ? `${bytes(n)} of body` : bytes(n) + ' of body', '']
    if (first.kind === 'blank' && first.start < this.head) return [`blank line: head ends, ${bytes(line.end)}`, first.note.section, 'mark']
    if (line.chunk) {
      const digits = String.fromCharCode(...this.slice(first.start, first.end)[0])
      return [`chunk ${line.chunk}: size 0x${digits} = ${bytes(parseInt(digits, 16))}`, first.note.section]
    }
    if (first.kind === 'name' && first.note.name === 'field/other') return ['', '']
    return [first.kind === 'trailer' ? named.trailer.short : first.note?.short, first.note?.section, first.kind === 'blank' ? 'mark' : '']
  }
}

const decode = base64 => Uint8Array.from(atob(base64), c => c.charCodeAt(0))

/** The calls that moved octets `from..to` of a side, and the number of the first. */
export function carried(calls, from, to) {
  const first = calls.findIndex(c => end(c) > from)
  const inside = first < 0 ? [] : calls.slice(first).filter(c => c.at < to)
  return { first, inside }
}

/** The moment the octet at a place of a side was there. */
export const moment = (calls, at) => calls.find(c => end(c) > at)?.time

const DOES = {
  GET: 'asks for', HEAD: 'asks only for the head of', POST: 'sends data to', PUT: 'wants to store', DELETE: 'wants to remove',
  OPTIONS: 'asks what is possible with', TRACE: 'wants its own request back from', PATCH: 'wants to change a part of', CONNECT: 'wants a tunnel to',
}

/** One exchange in plain words. */
export function story(x) {
  const { c, request: q, response: a } = x, before = c.exchanges.indexOf(x)
  const who = c.who === 'by hand' ? 'Someone typing by hand' : capital(c.who)
  const said = []
  if (q?.broken?.cut_off) said.push(`The request is cut off: ${q.broken.sentence}.`)
  else if (q?.broken) said.push(`The marked bytes break the grammar of HTTP: ${q.broken.sentence}. Nobody can say for sure where this request ends, so the connection is closed after the answer.`)
  else if (q) said.push(`${who} ${DOES[q.method] || 'sends ' + q.method + ' to'} ${short(q.target)}${before > 0 ? `, on a connection already used ${before === 1 ? 'once' : before + ' times'}` : ''}.`)
  if (x.interims.some(m => m.status === 100)) said.push('The server first says 100: go on, send the body.')
  if (!a) said.push(c.closed ? 'There was no answer.' : 'The answer is still to come.')
  else {
    if (q && a.sends?.[0]?.[2] < moment(c.recvs, q.end - 1)) said.push('The answer was given before the whole request was there.')
    said.push(`barewire answers ${a.status} ${a.reason}.`)
    if (a.broken) said.push(`The response is broken: ${a.broken.sentence}.`)
    else if (a.framing) said.push(capital(a.framing.sentence) + '.')
  }
  return said.join(' ')
}

export const short = (text, most = 90) => text.length > most ? text.slice(0, most - 30) + ' … ' + text.slice(-20) : text

/** What the ribbon shows, in one sentence: the bold part and the rest. */
export function seams(x) {
  const { request: q, c } = x
  if (!q) return ['', 'The request has not arrived completely.']
  const { first, inside } = carried(c.recvs, q.start, q.end)
  const here = inside.map(r => r.requests || 1), glued = Math.max(...here), segments = inside.length === 1 && inside[0].segments
  if (glued > 1 && inside.length > 1) return [`recv() #${first + 1 + here.indexOf(glued)} brought pieces of ${glued} requests.`, 'TCP carries a stream of bytes and knows no messages. What is left of one request is the start of the next.']
  if (glued > 1) return [`${glued} requests arrived glued together in one recv().`, 'TCP carries a stream of bytes and knows no messages. The blank line after each head is the border that HTTP draws.' + (segments > 1 ? ` ${segments} TCP segments were waiting, one recv() took them all.` : '')]
  if (inside.length > 1) {
    const inHead = inside.some(r => r.at > q.start && r.at < q.start + q.head)
    return [`One request, ${inside.length.toLocaleString('en')} recv() calls.`, inHead ? 'The cuts fall anywhere, even inside a word. A server must keep reading until it has seen the blank line.' : 'The head ended where a call ended, this time. How many bytes of body are still to come, only the head says.']
  }
  if (segments > 1) return [`${segments} TCP segments were waiting, one recv() took them all.`, 'Neither segments nor calls are messages.']
  return ['', 'Here one recv() happened to hold exactly one request. Do not count on it.']
}

/** The moments of an exchange: `[time, words, whose turn it was until then]`. */
export function steps(x) {
  const { c, request: q, response: a } = x, out = []
  const say = (time, words, turn) => time !== undefined && out.push([time, words, turn])
  if (q) {
    say(moment(c.recvs, q.start), 'first byte', 'idle')
    const isWhole = !q.broken || q.framing
    if (isWhole) say(moment(c.recvs, q.start + q.head - 1), 'head complete', 'client')
    if (q.bytes > q.head && !q.broken) say(moment(c.recvs, q.end - 1), 'body complete', 'client')
    if (q.broken) say(moment(c.recvs, q.end - 1), q.broken.cut_off ? 'nothing more came' : 'found broken', 'client')
  }
  for (const m of x.interims) say(moment(c.sends, m.start), `${m.status} sent`, 'server')
  if (a) {
    say(moment(c.sends, a.start), 'answer starts', 'server')
    say(moment(c.sends, a.end - 1), 'answer sent', 'sending')
  }
  out.sort((a, b) => a[0] - b[0])
  if (c.closed) say(Math.max(c.closed.at, out.at(-1)?.[0] || 0), `closed by the ${c.closed.by}: ${book.notes[c.closed.note]?.short || c.closed.reason}`, 'idle')
  return out
}
