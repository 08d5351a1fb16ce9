//! Listings: three forms of one folder, and long ones.

use crate::support::client::{Client, ask, get, request};
use crate::support::folder::Folder;
use crate::support::response::Response;
use crate::support::rounds;
use crate::support::server::Server;

#[test]
fn a_listing_has_the_form_the_client_prefers() {
    let folder = Folder::with(&[("b10.txt", "0123456789"), ("b9.txt", "x"), ("sub/x.txt", "x"), (".hidden", "h")]);
    let server = Server::start(&folder, &[]);
    let html = get(&server, "/", "Accept: text/html,*/*;q=0.8\r\nUser-Agent: Mozilla/5.0\r\n");
    assert!(html.assert_status(200).must("content-type").starts_with("text/html"));
    let csp = html.must("content-security-policy");
    assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{csp}");
    let text = html.text();
    let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("{name} is not listed"));
    assert!(at("sub/") < at("b9.txt") && at("b9.txt") < at("b10.txt"), "folders first, then natural order");
    assert!(!text.contains(".hidden"));

    for fields in ["Accept: text/plain\r\n", "Accept: */*\r\nUser-Agent: curl/8.5.0\r\n"] {
        let plain = get(&server, "/", fields);
        assert!(plain.assert_status(200).must("content-type").starts_with("text/plain"), "{fields}");
        assert!(plain.text().contains("b10.txt") && !plain.text().contains(".hidden"));
    }
    let wget = get(&server, "/", "Accept: */*\r\nUser-Agent: Wget/1.21\r\n");
    assert!(wget.must("content-type").starts_with("text/html"), "wget -r follows links");

    let json = get(&server, "/", "Accept: application/json\r\n");
    assert!(json.assert_status(200).must("content-type").starts_with("application/json"));
    let value: serde_json::Value = serde_json::from_slice(&json.body).expect("JSON");
    assert!(value.to_string().contains("b10.txt"), "{value}");
    for answer in [&html, &wget, &json] {
        assert!(answer.lists("vary", "accept") && answer.lists("vary", "user-agent"), "{answer:?}");
    }
}

#[test]
fn sorting_works_without_scripts_and_adds_no_link() {
    let folder = Folder::with(&[("a.txt", "333"), ("b.txt", "1"), ("c.txt", "22")]);
    let server = Server::start(&folder, &[]);
    let page = get(&server, "/", "Accept: text/html\r\n").text();
    // The query that each button of a form sends.
    let queries: Vec<_> = page
        .split("<button name=\"sort\"")
        .skip(1)
        .map(|rest| {
            let mut values = rest.split("value=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
            format!("/?sort={}&order={}", values.next().unwrap(), values.next().unwrap())
        })
        .collect();
    assert_eq!(queries, ["/?sort=name&order=desc", "/?sort=size&order=desc", "/?sort=time&order=desc"]);
    let order = |target: &str| {
        let page = get(&server, target, "Accept: text/html\r\n").assert_status(200).text();
        links(&page).iter().filter_map(|link| link.chars().next()).collect::<String>()
    };
    assert_eq!((order("/"), order(&queries[0]), order(&queries[1])), ("abc".into(), "cba".into(), "acb".into()));
    get(&server, "/?sort=nonsense&order=%00", "Accept: text/html\r\n").assert_status(200);
}

/// The links of a page in their order, as programs that read listings see them.
fn links(page: &str) -> Vec<&str> {
    page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// `wget -m` follows each link, GDAL compares the title with the address, fsspec takes all but `../` for an entry.
#[test]
fn a_program_that_walks_listings_sees_each_entry_once_and_nothing_else() {
    let folder = Folder::with(&[("d/a b:c/x y.txt", "x"), ("d/a b:c/deeper/z", "z"), ("d/a b:c/-", "")]);
    let server = Server::start(&folder, &[]);
    for (target, expected) in [
        ("/", &["d/"][..]),
        ("/d/", &["../", "a%20b%3Ac/"]),
        ("/d/a%20b%3Ac/", &["../", "deeper/", "-", "x%20y.txt"]),
        ("/d/a%20b:c/", &["../", "deeper/", "-", "x%20y.txt"]),
        ("/d/a%20b%3ac/deeper/", &["../", "z"]),
    ] {
        let page = get(&server, target, "Accept: */*\r\nUser-Agent: Wget/1.21\r\n").assert_status(200).text();
        assert_eq!(links(&page), expected);
        assert_eq!(page.matches("<a ").count(), expected.len());
        // In one line, since GDAL looks at each line alone; and one table, since it takes two for something else.
        assert!(page.contains(&format!("<title>Index of {target}</title>")), "{page}");
        assert_eq!(page.matches("<table").count(), 1);
        assert!(page.lines().all(|line| line.matches("<a ").count() < 2));
    }
}

#[test]
fn a_folder_of_many_entries_delays_no_other_client() {
    let entries = rounds(10_000, 100_000);
    let folder = Folder::with(&[("small.txt", "small")]);
    std::fs::create_dir(folder.join("many")).unwrap();
    for i in 0..entries {
        std::fs::File::create(folder.join(format!("many/{i:06}"))).unwrap();
    }
    // With one loop, every client would wait for a listing that is made on it.
    let server = Server::start(&folder, &["--loops", "1", "--log", "off"]);
    let mut lister = Client::connect(&server);
    let mut other = Client::connect(&server);
    lister.socket.set_nonblocking(true).unwrap();
    lister.send(request("GET", "/many/", "Accept: text/html\r\n"));
    let mut meanwhile = 0;
    let mut peeked = [0; 1];
    while lister.socket.peek(&mut peeked).is_err() {
        assert_eq!(other.get("/small.txt", "").text(), "small");
        meanwhile += 1;
    }
    lister.socket.set_nonblocking(false).unwrap();
    let page = lister.response("GET");
    assert!(page.assert_status(200).text().contains(&format!("{:06}", entries - 1)));
    assert!(meanwhile >= 5, "only {meanwhile} small answers while the listing was made");
    lister.end();
    other.end();
}

#[test]
fn no_listing_means_404_and_an_index_still_works() {
    let folder = Folder::with(&[("sub/a.txt", "a"), ("with/index.html", "index"), ("other/start.html", "start")]);
    let server = Server::start(&folder, &["--no-listing", "--index", "index.html", "--index", "start.html"]);
    let answer = get(&server, "/sub/", "");
    assert!(!answer.assert_status(404).text().contains("a.txt"));
    assert_eq!(get(&server, "/with/", "").text(), "index");
    assert_eq!(get(&server, "/other/", "").text(), "start");
    ask(&server, "HEAD", "/", "").assert_status(404);
}

/// A page of megabytes waits in memory until its reader has taken it. Many who read slowly must not
/// hold many copies, and what is not listed must be served meanwhile.
#[test]
fn slow_readers_of_a_long_listing_share_one_page() {
    const READERS: usize = 30;
    let folder = Folder::with(&[("a.txt", "fine")]);
    let long = "n".repeat(100);
    for number in 0..rounds(3_000, 10_000) {
        folder.write(format!("many/{number}-{long}"), "");
    }
    let server = Server::start(&folder, &["--log", "off"]);
    let page = get(&server, "/many/", "Accept: text/html\r\n").assert_status(200).body.len() as u64;
    assert!(page > 512 << 10, "{page}");
    let before = server.resident();
    let mut readers: Vec<_> = (0..READERS).map(|_| Client::narrow(&server)).collect();
    for reader in &mut readers {
        reader.send(request("GET", "/many/", "Accept: text/html\r\n"));
    }
    // No one has looked for this name before, so a worker must.
    get(&server, "/not-there", "").assert_status(404);
    for reader in &mut readers {
        assert_eq!(Response::read_head(reader).status, 200);
    }
    let grown = server.resident().saturating_sub(before);
    // Those that were being made at the same time, and what makes them.
    assert!(grown < READERS as u64 * page / 2, "{READERS} readers of {page} bytes: {grown} more in memory");
    for reader in &mut readers {
        assert!(reader.take(page as usize).ends_with(b"</html>"));
    }
}
