(() => {
const one = css => document.querySelector(css)
const make = (tag, props, ...kids) => {
  const e = Object.assign(document.createElement(tag), props)
  e.append(...kids)
  return e
}
const button = (textContent, onclick, props) => make('button', { type: 'button', className: 'btn', textContent, onclick, ...props })
const cross = (what, file, act) => button('✕', () => act(file), { className: 'x', ariaLabel: `${what} ${file.to}` })
const may = one('main').dataset.may, upload = may.includes('upload'), overwrite = may.includes('overwrite')
// Without the password that may stand in the address: fetch takes none.
const base = location.origin + location.pathname
// As the server writes names into its references.
const encode = text => encodeURIComponent(text.toWellFormed?.() ?? text).replace(/[!'()*]/g, c => '%' + c.charCodeAt(0).toString(16).toUpperCase())
const rows = one('#rows')
const listed = path => !path.includes('/') && rows.querySelector(`a[href="${encode(path)}"],a[href="${encode(path)}/"]`)
const json = { Accept: 'application/json' }
const clock = () => performance.now()
const pause = ms => new Promise(done => setTimeout(done, ms))

const status = one('main').appendChild(make('p', { className: 'vh', role: 'status' }))
const say = text => { status.textContent = text }

const size = n => {
  let unit = 0
  for (; n >= 999.5 && unit < 4; unit++) n /= 1000
  return (unit && n < 9.95 ? n.toFixed(1) : Math.round(n)) + ' ' + ['B', 'kB', 'MB', 'GB', 'TB'][unit]
}
const span = s => s < 100 ? +s.toFixed(s < .1 ? 2 : s < 9.95 ? 1 : 0) + ' s' : s < 5400 ? Math.round(s / 60) + ' min' : (s / 3600).toFixed(1) + ' h'
/** Says how far it is, how fast over the last seconds, and how long it will take. */
const meter = () => {
  const seen = []
  return (some, all) => {
    const now = clock()
    seen.push([now, some])
    while (seen.length > 2 && seen[0][0] < now - 4000) seen.shift()
    // Safari and Firefox count whole milliseconds: no time may have passed.
    const rate = now > seen[0][0] && (some - seen[0][1]) / (now - seen[0][0]) * 1000
    const [a, b] = [size(some).split(' '), size(all)]
    const far = (b.endsWith(' ' + a[1]) ? a[0] : a.join(' ')) + ' of ' + b
    return rate > 0 ? `${far} · ${size(rate)}/s · ${span(Math.ceil((all - some) / rate))} left` : far
  }
}

/** What a refusal says, in the server's words. */
const words = (code, text) => {
  try {
    const { detail, advice } = JSON.parse(text)
    if (detail) return advice ? `${detail} ${advice}` : detail
  } catch {}
  return `The server said ${code}.`
}
/** What has a name: 'folder', the tag of a file, or nothing. */
const look = async url => {
  // A request for a range takes no coding, so the tag is that of the file as it lies there. A young file
  // has a weak tag, which no condition would match; for a write the server knows it without its mark.
  const answer = await fetch(url, { method: 'HEAD', cache: 'no-store', redirect: 'manual', headers: { Range: 'bytes=0-0' } }).catch(() => ({}))
  return answer.type === 'opaqueredirect' ? 'folder' : answer.ok ? (answer.headers.get('ETag') || '').replace(/^W\/("[^"~]*).*/, '$1"') : ''
}

// The table is the server's own, asked for again. Rows are made anew from what they say: a page that
// somebody has just put here could be what answers.
const said = row => {
  const link = row.cells[0].firstChild
  return { href: link.getAttribute('href'), title: link.title, name: link.textContent, size: row.cells[1].textContent, dateTime: row.cells[2].firstChild.dateTime }
}
const key = row => Object.values(said(row)).join('\n')
const built = row => {
  const { href, title, name, size, dateTime } = said(row)
  if (!/^(?!(\.|%2e){1,2}\/?$)[\w.~%-]+\/?$/i.test(href)) throw href
  return make('tr', { className: row.className + ' new' },
    make('td', {}, make('a', { href, title, textContent: name })), make('td', { textContent: size }), make('td', {}, make('time', { dateTime })))
}
const merge = page => {
  const fresh = new Map(Array.from(page.querySelectorAll('#rows>tr'), row => [key(row), row])), kept = new Map()
  const focus = document.activeElement, href = focus.closest('#rows tr')?.querySelector('a').getAttribute('href')
  for (const row of [...rows.rows]) fresh.has(key(row)) ? kept.set(key(row), row) : row.remove()
  let at = rows.firstElementChild
  for (const [name, row] of fresh) {
    const old = kept.get(name)
    if (old && old === at) at = at.nextElementSibling
    else rows.insertBefore(old || built(row), at)
  }
  one('.sum').textContent = page.querySelector('.sum').textContent
  one('table').hidden = page.querySelector('table').hidden
  one('#f').hidden = !rows.rows.length
  bins()
  document.dispatchEvent(new Event('rows'))
  if (href && !focus.isConnected) rows.querySelector(`a[href="${href}"]`)?.closest('tr').querySelector(focus.tagName)?.focus()
}
let asking, again
const refresh = async () => {
  again = true
  if (asking) return
  for (asking = true; again;) {
    again = false
    const begun = clock()
    try {
      const answer = await fetch(base + location.search, { headers: { Accept: 'text/html' }, cache: 'no-cache' })
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
      if (answer.ok && page.querySelector('main[data-may] #rows')) merge(page)
    } catch {}
    // A long list is asked for less often.
    await pause(200 + 8 * (clock() - begun))
  }
  asking = false
}

let bins = () => {}
if (may.includes('delete')) {
  one('thead tr').append(make('th', { scope: 'col' }, make('span', { className: 'vh', textContent: 'Delete' })))
  const title = make('h2'), text = make('p'), bad = make('p', { className: 'bad', role: 'alert' })
  const yes = button('Delete', null, { className: 'btn danger' }), no = button('', () => ask.close(), { autofocus: true })
  const ask = document.body.appendChild(make('dialog', {}, title, text, bad, make('div', {}, no, yes)))
  const question = async ({ row }) => {
    const { href, name, size } = said(row), url = new URL(href, base), folder = href.endsWith('/')
    ask.ariaLabel = title.textContent = `Delete ${name}?`
    text.textContent = folder ? 'Only an empty folder can be deleted.' : `${size}. It cannot be brought back.`
    bad.textContent = ''
    no.textContent = 'Keep it'
    yes.hidden = yes.disabled = false
    // What is changed while the question stands is another file.
    const tag = folder ? '' : await look(url)
    yes.onclick = async () => {
      yes.disabled = true
      try {
        const answer = await fetch(url, { method: 'DELETE', headers: tag ? { ...json, 'If-Match': tag } : json })
        if (answer.ok || answer.status === 404) {
          const next = row.nextElementSibling || row.previousElementSibling
          row.remove()
          ask.close()
          ;(next?.querySelector('.x') || one('#add') || one('.brand')).focus()
          say(`${name} was deleted.`)
          return refresh()
        }
        bad.textContent = answer.status === 412 ? 'It was changed a moment ago. Look at it again first.' : words(answer.status, await answer.text())
        refresh()
      } catch {
        bad.textContent = 'The server could not be reached.'
      }
      text.textContent = ''
      yes.hidden = true
      no.textContent = 'Close'
      no.focus()
    }
    ask.open || ask.showModal()
  }
  // In batches, so that a large folder can be read meanwhile.
  bins = async () => {
    const bare = [...rows.rows].filter(row => row.cells.length < 4)
    for (let at = 0; at < bare.length; at++) {
      bare[at].append(make('td', {}, cross('delete', { to: said(bare[at]).name, row: bare[at] }, question)))
      if (at % 2000 === 1999) await pause(0)
    }
  }
  bins()
}
if (!upload && !overwrite) return

// Sending. A file is waiting, active, bad (failed, or a question: `asked`) or stored.
const AT_ONCE = 2, SHOWN = 100, NOTHING = 'Nothing of it was stored.', CANCELLED = 'Cancelled. ' + NOTHING
let batch = [], waiting = [], coming = 0, overall
const active = new Set, asked = new Set
const total = make('p'), acts = make('div', { className: 'do' }), list = make('ul')
const ups = make('section', { className: 'ups', ariaLabel: 'uploads', tabIndex: -1, hidden: true }, make('div', { className: 'all' }, total, acts), list)
// Without a script files can be added, but none replaced: then the page has no form.
const form = one('.drop') || one('main').appendChild(make('form', { className: 'drop' }, make('p', {}, make('span')), make('input', { type: 'file', multiple: true }), make('button')))
form.after(ups)

const show = (file, state, text, ...actions) => {
  active.delete(file)
  asked.delete(file)
  file.state = state
  if (state === 'active') active.add(file)
  if (!file.li) {
    if (state === 'waiting' && list.children.length >= SHOWN) return
    file.parts = ['n', 's', 'do'].map(className => make('span', { className }))
    file.bar = make('progress', { ariaLabel: 'progress of ' + file.path })
    file.li = list.appendChild(make('li', {}, ...file.parts, file.bar))
  }
  const [name, status, does] = file.parts, held = does.contains(document.activeElement)
  file.li.className = state
  name.textContent = file.to
  status.replaceChildren(...[text].flat())
  does.replaceChildren(...actions)
  file.bar.hidden = state !== 'active'
  if (held) (actions[0] || ups).focus()
}
const forget = file => {
  const held = file.li.contains(document.activeElement)
  batch = batch.filter(other => other !== file)
  asked.delete(file)
  file.li.remove()
  tell()
  if (held) (list.querySelector('button') || one('#add')).focus()
}
const hold = event => { event.returnValue = 'x' }
let spoken = 0
const tell = () => {
  const busy = active.size + waiting.length + coming
  ;(busy ? addEventListener : removeEventListener)('beforeunload', hold)
  let sent = 0, all = 0, stored = 0
  for (const file of batch) if (file.state !== 'bad') {
    sent += file.sent
    all += file.blob.size
    stored += file.state === 'stored'
  }
  const files = `${stored} of ${batch.length} files stored`
  total.textContent = busy ? `${files} · ${overall(sent, all)}` : files + '.'
  ups.hidden = !batch.length
  ups.firstChild.hidden = batch.length < 2
  // Not more often than somebody can listen to.
  if (!busy && stored && !asked.size) say(files + '.')
  else if (busy && clock() > spoken + 1e4) {
    spoken = clock()
    say(total.textContent)
  }
  const each = act => () => [...asked].forEach(act), many = asked.size > 1
  const wanted = { 'Cancel all': busy && cancel, 'Replace all': many && overwrite && each(replace), 'Keep all': many && upload && each(keep), Close: !busy && !asked.size && clear }
  const names = Object.keys(wanted).filter(name => wanted[name])
  if (names.join() !== acts.names) acts.replaceChildren(...names.map(name => button(name, wanted[name])))
  acts.names = names.join()
}
const clear = () => {
  list.replaceChildren()
  batch = []
  tell()
  one('#add').focus()
}
const cancel = () => {
  for (const file of waiting.splice(0)) fail(file, 'Not sent.')
  for (const file of active) stop(file)
}
const stop = file => {
  file.stopped = true
  file.request?.abort()
}
const fail = (file, text) => {
  show(file, 'bad', text, ...file.blob ? [button('Try again', () => enter(file))] : [], cross('forget', file, forget))
  say(`${file.to}: ${text}`)
  pump()
}
const question = (file, tag) => {
  file.tag = tag
  const folder = tag === 'folder', text = `There is already a ${folder ? 'folder ' : ''}${file.to} here.`
  show(file, 'bad', text, ...overwrite && !folder ? [button('Replace it', () => replace(file))] : [], ...upload ? [button('Keep both', () => keep(file))] : [], cross('leave out', file, forget))
  asked.add(file)
  say(text)
  pump()
}
const replace = file => {
  if (file.tag === 'folder') return
  file.match = file.tag
  enter(file)
}
const keep = file => {
  file.match = ''
  number(file)
  enter(file)
}
/** `film (2).mp4`: the next name that is not known to be taken, numbered as the server does it. */
const number = file => {
  const { path } = file, slash = path.lastIndexOf('/') + 1
  let dot = path.lastIndexOf('.')
  if (dot <= slash || path.length - dot > 32) dot = path.length
  else if (dot > slash + 4 && path.slice(0, dot).endsWith('.tar')) dot -= 4
  do {
    const stem = Array.from(path.slice(slash, dot)), end = ` (${file.number = (file.number || 1) + 1})` + path.slice(dot)
    while (new TextEncoder().encode(stem.join('') + end).length > 255) stem.pop()
    file.to = path.slice(0, slash) + stem.join('') + end
  } while (listed(file.to))
}
const enter = (file, last) => {
  show(file, 'waiting', 'waiting', cross('cancel', file, () => {
    waiting = waiting.filter(other => other !== file)
    fail(file, 'Not sent.')
  }))
  waiting[last ? 'push' : 'unshift'](file)
  pump()
}
const pump = () => {
  while (active.size < AT_ONCE && waiting.length) start(waiting.shift())
  tell()
}
const start = async file => {
  file.sent = 0
  file.stopped = file.request = null
  show(file, 'active', size(file.blob.size), cross('cancel', file, stop))
  file.bar.value = 0
  file.url = base + file.to.split('/').map(encode).join('/')
  // About a name that stands in the table the question comes before anything is sent in vain.
  const tag = !file.match && listed(file.to) && await look(file.url)
  if (tag) return question(file, tag)
  if (file.stopped) return fail(file, CANCELLED)
  const request = file.request = new XMLHttpRequest(), begun = clock(), rate = meter()
  request.open('PUT', file.url)
  request.setRequestHeader('Accept', json.Accept)
  // Nobody's file is replaced but the one that was asked about.
  request.setRequestHeader(file.match ? 'If-Match' : 'If-None-Match', file.match || '*')
  request.upload.onprogress = ({ loaded, total }) => {
    file.sent = loaded
    file.bar.value = loaded / (total || 1)
    file.parts[1].textContent = loaded < total ? rate(loaded, total) : 'being stored'
    tell()
  }
  request.onload = () => answered(file, span((clock() - begun) / 1000))
  request.onabort = () => fail(file, CANCELLED)
  request.onerror = async () => {
    fail(file, await file.blob.slice(0, 1).arrayBuffer().catch(() => 0) ? 'The connection broke. ' + NOTHING : 'The file cannot be read.')
  }
  request.send(file.blob)
}
const answered = async (file, took) => {
  const { status, responseText } = file.request
  if (status < 300) {
    file.sent = file.blob.size
    show(file, 'stored', [make('b', { textContent: '✓ stored' }), ` · ${size(file.sent)} in ${took}`], make('a', { href: file.url, textContent: 'open', target: '_blank', ariaLabel: 'open ' + file.to }))
    if (list.children.length > SHOWN) list.querySelector('.stored').remove()
    refresh()
    return pump()
  }
  if (status === 409 || status === 412) {
    const tag = await look(file.url)
    if (tag && (file.match || !file.number)) return question(file, tag)
    // A number that was taken a moment ago, or a file to be replaced that is gone: then it is a new one.
    if (tag || file.match) {
      tag ? number(file) : file.match = ''
      return start(file)
    }
  }
  if (status === 405 && !upload) return fail(file, `There is no ${file.to} here to replace.`)
  fail(file, words(status, responseText))
}
/** Adds what `come` finds, all of it to one batch, however long that takes. */
const gather = async come => {
  if (!active.size && !waiting.length && !asked.size && !coming) {
    list.replaceChildren()
    batch = []
    overall = meter()
    spoken = clock()
  }
  coming++
  await come()
  coming--
  tell()
}
const add = (blob, path) => {
  // What the Finder leaves in every folder is nobody's file.
  if (/(^|\/)\.DS_Store$/.test(path)) return
  const file = { blob, path, to: path, sent: 0 }
  batch.push(file)
  blob ? enter(file, true) : fail(file, 'It cannot be read.')
}

// Files come by a drop anywhere, or are chosen.
const walk = async (entry, path) => {
  try {
    if (entry instanceof File) return add(entry, entry.name)
    const got = (on, what) => new Promise((done, failed) => on[what](done, failed))
    if (entry.isFile) return add(await got(entry, 'file'), path + entry.name)
    for (const reader = entry.createReader(); ;) {
      const some = await got(reader, 'readEntries')
      if (!some.length) return
      for (const inner of some) await walk(inner, path + entry.name + '/')
    }
  } catch {
    add(null, path + entry.name)
  }
}
const over = event => event.dataTransfer?.types.includes('Files') && !event.preventDefault()
const mark = on => document.documentElement.classList.toggle('over', on)
addEventListener('dragover', event => over(event) && mark(true))
addEventListener('dragleave', event => event.relatedTarget || mark(false))
addEventListener('drop', event => {
  mark(false)
  // All at once: the list is empty after this turn.
  if (!over(event)) return
  const entries = Array.from(event.dataTransfer.items, item => item.webkitGetAsEntry?.() || item.getAsFile())
  gather(() => Promise.all(entries.map(entry => entry && walk(entry, ''))))
})
const files = form.querySelector('input'), folder = make('input', { type: 'file', webkitdirectory: true, hidden: true, ariaLabel: 'folder to add' })
files.hidden = true
files.onchange = folder.onchange = ({ target }) => {
  gather(() => [...target.files].forEach(file => add(file, file.webkitRelativePath || file.name)))
  target.value = ''
}
form.querySelector('span').textContent = 'Drop files ' + (upload ? 'or folders anywhere on this page.' : 'anywhere on this page to replace those of the same names.')
form.querySelector('button').replaceWith(button('Choose files', () => files.click()), button('Choose a folder', () => folder.click()), folder)
// The other script makes the tools when the page is complete.
addEventListener('DOMContentLoaded', () => one('.tools').append(button(upload ? 'Add files' : 'Replace files', () => files.click(), { id: 'add', className: 'btn primary' })))
})()
