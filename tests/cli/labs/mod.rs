//! The labs of `public/learn/`: every command that they print is run against the real program, and everything that the
//! reader is told to look for must be there.
//!
//! The commands are written only in the pages. A page says in its HTML what must be seen:
//!
//! | markup | means |
//! |---|---|
//! | `<pre class="cmd"><code>` | a command, run by `sh -c`; `localhost:8080` is the server of the test |
//! | `data-look='{…} {…}'` | events that `--wire=json` must show: one for each object, with at least these members; `{"at least": 3}` is a number of 3 or more |
//! | `data-exit="18"` | the exit code, if it is not 0 |
//! | `data-stop` | ends by Ctrl-C, once the first event was seen |
//! | `data-stays="TEXT"` | a server: has started when it prints TEXT, and ends with the page |
//! | `<pre class="out"><samp>` | lines of its output, in this order; `…` stands for anything |
//! | `<a href="/.wire?find=GET%20/a">` | a request of the command before begins so |
//! | `class="cmd alt"` | not run (netcat differs between systems) |
//!
//! These tests need curl. Without it they are skipped, and fail where `BAREWIRE_REQUIRE_CURL` is set. Nothing uses the
//! network, a fixed port or a wait for a time.

mod html;
mod links;
mod run;

use std::path::{Path, PathBuf};

use html::{Step, steps};
use run::Lab;

use crate::support::folder::Folder;
use crate::support::has_program;

/// The site that comes with the program.
fn public() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("public")
}

fn page(path: &str) -> String {
    let path = public().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs all commands of a page, in order, against one server.
fn walk(path: &str) {
    if !has_program("curl", "BAREWIRE_REQUIRE_CURL") {
        return;
    }
    let (steps, site): (Vec<Step>, _) = (steps(&page(path)), public());
    assert!(steps.len() >= 2, "{path} has {} commands", steps.len());
    // The labs are part of the program: nothing of them is in the folder.
    let empty = Folder::new();
    let mut lab = Lab::open(path, if path == "index.html" { &site } else { empty.path() });
    for step in &steps {
        lab.run(step);
    }
}

macro_rules! labs {
    ($($name:ident $path:literal)*) => {$(
        #[test]
        fn $name() {
            walk($path);
        }
    )*};
}

labs! {
    the_landing_page "index.html"
    ten_sentences_from_tutorials_are_wrong "learn/wrong/index.html"
    lab_01_a_connection "learn/01/index.html"
    lab_02_a_stream_has_no_boundaries "learn/02/index.html"
    lab_03_the_request "learn/03/index.html"
    lab_04_the_response "learn/04/index.html"
    lab_05_where_the_body_ends "learn/05/index.html"
    lab_06_unknown_length "learn/06/index.html"
    lab_07_methods "learn/07/index.html"
    lab_08_status_codes "learn/08/index.html"
    lab_09_uploading_a_large_file "learn/09/index.html"
    lab_10_authentication "learn/10/index.html"
    lab_11_caching "learn/11/index.html"
    lab_12_many_clients_at_once "learn/12/index.html"
}
