// Copy buttons after the commands.
for (const command of document.querySelectorAll('dd code')) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = 'copy'
  button.setAttribute('aria-label', 'copy: ' + command.textContent)
  button.onclick = async () => {
    try {
      await navigator.clipboard.writeText(command.textContent)
    } catch {
      // Without https a page has no clipboard, but it may copy what is selected.
      getSelection().selectAllChildren(command)
      document.execCommand('copy')
    }
    button.textContent = 'copied'
    setTimeout(() => { button.textContent = 'copy' }, 1500)
  }
  command.after(button)
}
