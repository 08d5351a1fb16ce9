// Shows an exchange and selects a part of it: in its line, dump, ribbon, panel and address.

import { exchangeButtons } from './actions.js'
import { hex } from './bytes.js'
import { one, setText } from './dom.js'
import { showDump } from './dump.js'
import { drawExchange, shownCalls } from './exchange.js'
import { markShown } from './list.js'
import { showMeaning } from './panel.js'
import { drawSoon, view } from './state.js'
import { callsOf } from './store.js'

/** Draws an exchange, or a connection without one. What a person has selected stays so. */
export function show(connection, exchange) {
	const isSame = exchange === view.exchange
	const before = isSame ? view.part : undefined
	const hadFocus = before?.element && before.element === document.activeElement
	const end = isSame && one('.caret')?.getBoundingClientRect()
	const wasEndVisible = !end || end.bottom > 0 && end.top < innerHeight
	if (view.mode === 'pinned' && !isSame) view.mode = 'free'
	drawExchange(connection, exchange, exchange ? exchangeButtons(exchange) : [])
	markShown()
	const isFollowing = view.mode === 'following'
	const part = exchange && firstPart(exchange, !isFollowing && before)
	if (!part) return
	select(part)
	if (hadFocus) part.element.focus({ preventScroll: true })
	const isNewError = part.message.broken && !before?.message.broken
	if (isNewError && (isFollowing || !before)) reveal(part.row.element)
	// A growing end stays in view, unless a person has scrolled away from it.
	else if (isFollowing && wasEndVisible && part.message.isGrowing) reveal(one('.caret'))
}

/** The part as before, or the error, or where a message grows, or the target. */
function firstPart({ messages, growing }, before) {
	const old = before && messages.find(message => message.isSame(before.message))
	if (old) return old.partAt(before.start)
	const message = messages.find(({ broken }) => broken) || growing || messages[0]
	const target = message.method ? message.method.length + 1 : 0
	return message.partAt(message.broken?.byte ?? (growing ? message.bytes : target))
}

export const reveal = target => target?.scrollIntoView({ block: 'nearest' })

export function select(part) {
	const { message } = part
	const before = view.part
	if (before?.element) before.element.tabIndex = -1
	for (const old of [before?.element, before?.row.element]) old?.classList.remove('on')
	for (const now of [part.element, part.row.element]) now.classList.add('on')
	part.element.tabIndex = 0
	view.part = part
	const carriers = callsOf(shownCalls, part.from, part.to)
	for (const call of shownCalls) call.element.classList.toggle('lit', call.isRequest === message.isRequest && carriers.includes(call))
	const place = `#${view.exchange.id}/${message.event}/0x${hex(part.start, 2)}`
	// Only a new one: Safari allows a hundred in ten seconds.
	if (location.hash !== place) history.replaceState(null, '', place)
	showDump(part)
	return showMeaning(part)
}

/** Selects a part for a person. A screen reader speaks only then, and not when bytes arrive. */
export function choose(part, mode = view.mode === 'pinned' ? 'pinned' : 'free') {
	view.mode = mode
	setText('#spoken', select(part))
	drawSoon()
}

export function enter(part, mode) {
	if (!part) return
	choose(part, mode)
	part.element.focus({ preventScroll: true })
	reveal(part.row.element)
}

export const pin = part => enter(part, 'pinned')
