//! Mounts for a test: file systems that lack what others have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{has_program, skip};

/// Where this is set, a test that needs FUSE fails instead of being skipped.
const REQUIRED: &str = "BAREWIRE_REQUIRE_FUSE";

/// A mount, undone when it is dropped.
pub(crate) struct Mount(PathBuf);

impl Mount {
    /// Mounts something at `point`, a folder that is made for it if it is missing. `None`: not allowed here.
    pub(crate) fn with(program: &str, arguments: &[&str], point: PathBuf) -> Option<Mount> {
        if !point.exists() {
            fs::create_dir_all(&point).unwrap();
        }
        let mut mount = Command::new(program);
        mount.args(arguments).arg(&point).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Mount(point))
    }

    /// A file system in user space over the folder `source`. `None`: the test is skipped.
    #[track_caller]
    pub(crate) fn fuse(program: &str, arguments: &[&str], source: &Path, point: PathBuf) -> Option<Mount> {
        if !has_program(program, REQUIRED) {
            return None;
        }
        let arguments = [arguments, &[source.to_str().unwrap()]].concat();
        let mount = Mount::with(program, &arguments, point);
        if mount.is_none() {
            skip(&format!("{program} cannot mount here"), REQUIRED);
        }
        mount
    }

    /// A disk of 64 MiB with exFAT. It needs a loop device, which containers rarely have. `None`: the test is skipped.
    pub(crate) fn exfat(image: &Path, point: PathBuf) -> Option<Mount> {
        fs::File::create(image).unwrap().set_len(64 << 20).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).arg(image).output().ok()?;
            output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
        };
        run("mkfs.exfat", &[])?;
        let device = run("losetup", &["--find", "--show"])?;
        let mount = Mount::with("mount.exfat-fuse", &[&device], point);
        // It is freed when it is no longer mounted.
        let _ = Command::new("losetup").args(["--detach", &device]).status();
        mount
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let undo = |program: &str, option: &str| {
            let mut command = Command::new(program);
            command.arg(option).arg(&self.0).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        };
        // The second one is for users who may mount by FUSE alone.
        let _ = undo("umount", "-l") || undo("fusermount3", "-uz");
    }
}
