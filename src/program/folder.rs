//! What is served: the folder or file that was named, or the one that is there.
//!
//! Never: the doors inside. Whether a path of a request may be read is the file room's business; here
//! it is only made sure, before anybody connects, that there is something to read at all.
//!
//! The subtle thing: the name of a folder may hold anything, also bytes that move the cursor or
//! change colours. What is printed went through [`printable`].

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use barewire::service::text::printable;
use rustix::fs::{Access, AtFlags, CWD};

use crate::program::error::{Exit, StartError};

/// The folder that is served when none was named and it exists.
const USUAL: &str = "./public";

/// What is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// A file, served alone.
    pub(crate) is_file: bool,
}

/// Chooses it, and makes sure that it can be read. `listed`: folders will be listed.
pub(crate) fn choose(named: Option<&Path>, listed: bool) -> Result<Folder, StartError> {
    let path = match named {
        Some(path) => path,
        None if Path::new(USUAL).is_dir() => Path::new(USUAL),
        None => Path::new("."),
    };
    let shown = shown(path);
    let complain = |error: io::Error| complaint(path, &shown, &error);
    let metadata = fs::metadata(path).map_err(complain)?;
    if metadata.is_dir() {
        // Opening needs the right to read, which only lists need; a step inside needs that to search.
        if listed {
            File::open(path).map_err(complain)?;
        }
        fs::metadata(path.join(".")).map_err(complain)?;
    } else if metadata.is_file() {
        File::open(path).map_err(complain)?;
    } else {
        return Err(StartError::new(Exit::Folder, format!("{shown} is neither a folder nor a file."))
            .advising("Serve the folder you are in:  barewire ."));
    }
    Ok(Folder { path: path.to_path_buf(), is_file: metadata.is_file() })
}

/// Makes sure that what `option` lets others change can be changed.
pub(crate) fn check_writable(folder: &Folder, option: &str, adds_only: bool) -> Result<(), StartError> {
    let shown = shown(&folder.path);
    if folder.is_file && adds_only {
        return Err(StartError::new(
            Exit::Folder,
            format!("{option} was given, but {shown} is one file: nothing can be added to it."),
        )
        .advising("Serve its folder, or let others replace it:  barewire --overwrite ".to_string() + &shown));
    }
    let place = match folder.path.parent() {
        Some(parent) if folder.is_file && !parent.as_os_str().is_empty() => parent,
        _ if folder.is_file => Path::new("."),
        _ => &folder.path,
    };
    // The rights of the effective user count, as they do for the server.
    let access = Access::WRITE_OK | Access::EXEC_OK;
    rustix::fs::accessat(CWD, place, access, AtFlags::EACCESS).map_err(|_| {
        let advice = "Change its rights, or serve another folder:  ls -ld ".to_string() + &self::shown(place);
        StartError::new(Exit::Folder, format!("{option} was given, but {shown} is not writable.")).advising(advice)
    })
}

/// Whether the lessons lie in it.
pub(crate) fn has_labs(folder: &Folder) -> bool {
    !folder.is_file && folder.path.join("learn").join("index.html").is_file()
}

fn complaint(path: &Path, shown: &str, error: &io::Error) -> StartError {
    let complaint = |what: String| StartError::new(Exit::Folder, what);
    match error.kind() {
        io::ErrorKind::NotFound => {
            let complaint = complaint(format!("there is no folder {shown}."));
            match nearest(path) {
                Some(near) => complaint.advising(format!("Did you mean {} ?", self::shown(&near))),
                None => complaint.advising("Serve the folder you are in:  barewire ."),
            }
        }
        io::ErrorKind::PermissionDenied => complaint(format!("may not read {shown} (permission denied)."))
            .advising("Serve another folder, or change its rights:  ls -ld ".to_string() + shown),
        _ => complaint(format!("cannot open {shown}: {error}.")),
    }
}

/// The name beside it that is most like it, if one is like it at all.
fn nearest(path: &Path) -> Option<PathBuf> {
    /// Less alike than this is another word: "sitee" and "site" are 0.96, "sitee" and "src" 0.51.
    const ALIKE: f64 = 0.8;
    let name = path.file_name()?.to_str()?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let likeness = |other: &str| strsim::jaro_winkler(&name.to_lowercase(), &other.to_lowercase());
    let names = fs::read_dir(parent).ok()?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let (near, _) = names
        .map(|other| (likeness(&other), other))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(alike, other)| (other, alike))?;
    Some(parent.join(near))
}

/// As one would type it: `./site` for `site`.
fn dotted(path: &Path) -> String {
    let text = path.to_string_lossy();
    match path.components().next() {
        Some(Component::Normal(_)) => format!("./{text}"),
        _ => text.into_owned(),
    }
}

/// How it is called at the start: `./site` below the current folder, else the full path.
pub(crate) fn title(path: &Path) -> String {
    let here = std::env::current_dir().and_then(fs::canonicalize);
    let Ok(full) = fs::canonicalize(path) else { return shown(path) };
    match here.ok().and_then(|here| full.strip_prefix(here).ok().map(Path::to_path_buf)) {
        Some(below) if !below.as_os_str().is_empty() => shown(&below),
        _ => printable(&full.to_string_lossy()),
    }
}

/// A path as one would type it, ready to print.
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
        assert_eq!(nearest(Path::new("src/optoins")), Some(Path::new("src/options").to_path_buf()));
        assert_eq!(nearest(Path::new("zzzzqqqq")), None);
        assert_eq!(nearest(Path::new("/nowhere/at/all")), None);
    }
}
