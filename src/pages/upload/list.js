// Shows the uploads: a line for each, and a line for all.

/** Lines that are shown at most. A folder may have thousands of files. */
const MAX_LINES = 100
/** A screen reader is told the progress no more often, so that it can be listened to. */
const ANNOUNCE_EVERY_MS = 10_000

const totalText = make('p')
const totalActions = make('div', { className: 'actions' })
const totalLine = make('div', { className: 'total' }, totalText, totalActions)
const lines = make('ul')
const uploads = make('section',
  { className: 'uploads', ariaLabel: UPLOAD_TEXT.uploads, tabIndex: -1, hidden: true }, totalLine, lines)

/** A small button with a cross. */
function crossButton(ariaLabel, onclick) {
  return makeButton('✕', onclick, { className: 'cross', ariaLabel })
}

/** Shows the state of an upload. The text may have several parts. */
function showUpload(upload, text, actions) {
  if (!upload.view) {
    // The others get a line when they are sent.
    if (upload.state === 'waiting' && lines.children.length >= MAX_LINES) return
    upload.view = makeLine(upload)
  }
  const { line, name, status, buttons, bar } = upload.view
  const hadFocus = buttons.contains(document.activeElement)
  line.className = upload.state
  name.textContent = upload.target
  status.replaceChildren(...[text].flat())
  buttons.replaceChildren(...actions)
  bar.hidden = upload.state !== 'active'
  if (hadFocus) (actions[0] || uploads).focus()
}

function makeLine(upload) {
  const [name, status, buttons] = ['name', 'status', 'actions'].map(className => make('span', { className }))
  const bar = make('progress', { ariaLabel: UPLOAD_TEXT.progressOf(upload.path) })
  const line = lines.appendChild(make('li', {}, name, status, buttons, bar))
  return { line, name, status, buttons, bar }
}

/** Moves the bar of an active upload to a part between 0 and 1. */
function showProgress(upload, part, text) {
  upload.view.bar.value = part
  if (text) upload.view.status.textContent = text
}

function removeUpload(upload) {
  const hadFocus = upload.view.line.contains(document.activeElement)
  upload.view.line.remove()
  if (hadFocus) (lines.querySelector('button') || one('#add')).focus()
}

/** Takes out a line that needs no attention any more, if there are many. */
function shortenList() {
  if (lines.children.length > MAX_LINES) lines.querySelector('.stored').remove()
}

function emptyList() {
  lines.replaceChildren()
  lastAnnounced = performance.now()
}

let lastAnnounced

/** Shows how far all uploads are, and the buttons that are about all of them. */
function showTotal() {
  const busy = isBusy()
  // While something is being sent, the browser asks before it leaves the page.
  if (busy) addEventListener('beforeunload', askBeforeLeaving)
  else removeEventListener('beforeunload', askBeforeLeaving)

  const good = batch.filter(({ state }) => state !== 'failed' && state !== 'question')
  const sum = (uploads, count) => uploads.reduce((total, upload) => total + count(upload), 0)
  const sent = sum(good, upload => upload.sent)
  const all = sum(good, upload => upload.blob.size)
  const stored = good.filter(({ state }) => state === 'stored').length
  const files = UPLOAD_TEXT.filesStored(stored, batch.length)
  totalText.textContent = busy ? UPLOAD_TEXT.whileBusy(files, batchMeter(sent, all)) : UPLOAD_TEXT.whenDone(files)
  uploads.hidden = !batch.length
  totalLine.hidden = batch.length < 2
  showTotalActions(busy)

  const now = performance.now()
  if (!busy && stored && !questions().length) {
    announce(totalText.textContent)
  } else if (busy && now > lastAnnounced + ANNOUNCE_EVERY_MS) {
    lastAnnounced = now
    announce(totalText.textContent)
  }
}

function showTotalActions(busy) {
  const asked = questions()
  const isSeveral = asked.length > 1
  const actions = []
  if (busy) actions.push([UPLOAD_TEXT.cancelAll, cancelAll])
  if (isSeveral && mayOverwrite) actions.push([UPLOAD_TEXT.replaceAll, () => questions().forEach(replaceFile)])
  if (isSeveral && mayUpload) actions.push([UPLOAD_TEXT.keepAll, () => questions().forEach(keepBoth)])
  if (!busy && !asked.length) actions.push([UPLOAD_TEXT.close, closeList])
  // Progress comes many times a second. A button that is replaced loses the focus and the click.
  const shown = Array.from(totalActions.children, button => button.textContent)
  const wanted = actions.map(([label]) => label)
  if (wanted.join() === shown.join()) return
  totalActions.replaceChildren(...actions.map(([label, act]) => makeButton(label, act)))
}

function closeList() {
  clearList()
  showTotal()
  one('#add').focus()
}

function askBeforeLeaving(event) {
  event.preventDefault()
}
