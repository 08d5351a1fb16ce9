//! Users, passwords and host names: from the options, the password file and the sockets to the rules of the server.
//!
//! | the server | names it answers for |
//! |---|---|
//! | only this computer can connect | addresses, `localhost`, the machine's own name, and every `--host` |
//! | writing, a password or `--study` is on | the same |
//! | `--host` is given | the same |
//! | else: read-only and open to the network | every name |
//!
//! The start also warns about settings that are weaker than they look, or have no effect:
//!
//! | warning | given when |
//! |---|---|
//! | the password is visible in `ps` | `--auth` stands on the command line |
//! | passwords travel unencrypted | a password is on, and other computers can connect |
//! | any name is answered | `--host '*'` |
//! | a page is missing | `--spa` names it |
//! | everybody may change files | writing is on without a password, and other computers can connect |
//!
//! Which clients can connect depends on the sockets, not on the options: a service manager may have opened sockets to
//! the network although no option says so.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::net::SocketAddr;
use std::path::Path;

use barewire::http::Method;
use barewire::service::access::{health::Health, hosts::Hosts, proxies::ClientSource, proxies::TrustedProxies};
use barewire::service::{Auth, Credentials, Scope, app::Settings};

use crate::program::error::{Exit, StartError, TEXTS};
use crate::program::folder::{self, ServedPath};
use crate::program::options::{AccessOptions, AuthFor, Options, WriteOptions};

/// The largest password file: some twelve thousand users. A film named by mistake is refused before it is read.
const LARGEST: u64 = 1 << 20;

/// Reads the password file and makes the rules of the server, and sentences for the start. `addresses` are those of the
/// sockets.
///
/// The credentials are moved out of `options`. The other fields of the settings keep their defaults. Errors: a password
/// file that cannot be used (exit code 2).
pub(crate) fn decide(
    options: &mut Options,
    served: &ServedPath,
    addresses: &[SocketAddr],
) -> Result<(Settings, Vec<String>), StartError> {
    let is_local = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
    let auth_for = options.access.password_for;
    let names = options.access.host.concat();
    // A web page can reach this server under a name of its own (DNS rebinding). That is only harmless when
    // the page could read the same files without it.
    let is_private = is_local || options.write.option().is_some() || options.study.study || auth_for.is_some();
    let machine = rustix::system::uname();
    let hosts = Hosts::new(is_private || !names.is_empty(), &names, machine.nodename().to_str().ok());

    // Before the credentials are taken out of the options: one of the warnings asks whether there are any.
    let mut warnings = warnings(options, &names, is_local);
    warnings.extend(folder::missing_page(served, options.files.spa.as_deref()));
    let mut credentials = std::mem::take(&mut options.access.credentials);
    if let Some(path) = &options.access.auth_file {
        add_file(&mut credentials, path, served)?;
    }
    let auth = auth_for.map(|auth_for| Auth::new(credentials, scope(auth_for, &options.write)));
    let (cors, headers) = (options.files.cors.clone(), options.files.header.concat());
    let health = if options.access.health { Health::Everybody } else { Health::OwnComputer };
    Ok((
        Settings::with(|rules| {
            rules.hosts = hosts;
            rules.auth = auth;
            rules.cors = cors;
            rules.headers = headers;
            rules.health = health;
            rules.names_options = true;
        }),
        warnings,
    ))
}

/// The proxies that are believed about who their clients are, if there are any.
pub(crate) fn proxies(options: &AccessOptions) -> Option<TrustedProxies> {
    let networks = options.trust.concat();
    let source = match options.proxy_protocol {
        true => ClientSource::ProxyHeader,
        false => options.trust_field.unwrap_or_default(),
    };
    (!networks.is_empty()).then(|| TrustedProxies::new(networks, source))
}

/// Sentences about everything that is weaker than it looks.
fn warnings(options: &Options, names: &[String], is_local: bool) -> Vec<String> {
    let auth_for = options.access.password_for;
    let writes = options.write.option().is_some();
    // In the order in which they are printed.
    let cases = [
        (options.access.is_visible && !options.access.credentials.is_empty(), "visible password"),
        (auth_for.is_some() && !is_local, "clear passwords"),
        (names.iter().any(|name| name == "*"), "any host"),
        (writes && !is_local && auth_for.is_none(), "open changes"),
    ];
    cases.into_iter().filter(|(applies, _)| *applies).map(|(_, name)| TEXTS.say(name, &[])).collect()
}

/// The methods that need a password.
fn scope(auth_for: AuthFor, write: &WriteOptions) -> Scope {
    if auth_for == AuthFor::All {
        return Scope::All;
    }
    // Only methods that a right allows: for the others the client is told 405, and not asked for a password that
    // would not help.
    let rights =
        [(write.upload, Method::Post), (write.upload || write.overwrite, Method::Put), (write.delete, Method::Delete)];
    Scope::Methods(rights.into_iter().filter_map(|(right, method)| right.then_some(method)).collect())
}

/// Adds the users of the password file. A single line that cannot be used ends the start: the server would not be the
/// one that was asked for. Errors: the file is missing, unreadable, larger than [`LARGEST`], served to clients,
/// malformed or without users.
fn add_file(credentials: &mut Credentials, path: &Path, served: &ServedPath) -> Result<(), StartError> {
    let name = folder::shown(path);
    // Exit code 2 and not 4: the option names the wrong file.
    let failed = |text: &str| StartError::of(Exit::Usage, text, &[("name", &name)]);
    let failed_by = |text, error: &dyn Display| StartError::of(Exit::Usage, text, &[("name", &name), ("error", error)]);
    let bytes = read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => failed("no passwords"),
        ErrorKind::PermissionDenied => failed("closed passwords"),
        _ => failed_by("unreadable passwords", &error),
    })?;
    // With a copy of the file, passwords can be guessed offline, at any speed.
    if is_served(path, served) {
        return Err(failed("served passwords"));
    }
    // Users of `--auth` may be there already, so the length alone does not tell.
    let before = credentials.len();
    credentials.add_htpasswd(&bytes).map_err(|error| failed_by("bad passwords", &error))?;
    if credentials.len() == before {
        return Err(failed("empty passwords"));
    }
    Ok(())
}

/// The bytes of the file, unless it is too large. Errors: those of opening and reading, and a file of more than
/// [`LARGEST`] bytes.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    File::open(path)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > LARGEST {
        true => Err(io::Error::other(TEXTS.say("large passwords", &[]))),
        false => Ok(bytes),
    }
}

/// Whether a client can ask for the file: it lies in the served folder, or a link to it does. A file without a path
/// (a pipe made by a shell) cannot be asked for.
pub(crate) fn is_served(path: &Path, served: &ServedPath) -> bool {
    let Ok(root) = fs::canonicalize(&served.path) else { return false };
    // The file itself, and the place of the name: the name may be a link in the folder that leads out of it.
    let link = fs::canonicalize(folder::parent(path)).ok().zip(path.file_name()).map(|(at, name)| at.join(name));
    [fs::canonicalize(path).ok(), link].into_iter().flatten().any(|place| match served.is_file {
        true => place == root,
        false => place.starts_with(&root),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_file_in_the_served_folder_is_found_by_every_path() {
        let at = |path: &str, is_file| ServedPath { path: path.into(), is_file };
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
