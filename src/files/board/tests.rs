//! Tries to catch the board lying.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use crate::files::board::*;
use crate::files::testing::{Folder, Got, age, arrival, fetch, fetch_at, get, later, with};
use crate::files::{Settings, Site};
use crate::service::Service;

fn site(folder: &Folder) -> Site {
    Site::open(folder.path(), Settings::default()).unwrap()
}

/// A site that keeps nothing.
fn bare(folder: &Folder) -> Site {
    Site::open(folder.path(), Settings { shelf: 0, ..Settings::default() }).unwrap()
}

/// Asked until it hangs there; whether it does.
fn hangs(site: &mut Site, head: &str, now: SystemTime) -> bool {
    let _ = fetch_at(site, head, now);
    !fetch_at(site, head, now).worked
}

fn tag(got: &Got) -> String {
    got.bytes.lines().find_map(|line| line.strip_prefix("ETag: ")).unwrap().to_string()
}

#[test]
fn what_hangs_there_is_what_the_slow_way_says() {
    let folder = Folder::new();
    for name in ["list/a.txt", "list/b c.html", "list/sub/x", "list/.hidden"] {
        folder.write(name, name);
    }
    let (mut site, mut bare, now) = (site(&folder), bare(&folder), later());
    let fields = ["X: y", "Accept: text/html", "Accept: application/json", "User-Agent: curl/8.0"];
    for target in ["/list/", "/list/?sort=size", "/list/?sort=time&order=asc", "/list/?x=y", "/"] {
        for field in fields {
            for head in [with(target, field), with(target, field).replace("GET", "HEAD")] {
                let slow = fetch_at(&mut bare, &head, now);
                assert!(hangs(&mut site, &head, now), "{head}");
                let ready = fetch_at(&mut site, &head, now);
                assert!(slow.worked && !ready.worked);
                assert_eq!(ready.bytes, slow.bytes, "{head}");
            }
            let conditional =
                with(target, &format!("{field}\r\nIf-None-Match: {}", tag(&fetch(&mut bare, &with(target, field)))));
            let slow = fetch_at(&mut bare, &conditional, now);
            assert!(slow.bytes.starts_with("HTTP/1.1 304"), "{}", slow.bytes);
            assert!(hangs(&mut site, &conditional, now), "{conditional}");
            assert_eq!(fetch_at(&mut site, &conditional, now).bytes, slow.bytes);
        }
    }
}

#[test]
fn a_reload_that_is_answered_304_from_the_first_time_on_hangs_too() {
    let folder = Folder::new();
    folder.write("list/a.txt", "a");
    let known = tag(&fetch(&mut bare(&folder), &get("/list/")));
    let mut site = site(&folder);
    let (reload, now) = (with("/list/", &format!("If-None-Match: {known}")), later());
    assert!(hangs(&mut site, &reload, now));
    // Who has nothing yet gets all of it, and then both hang there.
    assert!(fetch_at(&mut site, &get("/list/"), now).bytes.contains("a.txt"));
    assert!(!fetch_at(&mut site, &get("/list/"), now).worked && !fetch_at(&mut site, &reload, now).worked);
}

/// No sleep anywhere: most of these changes lie within one tick of the clock that file times are kept by.
#[test]
fn a_change_is_seen_at_the_very_next_request_ten_thousand_times() {
    let folder = Folder::new();
    let grows = folder.write("list/grows.log", "");
    let other = folder.write("list/other.txt", "0");
    folder.write("list/sub/inner.txt", "");
    let (mut site, mut bare) = (site(&folder), bare(&folder));
    let mut log = std::fs::File::options().append(true).open(&grows).unwrap();
    let mut hits = 0;
    for round in 0..10_000u32 {
        match round % 10 {
            // Through a descriptor that was open long before: the folder's own times stay.
            0 | 1 => log.write_all(b"x").unwrap(),
            2 => log.set_len(u64::from(round)).unwrap(),
            3 => age(&other, u64::from(round)),
            4 => std::fs::set_permissions(&other, PermissionsExt::from_mode(0o600 | (round / 10 % 8))).unwrap(),
            5 => std::fs::rename(folder.write("list/draft", "y".repeat(round as usize % 50)), &other).unwrap(),
            6 => drop(folder.write(format!("list/new-{round}"), "")),
            7 => std::fs::remove_file(folder.join(format!("list/new-{}", round - 1))).unwrap(),
            8 => drop(folder.write("list/sub/inner.txt", "z".repeat(round as usize % 50))),
            // A folder in the folder, whose time stands in the page.
            _ => drop(folder.write(format!("list/sub/new-{round}"), "")),
        }
        let (got, want) = (fetch(&mut site, &get("/list/")), fetch(&mut bare, &get("/list/")));
        assert_eq!(got.bytes, want.bytes, "round {round}");
        let again = fetch(&mut site, &get("/list/"));
        assert_eq!(again.bytes, want.bytes, "round {round}, again");
        hits += u32::from(!again.worked);
    }
    // All but those that had become old meanwhile.
    assert!(hits > 5_000, "the board was hardly used: {hits}");
}

#[test]
fn a_change_while_the_page_is_being_made_is_not_overlooked() {
    let folder = Folder::new();
    folder.write("list/a.txt", "a");
    let (mut site, mut bare) = (site(&folder), bare(&folder));
    let request = crate::files::testing::request(get("/list/").as_bytes());
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    for round in 0..100 {
        let visit = crate::service::RequestContext { peer: local, local, now: SystemTime::now(), arrival: arrival() };
        let Answer::Blocking(_, job) = site.answer(&request, &visit) else { panic!("nothing has changed?") };
        // Before the folder is read, or after: in both cases behind the watch.
        let change = || folder.write(format!("list/{round}"), "");
        if round % 2 == 0 {
            change();
            let _ = job();
        } else {
            let _ = job();
            change();
        }
        assert_eq!(fetch(&mut site, &get("/list/")).bytes, fetch(&mut bare, &get("/list/")).bytes, "{round}");
        folder.write("list/a.txt", "b");
    }
}

#[test]
fn a_folder_in_which_something_changes_without_a_word_is_not_kept() {
    let folder = Folder::new();
    folder.write("elsewhere/real.txt", "a");
    let many: String = (0..=MOST_BELOW).map(|n| format!("{n} ")).collect();
    type Step<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let steps: [Step<'_>; 4] = [
        ("link", Box::new(|| folder.symlink("../elsewhere/real.txt", "link/a.txt"))),
        ("link to nowhere", Box::new(|| folder.symlink("../elsewhere/later.txt", "link to nowhere/a.txt"))),
        (
            "second name",
            Box::new(|| std::fs::hard_link(folder.join("elsewhere/real.txt"), folder.join("second name/a")).unwrap()),
        ),
        (
            "many folders",
            Box::new(|| {
                for name in many.split_whitespace() {
                    std::fs::create_dir(folder.join(format!("many folders/{name}"))).unwrap();
                }
            }),
        ),
    ];
    for (name, make) in steps {
        std::fs::create_dir(folder.join(name)).unwrap();
        let head = get(&format!("/{}/", name.replace(' ', "%20")));
        assert!(hangs(&mut site(&folder), &head, later()), "{name}, empty");
        make();
        assert!(!hangs(&mut site(&folder), &head, later()), "{name}");
    }
    folder.symlink("many folders", "way");
    assert!(!hangs(&mut site(&folder), &get("/way/"), later()), "reached through a link");
}

#[test]
fn an_index_that_appears_takes_the_listing_down() {
    let folder = Folder::new();
    folder.write("list/a.txt", "a");
    let (mut site, now) = (site(&folder), later());
    assert!(hangs(&mut site, &get("/list/"), now));
    folder.write("list/index.html", "index");
    assert!(fetch_at(&mut site, &get("/list/"), now).bytes.ends_with("\r\n\r\nindex"));
    std::fs::remove_file(folder.join("list/index.html")).unwrap();
    assert!(fetch_at(&mut site, &get("/list/"), now).bytes.contains("a.txt"));
    // Another folder in its place.
    assert!(hangs(&mut site, &get("/list/"), now));
    folder.write("fresh/b.txt", "b");
    std::fs::rename(folder.join("list"), folder.join("gone")).unwrap();
    std::fs::rename(folder.join("fresh"), folder.join("list")).unwrap();
    assert!(fetch_at(&mut site, &get("/list/"), now).bytes.contains("b.txt"));
    std::fs::rename(folder.join("list"), folder.join("fresh")).unwrap();
    assert!(fetch_at(&mut site, &get("/list/"), now).bytes.starts_with("HTTP/1.1 404"));
}

#[test]
fn what_no_watch_reports_is_seen_a_second_later() {
    let folder = Folder::new();
    let path = folder.write("list/a.txt", "a");
    let (mut site, now) = (site(&folder), later());
    assert!(hangs(&mut site, &get("/list/"), now));
    // A second name in a place that nobody watches, and a write through it.
    std::fs::create_dir(folder.join("elsewhere")).unwrap();
    std::fs::hard_link(&path, folder.join("elsewhere/b.txt")).unwrap();
    folder.write("elsewhere/b.txt", "long".repeat(100));
    let first = fetch_at(&mut site, &get("/list/"), now + PROOF);
    assert!(first.worked && first.bytes.contains(">400 B<"), "{}", first.bytes);
    // And from now on it is not kept.
    assert!(fetch_at(&mut site, &get("/list/"), now + PROOF).worked);
}

/// A parent is moved out and a link to it is put in its place: the folder itself, which is watched, knows nothing
/// of that.
#[test]
fn a_folder_that_was_moved_out_is_not_shown_by_the_link_in_its_place() {
    let (folder, outside) = (Folder::new(), Folder::new());
    folder.write("up/list/secret.txt", "a");
    let (mut site, now) = (site(&folder), later());
    assert!(hangs(&mut site, &get("/up/list/"), now));
    std::fs::rename(folder.join("up"), outside.join("up")).unwrap();
    folder.symlink(outside.join("up"), "up");
    for late in 0..5 {
        let got = fetch_at(&mut site, &get("/up/list/"), now + PROOF + PROOF / 4 * late);
        assert!(got.bytes.starts_with("HTTP/1.1 404"), "{late}: {}", got.bytes);
    }
}

#[test]
fn a_page_that_is_old_is_made_anew_by_one_client_while_the_others_are_served() {
    let folder = Folder::new();
    folder.write("list/a.txt", "a");
    let (mut site, now) = (site(&folder), later());
    assert!(hangs(&mut site, &get("/list/"), now));
    let request = crate::files::testing::request(get("/list/").as_bytes());
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let visit = crate::service::RequestContext { peer: local, local, now: now + PROOF, arrival: arrival() };
    let Answer::Blocking(_, job) = site.answer(&request, &visit) else { panic!("it is old") };
    for _ in 0..3 {
        assert!(matches!(site.answer(&request, &visit), Answer::Now(_)));
    }
    let _ = job();
    assert!(matches!(site.answer(&request, &visit), Answer::Now(_)));
}

/// A page of the folder that is older than it may be, and what asks for it then.
fn old(folder: &Folder) -> (Site, crate::http::Request<'static>, crate::service::RequestContext) {
    folder.write("list/a.txt", "a");
    let (mut site, now) = (site(folder), later());
    assert!(hangs(&mut site, &get("/list/"), now));
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let visit = crate::service::RequestContext { peer: local, local, now: now + PROOF, arrival: arrival() };
    (site, crate::files::testing::request(get("/list/").as_bytes()).into_owned(), visit)
}

/// A flood that keeps the workers' queue full must not make an old page true.
#[test]
fn a_page_is_not_believed_because_somebody_was_refused_a_newer_one() {
    let folder = Folder::new();
    let (mut site, request, visit) = old(&folder);
    for refused in 0..3 {
        let Answer::Blocking(_, job) = site.answer(&request, &visit) else { panic!("believed after {refused}") };
        drop(job);
    }
    let Answer::Blocking(_, job) = site.answer(&request, &visit) else { panic!("believed") };
    let _ = job();
    assert!(matches!(site.answer(&request, &visit), Answer::Now(_)));
}

/// One that nobody may keep is let go by the worker: there may be no next request to do it.
#[test]
fn a_page_that_is_too_heavy_does_not_wait_for_the_next_request() {
    let folder = Folder::new();
    folder.write("list/a.txt", "a");
    let (mut site, now) = (site(&folder), later());
    site.board.as_mut().unwrap().capacity = 1000;
    assert!(fetch_at(&mut site, &get("/list/"), now).worked);
    let waiting =
        site.board.as_ref().unwrap().notices.try_iter().filter(|notice| matches!(notice.news, News::Made(_))).count();
    assert_eq!(waiting, 0);
    assert!(!hangs(&mut site, &get("/list/"), now));
}

#[test]
fn watches_and_memory_are_bounded_and_given_back() {
    let folder = Folder::new();
    for n in 0..FOLDERS + 10 {
        folder.write(format!("{n}/a.txt"), "a");
    }
    let (mut site, now) = (site(&folder), later());
    for n in 0..FOLDERS + 10 {
        assert!(hangs(&mut site, &get(&format!("/{n}/")), now));
        assert!(hangs(&mut site, &get("/0/"), now), "in use, and gone after {n}");
    }
    let board = site.board.as_mut().unwrap();
    assert_eq!(board.folders.len(), FOLDERS);
    board.capacity = board.weight() / 2;
    assert!(hangs(&mut site, &get("/0/"), now));
    let _ = fetch_at(&mut site, &get("/0/?sort=size"), now);
    assert!(hangs(&mut site, &get("/0/?sort=size"), now), "the one in use stays");
    let board = site.board.as_mut().unwrap();
    assert!(board.weight() <= board.capacity && board.folders.len() < FOLDERS);
    assert!(site.board.as_ref().unwrap().watcher.is_some());
    site.relieve();
    assert!(site.board.as_ref().unwrap().watcher.is_none());
    assert!(hangs(&mut site, &get("/0/"), now), "and it begins again");
}

/// Each folder is asked for once and gone when its turn comes again: nothing is ever a hit.
#[test]
fn pages_that_nobody_asks_for_again_do_not_pile_up() {
    let folder = Folder::new();
    for n in 0..2 * FOLDERS {
        folder.write(format!("{n}/a.txt"), "a");
    }
    let (mut site, now) = (site(&folder), later());
    for n in 0..6 * FOLDERS {
        assert!(fetch_at(&mut site, &get(&format!("/{}/", n % (2 * FOLDERS))), now).worked);
    }
    let waiting = site.board.as_ref().unwrap().notices.try_iter().count();
    assert!(waiting <= 1, "{waiting} pages wait for a hit that never comes");
}

#[test]
fn a_thousand_requests_read_the_folder_once() {
    let folder = Folder::new();
    (0..100).for_each(|n| drop(folder.write(format!("list/{n}"), "")));
    let (mut site, now) = (site(&folder), later());
    let worked = (0..1_000).filter(|_| fetch_at(&mut site, &get("/list/"), now).worked).count();
    assert_eq!(worked, 1);
    // An hour later it is made anew, and then it hangs there again: never more than one page a second.
    let then = now + Duration::from_secs(3600);
    assert_eq!((0..1_000).filter(|_| fetch_at(&mut site, &get("/list/"), then).worked).count(), 1);
}
