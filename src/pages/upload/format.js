// Sizes, times and progress as text.

/** A number of bytes, as the server writes it in the table: `4.8 MB`. */
function formatSize(bytes) {
  const [number, unit] = scaled(bytes)
  return UPLOAD_TEXT.sizeInUnit(number, unit)
}

/** A number of bytes as a short number and its unit. */
function scaled(bytes) {
  let unit = 0
  // From 999.5 on the number would be rounded to 1000.
  for (; bytes >= 999.5 && unit < UPLOAD_TEXT.units.length - 1; unit++) bytes /= 1000
  const digits = unit > 0 && bytes < 9.95 ? 1 : 0
  return [bytes.toFixed(digits), UPLOAD_TEXT.units[unit]]
}

function formatDuration(seconds) {
  if (seconds < 100) {
    const digits = seconds < 0.1 ? 2 : seconds < 9.95 ? 1 : 0
    // Number() takes zeros at the end away.
    return UPLOAD_TEXT.seconds(Number(seconds.toFixed(digits)))
  }
  if (seconds < 90 * 60) return UPLOAD_TEXT.minutes(Math.round(seconds / 60))
  return UPLOAD_TEXT.hours((seconds / 3600).toFixed(1))
}

/** The rate is that of the last seconds, because networks change. */
const RATE_MS = 4000

/** A function that says how many bytes were sent, how fast, and how long the rest will take. */
function progressMeter() {
  const samples = []
  return (sent, all) => {
    const now = performance.now()
    samples.push({ at: now, sent })
    while (samples.length > 2 && samples[0].at < now - RATE_MS) samples.shift()
    const [first] = samples
    const [number, unit] = scaled(sent)
    // `3 of 8 MB`, but `800 kB of 8 MB`.
    const some = unit === scaled(all)[1] ? number : formatSize(sent)
    const sizes = UPLOAD_TEXT.sizeOf(some, formatSize(all))
    // Safari and Firefox count whole milliseconds, so no time may have passed. And an upload that is sent again starts at 0.
    if (now === first.at || sent <= first.sent) return sizes
    const perSecond = ((sent - first.sent) / (now - first.at)) * 1000
    const left = formatDuration(Math.ceil((all - sent) / perSecond))
    return UPLOAD_TEXT.progress(sizes, formatSize(perSecond), left)
  }
}
