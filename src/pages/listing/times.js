// Times in the zone and the language of the reader. The server writes them in UTC.

/** Rows of the first batch: as many as a high screen shows. Each batch is four times as long as the one before. */
const FIRST_BATCH = 500

const timeFormat = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
/** The elements that have been changed already. */
const localTimes = new WeakSet()

/**
 * Changes all times of the table, then calls `done`. In a folder of 100,000 files that takes a while. Batches show the
 * first rows at once; as they grow, the browser lays out the page only a few times.
 */
function showLocalTimes(rows, done) {
  // A live list: it has the rows that are added meanwhile, too.
  const times = rows.getElementsByTagName('time')
  const showBatch = (from, size) => {
    const end = Math.min(from + size, times.length)
    for (let at = from; at < end; at++) {
      const time = times[at]
      if (localTimes.has(time)) continue
      localTimes.add(time)
      time.textContent = timeFormat.format(new Date(time.dateTime))
    }
    setTimeout(() => (end < times.length ? showBatch(end, size * 4) : done()))
  }
  showBatch(0, FIRST_BATCH)
}
