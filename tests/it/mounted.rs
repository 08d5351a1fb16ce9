//! A folder under a prefix of a router: every link, redirect and Location stays below the prefix. And the client
//! without sockets that embedders test their routes with.

use barewire::files::{self, Site};
use barewire::http::{Method, Status};
use barewire::service::{Call, Problem, Response, Router, TestClient, TestResponse};

use crate::support::folder::Folder;
use crate::support::reference::{assert_stays, resolve};

fn folder() -> Folder {
    Folder::with(&[("a.txt", "text"), ("sub/b.txt", "below"), ("sub/c.txt", "other")])
}

fn site(folder: &Folder) -> Site {
    let settings = files::Settings::with(|s| s.upload = true);
    Site::open(folder.path(), settings).unwrap()
}

fn client(folder: &Folder) -> TestClient {
    let router = Router::default()
        .get("/files/route", |_: &Call| Response::text(Status::OK, "route"))
        .mount("files/", site(folder))
        .mount("/deep/er", Router::default().mount("/still", site(folder)));
    TestClient::new(router)
}

/// A request of a browser.
fn ask(client: &mut TestClient, method: &str, target: &str) -> TestResponse {
    client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\nAccept: text/html\r\n\r\n").as_bytes())
}

/// What a client gets in the end, and from where.
fn follow(client: &mut TestClient, target: &str) -> (String, TestResponse) {
    let mut at = target.to_string();
    for _ in 0..3 {
        let response = ask(client, "GET", &at);
        let Some(location) = response.field("Location") else { return (at, response) };
        assert_stays(location);
        at = resolve(&at, location);
    }
    panic!("{target} is redirected again and again");
}

#[test]
fn every_spelling_of_a_path_under_the_prefix_leads_to_the_same_file_below_it() {
    let folder = folder();
    let client = &mut client(&folder);
    for prefix in ["/files", "/deep/er/still"] {
        for (asked, served) in [
            ("", "/"),
            ("?sort=size", "/?sort=size"),
            ("/sub", "/sub/"),
            ("/sub/../a.txt", "/sub/../a.txt"),
            ("/%61.txt", "/%61.txt"),
            ("/..%66iles/../a.txt", "/..%66iles/../a.txt"),
        ] {
            let (at, response) = follow(client, &format!("{prefix}{asked}"));
            assert_eq!((at, response.status()), (format!("{prefix}{served}"), Status::OK), "{asked}");
        }
    }
    for (asked, served) in [
        ("/files/../files/a.txt", "/files/a.txt"),
        ("/%66iles/a.txt", "/files/a.txt"),
        ("/x/../files/sub/", "/files/sub/"),
        ("/files/sub/../../files/a.txt?x=1", "/files/a.txt?x=1"),
        ("/deep/%65r/still/a.txt", "/deep/er/still/a.txt"),
        ("/deep/er/still/../still/a.txt", "/deep/er/still/a.txt"),
    ] {
        let (at, response) = follow(client, asked);
        assert_eq!((at.as_str(), response.status()), (served, Status::OK), "{asked}");
    }
    for elsewhere in ["/a.txt", "/filesx/a.txt", "/file", "/deep/er/a.txt", "/files/../a.txt"] {
        assert_eq!(follow(client, elsewhere).1.status(), Status::NOT_FOUND, "{elsewhere}");
    }
    assert_eq!(client.get("/files/route").text(), "route");
}

/// All references of a page.
fn references(page: &str) -> Vec<String> {
    let marks = ["href=\"", "src=\"", "action=\""];
    let starts = marks.iter().flat_map(|mark| page.split(mark).skip(1));
    let all = starts.map(|rest| rest.split('"').next().unwrap().to_string());
    all.filter(|reference| !reference.starts_with("data:") && !reference.starts_with("https:")).collect()
}

#[test]
fn every_link_of_a_listing_and_of_an_error_page_exists_below_the_prefix() {
    let folder = folder();
    let client = &mut client(&folder);
    for (target, status) in
        [("/files/", Status::OK), ("/files/sub/", Status::OK), ("/files/sub/none", Status::NOT_FOUND)]
    {
        let page = ask(client, "GET", target);
        assert_eq!(page.status(), status, "{target}");
        let references = references(&page.text());
        assert!(references.len() >= 2, "{references:?}");
        for reference in references {
            let to = resolve(target, &reference);
            assert!(to.starts_with("/files/"), "{target}: {reference} leads to {to}");
            assert_eq!(ask(client, "GET", &to).status(), Status::OK, "{target}: {reference} leads to {to}");
        }
    }
    let missing = ask(client, "GET", "/files/sub/none").text();
    assert!(missing.contains("/files/sub/none") && missing.contains("Go to /files/sub/"), "{missing}");
}

#[test]
fn an_upload_below_the_prefix_says_where_the_file_is() {
    let folder = folder();
    let client = &mut client(&folder);
    let put = client.send(b"PUT /files/sub/new.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nnew");
    assert_eq!((put.status(), put.text().contains("/files/sub/new.txt")), (Status::CREATED, true), "{put:?}");
    let to = resolve("/files/sub/new.txt", put.field("Location").unwrap());
    assert_eq!((to.as_str(), client.get(&to).text().as_str()), ("/files/sub/new.txt", "new"));
    assert_eq!(std::fs::read(folder.join("sub/new.txt")).unwrap(), b"new");
}

#[test]
fn methods_are_those_of_the_mounted_service() {
    let folder = folder();
    let client = &mut client(&folder);
    for (method, target, status, allow) in [
        ("DELETE", "/files/a.txt", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/files/sub/", 204, "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS", "*", 204, "GET, HEAD, POST, PUT, OPTIONS"),
        ("TRACE", "/files/a.txt", 405, "GET, HEAD, POST, PUT, OPTIONS"),
        ("CONNECT", "a:80", 405, "GET, HEAD, POST, PUT, OPTIONS"),
    ] {
        let response = client.send(format!("{method} {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
        let got = (response.status().code(), response.field("Allow"));
        assert_eq!(got, (status, Some(allow)), "{method} {target}");
        assert!(!response.text().contains("--"), "the command line of another program: {}", response.text());
    }
}

#[test]
fn a_kept_response_is_the_same_as_a_fresh_one_for_every_kind_of_request() {
    let folder = folder();
    for name in ["a.txt", "sub/b.txt"] {
        folder.age(name);
    }
    let (fresh, mut kept) = (|| client(&folder), client(&folder));
    for line in ["GET /files/a.txt", "HEAD /files/a.txt", "GET /files/sub/b.txt", "GET /deep/er/still/a.txt"] {
        for fields in ["", "Range: bytes=1-2\r\n", "If-None-Match: *\r\n", "Connection: close\r\n"] {
            let request = format!("{line} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
            let made = fresh().send(request.as_bytes());
            // The third is from the cache: the first two put it there.
            let again = [(); 3].map(|()| kept.send(request.as_bytes()));
            let lines = |response: &TestResponse| {
                let head = String::from_utf8(response.head().to_vec()).unwrap();
                let mut lines: Vec<String> = head
                    .lines()
                    .filter(|line| !line.starts_with("Date") && !line.starts_with("ETag"))
                    .map(Into::into)
                    .collect();
                lines.sort();
                lines
            };
            for response in &again {
                assert_eq!((lines(response), response.text()), (lines(&made), made.text()), "{request}");
            }
        }
    }
}

#[test]
fn a_handler_reads_query_form_and_json_and_returns_what_is_wrong_with_them() {
    let router = Router::default()
        .get("/query", |call: &Call| Response::text(Status::OK, format!("{:?}", call.query())))
        .route(Method::Post, "/form", |call: &Call| {
            Ok(Response::text(Status::OK, format!("{:?}", call.form()?))) as Result<_, Problem>
        })
        .route(Method::Post, "/json", |call: &Call| -> Result<Response, Problem> {
            Ok(Response::text(Status::OK, call.json::<Vec<u8>>()?.len().to_string()))
        });
    let mut client = TestClient::new(router);
    assert_eq!(
        client.get("/query?a=1+2&b=%26%C3%A9&c&=d").text(),
        r#"[("a", "1 2"), ("b", "&é"), ("c", ""), ("", "d")]"#
    );
    assert_eq!(client.get("/query").text(), "[]");
    let mut post = |path: &str, media_type: &str, content: &str| {
        let length = content.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {media_type}\r\nContent-Length: {length}");
        let response = client.send(format!("{head}\r\n\r\n{content}").as_bytes());
        (response.status().code(), response.text())
    };
    let form = "application/x-www-form-urlencoded";
    assert_eq!(post("/form", form, "a=%2B&b=+"), (200, r#"[("a", "+"), ("b", " ")]"#.into()));
    assert_eq!(post("/form", &format!("{form}; charset=utf-8"), "").0, 200);
    assert_eq!(post("/json", "Application/JSON; charset=utf-8", "[1, 2]"), (200, "2".into()));
    assert_eq!(post("/json", "application/vnd.x+json", "[]"), (200, "0".into()));
    for (path, media_type, content, status) in [
        ("/form", "text/plain", "a=1", 415),
        ("/json", "text/plain", "[]", 415),
        ("/json", form, "[]", 415),
        ("/json", "application/json", "[1,", 400),
        ("/json", "application/json", "[300]", 400),
        ("/json", "application/json", "", 400),
    ] {
        let (got, text) = post(path, media_type, content);
        assert!(got == status && text.len() > 20, "{path} {media_type} {content}: {got} {text}");
    }
}
