// Makes the page complete. Without this script it works too, but has no filter and shows times in UTC.

addEventListener('DOMContentLoaded', () => {
  decodeTitle()
  for (const form of document.querySelectorAll('form[action]')) replaceByLink(form)
  one('header').append(makeButton('◐', switchTheme, { ariaLabel: LISTING_TEXT.switchTheme }))
  one('.wrap').append(make('footer', {}, LISTING_TEXT.fromTerminal, make('code', {}, curlCommand())))

  const rows = one('#rows')
  // An empty folder at the top has no table.
  if (!rows) return
  // The word UTC: the times will be those of the reader.
  one('th small').remove()
  addFilter(rows)
})

/** The title has the path as it was sent, for programs that compare it with the address. People read it decoded. */
function decodeTitle() {
  try {
    document.title = decodeURI(document.title)
  } catch {
    // The path is not UTF-8, so it stays as it is.
  }
}

/** The server writes the ways to other folders as buttons of forms: programs take each link for an entry. */
function replaceByLink(form) {
  const href = form.getAttribute('action')
  form.replaceWith(make('a', { href, className: form.className }, ...form.firstChild.childNodes))
}

/** The command that gets this folder, or adds a file to it. */
function curlCommand() {
  // Encoded, so that nothing in it is special for a shell or for curl.
  const path = location.pathname.replace(/[^\w.~\/%-]/g, percentEncoded)
  const url = location.origin + path
  const upload = one('main').dataset.rights?.includes('upload') ? '-T film.mp4 ' : ''
  // The brackets of an IPv6 address.
  return 'curl ' + upload + (url.includes('[') ? `'${url}'` : url)
}

/** An ASCII character as `%21`. */
function percentEncoded(character) {
  return '%' + character.charCodeAt(0).toString(16).toUpperCase()
}
