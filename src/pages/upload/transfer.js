// Sends one file: a PUT with a condition, so that no file is replaced by accident.

async function send(upload) {
  upload.sent = 0
  upload.isStopped = false
  upload.request = null
  const url = urlOf(upload.target)
  setState(upload, 'active', formatSize(upload.blob.size), crossButton(UPLOAD_TEXT.cancel(upload.target), () => stopUpload(upload)))
  showProgress(upload, 0)
  // If the table has the name, the user is asked before anything is sent in vain.
  const found = !upload.match && rowOf(upload.target) && (await entityTag(url))
  if (found) return askAboutName(upload, found)
  if (upload.isStopped) return fail(upload, UPLOAD_TEXT.cancelled)

  // fetch() does not say how much has been sent.
  const request = (upload.request = new XMLHttpRequest())
  const begun = performance.now()
  const meter = progressMeter()
  request.open('PUT', url)
  request.setRequestHeader('Accept', AS_JSON.Accept)
  // Replace only the version that the user was asked about. Else: only if the name is free.
  if (upload.match) request.setRequestHeader('If-Match', upload.match)
  else request.setRequestHeader('If-None-Match', '*')
  request.upload.onprogress = ({ loaded, total }) => {
    upload.sent = loaded
    // An empty file has a total of 0.
    showProgress(upload, loaded / (total || 1), loaded < total ? meter(loaded, total) : UPLOAD_TEXT.storing)
    showTotal()
  }
  request.onload = () => finish(upload, url, formatDuration((performance.now() - begun) / 1000))
  request.onabort = () => fail(upload, UPLOAD_TEXT.cancelled)
  request.onerror = async () => fail(upload, (await isReadable(upload.blob)) ? UPLOAD_TEXT.connectionLost : UPLOAD_TEXT.unreadable)
  request.send(upload.blob)
}

/** A file that was removed or changed on the disk cannot be read any more. */
async function isReadable(blob) {
  try {
    await blob.slice(0, 1).arrayBuffer()
    return true
  } catch {
    return false
  }
}

/** The server has responded. */
async function finish(upload, url, duration) {
  const { status, responseText } = upload.request
  if (status < 300) return showAsStored(upload, url, duration)
  // The condition was not met (412), or the name is taken and nothing may be replaced (409).
  if (status === 409 || status === 412) {
    const found = await entityTag(url)
    // A number that the user did not choose is no question: the next one is tried.
    const isOwnChoice = upload.match || !upload.number
    if (found && isOwnChoice) return askAboutName(upload, found)
    if (found) {
      takeNextNumber(upload)
      return send(upload)
    }
    // The file that was to be replaced is gone, so this one is new.
    if (upload.match) {
      upload.match = ''
      return send(upload)
    }
  }
  if (status === 405 && !mayUpload) return fail(upload, UPLOAD_TEXT.noneToReplace(upload.target))
  fail(upload, refusal(status, responseText))
}

function showAsStored(upload, url, duration) {
  upload.sent = upload.blob.size
  const text = [make('b', { textContent: UPLOAD_TEXT.stored }), UPLOAD_TEXT.storedIn(formatSize(upload.sent), duration)]
  const ariaLabel = UPLOAD_TEXT.openFile(upload.target)
  setState(upload, 'stored', text, make('a', { href: url, textContent: UPLOAD_TEXT.open, target: '_blank', ariaLabel }))
  shortenList()
  refreshTable()
  sendNext()
}
