//! How a path beneath a descriptor is opened: by one `openat2`, or by a walk from folder to folder
//! where that is missing.
//!
//! Both refuse the same climbs, but not the same links. `openat2` follows a relative link that
//! stays beneath the root. The walk follows none: it could not know where a link leads without
//! losing the race against a program that swaps the link.
//!
//! | | `openat2` | walk |
//! |---|---|---|
//! | `..` and absolute paths | refused | refused |
//! | a relative link that stays inside | followed with [`Symlinks::Inside`] | refused |
//! | a link that leads outside | followed with [`Symlinks::Any`] only | the same |
//! | a folder that is swapped for a link meanwhile | cannot lead outside | cannot lead outside |

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};

/// Which symbolic links are followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Symlinks {
    /// Relative links that stay beneath the root. All others count as missing.
    #[default]
    Inside,
    /// None.
    Deny,
    /// All, wherever they lead.
    Any,
}

/// How a root opens paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMethod {
    /// `openat2`. What the kernel has in memory is opened on the loop.
    Cached,
    /// `openat2`, always on a worker: an older kernel, or a file system that may wait for a
    /// network.
    Worker,
    /// A walk with `O_NOFOLLOW`, always on a worker: `openat2` is missing or forbidden.
    Walk,
}

/// How often a lookup that lost a race against a rename is tried before the client is told to come
/// back. Each try starts afresh, so only an attacker makes eight of them fail in a row.
const TRIES: usize = 8;

impl OpenMethod {
    /// One sentence for the banner.
    pub fn sentence(self) -> &'static str {
        match self {
            OpenMethod::Cached => "The kernel keeps every path inside the folder (openat2).",
            OpenMethod::Worker => {
                "The kernel keeps every path inside the folder (openat2); here each file is opened by a worker."
            }
            OpenMethod::Walk => {
                "openat2 is not to be had here: folders are walked one by one, symbolic links are refused."
            }
        }
    }

    /// Finds out which method this kernel has for this root.
    pub(crate) fn probe(root: &OwnedFd) -> OpenMethod {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        // ENOSYS before Linux 5.6, EPERM under the seccomp filter of an older container runtime.
        if fs::openat2(root, c".", flags, Mode::empty(), beneath).is_err() {
            return OpenMethod::Walk;
        }
        // EINVAL before Linux 5.12.
        let cached = fs::openat2(root, c".", flags, Mode::empty(), beneath | ResolveFlags::CACHED);
        // CACHED covers the lookup only. Where fstat may wait for a network, no loop may call it.
        if cached.is_err() || fs::fstatfs(root).map_or(true, |stat| may_wait(stat.f_type as u32)) {
            return OpenMethod::Worker;
        }
        OpenMethod::Cached
    }

    /// Opens `path`, which is relative; `None` if that would block and must not.
    pub(crate) fn open(
        self,
        root: BorrowedFd<'_>,
        path: &[u8],
        flags: OFlags,
        symlinks: Symlinks,
        may_block: bool,
    ) -> Result<Option<OwnedFd>> {
        if !may_block && self != OpenMethod::Cached {
            return Ok(None);
        }
        if self == OpenMethod::Walk {
            return walk(root, path, flags, symlinks).map(Some);
        }
        // Magic links are those in /proc/PID/fd: they lead to any file, past every check.
        let resolve = match symlinks {
            Symlinks::Inside => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
            Symlinks::Deny => ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            Symlinks::Any => ResolveFlags::NO_MAGICLINKS,
        };
        if !may_block {
            // NO_XDEV: another mount may be a network file system, on which fstat would wait.
            let resolve = resolve | ResolveFlags::CACHED | ResolveFlags::NO_XDEV;
            return match fs::openat2(root, path, flags, Mode::empty(), resolve) {
                // EXDEV: out of the root, or onto another mount. A worker finds out which.
                Err(Errno::AGAIN | Errno::XDEV | Errno::INTR) => Ok(None),
                other => other.map(Some),
            };
        }
        let mut opened = Err(Errno::AGAIN);
        for _ in 0..TRIES {
            opened = fs::openat2(root, path, flags, Mode::empty(), resolve);
            // AGAIN: a rename during the lookup, so the kernel cannot tell whether the path stayed
            // beneath the root.
            if !matches!(opened, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        opened.map(Some)
    }
}

/// Opens each folder on the way from the one before it, without following links.
fn walk(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, symlinks: Symlinks) -> Result<OwnedFd> {
    if symlinks == Symlinks::Any {
        // Links may lead anywhere, so there is nothing to check.
        return fs::openat(root, path, flags, Mode::empty());
    }
    let on_the_way = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut segments = path.split(|&b| b == b'/').filter(|segment| !segment.is_empty()).peekable();
    let mut at: Option<OwnedFd> = None;
    while let Some(segment) = segments.next() {
        let from = at.as_ref().map_or(root, AsFd::as_fd);
        // PATH on the way: a folder that may be entered but not read must still lead further.
        if segments.peek().is_some() {
            at = Some(fs::openat(from, segment, on_the_way, Mode::empty())?);
            continue;
        }
        let last = if path.ends_with(b"/") { flags | OFlags::DIRECTORY } else { flags };
        let opened = fs::openat(from, segment, last | OFlags::NOFOLLOW, Mode::empty())?;
        // With O_PATH the kernel opens the link itself instead of refusing it.
        let is_link = fs::FileType::from_raw_mode(fs::fstat(&opened)?.st_mode) == fs::FileType::Symlink;
        return if is_link { Err(Errno::LOOP) } else { Ok(opened) };
    }
    // The path has no segments: it is the root itself.
    fs::openat(root, c".", flags, Mode::empty())
}

/// File systems whose `fstat` or lookup may wait for another machine or another program, by the
/// numbers of `statfs(2)`.
fn may_wait(magic: u32) -> bool {
    matches!(
        magic,
        0x6969 // NFS
            | 0x517b | 0xfe53_4d42 | 0xff53_4d42 // SMB in three generations
            | 0x6573_5546 // FUSE, virtiofs
            | 0x0102_1997 // 9p
            | 0x00c3_6400 // Ceph
            | 0x5346_414f | 0x6b41_4653 // AFS: OpenAFS, the kernel's own
            | 0x7375_7245 // Coda
            | 0x564c // NCP
            | 0x0116_1970 // GFS2: a lock of the cluster
            | 0x7461_636f // OCFS2: the same
            | 0x0bd0_0bd0 // Lustre
            | 0x4750_4653 // GPFS
            | 0x1983_0326 // BeeGFS
            | 0x786f_4256 // VirtualBox shared folders
            | 0xbacb_acbc // VMware shared folders
            | 0x0187 // autofs: a lookup makes it mount
    )
}
