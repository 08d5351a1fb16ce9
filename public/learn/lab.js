// The labs and the first page: commands with the address that worked for this browser, copy buttons, and whether the
// server was started with --study. Without scripts the same text is there, with localhost:8080.

// All words that this script shows. A translation is one more table of this kind.
const LAB_TEXT = {
  copy: 'copy',
  copyCommand: command => `copy: ${command}`,
  copied: 'copied',
  inSandbox:
    'This page runs in a sandbox, because uploads are allowed here. It cannot see whether the server was started ' +
    'with --study. If it was, continue at ',
}

/** How long a button says that it has copied. */
const COPIED_MS = 1500

/** All elements that fit a CSS selector. */
const all = selector => document.querySelectorAll(selector)

/** The wire view is only for the computer on which the server runs. */
const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)
/** Where uploads are allowed, pages of the folder run in a sandbox, and their scripts cannot send requests. */
const isSandboxed = self.origin === 'null'

/** Whether the server was started with --study, as a promise. In a sandbox it is never kept. */
const study = new Promise(resolve => {
  if (isSandboxed) return
  // A worker asks: there a 404 is a response like others, and no error in the console.
  const question = `onmessage = async ({ data: url }) => {
    try {
      const response = await fetch(url, { method: 'HEAD' })
      postMessage(response.ok)
    } catch {
      postMessage(false)
    }
  }`
  const worker = new Worker(URL.createObjectURL(new Blob([question])))
  worker.onmessage = ({ data: isStudy }) => {
    worker.terminate()
    resolve(isStudy)
  }
  worker.postMessage(new URL('/.try/', location).href)
})

addEventListener('DOMContentLoaded', async () => {
  for (const part of all('code, samp, .pic')) useAddress(part)
  for (const command of all('.cmd code')) addCopyButton(command)
  // One tab for the wire view, so that the lab stays where it is.
  for (const link of all('header .wire, .look .wire, .need .wire')) link.target = 'wire'

  if (isSandboxed) return leadOutOfSandbox()
  // The program itself sends the labs with these parts hidden.
  showPartsWithoutStudy(false)
  showWireLinks(false)
  const isStudy = await study
  document.documentElement.dataset.study = isStudy
  showPartsWithoutStudy(!isStudy)
  showWireLinks(isStudy)
})

/** Replaces localhost and port 8080 in the text of an element by the address of this page. */
function useAddress(element) {
  // In commands the name is better than the number and its brackets.
  const host = location.hostname.replace('[::1]', 'localhost')
  const port = location.port || (location.protocol.startsWith('https') ? '443' : '80')
  const replacements = [
    ['localhost:8080', `${host}:${port}`],
    ['localhost 8080', `${host} ${port}`],
    ['localhost/8080', `${host}/${port}`],
    ['port 8080', `port ${port}`],
    ['to localhost', `to ${host}`],
  ]
  const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) {
    const text = texts.currentNode
    for (const [written, here] of replacements) text.data = text.data.replaceAll(written, here)
  }
}

function addCopyButton(command) {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'copy'
  button.textContent = LAB_TEXT.copy
  button.ariaLabel = LAB_TEXT.copyCommand(command.textContent)
  button.onclick = async () => {
    await copyText(command)
    button.textContent = LAB_TEXT.copied
    setTimeout(() => { button.textContent = LAB_TEXT.copy }, COPIED_MS)
  }
  command.after(button)
}

async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent)
  } catch {
    // Without TLS a page has no clipboard, but it may copy what is selected.
    getSelection().selectAllChildren(element)
    document.execCommand('copy')
  }
}

/** The parts that say what to start. */
function showPartsWithoutStudy(isShown) {
  for (const part of all('[data-without-study]')) part.hidden = !isShown
}

function showWireLinks(isShown) {
  for (const link of all('.wire')) link.hidden = !(isShown && isLocal)
}

/** The labs that the program itself sends are not in a sandbox. */
function leadOutOfSandbox() {
  const link = document.createElement('a')
  const path = location.pathname.replace(/^.*\/learn\//, '')
  link.href = link.textContent = '/.try/learn/' + (path === location.pathname ? '' : path)
  document.querySelector('#start').replaceChildren(LAB_TEXT.inSandbox, link)
}
