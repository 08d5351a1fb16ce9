// Connections, exchanges and messages, built from events.
//
// A response may begin before its request ends (413, 401), so the first event of an exchange creates it. Positions in
// a message count from its first byte, those of calls from the first byte of their side.

export const connections = new Map()
/** All notes, and the names of the kinds of parts: events name both by number. */
export const dictionary = {}
export const lost = { events: 0 }

/** Returns the connection that the event changed. */
export function take(event) {
	const number = event.connection
	if (event.event === 'dropped') lost.events += event.dropped || 1
	if (event.event === 'forgotten') connections.delete(number)
	else if (number) {
		if (!connections.has(number)) connections.set(number, new Connection(number))
		return connections.get(number).take(event)
	}
}

export function clear() {
	connections.clear()
	lost.events = 0
}

export const newestFirst = () => [...connections.values()].sort((a, b) => b.number - a.number)

class Connection {
	exchanges = []
	recvs = []
	sends = []
	tags = []

	constructor(number) { this.number = number }

	take(event) {
		const { event: kind, start, bytes, at, call } = event
		this.tags = event.tags || this.tags
		this.searched = undefined
		this.lostBefore = lost.events
		if (kind === 'accepted') this.accepted = event
		if (kind === 'closed') this.closed = event
		if (kind === 'recv') addCalls(this.recvs, [[start, bytes, at, call]])
		if (kind === 'send') addCalls(this.sends, [[start, bytes, at, call, event.from_file ? 'sendfile' : 'send']])
		if (event.spans) this.takeMessage(event)
		return this
	}

	takeMessage(event) {
		addCalls(this.recvs, event.recvs)
		addCalls(this.sends, event.sends)
		const id = 'c' + event.exchange
		let exchange = this.exchanges.findLast(known => known.id === id)
		if (!exchange) this.exchanges.push(exchange = new Exchange(this, id))
		exchange.take(new Message(this, event))
	}

	get who() { return this.exchanges[0]?.request?.who || this.accepted?.peer }

	get searchTexts() {
		const textOf = ({ request, response }) => [request?.method, request?.target, response?.status,
			statusClass(response) + 'xx', 'c' + this.number, this.who, ...this.tags.map(({ text }) => text)].join(' ').toLowerCase()
		return this.searched ||= (this.exchanges[0] ? this.exchanges : [{}]).map(textOf)
	}
}

/** Puts calls in the place of those that moved the same bytes. Of very many the server sums up the last ones. */
function addCalls(calls, told) {
	if (!told?.[0]) return
	const fresh = told.map(([start, bytes, time, number, how = 'recv']) =>
		({ from: start, to: start + bytes, time, number, name: `${how}() #${number}` }))
	const place = calls.findLastIndex(({ from }) => from < fresh[0].from) + 1
	const later = calls.slice(place).filter(({ to }) => to > fresh.at(-1).to)
	calls.splice(place, Infinity, ...fresh, ...later)
}

/** The calls that moved bytes `from..to` of a side. */
export const callsOf = (calls, from, to) => calls.filter(call => call.from < to && call.to > from)

export const statusClass = response => Math.floor((response?.status || 0) / 100)

let begun = 0

class Exchange {
	messages = []

	constructor(connection, id) {
		// Greater for later exchanges, of all connections.
		Object.assign(this, { connection, id, number: begun++ })
	}

	get request() { return this.messages.find(({ event }) => event === 'request') }
	get response() { return this.messages.find(({ event, interim }) => event === 'response' && !interim) }
	/** Not bytes after an error: nothing is missing there. */
	get growing() { return this.messages.findLast(({ isGrowing, event }) => isGrowing && event !== 'unparsed') }

	take(message) {
		// A message is sent again whenever it has grown.
		this.messages = [...this.messages.filter(known => !known.isSame(message)), message]
			// The alphabet has their order: request, response, unparsed.
			.sort((a, b) => a.event.localeCompare(b.event) || a.start - b.start)
	}
}

class Message {
	constructor(owner, event) {
		const isRequest = event.side === 'request'
		Object.assign(this, event, { owner, isRequest, calls: isRequest ? owner.recvs : owner.sends })
	}

	isSame({ side, start }) { return side === this.side && start === this.start }
	get end() { return this.start + this.bytes }
	get isGrowing() { return this.under_way && !this.owner.closed }

	/** The kept bytes of `from..to`: the first ones, the number of missing ones, the last ones. */
	slice(from, to) {
		const decode = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0))
		this.kept ||= [decode(this.octets.first), decode(this.octets.last)]
		const cut = (bytes, start) => bytes.subarray(Math.max(0, from - start), Math.max(0, to - start))
		const first = cut(this.kept[0], 0)
		const last = cut(this.kept[1], this.kept[0].length + this.octets.gap)
		return [first, to - from - first.length - last.length, last]
	}

	get rows() {
		return this.madeRows ||= this.lines.map(([start, length, kind, id, words]) => {
			const note = id ? dictionary.notes[id] : {}
			const row = { start, end: start + length, note, isContent: /body|data/.test(kind), words: words || note.short }
			const spans = this.spans.filter(([at]) => at >= start && at < row.end)
			row.parts = spans.map(([start, size, kind, id]) => {
				const from = this.start + start
				return { message: this, row, start, end: start + size, from, to: from + size, kind: dictionary.kinds[kind], note: dictionary.notes[id] }
			})
			return row
		})
	}

	/** The part at a position; after the end, the last part. */
	partAt(place) {
		const parts = this.rows.flatMap(row => row.parts)
		return parts.find(part => place < part.end) || parts.at(-1)
	}
}
