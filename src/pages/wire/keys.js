// Keyboard and mouse.

import { one } from './dom.js'
import { partAtPoint } from './dump.js'
import { arrive, goTo } from './links.js'
import { clearFilter } from './list.js'
import { choose, enter, pin, select, show } from './select.js'
import { drawSoon, view } from './state.js'

const LIST = one('#list')
const MAIN = one('main')
const FILTER = one('#q')
const HELP = one('dialog')

export function toggleFollowing() {
	view.mode = view.mode === 'following' ? 'free' : 'following'
	drawSoon()
}

function unpin() {
	if (view.mode === 'pinned') view.mode = 'free'
	if (view.part) select(view.part)
}

function walkLines(by) {
	const rows = view.exchange?.messages.flatMap(message => message.rows) || []
	enter(rows[rows.indexOf(view.part?.row) + by]?.parts[0])
}

function walkParts(by) {
	const parts = view.part?.row.parts || []
	enter(parts[parts.indexOf(view.part) + by])
}

/** Goes to another exchange, or to a connection without one. */
function walkList(by) {
	const rows = [...LIST.querySelectorAll('.ex,.who:nth-last-child(2)')]
	const row = rows[rows.findIndex(row => row.ariaCurrent) + by]
	if (!row) return
	const wasInside = LIST.contains(document.activeElement)
	goTo(row.id)
	arrive()
	if (wasInside) row.focus()
}

const ACTIONS = {
	arrowdown: () => walkLines(1),
	arrowup: () => walkLines(-1),
	arrowright: () => walkParts(1),
	arrowleft: () => walkParts(-1),
	j: () => walkList(1),
	k: () => walkList(-1),
	f: toggleFollowing,
	'?': () => HELP.showModal(),
	'/': () => FILTER.focus(),
	escape: unpin,
}

function actionOf({ key, target }) {
	if (target === FILTER) return key === 'Escape' && clearFilter
	if (key === ' ' || key === 'Enter') return target.shows?.row && (() => pin(target.shows))
	return ACTIONS[key.toLowerCase()]
}

/** The mouse selects. Content that moves below it does not. */
function hover(event) {
	const isMoved = (event.movementX || event.movementY) && event.pointerType === 'mouse'
	const part = isMoved && view.mode !== 'pinned' && partBelow(event)
	if (part && part !== view.part) choose(part)
}

/** A click pins, the next one unpins. A block of the ribbon leads to its first byte. */
function click(event) {
	const block = event.target.closest('.blk')
	if (block?.leadsTo) {
		const { exchange, part } = block.leadsTo
		if (exchange !== view.exchange) show(exchange.connection, exchange)
		return pin(part)
	}
	const part = partBelow(event)
	if (view.mode === 'pinned' && part === view.part) unpin()
	else pin(part)
}

function partBelow({ currentTarget, target, clientX, clientY }) {
	return currentTarget === MAIN ? target.closest('.f')?.shows : partAtPoint(clientX, clientY)
}

export function listen() {
	onkeydown = event => {
		const action = !(event.ctrlKey || event.metaKey || event.altKey || HELP.open) && actionOf(event)
		if (!action) return
		action()
		event.preventDefault()
		drawSoon()
	}
	LIST.onclick = ({ target }) => goTo(target.closest('button')?.id)
	for (const box of [MAIN, one('#bytes')]) {
		box.onpointermove = hover
		box.onclick = click
	}
}
