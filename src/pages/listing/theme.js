// Light or dark: as the system prefers, until the reader chooses one of them here.

const root = document.documentElement

function storedTheme() {
  try {
    return localStorage.getItem('theme')
  } catch {
    // A browser may forbid storage.
    return null
  }
}

function storeTheme(theme) {
  try {
    localStorage.setItem('theme', theme)
  } catch {}
}

/** Shows the other theme from now on. */
function switchTheme() {
  const isDark = matchMedia('(prefers-color-scheme: dark)').matches
  const shown = root.dataset.theme || (isDark ? 'dark' : 'light')
  root.dataset.theme = shown === 'dark' ? 'light' : 'dark'
  storeTheme(root.dataset.theme)
}

// At once, before anything is drawn. Else the page would flash in the other colours.
if (['dark', 'light'].includes(storedTheme())) root.dataset.theme = storedTheme()
