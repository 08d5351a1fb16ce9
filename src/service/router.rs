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
//! There are three kinds of routes. [`Router::route`] runs its handler on a worker with the whole content, and
//! [`Router::upload`] passes on the content as it comes; the methods of all such routes that match a path work there
//! together. [`Router::route_answer`] runs its handler on the event loop and decides alone about its paths. On every path
//! OPTIONS and 405 list exactly the methods that work.
//!
//! A service that is mounted ([`Router::mount`]) has all paths under a prefix that no route has.

mod pattern;

use std::sync::Arc;

use crate::http::{Expectation, Method, Request, Status};
use crate::service::call::{Call, IntoResponse, Parameters, Ranges};
use crate::service::router::pattern::Pattern;
use crate::service::{Answer, Lane, RequestContext, Response, Service, Sink, error_page, text};

/// Bytes of content that a handler is given at most, unless its route says otherwise. The content of every request is
/// kept in memory, and a form or a JSON document rarely has a tenth of it.
pub const CONTENT_LIMIT: u64 = 1024 * 1024;

type Handler = dyn Fn(&Request<'_>, &RequestContext, &Parameters<'_>) -> Answer + Send + Sync;

#[derive(Clone)]
struct Route {
    methods: Vec<Method>,
    pattern: Pattern,
    /// Whether only the methods of this pattern work on its paths.
    decides_alone: bool,
    handler: Arc<Handler>,
}

/// A service that has all paths under a prefix.
struct Mount {
    /// `/files`: with a slash at its start and none at its end.
    prefix: Arc<[u8]>,
    service: Box<dyn Service>,
}

impl Mount {
    fn has(&self, path: &[u8]) -> bool {
        path.strip_prefix(&*self.prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// A service that chooses a handler for each request.
pub struct Router {
    /// The most specific patterns first.
    routes: Arc<Vec<Route>>,
    /// The longest prefixes first.
    mounts: Vec<Mount>,
    fallback: Box<dyn Service>,
}

impl Default for Router {
    /// A router without routes: every path is 404.
    fn default() -> Router {
        Router::new(Box::new(Nothing))
    }
}

/// Has no path.
struct Nothing;

impl Service for Nothing {
    fn answer(&mut self, request: &Request<'_>, _: &RequestContext) -> Answer {
        error_page::problem(request, &error_page::Problem::not_found(request.whole_path(), None)).into()
    }

    fn fork(&self) -> Box<dyn Service> {
        Box::new(Nothing)
    }
}

impl Router {
    /// A router without routes: every request goes to `fallback`.
    pub fn new(fallback: Box<dyn Service>) -> Router {
        Router { routes: Arc::default(), mounts: Vec::new(), fallback }
    }

    /// Gives all paths under `prefix` to `service`, which sees only what follows the prefix: with `/files`, the file
    /// `/files/a/b.txt` is `/a/b.txt` for a folder. Its links and redirects are relative, so they stay below the prefix,
    /// also where a proxy adds one more. `/files` alone is redirected to `/files/`.
    ///
    /// A route is preferred, and of two prefixes the longer one.
    pub fn mount(mut self, prefix: &str, service: impl Service + 'static) -> Router {
        let prefix: Arc<[u8]> = format!("/{}", prefix.trim_matches('/')).trim_end_matches('/').as_bytes().into();
        let at = self.mounts.partition_point(|other| other.prefix.len() >= prefix.len());
        self.mounts.insert(at, Mount { prefix, service: Box::new(service) });
        self
    }

    /// Adds a handler. It runs on a worker, so it may take its time, and a panic in it costs one response.
    ///
    /// A GET route answers HEAD too, and every path with a route answers OPTIONS, unless they have routes of their own.
    pub fn route<R: IntoResponse>(
        self,
        method: Method,
        pattern: &str,
        handler: impl Fn(&Call) -> R + Send + Sync + 'static,
    ) -> Router {
        self.route_limited(method, pattern, CONTENT_LIMIT, handler)
    }

    /// The same with another limit for the content, in bytes.
    pub fn route_limited<R: IntoResponse>(
        self,
        method: Method,
        pattern: &str,
        limit: u64,
        handler: impl Fn(&Call) -> R + Send + Sync + 'static,
    ) -> Router {
        let handler = Arc::new(handler);
        let on_worker = move |request: &Request<'_>, context: &RequestContext, parameters: &Parameters<'_>| {
            // The job outlives the borrowed request.
            let (run, context, ranges) = (Arc::clone(&handler), *context, parameters.ranges.to_vec());
            let (request, has_content) = (request.clone().into_owned(), request.framing().has_content());
            let job = move |content| {
                let call = Call { request, content, ranges, context };
                run(&call).into_response(&call.request)
            };
            match has_content {
                // The content is collected before the handler runs, so no worker waits for a slow client.
                true => Answer::Collect { limit, then: Box::new(job) },
                false => Answer::Blocking(Lane::Handler.into(), Box::new(move || job(Vec::new()).into())),
            }
        };
        self.add(&[method], pattern, false, Arc::new(on_worker))
    }

    /// Adds a handler for content of up to `limit` bytes that is not kept in memory. `open` runs on a worker, before the
    /// client is told to send content; the [`Sink`] that it returns takes the content block by block as it comes. A
    /// response in its place refuses the upload.
    pub fn upload(
        self,
        method: Method,
        pattern: &str,
        limit: u64,
        open: impl Fn(&Call) -> Result<Box<dyn Sink>, Response> + Send + Sync + 'static,
    ) -> Router {
        let open = Arc::new(open);
        let receive = move |request: &Request<'_>, context: &RequestContext, parameters: &Parameters<'_>| {
            let (open, ranges) = (Arc::clone(&open), parameters.ranges.to_vec());
            let call = Call { request: request.clone().into_owned(), content: Vec::new(), ranges, context: *context };
            Answer::Receive { limit, device: 0, open: Box::new(move || open(&call)) }
        };
        self.add(&[method], pattern, false, Arc::new(receive))
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
    pub fn get<R: IntoResponse>(self, pattern: &str, handler: impl Fn(&Call) -> R + Send + Sync + 'static) -> Router {
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

    /// The service whose prefix the path has, and the request as it sees it.
    fn below_mount<'r>(&self, request: &'r Request<'_>) -> Option<(&Mount, Request<'r>)> {
        let mount = self.mounts.iter().find(|mount| mount.has(request.path()))?;
        Some((mount, request.below(&mount.prefix)?))
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
        if let Some(answer) = self.answer_by_route(request, context) {
            return answer;
        }
        let Some(mount) = self.mounts.iter_mut().find(|mount| mount.has(request.path())) else {
            return self.fallback.answer(request, context);
        };
        match request.below(&mount.prefix) {
            Some(request) => mount.service.answer(&request, context),
            None if request.path() == &*mount.prefix => {
                moved(request, &from_top(request, &[request.path(), b"/"].concat())).into()
            }
            // Another spelling of a path under the prefix.
            None => moved(request, &from_top(request, request.path())).into(),
        }
    }

    fn methods(&self) -> Vec<Method> {
        // Also those that need a certain path: `OPTIONS *` asks about the whole server (RFC 9110 §9.3.7).
        let mut methods = self.fallback.methods();
        methods.extend(self.mounts.iter().flat_map(|mount| mount.service.methods()));
        methods.extend(self.routes.iter().flat_map(|route| &route.methods));
        completed(methods)
    }

    fn methods_of(&self, request: &Request<'_>) -> Vec<Method> {
        // `*` and the target of CONNECT have no path. Routes that decide alone have methods only for their own paths.
        if request.path().is_empty() {
            let others = self.routes.iter().filter(|route| !route.decides_alone);
            let methods = others.flat_map(|route| route.methods.clone()).chain(self.fallback.methods_of(request));
            return completed(methods.chain(self.mounts.iter().flat_map(|mount| mount.service.methods())).collect());
        }
        match (&*self.routes_at(request.path()), self.below_mount(request)) {
            ([], Some((mount, request))) => mount.service.methods_of(&request),
            ([], None) => self.fallback.methods_of(request),
            (routes, _) => methods_of_routes(routes),
        }
    }

    fn takes(&self, request: &Request<'_>) -> bool {
        match (&*self.routes_at(request.path()), self.below_mount(request)) {
            ([], Some((mount, request))) => mount.service.takes(&request),
            ([], None) => self.fallback.takes(request),
            (routes, _) => routes.iter().any(|(route, _)| route.methods.contains(&request.method())),
        }
    }

    fn relieve(&mut self) {
        self.fallback.relieve();
        self.mounts.iter_mut().for_each(|mount| mount.service.relieve());
    }

    fn fork(&self) -> Box<dyn Service> {
        // All loops share the routes. Only services may have a memory for each loop.
        let mounts = self.mounts.iter();
        let mounts = mounts.map(|mount| Mount { prefix: Arc::clone(&mount.prefix), service: mount.service.fork() });
        Box::new(Router { routes: Arc::clone(&self.routes), mounts: mounts.collect(), fallback: self.fallback.fork() })
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

/// A permanent redirect to this relative reference. It keeps the query, and names no host, so a forged Host field cannot
/// lead elsewhere.
pub(crate) fn moved(request: &Request<'_>, reference: &str) -> Response {
    // Some old clients follow 301 and stop at 308. But after 301 a client may turn POST into GET (RFC 9110 §15.4.2).
    let is_read = request.method().is_read();
    let status = if is_read { Status::MOVED_PERMANENTLY } else { Status::PERMANENT_REDIRECT };
    let query = request.query().map_or_else(Vec::new, |query| [b"?", query].concat());
    Response::new(status).field("Location", [reference.as_bytes(), &query].concat())
}

/// The relative reference to `path`, decoded, that climbs to the top first: the client may have spelled the folders on the
/// way otherwise, and would stay below that spelling.
fn from_top(request: &Request<'_>, path: &[u8]) -> String {
    let folders = request.base().iter().skip(1).filter(|&&byte| byte == b'/').count();
    "../".repeat(folders) + text::href(path).trim_start_matches('/')
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
        let context = RequestContext {
            peer: address,
            client: crate::service::Client::Peer(address.ip()),
            local: address,
            now: SystemTime::UNIX_EPOCH,
            arrival: 1,
        };
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
