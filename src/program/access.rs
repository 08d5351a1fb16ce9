//! Who may speak: from the command line, the password file and the sockets to the settings of the guard.
//!
//! Never: a password that is printed, or a password file inside the folder that is served. Whoever could
//! download it could guess at home, without anybody slowing him down.
//!
//! The subtle thing: whether names are looked at follows from the sockets and not from the options. A
//! server that a service manager opened to the network is open, whatever was typed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::Path;

use barewire::http::Method;
use barewire::service::access::origin::Hosts;
use barewire::service::app;
use barewire::service::{Auth, Credentials, Scope};

use crate::program::error::{Exit, StartError};
use crate::program::folder;
use crate::program::folder::Folder;
use crate::program::options::{Access, AuthFor, Files};

/// The largest password file: some twelve thousand users. Whoever has more of them needs something else,
/// and whoever named a film by mistake should not wait for it.
const LARGEST: u64 = 1 << 20;

/// The guard as it was asked for, and what must be said about it.
pub(crate) struct Guarded {
    pub(crate) settings: app::Settings,
    /// What an answer needs a password for, if anything.
    pub(crate) what_for: Option<AuthFor>,
    pub(crate) warnings: Vec<String>,
}

/// Reads the password file, and decides.
pub(crate) fn decide(
    access: &mut Access,
    files: &Files,
    folder: &Folder,
    addresses: &[SocketAddr],
    studies: bool,
) -> Result<Guarded, StartError> {
    let is_local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    let what_for = access.is_guarded().then_some(access.what_for);
    let writes = files.writing().is_some();
    let enforced = is_local || writes || studies || what_for.is_some() || !access.hosts.is_empty();
    let machine = rustix::system::uname();
    let hosts = Hosts::new(enforced, &access.hosts, machine.nodename().to_str().ok());

    let mut warnings = Vec::new();
    if access.is_typed && !access.credentials.is_empty() {
        warnings.push(
            "The password is visible in the list of processes (ps). BAREWIRE_AUTH or --auth-file hide it.".into(),
        );
    }
    if what_for.is_some() && !is_local {
        warnings.push(
            "Passwords travel unencrypted: put a TLS proxy in front, or use them only on a network you trust.".into(),
        );
    }
    if access.hosts.iter().any(|name| name == "*") {
        warnings.push("Any name is answered: a web page may reach this server under a name of its own.".into());
    }
    if writes && !is_local && what_for.is_none() {
        warnings.push("Everybody on your network may change files here. A password: --auth NAME:PASSWORD".into());
    }

    let mut credentials = std::mem::take(&mut access.credentials);
    if let Some(path) = &access.file {
        add_file(&mut credentials, path, folder)?;
    }
    let auth = what_for.map(|what_for| Auth::new(credentials, scope(what_for, files)));
    let (cors, headers) = (files.cors.clone(), files.headers.clone());
    let settings = app::Settings { hosts, cors, auth, headers, ..app::Settings::default() };
    Ok(Guarded { settings, what_for, warnings })
}

/// The methods that need a password: of the unsafe ones those that some right lets through, so that a
/// write nobody may do is refused as such and nobody is asked in vain.
fn scope(what_for: AuthFor, files: &Files) -> Scope {
    if what_for == AuthFor::All {
        return Scope::All;
    }
    let rights =
        [(files.upload, Method::Post), (files.upload || files.overwrite, Method::Put), (files.delete, Method::Delete)];
    Scope::Methods(rights.into_iter().filter_map(|(right, method)| right.then_some(method)).collect())
}

/// Adds the users of the password file, whose every fault ends the start: to go on without some of them,
/// or without any, would be a server that is not the one asked for.
fn add_file(credentials: &mut Credentials, path: &Path, folder: &Folder) -> Result<(), StartError> {
    let shown = folder::shown(path);
    let complaint = |what: String| StartError::new(Exit::Usage, what);
    let bytes = read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => complaint(format!("there is no password file {shown}."))
            .advising(format!("Make it with:  htpasswd -B -c {shown} ann")),
        io::ErrorKind::PermissionDenied => {
            complaint(format!("may not read the password file {shown} (permission denied)."))
                .advising(format!("Change its rights:  ls -l {shown}"))
        }
        _ => complaint(format!("cannot read the password file {shown}: {error}.")),
    })?;
    if is_served(path, folder) {
        return Err(complaint(format!("the password file {shown} lies in the folder that is served."))
            .advising("Put it elsewhere, where nobody can download it."));
    }
    let before = credentials.len();
    credentials
        .add_htpasswd(&bytes)
        .map_err(|unfit| complaint(format!("the password file {shown} cannot be used: {unfit}.")))?;
    if credentials.len() == before {
        return Err(complaint(format!("the password file {shown} has no users: nobody could sign in."))
            .advising(format!("Add one:  htpasswd -B {shown} ann")));
    }
    Ok(())
}

/// The file, unless it is far too large.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::Error::other("it is larger than 1 MiB")),
        false => Ok(bytes),
    }
}

/// Whether a path in the served folder leads to the file, or is where a link to it stands. What has no
/// path at all (a pipe that a shell has made) cannot be asked for.
fn is_served(path: &Path, folder: &Folder) -> bool {
    let Ok(root) = fs::canonicalize(&folder.path) else { return false };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stands = fs::canonicalize(parent).ok().zip(path.file_name()).map(|(parent, name)| parent.join(name));
    [fs::canonicalize(path).ok(), stands].into_iter().flatten().any(|place| match folder.is_file {
        true => place == root,
        false => place.starts_with(&root),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_in_the_folder_is_found_on_every_way_there() {
        let at = |path: &str, is_file| Folder { path: path.into(), is_file };
        for (path, folder, is_file, expected) in [
            ("src/main.rs", "src", false, true),
            ("src/net/mod.rs", "src", false, true),
            ("./src/../src/main.rs", "./src/", false, true),
            ("Cargo.toml", ".", false, true),
            ("Cargo.toml", "src", false, false),
            ("src/main.rs", "src/net", false, false),
            ("src/main.rs", "src/main.rs", true, true),
            ("src/lib.rs", "src/main.rs", true, false),
            ("/proc/self/fd/99999", "src", false, false),
        ] {
            assert_eq!(is_served(Path::new(path), &at(folder, is_file)), expected, "{path} in {folder}");
        }
    }
}
