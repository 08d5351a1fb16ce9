// Files come: dropped anywhere on the page, or chosen.

/** Shows the area for files, makes its buttons, and listens for drops. */
function startUploading() {
  // Without a script files can be added, but none replaced. So a page where none may be added has no form.
  const form = one('.drop') || one('main').appendChild(make('form', { className: 'drop' },
    make('p', {}, make('span')), make('input', { type: 'file', multiple: true }), make('button')))
  form.after(uploads)
  const files = form.querySelector('input')
  const folder = make('input', { type: 'file', webkitdirectory: true, hidden: true, ariaLabel: UPLOAD_TEXT.folderToAdd })
  files.hidden = true
  files.onchange = folder.onchange = ({ target }) => {
    // A copy: the list of the input is emptied below.
    const chosen = [...target.files]
    gather(() => chosen.forEach(file => addUpload(file, file.webkitRelativePath || file.name)))
    // So that the same file can be chosen again.
    target.value = ''
  }
  form.querySelector('span').textContent = mayUpload ? UPLOAD_TEXT.dropAny : UPLOAD_TEXT.dropToReplace
  form.querySelector('button').replaceWith(
    makeButton(UPLOAD_TEXT.chooseFiles, () => files.click()),
    makeButton(UPLOAD_TEXT.chooseFolder, () => folder.click()), folder)
  // The other script makes the place for tools at this event, before.
  addEventListener('DOMContentLoaded', () => {
    const label = mayUpload ? UPLOAD_TEXT.addFiles : UPLOAD_TEXT.replaceFiles
    one('.tools').append(makeButton(label, () => files.click(), { id: 'add', className: 'button primary' }))
  })
  listenForDrops()
}

function listenForDrops() {
  const mark = isOver => document.documentElement.classList.toggle('over', isOver)
  addEventListener('dragover', event => {
    if (acceptFiles(event)) mark(true)
  })
  addEventListener('dragleave', event => {
    // Between two elements of the page it is not left.
    if (!event.relatedTarget) mark(false)
  })
  addEventListener('drop', event => {
    mark(false)
    if (!acceptFiles(event)) return
    // All entries at once: after this event the list is empty.
    const entries = Array.from(event.dataTransfer.items, item => item.webkitGetAsEntry?.() || item.getAsFile())
    gather(() => Promise.all(entries.map(entry => entry && addEntry(entry, ''))))
  })
}

/** Whether files are dragged, and not a text or a picture of the page. If so, the browser does not open them itself. */
function acceptFiles(event) {
  const hasFiles = event.dataTransfer?.types.includes('Files')
  if (hasFiles) event.preventDefault()
  return hasFiles
}

/** Adds a dropped file, or everything in a dropped folder. */
async function addEntry(entry, folder) {
  if (entry instanceof File) return addUpload(entry, entry.name)
  try {
    if (entry.isFile) {
      const file = await new Promise((done, failed) => entry.file(done, failed))
      return addUpload(file, folder + entry.name)
    }
    for (const inner of await entriesOf(entry)) await addEntry(inner, folder + entry.name + '/')
  } catch {
    // Shown as a file that cannot be read.
    addUpload(null, folder + entry.name)
  }
}

/** The entries of a folder. The browser tells a hundred at a time. */
async function entriesOf(folder) {
  const reader = folder.createReader()
  const all = []
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed))
    if (!some.length) return all
    all.push(...some)
  }
}
