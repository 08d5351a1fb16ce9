//! A fence around the whole process: what the kernel keeps it from touching, whatever goes wrong inside.
//!
//! Landlock, where the kernel has it: files may be read beneath the served folder only, written there if
//! uploads or deletion are on and nowhere else, nothing may be executed, and no connection may be opened
//! (with `--study` to the port of this server, so that a request can be sent once more). "No new
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
//! - A file that is uploaded into a new folder is linked there from the one it was written in, which is
//!   a right of its own (`Refer`, Linux 5.19). It leads no farther than the folder all rights are for.

use std::error::Error;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};

use crate::program::folder::Folder;

/// The newest set of rights this was written for; an older kernel takes what it knows.
const RIGHTS: ABI = ABI::V6;

/// Puts up the fence; `calls` is a port to which connections may be opened. `Err` says why there is none.
pub(crate) fn put_up(
    folder: &Folder,
    links_lead_anywhere: bool,
    writes: bool,
    calls: Option<u16>,
) -> Result<(), String> {
    let root = match (folder.is_file, folder.path.parent()) {
        (true, Some(parent)) if parent.as_os_str().is_empty() => Path::new("."),
        (true, Some(parent)) => parent,
        _ => &folder.path,
    };
    match enforce(root, links_lead_anywhere, writes, calls) {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => Ok(()),
        Ok(RulesetStatus::NotEnforced) => Err("this kernel has no Landlock".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn enforce(
    root: &Path,
    links_lead_anywhere: bool,
    writes: bool,
    calls: Option<u16>,
) -> Result<RulesetStatus, Box<dyn Error>> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    // What drafts, publishing and removing need; no devices, sockets, pipes or links.
    let write = AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    // With `--symlinks any` a link may lead wherever it likes, so reading cannot be fenced in.
    let forbidden = AccessFs::from_all(RIGHTS) & if links_lead_anywhere { !read } else { BitFlags::all() };
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(forbidden)?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?;
    let mut inside = if links_lead_anywhere { BitFlags::EMPTY } else { read };
    if writes {
        inside |= write;
    }
    // Without this rule nothing at all could be read, so a root that cannot be opened ends the attempt.
    let ruleset = match inside.is_empty() {
        true => ruleset,
        false => ruleset.add_rule(PathBeneath::new(PathFd::new(root)?, inside))?,
    };
    let ruleset = match calls {
        None => ruleset,
        Some(port) => ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?,
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
        writes: bool,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let folder = Folder { path: PathBuf::from(folder), is_file };
        let look = move || put_up(&folder, any, writes, None).ok().map(|()| look());
        std::thread::spawn(look).join().unwrap()
    }

    /// Whether this kernel has Landlock at all.
    fn is_possible() -> bool {
        let known = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|text| text.contains("landlock"));
        known || behind_a_fence("src", false, false, false, || ()).is_some()
    }

    #[test]
    fn nothing_outside_can_be_read_and_nothing_written() {
        let look = || {
            let readable = ["src/main.rs", "src/http/mod.rs", "Cargo.toml", "/etc/passwd"].map(|p| fs::read(p).is_ok());
            (readable, fs::read_dir("src").is_ok(), fs::read_dir(".").is_ok(), fs::write("src/fence.tmp", "x").is_ok())
        };
        let seen = behind_a_fence("src", false, false, false, look);
        assert!(seen.is_some() || !is_possible());
        if let Some(seen) = seen {
            assert_eq!(seen, ([true, true, false, false], true, false, false));
        }
    }

    #[test]
    fn a_file_is_fenced_in_with_its_folder() {
        let look = || ["src/main.rs", "src/lib.rs", "Cargo.toml"].map(|path| fs::read(path).is_ok());
        if let Some(seen) = behind_a_fence("src/main.rs", true, false, false, look) {
            assert_eq!(seen, [true, true, false]);
        }
        if let Some(seen) = behind_a_fence("Cargo.toml", true, false, false, look) {
            assert_eq!(seen, [true, true, true]);
        }
    }

    #[test]
    fn links_that_may_lead_anywhere_leave_reading_open_and_writing_closed() {
        let look = || (fs::read("/etc/passwd").is_ok(), fs::write("src/fence.tmp", "x").is_ok());
        if let Some(seen) = behind_a_fence("src", false, true, false, look) {
            assert_eq!(seen, (true, false));
        }
    }

    #[test]
    fn with_writing_on_files_are_made_moved_and_removed_inside_alone() {
        let folder = std::env::temp_dir().join(format!("barewire-fence-{}", std::process::id()));
        let inside: &'static str = Box::leak(folder.join("in").to_string_lossy().into_owned().into_boxed_str());
        fs::create_dir_all(inside).unwrap();
        for any in [false, true] {
            let look = move || {
                let at = |name: &str| Path::new(inside).join(name);
                let made = fs::create_dir(at("new")).is_ok() && fs::write(at("draft"), "x").is_ok();
                let linked = fs::hard_link(at("draft"), at("new/file")).is_ok();
                let moved = fs::rename(at("draft"), at("new/file")).is_ok();
                let _ = fs::remove_file(at("draft"));
                let removed = fs::remove_file(at("new/file")).is_ok() && fs::remove_dir(at("new")).is_ok();
                let out = at("../out");
                let led_out = fs::write(&out, "x").is_ok() || fs::create_dir(&out).is_ok();
                (made, linked && moved, removed, led_out, std::os::unix::fs::symlink("a", at("link")).is_ok())
            };
            if let Some((made, moved, removed, led_out, linked)) = behind_a_fence(inside, false, any, true, look) {
                assert!(made && removed && !led_out && !linked);
                // Kernels before 5.19 refuse it.
                assert!(moved || !is_possible() || !Path::new("/proc/sys/kernel").exists());
            }
        }
        let _ = fs::remove_dir_all(folder);
    }

    #[test]
    fn listening_goes_on_and_calling_out_does_not() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = there.local_addr().unwrap();
        let look =
            move || (TcpListener::bind("127.0.0.1:0").is_ok(), TcpStream::connect(address).map_err(|e| e.kind()));
        if let Some((listens, connects)) = behind_a_fence("src", false, false, false, look) {
            assert!(listens);
            // Kernels before 6.7 cannot refuse it.
            assert!(connects.is_ok() || matches!(connects, Err(std::io::ErrorKind::PermissionDenied)), "{connects:?}");
        }
    }
}
