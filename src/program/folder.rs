//! The folder or file to serve: chosen and checked before any client can connect, and named for people.
//!
//! Only the path itself is checked here. Whether a path of a request may be read is decided in `files`. The
//! name of a folder may hold any byte, also ones that move the cursor or change colors, so every name that is
//! printed goes through [`printable`].

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use barewire::service::text::printable;
use rustix::fs::{Access, AtFlags, CWD};

use crate::program::error::{Exit, StartError, TEXTS};
use crate::program::options::WriteOptions;

/// The folder that is served when none was named and it exists.
const DEFAULT: &str = "./public";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServedPath {
    /// As the user typed it, or the default: relative to the current folder, links not resolved.
    pub(crate) path: PathBuf,
    /// A single file, and nothing beside it.
    pub(crate) is_file: bool,
}

impl ServedPath {
    /// The folder that is served, or the folder of the file that is served.
    pub(crate) fn folder(&self) -> &Path {
        if self.is_file { parent(&self.path) } else { &self.path }
    }

    /// The folder above the served one, if a rule of Landlock may open it for reading: a folder that is removed and made
    /// again is then covered too. Not where files of other people or programs lie: `/`, a home folder, or a folder in
    /// which everybody may write.
    pub(crate) fn folder_above(&self) -> Option<PathBuf> {
        if self.is_file {
            return None;
        }
        let above = fs::canonicalize(&self.path).ok()?.parent()?.to_path_buf();
        let home = std::env::var_os("HOME").and_then(|home| fs::canonicalize(home).ok());
        let homes = ["/", "/root", "/home"].map(Path::new);
        let is_home = homes.contains(&&*above) || above.parent() == Some(homes[2]) || Some(&above) == home.as_ref();
        let is_shared = fs::metadata(&above).ok()?.permissions().mode() & 0o002 != 0;
        (!is_home && !is_shared).then_some(above)
    }
}

/// The folder of a path; `.` for a bare name.
pub(crate) fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Chooses the path and makes sure that it can be read. `listed`: folders will be listed. Exit code 4: the path
/// is missing, may not be read, or is neither a folder nor a file.
pub(crate) fn choose(named: Option<&Path>, listed: bool) -> Result<ServedPath, StartError> {
    // A folder `public` is what site generators make. Serving it instead of the current folder hides sources.
    let path = match named {
        Some(path) => path,
        None if Path::new(DEFAULT).is_dir() => Path::new(DEFAULT),
        None => Path::new("."),
    };
    let unreadable = |error: io::Error| unreadable(path, &error);
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        // Listing needs the right to read the folder, opening a file in it only the right to search.
        if listed {
            File::open(path).map_err(unreadable)?;
        }
        // This fails without the right to search.
        fs::metadata(path.join(".")).map_err(unreadable)?;
    } else if metadata.is_file() {
        File::open(path).map_err(unreadable)?;
    } else {
        return Err(StartError::of(Exit::Folder, "no file or folder", &[("name", &shown(path))]));
    }
    Ok(ServedPath { path: path.to_path_buf(), is_file: metadata.is_file() })
}

/// Makes sure that files can be changed as the options promise, somewhere. Returns a sentence for the start screen if
/// that is not in the folder itself, but below it. `dotfiles`: names that begin with a dot are served. Errors: exit
/// code 4: nothing is writable, or a single file is served with an option that only adds files.
pub(crate) fn check_writable(
    served: &ServedPath,
    options: &WriteOptions,
    dotfiles: bool,
) -> Result<Option<String>, StartError> {
    let Some(option) = options.option() else { return Ok(None) };
    let name = shown(&served.path);
    if served.is_file && !options.overwrite && !options.delete {
        return Err(StartError::of(Exit::Folder, "one file", &[("option", &option), ("name", &name)]));
    }
    // A file is replaced by renaming, so its folder must be writable.
    if is_writable(served.folder()) {
        return Ok(None);
    }
    if !served.is_file && has_writable_folder(&served.path, dotfiles) {
        return Ok(Some(TEXTS.say("read-only top", &[("name", &name), ("option", &option)])));
    }
    let folder = shown(served.folder());
    Err(StartError::of(Exit::Folder, "not writable", &[("option", &option), ("name", &name), ("folder", &folder)]))
}

/// Whether this process may change the names in a folder.
fn is_writable(folder: &Path) -> bool {
    // EACCESS asks for the effective user, whose rights also count when the server writes.
    rustix::fs::accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).is_ok()
}

/// Whether a served folder below `top` is writable, or there are too many names to tell.
fn has_writable_folder(top: &Path, dotfiles: bool) -> bool {
    /// Reading so many names takes a moment on a disk, and the start must not take minutes.
    const MOST_NAMES: usize = 100_000;
    let (mut folders, mut names) = (VecDeque::from([top.to_path_buf()]), 0);
    // The upper folders first: one that is writable is seldom far down.
    while let Some(folder) = folders.pop_front() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            names += 1;
            let name = entry.file_name();
            let is_served = dotfiles || !name.as_bytes().starts_with(b".") || name == ".well-known";
            // Links are left out: one could lead in a circle, and what lies inside is found without them.
            if !is_served || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if names > MOST_NAMES || is_writable(&entry.path()) {
                return true;
            }
            folders.push_back(entry.path());
        }
    }
    false
}

/// A sentence for the start if the page of `--spa` is missing. It is no error: a build may make it later.
pub(crate) fn missing_page(served: &ServedPath, page: Option<&str>) -> Option<String> {
    let path = served.path.join(page.filter(|_| !served.is_file)?);
    (!path.is_file()).then(|| TEXTS.say("missing page", &[("path", &shown(&path))]))
}

/// The error about a path that cannot be served.
fn unreadable(path: &Path, error: &io::Error) -> StartError {
    let name = shown(path);
    // Other errors are rare, so the words of the system must do.
    match (error.kind(), nearest(path)) {
        (ErrorKind::NotFound, Some(near)) => {
            StartError::of(Exit::Folder, "near folder", &[("name", &name), ("near", &shown(&near))])
        }
        (ErrorKind::NotFound, None) => StartError::of(Exit::Folder, "no folder", &[("name", &name)]),
        (ErrorKind::PermissionDenied, _) => StartError::of(Exit::Folder, "may not read", &[("name", &name)]),
        _ => StartError::of(Exit::Folder, "cannot open", &[("name", &name), ("error", error)]),
    }
}

/// The most similar name in the same folder, if any is similar enough to be a typing error.
fn nearest(path: &Path) -> Option<PathBuf> {
    /// "sitee" and "site" are 0.96 alike; "sitee" and "src", two different words, 0.51.
    const ALIKE: f64 = 0.8;
    let name = path.file_name()?.to_str()?.to_lowercase();
    // Names that are not UTF-8 are skipped: they could not be typed after "Did you mean".
    let names = fs::read_dir(parent(path)).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (_, near) = names
        .map(|other| (strsim::jaro_winkler(&name, &other.to_lowercase()), other))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    Some(parent(path).join(near))
}

/// The path as people type it: `./site` for `site`.
fn dotted(path: &Path) -> String {
    // "./" makes clear that it is a path, and it works for names like "explain" as well.
    let text = path.to_string_lossy();
    match path.components().next() {
        Some(Component::Normal(_)) => format!("./{text}"),
        _ => text.into_owned(),
    }
}

/// The name on the start screen: `./site` below the current folder, else the full path.
pub(crate) fn title(path: &Path) -> String {
    // Both in full, since a link may stand anywhere on the way.
    let here = std::env::current_dir().and_then(fs::canonicalize);
    let Ok(full) = fs::canonicalize(path) else { return shown(path) };
    match here.ok().and_then(|here| full.strip_prefix(here).ok().map(Path::to_path_buf)) {
        Some(below) if !below.as_os_str().is_empty() => shown(&below),
        _ => printable(&full.to_string_lossy()),
    }
}

/// The path as people type it, safe to print.
pub(crate) fn shown(path: &Path) -> String {
    printable(&dotted(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_called_as_one_would_type_it() {
        for (path, expected) in [("site", "./site"), ("./site", "./site"), ("../x", "../x"), ("/x", "/x"), (".", ".")] {
            assert_eq!(dotted(Path::new(path)), expected);
        }
        let here = fs::canonicalize(".").unwrap();
        assert_eq!(title(Path::new(".")), here.to_str().unwrap());
        assert_eq!(title(Path::new("src")), "./src");
        assert_eq!(title(&here.join("src")), "./src");
        assert_eq!(title(Path::new("/")), "/");
    }

    #[test]
    fn only_a_name_that_is_alike_is_suggested() {
        assert_eq!(nearest(Path::new("srcc")), Some(Path::new("./src").to_path_buf()));
        assert_eq!(nearest(Path::new("SRC")), Some(Path::new("./src").to_path_buf()));
        assert_eq!(nearest(Path::new("src/program/optoins")), Some(Path::new("src/program/options").to_path_buf()));
        assert_eq!(nearest(Path::new("zzzzqqqq")), None);
        assert_eq!(nearest(Path::new("/nowhere/at/all")), None);
    }
}
