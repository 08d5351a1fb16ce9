//! A fence around the whole process: what the kernel keeps it from touching, whatever goes wrong inside.
//!
//! Landlock, where the kernel has it: files may be read beneath the served folder only, nothing may be
//! written or executed anywhere, and no connection may be opened to another machine. "No new
//! privileges" comes with it.
//!
//! The containment of each request does not rest on this; it is the second wall behind the first.
//!
//! Never: a reason not to start. A kernel without Landlock serves the same files just as well.
//!
//! The subtle things:
//! - It binds the calling thread and its children, so it must stand before the first thread starts.
//! - /proc is outside: limits, cores and the owner of a port must have been asked before.
//! - A rule holds for a file and not for its name. A single served file that an editor replaces would
//!   be locked out, so the fence around a file is its folder.

use std::error::Error;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus,
};

use crate::folder::Folder;

/// The newest set of rights this was written for; an older kernel takes what it knows.
const RIGHTS: ABI = ABI::V6;

/// Puts up the fence. `Err` says why there is none.
pub(crate) fn put_up(folder: &Folder, links_lead_anywhere: bool) -> Result<(), String> {
    let root = match (folder.is_file, folder.path.parent()) {
        (true, Some(parent)) if parent.as_os_str().is_empty() => Path::new("."),
        (true, Some(parent)) => parent,
        _ => &folder.path,
    };
    match enforce(root, links_lead_anywhere) {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => Ok(()),
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn enforce(root: &Path, links_lead_anywhere: bool) -> Result<RulesetStatus, Box<dyn Error>> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    // With `--symlinks any` a link may lead wherever it likes, so reading cannot be fenced in.
    let forbidden = AccessFs::from_all(RIGHTS) & if links_lead_anywhere { !read } else { BitFlags::all() };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(forbidden)?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?;
    // Without this rule nothing at all could be read, so a root that cannot be opened ends the attempt.
    let ruleset = match links_lead_anywhere {
        true => ruleset,
        false => ruleset.add_rule(PathBeneath::new(PathFd::new(root)?, read))?,
    };
    Ok(ruleset.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::net::{TcpListener, TcpStream};
    use std::path::PathBuf;

    /// On a thread of its own, which alone is bound by the fence.
    fn behind_a_fence<T: Send + 'static>(
        folder: &'static str,
        is_file: bool,
        any: bool,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let folder = Folder { path: PathBuf::from(folder), is_file };
        let look = move || put_up(&folder, any).ok().map(|()| look());
        std::thread::spawn(look).join().unwrap()
    }

    /// Whether this kernel has Landlock at all.
    fn is_possible() -> bool {
        let known = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|text| text.contains("landlock"));
        known || behind_a_fence("src", false, false, || ()).is_some()
    }

    #[test]
    fn nothing_outside_can_be_read_and_nothing_written() {
        let look = || {
            let readable = ["src/main.rs", "src/http/mod.rs", "Cargo.toml", "/etc/passwd"].map(|p| fs::read(p).is_ok());
            (readable, fs::read_dir("src").is_ok(), fs::read_dir(".").is_ok(), fs::write("src/fence.tmp", "x").is_ok())
        };
        let seen = behind_a_fence("src", false, false, look);
        assert!(seen.is_some() || !is_possible());
        if let Some(seen) = seen {
            assert_eq!(seen, ([true, true, false, false], true, false, false));
        }
    }

    #[test]
    fn a_file_is_fenced_in_with_its_folder() {
        let look = || ["src/main.rs", "src/lib.rs", "Cargo.toml"].map(|path| fs::read(path).is_ok());
        if let Some(seen) = behind_a_fence("src/main.rs", true, false, look) {
            assert_eq!(seen, [true, true, false]);
        }
        if let Some(seen) = behind_a_fence("Cargo.toml", true, false, look) {
            assert_eq!(seen, [true, true, true]);
        }
    }

    #[test]
    fn links_that_may_lead_anywhere_leave_reading_open_and_writing_closed() {
        let look = || (fs::read("/etc/passwd").is_ok(), fs::write("src/fence.tmp", "x").is_ok());
        if let Some(seen) = behind_a_fence("src", false, true, look) {
            assert_eq!(seen, (true, false));
        }
    }

    #[test]
    fn listening_goes_on_and_calling_out_does_not() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = there.local_addr().unwrap();
        let look =
            move || (TcpListener::bind("127.0.0.1:0").is_ok(), TcpStream::connect(address).map_err(|e| e.kind()));
        if let Some((listens, connects)) = behind_a_fence("src", false, false, look) {
            assert!(listens);
            // Kernels before 6.7 cannot refuse it.
            assert!(connects.is_ok() || matches!(connects, Err(std::io::ErrorKind::PermissionDenied)), "{connects:?}");
        }
    }
}
