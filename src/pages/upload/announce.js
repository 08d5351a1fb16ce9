// Tells screen readers what happens elsewhere on the page.

const announcement = one('main').appendChild(make('p', { className: 'visually-hidden', role: 'status' }))

function announce(text) {
  announcement.textContent = text
}
