//! Validators: the entity-tag and the date of a representation (RFC 9110 §8.8).
//!
//! ```text
//! entity-tag = [ "W/" ] DQUOTE *etagc DQUOTE        ; W is case-sensitive
//! etagc      = %x21 / %x23-7E / obs-text            ; no DQUOTE and no escape
//! ```
//!
//! The tag of a file is a fixed hash of its metadata. So it is the same after a restart and in another process, and
//! shows no inode number. These rules make sure that a changed file is never called unchanged:
//! - Clocks have ticks. A file that is written twice within one tick keeps its times. So while the
//!   last change is younger than two ticks, the tag is weak and ends in another mark in each response:
//!   nothing confirms it, then or later. (Without the mark, it would be confirmed for ever.) What is
//!   before the mark is the strong tag that a write knows the file by.
//! - Dates have seconds. `Last-Modified` is never in the current second, so no date that was sent
//!   can stand for two versions (§8.8.2.2).
//! - A date says less than a tag. `mv old.html index.html` gives new content with an *older* mtime,
//!   but the rename changes ctime. So If-Modified-Since with a date other than the exact one counts
//!   only if it is later than both.
//!
//! Times and inode numbers may be wrong:
//!
//! | on the disk | tag | date |
//! |---|---|---|
//! | mtime in the future, set by a program or by a clock that was ahead | by ctime, so soon strong | that of the request |
//! | ctime in the near future | weak, with one mark until that time is over ([`Scope::Ahead`]) | that of the request |
//! | mtime 0 or 1, as in reproducible images | the same: ctime and inode tell the versions apart | none |
//! | inode numbers that do not last ([`FileSystem::keeps_inodes`]) | of size and times alone | by mtime |
//! | mtime and ctime of an image that was mounted ([`Scope::Process`]) | another one in each process | by mtime |
//! | mtime and ctime 0 or 1 elsewhere ([`Scope::Response`]) | another one in each response | none |
//!
//! In the last two, metadata cannot tell two versions of equal length apart.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::files::representation::Coding;
use crate::files::root::{FileSystem, Meta, Moment};

/// The most that the clock of a file system may be ahead of ours: a wrong time zone makes 14 hours. A change that
/// seems to lie further in the future was not made just now: its time was set by a program, or is wrong.
const CLOCK_AHEAD: Duration = Duration::from_secs(24 * 60 * 60);
/// The last second that is no time but a constant: builds that want to be reproducible set every time to 0 or 1.
const LAST_CONSTANT: i64 = 1;
/// Another number in each process.
static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().build_hasher().finish());
/// `W/`, two quotes, 16 digits of the hash, `-zstd`, `~`, 16 digits of the mark.
const TAG_CAPACITY: usize = 2 + 2 + 16 + 5 + 1 + 16;

/// An entity-tag of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntityTag {
    bytes: [u8; TAG_CAPACITY],
    len: usize,
    is_weak: bool,
}

impl EntityTag {
    /// With a mark it is weak.
    fn new(hash: u64, coding: Coding, mark: Option<u64>) -> EntityTag {
        let mut tag = EntityTag { bytes: [0; TAG_CAPACITY], len: 0, is_weak: mark.is_some() };
        tag.push(b"W/\"");
        tag.push_hex(hash);
        if coding != Coding::Identity {
            // One file in two codings is two representations (§8.8.3.3).
            tag.push(b"-");
            tag.push(coding.name().as_bytes());
        }
        if let Some(mark) = mark {
            tag.push(b"~");
            tag.push_hex(mark);
        }
        tag.push(b"\"");
        tag
    }

    /// Appends 16 digits.
    fn push_hex(&mut self, number: u64) {
        for shift in (0..16).rev() {
            self.push(&[b"0123456789abcdef"[(number >> (shift * 4)) as usize & 15]]);
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        // Always fits: see TAG_CAPACITY.
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    /// The tag as it is written in a field.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[if self.is_weak { 0 } else { 2 }..self.len]
    }

    /// Whether another version may have the same tag.
    pub(crate) fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// The bytes between the quotes.
    fn opaque(&self) -> &[u8] {
        &self.bytes[3..self.len - 1]
    }

    /// Strong comparison (§8.8.3.2), for If-Match and If-Range: equal, and neither is weak.
    pub(crate) fn matches_strongly(&self, other: &ClientTag<'_>) -> bool {
        !self.is_weak && !other.weak && self.opaque() == other.opaque
    }

    /// Weak comparison (§8.8.3.2), for If-None-Match: equal, weak or not.
    pub(crate) fn matches_weakly(&self, other: &ClientTag<'_>) -> bool {
        self.opaque() == other.opaque
    }
}

/// An entity-tag in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientTag<'a> {
    /// Whether it begins with `W/`.
    pub weak: bool,
    /// The bytes between the quotes.
    pub opaque: &'a [u8],
}

impl<'a> ClientTag<'a> {
    /// The tag at the beginning of `value`, and the bytes after it.
    fn first(value: &'a [u8]) -> Option<(ClientTag<'a>, &'a [u8])> {
        let (weak, rest) = match value {
            [b'W', b'/', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        // A tag needs its quotes. Some clients send it without them; that is not a tag.
        let [b'"', rest @ ..] = rest else { return None };
        let end = rest.iter().position(|&b| b == b'"')?;
        let (opaque, rest) = (&rest[..end], &rest[end + 1..]);
        let etagc = |b: &u8| matches!(b, b'!' | b'#'..=b'~' | 0x80..=0xff);
        // No spaces and no controls inside.
        opaque.iter().all(etagc).then_some((ClientTag { weak, opaque }, rest))
    }

    /// `value` as one tag and nothing else.
    pub(crate) fn parse(value: &'a [u8]) -> Option<ClientTag<'a>> {
        ClientTag::first(value).filter(|(_, rest)| rest.is_empty()).map(|(tag, _)| tag)
    }

    /// The tags of a list. An element that is not a tag is skipped up to the next comma.
    ///
    /// [`crate::http::field::elements`] would be wrong here: a backslash is an escape in a
    /// quoted-string, but not in a tag.
    pub(crate) fn list(value: &'a [u8]) -> impl Iterator<Item = ClientTag<'a>> {
        let mut rest = value;
        std::iter::from_fn(move || {
            // Empty elements are allowed in every list (§5.6.1.2).
            while let Some(&byte) = rest.first() {
                if matches!(byte, b' ' | b'\t' | b',') {
                    rest = &rest[1..];
                } else if let Some((tag, after)) = ClientTag::first(rest) {
                    rest = after;
                    return Some(tag);
                } else {
                    rest = &rest[rest.iter().position(|&b| b == b',').unwrap_or(rest.len())..];
                }
            }
            None
        })
    }
}

/// The tag and the date of one version of a representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validators {
    pub tag: EntityTag,
    dates: Option<Dates>,
}

/// All in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Dates {
    modified: u64,
    changed: u64,
    now: u64,
}

impl Validators {
    /// Validators of a file on `file_system` whose metadata was read at `now` or later.
    pub(crate) fn of(meta: &Meta, file_system: FileSystem, coding: Coding, now: SystemTime) -> Validators {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Validators::in_scope(meta, file_system, coding, now, Scope::of(meta, file_system, now))
    }

    /// The same for a file that was just published, and for conditions on a write: every write makes a new file with
    /// another inode, so even young versions never share a tag where inodes last. (A write into a file that is mounted
    /// alone ends when its times are over.)
    pub(crate) fn of_written(meta: &Meta, file_system: FileSystem, now: SystemTime) -> Validators {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let scope = match file_system.keeps_inodes() {
            true => Scope::of_settled(meta, file_system),
            false => Scope::of(meta, file_system, now),
        };
        Validators::in_scope(meta, file_system, Coding::Identity, now, scope)
    }

    /// `now`: since 1970.
    fn in_scope(meta: &Meta, file_system: FileSystem, coding: Coding, now: Duration, scope: Scope) -> Validators {
        // No device number: it may change at a restart. No permissions: they do not belong to the content.
        let sum = [
            if file_system.keeps_inodes() { meta.inode } else { 0 },
            meta.size,
            meta.modified.0 as u64,
            u64::from(meta.modified.1),
            meta.changed.0 as u64,
            u64::from(meta.changed.1),
        ]
        .into_iter()
        .fold(SEED, mix);
        let (sum, mark) = match scope {
            Scope::Always => (sum, None),
            Scope::Process => (mix(mix(sum, *PROCESS), meta.device), None),
            Scope::Ahead => (sum, Some(0)),
            Scope::Response => (sum, Some(now.as_nanos() as u64)),
        };
        // HTTP dates cannot be before 1970, so such a time counts as 1970.
        let second = |moment: Moment| u64::try_from(moment.0).unwrap_or(0);
        let dates = Dates {
            modified: second(meta.modified),
            changed: second(meta.changed),
            // FAT keeps even seconds: the one after may belong to them.
            now: now.as_secs().saturating_sub(u64::from(meta.has_whole_seconds())),
        };
        Validators { tag: EntityTag::new(sum, coding, mark), dates: (!is_constant(meta.modified)).then_some(dates) }
    }

    /// Validators of content that was made for this response: a hash of all its bytes, and no date.
    pub(crate) fn of_content(content: &[u8]) -> Validators {
        Validators { tag: EntityTag::new(hash(content), Coding::Identity, None), dates: None }
    }

    /// The value of `Last-Modified` in seconds since 1970: always before the current second (§8.8.2.1).
    pub(crate) fn last_modified(&self) -> Option<u64> {
        self.dates.map(|dates| dates.modified.min(dates.now.saturating_sub(1)))
    }

    /// Whether the second of its date is over. Then `Last-Modified` no longer depends on the time of the request.
    pub(crate) fn is_settled(&self) -> bool {
        self.dates.is_none_or(|dates| dates.is_over())
    }

    /// Whether there is a date. Without one, conditions on dates are ignored (§13.1.3, §13.1.4).
    pub(crate) fn have_date(&self) -> bool {
        self.dates.is_some()
    }

    /// Whether the content has surely not changed since `date`, for If-Modified-Since.
    pub(crate) fn unchanged_since(&self, date: u64) -> bool {
        // A later date counts only if it is after the last rename as well, which changes ctime.
        self.is_dated(date) || self.dates.is_some_and(|d| d.is_over() && date > d.modified.max(d.changed))
    }

    /// Whether the date of this version is `date` or earlier, for If-Unmodified-Since. Says less than
    /// [`Validators::unchanged_since`]: §13.1.4 lets the date alone decide.
    pub(crate) fn is_dated_until(&self, date: u64) -> bool {
        self.is_dated(date) || self.dates.is_some_and(|dates| date > dates.modified)
    }

    /// Whether `date` is exactly the date of this version, and no other version can have it (strong, §8.8.2.2).
    pub(crate) fn is_dated(&self, date: u64) -> bool {
        self.dates.is_some_and(|dates| dates.is_over() && date == dates.modified)
    }
}

impl Dates {
    /// Whether the second of the last change is over.
    fn is_over(&self) -> bool {
        self.modified < self.now
    }
}

/// Where two versions of a file surely differ in their metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// At any time.
    Always,
    /// While this process runs. The times come from an image (squashfs, erofs, a lower layer of overlayfs), and the
    /// next image may have the same times and numbers with other content.
    Process,
    /// Not for sure until the time of the last change is over, which is ahead of our clock.
    Ahead,
    /// Nowhere.
    Response,
}

impl Scope {
    /// `now`: since 1970.
    fn of(meta: &Meta, file_system: FileSystem, now: Duration) -> Scope {
        // A write sets both times, and no program can set ctime. So mtime does not matter, except on file systems
        // that make up ctime.
        let changed = if file_system.keeps_inodes() { meta.changed } else { meta.changed.max(meta.modified) };
        let age = now.as_nanos() as i128 - nanoseconds(changed);
        let (ticks, ahead) = (meta.resolution().as_nanos() as i128, CLOCK_AHEAD.as_nanos() as i128);
        // Another write could leave the same times.
        match age {
            _ if age >= ticks || age <= -ahead => Scope::of_settled(meta, file_system),
            // May last for hours, in which a client that fetches ranges needs one tag.
            _ if age < -ticks => Scope::Ahead,
            _ => Scope::Response,
        }
    }

    /// The scope if no other write can leave the same times.
    fn of_settled(meta: &Meta, file_system: FileSystem) -> Scope {
        // A kernel that writes a file sets ctime to its clock, which never shows whole seconds. (Old file systems such
        // as ext3 keep no more. There, too, the tag lasts as long as the process.)
        let is_of_image = meta.modified == meta.changed && meta.has_whole_seconds();
        match file_system {
            FileSystem::Local if is_of_image => Scope::Process,
            _ if is_constant(meta.modified) && is_constant(meta.changed) => Scope::Response,
            _ => Scope::Always,
        }
    }
}

/// Whether this is no time but the constant of a reproducible build.
fn is_constant(moment: Moment) -> bool {
    moment.0 <= LAST_CONSTANT
}

/// A moment as one number, for comparisons. 128 bits, because seconds may be any 64-bit number.
fn nanoseconds((seconds, nanoseconds): Moment) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
}

/// Any odd number works. It must never change, because every tag depends on it.
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A hash of all these bytes, the same in every process.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let sum = words.iter().fold(mix(SEED, bytes.len() as u64), |sum, word| mix(sum, u64::from_be_bytes(*word)));
    mix(sum, rest.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)))
}

/// Adds one word to the hash, by the finaliser of splitmix64: every bit of the result depends on every bit before.
pub(crate) fn mix(sum: u64, word: u64) -> u64 {
    let mut z = (sum ^ word).wrapping_add(SEED);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::root::FileKind;

    const META: Meta = Meta {
        device: 1,
        inode: 2,
        size: 3,
        modified: (1_000_000, 500_000_000),
        changed: (1_000_000, 500_000_000),
        kind: FileKind::File,
        mode: 0o100_644,
        owner: (0, 0),
    };

    fn at(nanoseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanoseconds)
    }

    fn old(meta: &Meta, coding: Coding) -> EntityTag {
        Validators::of(meta, FileSystem::Local, coding, at(2_000_000_000_000_000)).tag
    }

    #[test]
    fn any_change_the_kernel_can_see_changes_the_tag() {
        let tag = old(&META, Coding::Identity);
        for other in [
            Meta { inode: 3, ..META },
            Meta { size: 4, ..META },
            Meta { modified: (1_000_000, 500_000_001), ..META },
            Meta { modified: (1_000_001, 500_000_000), ..META },
            Meta { changed: (1_000_000, 500_000_001), ..META },
            Meta { changed: (999_999, 500_000_000), ..META },
        ] {
            assert_ne!(old(&other, Coding::Identity), tag, "{other:?}");
        }
        // Device numbers change with a restart, permissions without a change of content.
        assert_eq!(old(&Meta { device: 9, mode: 0, ..META }, Coding::Identity), tag);
    }

    #[test]
    fn each_coding_has_a_tag_of_its_own_and_it_is_the_same_for_ever() {
        let tags = [Coding::Identity, Coding::Gzip, Coding::Zstd, Coding::Brotli]
            .map(|c| String::from_utf8_lossy(old(&META, c).bytes()).into_owned());
        let want = [
            "\"f56aa44932b50cab\"",
            "\"f56aa44932b50cab-gzip\"",
            "\"f56aa44932b50cab-zstd\"",
            "\"f56aa44932b50cab-br\"",
        ];
        assert_eq!(tags, want);
    }

    #[test]
    fn a_tag_is_weak_while_another_write_could_go_unseen() {
        let changed = 1_000_000_500_000_000;
        for (now, weak) in
            [(changed - 1, true), (changed, true), (changed + 19_999_999, true), (changed + 20_000_000, false)]
        {
            let tag = Validators::of(&META, FileSystem::Local, Coding::Identity, at(now)).tag;
            assert_eq!(tag.is_weak(), weak, "{now}");
            assert_eq!(tag.bytes().starts_with(b"W/"), weak);
            // A client that has the version before the other write must not be told later that it has the last one.
            assert_eq!(tag.opaque() == old(&META, Coding::Identity).opaque(), !weak);
            let next = Validators::of(&META, FileSystem::Local, Coding::Identity, at(now + 1)).tag;
            assert_eq!(tag.opaque() == next.opaque(), !weak);
            let written = Validators::of_written(&META, FileSystem::Local, at(now)).tag;
            assert_eq!(written, old(&META, Coding::Identity), "a new file has another inode");
            assert!(tag.opaque().starts_with(written.opaque()), "the page of a folder takes off the mark");
        }
        let touched = Meta { modified: (5, 1), ..META };
        assert!(
            Validators::of(&touched, FileSystem::Local, Coding::Identity, at(changed + 1)).tag.is_weak(),
            "ctime counts too"
        );
        let whole = Meta { modified: (1_000_000, 0), changed: (1_000_000, 0), ..META };
        for (now, weak) in [(1_000_001_999_999_999, true), (1_000_002_000_000_000, false)] {
            let tag = Validators::of(&whole, FileSystem::Local, Coding::Identity, at(now)).tag;
            assert_eq!(tag.is_weak(), weak, "{now}");
        }
    }

    #[test]
    fn last_modified_is_never_the_running_second_nor_later() {
        for (now, announced) in [(2_000_000, 1_000_000), (1_000_001, 1_000_000), (1_000_000, 999_999), (500, 499)] {
            let v = Validators::of(&META, FileSystem::Local, Coding::Identity, at(now * 1_000_000_000));
            assert_eq!(v.last_modified(), Some(announced), "{now}");
        }
    }

    /// A moment after both times of [`META`], and one long after.
    const SOON: u64 = 1_000_001_000_000_000;
    const LATER: u64 = 2_000_000_000_000_000;

    #[test]
    fn a_constant_time_is_no_date_and_ctime_tells_the_versions_apart() {
        for constant in [(0, 0), (1, 0), (1, 5), (-5, 0)] {
            let image = Meta { modified: constant, ..META };
            let v = Validators::of(&image, FileSystem::Local, Coding::Identity, at(SOON));
            assert!(!v.have_date() && !v.tag.is_weak() && v.is_settled(), "{constant:?}");
            assert_eq!(v.last_modified(), None);
            assert!(!v.unchanged_since(u64::MAX) && !v.is_dated(0) && !v.is_dated(1));
            assert_ne!(v.tag, old(&Meta { changed: (1_000_000, 500_000_001), ..image }, Coding::Identity));
        }
    }

    #[test]
    fn without_any_time_no_tag_is_ever_confirmed() {
        for (modified, changed) in [((0, 0), (0, 0)), ((1, 0), (1, 0)), ((0, 0), (1, 0))] {
            for file_system in [FileSystem::Remote, FileSystem::Share, FileSystem::Fuse] {
                let image = Meta { modified, changed, ..META };
                let tag = |now| Validators::of_written(&image, file_system, at(now)).tag;
                assert!(tag(LATER).is_weak(), "it must not be kept in the cache");
                assert_ne!(tag(LATER).opaque(), tag(LATER + 1).opaque());
            }
        }
    }

    #[test]
    fn the_tag_of_a_file_in_an_image_does_not_outlive_the_process() {
        let tag = |meta: &Meta, file_system| Validators::of(meta, file_system, Coding::Identity, at(LATER)).tag;
        for time in [(0, 0), (1, 0), (315_532_800, 0)] {
            let image = Meta { modified: time, changed: time, ..META };
            let strong = tag(&image, FileSystem::Local);
            assert!(!strong.is_weak());
            assert_eq!(strong, tag(&image, FileSystem::Local), "the same as long as the image is mounted");
            // The number of this process is in it, and that of the mount.
            assert_ne!(strong.opaque(), &tag(&image, FileSystem::Remote).opaque()[..16]);
            assert_ne!(strong, tag(&Meta { device: 9, ..image }, FileSystem::Local));
        }
    }

    #[test]
    fn whole_seconds_may_be_even_ones() {
        let even = Meta { modified: (1_000_000, 0), changed: (1_000_000, 0), ..META };
        for (now, announced, is_dated) in
            [(1_000_000, 999_998, false), (1_000_001, 999_999, false), (1_000_002, 1_000_000, true)]
        {
            let v = Validators::of(&even, FileSystem::Fat, Coding::Identity, at(now * 1_000_000_000 + 5));
            assert_eq!((v.last_modified(), v.is_dated(1_000_000)), (Some(announced), is_dated), "{now}");
        }
    }

    #[test]
    fn a_time_in_the_future_makes_no_tag_weak_for_long() {
        let day = CLOCK_AHEAD.as_nanos() as u64;
        let is_weak = |file_system, modified, changed, now| {
            let meta = Meta { modified, changed, ..META };
            Validators::of(&meta, file_system, Coding::Identity, at(now)).tag.is_weak()
        };
        let (hour, year) = ((1_003_600, 5), (33_000_000, 5));
        for modified in [hour, year] {
            // Set by a program: the next write sets ctime to the present.
            assert!(!is_weak(FileSystem::Local, modified, META.changed, SOON), "{modified:?}");
        }
        // The clock of the file system may be ahead of ours, and still write at this very moment, but not for ever.
        for file_system in [FileSystem::Local, FileSystem::Remote, FileSystem::Fuse] {
            assert!(is_weak(file_system, hour, hour, SOON));
            assert!(!is_weak(file_system, year, year, SOON));
            assert!(!is_weak(file_system, hour, hour, SOON + day));
        }
        // One tag for hours, and another one after them.
        let hours = [SOON, SOON + 1, SOON + day].map(|now| {
            let meta = Meta { modified: hour, changed: hour, ..META };
            Validators::of(&meta, FileSystem::Share, Coding::Identity, at(now)).tag
        });
        assert!(hours[0] == hours[1] && hours[0].opaque() != hours[2].opaque());
        // Here ctime may be an invention.
        assert!(is_weak(FileSystem::Fuse, hour, (5, 5), SOON));
        assert!(!is_weak(FileSystem::Fuse, year, (5, 5), SOON));
    }

    #[test]
    fn where_inode_numbers_do_not_last_size_and_times_carry_the_tag() {
        let validators = |meta: &Meta, now| Validators::of(meta, FileSystem::Fuse, Coding::Identity, at(now));
        let tag = |meta: &Meta| validators(meta, LATER).tag;
        assert_eq!(tag(&META), tag(&Meta { inode: 9, ..META }));
        for other in [
            Meta { size: 4, ..META },
            Meta { modified: (1_000_000, 1), ..META },
            Meta { changed: (1_000_000, 1), ..META },
        ] {
            assert_ne!(tag(&META), tag(&other), "{other:?}");
        }
        // A new file of the same size may have the same tag, so an upload does not make it strong.
        let young = |file_system| Validators::of_written(&META, file_system, at(1_000_000_500_000_000)).tag.is_weak();
        assert_eq!([FileSystem::Local, FileSystem::Fuse].map(young), [false, true]);
    }

    #[test]
    fn a_date_never_calls_a_changed_file_unchanged() {
        let at_second =
            |meta: &Meta, now: u64| Validators::of(meta, FileSystem::Local, Coding::Identity, at(now * 1_000_000_000));
        let v = at_second(&META, 2_000_000);
        assert_eq!([999_999, 1_000_000, 1_000_001].map(|d| v.unchanged_since(d)), [false, true, true]);
        assert_eq!([999_999, 1_000_000, 1_000_001].map(|d| v.is_dated(d)), [false, true, false]);
        // Within its second it may change again.
        let young = at_second(&META, 1_000_000);
        assert!(!young.unchanged_since(1_000_000) && !young.unchanged_since(1_000_001) && !young.is_dated(1_000_000));
        // An older file renamed over a newer one.
        let renamed = at_second(&Meta { modified: (500, 0), ..META }, 2_000_000);
        let answers = [499, 500, 501, 999_999, 1_000_000, 1_000_001].map(|d| renamed.unchanged_since(d));
        assert_eq!(answers, [false, true, false, false, false, true]);
        assert!(!Validators::of_content(b"x").unchanged_since(u64::MAX));
    }

    #[test]
    fn for_if_unmodified_since_the_date_alone_decides() {
        // Copied with its old date: only ctime is young.
        let copied = Meta { modified: (500, 0), ..META };
        for now in [1_000_000, 2_000_000] {
            let v = Validators::of(&copied, FileSystem::Local, Coding::Identity, at(now * 1_000_000_000));
            assert_eq!([499, 500, 501, 1_000_000].map(|d| v.is_dated_until(d)), [false, true, true, true]);
        }
        // In the second of the change there may be two versions of that date.
        let young = Validators::of(&META, FileSystem::Local, Coding::Identity, at(1_000_000_600_000_000));
        assert_eq!([999_999, 1_000_000, 1_000_001].map(|d| young.is_dated_until(d)), [false, false, true]);
        assert!(!Validators::of_content(b"x").is_dated_until(u64::MAX));
    }

    #[test]
    fn comparison_follows_the_table_of_the_standard() {
        // RFC 9110 §8.8.3.2, table 3, with our tag in the place of "1".
        let strong = old(&META, Coding::Identity);
        let weak = EntityTag { is_weak: true, ..strong };
        let (same, other) = (strong.opaque(), &b"2"[..]);
        for (ours, theirs, strongly, weakly) in [
            (weak, ClientTag { weak: true, opaque: same }, false, true),
            (weak, ClientTag { weak: true, opaque: other }, false, false),
            (weak, ClientTag { weak: false, opaque: same }, false, true),
            (strong, ClientTag { weak: true, opaque: same }, false, true),
            (strong, ClientTag { weak: false, opaque: same }, true, true),
            (strong, ClientTag { weak: false, opaque: other }, false, false),
        ] {
            assert_eq!(
                (ours.matches_strongly(&theirs), ours.matches_weakly(&theirs)),
                (strongly, weakly),
                "{theirs:?}"
            );
        }
    }

    #[test]
    fn tags_are_found_between_any_separators() {
        let list = |value: &'static str| {
            let show =
                |t: ClientTag<'_>| format!("{}{}", if t.weak { "W/" } else { "" }, String::from_utf8_lossy(t.opaque));
            ClientTag::list(value.as_bytes()).map(show).collect::<Vec<_>>()
        };
        assert_eq!(list(r#""a", W/"b",,	"c,d" , "e\", "f""#), ["a", "W/b", "c,d", "e\\", "f"]);
        assert_eq!(list(r#"a, "b", w/"c", W/ "d", "e"#), ["b"]);
        assert_eq!(list(r#""""#), [""]);
        assert_eq!(list(r#""a b", "c""#), ["c"]);
        assert!(list("*").is_empty() && list("").is_empty() && list("\"").is_empty());
        assert_eq!(ClientTag::parse(b"W/\"a\""), Some(ClientTag { weak: true, opaque: b"a" }));
        for bad in [&b"\"a\" "[..], b"a", b"\"a\", \"b\"", b"", b"W/a", b"\"a"] {
            assert_eq!(ClientTag::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn made_content_differs_in_its_tag_when_one_byte_differs() {
        let tag = |content: &[u8]| Validators::of_content(content).tag;
        assert_eq!(tag(b"abcdefgh12345678x"), tag(b"abcdefgh12345678x"));
        for other in [&b""[..], b"abcdefgh12345678", b"abcdefgh12345678y", b"12345678abcdefghx", b"abcdefgh12345678x\0"]
        {
            assert_ne!(tag(other), tag(b"abcdefgh12345678x"));
        }
    }
}
