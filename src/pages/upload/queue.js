// The uploads: which ones wait, which ones are being sent, and what becomes of each.
//
// An upload is an object:
//
//   blob     the file; null if it cannot be read
//   path     its path as it was dropped, such as holiday/beach.jpg
//   target   its path on the server: the same, or with a number if the name is taken
//   number   that number
//   state    waiting → active → stored; or failed; or question: the name is taken
//   sent     bytes that were sent
//   match    the entity-tag of the file that it may replace
//   found    what has the name: an entity-tag, or `folder`
//   request  the XMLHttpRequest while it is active
//   isStopped  the user has cancelled it
//   view     its elements (list.js)

/** Files that are sent at the same time. Two keep the network busy while one of them is being stored. */
const AT_ONCE = 2

/** All uploads that are shown together: those that were added before all were done. */
let batch = []
/** Those that wait, in the order in which they will be sent. */
let waiting = []
/** Those that are being sent. */
const active = new Set()
/** Folders that are still being read. More uploads may come from them. */
let gathering = 0
/** How fast the whole batch is. */
let batchMeter

function isBusy() {
  return active.size + waiting.length + gathering > 0
}

function questions() {
  return batch.filter(upload => upload.state === 'question')
}

/** Adds the uploads that `find` finds. All of them belong to one batch, however long that takes. */
async function gather(find) {
  if (!isBusy() && !questions().length) {
    clearList()
    batchMeter = progressMeter()
  }
  gathering++
  await find()
  gathering--
  showTotal()
}

function addUpload(blob, path) {
  // macOS puts this file into every folder. It is not meant to be uploaded.
  if (/(^|\/)\.DS_Store$/.test(path)) return
  const upload = { blob, path, target: path, sent: 0 }
  batch.push(upload)
  if (blob) enqueue(upload)
  else fail(upload, UPLOAD_TEXT.unreadable)
}

/** Sends an upload after all others, or, when the user has just asked for it, before them. */
function enqueue(upload, isNext = false) {
  setState(upload, 'waiting', UPLOAD_TEXT.waiting, crossButton(UPLOAD_TEXT.cancel(upload.target), () => {
    waiting = waiting.filter(other => other !== upload)
    fail(upload, UPLOAD_TEXT.notSent)
  }))
  if (isNext) waiting.unshift(upload)
  else waiting.push(upload)
  sendNext()
}

/** Sends as many as may be sent now. */
function sendNext() {
  while (active.size < AT_ONCE && waiting.length) send(waiting.shift())
  showTotal()
}

/** Changes the state of an upload, and shows it. */
function setState(upload, state, text, ...actions) {
  upload.state = state
  if (state === 'active') active.add(upload)
  else active.delete(upload)
  showUpload(upload, text, actions)
}

function fail(upload, reason) {
  const again = upload.blob ? [makeButton(UPLOAD_TEXT.tryAgain, () => enqueue(upload, true))] : []
  setState(upload, 'failed', reason, ...again, crossButton(UPLOAD_TEXT.dismiss(upload.target), () => dismiss(upload)))
  announce(UPLOAD_TEXT.failedBecause(upload.target, reason))
  sendNext()
}

/** Takes a failed upload, or one whose name is taken, out of the list. */
function dismiss(upload) {
  batch = batch.filter(other => other !== upload)
  removeUpload(upload)
  showTotal()
}

function stopUpload(upload) {
  upload.isStopped = true
  upload.request?.abort()
}

function cancelAll() {
  for (const upload of waiting.splice(0)) fail(upload, UPLOAD_TEXT.notSent)
  for (const upload of active) stopUpload(upload)
}

function clearList() {
  batch = []
  emptyList()
}
