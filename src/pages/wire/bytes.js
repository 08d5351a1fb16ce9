// Bytes as text and as a hexadecimal dump.

import { make } from './dom.js'

/** Bytes that are shown of content that is no text. */
const DUMPED = 128
const ROW = 8
/** Columns of a dump: first number, first letter, next line. */
export const COLUMN = { numbers: 6, letters: 31, end: 40 }

/** Characters that are invisible, or would move the text around them. */
const UNSAFE = /(\r\n|(?!\t)[\p{C}\p{Zl}\p{Zp}])/u
const ESCAPES = { '\r\n': '\\r\\n', '\r': '\\r', '\n': '\\n' }
/** Half a surrogate pair, which no text has. With a byte added it stands for that byte. */
const NO_TEXT = 0xdc00

export const hex = (value, digits) => value.toString(16).padStart(digits, '0')

/** Rows of a dump: first byte, number of bytes, text. */
export function dumpRows(bytes, position) {
	return Array.from({ length: Math.ceil(bytes.length / ROW) }, (_, row) => {
		const inRow = [...bytes.subarray(row * ROW, (row + 1) * ROW)]
		const start = position + row * ROW
		const numbers = inRow.map(byte => hex(byte, 2)).join(' ')
		const letters = inRow.map(byte => byte > 31 && byte < 127 ? String.fromCharCode(byte) : '·').join('')
		const text = (hex(start, 4).padEnd(COLUMN.numbers) + numbers).padEnd(COLUMN.letters) + letters.padEnd(ROW)
		return { start, size: inRow.length, text }
	})
}

/** Text in which every byte can be seen. Content that is no text becomes a short dump. */
export function spell(bytes, isContent) {
	const text = decode(bytes, isContent)
	if (text === undefined) {
		const rows = dumpRows(bytes.subarray(0, DUMPED), 0).map(row => row.text.slice(COLUMN.numbers) + '\n')
		return [rows, bytes.length > DUMPED && '…\n']
	}
	// Every second piece is an unsafe one.
	return text.split(UNSAFE).map((piece, place) => {
		if (place % 2 === 0 || isContent && piece === '\n') return piece
		return make('span.pill', escape(piece), isContent && piece === '\r\n' && '\n')
	})
}

/** Text, or `undefined` for content that is none. A head is shown whatever it is. */
function decode(bytes, isContent) {
	try {
		const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isContent })
		if (!isContent || !text.includes('\0')) return text
	} catch {
		if (!isContent) return String.fromCharCode(...Array.from(bytes, byte => byte < 128 ? byte : NO_TEXT + byte))
	}
}

function escape(piece) {
	const code = piece.codePointAt(0)
	const isByte = code < 256 || code >> 8 === NO_TEXT >> 8
	return ESCAPES[piece] || (isByte ? '\\x' + hex(code & 255, 2) : `\\u{${hex(code, 4)}}`)
}
