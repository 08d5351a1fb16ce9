//! Scratch folders, and file contents that show when bytes are shifted.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// A scratch folder of its own for a test, removed when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// A folder below the target folder.
    pub(crate) fn new() -> Folder {
        Folder::below(Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// A folder that every user can reach.
    pub(crate) fn in_temp_dir() -> Folder {
        Folder::below(&fs::canonicalize(std::env::temp_dir()).unwrap())
    }

    fn below(parent: &Path) -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("barewire-test-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A folder with these files in it.
    pub(crate) fn with(files: &[(&str, &str)]) -> Folder {
        let folder = Folder::new();
        for (name, content) in files {
            folder.write(name, content);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file, with the folders above it.
    pub(crate) fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// A file of this size whose bytes depend on their position, so that a shifted one is seen.
    pub(crate) fn pattern(&self, name: &str, size: usize) -> Vec<u8> {
        let content = pattern(name.len() as u64 ^ size as u64, size);
        self.write(name, &content);
        content
    }

    /// Makes a file look an hour old, so that its strong tag and its cached copy can be trusted at once. The server
    /// also looks at the ctime, which cannot be set: ask until it is trusted.
    pub(crate) fn age(&self, name: &str) {
        let hour = Duration::from_secs(3600);
        File::options().write(true).open(self.join(name)).unwrap().set_modified(SystemTime::now() - hour).unwrap();
    }

    /// A file with a hole of this size and then `tail`.
    pub(crate) fn sparse(&self, name: &str, hole: u64, tail: &[u8]) {
        use std::os::unix::fs::FileExt;
        let file = File::create(self.join(name)).unwrap();
        file.write_all_at(tail, hole).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Bytes without a short period (a 64-bit linear congruence, its upper half).
pub(crate) fn pattern(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut bytes = Vec::with_capacity(size + 4);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        bytes.extend_from_slice(&((state >> 32) as u32).to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

/// Every name in a folder, sorted, hidden names too.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// A small site: `a.txt` ("fine") and `dir/b.txt`.
pub(crate) fn small_site() -> Folder {
    Folder::with(&[("a.txt", "fine"), ("dir/b.txt", "b")])
}
