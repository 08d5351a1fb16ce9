// Makes elements, and brings those of the page up to date. Text never becomes markup, since clients choose it.

export const one = selector => document.querySelector(selector)

/** `make('p.name', 'text', { title: '…' }, other)`. Empty contents are left out. */
export function make(name, ...contents) {
	const [tag, ...classes] = name.split('.')
	const made = document.createElement(tag)
	if (classes[0]) made.className = classes.join(' ')
	for (const content of contents.flat(Infinity)) {
		if (content?.constructor === Object) Object.assign(made, content)
		else if (content) made.append(content)
	}
	// The element leads to the part, row or block that it shows, and back.
	if (made.shows) made.shows.element = made
	return made
}

export const linkTo = (href, text = href) => make('a', text, { href, target: '_blank' })

/** The same text is not set again: a screen reader would read it again. */
export function setText(selector, text) {
	const target = one(selector)
	if (target.textContent !== text) target.textContent = text
}

/**
 * Gives an element the children of a fresh one. Those that it has are changed and stay, so focus, scroll position and
 * selected text survive. They are the same by their `key`, else by their place.
 */
export function updateChildren(kept, fresh) {
	const known = new Map([...kept.childNodes].map((child, place) => [child.key ?? place, child]))
	setChildren(kept, [...fresh.childNodes].map((child, place) => {
		const match = known.get(child.key ?? place)
		if (match?.nodeName !== child.nodeName) return child
		if (match.nodeType === Node.TEXT_NODE) updateText(match, child.data)
		else update(match, child)
		return match
	}))
}

function update(kept, fresh) {
	for (const name of kept.getAttributeNames()) if (!fresh.hasAttribute(name)) kept.removeAttribute(name)
	for (const { name, value } of fresh.attributes) {
		// The policy of this page forbids the attribute `style`, but not the property.
		if (name === 'style') kept.style = value
		else if (kept.getAttribute(name) !== value) kept.setAttribute(name, value)
	}
	kept.onclick = fresh.onclick
	// Properties of our own: `key`, `shows`.
	Object.assign(kept, fresh)
	if (kept.shows) kept.shows.element = kept
	updateChildren(kept, fresh)
}

/** Replaces what differs after the common start: a selection before it survives. */
export function updateText(node, text) {
	let same = 0
	while (same < text.length && node.data[same] === text[same]) same++
	if (node.data !== text) node.replaceData(same, node.length - same, text.slice(same))
}

/** Those in their place are not moved: a moved element loses the focus. */
export function setChildren(parent, children) {
	const staying = new Set(children)
	for (const child of [...parent.childNodes]) if (!staying.has(child)) child.remove()
	let place = parent.firstChild
	for (const child of children) {
		if (child === place) place = place.nextSibling
		else parent.insertBefore(child, place)
	}
}
