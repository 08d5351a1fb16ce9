//! A reader for the HTML of the labs: tags, attributes, text.
//!
//! It is strict. A tag that is not closed, an attribute without quotes and a lone `&` are errors of the page.

use serde_json::Value;

/// A part of a page.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Token {
    Open(String, Vec<(String, String)>),
    Close(String),
    Text(String),
}

const VOID: [&str; 6] = ["meta", "link", "img", "br", "hr", "input"];

/// The tokens of a page. Panics if an element is not closed, or closed out of order.
pub(crate) fn tokens(page: &str) -> Vec<Token> {
    let (mut all, mut open, mut rest) = (Vec::new(), Vec::<String>::new(), page);
    while !rest.is_empty() {
        let Some(tag) = rest.strip_prefix('<') else {
            let end = rest.find('<').unwrap_or(rest.len());
            all.push(Token::Text(text(&rest[..end])));
            rest = &rest[end..];
            continue;
        };
        if let Some(comment) = tag.strip_prefix("!--") {
            rest = comment.split_once("-->").expect("an open comment").1;
        } else if tag.starts_with('!') {
            rest = tag.split_once('>').expect("an open doctype").1;
        } else if let Some(name) = tag.strip_prefix('/') {
            let (name, after) = name.split_once('>').expect("an open tag");
            assert_eq!(open.pop().as_deref(), Some(name), "</{name}> closes something else");
            all.push(Token::Close(name.to_string()));
            rest = after;
        } else {
            let (name, attributes, closed, after) = element(tag);
            if closed {
                all.push(Token::Open(name.clone(), attributes));
                all.push(Token::Close(name));
            } else {
                if !VOID.contains(&name.as_str()) {
                    open.push(name.clone());
                }
                all.push(Token::Open(name, attributes));
            }
            rest = after;
        }
    }
    assert_eq!(open, Vec::<String>::new(), "never closed");
    all
}

type Element<'a> = (String, Vec<(String, String)>, bool, &'a str);

/// A start tag after its `<`: name, attributes, whether it closes itself, and the rest of the page.
fn element(tag: &str) -> Element<'_> {
    let end = tag.find([' ', '>', '/', '\n']).expect("an open tag");
    let (name, mut rest) = tag.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>") {
            return (name.to_string(), attributes, true, after);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (name.to_string(), attributes, false, after);
        }
        let end = rest.find(['=', ' ', '>', '\n']).expect("an open tag");
        let (key, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            attributes.push((key.to_string(), String::new()));
            rest = after;
            continue;
        };
        let quote = value.chars().next().filter(|c| ['"', '\''].contains(c));
        let (value, after) = match quote {
            Some(quote) => value[1..].split_once(quote).expect("an open attribute"),
            None => value.split_at(value.find([' ', '>', '\n']).expect("an open attribute")),
        };
        attributes.push((key.to_string(), text(value)));
        rest = after;
    }
}

/// Decodes the entities that these pages use.
fn text(raw: &str) -> String {
    let mut text = String::new();
    let mut parts = raw.split('&');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (entity, after) = part.split_once(';').unwrap_or_else(|| panic!("a bare & before {part:?}"));
        text.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" | "#x27" => '\'',
            "nbsp" => '\u{a0}',
            other => panic!("&{other}; is not used elsewhere"),
        });
        text.push_str(after);
    }
    text
}

pub(crate) fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// A command of a page, and what must be seen after it.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) command: String,
    pub(crate) looks: Vec<Value>,
    pub(crate) exit: i32,
    pub(crate) stop: bool,
    pub(crate) stays: Option<String>,
    /// Lines of the output.
    pub(crate) lines: Vec<String>,
    /// The searches of links into the wire view.
    pub(crate) finds: Vec<String>,
}

/// The commands of a page that are to be run.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let tokens = tokens(page);
    let mut steps: Vec<Step> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Token::Open(name, attributes) = token else { continue };
        let class = attribute(attributes, "class").unwrap_or_default();
        match (name.as_str(), class) {
            ("pre", "cmd") => {
                let looks = attribute(attributes, "data-look").unwrap_or_default();
                let looks = serde_json::Deserializer::from_str(looks).into_iter::<Value>();
                steps.push(Step {
                    command: content(&tokens[at..]),
                    looks: looks.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{attributes:?}: {e}")),
                    exit: attribute(attributes, "data-exit").map_or(0, |code| code.parse().unwrap()),
                    stop: attribute(attributes, "data-stop").is_some(),
                    stays: attribute(attributes, "data-stays").map(str::to_string),
                    ..Step::default()
                });
            }
            ("pre", "out") => {
                let step = steps.last_mut().expect("an output follows its command");
                step.lines.extend(content(&tokens[at..]).lines().map(str::to_string));
            }
            ("a", _) => {
                let find = attribute(attributes, "href").and_then(|href| href.strip_prefix("/.wire?find="));
                if let (Some(step), Some(find)) = (steps.last_mut(), find) {
                    step.finds.push(percent_encoding::percent_decode_str(find).decode_utf8().unwrap().into_owned());
                }
            }
            _ => {}
        }
    }
    steps
}

/// The text of the element that the first token opens.
pub(crate) fn content(tokens: &[Token]) -> String {
    let (mut depth, mut text) = (0, String::new());
    for token in tokens {
        match token {
            Token::Open(name, _) if VOID.contains(&name.as_str()) => {}
            Token::Open(..) => depth += 1,
            Token::Close(_) => depth -= 1,
            Token::Text(part) => text.push_str(part),
        }
        if depth == 0 {
            break;
        }
    }
    text
}

#[test]
fn a_page_is_taken_apart_as_it_is_read() {
    let page = "<!doctype html><ol><li><pre class=\"cmd\" data-look='{\"bytes\":2}\n{\"x\":\"&lt;&#39;\"}' data-exit=\"18\"><code>curl 'a' &amp; b</code></pre>\
        <pre class=\"out\"><samp>one\n<b>two</b> … three</samp></pre><br><a href=\"/.wire?find=GET%20/a\">x</a></li></ol>";
    let [step] = &steps(page)[..] else { panic!("one command") };
    assert_eq!(step.command, "curl 'a' & b");
    assert_eq!(step.looks, [serde_json::json!({"bytes": 2}), serde_json::json!({"x": "<'"})]);
    assert_eq!((step.exit, step.stop), (18, false));
    assert_eq!(step.lines, ["one", "two … three"]);
    assert_eq!(step.finds, ["GET /a"]);
}

#[test]
#[should_panic = "closes something else"]
fn a_page_with_crossed_tags_is_refused() {
    tokens("<p><b>x</p></b>");
}
