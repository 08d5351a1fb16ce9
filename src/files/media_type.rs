//! The media type of a file, by its name (RFC 9110 §8.3).
//!
//! The table of `mime_guess`, corrected where it serves the web badly.
//!
//! Never: the content. Guessing from content is how an uploaded picture becomes a page; every response
//! says `nosniff` so that browsers do not guess either.
//!
//! The subtle thing: text without a charset is read in whatever the reader's locale suggests, so ours
//! says UTF-8. XML does not: there the document itself says it, and a parameter would overrule the
//! document (RFC 7303 §3).

use std::borrow::Cow;

/// What is said of a file about which nothing is known.
pub const UNKNOWN: &str = "application/octet-stream";
const PLAIN: &str = "text/plain; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The media type of a file of this name, with its charset where it has one.
pub fn of(name: &[u8]) -> Cow<'static, str> {
    let Some(dot) = name.iter().rposition(|&o| o == b'.').filter(|&dot| dot > 0) else {
        return Cow::Borrowed(without_extension(name));
    };
    let Ok(extension) = std::str::from_utf8(&name[dot + 1..]) else { return Cow::Borrowed(UNKNOWN) };
    if let Some(known) = corrected(extension) {
        return Cow::Borrowed(known);
    }
    match mime_guess::from_ext(extension).first_raw() {
        None => Cow::Borrowed(UNKNOWN),
        Some(text) if text.starts_with("text/") && !text.contains("xml") => {
            Cow::Owned(format!("{text}; charset=utf-8"))
        }
        Some(other) => Cow::Borrowed(other),
    }
}

/// The extensions every site has, without an allocation, and those `mime_guess` knows otherwise.
fn corrected(extension: &str) -> Option<&'static str> {
    const LONGEST: usize = 11; // webmanifest
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"html" | b"htm" => "text/html; charset=utf-8",
        b"css" => "text/css; charset=utf-8",
        b"txt" | b"text" | b"log" => PLAIN,
        // A module script with another type is refused by browsers (HTML, 8.1.4.2).
        b"js" | b"mjs" | b"cjs" => SCRIPT,
        // TypeScript far more often than an MPEG stream; no browser runs it, every browser shows text.
        b"ts" | b"mts" | b"cts" | b"tsx" | b"jsx" => PLAIN,
        b"md" | b"markdown" => "text/markdown; charset=utf-8",
        b"csv" => "text/csv; charset=utf-8",
        b"vtt" => "text/vtt; charset=utf-8",
        b"json" | b"map" => "application/json",
        b"webmanifest" => "application/manifest+json",
        b"jsonl" | b"ndjson" => PLAIN,
        b"yaml" | b"yml" => "application/yaml", // RFC 9512
        b"toml" => "application/toml",
        b"xml" | b"xsl" | b"xslt" => "application/xml",
        b"wasm" => "application/wasm",
        b"svg" => "image/svg+xml",
        // Compressed, and without Content-Encoding no browser would know.
        b"svgz" | b"tgz" => "application/gzip",
        b"br" => UNKNOWN,
        b"zst" => "application/zstd",
        b"avif" => "image/avif",
        b"webp" => "image/webp",
        b"ico" => "image/x-icon",
        b"woff" => "font/woff",
        b"woff2" => "font/woff2",
        b"otf" => "font/otf",
        b"opus" => "audio/ogg",
        b"m4a" => "audio/mp4",
        b"mp4" => "video/mp4",
        b"m3u8" => "application/vnd.apple.mpegurl",
        b"rpm" => "application/x-rpm",
        b"obj" => "model/obj",
        b"stl" => "model/stl",
        // To be read, not to be run by whatever the desktop has for it.
        b"sh" | b"bash" | b"zsh" | b"fish" | b"java" | b"sql" | b"pl" | b"php" | b"rs" | b"lua" | b"go" | b"rb"
        | b"kt" | b"swift" | b"cs" | b"hpp" | b"scss" | b"sass" | b"vue" | b"svelte" | b"lock" | b"env" | b"diff"
        | b"patch" | b"tex" | b"rst" | b"adoc" | b"nfo" | b"pem" => PLAIN,
        _ => return None,
    })
}

/// Names that everybody knows to be text.
fn without_extension(name: &[u8]) -> &'static str {
    const TEXTS: [&str; 24] = [
        "README",
        "LICENSE",
        "LICENCE",
        "COPYING",
        "COPYRIGHT",
        "NOTICE",
        "AUTHORS",
        "MAINTAINERS",
        "CONTRIBUTORS",
        "CODEOWNERS",
        "CHANGELOG",
        "CHANGES",
        "CONTRIBUTING",
        "INSTALL",
        "NEWS",
        "TODO",
        "VERSION",
        "Makefile",
        "Dockerfile",
        "Containerfile",
        "Justfile",
        "Procfile",
        "SHA256SUMS",
        "MD5SUMS",
    ];
    match name {
        b"apple-app-site-association" => "application/json",
        _ if TEXTS.iter().any(|text| text.as_bytes().eq_ignore_ascii_case(name)) => PLAIN,
        _ => UNKNOWN,
    }
}

/// Whether a coding could make a file of this type smaller. For pictures, films and archives, which
/// are compressed already, nobody prepares one, and looking for it would cost three opens a request.
pub fn is_compressible(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    match essence.split_once('/') {
        Some(("image", kind)) => matches!(kind, "svg+xml" | "bmp" | "x-icon" | "tiff" | "x-ms-bmp"),
        Some(("audio" | "video", _)) => false,
        Some(("font", kind)) => !kind.starts_with("woff"),
        Some(("application", kind)) => {
            !matches!(
                kind,
                "gzip"
                    | "zip"
                    | "zstd"
                    | "pdf"
                    | "java-archive"
                    | "epub+zip"
                    | "x-7z-compressed"
                    | "x-bzip2"
                    | "x-xz"
                    | "x-rar-compressed"
                    | "x-compressed"
                    | "x-rpm"
                    | "vnd.android.package-archive"
                    | "x-shockwave-flash"
            ) && !kind.starts_with("vnd.openxmlformats")
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_types_browsers_understand() {
        for (name, media_type) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTML", "text/html; charset=utf-8"),
            ("a.b.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("app.ts", "text/plain; charset=utf-8"),
            ("a.mts", "text/plain; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.json", "application/json"),
            ("app.js.map", "application/json"),
            ("a.yaml", "application/yaml"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.svg", "image/svg+xml"),
            ("a.xml", "application/xml"),
            ("a.xhtml", "application/xhtml+xml"),
            ("a.avif", "image/avif"),
            ("a.png", "image/png"),
            ("a.jpg", "image/jpeg"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("a.woff2", "font/woff2"),
            ("a.pdf", "application/pdf"),
            ("a.tar.gz", "application/gzip"),
            ("a.svgz", "application/gzip"),
            ("a.py", "text/plain; charset=utf-8"),
            ("a.ics", "text/calendar; charset=utf-8"),
            ("README", "text/plain; charset=utf-8"),
            ("license", "text/plain; charset=utf-8"),
            ("Makefile", "text/plain; charset=utf-8"),
            ("apple-app-site-association", "application/json"),
            ("unknown", UNKNOWN),
            ("a.", UNKNOWN),
            ("", UNKNOWN),
            (".html", UNKNOWN),
            ("a.nosuchextension", UNKNOWN),
            ("a.averyveryverylongextension", UNKNOWN),
        ] {
            assert_eq!(of(name.as_bytes()), media_type, "{name}");
        }
        assert_eq!(of(b"\xff.html"), "text/html; charset=utf-8");
        assert_eq!(of(b"a.\xff"), UNKNOWN);
    }

    #[test]
    fn nothing_that_is_compressed_is_looked_for_again() {
        for (name, expected) in [
            ("a.html", true),
            ("a.js", true),
            ("a.json", true),
            ("a.svg", true),
            ("a.wasm", true),
            ("a.ttf", true),
            ("a.bin", true),
            ("a.glb", true),
            ("a.ico", true),
            ("a.png", false),
            ("a.avif", false),
            ("a.mp4", false),
            ("a.ogg", false),
            ("a.woff2", false),
            ("a.zip", false),
            ("a.js.gz", false),
            ("a.pdf", false),
            ("a.docx", false),
        ] {
            assert_eq!(is_compressible(&of(name.as_bytes())), expected, "{name}");
        }
    }
}
