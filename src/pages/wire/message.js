// A message as a card: lines with their meaning, and marks where calls begin.

import { hex, spell } from './bytes.js'
import { make, linkTo } from './dom.js'
import { dictionary } from './store.js'
import { say } from './texts.js'

/** Most calls that are marked in a message. */
const CUTS = 100

export const card = (title, about, ...contents) =>
	make('section.card', make('h2', title, make('small', about)), contents)

export const sectionOf = (note, text = note.section) => note.link ? linkTo(note.link, text) : text

export function drawMessage(message) {
	const { about, calls, side, start, end } = message
	const isKept = place => !message.slice(place, place + 1)[1]
	const inside = calls.filter(({ from }) => from > start && from < end && isKept(from - start)).slice(0, CUTS)
	const cuts = inside.map(call => ({ ...call, at: call.from - start, hint: say('callStarts', call) }))
	const seamAt = place => cuts.filter(({ at }) => at === place).map(({ hint }) => make('div.seam', hint, { key: 'seam' + place }))
	const lines = message.rows.map(row => [seamAt(row.start), drawRow(row, cuts)])
	return card(...about, { key: side + start }, make('div.msg', lines), drawFoot(message))
}

function drawRow(row, cuts) {
	const { start, note, isContent, words, parts } = row
	return make(isContent ? 'div.ln.content' : 'div.ln', { key: 'row' + start, shows: row },
		make('span.off', hex(start, 4)),
		make('div.by', parts.map(part => drawPart(part, cuts))),
		// Chromium does not draw a lone space after a text that has grown.
		make('div.nt', words && words + ' ', sectionOf(note, note.section?.replace('RFC ', ''))))
}

/** A part of a line. It can be selected. */
function drawPart(part, cuts) {
	const { message, row, start, end, kind } = part
	// A call that begins with the row has a line of its own.
	const inside = cuts.filter(({ at }) => at >= start && at < end && at > row.start)
	const ends = [...inside.map(({ at }) => at), end]
	const bytes = (from, to) => {
		const [first, gap, last] = message.slice(from, to)
		return [spell(first, row.isContent), gap > 0 && make('div.pill', say('notKept', { n: gap })), spell(last, row.isContent)]
	}
	const made = make('span.f.k-' + kind, { key: 'part' + start, shows: part, tabIndex: -1, role: 'button' },
		bytes(start, ends[0]),
		inside.map(({ at, number, hint }, place) => [make('span.cut', '#' + number, { title: hint }), bytes(at, ends[place + 1])]),
		message.isGrowing && end === message.bytes && make('i.caret'))
	// A screen reader has no other name for a button without letters.
	if (!made.textContent.trim()) made.ariaLabel = say('space')
	return made
}

/** Where it ends, what is wrong, or what is still missing. */
function drawFoot({ foot, broken, isGrowing, under_way: underWay }) {
	if (underWay) {
		const { sentence, arrived: value, promised: max } = underWay
		const meter = max > 0 && make('progress', { max, value, ariaLabel: sentence })
		return make('p.fr.going', make('b', isGrowing && say('growing')), ' ' + sentence, meter)
	}
	const [bold, because = '', section, note] = foot || []
	return make(broken ? 'p.fr.wrong' : 'p.fr', make('b', bold), because + ' ', note && sectionOf(dictionary.notes[note], section))
}
