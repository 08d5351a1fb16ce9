// The shown exchange, or a connection that has none: heading, story, connection, messages.

import { drawCommand } from './actions.js'
import { make, one, updateChildren } from './dom.js'
import { card, drawMessage } from './message.js'
import { drawRibbon } from './ribbon.js'
import { view } from './state.js'
import { lost, statusClass } from './store.js'
import { duration, say } from './texts.js'

const MAIN = one('main')

/** They light up if they moved the selected part. */
export let shownCalls = []

export function drawExchange(connection, exchange, buttons) {
	shownCalls = []
	const messages = exchange?.messages || []
	const isOther = exchange !== view.exchange || connection !== view.connection
	Object.assign(view, { connection, exchange, part: undefined })
	const name = say('connection', { number: connection.number })
	const fresh = make('main',
		make('h1', exchange ? heading(exchange) : name),
		make('p.story', exchange && story(connection, exchange)),
		make('div.acts', buttons),
		card(name, say('aboutConnection'), { key: 'connection' },
			drawRibbon(connection, exchange, true, shownCalls),
			drawRibbon(connection, exchange, false, shownCalls),
			make('p.say', lesson(connection, exchange)),
			drawTimeline(connection, messages)),
		messages.map(drawMessage))
	if (isOther) {
		MAIN.replaceChildren()
		MAIN.scrollTop = 0
	}
	updateChildren(MAIN, fresh)
	document.title = say('title', { heading: one('h1').textContent })
	one('aside').hidden = !exchange
}

function heading({ request, response }) {
	const result = response?.status ? `${response.status} ${response.reason}` : '…'
	return [make('span.m', request?.method), ` ${request?.target || ''} → `, make('span.s' + statusClass(response), result)]
}

function story({ closed, lostBefore }, { messages, response }) {
	const sentences = messages.map(message => message.story)
	const end = closed ? 'noResponse' : lost.events > lostBefore ? 'notAllRecorded' : 'noResponseYet'
	if (!response) sentences.push(say(end))
	return sentences.filter(Boolean).join(' ')
}

function lesson({ closed, recvs }, exchange) {
	const [bold, rest] = exchange?.request?.seam || []
	if (rest) return [make('b', bold), rest]
	return closed ? closed.sentence + '.' : !recvs[0] && say('nothingSent')
}

/** Moments, the time between them, and who was waited for. */
function drawTimeline({ accepted, closed }, messages) {
	const steps = [accepted, ...messages, closed].flatMap(event => event?.steps || []).sort(([a], [b]) => a - b)
	return make('ol.steps', steps.map(([time, words], place) => {
		const [next, , until = '', waiting] = steps[place + 1] || []
		return make('li.' + until,
			make('b', place ? '+' + duration(time) : accepted?.clock),
			words,
			next - time >= 1 && make('small', `${waiting} ${duration(next - time)}`))
	}))
}

/** Instead of an exchange: pairs of words and a command or an address. */
export function drawAdvice(title, advice) {
	MAIN.replaceChildren(make('div.lead', make('h1', title),
		advice.map(([words, command]) => [make('p', words), command && drawCommand(command)])))
	one('aside').hidden = true
}
