// The selected part: value, meaning, the calls that moved it, rule.

import { spell } from './bytes.js'
import { make, one, updateChildren } from './dom.js'
import { sectionOf } from './message.js'
import { view } from './state.js'
import { callsOf } from './store.js'
import { say } from './texts.js'

/** Bytes of a value that are shown. */
const SHOWN = 400

/** Returns the meaning as text. */
export function showMeaning(part) {
	const { message, start, end, note, kind, row } = part
	// The name whose value the part is.
	const isValue = /value|framing|secret|path|query/.test(kind)
	const owner = isValue && row.parts.find(other => /name|trailer/.test(other.kind))
	const name = owner && String.fromCharCode(...message.slice(owner.start, owner.end)[0])
	const main = owner && !note.short ? owner.note : note
	const heading = owner ? say('valueOf', { name }) : note.title
	const [bold, because] = message.foot || []
	const sentences = [
		main.long,
		owner && main === note && owner.note.short && `${name}: ${owner.note.short}`,
		kind === 'framing' && bold && bold + because,
	].filter(Boolean)
	const position = { first: start, last: end - 1, n: end - start, message: message.about[0] }
	const facts = [
		[say('bytes'), say('position', position)],
		[say(message.isRequest ? 'cameIn' : 'wentOut'), carriers(part)],
		[say('rule'), sectionOf(main)],
	]
	updateChildren(one('#what'), make('section',
		make('h3', heading, make('small', view.mode === 'pinned' && say('pinned'))),
		make('div.v', spell(message.slice(start, Math.min(end, start + SHOWN))[0]), end - start > SHOWN && ' …'),
		make('strong', main.short),
		sentences.map(text => make('p', text + '.')),
		make('dl', facts.map(([term, fact]) => fact && [make('dt', term), make('dd', fact)]))))
	return [heading, main.short, ...sentences].filter(Boolean).join('. ')
}

function carriers({ message, from, to }) {
	const calls = callsOf(message.calls, from, to)
	const n = calls.length
	if (n) return say(n > 1 ? 'inCalls' : 'inCall', { ...calls[0], number: calls.at(-1).number, n })
}
