// What is known of the wire. What is said of it the server says.
//
// Never: the DOM, the network.
//
// The subtle thing: an answer may come before the end of its request (413, 401), so an exchange begins
// with whichever event names it first. Places in a message count from its first octet, those of calls
// from the first octet of their side of the connection.

export const connections = new Map(), book = { dropped: 0 }

export const number = n => n.toLocaleString('en')
export const count = (n, noun) => `${number(n)} ${noun}${n === 1 ? '' : 's'}`
export const millis = ms => ms < 9950 ? +ms.toPrecision(3) + ' ms' : (ms / 1000).toFixed(1) + ' s'
export const messages = x => x ? [x.request, ...x.interims, x.response].filter(Boolean) : []

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
  // Calls by their numbers. Of very many only the sum is told.
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
      if (!x) this.exchanges.push(x = { id, c: this, interims: [] })
      if (m.interim) x.interims.push(m)
      else x[m.event] = m
    }
    return this
  }

  /** The client, by its own words. */
  get who() { return this.exchanges[0]?.request?.who || this.accepted?.peer }

  /** What the filter looks through, for each exchange. */
  get hays() {
    return this.hay ||= (this.exchanges[0] ? this.exchanges : [{}]).map(({ request: q, response: a }) =>
      [q?.method, q?.target, a?.status, (a?.status / 100 | 0) + 'xx', 'c' + this.n, this.who, ...this.tags].join(' ').toLowerCase())
  }
}

/** The calls that moved octets `from..to` of a side. */
export const carried = (calls, from, to) => calls.filter(call => call.from < to && call.to > from)

class Message {
  constructor(c, { lines, ...e }) {
    const isRequest = e.event === 'request'
    Object.assign(this, e, { told: lines, isRequest, end: e.start + e.bytes, calls: isRequest ? c.recvs : c.sends })
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

  /** Its lines, as a person would number them, each with its spans. */
  get lines() {
    return this.made ||= this.told.map(([start, len, kind, id, words]) => {
      const end = start + len, note = id ? book.notes[id] : {}, line = { start, end, isContent: /body|data/.test(kind), note, words: words || note.short }
      line.spans = this.spans.filter(([at]) => at >= start && at < end).map(([start, len, kind, id]) => ({ m: this, line, start, end: start + len, kind: book.kinds[kind], note: book.notes[id] }))
      return line
    })
  }
}
