// The page of the wire view takes events from the server and draws them.
//
// `store` takes an event; `list` and `exchange` (with `ribbon`, `message`, `actions`) draw it. `keys` and `links` are
// the ways to a part; `select` shows it, in `panel` and `dump`.

import { attempt } from './actions.js'
import { ask, askFor, fragment, readLines, stored, takeKey } from './api.js'
import { make, one, setText } from './dom.js'
import { drawAdvice } from './exchange.js'
import { listen, toggleFollowing } from './keys.js'
import { arrive, goTo, isLooking } from './links.js'
import { drawList } from './list.js'
import { select, show } from './select.js'
import { drawSoon, forget, view } from './state.js'
import { clear, dictionary, lost, newestFirst, take } from './store.js'
import { fillDocument, KEYS, say } from './texts.js'

/** Milliseconds from one drawing of an exchange to the next. */
const REST = 100
/** Milliseconds before the next try: at first, at most. */
const FIRST_RETRY = 250
const LAST_RETRY = 4000

/** The first line of the stream; the number of its last event; when the last line came. */
let hello
let last = 0
let heard = 0
let isPaused = false
/** Why there is no stream. */
let noStream = say('connecting')

async function follow() {
	let wait = FIRST_RETRY
	for (;;) {
		try {
			if (!dictionary.kinds) Object.assign(dictionary, await askFor('json', 'notes'))
			await readLines(await ask('events?since=' + last), line => {
				hear(JSON.parse(line))
				wait = FIRST_RETRY
			})
			throw new Error(say('streamEnded'))
		} catch (error) {
			noStream = error.isKeyWrong ? say('wrongKey') : say('connectingAgain', { why: error.message })
			drawSoon()
			if (error.isKeyWrong) return drawAdvice(say('needsKey'), error.advice)
		}
		await new Promise(done => setTimeout(done, wait))
		wait = Math.min(wait * 2, LAST_RETRY)
	}
}

/** Connections that the list shows as they were. */
const changed = new Set()

function hear(event) {
	noStream = ''
	heard = performance.now()
	last = event.seq || last
	isPaused = event.paused ?? isPaused
	if (event.event === 'hello') hello = event
	const isNew = event.event === 'cleared' || event.reset
	if (isNew) {
		clear()
		forget()
	}
	if (isNew || event.kept?.connections === 0) drawAdvice(say('nothingYet'), hello.start)
	changed.add(take(event))
	drawSoon()
}

/** When the exchange was drawn; whether it has changed since. */
let drawn = -REST
let isOld = false
let timer

view.draw = now => {
	const all = newestFirst()
	const newest = drawList(changed, all)
	drawHeader(all)
	isOld ||= view.connection && changed.has(view.connection)
	changed.clear()
	// A link is resolved after all kept events, or it would find an old exchange.
	const isLoading = isLooking() && last < hello?.kept.last_seq && now - heard < REST
	if (isLooking() && !isLoading && arrive()) return
	const isOther = view.mode === 'following' && newest && newest !== view.exchange
	if (isLoading || (isOther || isOld) && now - drawn < REST) {
		clearTimeout(timer)
		timer = setTimeout(drawSoon, REST)
		return
	}
	if (!isOther && !isOld) return
	isOld = false
	if (isOther) show(newest.connection, newest)
	else show(view.connection, view.exchange || view.connection.exchanges[0])
	drawn = performance.now()
}

function drawHeader(all) {
	const counts = [
		say('connections', { n: all.length }),
		say('exchanges', { n: all.flatMap(({ exchanges }) => exchanges).length }),
		lost.events ? say('dropped', { n: lost.events }) : say('inMemory'),
	]
	setText('#stream', noStream || say(isPaused ? 'paused' : 'live'))
	setText('#counts', ' · ' + counts.join(' · '))
	setText('#safe', hello?.safe || '')
	setText('#pause', say(isPaused ? 'resume' : 'pause'))
	one('#live').className = noStream || isPaused ? '' : 'on'
	one('#follow').ariaPressed = view.mode === 'following'
}

const setTheme = theme => { document.documentElement.style.colorScheme = theme || '' }

one('#follow').onclick = toggleFollowing
one('#pause').onclick = attempt(() => ask('pause', JSON.stringify({ paused: !isPaused })))
one('#clear').onclick = attempt(() => ask('clear', '{}'))
one('#keys').onclick = () => one('dialog').showModal()
one('#theme').onclick = () => {
	const isDark = stored('theme') ? stored('theme') === 'dark' : matchMedia('(prefers-color-scheme:dark)').matches
	setTheme(stored('theme', isDark ? 'light' : 'dark'))
}
// On a phone: the whole of the panel, or its first lines.
one('#sheet').onclick = () => {
	one('aside').classList.toggle('up')
	if (view.part) select(view.part)
}
// An address with a key, pasted into this window: start again.
onhashchange = ({ newURL }) => /[#&]k=/.test(newURL) ? location.reload() : goTo(fragment(newURL))

fillDocument()
one('dl').append(...KEYS.flatMap(([keys, what]) => [make('dt', keys), make('dd', what)]))
setTheme(stored('theme'))
listen()
goTo(takeKey())
follow()
