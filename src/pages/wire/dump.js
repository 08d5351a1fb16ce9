// The bytes of a message. They are one text with lines of equal length, so a selection is a highlight of ranges.

import { COLUMN, dumpRows } from './bytes.js'
import { one, updateText } from './dom.js'
import { view } from './state.js'
import { say } from './texts.js'

const BOX = one('#bytes')
const TEXT = BOX.appendChild(new Text())

let message
let rows = []
/** The place that was scrolled to. A person who scrolls away from it stays there. */
let reached

export function showDump(part) {
	if (message !== part.message) {
		message = part.message
		const [first, gap, last] = message.slice(0, message.bytes)
		const text = ' '.repeat(COLUMN.numbers) + say('notKept', { n: gap })
		const gapRow = { start: first.length, size: 0, text: text.padEnd(COLUMN.end - 1) }
		rows = [...dumpRows(first, 0), ...gap > 0 ? [gapRow] : [], ...dumpRows(last, message.bytes - last.length)]
		updateText(TEXT, rows.map(row => row.text).join('\n'))
	}
	highlight('line', part.row)
	highlight('on', part)
	const isFollowed = view.mode === 'following' && message.under_way
	const place = isFollowed ? part.end - 1 : part.start
	const name = message.exchange + message.side + place
	if (name !== reached) scrollTo(place)
	reached = name
}

function highlight(name, { start, end }) {
	const range = (from, to) => new StaticRange({ startContainer: TEXT, startOffset: from, endContainer: TEXT, endOffset: to })
	CSS.highlights.set(name, new Highlight(...rows.flatMap((row, place) => {
		const from = Math.max(start - row.start, 0)
		const to = Math.min(end - row.start, row.size)
		const numbers = place * COLUMN.end + COLUMN.numbers
		const letters = place * COLUMN.end + COLUMN.letters
		return from < to ? [range(numbers + from * 3, numbers + to * 3 - 1), range(letters + from, letters + to)] : []
	})))
}

function scrollTo(place) {
	const row = rows.findIndex(({ start, size }) => start + size > place)
	const height = BOX.scrollHeight / rows.length
	const above = row * height - BOX.scrollTop
	if (above < 0 || above > BOX.clientHeight - 2 * height) BOX.scrollTop += above - 3 * height
}

/** The part at a point. Letters are equally wide, so the box gives row and column. */
export function partAtPoint(x, y) {
	const range = document.createRange()
	range.selectNodeContents(BOX)
	const box = range.getBoundingClientRect()
	const column = Math.floor((x - box.x) / box.width * (COLUMN.end - 1))
	const row = rows[Math.floor((y - box.y) / box.height * rows.length)]
	if (!row?.size || x < box.x || x > box.right) return
	const place = column < COLUMN.letters ? Math.floor((column - COLUMN.numbers) / 3) : column - COLUMN.letters
	return message.partAt(row.start + Math.min(Math.max(place, 0), row.size - 1))
}
