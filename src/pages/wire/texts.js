// Every text of this page that a person reads, in one table: a translation is a second one.
//
// A text with a count has the plurals of its language. Sentences about messages come from the server.

const LANGUAGE = 'en'
const TEXTS = {
	title: '{heading} · wire view',

	connecting: 'connecting...',
	connectingAgain: 'connecting again: {why}',
	streamEnded: 'the server ended the stream',
	wrongKey: 'wrong key',
	live: 'live',
	paused: 'paused: nothing is recorded',
	connections: { one: '{n} connection', other: '{n} connections' },
	exchanges: { one: '{n} exchange', other: '{n} exchanges' },
	dropped: { one: '{n} event dropped', other: '{n} events dropped' },
	inMemory: 'kept in memory only',
	follow: 'Follow',
	pause: 'Pause',
	resume: 'Resume',
	clear: 'Clear',
	keys: 'keys',
	theme: 'light or dark',

	list: 'connections',
	filter: 'filter: 404, POST, /path, c3',
	chipCut: 'glued/cut',
	chipChunked: 'chunked',
	chipBroken: 'broken',
	noMatch: 'No exchange matches all words.',
	moreMatches: 'The newest {shown} of {n}. Filter to see others.',
	growing: 'under way',

	needsKey: 'This page needs its key.',
	nothingYet: 'Nothing on the wire yet.',
	notFound: 'No exchange "{start}" has been recorded (yet).',
	notRecorded: '{id} is not recorded.',
	whyNotRecorded: 'It has not happened yet, or it was dropped to free memory. If it arrives, it is shown.',

	copy: 'Copy',
	copied: 'Copied: {text}',
	copyCurl: 'Copy as curl',
	copySend: 'Copy as barewire send',
	replay: 'Replay',
	replayed: 'Sent again, with the same cuts and pauses.',
	rawRequest: 'Raw request',
	rawResponse: 'Raw response',
	har: 'HAR',

	connection: 'Connection c{number}',
	aboutConnection: 'the calls of the program, and the HTTP messages in them',
	nothingSent: 'The client has sent nothing yet.',
	noResponse: 'There was no response.',
	noResponseYet: 'There is no response yet.',
	notAllRecorded: 'Too much arrived at once: the rest was not recorded.',
	recvRow: 'recv() gave',
	requestRow: 'messages',
	responseRow: 'responses',
	sendRow: 'send() took',
	callBlock: '#{number} · {n} B',
	callHint: '{name}: {n} B at +{time}',
	moreCalls: '{n} more',
	notParsed: '{n} not parsed',
	moving: '{n} under way',
	missing: '{n} missing',
	milliseconds: '{digits} ms',
	seconds: '{digits} s',

	callStarts: '{name} starts here, +{time}',
	notKept: '… {n} B not kept …',
	space: 'space',

	panel: 'what is this?',
	more: 'More',
	pinned: 'pinned (Esc to unpin)',
	valueOf: 'value of {name}',
	bytes: 'bytes',
	position: '{first}–{last} ({n}) of: {message}',
	cameIn: 'came in',
	wentOut: 'went out',
	inCall: '{name} at +{time}',
	inCalls: '{name} to #{number} (cut into {n} pieces) at +{time}',
	rule: 'rule',
	dump: 'the bytes',

	close: 'Close',
}

export const KEYS = [
	['↑ ↓', 'line'],
	['← →', 'part of the line'],
	['J K', 'exchange below, above'],
	['F', 'follow the newest exchange'],
	['/', 'filter: all words must match'],
	['Esc', 'clear the filter, or unpin the selected part'],
]

const plurals = new Intl.PluralRules(LANGUAGE)

/** The text of this name with these values in it. `n` gets separators: `5,000`; `time` is in milliseconds. */
export function say(name, values = {}) {
	const entry = TEXTS[name]
	const text = typeof entry === 'string' ? entry : entry[plurals.select(values.n)]
	const formats = { n: n => n.toLocaleString(LANGUAGE), time: duration }
	return text.replace(/\{(\w+)\}/g, (_, key) => formats[key]?.(values[key]) ?? values[key])
}

/** Three digits of a duration: `0.412 ms`, `9.95 s`. */
export function duration(milliseconds) {
	const [name, digits] = milliseconds < 9950 ? ['milliseconds', Number(milliseconds.toPrecision(3))] : ['seconds', (milliseconds / 1000).toFixed(1)]
	return say(name, { digits })
}

/** Fills the elements of the document that name a text for their content or for an attribute. */
export function fillDocument() {
	for (const attribute of ['text', 'aria-label', 'placeholder']) {
		for (const element of document.querySelectorAll(`[data-${attribute}]`)) {
			const text = say(element.getAttribute('data-' + attribute))
			if (attribute === 'text') element.textContent = text
			else element.setAttribute(attribute, text)
		}
	}
}
