// The buttons of an exchange: copy, save, send again.

import { askFor } from './api.js'
import { linkTo, make, setText } from './dom.js'
import { drawSoon, view } from './state.js'
import { say } from './texts.js'

/** Milliseconds that a toast stays; that a download needs its address. */
const TOAST = 4000
const SAVED = 1000

let fading
function toast(text) {
	setText('#toast', text)
	clearTimeout(fading)
	fading = setTimeout(() => setText('#toast', ''), TOAST)
}

/** Says why, if it fails. */
export const attempt = action => () => action().catch(error => toast(error.message))
const button = (text, action) => make('button', say(text), { onclick: attempt(action) })

/** Safari copies only while a click is handled, so a text that must be fetched is a promise. */
async function copy(coming) {
	const blob = Promise.resolve(coming).then(text => new Blob([text], { type: 'text/plain' }))
	const [text] = await Promise.all([coming, navigator.clipboard.write([new ClipboardItem({ 'text/plain': blob })])])
	toast(say('copied', { text }))
}

async function save(path, name) {
	const href = URL.createObjectURL(await askFor('blob', path))
	make('a', { href, download: name }).click()
	setTimeout(() => URL.revokeObjectURL(href), SAVED)
}

async function replay(exchange) {
	const { connection } = await askFor('json', 'replay/' + exchange, '{}')
	toast(say('replayed'))
	if (connection) location.hash = `c${connection}.1`
	else view.mode = 'following'
	drawSoon()
}

export function exchangeButtons({ id, request, response }) {
	const name = id.slice(1)
	const copyFrom = path => () => copy(askFor('text', path))
	// A message that is under way would be copied in part.
	const isWhole = message => message && !message.under_way
	return [
		isWhole(request) && [
			button('copyCurl', copyFrom(`ex/${name}/curl`)),
			button('copySend', copyFrom(`ex/${name}/send`)),
			button('replay', () => replay(name)),
			button('rawRequest', () => save(`ex/${name}/request`, id + '.request')),
		],
		isWhole(response) && button('rawResponse', () => save(`ex/${name}/response`, id + '.response')),
		isWhole(request) && button('har', () => save('har?ids=' + name, id + '.har')),
	]
}

/** A command with a button that copies it, or an address as a link. */
export function drawCommand(command) {
	if (command.startsWith('http')) return make('p', linkTo(command))
	return make('p.cmd', make('code', command), button('copy', () => copy(command)))
}
