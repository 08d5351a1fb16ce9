// The model: connections, exchanges and messages, built from events. Sentences come from the server.
//
// It uses neither the DOM nor the network. A response may begin before its request ends (413, 401), so the
// first event that names an exchange creates it. Positions in a message count from its first byte, those
// of calls from the first byte of their side.

export const connections = new Map(), book = { dropped: 0 }

export const number = n => n.toLocaleString('en')
export const count = (n, noun) => `${number(n)} ${noun}${n === 1 ? '' : 's'}`
export const millis = ms => ms < 9950 ? +ms.toPrecision(3) + ' ms' : (ms / 1000).toFixed(1) + ' s'
// Last the bytes after a fault, which no parser has read.
export const messages = x => x ? [x.request, ...x.interims, x.response, ...x.unparsed].filter(Boolean) : []

/** Takes one event; returns the connection it changed. */
export function take(e) {
  const n = e.connection
  book.dropped += e.event === 'dropped' ? e.dropped || 1 : 0
  if (e.event === 'forgotten') connections.delete(n)
  else if (n) {
    if (!connections.has(n)) connections.set(n, new Connection(n))
    return connections.get(n).take(e)
  }
}

class Connection {
  exchanges = []
  // Indexed by number - 1. Of very many calls the last is a sum.
  recvs = []
  sends = []
  tags = []

  constructor(n) { this.n = n }

  take(e) {
    Object.assign(this, { [e.event]: e, tags: e.tags || this.tags, hay: undefined, heard: book.dropped })
    const call = (calls, from, len, time, n, how) => calls[n - 1] = { from, to: from + len, time, how, n, name: `${how}() #${n}` }
    if (e.event === 'recv') call(this.recvs, e.start, e.bytes, e.at, e.call, 'recv')
    for (const told of e.sends || []) call(this.sends, ...told)
    if (e.spans) {
      const m = new Message(this, e), id = 'c' + e.exchange
      let x = this.exchanges.findLast(x => x.id === id)
      if (!x) this.exchanges.push(x = { id, c: this, interims: [], unparsed: [] })
      if (m.event === 'unparsed') x.unparsed.push(m)
      else if (m.interim) x.interims.push(m)
      else x[m.event] = m
    }
    return this
  }

  /** The client, by its User-Agent. */
  get who() { return this.exchanges[0]?.request?.who || this.accepted?.peer }

  /** The text that the filter searches, for each exchange. */
  get hays() {
    return this.hay ||= (this.exchanges[0] ? this.exchanges : [{}]).map(({ request: q, response: a }) =>
      [q?.method, q?.target, a?.status, (a?.status / 100 | 0) + 'xx', 'c' + this.n, this.who, ...this.tags.flatMap(tag => ['#' + tag.id, tag.text])].join(' ').toLowerCase())
  }
}

/** The calls that moved bytes `from..to` of a side. */
export const carried = (calls, from, to) => calls.filter(call => call.from < to && call.to > from)

class Message {
  constructor(c, { lines, ...e }) {
    const isRequest = e.side === 'request'
    Object.assign(this, e, { told: lines, isRequest, end: e.start + e.bytes, calls: isRequest ? c.recvs : c.sends })
  }

  /** The kept bytes of `from..to`: at the front, the number of missing ones, at the back. */
  slice(from, to) {
    this.kept ||= [this.octets.first, this.octets.last].map(text => Uint8Array.from(atob(text), c => c.charCodeAt(0)))
    const [first, last] = this.kept.map((bytes, n) => {
      const skip = n && this.kept[0].length + this.octets.gap
      return bytes.subarray(Math.max(0, from - skip), Math.max(0, to - skip))
    })
    return [first, to - from - first.length - last.length, last]
  }

  /** Its lines, each with its spans. */
  get lines() {
    return this.made ||= this.told.map(([start, len, kind, id, words]) => {
      const end = start + len, note = id ? book.notes[id] : {}, line = { start, end, isContent: /body|data/.test(kind), note, words: words || note.short }
      line.spans = this.spans.filter(([at]) => at >= start && at < end).map(([start, len, kind, id]) => ({ m: this, line, start, end: start + len, kind: book.kinds[kind], note: book.notes[id] }))
      return line
    })
  }
}
