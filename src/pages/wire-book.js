// What is known of the wire: connections, calls, messages, and plain words about them.
//
// Never: the DOM, the network. A place in a message counts from its first octet, that of a call from
// the first octet of its side of the connection.
//
// The subtle thing: an answer may come before the end of its request (413, 401), so an exchange begins
// with whichever event names it first.

export const connections = new Map(), book = { dropped: 0 }

export const number = n => n.toLocaleString('en')
export const count = (n, noun) => `${number(n)} ${noun}${n === 1 ? '' : 's'}`
export const millis = ms => ms < 9950 ? ms.toFixed(ms < .95 ? 2 : ms < 9.95 ? 1 : 0) + ' ms' : (ms / 1000).toFixed(1) + ' s'
export const capital = text => text && text[0].toUpperCase() + text.slice(1)
export const short = (text, most) => text.length > most ? text.slice(0, most) + '…' : text
export const answers = x => [...x.interims, x.response].filter(Boolean)
export const messages = x => [x.request, ...answers(x)].filter(Boolean)

/** Takes one event; returns the connection it changed. */
export function take(e) {
  const n = e.connection
  book.dropped += e.dropped || 0
  if (e.event === 'forgotten') connections.delete(n)
  else if (n) {
    if (!connections.has(n)) connections.set(n, new Connection(n))
    return connections.get(n).take(e)
  }
}

class Connection {
  exchanges = []
  recvs = []
  sends = []

  constructor(n) { this.n = n }

  take(e) {
    Object.assign(this, { [e.event]: e, hay: undefined, heard: book.dropped })
    if (e.event === 'recv') this.recvs.push({ ...e, at: end(this.recvs), len: e.bytes, time: e.at })
    if (e.spans) {
      const m = new Message(e), id = 'c' + e.exchange
      let x = this.exchanges.findLast(x => x.id === id)
      if (!x) this.exchanges.push(x = { id, c: this, interims: [] })
      if (m.isInterim) x.interims.push(m)
      else x[e.event] = m
      merge(this.calls(m), e.recvs || e.sends, m.start)
    }
    return this
  }

  calls(m) { return m.isRequest ? this.recvs : this.sends }

  /** Plain words on its card. */
  get tags() {
    const all = this.exchanges, some = f => all.some(x => messages(x).some(f))
    const most = (list, name) => Math.max(...list.slice(-999).map(e => e?.[name] || 0))
    const glued = most(this.recvs, 'requests'), calls = most(all.map(x => x.request), 'calls'), why = this.closed?.reason
    return Object.entries({
      'never spoke: opened in advance': why === 'NeverSpoke',
      [glued + ' requests in one recv()']: glued > 1,
      [`one request, ${calls} recv() calls`]: calls > 1,
      [`reused: ${all.length} exchanges`]: glued < 2 && all[1],
      'chunked request': some(m => m.isRequest && m.isChunked),
      'chunked response': some(m => !m.isRequest && m.isChunked),
      '100-continue': some(m => m.status === 100),
      broken: some(m => m.broken?.cut_off === false),
      'cut off': some(m => m.broken?.cut_off),
      reset: why === 'Broken',
    }).flatMap(([words, isSo]) => isSo ? words : [])
  }

  /** What the filter looks through, for each exchange. */
  get hays() {
    return this.hay ||= (this.exchanges[0] ? this.exchanges : [{}]).map(({ request: q, response: a }) => `${q?.method} ${q?.target} ${a?.status} ${a?.status / 100 | 0}xx c${this.n} ${this.who} `.concat(this.tags)
      .replace('in one', '$& glued seam').replace('calls', '$& cut seam').toLowerCase())
  }

  /** The client, by its own words. */
  get who() {
    const text = this.exchanges[0]?.request?.text, name = /\\nuser-agent: *(\S*?)(\\r| (.*))/i.exec(text)
    return name ? /Firefox|Edg|Chrome|Safari/.exec(name[3])?.[0] || name[1] : text ? 'by hand' : this.accepted?.peer
  }
}

const end = calls => calls[0] ? calls.at(-1).at + calls.at(-1).len : 0
const covers = at => call => call.at + call.len > at
const moment = (calls, at) => calls.find(covers(at))?.time

/** Puts the calls of a message among those that are known; only the last ones can be concerned. */
function merge(calls, more, from) {
  const tail = new Map()
  while (end(calls) > from) tail.set(calls.at(-1).at, calls.pop())
  for (const [at, len, time, via] of more) tail.set(at, { ...tail.get(at), at, len, time, via })
  calls.push(...[...tail.values()].sort((a, b) => a.at - b.at))
}

/** The calls that moved octets `from..to` of a side, each with its number. */
export const carried = (calls, from, to) => calls.map((call, n) => ({ ...call, n: n + 1 })).filter(call => call.at < to && covers(from)(call))

class Message {
  constructor(e) {
    Object.assign(this, e)
    this.isRequest = e.event === 'request'
    this.isInterim = e.status > 99 && e.status < 200 && e.status !== 101
    this.isChunked = /chunk/.test(e.framing?.sentence)
    this.end = e.start + e.bytes
    this.reason = this.say(this.part('reason'))
  }

  /** Octets as far as they were kept: those at the front, how many were not, those at the back. */
  slice(from, to) {
    this.kept ||= [this.octets.first, this.octets.last].map(text => Uint8Array.from(atob(text), c => c.charCodeAt(0)))
    const [first, last] = this.kept.map((octets, n) => {
      const skip = n && this.kept[0].length + this.octets.gap
      return octets.subarray(Math.max(0, from - skip), Math.max(0, to - skip))
    })
    return [first, to - from - first.length - last.length, last]
  }

  part(kind) { return this.spans.find(s => book.kinds[s[2]] === kind) }
  say([at, len] = [0, 0]) { return String.fromCharCode(...this.slice(at, at + len)[0]) }

  /** Its lines, as a person would number them, each with its spans. */
  get lines() {
    let line, isData = false, chunks = 0
    const lines = this.made || []
    for (const span of this.made ? [] : this.spans) {
      const [start, len] = span, kind = book.kinds[span[2]], note = book.notes[span[3]], end = start + len
      isData &&= kind !== 'chunk-end' && kind !== 'bad'
      const isContent = kind === 'body' || start >= this.head && (isData || !this.isChunked)
      if (line?.isContent !== isContent) lines.push(line = { start, spans: [], isContent })
      line.spans.push({ m: this, line, start, end, kind, note, text: this.say(isContent ? undefined : span) })
      line.end = end
      if (kind === 'chunk-size') line.chunk = note.name !== 'last-chunk' && ++chunks
      if (!isContent && this.slice(end - 1, end)[0][0] === 10) {
        isData = line.chunk > 0
        line = undefined
      }
    }
    return this.made = lines
  }

  /** What stands beside a line: words, the section that says so, how it looks. */
  note({ spans, chunk, isContent, start, end }) {
    const [{ kind, note, text }] = spans, of = kind => spans.find(s => s.kind === kind)?.note, bad = of('bad')
    return bad ? [bad.short, bad.section, 'wrong']
    : kind === 'method' ? ['request line: ' + note.short, 'RFC 9112 §3']
    : kind === 'version' ? ['status line: ' + of('status')?.short, 'RFC 9112 §4']
    : isContent ? [count(end - start, 'byte') + ' of body' + (this.hidden ? ', hidden: it may repeat a short secret' : this.from_file ? ', sent by the kernel with sendfile()' : '')]
    : kind === 'blank' ? [start < this.head ? 'blank line: head ends, ' + count(end, 'byte') : note.short, note.section, 'mark']
    : chunk ? [`chunk ${chunk}: size 0x${text} = ${count(parseInt(text, 16), 'byte')}`, note.section]
    : note.name === 'field/other' ? [] : [note.short, note.section]
  }
}

const DOES = { GET: 'asks for', HEAD: 'asks only for the head of', POST: 'sends data to', PUT: 'wants to store', DELETE: 'wants to remove' }

/** One exchange in plain words. */
export function story({ c, request: q, response: a, interims, id }) {
  const before = id.split('.')[1] - 1, { broken } = q || {}
  return [
    broken ? broken.cut_off ? 'The request is cut off.' : 'The marked bytes break the grammar of HTTP. Nobody can say where this request ends, so the answer is the last one.'
    : q && `${c.who === 'by hand' ? 'Someone typing by hand' : c.who} ${DOES[q.method] || `sends ${q.method} to`} ${short(q.target, 90)}${before ? ', on a connection already used ' + count(before, 'time') : ''}.`,
    interims[0]?.status === 100 && 'The server first says 100: go on, send the body.',
    q && a && moment(c.sends, a.start) < moment(c.recvs, q.end - 1) && 'The answer was given before the whole request was there.',
    a ? `barewire answers ${a.status} ${a.reason}. ${capital((a.broken || a.framing || '').sentence)}.` : c.closed ? 'There was no answer.' : book.dropped > c.heard ? 'Too much came at once: the rest was not recorded.' : 'The answer is still to come.',
  ].filter(Boolean).join(' ')
}

/** What the ribbon shows: the bold part and the rest. */
export function seams({ request: q, c }) {
  const inside = q ? carried(c.recvs, q.start, q.end) : [], calls = inside.length, glued = inside.find(call => call.requests > 1), { segments } = inside[0] || {}
  return !q ? ['', 'The request has not arrived completely.']
  : q.broken?.cut_off === false ? ['', 'The server stops at the byte that breaks the rule. What lies behind it could mean anything, so it is not looked at.']
  : glued ? [calls > 1 ? `recv() #${glued.n} brought pieces of ${glued.requests} requests.` : `${glued.requests} requests arrived glued together in one recv().`,
    'TCP is a stream of bytes and knows no messages. The blank line after each head is the border that HTTP draws.' + (segments > 1 ? ` ${segments} TCP segments were waiting, one recv() took them all.` : '')]
  : calls > 1 ? [`One request, ${number(calls)} recv() calls.`, inside[1].at < q.start + q.head ? 'The cuts fall anywhere, even inside a word. A server must keep reading until it has seen the blank line.' : 'Only the head says how many bytes of body are still to come. A server must keep reading until it has them all.']
  : [segments > 1 ? `${segments} TCP segments, one recv().` : '', 'Here one recv() happened to hold exactly one request. Do not count on it.']
}

/** The moments of an exchange: `[time, words, whose turn it was until then]`. */
export function steps({ c, request: q, response: a, interims = [] }) {
  const { recvs, sends, closed } = c
  const known = [
    q && [moment(recvs, q.start), 'first byte', 'quiet'],
    q?.framing && [moment(recvs, q.start + q.head - 1), 'head complete', 'client'],
    q && (q.broken || q.bytes > q.head) && [moment(recvs, q.end - 1), q.broken ? 'here it breaks' : 'body complete', 'client'],
    ...interims.map(m => [moment(sends, m.start), m.status + ' sent', 'server']),
    a && [moment(sends, a.start), 'answer starts', 'server'],
    a && [moment(sends, a.end - 1), 'answer sent', 'sending'],
  ].filter(step => step?.[0] >= 0).sort(([a], [b]) => a - b)
  if (closed) known.push([Math.max(closed.at, known.at(-1)?.[0] || 0), `closed by the ${closed.by}: ${book.notes[closed.note].short}`, 'quiet'])
  return known
}
