// Deletes files and empty folders: a button in each row, and a question first.

/** Rows that get their button at once. Between batches the browser can draw, so a large folder can be read meanwhile. */
const DELETE_BATCH = 2000

const deleteTitle = make('h2')
const deleteNote = make('p')
const deleteError = make('p', { className: 'error', role: 'alert' })
const deleteButton = makeButton(UPLOAD_TEXT.delete, null, { className: 'button danger' })
const keepButton = makeButton(UPLOAD_TEXT.keep, () => deleteDialog.close(), { autofocus: true })
const deleteDialog = make('dialog', {},
  deleteTitle, deleteNote, deleteError, make('div', {}, deleteButton, keepButton))

/** Adds the column and the dialog. */
function startDeleting() {
  const title = make('span', { className: 'visually-hidden', textContent: UPLOAD_TEXT.deleteColumn })
  one('thead tr').append(make('th', { scope: 'col' }, title))
  document.body.append(deleteDialog)
  addDeleteButtons()
}

/** Adds a button to each row that has none. */
async function addDeleteButtons() {
  const bare = [...rows.rows].filter(row => row.cells.length < 4)
  for (const [at, row] of bare.entries()) {
    const ariaLabel = UPLOAD_TEXT.deleteFile(readRow(row).name)
    row.append(make('td', {}, makeButton('✕', () => askToDelete(row), { className: 'cross', ariaLabel })))
    if ((at + 1) % DELETE_BATCH === 0) await pause(0)
  }
}

async function askToDelete(row) {
  const { href, name, size } = readRow(row)
  const url = new URL(href, folderUrl)
  const isFolder = href.endsWith('/')
  deleteDialog.ariaLabel = deleteTitle.textContent = UPLOAD_TEXT.deleteQuestion(name)
  deleteNote.textContent = isFolder ? UPLOAD_TEXT.deletesEmptyFolders : UPLOAD_TEXT.cannotUndo(size)
  deleteError.textContent = ''
  keepButton.textContent = UPLOAD_TEXT.keep
  deleteButton.hidden = deleteButton.disabled = false
  // The user decides about the file as it is now. With its tag the server does not delete a newer one.
  const tag = isFolder ? '' : await entityTag(url)
  deleteButton.onclick = () => deleteRow(row, url, name, tag)
  if (!deleteDialog.open) deleteDialog.showModal()
}

async function deleteRow(row, url, name, tag) {
  deleteButton.disabled = true
  const headers = tag ? { ...AS_JSON, 'If-Match': tag } : AS_JSON
  try {
    const response = await fetch(url, { method: 'DELETE', headers })
    // 404: it is gone already, which is what was wanted.
    if (response.ok || response.status === 404) {
      removeRow(row)
      announce(UPLOAD_TEXT.deleted(name))
    } else {
      const isChanged = response.status === 412
      showDeleteError(isChanged ? UPLOAD_TEXT.changedMeanwhile : refusal(response.status, await response.text()))
    }
    refreshTable()
  } catch {
    showDeleteError(UPLOAD_TEXT.unreachable)
  }
}

/** Takes a row out of the table. The focus goes to the next one. */
function removeRow(row) {
  const next = row.nextElementSibling || row.previousElementSibling
  row.remove()
  deleteDialog.close()
  const focus = next?.querySelector('.cross') || one('#add') || one('.brand')
  focus.focus()
}

function showDeleteError(text) {
  deleteError.textContent = text
  deleteNote.textContent = ''
  deleteButton.hidden = true
  keepButton.textContent = UPLOAD_TEXT.close
  keepButton.focus()
}
