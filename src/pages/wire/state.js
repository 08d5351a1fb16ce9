// What the window shows, and when it is drawn.

/** `mode`: `following` the newest exchange and what grows in it; `free`, the mouse selects; `pinned`, the part stays. */
export const view = {}

export function forget() {
	Object.assign(view, { connection: undefined, exchange: undefined, part: undefined, mode: 'following' })
}
forget()

let frame

/** Draws in the next frame. Events come faster than a screen shows them, so many of them share a drawing. */
export function drawSoon() {
	frame ||= requestAnimationFrame(now => {
		frame = undefined
		view.draw(now)
	})
}
