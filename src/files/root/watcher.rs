//! Word from the kernel that something has changed in a folder: inotify.
//!
//! A folder's own times tell which names come and go, and nothing of the files behind them: one that
//! grows changes neither. A watch tells of both.
//!
//! Never: a wait. The descriptor is read when somebody wants to know, and has nothing to say most of
//! the time: one system call. Never the content of an event: that there was one is all.
//!
//! The subtle things:
//! - An event is there when the call that caused it returns. So whoever asks after a change sees it,
//!   however short the time between.
//! - A watch is set by path, and the only path that surely leads to an open folder is the one under
//!   /proc. Landlock rules opening and not looking up, so that also works behind the fence. Without
//!   /proc there are no watches.
//! - A watch reports once and is gone (`ONESHOT`), so a busy folder that nobody asks for costs its
//!   writers one event, and the queue cannot overflow by their zeal.

#[cfg(target_os = "linux")]
use std::mem::MaybeUninit;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

#[cfg(target_os = "linux")]
use rustix::fs::{self, inotify};

use crate::files::root::Directory;

/// One watched folder. The kernel gives no number twice before it has run through all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Watch(i32);

/// What a watcher has heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Something has changed in this folder, and its watch is over.
    Change(Watch),
    /// Events were lost: nothing is known of any folder.
    Lost,
}

/// A descriptor that hears of changes.
#[derive(Debug)]
pub(crate) struct Watcher {
    #[cfg_attr(not(target_os = "linux"), expect(dead_code))]
    descriptor: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Watcher {
    /// `None`: no descriptor is to be had, or no /proc.
    pub(crate) fn new() -> Option<Watcher> {
        /// What `statfs(2)` says of /proc. Some other folder of that name must not be believed.
        const PROC: u32 = 0x9fa0;
        if fs::statfs(c"/proc/self/fd").ok()?.f_type as u32 != PROC {
            return None;
        }
        let descriptor = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).ok()?;
        Some(Watcher { descriptor })
    }

    /// Hears of everything that changes in `directory` from now on: names, sizes, times, rights. Two
    /// ways to one folder are one watch.
    pub(crate) fn watch(&self, directory: &Directory) -> Option<Watch> {
        use inotify::WatchFlags as On;
        let changes = On::MODIFY | On::ATTRIB | On::CREATE | On::DELETE | On::MOVE | On::DELETE_SELF | On::MOVE_SELF;
        let path = format!("/proc/self/fd/{}", directory.descriptor.as_raw_fd());
        inotify::add_watch(&self.descriptor, path, changes | On::ONLYDIR | On::ONESHOT).ok().map(Watch)
    }

    /// Wants to hear of it no more.
    pub(crate) fn end(&self, watch: Watch) {
        // Its last event may have ended it already.
        let _ = inotify::remove_watch(&self.descriptor, watch.0);
    }

    /// Tells of everything that was heard since the last time.
    pub(crate) fn hear(&self, mut tell: impl FnMut(Heard)) {
        /// Room for some dozen events with their names.
        const ROOM: usize = 4096;
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut events = inotify::Reader::new(&self.descriptor, &mut room);
        loop {
            match events.next() {
                Ok(event) if event.events().contains(inotify::ReadFlags::QUEUE_OVERFLOW) => tell(Heard::Lost),
                Ok(event) => tell(Heard::Change(Watch(event.wd()))),
                Err(rustix::io::Errno::AGAIN) => return,
                Err(_) => return tell(Heard::Lost),
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Watcher {
    /// Only Linux has inotify.
    pub(crate) fn new() -> Option<Watcher> {
        None
    }

    /// Never.
    pub(crate) fn watch(&self, _: &Directory) -> Option<Watch> {
        None
    }

    /// Nothing was wanted.
    pub(crate) fn end(&self, _: Watch) {}

    /// Nothing was heard.
    pub(crate) fn hear(&self, mut tell: impl FnMut(Heard)) {
        tell(Heard::Lost);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::files::root::{Opened, Root, Symlinks};
    use crate::files::testing::{Folder, age};

    fn open(root: &Root, path: &[u8]) -> Directory {
        let Ok(Opened::Directory(directory)) = root.open(path, true) else { panic!("no folder") };
        directory
    }

    #[test]
    fn every_change_is_heard_by_the_time_its_call_returns() {
        let folder = Folder::new();
        let path = folder.write("a", "one");
        let other = folder.write("b", "one");
        let held = std::fs::File::options().append(true).open(&path).unwrap();
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let watcher = Watcher::new().unwrap();
        type Step<'a> = (&'a str, Box<dyn Fn() + 'a>);
        let steps: [Step<'_>; 9] = [
            ("a file that was open before grows", Box::new(|| (&held).write_all(b"two").unwrap())),
            ("is cut", Box::new(|| held.set_len(1).unwrap())),
            ("gets another time", Box::new(|| age(&path, 100))),
            ("other rights", Box::new(|| std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap())),
            ("is replaced", Box::new(|| std::fs::rename(&other, &path).unwrap())),
            ("another comes", Box::new(|| drop(folder.write("c", "")))),
            ("and goes", Box::new(|| std::fs::remove_file(folder.join("c")).unwrap())),
            ("a folder comes", Box::new(|| std::fs::create_dir(folder.join("d")).unwrap())),
            (
                "the folder gets other rights",
                Box::new(|| std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap()),
            ),
        ];
        for (what, change) in steps {
            let watch = watcher.watch(&open(&root, b"/")).unwrap();
            assert_eq!(watcher.watch(&open(&root, b"/")), Some(watch), "two ways to one folder");
            // What ends an earlier watch is no news of this one.
            watcher.hear(|heard| assert_ne!(heard, Heard::Change(watch), "before: {what}"));
            change();
            let mut heard = Vec::new();
            watcher.hear(|one| heard.push(one));
            assert!(heard.contains(&Heard::Change(watch)), "{what}");
        }
    }

    #[test]
    fn a_watch_reports_once_and_a_busy_folder_fills_no_queue() {
        let folder = Folder::new();
        let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
        let watcher = Watcher::new().unwrap();
        watcher.watch(&open(&root, b"/")).unwrap();
        for n in 0..100 {
            folder.write(format!("{n}"), "");
        }
        let mut heard = 0;
        watcher.hear(|_| heard += 1);
        assert!((1..=2).contains(&heard), "{heard}");
    }
}
