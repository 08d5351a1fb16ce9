//! Landlock: the kernel refuses this process files and connections that it never needs, even if the server has a flaw.
//!
//! | right | where | when |
//! |---|---|---|
//! | read files, list folders | below the served folder or the one above it, or the folder of the served file | always |
//! | the same | everywhere | with `--symlinks any` |
//! | write, make, rename, remove files and folders | below the same folder | uploads, replacing or deletion are on |
//! | write and make files | below the folder of the log file | with `--log-file`, which is made again after it was renamed |
//! | execute, make devices, sockets, pipes or symbolic links | nowhere | |
//! | open a TCP connection | the server's own port, so that a recorded request can be sent again | with `--study` |
//!
//! A rule belongs to a folder, not to its path, and cannot be changed later: a folder that is removed and made again is
//! closed. So while nothing is written the rule is laid on the folder above the served one, where that is harmless
//! (`folder::ServedPath::folder_above`), and the new folder can be served.
//!
//! Files that are open already stay usable: the rules count when a file is opened. Landlock also sets "no new
//! privileges". The safety of a request does not rest on this: it is the second line after [`files::Root`].
//!
//! A kernel without Landlock is no reason not to start.
//!
//! [`files::Root`]: barewire::files::Root

use std::error::Error;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};

use crate::program::error::TEXTS;

/// The newest set of rights this was written for. An older kernel enforces those it knows.
const RIGHTS: ABI = ABI::V6;

/// What the process may still do.
#[derive(Clone, Debug)]
pub(crate) struct Allowed {
    /// Read files everywhere: with `--symlinks any` a link may point anywhere.
    pub(crate) reads_anywhere: bool,
    /// Write below the served folder.
    pub(crate) writes: bool,
    /// Open TCP connections to this port.
    pub(crate) connects_to: Option<u16>,
    /// Make and write files below this folder.
    pub(crate) log_folder: Option<PathBuf>,
}

/// Restricts the process. Call it before the first thread starts (it binds the calling thread and the threads that
/// thread starts), and after /proc was read for the last time (it is outside of the folder). Errors: a phrase that says
/// why there is no restriction.
pub(crate) fn restrict(folder: &Path, allowed: &Allowed) -> Result<(), String> {
    match enforce(folder, allowed) {
        Ok(RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced) => Ok(()),
        Ok(RulesetStatus::NotEnforced) => Err(TEXTS.say("old kernel", &[])),
        Err(error) => Err(error.to_string()),
    }
}

/// Builds the rules and applies them; what the kernel made of them. Errors: the root cannot be opened, or the kernel
/// refuses the rules. No file is restricted then.
fn enforce(root: &Path, allowed: &Allowed) -> Result<RulesetStatus, Box<dyn Error>> {
    let read: BitFlags<AccessFs> = AccessFs::ReadFile | AccessFs::ReadDir;
    // The rights that temporary files, publishing and removing need: no devices, sockets, pipes or links.
    // An upload into a new folder is linked there from the folder of its temporary file, which needs
    // `Refer` (Linux 5.19); both lie below the root.
    let write = AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    // A handled right is refused where no rule allows it; one that is not handled stays as it was.
    let handled = AccessFs::from_all(RIGHTS) & if allowed.reads_anywhere { !read } else { BitFlags::all() };
    let mut ruleset = Ruleset::default()
        // An older kernel enforces the part that it knows, which is better than no restriction.
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(handled)?
        .handle_access(AccessNet::ConnectTcp)?
        .create()?;
    let mut below_root = if allowed.reads_anywhere { BitFlags::EMPTY } else { read };
    if allowed.writes {
        below_root |= write;
    }
    // Landlock refuses a rule without rights. If the root cannot be opened, give up: without this rule the
    // server could read nothing at all.
    if !below_root.is_empty() {
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(root)?, below_root))?;
    }
    if let Some(folder) = &allowed.log_folder {
        let append = AccessFs::WriteFile | AccessFs::MakeReg;
        ruleset = ruleset.add_rule(PathBeneath::new(PathFd::new(folder)?, append))?;
    }
    if let Some(port) = allowed.connects_to {
        ruleset = ruleset.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::folder;
    use std::fs;
    use std::net::{TcpListener, TcpStream};

    /// Runs `look` on a thread of its own, which alone is restricted.
    fn restricted<T: Send + 'static>(
        path: &'static str,
        is_file: bool,
        reads_anywhere: bool,
        writes: bool,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let folder = if is_file { folder::parent(Path::new(path)) } else { Path::new(path) };
        let allowed = Allowed { reads_anywhere, writes, connects_to: None, log_folder: None };
        std::thread::spawn(move || restrict(folder, &allowed).ok().map(|()| look())).join().unwrap()
    }

    /// Whether this kernel has Landlock at all.
    fn is_possible() -> bool {
        let known = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|text| text.contains("landlock"));
        known || restricted("src", false, false, false, || ()).is_some()
    }

    #[test]
    fn nothing_outside_can_be_read_and_nothing_written() {
        let look = || {
            let readable = ["src/main.rs", "src/http/mod.rs", "Cargo.toml", "/etc/passwd"].map(|p| fs::read(p).is_ok());
            (
                readable,
                fs::read_dir("src").is_ok(),
                fs::read_dir(".").is_ok(),
                fs::write("src/landlock.tmp", "x").is_ok(),
            )
        };
        let seen = restricted("src", false, false, false, look);
        assert!(seen.is_some() || !is_possible());
        if let Some(seen) = seen {
            assert_eq!(seen, ([true, true, false, false], true, false, false));
        }
    }

    #[test]
    fn a_single_file_is_served_with_access_to_its_folder_because_an_editor_may_replace_it() {
        let look = || ["src/main.rs", "src/lib.rs", "Cargo.toml"].map(|path| fs::read(path).is_ok());
        if let Some(seen) = restricted("src/main.rs", true, false, false, look) {
            assert_eq!(seen, [true, true, false]);
        }
        if let Some(seen) = restricted("Cargo.toml", true, false, false, look) {
            assert_eq!(seen, [true, true, true]);
        }
    }

    #[test]
    fn links_that_may_lead_anywhere_leave_reading_open_and_writing_closed() {
        let look = || (fs::read("/etc/passwd").is_ok(), fs::write("src/landlock.tmp", "x").is_ok());
        if let Some(seen) = restricted("src", false, true, false, look) {
            assert_eq!(seen, (true, false));
        }
    }

    #[test]
    fn with_writing_on_files_are_made_moved_and_removed_inside_alone() {
        let folder = std::env::temp_dir().join(format!("barewire-landlock-{}", std::process::id()));
        let inside: &'static str = Box::leak(folder.join("in").to_string_lossy().into_owned().into_boxed_str());
        fs::create_dir_all(inside).unwrap();
        for any in [false, true] {
            let look = move || {
                let at = |name: &str| Path::new(inside).join(name);
                let made = fs::create_dir(at("new")).is_ok() && fs::write(at("temp"), "x").is_ok();
                let linked = fs::hard_link(at("temp"), at("new/file")).is_ok();
                let moved = fs::rename(at("temp"), at("new/file")).is_ok();
                let _ = fs::remove_file(at("temp"));
                let removed = fs::remove_file(at("new/file")).is_ok() && fs::remove_dir(at("new")).is_ok();
                let out = at("../out");
                let led_out = fs::write(&out, "x").is_ok() || fs::create_dir(&out).is_ok();
                (made, linked && moved, removed, led_out, std::os::unix::fs::symlink("a", at("link")).is_ok())
            };
            if let Some((made, moved, removed, led_out, linked)) = restricted(inside, false, any, true, look) {
                assert!(made && removed && !led_out && !linked);
                // Kernels before 5.19 refuse it.
                assert!(moved || !is_possible() || !Path::new("/proc/sys/kernel").exists());
            }
        }
        let _ = fs::remove_dir_all(folder);
    }

    #[test]
    fn listening_still_works_and_connecting_out_does_not() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = there.local_addr().unwrap();
        let look =
            move || (TcpListener::bind("127.0.0.1:0").is_ok(), TcpStream::connect(address).map_err(|e| e.kind()));
        if let Some((listens, connects)) = restricted("src", false, false, false, look) {
            assert!(listens);
            // Kernels before 6.7 cannot refuse it.
            assert!(connects.is_ok() || matches!(connects, Err(std::io::ErrorKind::PermissionDenied)), "{connects:?}");
        }
    }
}
