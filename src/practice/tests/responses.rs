//! What single practice addresses answer: fields, content, credentials and pauses.

use super::*;

#[test]
fn every_status_carries_what_the_rfc_demands_and_no_more() {
    let demands: [(u16, &str, &str); 16] = [
        (201, "location", "../landed"),
        (300, "location", "../landed"),
        (301, "location", "../landed"),
        (302, "location", "../landed"),
        (303, "location", "../landed"),
        (307, "location", "../landed"),
        (308, "location", "../landed"),
        (304, "etag", "\"practice\""),
        (401, "www-authenticate", "Basic realm=\"practice\", charset=\"UTF-8\""),
        (405, "allow", "OPTIONS"),
        (407, "proxy-authenticate", "Basic realm=\"practice\", charset=\"UTF-8\""),
        (416, "content-range", "bytes */1000"),
        (429, "retry-after", "5"),
        (503, "retry-after", "5"),
        (206, "content-range", "bytes 0-106/107"),
        (200, "etag", ""),
    ];
    for code in 200..=599 {
        let Answer::Now(response) = answer(&mut practice(), &format!("GET /.try/status/{code}"), "") else {
            assert_eq!(code, 426, "written by hand");
            continue;
        };
        assert_eq!((response.status().code(), value(&response, "cache-control").as_str()), (code, "no-store"));
        assert_eq!(response.body().is_empty(), matches!(code, 204 | 205 | 304), "{code}");
        assert!(response.body().is_empty() || content(&response).starts_with(&format!("{code} ")));
        assert_eq!(response.closes(), code == 408);
        for name in ["location", "www-authenticate", "proxy-authenticate", "allow", "content-range", "retry-after"] {
            let demanded = demands.iter().find(|(c, n, _)| (*c, *n) == (code, name)).map_or("", |(_, _, value)| value);
            assert_eq!(value(&response, name), demanded, "{code} {name}");
        }
    }
    for (target, head) in [
        (
            "426",
            "HTTP/1.1 426 Upgrade Required\r\nDate: Mon, 12 Jan 1970 13:46:43 GMT\r\nConnection: close, upgrade\r\n",
        ),
        (
            "404?reason=Gone%20fishing",
            "HTTP/1.1 404 Gone fishing\r\nDate: Mon, 12 Jan 1970 13:46:43 GMT\r\nConnection: close\r\n",
        ),
        (
            "204?reason=",
            "HTTP/1.1 204 \r\nDate: Mon, 12 Jan 1970 13:46:43 GMT\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n",
        ),
    ] {
        let Answer::Raw(v) = answer(&mut practice(), &format!("GET /.try/status/{target}"), "") else { panic!() };
        let text = String::from_utf8_lossy(&v.bytes).into_owned();
        assert!(text.starts_with(head) && v.close == CloseBy::Fin, "{text}");
        assert_eq!(text.contains("\r\nUpgrade: websocket\r\n"), target == "426");
        let announced =
            text.split_once("Content-Length: ").map(|(_, rest)| rest.split('\r').next().unwrap().to_string());
        let (_, content) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(announced.unwrap_or("0".into()), content.len().to_string(), "{target}");
    }
}

#[test]
fn nothing_of_a_request_runs_where_it_is_shown() {
    for target in ["/.try/echo?<script>", "/.try/echo?body", "/.try/echo?text", "/.try/cookie", "/.try/trace"] {
        let method = if target.ends_with("trace") { "TRACE" } else { "GET" };
        let response = ask(&format!("{method} {target}"), "Cookie: a=<script>\u{202e}\r\n");
        let is_cookie = target.ends_with("cookie");
        assert!(!is_cookie || content(&response) == "a=<script>\\u{202e}\n", "{}", content(&response));
        let media_type = value(&response, "content-type");
        assert!(["message/http", "text/plain; charset=utf-8"].contains(&media_type.as_str()), "{target}: {media_type}");
        assert_eq!(value(&response, "cache-control"), "no-store", "{target}");
        let policy = value(&response, "content-security-policy");
        assert!(is_cookie || policy == "default-src 'none'; sandbox", "{target}: {policy}");
    }
    for (code, times) in [(301, 20), (302, 2), (303, 1), (307, 1), (308, 3)] {
        let response = ask(&format!("GET /.try/redirect/{code}?times={times}"), "");
        assert_eq!(response.status().code(), code);
        let next = if times == 1 { "../landed".into() } else { format!("{code}?times={}", times - 1) };
        assert_eq!(value(&response, "location"), next);
    }
}

#[test]
fn the_list_names_the_host_of_the_request_unless_a_shell_would_run_it() {
    let list = |host: &str, fields: &str| {
        let head = format!("GET /.try/ HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n");
        let mut connection = Http1::new(Limits::default());
        let Event::Request(request, _) = connection.receive(head.as_bytes()).event else { panic!("{head}") };
        let Answer::Now(response) = practice().answer(&request, &context()) else { panic!("{host}") };
        response
    };
    const CURL: &str = "User-Agent: curl/7.88.1\r\nAccept: */*\r\n";
    for (host, shown) in [
        ("student.local:8080", "curl -i http://student.local:8080/.try/fail"),
        ("[::1]:8080", "curl -i 'http://[::1]:8080/.try/fail'"),
        ("$(reboot)", "curl -i http://127.0.0.1:8080/.try/fail"),
        ("a;reboot", "curl -i http://127.0.0.1:8080/.try/fail"),
        ("a'b", "curl -i http://127.0.0.1:8080/.try/fail"),
        ("", "curl -i http://127.0.0.1:8080/.try/fail"),
    ] {
        let text = content(&list(host, CURL));
        assert!(text.contains(&format!("  {shown}\n")), "{host}: {text}");
    }
    for (fields, media_type) in [
        (CURL, "text/plain; charset=utf-8"),
        ("User-Agent: curl/8.0\r\nAccept: text/html\r\n", "text/html; charset=utf-8"),
        ("User-Agent: Mozilla/5.0\r\nAccept: text/html,*/*;q=0.8\r\n", "text/html; charset=utf-8"),
        ("", "text/html; charset=utf-8"),
        ("Accept: application/json\r\n", "application/json"),
    ] {
        let response = list("localhost", fields);
        assert_eq!(value(&response, "content-type"), media_type, "{fields}");
        assert_eq!(value(&response, "vary"), "Accept, User-Agent");
        let text = content(&response);
        // One script is that of the page.
        let scripts = usize::from(media_type.starts_with("text/html"));
        assert!(text.matches("<script").count() == scripts && text.contains("/.try/chunked"));
        if media_type.starts_with("text/html") {
            assert!(value(&response, "content-security-policy").starts_with("default-src 'none'; style-src 'sha256-"));
        }
    }
}

#[test]
fn a_note_is_created_replaced_kept_by_a_condition_and_removed() {
    let mut practice = practice();
    let mut step = |line: &str, fields: &str, put: &str, status: u16| {
        let response = ask_with(&mut practice, line, fields, put);
        assert_eq!(response.status().code(), status, "{line} {fields}");
        response
    };
    let note = "/.try/note";
    step(&format!("GET {note}"), "", "", 404);
    step(&format!("DELETE {note}"), "", "", 404);
    step(&format!("PUT {note}"), "If-Match: *\r\n", "a", 412);
    let created = step(&format!("PUT {note}"), "If-None-Match: *\r\n", "one\n", 201);
    step(&format!("PUT {note}"), "If-None-Match: *\r\n", "b", 412);
    let got = step(&format!("GET {note}"), "", "", 200);
    assert_eq!((content(&got).as_str(), value(&got, "etag")), ("one\n", value(&created, "etag")));
    let tag = value(&got, "etag");
    step(&format!("GET {note}"), &format!("If-None-Match: \"x\", W/{tag}\r\n"), "", 304);
    step(&format!("PUT {note}"), &format!("If-Match: W/{tag}\r\n"), "weak", 412);
    let replaced = step(&format!("PUT {note}"), &format!("If-Match: {tag}\r\n"), "two", 204);
    assert_eq!(value(&replaced, "etag"), "", "it was not stored as it was sent: a line end was added");
    step(&format!("PUT {note}"), &format!("If-Match: {tag}\r\n"), "late", 412);
    step(&format!("PUT {note}"), "Content-Range: bytes 0-1/9\r\n", "part", 400);
    let fork = practice.fork();
    let mut fork = fork;
    assert_eq!(content(&ask_with(&mut *fork, &format!("GET {note}"), "", "")), "two\n", "every loop has the same note");
    let Answer::Collect { limit, then } = answer(&mut *fork, "PUT /.try/note", "Content-Length: 2\r\n") else {
        panic!()
    };
    assert_eq!((limit, then(vec![0xff, 0xfe]).status().code()), (64 * 1024, 415));
    assert_eq!(ask_with(&mut *fork, "DELETE /.try/note", "", "").status().code(), 204);
    assert_eq!(ask_with(&mut practice, "GET /.try/note", "", "").status().code(), 404);
}

#[test]
fn digest_takes_the_right_hash_of_this_request_and_a_nonce_of_its_own() {
    use sha2::{Digest, Sha256};
    let hash = |text: String| hex(&Sha256::digest(text));
    let mut practice = practice();
    let path = "/.try/auth/digest?a=b";
    let refused = ask_with(&mut practice, &format!("GET {path}"), "", "");
    let challenge = value(&refused, "www-authenticate");
    let nonce = challenge.split("nonce=\"").nth(1).unwrap().trim_end_matches('"').to_string();
    let with = |user: &str, password: &str, method: &str, nonce: &str, more: &str| {
        let (user_hash, request) = (hash(format!("{user}:practice:{password}")), hash(format!("{method}:{path}")));
        let response = hash(format!("{user_hash}:{nonce}:00000001:a,b:auth:{request}"));
        format!(
            "Authorization: Digest username=\"{user}\", realm=\"practice\", nonce=\"{nonce}\", uri=\"{path}\", \
             algorithm=SHA-256, qop=auth, nc=00000001, cnonce=\"a,b\", response=\"{response}\"{more}\r\n"
        )
    };
    let old = nonce.replace(nonce.split('-').next().unwrap(), "1");
    for (fields, status) in [
        (with("student", "wire", "GET", &nonce, ""), 200),
        (with("student", "wire", "GET", &nonce, "").replace("Digest", "digest"), 200),
        (with("student", "fire", "GET", &nonce, ""), 401),
        (with("teacher", "wire", "GET", &nonce, ""), 401),
        (with("student", "wire", "PUT", &nonce, ""), 401),
        (with("student", "wire", "GET", &old, ""), 401),
        (with("student", "wire", "GET", "", ""), 401),
        (with("student", "wire", "GET", &nonce, "").replace("?a=b", ""), 401),
        (with("student", "wire", "GET", &nonce, "").replace("SHA-256", "MD5"), 401),
        (with("student", "wire", "GET", &nonce, "").replace("qop=auth,", ""), 401),
        ("Authorization: Digest\r\n".into(), 401),
        ("Authorization: Basic c3R1ZGVudDp3aXJl\r\n".into(), 401),
    ] {
        let response = ask_with(&mut practice, &format!("GET {path}"), &fields, "");
        assert_eq!(response.status().code(), status, "{fields}");
        assert!(!value(&response, "www-authenticate").contains("stale"), "{fields}");
    }
}

#[test]
fn fields_of_a_link_describe_one_response_and_do_nothing_else() {
    let response = ask("GET /.try/fields?X-A=1&Cache-Control=max-age=60&content-type=text/html&My=a%20b", "");
    assert_eq!((value(&response, "x-a"), value(&response, "my")), ("1".into(), "a b".into()));
    assert_eq!(
        (value(&response, "cache-control"), value(&response, "content-type")),
        ("max-age=60".into(), "text/html".into())
    );
    assert_eq!(value(&response, "content-security-policy"), "default-src 'none'; sandbox");
    assert!(!content(&response).contains('<'), "a page has nothing of the link");
    for query in [
        "",
        "?",
        "?a=%0d%0aSet-Cookie:%20b=c",
        "?a%3A%20b=c",
        "?a=%00",
        "?a=%C3%A9",
        "?a=%20b",
        "?=b",
        "?Set-Cookie=a=b",
        "?LOCATION=//evil.test",
        "?Refresh=0;url=//evil.test",
        "?Content-Length=0",
        "?transfer-encoding=chunked",
        "?Connection=close",
        "?Content-Security-Policy=x",
        "?Clear-Site-Data=%22*%22",
        "?X-A=1&x-a=2&x-A=3&Service-Worker-Allowed=/",
    ] {
        assert_eq!(ask(&format!("GET /.try/fields{query}"), "").status().code(), 400, "{query}");
    }
    let many: Vec<String> = (0..21).map(|n| format!("x{n}=1")).collect();
    assert_eq!(ask(&format!("GET /.try/fields?{}", many[..20].join("&")), "").status().code(), 200);
    assert_eq!(ask(&format!("GET /.try/fields?{}", many.join("&")), "").status().code(), 400);
    assert_eq!(ask(&format!("GET /.try/fields?a={}", "x".repeat(257)), "").status().code(), 400);
}

#[test]
fn the_number_in_a_cached_text_grows_with_every_request() {
    let mut practice = practice();
    let mut get = |path: &str, fields: &str| ask_with(&mut practice, &format!("GET /.try/{path}"), fields, "");
    let first = get("cache/60", "");
    assert_eq!(value(&first, "cache-control"), "max-age=60");
    assert!(content(&first).starts_with("Request 1 ") && content(&get("cache/5", "")).starts_with("Request 2 "));
    for (path, alias, name, condition) in [
        ("cache/etag", "etag", "etag", "If-None-Match"),
        ("cache/modified", "modified", "last-modified", "If-Modified-Since"),
    ] {
        let first = get(path, "");
        assert_eq!(value(&first, "cache-control"), "no-cache");
        let validator = value(&first, name);
        let again = get(alias, &format!("{condition}: {validator}\r\n"));
        assert_eq!((again.status(), value(&again, name)), (Status::NOT_MODIFIED, validator), "{path}");
        assert!(content(&get(path, "")).starts_with("Request 3 "), "a 304 was a request too");
    }
    assert_eq!(value(&get("cache/modified", ""), "last-modified"), "Mon, 12 Jan 1970 13:46:40 GMT");
    assert_eq!(value(&get("cache/etag", ""), "etag"), "W/\"100000\"");
    assert_eq!(value(&get("never", ""), "cache-control"), "no-store");
}

#[test]
fn trace_leaves_out_credentials_and_takes_no_content() {
    let secret =
        "Authorization: Basic c2VjcmV0\r\ncookie: sid=secret\r\nX-Api-Key: secret\r\nproxy-authorization: secret\r\n";
    let Answer::Now(response) =
        answer(&mut practice(), "TRACE /.try/trace?a:b=c", &format!("{secret}X-Other: kept\r\n"))
    else {
        panic!()
    };
    assert_eq!(content(&response), "TRACE /.try/trace?a:b=c HTTP/1.1\r\nHost: localhost:8080\r\nX-Other: kept\r\n\r\n");
    assert_eq!(ask_with(&mut practice(), "TRACE /.try/trace", "", "x").status(), Status::BAD_REQUEST);
}

#[test]
fn only_the_right_credentials_get_200() {
    let basic = |text: &str| {
        use base64::Engine;
        format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(text))
    };
    for (path, fields, status, challenge) in [
        ("auth", String::new(), 401, "Basic realm=\"practice\", charset=\"UTF-8\""),
        ("auth", basic("student:wire"), 200, ""),
        ("auth", basic("student:Wire"), 401, "Basic realm=\"practice\", charset=\"UTF-8\""),
        ("auth", basic("student"), 401, "Basic realm=\"practice\", charset=\"UTF-8\""),
        ("auth", basic("student:wire") + &basic("student:wire"), 401, "Basic realm=\"practice\", charset=\"UTF-8\""),
        ("auth/bearer", String::new(), 401, "Bearer realm=\"practice\""),
        ("auth/bearer", "Authorization: bearer wire\r\n".into(), 200, ""),
        (
            "auth/bearer",
            "Authorization: Bearer wires\r\n".into(),
            401,
            "Bearer realm=\"practice\", error=\"invalid_token\"",
        ),
        ("auth/bearer", basic("student:wire"), 401, "Bearer realm=\"practice\""),
        ("auth/forbidden", basic("student:wire"), 403, ""),
        ("auth/forbidden", String::new(), 403, ""),
    ] {
        let response = ask(&format!("GET /.try/{path}"), &fields);
        assert_eq!(
            (response.status().code(), value(&response, "www-authenticate").as_str()),
            (status, challenge),
            "{path} {fields}"
        );
        if status == 401 {
            let wanted = if path == "auth/bearer" { "needs a token." } else { "needs a name and a password." };
            let said = content(&response);
            assert!(said.contains(wanted), "{path}: {said}");
        }
    }
}

#[test]
fn the_thirty_third_slow_answer_is_503_on_any_loop_until_one_is_over() {
    let mut practice = practice();
    let mut fork = practice.fork();
    let slow = |service: &mut dyn Service| answer(service, "GET /.try/wait/60000", "");
    let mut held: Vec<Answer> = (0..32).map(|n| slow(if n % 2 == 0 { &mut practice } else { &mut *fork })).collect();
    let is_slow = |answer: &Answer| matches!(answer, Answer::Now(response) if response.status() == Status::OK);
    assert!(held.iter().all(is_slow));
    for line in ["GET /.try/drip", "GET /.try/split", "GET /.try/chunked", "GET /.try/broken/long-length?yes"] {
        let busy = ask_with(&mut *fork, line, "", "");
        let full = crate::service::error_page::overload();
        assert_eq!((busy.status(), busy.fields(), busy.closes()), (full.status(), full.fields(), true), "{line}");
        assert_eq!(content(&busy), content(&full));
    }
    for line in ["GET /.try/drip?gap=0", "GET /.try/utf8", "GET /.try/wait/0", "GET /.try/cut", "GET /hello.txt"] {
        assert_eq!(ask_with(&mut practice, line, "", "").status(), Status::OK, "{line}");
    }
    held.pop();
    assert!(is_slow(&slow(&mut practice)), "one was over");
}

#[test]
fn paced_answers_pause_where_they_say() {
    let script = |line: &str| match answer(&mut practice(), line, "") {
        Answer::Now(mut response) => {
            let script = *response.take_script().unwrap();
            script.pauses.into_iter().map(|pause| (pause.before, pause.time.as_millis())).collect::<Vec<_>>()
        }
        _ => panic!("{line}"),
    };
    use ByteOffset::{Content, Response as At};
    assert_eq!(script("GET /.try/drip?n=3&gap=5"), [(Content(0), 0), (Content(1), 5), (Content(2), 5)]);
    assert_eq!(script("GET /.try/split?at=3,10,17&gap=200"), [(At(3), 200), (At(10), 200), (At(17), 200)]);
    assert_eq!(script("GET /.try/wait/7"), [(At(0), 7)]);
    assert_eq!(script("GET /.try/wait/7?where=body"), [(Content(0), 7)]);
}

#[test]
fn a_head_request_gets_no_content_also_where_the_bytes_are_raw() {
    let kinds = broken_kinds().iter().map(|[name, ..]| format!("broken/{name}?yes"));
    for kind in kinds.chain(["cut".into(), "status/426".into()]) {
        let Answer::Raw(raw) = answer(&mut practice(), &format!("HEAD /.try/{kind}"), "") else { panic!("{kind}") };
        let text = String::from_utf8_lossy(&raw.bytes);
        let end = if kind.contains("lf-only") {
            "\n\n"
        } else if kind.contains("no-blank") {
            "\r\n"
        } else {
            "\r\n\r\n"
        };
        assert!(text.ends_with(end) && !text.contains("has a fault"), "{kind}: {text}");
    }
}
