// Copy buttons after the commands.

// All words that this script shows. A translation is one more table of this kind.
const TEXT = {
  copy: 'copy',
  copyCommand: command => `copy: ${command}`,
  copied: 'copied',
}

/** How long a button says that it has copied. */
const COPIED_MS = 1500

for (const command of document.querySelectorAll('dd code')) {
  const button = document.createElement('button')
  button.type = 'button'
  button.textContent = TEXT.copy
  button.ariaLabel = TEXT.copyCommand(command.textContent)
  button.onclick = async () => {
    await copyText(command)
    button.textContent = TEXT.copied
    setTimeout(() => { button.textContent = TEXT.copy }, COPIED_MS)
  }
  command.after(button)
}

async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent)
  } catch {
    // Without https a page has no clipboard, but it may copy what is selected.
    getSelection().selectAllChildren(element)
    document.execCommand('copy')
  }
}
