// The list of connections and exchanges, and its filter.

import { make, one, setChildren, setText, updateChildren } from './dom.js'
import { view } from './state.js'
import { newestFirst, statusClass } from './store.js'
import { duration, say } from './texts.js'

/** Drawn at most: connections, rows, exchanges of a connection. */
const CARDS = 200
const ROWS = 500
const EXCHANGES = 12

const LIST = one('#list')
const FILTER = one('#q')

const CHIPS = [
	...['2xx', '3xx', '4xx', '5xx'].map(status => chip(status, { status })),
	chip(say('chipCut'), { tags: ['glued', 'cut'] }),
	chip(say('chipChunked'), { tags: ['chunked-request', 'chunked-response'] }),
	chip(say('chipBroken'), { tags: ['broken'] }),
]
one('#chips').append(...CHIPS)
FILTER.oninput = () => drawList()

function chip(text, finds) {
	const onclick = ({ currentTarget }) => {
		currentTarget.ariaPressed = currentTarget.ariaPressed !== 'true'
		drawList()
	}
	return make('button.chip', text, { ariaPressed: false, finds, onclick })
}

export function clearFilter() {
	FILTER.value = ''
	FILTER.blur()
	drawList()
}

/** All words must be found, one of the pressed statuses, and a tag of each other pressed chip. */
function matcher() {
	const pressed = CHIPS.filter(chip => chip.ariaPressed === 'true').map(chip => chip.finds)
	const statuses = pressed.flatMap(({ status }) => status || [])
	const words = FILTER.value.toLowerCase().split(/\s+/)
	return (text, { tags }) => words.every(word => text.includes(word))
		&& (!statuses[0] || statuses.some(status => text.includes(status)))
		&& pressed.every(chip => !chip.tags || tags.some(({ id }) => chip.tags.includes(id)))
}

/** Draws what matches; anew only cards of `changed`, if given. Returns the newest exchange. */
export function drawList(changed, all = newestFirst()) {
	const matches = matcher()
	const cards = []
	let rows = 0
	let matching = 0
	let newest
	for (const connection of all) {
		const hits = connection.searchTexts.map(text => matches(text, connection))
		const isMatching = hits.includes(true)
		matching += isMatching
		const last = connection.exchanges.findLast((_, place) => hits[place])
		if (last && !(newest?.number > last.number)) newest = last
		if (isMatching && cards.length < CARDS && rows <= ROWS) {
			if (!connection.card || !changed || changed.has(connection)) drawCard(connection, hits)
			rows += connection.card.childElementCount
			cards.push(connection.card)
		} else connection.card = undefined
	}
	setChildren(LIST, cards)
	setText('#more', matching > cards.length ? say('moreMatches', { shown: cards.length, n: matching }) : all[0] && !matching ? say('noMatch') : '')
	markShown()
	return newest
}

function drawCard(connection, hits) {
	const { number, who, accepted, tags, exchanges } = connection
	const id = 'c' + number
	const isBad = id => /broken|cut-off|reset/.test(id)
	updateChildren(connection.card ||= make('div.conn'), make('div',
		make('button.who', { id }, make('b', id), make('span.grow', who), accepted?.clock),
		make('div.tags', tags.map(({ id, text }) => make(isBad(id) ? 'span.tag.bad' : 'span.tag', text))),
		exchanges.filter((_, place) => hits[place]).slice(-EXCHANGES).map(drawRow)))
}

function drawRow({ id, request, response, growing }) {
	return make('button.ex', { id, key: id },
		make('span.m', request?.method),
		make('span.grow', request?.target),
		make('b.s' + statusClass(response), response?.status || '…'),
		growing ? make('small.going', say('growing')) : make('small', response?.took && duration(response.took)))
}

/** Marks the row of what is shown. It is the only one where Tab stops. Returns it. */
export function markShown() {
	const row = document.getElementById(view.exchange?.id || 'c' + view.connection?.number)
	const stop = row || LIST.querySelector('button')
	for (const button of LIST.querySelectorAll('button')) {
		const current = button === row ? 'true' : null
		if (button.ariaCurrent !== current) button.ariaCurrent = current
		const index = button === stop ? 0 : -1
		if (button.tabIndex !== index) button.tabIndex = index
	}
	return row
}
