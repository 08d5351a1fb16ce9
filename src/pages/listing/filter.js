// The box that shows only the names that contain a text, and the keys that move through the list.

/** Puts the box before the table. */
function addFilter(rows) {
  const box = make('input', {
    id: 'filter',
    type: 'search',
    placeholder: LISTING_TEXT.filter,
    ariaLabel: LISTING_TEXT.filter,
    autocomplete: 'off',
    spellcheck: false,
    hidden: !rows.rows.length,
  })
  one('table').before(make('div', { className: 'tools' }, box))

  // Made once for all keys that are typed: the row and its name, as they are compared.
  let names = null
  const prepare = () => {
    names ||= Array.from(rows.rows, row => [row, comparable(row.cells[0].textContent)])
  }
  const filter = () => {
    prepare()
    const wanted = comparable(box.value.trim())
    let shown = 0
    for (const [row, name] of names) {
      const isHidden = !name.includes(wanted)
      // Writing the same value again would cost a layout.
      if (row.hidden !== isHidden) row.hidden = isHidden
      if (!isHidden) shown++
    }
    const result = shown ? LISTING_TEXT.shown(shown, names.length) : LISTING_TEXT.nothingShown
    one('#shown').textContent = wanted ? result : ''
  }
  const filterAgain = () => {
    if (box.value) filter()
  }

  showLocalTimes(rows, prepare)
  box.oninput = filter
  // A browser that goes back puts the old text into the box.
  filterAgain()
  addEventListener('pageshow', filterAgain)
  // The script of the uploads says so when rows have come or gone.
  document.addEventListener('rows-changed', () => {
    names = null
    showLocalTimes(rows, prepare)
    filterAgain()
  })
  addKeys(box, filter)
}

/** A name as it is compared: é as one character, and no capitals. */
function comparable(text) {
  return text.normalize('NFC').toLowerCase()
}

/** `/` goes to the box, Escape empties it, the arrows go from name to name. */
function addKeys(box, filter) {
  addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const focused = document.activeElement
    if (event.key === '/' && focused !== box) {
      box.focus()
    } else if (event.key === 'Escape' && focused === box) {
      box.value = ''
      filter()
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      const links = [...document.querySelectorAll('tbody tr:not([hidden]) a')]
      const at = links.indexOf(focused)
      // Elsewhere the arrows scroll, as always.
      if (at < 0 && focused !== box) return
      const next = links[event.key === 'ArrowDown' ? at + 1 : at - 1]
      if (next) next.focus()
      else if (at === 0) box.focus()
    } else {
      return
    }
    event.preventDefault()
  })
}
