//! The files of the page. They are part of the program and hold no key: the key comes in the fragment of the address.

/// The path of a file of `src/pages/wire`, and its text.
macro_rules! file {
    ($name:literal) => {
        (concat!("/", $name), include_str!(concat!("../../pages/wire/", $name)))
    };
}

/// All files: path and text. The document itself is at `/`.
pub(crate) const FILES: [(&str, &str); 19] = [
    ("/", include_str!("../../pages/wire/index.html")),
    file!("style.css"),
    file!("main.js"),
    file!("actions.js"),
    file!("api.js"),
    file!("bytes.js"),
    file!("dom.js"),
    file!("dump.js"),
    file!("exchange.js"),
    file!("keys.js"),
    file!("links.js"),
    file!("list.js"),
    file!("message.js"),
    file!("panel.js"),
    file!("ribbon.js"),
    file!("select.js"),
    file!("state.js"),
    file!("store.js"),
    file!("texts.js"),
];

/// The media type of a file.
pub(crate) fn media_type(path: &str) -> &'static str {
    match path.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "css")) => "text/css; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}
