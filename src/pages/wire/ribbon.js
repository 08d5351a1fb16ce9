// The ribbon: calls and messages over the same bytes, in two rows of a grid.

import { make } from './dom.js'
import { callsOf } from './store.js'
import { say } from './texts.js'

/** Drawn at most: exchanges at each side; calls. */
const NEAR = 3
const CALLS = 8

/** The ribbon of one side. Its calls are appended to `shownCalls`. */
export function drawRibbon(connection, exchange, isRequest, shownCalls) {
	const allCalls = isRequest ? connection.recvs : connection.sends
	const messages = messageBlocks(connection, exchange, isRequest, allCalls.at(-1)?.to)
	if (!messages[0]) return ''
	const calls = callBlocks(allCalls, messages[0].from, messages.at(-1).to, isRequest)
	shownCalls.push(...calls)

	// Each end of a block is a line of the grid, so the boundaries of both rows stand above each other. Widths follow
	// the number of bytes, with room for the labels.
	const edges = [...new Set([...calls, ...messages].flatMap(({ from, to }) => [from, to]))].sort((a, b) => a - b)
	const columns = edges.slice(1).map((edge, place) => `minmax(min-content,${edge - edges[place]}fr)`)
	const column = edge => edges.indexOf(edge) + 2
	const area = ({ from, to }, row) => `grid-area:${row}/${column(from)}/auto/${column(to)}`
	const [callRow, messageRow] = isRequest ? [1, 2] : [2, 1]
	const [callText, messageText] = isRequest ? ['recvRow', 'requestRow'] : ['sendRow', 'responseRow']
	const isCut = call => messages.some(({ from, to }) => from < call.from && call.from < to)

	const draw = (block, row) => {
		const owner = messages.find(({ message, from, to }) => message && from <= block.from && block.from < to)
		const leadsTo = owner && { exchange: owner.exchange, part: owner.message.partAt(block.from - owner.message.start) }
		return make('button.blk.' + block.kind, block.text,
			{ key: row + '/' + block.from, style: area(block, row), title: block.hint || block.text, shows: block, leadsTo })
	}
	return make('div.ribbon', { key: callText, style: 'grid-template-columns:var(--lab) ' + columns.join(' ') },
		make('small.lab', say(callText), { style: 'grid-row:' + callRow }),
		make('small.lab', say(messageText), { style: 'grid-row:' + messageRow }),
		calls.map(call => [draw(call, callRow),
			isCut(call) && make('span.tear', { key: 'tear' + call.from, style: area(call, messageRow) })]),
		messages.map(block => draw(block, messageRow)))
}

/** The messages of the exchanges around the shown one, and the bytes after them. */
function messageBlocks(connection, exchange, isRequest, moved) {
	const at = connection.exchanges.indexOf(exchange)
	const near = connection.exchanges.slice(Math.max(0, at - NEAR), at + NEAR + 1)
	const isOfSide = message => message?.isRequest === isRequest
	const blocks = near.flatMap(other => other.messages.filter(isOfSide).flatMap(message =>
		message.blocks.map(([from, to, kind, text]) =>
			({ from, to, text, kind: kind + (other === exchange ? '.cur' : ''), exchange: other, message }))))
	if (near.at(-1) !== connection.exchanges.at(-1)) return blocks
	const append = (kind, name, n) => {
		const from = blocks.at(-1)?.to || 0
		if (n > 0) blocks.push({ kind, from, to: from + n, text: say(name, { n }) })
	}
	// Bytes that are in no message yet.
	append('rest', connection.closed ? 'notParsed' : 'moving', moved - (blocks.at(-1)?.to || 0))
	const growing = near.at(-1)?.growing
	if (isOfSide(growing)) append('missing', 'missing', growing.under_way.promised - growing.under_way.arrived)
	return blocks
}

/** The calls over bytes `from..to`: of many the first, the last, and a sum. */
function callBlocks(calls, from, to, isRequest) {
	const inside = callsOf(calls, from, to)
	const more = inside.splice(CALLS / 2, Math.max(0, inside.length - CALLS))
	const blocks = inside.map(call => {
		const values = { ...call, n: call.to - call.from }
		return { from: Math.max(from, call.from), to: Math.min(to, call.to), kind: 'call', isRequest, hint: say('callHint', values), text: say('callBlock', values) }
	})
	const text = say('moreCalls', { n: more.length })
	if (more[0]) blocks.splice(CALLS / 2, 0, { from: more[0].from, to: more.at(-1).to, kind: 'rest', isRequest, text })
	return blocks
}
