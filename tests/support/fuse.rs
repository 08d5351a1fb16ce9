//! A file system of the test itself: FUSE, spoken over `/dev/fuse`. Its files may claim any size, and what is asked of
//! them waits for as long as the test wants. It is only read, and has one folder.
//!
//! Mounting needs the rights of root; without them [`Fuse::mount`] skips the test. The protocol is that of
//! `linux/fuse.h`, version 7.31.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::support::{PATIENCE, skip};

/// A file on a [`Fuse`].
#[derive(Clone)]
pub(crate) struct FuseFile {
    pub(crate) name: &'static str,
    /// The size that it claims.
    pub(crate) size: u64,
    pub(crate) content: Vec<u8>,
    /// All its times, in seconds since 1970.
    pub(crate) time: u64,
    /// Seconds for which the kernel may keep its name and its metadata.
    pub(crate) kept: u64,
}

impl FuseFile {
    /// A file whose size is that of its content.
    pub(crate) fn new(name: &'static str, content: impl Into<Vec<u8>>) -> FuseFile {
        let content = content.into();
        FuseFile { name, size: content.len() as u64, content, time: 1_000_000_000, kept: 0 }
    }

    /// A file that claims another size.
    pub(crate) fn claiming(size: u64, name: &'static str, content: impl Into<Vec<u8>>) -> FuseFile {
        FuseFile { size, ..FuseFile::new(name, content) }
    }
}

/// What can be asked of a file system, as far as a test holds it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Lookup,
    Read,
    Flush,
    List,
}

/// A mounted file system. It is unmounted when dropped, and everything that waits goes on.
pub(crate) struct Fuse {
    at: PathBuf,
    state: Arc<State>,
}

struct State {
    device: File,
    files: Mutex<Vec<FuseFile>>,
    /// What is held up, and how many requests wait because of it.
    held: Mutex<(Vec<Operation>, usize)>,
    changed: Condvar,
}

impl Fuse {
    /// Mounts these files at the folder `at`. `None`: FUSE cannot be mounted here.
    #[track_caller]
    pub(crate) fn mount(at: &Path, files: Vec<FuseFile>) -> Option<Fuse> {
        let mounted = File::options().read(true).write(true).open("/dev/fuse").and_then(|device| {
            let fd = device.as_raw_fd();
            let data = CString::new(format!("fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other")).unwrap();
            mount("barewire-test", at, "fuse", MountFlags::NODEV | MountFlags::NOSUID, &*data)?;
            Ok(device)
        });
        let device = match mounted {
            Ok(device) => device,
            Err(error) => {
                skip(&format!("FUSE cannot be mounted: {error}"), "BAREWIRE_REQUIRE_FUSE");
                return None;
            }
        };
        let state =
            Arc::new(State { device, files: Mutex::new(files), held: Mutex::default(), changed: Condvar::new() });
        let served = state.clone();
        std::thread::spawn(move || served.serve());
        Some(Fuse { at: at.to_path_buf(), state })
    }

    /// From now on this operation waits, until the returned value is dropped. That must happen before the server is
    /// stopped: a process cannot end while a close of it waits.
    pub(crate) fn hold(&self, operation: Operation) -> Held<'_> {
        self.state.held.lock().unwrap().0.push(operation);
        Held(self)
    }

    /// Changes the first file behind the back of the kernel.
    pub(crate) fn change(&self, change: impl FnOnce(&mut FuseFile)) {
        change(&mut self.state.files.lock().unwrap()[0]);
    }

    /// How many requests are held up.
    pub(crate) fn held(&self) -> usize {
        self.state.held.lock().unwrap().1
    }

    fn release(&self) {
        self.state.held.lock().unwrap().0.clear();
        self.state.changed.notify_all();
    }
}

/// Holds up operations of a file system.
pub(crate) struct Held<'a>(&'a Fuse);

impl Held<'_> {
    /// Waits until so many requests are held up.
    #[track_caller]
    pub(crate) fn until(&self, count: usize) {
        let end = Instant::now() + PATIENCE;
        let mut held = self.0.state.held.lock().unwrap();
        while held.1 < count {
            let left = end.saturating_duration_since(Instant::now());
            let so_far = held.1;
            if left.is_zero() {
                drop(held);
                panic!("{so_far} of {count} requests came to the file system");
            }
            held = self.0.state.changed.wait_timeout(held, left).unwrap().0;
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        self.release();
        let _ = unmount(&self.at, UnmountFlags::DETACH);
    }
}

/// Little helpers to write the structures of the protocol.
trait Put {
    fn u32(&mut self, values: &[u32]);
    fn u64(&mut self, values: &[u64]);
}

impl Put for Vec<u8> {
    fn u32(&mut self, values: &[u32]) {
        values.iter().for_each(|value| self.extend(value.to_ne_bytes()));
    }

    fn u64(&mut self, values: &[u64]) {
        values.iter().for_each(|value| self.extend(value.to_ne_bytes()));
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap())
}

impl State {
    /// Answers requests until the file system is unmounted, each on a thread of its own.
    fn serve(self: Arc<State>) {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(count) = (&self.device).read(&mut buffer) {
            let (request, state) = (buffer[..count].to_vec(), self.clone());
            std::thread::spawn(move || {
                // The header: length, operation, number, inode, and three words about the process that asks.
                let Some(answer) = state.answer(u32_at(&request, 4), u64_at(&request, 16), &request[40..]) else {
                    return;
                };
                let (error, content) = answer.map_or_else(|errno| (-errno, Vec::new()), |content| (0, content));
                let mut reply = Vec::new();
                reply.u32(&[16 + content.len() as u32, error as u32]);
                reply.u64(&[u64_at(&request, 8)]);
                reply.extend(content);
                // The process may have given up.
                let _ = (&state.device).write(&reply);
            });
        }
    }

    /// The answer to a request; `None` where none is expected, `Err` with a number of an error.
    fn answer(&self, operation: u32, inode: u64, body: &[u8]) -> Option<Result<Vec<u8>, i32>> {
        let mut out = Vec::new();
        match operation {
            // LOOKUP: an inode, a generation, how long name and metadata are valid, the metadata.
            1 => {
                self.wait(Operation::Lookup);
                let name = body.strip_suffix(b"\0").unwrap_or(body);
                let files = self.files.lock().unwrap();
                let Some(at) = files.iter().position(|file| file.name.as_bytes() == name) else {
                    return Some(Err(2));
                };
                out.u64(&[at as u64 + 2, 0, files[at].kept, files[at].kept, 0]);
                drop(files);
                out.extend(self.metadata(at as u64 + 2));
            }
            // FORGET, INTERRUPT, BATCH_FORGET.
            2 | 36 | 42 => return None,
            // GETATTR.
            3 => {
                let kept = self.files.lock().unwrap().get((inode as usize).wrapping_sub(2)).map_or(0, |file| file.kept);
                out.u64(&[kept, 0]);
                out.extend(self.metadata(inode));
            }
            // OPEN with direct I/O, since otherwise the kernel reads no further than the size; OPENDIR.
            14 => {
                out.u64(&[0]);
                out.u32(&[1, 0]);
            }
            27 => out.u64(&[0, 0]),
            // READ.
            15 => {
                self.wait(Operation::Read);
                let content = &self.files.lock().unwrap()[inode as usize - 2].content;
                let from = content.len().min(u64_at(body, 8) as usize);
                out.extend(&content[from..content.len().min(from + u32_at(body, 16) as usize)]);
            }
            // STATFS: seven numbers of blocks, the longest name.
            17 => {
                out.u64(&[0; 5]);
                out.u32(&[4096, 255, 4096, 0, 0, 0, 0, 0, 0, 0]);
            }
            // INIT: version, read-ahead, flags (reads and lookups may be asked at once), limits.
            26 => out.u32(&[7, 31, 1 << 17, 1 | 1 << 18 | 1 << 22, 0, 1 << 17, 1, 32, 0, 0, 0, 0, 0, 0, 0, 0]),
            // READDIR: the names in one piece.
            28 => {
                self.wait(Operation::List);
                for (at, file) in self.files.lock().unwrap().iter().enumerate().skip(u64_at(body, 8) as usize) {
                    out.u64(&[at as u64 + 2, at as u64 + 1]);
                    out.u32(&[file.name.len() as u32, 8]);
                    out.extend(file.name.as_bytes());
                    out.resize(out.len().next_multiple_of(8), 0);
                }
            }
            // FLUSH, which close() waits for; RELEASE, RELEASEDIR, ACCESS, DESTROY.
            25 => self.wait(Operation::Flush),
            18 | 29 | 34 | 38 => {}
            // ENOSYS.
            _ => return Some(Err(38)),
        }
        Some(Ok(out))
    }

    /// The metadata of an inode; 1 is the folder.
    fn metadata(&self, inode: u64) -> Vec<u8> {
        let files = self.files.lock().unwrap();
        let file = files.get((inode as usize).wrapping_sub(2));
        let mut out = Vec::new();
        let (size, time) = file.map_or((0, 0), |file| (file.size, file.time));
        // Inode, size, blocks, three times, their nanoseconds, mode, links, owner, device, block size.
        out.u64(&[inode, size, 0, time, time, time]);
        out.u32(&[0, 0, 0, if file.is_some() { 0o100_644 } else { 0o040_755 }, 1, 0, 0, 0, 4096, 0]);
        out
    }

    /// Waits while this operation is held up.
    fn wait(&self, operation: Operation) {
        let mut held = self.held.lock().unwrap();
        if !held.0.contains(&operation) {
            return;
        }
        held.1 += 1;
        self.changed.notify_all();
        while held.0.contains(&operation) {
            held = self.changed.wait(held).unwrap();
        }
        held.1 -= 1;
    }
}
