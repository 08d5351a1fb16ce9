(() => {
const root = document.documentElement
const stored = value => { try { return value ? localStorage.setItem('theme', value) : localStorage.getItem('theme') } catch { return null } }
if (['dark', 'light'].includes(stored())) root.dataset.theme = stored()
addEventListener('DOMContentLoaded', () => {
const one = css => document.querySelector(css)

const make = (tag, props, ...kids) => {
  const e = Object.assign(document.createElement(tag), props)
  e.append(...kids)
  return e
}

// The title has the path as it was sent, for programs that compare it with their address.
try { document.title = decodeURI(document.title) } catch {}
for (const form of document.querySelectorAll('form[action]')) {
  form.replaceWith(make('a', { href: form.getAttribute('action'), className: form.className }, ...form.firstChild.childNodes))
}

one('header').append(make('button', { className: 'btn', type: 'button', textContent: '◐', ariaLabel: 'switch between light and dark', onclick: () => {
  const now = root.dataset.theme || (matchMedia('(prefers-color-scheme:dark)').matches ? 'dark' : 'light')
  stored(root.dataset.theme = now === 'dark' ? 'light' : 'dark')
} }))

// Encoded so that no shell and no globbing of curl sees anything special in it.
const path = location.pathname.replace(/[^\w.~\/%-]/g, c => '%' + c.charCodeAt(0).toString(16).toUpperCase())
const url = location.origin + path, upload = one('main').dataset.may?.includes('upload') ? '-T film.mp4 ' : ''
one('.wrap').append(make('footer', {}, 'From a terminal: ', make('code', {}, 'curl ' + upload + (url.includes('[') ? `'${url}'` : url))))

const body = one('#rows')
if (!body) return
const box = make('input', { id: 'f', type: 'search', placeholder: 'Filter this folder', ariaLabel: 'filter this folder', autocomplete: 'off', spellcheck: false })
box.hidden = !body.rows.length
one('table').before(make('div', { className: 'tools' }, box))
one('th small').remove()

// Batches grow: the first rows at once, and few layouts in all.
const times = body.getElementsByTagName('time'), told = new WeakSet()
const zone = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
let done = 0, batch = 500
const local = () => {
  for (const end = Math.min(done + batch, times.length); done < end; done++) {
    const time = times[done]
    if (told.has(time)) continue
    told.add(time)
    time.textContent = zone.format(new Date(time.dateTime))
  }
  batch *= 4
  setTimeout(done < times.length ? local : index)
}

const fold = text => text.normalize('NFC').toLowerCase()
let rows
const index = () => rows ||= Array.from(body.rows, row => [row, fold(row.cells[0].textContent)])
const filter = () => {
  index()
  const wanted = fold(box.value.trim())
  let shown = 0
  for (const [row, name] of rows) {
    const hide = !name.includes(wanted)
    if (row.hidden !== hide) row.hidden = hide
    if (!hide) shown++
  }
  one('#shown').textContent = !wanted ? '' : shown ? `${shown} of ${rows.length} shown` : 'Nothing here has that in its name.'
}
local()
box.oninput = filter
// A browser that goes back puts the old text into the box.
if (box.value) filter()
addEventListener('pageshow', () => box.value && filter())
// Rows have come or gone.
document.addEventListener('rows', () => {
  rows = done = 0
  local()
  if (box.value) filter()
})

addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const at = document.activeElement
  if (event.key === '/' && at !== box) box.focus()
  else if (event.key === 'Escape' && at === box) { box.value = ''; filter() }
  else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    const links = [...document.querySelectorAll('tbody tr:not([hidden]) a')], i = links.indexOf(at)
    if (i < 0 && at !== box) return
    const to = links[event.key === 'ArrowDown' ? i + 1 : i - 1]
    to ? to.focus() : i === 0 && box.focus()
  } else return
  event.preventDefault()
})
})
})()
