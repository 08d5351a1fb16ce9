//! From an answer of the slow way to an item of the shelf, if it is one that can be kept.
//!
//! Never: a wait for a disk. What is not in memory is not kept this time.
//!
//! The subtle thing: what was read must be what was measured. So the file is looked at by its path before
//! and after, and only one that has been left alone for two ticks of the clock counts: a change between
//! the two looks has another time.

use std::fs::File;
use std::sync::Arc;
use std::time::SystemTime;

use crate::files::cache::{Alone, Item, LONGEST_PATH, Open, SMALL};
use crate::files::coding::Coding;
use crate::files::root::{Kind, Known, Root};
use crate::files::validator::Validators;
use crate::http::{Fields, Method, Prepared, Request, Status};

/// The item of an answer of the slow way, if it is one that can be kept.
pub(crate) fn make(
    request: &Request<'_>,
    fields: &Fields,
    file: &Arc<File>,
    root: &Root,
    index: &[String],
    now: SystemTime,
) -> Option<Item> {
    let path = request.path();
    let plain = fields.get("Content-Encoding").is_none() && request.method() == Method::Get;
    if !plain || path.len() > LONGEST_PATH {
        return None;
    }
    // Only the first name: the second one holds as long as the first is missing, and who knows that?
    let index = if path.ends_with(b"/") { index.first()?.as_bytes() } else { b"" };
    let place = [path, index].concat();
    let meta = root.look(&place).filter(|meta| meta.kind == Kind::File)?;
    let validators = Validators::of(&meta, Coding::Identity, now);
    let settled = !validators.tag.is_weak() && validators.is_settled();
    if !settled || fields.get("ETag") != Some(validators.tag.bytes()) || !root.is_plain(&place, &meta) {
        return None;
    }
    let negotiated = fields.get("Vary").is_some();
    let alone = if negotiated { alone(root, &place, now).map(Box::new) } else { None };
    let (whole, open) = if meta.size <= SMALL {
        (Prepared::new(Status::OK, fields, &read(file, meta.size)?), None)
    } else {
        (
            Prepared::without_content(Status::OK, fields, meta.size),
            Some(Box::new(Open { file: Arc::clone(file), fields: fields.clone() })),
        )
    };
    // What was read is what was measured only if nothing has moved meanwhile.
    if root.look(&place) != Some(meta) {
        return None;
    }
    let whole = Arc::new(whole);
    Some(Item {
        place: Known::new(&place)?,
        index: index.len(),
        meta,
        validators,
        whole,
        open,
        not_modified: None,
        alone,
        negotiated,
        used: false,
        proved: now,
        looked: 0,
    })
}

/// The folder of a file, if no prepared coding of the file stands in it for certain.
fn alone(root: &Root, place: &[u8], now: SystemTime) -> Option<Alone> {
    let end = place.iter().rposition(|&o| o == b'/')?;
    let folder = &place[..=end];
    let meta = root.look(folder)?;
    if Validators::of(&meta, Coding::Identity, now).tag.is_weak() {
        return None;
    }
    for coding in Coding::PREPARED {
        // A link counts too: the slow way follows it.
        if !root.is_free(&[place, coding.suffix().as_bytes()].concat()) {
            return None;
        }
    }
    let folder = Known::new(folder)?;
    (root.look_again(&folder) == Some(meta)).then_some(Alone { folder, meta })
}

/// The content, if all of it is in memory: a loop must not wait for a disk.
fn read(file: &File, size: u64) -> Option<Vec<u8>> {
    let mut content = vec![0; usize::try_from(size).ok()?];
    let mut from = 0;
    while from < content.len() {
        from += read_now(file, &mut content[from..], from as u64).filter(|&count| count > 0)?;
    }
    Some(content)
}

#[cfg(target_os = "linux")]
fn read_now(file: &File, room: &mut [u8], from: u64) -> Option<usize> {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut slices = [std::io::IoSliceMut::new(room)];
    preadv2(file, &mut slices, from, ReadWriteFlags::NOWAIT).ok()
}

#[cfg(not(target_os = "linux"))]
fn read_now(file: &File, room: &mut [u8], from: u64) -> Option<usize> {
    rustix::io::pread(file, room, from).ok()
}
