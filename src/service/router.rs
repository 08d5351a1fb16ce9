//! Routes: a method and a pattern lead to a handler, and all other requests go to one fallback service.
//!
//! ```text
//! /users/{id}      one segment, never empty; the handler finds it as parameter "id"
//! /files/{*rest}   everything that follows, slashes included; may be empty
//! /users/me        only this path; preferred to /users/{id}, even if that was added first
//! ```
//!
//! A segment that has not exactly one of the two forms with braces is taken literally. A pattern is compared with the
//! decoded path, which has no dot segments. The parser refuses `%2F` in a path, so the parameter of one segment cannot
//! contain a slash.
//!
//! There are two kinds of routes. [`Router::route`] runs its handler on a worker, and the methods of all such routes
//! that match a path work there together. [`Router::route_answer`] runs its handler on the event loop and decides alone
//! about its paths. On every path OPTIONS and 405 list exactly the methods that work.

use std::ops::Range;
use std::sync::Arc;

use crate::http::{Expectation, Method, Request, Status};
use crate::service::{Answer, Lane, RequestContext, Response, Service, error_page};

/// Bytes of content that a handler is given at most, unless its route says otherwise. The content of every request is
/// kept in memory, and a form or a JSON document rarely has a tenth of it.
pub const CONTENT_LIMIT: u64 = 1024 * 1024;

/// The parameters of a pattern, with their ranges in the decoded path.
type Ranges = Vec<(Arc<str>, Range<usize>)>;

/// The parts of a path that a pattern has as `{name}` or `{*name}`.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a> {
    path: &'a [u8],
    ranges: &'a [(Arc<str>, Range<usize>)],
}

impl<'a> Parameters<'a> {
    /// The part of this name, decoded. It is bytes, since a path need not be UTF-8.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        let (_, range) = self.ranges.iter().find(|(other, _)| **other == *name)?;
        self.path.get(range.clone())
    }
}

/// A request for a handler that runs on a worker.
#[derive(Debug)]
pub struct Call {
    request: Request<'static>,
    content: Vec<u8>,
    ranges: Ranges,
    context: RequestContext,
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

    /// The part of the path that the pattern has as `{name}` or `{*name}` ([`Parameters::get`]).
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        Parameters { path: self.request.path(), ranges: &self.ranges }.get(name)
    }

    /// The same as text; `None` also when it is not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.parameter(name)?).ok()
    }

    /// Addresses and time of the request.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<[u8]>),
    One(Arc<str>),
    Rest(Arc<str>),
}

/// The segments of `/a/{b}/{*c}`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern(Vec<Segment>);

impl Pattern {
    fn parse(text: &str) -> Pattern {
        let text = text.strip_prefix('/').unwrap_or(text);
        let last = text.split('/').count() - 1;
        // `{*x}` is a parameter only at the end: in the middle it would be unclear how much it takes.
        let segment = |(at, text): (usize, &str)| match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(name) if !name.starts_with('*') => Segment::One(name.into()),
            Some(name) if at == last => Segment::Rest(name[1..].into()),
            _ => Segment::Literal(text.as_bytes().into()),
        };
        Pattern(text.split('/').enumerate().map(segment).collect())
    }

    /// The smaller, the more specific.
    fn rank(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 2,
        };
        self.0.iter().map(rank).collect()
    }

    /// The ranges of the parameters in `path`, if it matches.
    fn matches(&self, path: &[u8]) -> Option<Ranges> {
        let mut ranges = Vec::new();
        // Where the next segment begins; `None` when the path has no more of them.
        let mut next = path.starts_with(b"/").then_some(1);
        for segment in &self.0 {
            let start = next?;
            let end = path[start..].iter().position(|&b| b == b'/').map_or(path.len(), |n| start + n);
            match segment {
                // Compared byte by byte: paths are case-sensitive (RFC 3986 §6.2.2.1).
                Segment::Literal(text) if **text == path[start..end] => {}
                Segment::One(name) if start < end => ranges.push((Arc::clone(name), start..end)),
                Segment::Rest(name) => {
                    ranges.push((Arc::clone(name), start..path.len()));
                    return Some(ranges);
                }
                Segment::Literal(_) | Segment::One(_) => return None,
            }
            next = (end < path.len()).then_some(end + 1);
        }
        // A path with more segments, or with a slash at its end, is another path.
        next.is_none().then_some(ranges)
    }
}

type Handler = dyn Fn(&Request<'_>, &RequestContext, &Parameters<'_>) -> Answer + Send + Sync;

#[derive(Clone)]
struct Route {
    methods: Vec<Method>,
    pattern: Pattern,
    /// Whether only the methods of this pattern work on its paths.
    decides_alone: bool,
    handler: Arc<Handler>,
}

/// A service that chooses a handler for each request.
pub struct Router {
    /// The most specific patterns first.
    routes: Arc<Vec<Route>>,
    fallback: Box<dyn Service>,
}

impl Router {
    /// A router without routes: every request goes to `fallback`.
    pub fn new(fallback: Box<dyn Service>) -> Router {
        Router { routes: Arc::default(), fallback }
    }

    /// Adds a handler. It runs on a worker, so it may take its time, and a panic in it costs one response.
    ///
    /// A GET route answers HEAD too, and every path with a route answers OPTIONS, unless they have routes of their own.
    pub fn route(
        self,
        method: Method,
        pattern: &str,
        handler: impl Fn(&Call) -> Response + Send + Sync + 'static,
    ) -> Router {
        self.route_limited(method, pattern, CONTENT_LIMIT, handler)
    }

    /// The same with another limit for the content, in bytes.
    pub fn route_limited(
        self,
        method: Method,
        pattern: &str,
        limit: u64,
        handler: impl Fn(&Call) -> Response + Send + Sync + 'static,
    ) -> Router {
        let handler = Arc::new(handler);
        let on_worker = move |request: &Request<'_>, context: &RequestContext, parameters: &Parameters<'_>| {
            // The job outlives the borrowed request.
            let (run, context, ranges) = (Arc::clone(&handler), *context, parameters.ranges.to_vec());
            let (request, has_content) = (request.clone().into_owned(), request.framing().has_content());
            let job = move |content| run(&Call { request, content, ranges, context });
            match has_content {
                // The content is collected before the handler runs, so no worker waits for a slow client.
                true => Answer::Collect { limit, then: Box::new(job) },
                false => Answer::Blocking(Lane::Handler.into(), Box::new(move || job(Vec::new()).into())),
            }
        };
        self.add(&[method], pattern, false, Arc::new(on_worker))
    }

    /// Adds a handler that runs on the event loop and must not block; it may return any kind of [`Answer`].
    ///
    /// On the paths of `pattern` only `methods` and OPTIONS work, unless a more specific pattern matches. `methods` may
    /// include [`Method::Trace`] and [`Method::Other`] (every unknown method), which are refused everywhere else.
    pub fn route_answer(
        self,
        methods: &[Method],
        pattern: &str,
        handler: impl Fn(&Request<'_>, &RequestContext, &Parameters<'_>) -> Answer + Send + Sync + 'static,
    ) -> Router {
        self.add(methods, pattern, true, Arc::new(handler))
    }

    fn add(mut self, methods: &[Method], pattern: &str, decides_alone: bool, handler: Arc<Handler>) -> Router {
        let pattern = Pattern::parse(pattern);
        // After the routes of the same rank, so that the one that was added first is preferred.
        let at = self.routes.partition_point(|other| other.pattern.rank() <= pattern.rank());
        Arc::make_mut(&mut self.routes)
            .insert(at, Route { methods: methods.to_vec(), pattern, decides_alone, handler });
        self
    }

    /// Adds a handler for GET and HEAD.
    pub fn get(self, pattern: &str, handler: impl Fn(&Call) -> Response + Send + Sync + 'static) -> Router {
        self.route(Method::Get, pattern, handler)
    }

    /// The routes that decide about this path, the most specific first.
    fn routes_at(&self, path: &[u8]) -> Vec<(&Route, Ranges)> {
        let all = self.routes.iter();
        let mut found: Vec<_> = all.filter_map(|route| Some((route, route.pattern.matches(path)?))).collect();
        match found.first() {
            // A route that decides alone hides all less specific ones, but not others of the same pattern.
            Some(&(first, _)) if first.decides_alone => {
                found.retain(|(route, _)| route.decides_alone && route.pattern == first.pattern);
            }
            // The methods of all others work together, so a route that decides alone must not add its own.
            _ => found.retain(|(route, _)| !route.decides_alone),
        }
        found
    }

    /// The answer of a handler, or what the routes say about the method; `None` if no route has this path.
    fn answer_by_route(&self, request: &Request<'_>, context: &RequestContext) -> Option<Answer> {
        let mut routes = self.routes_at(request.path());
        if routes.is_empty() {
            return None;
        }
        let method = request.method();
        // The first match is the most specific one. A handler of GET also answers HEAD; its content is not sent.
        let with = |method| routes.iter().position(|(route, _)| route.methods.contains(&method));
        let found = with(method).or_else(|| with(Method::Get).filter(|_| method == Method::Head));
        let Some(found) = found else {
            let allowed = methods_of_routes(&routes);
            // The fallback is not asked: a path with a route belongs to the router, with every method.
            let is_options = method == Method::Options;
            return Some(if is_options { options(&allowed) } else { not_allowed(request, &allowed) }.into());
        };
        // Before any content is read: the client waits for the decision (RFC 9110 §10.1.1).
        if request.expectation() == Expectation::Unknown {
            return Some(expectation_failed(request).into());
        }
        let (route, ranges) = routes.swap_remove(found);
        Some((route.handler)(request, context, &Parameters { path: request.path(), ranges: &ranges }))
    }
}

impl Service for Router {
    fn answer(&mut self, request: &Request<'_>, context: &RequestContext) -> Answer {
        match self.answer_by_route(request, context) {
            Some(answer) => answer,
            None => self.fallback.answer(request, context),
        }
    }

    fn methods(&self) -> Vec<Method> {
        // Also those that need a certain path: `OPTIONS *` asks about the whole server (RFC 9110 §9.3.7).
        let mut methods = self.fallback.methods();
        methods.extend(self.routes.iter().flat_map(|route| &route.methods));
        completed(methods)
    }

    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        // `*` and the target of CONNECT have no path. Routes that decide alone have methods only for their own paths.
        if request.path().is_empty() {
            let others = self.routes.iter().filter(|route| !route.decides_alone);
            let methods = others.flat_map(|route| route.methods.clone());
            return completed(methods.chain(self.fallback.methods_of(request)).collect());
        }
        match &*self.routes_at(request.path()) {
            [] => self.fallback.methods_of(request),
            routes => methods_of_routes(routes),
        }
    }

    fn takes(&self, request: &Request<'_>) -> bool {
        match &*self.routes_at(request.path()) {
            [] => self.fallback.takes(request),
            routes => routes.iter().any(|(route, _)| route.methods.contains(&request.method())),
        }
    }

    fn relieve(&mut self) {
        self.fallback.relieve();
    }

    fn fork(&self) -> Box<dyn Service> {
        // All loops share the routes. Only the fallback may have a memory for each loop.
        Box::new(Router { routes: Arc::clone(&self.routes), fallback: self.fallback.fork() })
    }
}

/// 417 for an expectation other than 100-continue (RFC 9110 §10.1.1).
pub fn expectation_failed(request: &Request<'_>) -> Response {
    let problem = error_page::Problem::of(Status::EXPECTATION_FAILED, "expectation", &[]);
    error_page::problem(request, &problem)
}

/// 405 with the methods that do work (RFC 9110 §15.5.6 demands `Allow`), or 501 for an unknown method (§9.1).
///
/// TRACE and CONNECT work nowhere. TRACE would show a script the credentials that it may not read, and CONNECT is for
/// proxies.
pub fn not_allowed(request: &Request<'_>, allowed: &[Method]) -> Response {
    if request.method() == Method::Other {
        let problem = error_page::Problem::of(Status::NOT_IMPLEMENTED, "unknown method", &[]);
        return error_page::problem(request, &problem);
    }
    let allow = names(allowed);
    let problem = error_page::Problem::method_not_allowed(request.method_name(), &allow);
    error_page::problem(request, &problem).field("Allow", allow)
}

/// 204 with the methods that work, for OPTIONS.
pub fn options(allowed: &[Method]) -> Response {
    Response::new(Status::NO_CONTENT).field("Allow", names(allowed))
}

fn methods_of_routes(routes: &[(&Route, Ranges)]) -> Vec<Method> {
    completed(routes.iter().flat_map(|(route, _)| route.methods.iter().copied()).collect())
}

/// Adds what follows from `methods`: HEAD from GET, and OPTIONS always. Sorted as in RFC 9110, each once.
fn completed(mut methods: Vec<Method>) -> Vec<Method> {
    if methods.contains(&Method::Get) {
        methods.push(Method::Head);
    }
    methods.push(Method::Options);
    Method::ALL.into_iter().filter(|method| methods.contains(method)).collect()
}

/// The value of `Allow`.
pub(crate) fn names(methods: &[Method]) -> String {
    methods.iter().map(|method| method.name()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::http::{Event, Http1, Limits};
    use crate::service::{App, Body, Outcome};

    struct Files;

    impl Service for Files {
        fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
            Answer::Now(Response::text(Status::OK, format!("file {}", String::from_utf8_lossy(request.path()))))
        }

        fn fork(&self) -> Box<dyn Service> {
            Box::new(Files)
        }
    }

    fn replies(word: &'static str) -> impl Fn(&Call) -> Response + Send + Sync + 'static {
        move |call| {
            let parameters: Vec<String> = call
                .ranges
                .iter()
                .map(|(name, _)| format!(" {name}={}", String::from_utf8_lossy(call.parameter(name).unwrap())))
                .collect();
            let content = String::from_utf8_lossy(call.content());
            Response::text(Status::OK, format!("{word}{}{content}", parameters.concat()))
        }
    }

    fn router() -> Router {
        Router::new(Box::new(Files))
            .get("/users/{id}", replies("user"))
            .get("/users/me", replies("me"))
            .route(Method::Post, "/users/{id}", replies("change"))
            .route(Method::Delete, "/users/me", replies("forget"))
            .get("/tree/{*rest}", replies("tree"))
            .get("/tree/{kind}/leaf", replies("leaf"))
            .route(Method::Put, "/only/put", replies("put"))
            .route(Method::Head, "/own/head", replies("head"))
            .route(Method::Options, "/own/options", replies("options"))
            .route_limited(Method::Patch, "/small", 3, replies("patch"))
            .get("/brace/{x", replies("literal"))
            .get("/rest/{*a}/b", replies("literal"))
    }

    fn ask_as(router: Router, head: &str, content: &[u8]) -> (Response, Option<u64>) {
        let text = format!("{head}\r\nHost: a\r\n\r\n");
        let mut connection = Http1::new(Limits::default());
        let Event::Request(request, _) = connection.receive(text.as_bytes()).event else { panic!("{head}") };
        let address = ([127, 0, 0, 1], 80).into();
        let context = RequestContext { peer: address, local: address, now: SystemTime::UNIX_EPOCH, arrival: 1 };
        match App::from(router).answer(&request, &context) {
            Answer::Now(response) => (response, None),
            Answer::Blocking(lane, job) => {
                assert_eq!(lane, Lane::Handler.into(), "handlers may take their time");
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
    fn the_most_specific_pattern_answers_in_whatever_order_they_were_added() {
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
    fn a_path_of_no_pattern_goes_to_the_fallback() {
        for path in ["/", "/users", "/users/", "/users/7/", "/users/7/x", "//users/7", "/tree", "/Users/7", "/brace/y"]
        {
            check(&format!("GET {path}"), 200, &format!("file {path}"));
        }
        check("DELETE /elsewhere", 200, "file /elsewhere");
    }

    #[test]
    fn a_segment_that_is_no_parameter_is_taken_literally() {
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
    fn trace_connect_and_unknown_methods_never_reach_a_handler() {
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
    fn content_is_collected_up_to_the_limit_of_the_route() {
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

    /// Answers at once with the method and the part of the path.
    fn echo(request: &Request<'_>, _: &RequestContext, parameters: &Parameters<'_>) -> Answer {
        let part = parameters.get("part").unwrap_or_default();
        Answer::Now(Response::text(Status::OK, [request.method_name(), b" ", part].concat()))
    }

    fn answering() -> Router {
        let any: Vec<Method> = Method::ALL.into_iter().filter(|m| *m != Method::Trace).chain([Method::Other]).collect();
        router()
            .get("/try/{*rest}", replies("rest"))
            .route_answer(&any, "/try/any/{part}", echo)
            .route_answer(&[Method::Trace], "/try/trace", echo)
            .route_answer(&[Method::Post], "/try/post", echo)
            .route_answer(&[Method::Delete], "/try/post", echo)
            .route_answer(&[Method::Get], "/users/{part}/", echo)
            .route(Method::Put, "/try/any/put", replies("put"))
    }

    #[test]
    fn a_route_that_answers_on_the_loop_has_exactly_its_methods() {
        for (line, status, content) in [
            ("GET /try/any/x", 200, "GET x"),
            ("BREW /try/any/x", 200, "BREW x"),
            ("OPTIONS /try/any/x", 200, "OPTIONS x"),
            ("TRACE /try/trace", 200, "TRACE "),
            ("POST /try/post", 200, "POST "),
            ("DELETE /try/post", 200, "DELETE "),
            ("HEAD /users/7/", 200, "HEAD 7"),
            ("GET /try/elsewhere", 200, "rest rest=elsewhere"),
            ("PUT /try/any/put", 200, "put"),
        ] {
            let (response, limit) = ask_as(answering(), &format!("{line} HTTP/1.1"), b"");
            assert_eq!((response.status().code(), text(&response).as_str()), (status, content), "{line}");
            assert_eq!(limit.is_none(), !content.starts_with("rest") && content != "put", "{line}");
        }
        for (line, status, allow) in [
            ("TRACE /try/any/x", 405, "GET, HEAD, POST, PUT, DELETE, CONNECT, OPTIONS, PATCH"),
            ("GET /try/trace", 405, "OPTIONS, TRACE"),
            ("OPTIONS /try/trace", 204, "OPTIONS, TRACE"),
            ("GET /try/post", 405, "POST, DELETE, OPTIONS"),
            ("TRACE /try/post", 405, "POST, DELETE, OPTIONS"),
            ("POST /users/7/", 405, "GET, HEAD, OPTIONS"),
            ("DELETE /try/any/put", 405, "GET, HEAD, PUT, OPTIONS"),
            ("TRACE /try/elsewhere", 405, "GET, HEAD, OPTIONS"),
        ] {
            let (response, _) = ask_as(answering(), &format!("{line} HTTP/1.1"), b"");
            let got = String::from_utf8_lossy(response.fields().get("allow").unwrap_or_default());
            assert_eq!((response.status().code(), &*got), (status, allow), "{line}");
        }
        for line in ["BREW /try/trace", "BREW /try/post", "BREW /try/any/put", "BREW /try/any/x/y", "BREW /"] {
            let (response, _) = ask_as(answering(), &format!("{line} HTTP/1.1"), b"");
            assert_eq!(response.status(), Status::NOT_IMPLEMENTED, "{line}");
        }
        let (response, _) = ask_as(answering(), "POST /try/post HTTP/1.1\r\nExpect: a-miracle", b"");
        assert_eq!(response.status(), Status::EXPECTATION_FAILED);
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
