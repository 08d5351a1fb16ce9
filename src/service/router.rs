//! Routes: method and pattern to handler; everything else to one fallback service.
//!
//! RFC 9110 §9.1 (unknown methods), §9.3.2 (HEAD), §9.3.7 (OPTIONS), §15.5.6 (405 and `Allow`).
//!
//! ```text
//! /users/{id}      one segment, never empty; the call has it as parameter "id"
//! /files/{*rest}   all that follows, perhaps nothing, slashes included
//! /users/me        itself; wins over /users/{id}, whichever was added first
//! ```
//!
//! A segment that is not exactly one of the two braced forms stands for itself.
//!
//! Never: a handler on the loop. Handlers are other people's code, so they run on workers, where they
//! may take their time; a panic there costs one answer and not the server.
//!
//! The subtle thing: a path is matched decoded. Since `%2F` in a path is refused before it gets here,
//! splitting at `/` means the same before and after decoding, and a parameter cannot smuggle a slash
//! into a single segment.

use std::ops::Range;
use std::sync::Arc;

use crate::http::target::TargetForm;
use crate::http::{Expectation, Method, Request, Status};
use crate::service::answer::{Answer, Lane, Outcome, RequestContext, Service};
use crate::service::error_page;
use crate::service::error_page::Problem;
use crate::service::response::Response;

/// Bytes of content a handler is given at most, unless its route says otherwise. They are kept in
/// memory for each request at once, and a form or a JSON document is rarely a tenth of it.
pub const CONTENT_LIMIT: u64 = 1024 * 1024;

/// One request on its way to a handler.
#[derive(Debug)]
pub struct Call {
    request: Request<'static>,
    content: Vec<u8>,
    parameters: Vec<(Arc<str>, Range<usize>)>,
    visit: RequestContext,
}

impl Call {
    /// The request.
    pub fn request(&self) -> &Request<'static> {
        &self.request
    }

    /// The whole content, without its framing.
    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// What stood in the place of `{name}` or `{*name}`, decoded: bytes, since a path need not be UTF-8.
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        let (_, place) = self.parameters.iter().find(|(other, _)| **other == *name)?;
        self.request.path().get(place.clone())
    }

    /// The same as text; `None` also when it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.parameter(name)?).ok()
    }

    /// Who asks, and when.
    pub fn visit(&self) -> &RequestContext {
        &self.visit
    }
}

type Handler = dyn Fn(&Call) -> Response + Send + Sync;

/// A segment of a pattern; the order is the order of preference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(Box<[u8]>),
    One(Arc<str>),
    Rest(Arc<str>),
}

impl Segment {
    fn parse(text: &str, is_last: bool) -> Segment {
        match text.strip_prefix('{').and_then(|t| t.strip_suffix('}')) {
            Some(name) => match name.strip_prefix('*') {
                Some(name) if is_last => Segment::Rest(name.into()),
                Some(_) => Segment::Literal(text.as_bytes().into()),
                None => Segment::One(name.into()),
            },
            None => Segment::Literal(text.as_bytes().into()),
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Segment::Literal(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 2,
        }
    }
}

/// `/a/{b}/{*c}`, taken apart.
#[derive(Clone, Debug)]
struct Pattern {
    segments: Vec<Segment>,
}

impl Pattern {
    fn parse(text: &str) -> Pattern {
        let text = text.strip_prefix('/').unwrap_or(text);
        let last = text.split('/').count() - 1;
        Pattern { segments: text.split('/').enumerate().map(|(n, s)| Segment::parse(s, n == last)).collect() }
    }

    /// How particular it is: the smaller, the sooner it is asked.
    fn rank(&self) -> Vec<u8> {
        self.segments.iter().map(Segment::rank).collect()
    }

    /// The places of the parameters in `path`, if it matches.
    fn places(&self, path: &[u8]) -> Option<Vec<(Arc<str>, Range<usize>)>> {
        let mut found = Vec::new();
        let mut at = path.starts_with(b"/").then_some(1);
        for segment in &self.segments {
            let start = at?;
            let end = path[start..].iter().position(|&o| o == b'/').map_or(path.len(), |n| start + n);
            match segment {
                Segment::Literal(text) if **text == path[start..end] => {}
                Segment::One(name) if start < end => found.push((name.clone(), start..end)),
                Segment::Rest(name) => {
                    found.push((name.clone(), start..path.len()));
                    return Some(found);
                }
                Segment::Literal(_) | Segment::One(_) => return None,
            }
            at = (end < path.len()).then_some(end + 1);
        }
        at.is_none().then_some(found)
    }
}

#[derive(Clone)]
struct Route {
    method: Method,
    pattern: Pattern,
    limit: u64,
    handler: Arc<Handler>,
}

/// Chooses who answers.
pub struct Router {
    /// The most particular patterns first.
    routes: Arc<Vec<Route>>,
    fallback: Box<dyn Service>,
}

impl Router {
    /// A router whose every request goes to `fallback` until routes are added.
    pub fn new(fallback: Box<dyn Service>) -> Router {
        Router { routes: Arc::default(), fallback }
    }

    /// Adds a handler. A GET route answers HEAD too, and every route answers OPTIONS, unless they have
    /// routes of their own.
    pub fn route(
        self,
        method: Method,
        pattern: &str,
        handler: impl Fn(&Call) -> Response + Send + Sync + 'static,
    ) -> Router {
        self.route_limited(method, pattern, CONTENT_LIMIT, handler)
    }

    /// The same with another bound for the content.
    pub fn route_limited(
        mut self,
        method: Method,
        pattern: &str,
        limit: u64,
        handler: impl Fn(&Call) -> Response + Send + Sync + 'static,
    ) -> Router {
        let pattern = Pattern::parse(pattern);
        let at = self.routes.partition_point(|other| other.pattern.rank() <= pattern.rank());
        Arc::make_mut(&mut self.routes).insert(at, Route { method, pattern, limit, handler: Arc::new(handler) });
        self
    }

    /// Adds a handler for GET and HEAD.
    pub fn get(self, pattern: &str, handler: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Router {
        self.route(Method::Get, pattern, handler)
    }

    /// Adds a handler for POST.
    pub fn post(self, pattern: &str, handler: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Router {
        self.route(Method::Post, pattern, handler)
    }

    /// Adds a handler for PUT.
    pub fn put(self, pattern: &str, handler: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Router {
        self.route(Method::Put, pattern, handler)
    }

    /// Adds a handler for DELETE.
    pub fn delete(self, pattern: &str, handler: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Router {
        self.route(Method::Delete, pattern, handler)
    }

    /// The methods that work on the path of this request.
    fn methods_at(&self, request: &Request<'_>) -> Vec<Method> {
        let path = request.path();
        let own: Vec<Method> =
            self.routes.iter().filter(|r| r.pattern.places(path).is_some()).map(|r| r.method).collect();
        if own.is_empty() { self.fallback.methods_of(request) } else { completed(own) }
    }

    /// What the routes say, if any of them has this path.
    fn answer_by_route(&self, request: &Request<'_>, visit: &RequestContext) -> Option<Answer> {
        let path = request.path();
        let method = request.method();
        // The first one is the most particular one.
        let by = |method| {
            let mut routes = self.routes.iter().filter(move |r| r.method == method);
            routes.find_map(|r| Some((r, r.pattern.places(path)?)))
        };
        let found = by(method).or_else(|| if method == Method::Head { by(Method::Get) } else { None });
        let Some((route, parameters)) = found else {
            self.routes.iter().find_map(|r| r.pattern.places(path))?;
            let allowed = self.methods_at(request);
            return Some(Answer::Now(match method {
                Method::Options => options(&allowed),
                _ => not_allowed(request, &allowed),
            }));
        };
        if request.expectation() == Expectation::Unknown {
            return Some(Answer::Now(expectation_failed(request)));
        }
        let handler = route.handler.clone();
        let (request, visit) = (request.clone().into_owned(), *visit);
        let has_content = request.framing().has_content();
        let run = move |content| handler(&Call { request, content, parameters, visit });
        Some(if has_content {
            Answer::Collect { limit: route.limit, then: Box::new(run) }
        } else {
            Answer::Blocking(Lane::Long, Box::new(move || Outcome::Response(run(Vec::new()))))
        })
    }
}

impl Service for Router {
    fn answer(&mut self, request: &Request<'_>, visit: &RequestContext) -> Answer {
        match self.answer_by_route(request, visit) {
            Some(answer) => answer,
            None => self.fallback.answer(request, visit),
        }
    }

    fn methods(&self) -> Vec<Method> {
        let mut methods = self.fallback.methods();
        methods.extend(self.routes.iter().map(|r| r.method));
        completed(methods)
    }

    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        match request.form() {
            TargetForm::Authority | TargetForm::Asterisk => self.methods(),
            _ => self.methods_at(request),
        }
    }

    fn relieve(&mut self) {
        self.fallback.relieve();
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Router { routes: self.routes.clone(), fallback: self.fallback.fork() })
    }
}

/// The answer to methods that work nowhere, whatever the target: 501 for one nobody knows, 405 for
/// TRACE (it would show a script the credentials it may not read) and CONNECT (this is no proxy).
pub fn impossible(request: &Request<'_>, allowed: impl FnOnce() -> Vec<Method>) -> Option<Response> {
    match request.method() {
        Method::Other => {
            let mut problem = Problem::new(Status::NOT_IMPLEMENTED);
            problem.sentence = "This server knows no method of that name. Names of methods are case-sensitive.".into();
            Some(error_page::problem(request, &problem))
        }
        Method::Trace | Method::Connect => Some(not_allowed(request, &allowed())),
        _ => None,
    }
}

/// 417 for an expectation other than 100-continue (RFC 9110 §10.1.1).
pub fn expectation_failed(request: &Request<'_>) -> Response {
    let problem = Problem::new(Status::EXPECTATION_FAILED)
        .with_sentence("The only expectation this server can meet is 100-continue.");
    error_page::problem(request, &problem)
}

/// 405, with what works instead (RFC 9110 §15.5.6 demands `Allow`).
pub fn not_allowed(request: &Request<'_>, allowed: &[Method]) -> Response {
    let allow = names(allowed);
    let problem = Problem::method_not_allowed(request.method_name(), &allow);
    error_page::problem(request, &problem).field("Allow", allow)
}

/// The answer to OPTIONS.
pub fn options(allowed: &[Method]) -> Response {
    Response::new(Status::NO_CONTENT).field("Allow", names(allowed))
}

/// With what follows from them: HEAD from GET, and OPTIONS from anything. In the order of RFC 9110.
fn completed(mut methods: Vec<Method>) -> Vec<Method> {
    if methods.contains(&Method::Get) {
        methods.push(Method::Head);
    }
    methods.push(Method::Options);
    Method::ALL.into_iter().filter(|method| methods.contains(method)).collect()
}

fn names(methods: &[Method]) -> String {
    methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::http::{Event, Http1, Limits};
    use crate::service::{App, Body};

    struct Files;

    impl Service for Files {
        fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
            Answer::Now(Response::text(Status::OK, format!("file {}", String::from_utf8_lossy(request.path()))))
        }

        fn fork(&self) -> Box<dyn Service> {
            Box::new(Files)
        }
    }

    fn says(word: &'static str) -> impl Fn(&Call) -> Response + Send + Sync + 'static {
        move |call| {
            let parameters: Vec<String> = call
                .parameters
                .iter()
                .map(|(name, _)| format!(" {name}={}", String::from_utf8_lossy(call.parameter(name).unwrap())))
                .collect();
            let content = String::from_utf8_lossy(call.content());
            Response::text(Status::OK, format!("{word}{}{content}", parameters.concat()))
        }
    }

    fn router() -> Router {
        Router::new(Box::new(Files))
            .get("/users/{id}", says("user"))
            .get("/users/me", says("me"))
            .post("/users/{id}", says("change"))
            .delete("/users/me", says("forget"))
            .get("/tree/{*rest}", says("tree"))
            .get("/tree/{kind}/leaf", says("leaf"))
            .put("/only/put", says("put"))
            .route(Method::Head, "/own/head", says("head"))
            .route(Method::Options, "/own/options", says("options"))
            .route_limited(Method::Patch, "/small", 3, says("patch"))
            .get("/brace/{x", says("literal"))
            .get("/rest/{*a}/b", says("literal"))
    }

    fn ask_as(router: Router, head: &str, content: &[u8]) -> (Response, Option<u64>) {
        let text = format!("{head}\r\nHost: a\r\n\r\n");
        let mut connection = Http1::new(Limits::default());
        let Event::Request(request, _) = connection.receive(text.as_bytes()).event else { panic!("{head}") };
        let address = ([127, 0, 0, 1], 80).into();
        let visit = RequestContext { peer: address, local: address, now: SystemTime::UNIX_EPOCH, arrival: 1 };
        match App::from(router).answer(&request, &visit) {
            Answer::Now(response) => (response, None),
            Answer::Blocking(lane, job) => {
                assert_eq!(lane, Lane::Long, "handlers may take their time");
                let Outcome::Response(response) = job() else { panic!("{head}") };
                (response, Some(0))
            }
            Answer::Collect { limit, then } => (then(content.to_vec()), Some(limit)),
            _ => panic!("{head}"),
        }
    }

    fn text(response: &Response) -> String {
        match response.body() {
            Body::Empty => String::new(),
            Body::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            body => panic!("{body:?}"),
        }
    }

    #[track_caller]
    fn check(line: &str, status: u16, content: &str) {
        let (response, _) = ask_as(router(), &format!("{line} HTTP/1.1"), b"");
        assert_eq!((response.status().code(), text(&response).as_str()), (status, content), "{line}");
    }

    #[track_caller]
    fn check_allow(line: &str, status: u16, allow: &str) {
        let (response, _) = ask_as(router(), &format!("{line} HTTP/1.1"), b"");
        let got = response.fields().get("allow").map(|v| String::from_utf8_lossy(v).into_owned());
        assert_eq!((response.status().code(), got.as_deref()), (status, Some(allow)), "{line}");
    }

    #[test]
    fn the_most_particular_pattern_answers_whichever_was_added_first() {
        check("GET /users/7", 200, "user id=7");
        check("GET /users/me", 200, "me");
        check("POST /users/me", 200, "change id=me");
        check("GET /tree/a/b/c", 200, "tree rest=a/b/c");
        check("GET /tree/", 200, "tree rest=");
        check("GET /tree/oak/leaf", 200, "leaf kind=oak");
        check("GET /tree/oak/leaf/x", 200, "tree rest=oak/leaf/x");
        check("GET /users/a%20b?x=1", 200, "user id=a b");
        check("GET http://other/users/7", 200, "user id=7");
    }

    #[test]
    fn what_no_pattern_has_goes_to_the_fallback() {
        for path in ["/", "/users", "/users/", "/users/7/", "/users/7/x", "//users/7", "/tree", "/Users/7", "/brace/y"]
        {
            check(&format!("GET {path}"), 200, &format!("file {path}"));
        }
        check("DELETE /elsewhere", 200, "file /elsewhere");
    }

    #[test]
    fn a_segment_that_is_no_parameter_stands_for_itself() {
        check("GET /brace/%7Bx", 200, "literal");
        check("GET /rest/%7B*a%7D/b", 200, "literal");
        check("GET /rest/1/b", 200, "file /rest/1/b");
    }

    #[test]
    fn allow_is_true_for_each_path_on_405_and_options() {
        check_allow("DELETE /users/7", 405, "GET, HEAD, POST, OPTIONS");
        check_allow("PUT /users/me", 405, "GET, HEAD, POST, DELETE, OPTIONS");
        check_allow("GET /only/put", 405, "PUT, OPTIONS");
        check_allow("HEAD /only/put", 405, "PUT, OPTIONS");
        check_allow("GET /own/head", 405, "HEAD, OPTIONS");
        check_allow("OPTIONS /users/7", 204, "GET, HEAD, POST, OPTIONS");
        check_allow("OPTIONS /small", 204, "OPTIONS, PATCH");
        check_allow("OPTIONS *", 204, "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
        check("OPTIONS /own/options", 200, "options");
    }

    #[test]
    fn trace_connect_and_unknown_methods_never_reach_anybody() {
        check_allow("TRACE /users/7", 405, "GET, HEAD, POST, OPTIONS");
        check_allow("TRACE /", 405, "GET, HEAD, OPTIONS");
        check_allow("CONNECT a:80", 405, "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
        for line in ["BREW /users/7", "get /users/7", "PROPFIND /"] {
            let (response, ran) = ask_as(router(), &format!("{line} HTTP/1.1"), b"");
            assert_eq!((response.status(), ran), (Status::NOT_IMPLEMENTED, None), "{line}");
        }
    }

    #[test]
    fn head_runs_the_handler_of_get() {
        check("HEAD /users/7", 200, "user id=7");
        check("HEAD /own/head", 200, "head");
    }

    #[test]
    fn content_is_collected_up_to_the_bound_of_the_route() {
        let with = |line: &str, fields: &str| ask_as(router(), &format!("{line} HTTP/1.1\r\n{fields}"), b" abc");
        let (response, limit) = with("POST /users/7", "Content-Length: 4");
        assert_eq!((text(&response).as_str(), limit), ("change id=7 abc", Some(CONTENT_LIMIT)));
        let (response, limit) = with("PATCH /small", "Transfer-Encoding: chunked");
        assert_eq!((text(&response).as_str(), limit), ("patch abc", Some(3)));
        let (response, limit) = with("POST /users/7", "Content-Length: 0");
        assert_eq!((text(&response).as_str(), limit), ("change id=7", Some(0)));
        let (response, limit) = with("POST /users/7", "Content-Length: 4\r\nExpect: a-miracle");
        assert_eq!((response.status(), limit), (Status::EXPECTATION_FAILED, None));
    }

    #[test]
    fn every_loop_has_the_same_routes() {
        let fork = router().fork();
        assert_eq!(fork.methods(), router().methods());
    }

    #[test]
    fn a_parameter_that_is_no_text_is_still_there_as_bytes() {
        let router = Router::new(Box::new(Files)).get("/{x}", |call| {
            assert_eq!((call.parameter("x"), call.text("x"), call.parameter("y")), (Some(&b"\xff"[..]), None, None));
            Response::new(Status::NO_CONTENT)
        });
        assert_eq!(ask_as(router, "GET /%FF HTTP/1.1", b"").0.status(), Status::NO_CONTENT);
    }
}
