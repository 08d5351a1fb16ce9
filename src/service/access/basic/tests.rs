//! Checks without sockets: each check, its job, and the check after it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::service::access::basic::*;
use crate::service::answer::Job;
use crate::service::testing::{asked, bcrypt_work, context};

const HERE: &str = "192.0.2.1";

fn with(line: &str, credential: &str) -> Request<'static> {
    asked(line, &format!("Authorization: Basic {}\r\n", STANDARD.encode(credential)))
}

fn get(credential: &str) -> Request<'static> {
    with("GET /x", credential)
}

/// Knows ann (in clear) and bob (by hash), or only ann.
fn known(file: bool) -> Auth {
    let mut credentials = Credentials::new();
    credentials.add("ann:one").unwrap();
    if file {
        credentials.add_htpasswd(format!("bob:{}\n", bcrypt::hash("two", 4).unwrap()).as_bytes()).unwrap();
    }
    Auth::new(credentials, Scope::All)
}

/// The result of a check, without running a job.
enum Checked {
    Allowed,
    Response(Response),
    Job(Job),
}

fn check(auth: &Auth, request: &Request<'_>, seconds: u64) -> Checked {
    match auth.check(request, &context(HERE, seconds)) {
        None => Checked::Allowed,
        Some(Answer::Now(response)) => Checked::Response(response),
        Some(Answer::Blocking(crate::service::Task { lane: Lane::Passwords, .. }, job)) => Checked::Job(job),
        Some(_) => panic!("an answer that is neither made nor a password's job"),
    }
}

/// The status in the end, 200 if it was allowed, and how many jobs it took.
fn settle(auth: &Auth, mut request: Request<'static>, seconds: u64) -> (u16, usize) {
    for jobs in 0..3 {
        match check(auth, &request, seconds) {
            Checked::Allowed => return (200, jobs),
            Checked::Response(response) => return (response.status().code(), jobs),
            Checked::Job(job) => match job() {
                Outcome::Response(response) => return (response.status().code(), jobs + 1),
                Outcome::Again(same) => request = *same,
            },
        }
    }
    panic!("asked again and again");
}

#[test]
fn the_challenge_is_the_same_for_every_reason() {
    let auth = known(true);
    let said = |response: Response| {
        assert_eq!(response.status(), Status::UNAUTHORIZED);
        let challenge = response.fields().get("WWW-Authenticate").unwrap();
        assert_eq!(challenge, b"Basic realm=\"barewire\", charset=\"UTF-8\"");
        let crate::service::Body::Bytes(bytes) = response.body() else { panic!("no page") };
        (response.fields().clone(), bytes.to_vec())
    };
    let now = |request| match check(&auth, &request, 0) {
        Checked::Response(response) => said(response),
        _ => panic!("allowed, or a job"),
    };
    let nothing = now(asked("GET /x", ""));
    assert_eq!(now(asked("GET /x", "Authorization: Basic !!!\r\n")), nothing, "malformed");
    assert_eq!(now(asked("GET /x", "Authorization: Bearer abc\r\n")), nothing, "another scheme");
    for wrong in ["bob:wrong", "ann:wrong", "nobody:wrong", "nobody:one"] {
        let Checked::Job(job) = check(&auth, &get(wrong), 0) else { panic!("{wrong}: no job") };
        let Outcome::Response(response) = job() else { panic!("{wrong}: asked again") };
        assert_eq!(said(response), nothing, "{wrong}");
    }
    let Checked::Response(response) = check(&known(false), &get("nobody:x"), 0) else { panic!("no answer") };
    assert!(!response.note().unwrap().contains("nobody"), "a name in the log");
    assert_eq!(said(response), nothing, "no file");
}

#[test]
fn one_password_costs_one_bcrypt_and_then_every_loop_knows_it() {
    let auth = known(true);
    let other_loop = auth.clone();
    assert_eq!(settle(&auth, get("bob:two"), 0), (200, 1));
    assert_eq!(settle(&auth, get("bob:two"), 0), (200, 0));
    assert_eq!(settle(&other_loop, with("PUT /y", "bob:two"), 100_000), (200, 0));
    // Only the whole credential is known by it.
    for near in ["bob:tw", "bob:twoo", "Bob:two", "bo:b:two", "ann:two"] {
        assert_eq!(settle(&auth, get(near), 0), (401, 1), "{near}");
    }
    // A password in clear needs no job at all, nor the first time.
    assert_eq!(settle(&auth, get("ann:one"), 0), (200, 0));
}

#[test]
fn six_connections_of_a_browser_cost_one_bcrypt() {
    let auth = known(true);
    let jobs: Vec<Job> = (0..6)
        .map(|_| match check(&auth, &get("bob:two"), 0) {
            Checked::Job(job) => job,
            _ => panic!("no job"),
        })
        .collect();
    let work = jobs.into_iter().map(|job| {
        let (work, outcome) = bcrypt_work::of(job);
        assert!(matches!(outcome, Outcome::Again(_)));
        work
    });
    assert_eq!(work.collect::<Vec<_>>(), [1 << 4, 0, 0, 0, 0, 0]);
}

#[test]
fn a_request_that_waited_for_its_password_comes_back_whole() {
    let auth = known(true);
    let request = with("PUT /a%20b?c", "bob:two");
    let Checked::Job(job) = check(&auth, &request, 0) else { panic!("no job") };
    let Outcome::Again(again) = job() else { panic!("not asked again") };
    assert_eq!(again.bytes(), request.bytes());
    assert_eq!((again.method(), again.path()), (Method::Put, &b"/a b"[..]));
}

#[test]
fn after_ten_failures_a_guess_waits_and_a_right_one_waits_too() {
    for file in [false, true] {
        let auth = known(file);
        for n in 0..10 {
            assert_eq!(settle(&auth, get(&format!("ann:guess {n}")), n), (401, usize::from(file)));
        }
        let Checked::Response(response) = check(&auth, &get("ann:x"), 10) else { panic!("no answer") };
        assert_eq!(response.status(), Status::TOO_MANY_REQUESTS);
        assert_eq!(response.fields().get("Retry-After"), Some(&b"50"[..]));
        assert!(response.fields().get("WWW-Authenticate").is_none(), "a browser would ask for another password");
        // If the right guess were allowed, the wait for the wrong ones would be worthless.
        assert_eq!(settle(&auth, get("ann:one"), 10), (429, 0));
        // No credentials are no guess.
        assert_eq!(settle(&auth, asked("GET /x", ""), 10), (401, 0));
        // Other users at this address are not kept out by them.
        if file {
            assert_eq!(settle(&auth, get("bob:two"), 10), (200, 1));
        }
        // Failures age out, one by one.
        assert_eq!(settle(&auth, get("ann:one"), 59), (429, 0));
        assert_eq!(settle(&auth, get("ann:one"), 60), (200, 0));
    }
}

#[test]
fn one_of_many_waits_before_its_password_is_looked_at_and_is_never_refused() {
    for file in [false, true] {
        let auth = known(file);
        let here = context("127.0.0.1", 0);
        let failed = |answer| match answer {
            Some(Answer::Now(response)) => response.status().code(),
            Some(Answer::Blocking(_, job)) => match job() {
                Outcome::Response(response) => response.status().code(),
                Outcome::Again(_) => panic!("right"),
            },
            _ => panic!("neither refused nor a job"),
        };
        (0..10).for_each(|n| assert_eq!(failed(auth.check(&get(&format!("ann:{n}")), &here)), 401));
        // Right and wrong ones look the same until the time is over.
        let delayed = |credential| match auth.check(&get(credential), &here) {
            Some(Answer::Delayed(wait, crate::service::Task { lane: Lane::Passwords, .. }, job)) => (wait, job),
            _ => panic!("{credential}: not delayed"),
        };
        let (wrong, right) = (delayed("ann:wrong"), delayed("ann:one"));
        assert_eq!((wrong.0, right.0), (Duration::from_secs(5), Duration::from_secs(5)));
        assert!(matches!(wrong.1(), Outcome::Response(response) if response.status() == Status::UNAUTHORIZED));
        assert!(matches!(right.1(), Outcome::Again(_)));
        assert!(auth.check(&get("ann:one"), &here).is_none(), "known now");
    }
}

#[test]
fn failures_of_others_at_one_address_lock_out_no_user_who_has_signed_in() {
    for file in [false, true] {
        let auth = known(file);
        assert_eq!(settle(&auth, get("ann:one"), 0).0, 200);
        if file {
            assert_eq!(settle(&auth, get("bob:two"), 0).0, 200);
        }
        for n in 0..30 {
            let status = settle(&auth, get("ann:guess"), 0).0;
            assert_eq!(status, if n < 10 { 401 } else { 429 });
            assert_eq!(settle(&auth, get("ann:one"), 0), (200, 0));
        }
        if file {
            assert_eq!(settle(&auth, get("bob:two"), 0), (200, 0));
        }
        // And a client elsewhere does not notice at all.
        let elsewhere = auth.check(&get("ann:guess"), &context("192.0.2.2", 0));
        assert!(!matches!(elsewhere, Some(Answer::Now(r)) if r.status() == Status::TOO_MANY_REQUESTS));
    }
}

#[test]
fn guesses_sent_at_once_get_no_more_bcrypt_than_guesses_one_after_the_other() {
    let auth = known(true);
    let jobs: Vec<Checked> = (0..100).map(|n| check(&auth, &get(&format!("bob:{n}")), 0)).collect();
    let (begun, refused): (Vec<Checked>, Vec<Checked>) =
        jobs.into_iter().partition(|checked| matches!(checked, Checked::Job(_)));
    assert_eq!((begun.len(), refused.len()), (10, 90));
    for checked in refused {
        let Checked::Response(response) = checked else { panic!("allowed") };
        assert_eq!(response.status(), Status::TOO_MANY_REQUESTS);
        assert_eq!(response.fields().get("Retry-After"), Some(&b"1"[..]), "nothing has failed yet");
    }
    for checked in begun {
        let Checked::Job(job) = checked else { continue };
        assert!(matches!(job(), Outcome::Response(_)));
    }
    assert_eq!(settle(&auth, get("bob:two"), 0), (429, 0));
}

#[test]
fn a_job_that_found_no_worker_is_no_failure() {
    let auth = known(true);
    for _ in 0..50 {
        // `net` drops the job and answers 503.
        let Checked::Job(job) = check(&auth, &get("bob:two"), 0) else { panic!("no job") };
        drop(job);
    }
    assert_eq!(settle(&auth, get("bob:two"), 0), (200, 1));
}

#[test]
fn the_memory_of_right_credentials_never_outgrows_the_users() {
    let long = "x".repeat(72);
    let mut credentials = Credentials::new();
    credentials.add_htpasswd(format!("bob:{}", bcrypt::hash(&long, 4).unwrap()).as_bytes()).unwrap();
    let auth = Auth::new(credentials, Scope::All);
    // bcrypt reads 72 bytes: all of these are right.
    for n in 0..30 {
        assert_eq!(settle(&auth, get(&format!("bob:{long}{n}")), 0), (200, 1));
        assert_eq!(settle(&auth, get(&format!("bob:{long}{n}")), 0), (200, 0));
        assert_eq!(auth.users.verified.read().unwrap().len(), 1);
    }
    assert_eq!(auth.users.throttle.len(), 0);
}

#[test]
fn under_auth_for_write_only_enabled_writes_need_credentials() {
    let mut credentials = Credentials::new();
    credentials.add("ann:one").unwrap();
    let auth = Auth::new(credentials, Scope::Methods(vec![Method::Put, Method::Post]));
    let all = known(false);
    for (method, asks) in
        [("GET", false), ("HEAD", false), ("OPTIONS", false), ("PUT", true), ("POST", true), ("DELETE", false)]
    {
        let request = asked(&format!("{method} /x"), "");
        assert_eq!(auth.check(&request, &context(HERE, 0)).is_some(), asks, "{method}");
        assert!(all.check(&request, &context(HERE, 0)).is_some(), "{method} under all");
    }
    assert_eq!(settle(&auth, with("PUT /x", "ann:one"), 0), (200, 0));
    // A wrong password with a read is not looked at, so it tells nothing.
    assert_eq!(settle(&auth, get("ann:wrong"), 0), (200, 0));
}

#[test]
fn no_credentials_are_right_where_no_user_is_known() {
    let auth = Auth::new(Credentials::new(), Scope::All);
    for credential in [":", "a:b", "ann:one"] {
        assert_eq!(settle(&auth, get(credential), 0), (401, 0));
    }
}
