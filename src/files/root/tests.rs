//! A root on a real disk, opened in both ways.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::files::root::*;
use crate::files::testing::Folder;
use crate::service::testing::rounds;

/// The same folder, opened by the kernel's method (if it has one) and by the walk.
fn roots(folder: &Path, symlinks: Symlinks) -> [Root; 2] {
    [Root::at(folder, symlinks).unwrap(), Root::walking(folder, symlinks).unwrap()]
}

fn read(root: &Root, path: &[u8]) -> Result<Vec<u8>, Errno> {
    match root.open(path, true) {
        Ok(Opened::File(file, meta)) => {
            let content = file.read(0, meta.size + 1).unwrap();
            assert_eq!(content.len() as u64, meta.size);
            Ok(content)
        }
        Ok(Opened::Directory(_)) => Ok(b"folder".to_vec()),
        Err(error) => Err(error),
    }
}

fn names(root: &Root, path: &[u8]) -> Vec<String> {
    let Ok(Opened::Directory(directory)) = root.open(path, true) else { panic!("no folder") };
    let show = |entry: &Entry| {
        let slash = if entry.kind == FileKind::Directory { "/" } else { "" };
        format!("{}{slash}", String::from_utf8_lossy(&entry.name))
    };
    let mut names: Vec<_> = directory.entries().unwrap().iter().map(show).collect();
    names.sort();
    names
}

#[test]
fn nothing_outside_the_root_by_any_spelling_or_link() {
    let outside = Folder::new();
    let secret = outside.write("secret.txt", "secret");
    outside.write("site/a.txt", "a");
    outside.write("site/sub/b.txt", "b");
    outside.write("site-sibling/c.txt", "c");
    outside.symlink("../secret.txt", "site/out");
    outside.symlink("..", "site/up");
    outside.symlink("../../secret.txt", "site/sub/far");
    outside.symlink(&secret, "site/absolute");
    outside.symlink(outside.join("site/a.txt"), "site/absolute-inside");
    outside.symlink("a.txt", "site/in");
    outside.symlink("../a.txt", "site/sub/in");
    outside.symlink("sub", "site/folder");
    outside.symlink("loop", "site/loop");
    outside.symlink("gone", "site/dangling");
    outside.symlink("/proc/self/root", "site/magic");
    let site = outside.join("site");
    for root in roots(&site, Symlinks::Inside) {
        for path in [
            "/../secret.txt",
            "/..",
            "/sub/../../secret.txt",
            "/sub/../a.txt",
            "/./a.txt",
            "/out",
            "/up/secret.txt",
            "/sub/far",
            "/absolute",
            "/absolute-inside",
            "/loop",
            "/dangling",
            "/magic",
            "/magic/etc/passwd",
            "/../site-sibling/c.txt",
            "//../secret.txt",
            "/a.txt/",
            "/a.txt/x",
            "/none",
            "/up/site/a.txt",
        ] {
            assert!(read(&root, path.as_bytes()).is_err(), "{path} {:?}", root.open_method());
        }
        let whole = secret.as_os_str().as_bytes();
        assert!(read(&root, whole).is_err() && read(&root, &[b"/", whole].concat()).is_err());
        assert_eq!(read(&root, b"/a.txt").unwrap(), b"a");
        assert_eq!(read(&root, b"//sub///b.txt").unwrap(), b"b");
        for folder in [&b"/"[..], b"", b"//", b"/sub", b"/sub/"] {
            assert_eq!(read(&root, folder).unwrap(), b"folder", "{folder:?}");
        }
        // Relative links that stay inside work, if the kernel can hold them there.
        let follows = root.open_method() != OpenMethod::Walk;
        for (path, content) in [("/in", "a"), ("/sub/in", "a"), ("/folder/b.txt", "b")] {
            assert_eq!(read(&root, path.as_bytes()).ok(), follows.then(|| content.into()), "{path}");
        }
        let mut listed = vec!["a.txt", "sub/"];
        listed.extend(if follows { &["folder/", "in"][..] } else { &[] });
        listed.sort_unstable();
        assert_eq!(names(&root, b"/"), listed, "a listing shows what a GET would open");
        assert_eq!(names(&root, b"/sub"), if follows { vec!["b.txt", "in"] } else { vec!["b.txt"] });
    }
    for root in roots(&site, Symlinks::Deny) {
        for path in ["/in", "/folder/b.txt", "/sub/in", "/out", "/magic"] {
            assert!(read(&root, path.as_bytes()).is_err(), "{path}");
        }
        assert_eq!(names(&root, b"/"), ["a.txt", "sub/"]);
    }
    for root in roots(&site, Symlinks::Any) {
        for path in ["/out", "/up/secret.txt", "/sub/far", "/absolute"] {
            assert_eq!(read(&root, path.as_bytes()).unwrap(), b"secret", "{path} {:?}", root.open_method());
        }
        assert!(read(&root, whole_path(&secret).as_slice()).is_err(), "links may lead out, paths may not");
        assert!(read(&root, b"/../secret.txt").is_err());
    }
}

fn whole_path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_bytes().to_vec()
}

#[test]
fn no_fifo_socket_or_device_is_opened_or_listed() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.fifo("fifo");
    folder.symlink("fifo", "fifo-link");
    let _socket = UnixListener::bind(folder.join("socket")).unwrap();
    folder.symlink("/dev/zero", "zero");
    folder.symlink("/dev/null", "null");
    for symlinks in [Symlinks::Inside, Symlinks::Deny, Symlinks::Any] {
        for root in roots(folder.path(), symlinks) {
            for path in ["/fifo", "/fifo-link", "/socket", "/zero", "/null"] {
                let error = root.open(path.as_bytes(), true).map(|_| ()).unwrap_err();
                assert_eq!(crate::files::disk_error::status_of(error).code(), 404, "{path} {symlinks:?}: {error}");
            }
            assert_eq!(names(&root, b"/"), ["a.txt"], "{symlinks:?}");
        }
    }
}

#[test]
fn any_name_can_be_opened_and_listed() {
    let folder = Folder::new();
    let hostile: [&[u8]; 12] = [
        b"\xff\xfe",
        b"100%.txt",
        b"%2e%2e",
        b"a?b",
        b"a#b",
        b"a\nb",
        b"a\rb",
        b"a b ",
        b"<img onerror=x>",
        b"back\\slash",
        b"\x1b[31m",
        "\u{202e}emoji\u{1f600}".as_bytes(),
    ];
    for name in hostile {
        folder.write(OsStr::from_bytes(name), name);
    }
    folder.write(".barewire-half", "half");
    for root in roots(folder.path(), Symlinks::Inside) {
        for name in hostile {
            assert_eq!(read(&root, &[b"/", name].concat()).unwrap(), name);
        }
        let Ok(Opened::Directory(directory)) = root.open(b"/", true) else { panic!("no folder") };
        let mut listed: Vec<_> = directory.entries().unwrap().into_iter().map(|e| e.name).collect();
        let mut expected: Vec<_> = hostile.iter().map(|n| n.to_vec()).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected, "and no temporary file");
    }
    let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
    assert!(read(&root, &[b"/", &[b'x'; 300][..]].concat()).is_err());
    assert!(read(&root, &b"/x".repeat(4096)).is_err());
    assert!(read(&root, b"/a\0b").is_err());
}

#[test]
fn an_entry_says_what_a_get_would_send() {
    let folder = Folder::new();
    let path = folder.write("a.txt", "12345");
    folder.symlink("a.txt", "b.txt");
    let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
    let Ok(Opened::File(_, meta)) = root.open(b"/a.txt", true) else { panic!("no file") };
    let modified = std::fs::metadata(&path).unwrap().modified().unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!((meta.size, meta.modified), (5, (modified.as_secs() as i64, modified.subsec_nanos())));
    let Ok(Opened::Directory(directory)) = root.open(b"/", true) else { panic!("no folder") };
    let entries = directory.entries().unwrap();
    assert_eq!(entries.len(), if root.open_method() == OpenMethod::Walk { 1 } else { 2 });
    for entry in entries {
        assert_eq!((entry.kind, entry.size, entry.modified), (FileKind::File, 5, meta.modified));
    }
}

#[test]
fn what_is_in_memory_is_opened_without_blocking_and_says_the_same() {
    let folder = Folder::new();
    folder.write("a.txt", "a");
    folder.symlink("../x", "out");
    let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
    if root.open_method() != OpenMethod::Cached {
        assert!(matches!(root.open(b"/a.txt", false), Err(Errno::AGAIN)));
        return;
    }
    let blocking = root.open(b"/a.txt", true).unwrap();
    let Opened::File(_, expected) = blocking else { panic!("no file") };
    match root.open(b"/a.txt", false) {
        Ok(Opened::File(_, meta)) => assert_eq!(meta, expected),
        // Memory may have become scarce just now.
        Err(Errno::AGAIN) => {}
        other => panic!("{other:?}"),
    }
    assert!(root.open(b"/out", false).is_err());
    assert!(matches!(
        Root::walking(folder.path(), Symlinks::Inside).unwrap().open(b"/a.txt", false),
        Err(Errno::AGAIN)
    ));
}

#[test]
fn a_folder_swapped_for_a_link_while_it_is_walked_reveals_nothing() {
    const ROUNDS: usize = 5_000;
    let folder = Folder::new();
    folder.write("outside/sub/name.txt", "secret");
    folder.write("outside/name.txt", "secret");
    folder.write("site/sub/name.txt", "public");
    folder.write("site/file.txt", "public");
    folder.symlink("../outside/sub", "site/other-sub");
    folder.symlink("../outside/name.txt", "site/other-file.txt");
    let stop = AtomicBool::new(false);
    let swaps = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let pairs = [("site/sub", "site/other-sub"), ("site/file.txt", "site/other-file.txt")];
            while !stop.load(Ordering::Relaxed) {
                for (a, b) in pairs {
                    renameat_with(CWD, folder.join(a), CWD, folder.join(b), RenameFlags::EXCHANGE).unwrap();
                }
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (mut opened, mut refused) = (0, 0);
        let roots = roots(&folder.join("site"), Symlinks::Inside);
        let _stop = StopAtEnd(&stop);
        // At least so many, and until both sides of the swap were seen.
        while opened + refused < ROUNDS || opened == 0 || refused == 0 || swaps.load(Ordering::Relaxed) < 100 {
            for root in &roots {
                for path in [&b"/sub/name.txt"[..], b"/file.txt"] {
                    for may_block in [true, false] {
                        match root.open(path, may_block) {
                            Ok(Opened::File(file, _)) => {
                                let content = file.read(0, 99).unwrap();
                                assert_eq!(content, b"public", "{:?}", root.open_method());
                                opened += 1;
                            }
                            Ok(Opened::Directory(_)) => panic!("neither is a folder"),
                            Err(Errno::AGAIN) => {}
                            Err(_) => refused += 1,
                        }
                    }
                }
            }
        }
    });
}

/// Ends the other thread even when an assertion fails. Otherwise the scope would wait for it for
/// ever.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn the_root_is_a_folder_or_one_file_and_may_be_reached_through_links() {
    let folder = Folder::new();
    folder.write("site/a.txt", "a");
    folder.symlink("site", "to-folder");
    folder.symlink("site/a.txt", "to-file");
    folder.fifo("fifo");
    let of = |name: &str| Root::of(&folder.join(name), Symlinks::Inside);
    let (root, place, single) = of("to-folder").unwrap();
    assert_eq!(place, folder.join("to-folder"), "as it was named: the link may lead elsewhere later");
    assert_eq!((read(&root, b"/a.txt").unwrap(), single), (b"a".to_vec(), None));
    let (root, place, single) = of("to-file").unwrap();
    assert_eq!(place, std::fs::canonicalize(folder.join("site")).unwrap());
    assert_eq!((read(&root, b"/a.txt").unwrap(), single.as_deref()), (b"a".to_vec(), Some(&b"a.txt"[..])));
    assert_eq!(of("fifo").unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(of("none").unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn many_names_are_listed() {
    let many = rounds(10_000, 100_000);
    let folder = Folder::new();
    folder.write("one", "");
    for number in 1..many {
        std::fs::hard_link(folder.join("one"), folder.join(format!("{number}")))
            // File systems limit the links of a file. Then a new file is made.
            .or_else(|_| std::fs::write(folder.join(format!("{number}")), ""))
            .unwrap();
    }
    let root = Root::at(folder.path(), Symlinks::Inside).unwrap();
    let Ok(Opened::Directory(directory)) = root.open(b"/", true) else { panic!("no folder") };
    assert_eq!(directory.entries().unwrap().len(), many);
}
