// What the labs do with scripts: the address that worked for this browser in every command, copy
// buttons, light and dark, and whether the server was started with --study. Without scripts the
// same text is there, with localhost:8080.
(() => {
const root = document.documentElement
const stored = value => { try { return value ? localStorage.setItem('theme', value) : localStorage.getItem('theme') } catch { return null } }
if (['dark', 'light'].includes(stored())) root.dataset.theme = stored()

addEventListener('DOMContentLoaded', () => {
const all = css => document.querySelectorAll(css)
const theme = document.querySelector('#theme')
theme.hidden = false
theme.onclick = () => {
  const now = root.dataset.theme || (matchMedia('(prefers-color-scheme:dark)').matches ? 'dark' : 'light')
  stored(root.dataset.theme = now === 'dark' ? 'light' : 'dark')
}

const local = ['localhost', '127.0.0.1', '[::1]'].includes(location.hostname)
const host = location.hostname.replace('[::1]', 'localhost')
const port = location.port || (location.protocol.length > 5 ? '443' : '80')
const here = text => text.replaceAll('localhost:8080', `${host}:${port}`).replaceAll('localhost 8080', `${host} ${port}`)
  .replaceAll('localhost/8080', `${host}/${port}`).replaceAll('port 8080', `port ${port}`).replaceAll('to localhost', `to ${host}`)
for (const part of all('pre code, samp, .pic')) {
  const texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT)
  while (texts.nextNode()) texts.currentNode.data = here(texts.currentNode.data)
}

for (const code of all('.cmd code')) {
  const button = document.createElement('button')
  button.type = 'button'
  button.className = 'cp'
  button.textContent = 'copy'
  button.setAttribute('aria-label', 'copy: ' + code.textContent)
  button.onclick = async () => {
    try { await navigator.clipboard.writeText(code.textContent) } catch {
      // Without https a page has no clipboard, but may copy what is selected.
      getSelection().selectAllChildren(code)
      document.execCommand('copy')
    }
    button.textContent = 'copied'
    setTimeout(() => button.textContent = 'copy', 1500)
  }
  code.after(button)
}

const start = document.querySelector('#start')
// What to start is said only where the server runs without --study. The program itself sends these pages with it hidden.
const without = show => all('[data-without-study]').forEach(part => part.hidden = !show)
const wire = show => all('.wire').forEach(link => link.hidden = !(show && local))
if (self.origin === 'null') {
  // Where uploads are allowed, pages of the folder run in a sandbox and cannot send requests.
  const link = document.createElement('a')
  link.href = link.textContent = location.pathname.replace(/^.*\/learn\//, '/.try/learn/')
  start.replaceChildren('This page runs in a sandbox, because uploads are allowed here. It cannot see whether the server was started with --study. If it was, continue at ', link)
  wire(true)
  return
}
without(false)
wire(false)
// A worker asks: there a 404 is a response like others, and no error in the console.
const asking = new Worker(URL.createObjectURL(new Blob(['onmessage=e=>fetch(e.data,{method:"HEAD"}).then(r=>postMessage(r.ok),()=>postMessage(false))'])))
asking.onmessage = ({ data: study }) => {
  asking.terminate()
  root.dataset.study = study
  without(!study)
  wire(study)
}
asking.postMessage(new URL('/.try/', location).href)
// One tab for the wire view, so that the lab stays where it is.
all('[href^="/.wire"]').forEach(link => link.target = 'wire')
})
})()
