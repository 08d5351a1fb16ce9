// Addresses of this folder, and questions to the server.

const rights = one('main').dataset.rights
const mayUpload = rights.includes('upload')
const mayOverwrite = rights.includes('overwrite')
const mayDelete = rights.includes('delete')

/** The address of this folder, without a password that may stand in it: fetch() refuses such addresses. */
const folderUrl = location.origin + location.pathname

/** Asks for refusals in JSON. */
const AS_JSON = { Accept: 'application/json' }

/** A name as the server writes it into its links. */
function encodeName(name) {
  return encodeURIComponent(name.toWellFormed()).replace(/[!'()*]/g, percentEncoded)
}

/** The address of a path like `holiday/beach.jpg` in this folder. */
function urlOf(path) {
  return folderUrl + path.split('/').map(encodeName).join('/')
}

/** What has this address: the entity-tag of a file, `folder`, or an empty string for nothing. */
async function entityTag(url) {
  // A request for a range takes no coding. So the tag is that of the file itself, not of its .gz or .br.
  const headers = { Range: 'bytes=0-0' }
  let response
  try {
    response = await fetch(url, { method: 'HEAD', cache: 'no-store', redirect: 'manual', headers })
  } catch {
    return ''
  }
  // The server redirects the name of a folder to the one with a slash.
  if (response.type === 'opaqueredirect') return 'folder'
  if (!response.ok) return ''
  // A file that was changed a moment ago has a weak tag, W/"…~…". No condition fits a weak tag. In a write the server
  // knows the file by the part of the tag before the ~.
  return (response.headers.get('ETag') || '').replace(/^W\/("[^"~]*).*/, '$1"')
}

/** Why the server refused, in its own words. */
function refusal(status, body) {
  try {
    const { detail, advice } = JSON.parse(body)
    if (detail) return advice ? `${detail} ${advice}` : detail
  } catch {
    // A proxy may have answered.
  }
  return UPLOAD_TEXT.refused(status)
}
