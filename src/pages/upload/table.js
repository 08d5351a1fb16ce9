// Keeps the table of the page as the server has it, without a reload.
//
// The page is fetched again, and its rows are compared with those that are shown. A file called index.html may have come
// meanwhile, so that something else answers under this address. So no element of the fetched page is used, only text,
// and no link but those to a name in this folder.

/** The rows of the table. */
const rows = one('#rows')
/** A pause between two requests for the table. A long table is asked for less often: its time is added eight times. */
const REFRESH_PAUSE_MS = 200
const REFRESH_SLOWDOWN = 8

/** What a row says. */
function readRow(row) {
  const link = row.cells[0].firstChild
  return {
    href: link.getAttribute('href'),
    name: link.textContent,
    title: link.title,
    size: row.cells[1].textContent,
    time: row.cells[2].firstChild.dateTime,
  }
}

/** The row of a name in this folder, if the table has it. */
function rowOf(path) {
  if (path.includes('/')) return null
  const href = encodeName(path)
  return rows.querySelector(`a[href="${href}"], a[href="${href}/"]`)
}

/** A new row that says the same. */
function copyRow(row) {
  const { href, name, title, size, time } = readRow(row)
  const isNameHere = /^(?!(\.|%2e){1,2}\/?$)[\w.~%-]+\/?$/i.test(href)
  if (!isNameHere) throw new Error(`not a name in this folder: ${href}`)
  return make('tr', { className: row.className + ' new' },
    make('td', {}, make('a', { href, title, textContent: name })),
    make('td', { textContent: size }),
    make('td', {}, make('time', { dateTime: time })))
}

/** Shows what the fetched page has. Rows that say the same stay, with their focus and their buttons. */
function mergeTable(page) {
  const key = row => JSON.stringify(readRow(row))
  const fetched = new Map(Array.from(page.querySelectorAll('#rows > tr'), row => [key(row), row]))
  const focused = document.activeElement
  const focusedHref = focused.closest('#rows tr')?.querySelector('a').getAttribute('href')

  const shown = new Map()
  for (const row of [...rows.rows]) {
    if (fetched.has(key(row))) shown.set(key(row), row)
    else row.remove()
  }
  let next = rows.firstElementChild
  for (const [says, row] of fetched) {
    const old = shown.get(says)
    if (old && old === next) next = next.nextElementSibling
    else rows.insertBefore(old || copyRow(row), next)
  }
  one('.summary').textContent = page.querySelector('.summary').textContent
  one('table').hidden = page.querySelector('table').hidden
  one('#filter').hidden = !rows.rows.length
  if (mayDelete) addDeleteButtons()
  document.dispatchEvent(new Event('rows-changed'))
  // A changed file has a new row. The focus goes there.
  if (focusedHref && !focused.isConnected) {
    rows.querySelector(`a[href="${focusedHref}"]`)?.closest('tr').querySelector(focused.tagName)?.focus()
  }
}

let isRefreshing = false
let isRefreshWanted = false

/** Asks for the table again. While one request is on its way, all others are one request after it. */
async function refreshTable() {
  isRefreshWanted = true
  if (isRefreshing) return
  isRefreshing = true
  while (isRefreshWanted) {
    isRefreshWanted = false
    const begun = performance.now()
    try {
      const response = await fetch(folderUrl + location.search, { headers: { Accept: 'text/html' }, cache: 'no-cache' })
      const page = new DOMParser().parseFromString(await response.text(), 'text/html')
      if (response.ok && page.querySelector('main[data-rights] #rows')) mergeTable(page)
    } catch {
      // The table stays as it is. The next upload asks again.
    }
    await pause(REFRESH_PAUSE_MS + REFRESH_SLOWDOWN * (performance.now() - begun))
  }
  isRefreshing = false
}

function pause(milliseconds) {
  return new Promise(done => setTimeout(done, milliseconds))
}
