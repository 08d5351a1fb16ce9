// The key of this start of the server, and requests to its API.
//
// There are no cookies. The key comes in the fragment of the printed address and is kept in the storage of this
// origin, so links of other pages work.

/** Stores a value or returns it. Some browsers forbid both. */
export function stored(name, value) {
	try {
		if (value) localStorage[name] = value
		return value || localStorage[name]
	} catch {
		return value
	}
}

export function fragment(address) {
	try {
		return decodeURIComponent(new URL(address).hash.slice(1))
	} catch {
		return ''
	}
}

let key = stored('wire-key')

/** Takes the key out of the address, where others could see it. Returns the rest, a link. */
export function takeKey() {
	const place = fragment(location).replace(/^k=([^&]*)&?/, (_, found) => {
		key = stored('wire-key', found)
		return ''
	})
	history.replaceState(null, '', '/' + (place && '#' + place))
	return place
}

/** The response of `/api/PATH`; with a body, to a POST. */
export async function ask(path, body) {
	const response = await fetch('/api/' + path, { body, method: body ? 'POST' : 'GET', headers: { 'X-Wire-Key': key } })
	if (response.ok) return response
	const { why, start } = await response.json()
	throw Object.assign(new Error(why), { isKeyWrong: response.status === 401, advice: start })
}

/** Its content, as `text`, `json` or `blob`. */
export const askFor = async (kind, path, body) => (await ask(path, body))[kind]()

/** Takes each line of a response as it arrives. Safari cannot iterate over a stream, but has readers. */
export async function readLines(response, take) {
	const reader = response.body.getReader()
	const decoder = new TextDecoder()
	let rest = ''
	try {
		for (;;) {
			const { done, value } = await reader.read()
			if (done) return
			const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
			rest = lines.pop()
			lines.filter(Boolean).forEach(take)
		}
	} finally {
		// After a failure, too: the server has few places. That the stream itself has failed is known.
		reader.cancel().catch(() => {})
	}
}
