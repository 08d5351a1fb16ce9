// Light or dark: as the system prefers, until the reader chooses one of them here.
{
  const root = document.documentElement

  const stored = () => {
    try {
      return localStorage.getItem('theme')
    } catch {
      // A browser may forbid storage, as it does in a sandbox.
      return null
    }
  }

  const store = theme => {
    try {
      localStorage.setItem('theme', theme)
    } catch {}
  }

  const switchTheme = () => {
    const isDark = matchMedia('(prefers-color-scheme: dark)').matches
    const shown = root.dataset.theme || (isDark ? 'dark' : 'light')
    root.dataset.theme = shown === 'dark' ? 'light' : 'dark'
    store(root.dataset.theme)
  }

  // At once, before anything is drawn. Else the page would flash in the other colours.
  if (['dark', 'light'].includes(stored())) root.dataset.theme = stored()

  addEventListener('DOMContentLoaded', () => {
    const button = document.querySelector('#theme')
    button.hidden = false
    button.onclick = switchTheme
  })
}
