//! The options about the files and about their users: what is served, changed, and by whom.
//!
//! Nothing can be changed over the network unless an option says so, and none of the three rights includes another one;
//! `--write` is short for all of them.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use barewire::files::{CacheControl, Symlinks};
use barewire::service::Credentials;
use clap::{Args, ValueHint};

use crate::program::options::value;
use crate::program::options::value::{Lines, bytes, lines, one, word};

/// An upload: no disk has more than 1024 TiB.
const BODY: RangeInclusive<u64> = 1..=1 << 50;

/// What a password is needed for. The methods that need it are chosen in `access`, since they depend on the rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthFor {
    /// Every request.
    All,
    /// Requests that change something.
    Write,
}

/// The values of `--auth-for`.
const AUTH_FOR: [(&str, &str, AuthFor); 2] =
    [("all", "Everything", AuthFor::All), ("write", "Changes alone", AuthFor::Write)];

/// The values of `--symlinks`.
const SYMLINKS: [(&str, &str, Symlinks); 3] = [
    ("inside", "Relative ones that stay under the folder", Symlinks::Inside),
    ("deny", "None", Symlinks::Deny),
    ("any", "All, wherever they lead", Symlinks::Any),
];

/// How the files are served.
#[derive(Debug, Args)]
#[command(next_help_heading = "What")]
pub(crate) struct FileOptions {
    /// The file that stands for its folder; may be repeated [default: index.html, index.htm]
    ///
    /// The first one that exists is served in place of a list of the folder.
    ///
    /// Example: barewire --index README.html
    #[arg(long, value_name = "NAME", value_parser = lines(value::file_name))]
    pub(crate) index: Vec<Lines<String>>,

    /// Show no lists of folders
    ///
    /// A folder without index file is then 404.
    ///
    /// Example: barewire --no-listing
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) no_listing: bool,

    /// Serve names that begin with a dot
    ///
    /// Without it they are neither listed nor found, since .git and .env hold secrets; only
    /// /.well-known/ is served always.
    ///
    /// Example: barewire --dotfiles
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) dotfiles: bool,

    /// Which symbolic links are followed
    ///
    /// The kernel decides where a link leads, so a link that is swapped at the wrong moment leads
    /// nowhere else either.
    ///
    /// Example: barewire --symlinks deny
    #[arg(long, value_name = "WHICH", default_value = "inside", value_parser = word(&SYMLINKS))]
    pub(crate) symlinks: Symlinks,

    /// Answer unknown paths with FILE [default: index.html]
    ///
    /// For applications that route in the browser. Only requests that accept HTML get FILE, so a missing
    /// image is still 404.
    ///
    /// Example: barewire --spa=app.html dist
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "index.html", value_parser = one(value::file_below))]
    pub(crate) spa: Option<String>,

    /// Add a field to every answer; may be repeated
    ///
    /// It replaces a field of the server of the same name. Fields that say how the message is sent
    /// (Content-Length, Transfer-Encoding, Connection, Date) cannot be set.
    ///
    /// Example: barewire -H 'X-Robots-Tag: noindex'
    #[arg(short = 'H', long, value_name = "'NAME: VALUE'", value_parser = lines(value::field))]
    pub(crate) header: Vec<Lines<(String, String)>>,

    /// Let pages of other origins read [default: any origin]
    ///
    /// Without it a browser keeps pages from elsewhere out. An origin that is named may also write, where
    /// writing is on. Where a password is asked for, it must be named.
    ///
    /// Example: barewire --cors=http://localhost:3000
    #[arg(long, value_name = "ORIGIN", num_args = 0..=1, require_equals = true, default_missing_value = "*", value_parser = one(value::origin))]
    pub(crate) cors: Option<String>,

    /// How long answers may be kept: revalidate, off or SECONDS
    ///
    /// revalidate: keep them, but ask each time whether they are still true, which costs a 304 and no
    /// content. off: never keep them. SECONDS: believe them for so long.
    ///
    /// Example: barewire --cache 3600
    #[arg(long, value_name = "HOW", default_value = "revalidate", value_parser = one(value::cache))]
    pub(crate) cache: CacheControl,
}

/// Which changes others may make to the files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Write")]
pub(crate) struct WriteOptions {
    /// Let others add files
    ///
    /// By PUT, and by forms. Folders that are missing are made. A name that is taken is refused (409), or
    /// gets a number when a form brings it. A file appears only when all of it is on the disk.
    ///
    /// Example: barewire --lan --upload inbox
    #[arg(short, long, value_parser = one(value::switch))]
    pub(crate) upload: bool,

    /// Let others replace files
    ///
    /// The old file stays until all of the new one is on the disk.
    ///
    /// Example: barewire --overwrite
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) overwrite: bool,

    /// Let others remove files and empty folders
    ///
    /// Example: barewire --delete
    #[arg(long, value_parser = one(value::switch))]
    pub(crate) delete: bool,

    /// All three: --upload, --overwrite and --delete
    ///
    /// Example: barewire -w notes
    #[arg(short, long, value_parser = one(value::switch))]
    pub(crate) write: bool,

    /// The largest upload
    ///
    /// A larger one is refused (413) before its content is sent. One that does not fit on the disk is
    /// refused in any case (507).
    ///
    /// Example: barewire --upload --max-body 500M
    #[arg(long, value_name = "SIZE", default_value = "16G", value_parser = bytes(BODY))]
    pub(crate) max_body: u64,
}

/// Who may use the server. It is not `Debug`: there are passwords in it.
#[derive(Args)]
#[command(next_help_heading = "Who")]
pub(crate) struct AccessOptions {
    /// Let in only those who know a password; may be repeated
    ///
    /// The password ends up in the list of processes, where every user of this computer can read it:
    /// BAREWIRE_AUTH or --auth-file keep it out of there. Whoever fails ten times within a minute waits;
    /// whoever has signed in already does not notice. Without TLS in front, a password can be read by
    /// everybody between here and the browser.
    ///
    /// Example: barewire --auth ann:secret
    #[arg(short, long, value_name = "USER:PASS")]
    pub(crate) auth: Vec<String>,

    /// Let in the users of an htpasswd file
    ///
    /// One user a line, hashed with bcrypt; other hashes are refused. The file is read once, at start,
    /// and must not lie in the served folder. Make it with: htpasswd -B -c FILE ann
    ///
    /// Example: barewire --auth-file ~/passwords
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) auth_file: Option<PathBuf>,

    /// What the password is asked for [default: all]
    ///
    /// all: everything. write: only changes, and only those that --upload, --overwrite or --delete allow;
    /// everybody may read.
    ///
    /// Example: barewire --upload --auth ann:secret --auth-for write
    #[arg(long, value_name = "WHAT", value_parser = word(&AUTH_FOR))]
    pub(crate) auth_for: Option<AuthFor>,

    /// A name this server answers for; may be repeated
    ///
    /// Addresses, localhost and this computer's own name always work. Other names are refused (421) when
    /// only this computer can connect, or when writing, a password or --study is on: else any web page
    /// could reach this server under a name of its own. A proxy that passes the public name on needs it
    /// here. Without port, as the browser sends it (xn--… for other letters); * is any name.
    ///
    /// Example: barewire --host files.example.org
    #[arg(long, value_name = "NAME", value_parser = lines(value::host))]
    pub(crate) host: Vec<Lines<String>>,

    /// The users of `auth`, which is emptied when they are read: no password stays in memory in clear.
    #[arg(skip)]
    pub(crate) credentials: Credentials,

    /// What a password is needed for, if for anything.
    #[arg(skip)]
    pub(crate) password_for: Option<AuthFor>,

    /// A password was given on the command line, where `ps` shows it.
    #[arg(skip)]
    pub(crate) is_visible: bool,
}

impl WriteOptions {
    /// Whether new files may be made.
    pub(crate) fn adds(&self) -> bool {
        self.upload || self.write
    }

    /// Whether files may be replaced.
    pub(crate) fn replaces(&self) -> bool {
        self.overwrite || self.write
    }

    /// Whether files and empty folders may be removed.
    pub(crate) fn removes(&self) -> bool {
        self.delete || self.write
    }

    /// The option that allows changes, if one was given.
    pub(crate) fn option(&self) -> Option<&'static str> {
        // For an error about it. `--write` first: with it the others are superfluous.
        let options = [
            (self.write, "--write"),
            (self.upload, "--upload"),
            (self.overwrite, "--overwrite"),
            (self.delete, "--delete"),
        ];
        options.into_iter().find_map(|(given, name)| given.then_some(name))
    }
}
