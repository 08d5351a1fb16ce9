// Links to a place in the recording: `#c3`, `#c3.1`, `#c3.1/request/0x04`, `#find=GET /nope`.

import { drawAdvice } from './exchange.js'
import { markShown } from './list.js'
import { pin, reveal, show } from './select.js'
import { drawSoon, view } from './state.js'
import { connections, newestFirst } from './store.js'
import { say } from './texts.js'

/** The place that is looked for until it is recorded. */
let wanted
export const isLooking = () => Boolean(wanted)

export function goTo(link = '') {
	const [, start, id, side, byte] = /^(?:find=(.*)|(c[\d.]+)(?:\/(\w+)\/0x(\w+))?)$/.exec(link) || []
	if (!start && !id) return
	wanted = { start, id, side, byte: parseInt(byte, 16) }
	view.mode = 'free'
	drawSoon()
}

/** Returns whether the wanted place is known, and shown. */
export function arrive() {
	const { start, id, side, byte } = wanted
	const [connection, exchange] = find(start, id)
	if (!connection) {
		const title = id ? say('notRecorded', { id }) : say('notFound', { start })
		if (!view.connection) drawAdvice(title, [[say('whyNotRecorded')]])
		return false
	}
	wanted = undefined
	show(connection, exchange)
	reveal(markShown())
	const message = side && exchange?.messages.findLast(({ event }) => event === side)
	if (message) pin(message.partAt(byte))
	return true
}

/** The connection or exchange of this name, or the newest whose request begins so. */
function find(start, id = '') {
	const named = connections.get(parseInt(id.slice(1)))
	if (named && id === 'c' + named.number) return [named, named.exchanges[0]]
	const isWanted = ({ id: known, request }) => id ? known === id : `${request?.method} ${request?.target}`.startsWith(start)
	const exchange = newestFirst().flatMap(({ exchanges }) => exchanges.toReversed()).find(isWanted)
	return [exchange?.connection, exchange]
}
