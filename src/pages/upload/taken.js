// The name of an upload is taken: replace the file, keep both, or leave the upload out?

/** The most bytes of a name on nearly all disks. */
const MAX_NAME_BYTES = 255
/** A longer part after the last dot is no ending. */
const MAX_ENDING = 32

function askAboutName(upload, found) {
  upload.found = found
  const isFolder = found === 'folder'
  const text = isFolder ? UPLOAD_TEXT.folderExists(upload.target) : UPLOAD_TEXT.fileExists(upload.target)
  const actions = []
  if (mayOverwrite && !isFolder) actions.push(makeButton(UPLOAD_TEXT.replace, () => replaceFile(upload)))
  if (mayUpload) actions.push(makeButton(UPLOAD_TEXT.keepBoth, () => keepBoth(upload)))
  actions.push(crossButton(UPLOAD_TEXT.leaveOut(upload.target), () => dismiss(upload)))
  setState(upload, 'question', text, ...actions)
  announce(text)
  sendNext()
}

function replaceFile(upload) {
  // “Replace all” comes here for folders too.
  if (upload.found === 'folder') return
  upload.match = upload.found
  enqueue(upload, true)
}

function keepBoth(upload) {
  upload.match = ''
  takeNextNumber(upload)
  enqueue(upload, true)
}

/** Changes the target to `film (2).mp4`: the next number that is not in the table. The server numbers in the same way. */
function takeNextNumber(upload) {
  const { path } = upload
  const nameAt = path.lastIndexOf('/') + 1
  const endingAt = startOfEnding(path, nameAt)
  do {
    upload.number = (upload.number || 1) + 1
    const ending = ` (${upload.number})` + path.slice(endingAt)
    // By characters, so that none is cut in two.
    const stem = Array.from(path.slice(nameAt, endingAt))
    while (new TextEncoder().encode(stem.join('') + ending).length > MAX_NAME_BYTES) stem.pop()
    upload.target = path.slice(0, nameAt) + stem.join('') + ending
  } while (rowOf(upload.target))
}

/** Where the number is put: before `.mp4`, before `.tar.gz`, else at the end. */
function startOfEnding(path, nameAt) {
  const dot = path.lastIndexOf('.')
  // A name that begins with its only dot has no ending.
  if (dot <= nameAt || path.length - dot > MAX_ENDING) return path.length
  const isTar = dot > nameAt + '.tar'.length && path.slice(0, dot).endsWith('.tar')
  return isTar ? dot - '.tar'.length : dot
}
