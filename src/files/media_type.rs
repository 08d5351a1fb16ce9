//! The media type of a file, by its name (RFC 9110 §8.3): the table of `mime_guess`, with
//! corrections for the web.
//!
//! The content is never inspected. Guessing from content is how an uploaded picture becomes a page;
//! every response says `nosniff`, so that browsers do not guess either.

use std::borrow::Cow;

/// The media type of files of an unknown kind.
pub const UNKNOWN: &str = "application/octet-stream";
/// Text without further meaning.
const PLAIN: &str = "text/plain; charset=utf-8";
/// JavaScript, by RFC 9239.
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Names without extension that are text.
const TEXT_NAMES: &str = "README LICENSE LICENCE COPYING COPYRIGHT NOTICE AUTHORS MAINTAINERS CONTRIBUTORS CODEOWNERS \
                          CHANGELOG CHANGES CONTRIBUTING INSTALL NEWS TODO VERSION Makefile Dockerfile Containerfile \
                          Justfile Procfile SHA256SUMS MD5SUMS";
/// Extensions of text that should be read, not run by the program that the desktop has for it.
const TEXT_EXTENSIONS: &str = "sh bash zsh fish java sql pl php rs lua go rb kt swift cs hpp scss sass vue svelte lock \
                               env diff patch tex rst adoc nfo pem";
/// Subtypes of `application/` that are compressed already.
const COMPRESSED: &str = "gzip zip zstd pdf java-archive epub+zip x-7z-compressed x-bzip2 x-xz x-rar-compressed \
                          x-compressed x-rpm vnd.android.package-archive x-shockwave-flash";

/// The media type of a file of this name, with its charset if it has one.
pub fn of(name: &[u8]) -> Cow<'static, str> {
    // A dot at the beginning marks a hidden file, not an extension.
    let Some(dot) = name.iter().rposition(|&b| b == b'.').filter(|&dot| dot > 0) else {
        return Cow::Borrowed(without_extension(name));
    };
    let Ok(extension) = std::str::from_utf8(&name[dot + 1..]) else { return Cow::Borrowed(UNKNOWN) };
    if let Some(known) = corrected(extension) {
        return Cow::Borrowed(known);
    }
    match mime_guess::from_ext(extension).first_raw() {
        None => Cow::Borrowed(UNKNOWN),
        // Without a charset, text is read in the encoding of the reader's locale. XML names its
        // encoding itself, and a parameter would override that (RFC 7303 §3).
        Some(text) if text.starts_with("text/") && !text.contains("xml") => {
            Cow::Owned(format!("{text}; charset=utf-8"))
        }
        Some(other) => Cow::Borrowed(other),
    }
}

/// The extensions that most sites have (this way they need no allocation), and those that
/// `mime_guess` has wrong.
fn corrected(extension: &str) -> Option<&'static str> {
    const LONGEST: usize = 11; // webmanifest
    let mut lower = [0; LONGEST];
    // A longer extension is not in this table.
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension.as_bytes());
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"html" | b"htm" => "text/html; charset=utf-8",
        b"css" => "text/css; charset=utf-8",
        b"txt" | b"text" | b"log" => PLAIN,
        // Browsers refuse a module script with another type (HTML, 8.1.4.2).
        b"js" | b"mjs" | b"cjs" => SCRIPT,
        // TypeScript far more often than an MPEG stream. No browser runs it, every browser shows
        // text.
        b"ts" | b"mts" | b"cts" | b"tsx" | b"jsx" => PLAIN,
        b"md" | b"markdown" => "text/markdown; charset=utf-8",
        b"csv" => "text/csv; charset=utf-8",
        b"vtt" => "text/vtt; charset=utf-8",
        // JSON has no charset parameter: it is always UTF-8 (RFC 8259 §8.1).
        b"json" | b"map" => "application/json",
        b"webmanifest" => "application/manifest+json",
        b"jsonl" | b"ndjson" => PLAIN,
        b"yaml" | b"yml" => "application/yaml", // RFC 9512
        b"toml" => "application/toml",
        b"xml" | b"xsl" | b"xslt" => "application/xml",
        b"wasm" => "application/wasm",
        b"svg" => "image/svg+xml",
        // Compressed: without Content-Encoding no browser could show it as an image.
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
        lower if TEXT_EXTENSIONS.split(' ').any(|text| text.as_bytes() == lower) => PLAIN,
        _ => return None,
    })
}

/// The media type of a file without extension.
fn without_extension(name: &[u8]) -> &'static str {
    match name {
        b"apple-app-site-association" => "application/json",
        _ if TEXT_NAMES.split(' ').any(|text| text.as_bytes().eq_ignore_ascii_case(name)) => PLAIN,
        _ => UNKNOWN,
    }
}

/// Whether compression could make a file of this type smaller. Pictures, films and archives are
/// compressed already: they have no prepared codings, and looking for one would cost three opens
/// per request.
pub fn is_compressible(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    match essence.split_once('/') {
        // These image formats are text or plain bitmaps.
        Some(("image", kind)) => matches!(kind, "svg+xml" | "bmp" | "x-icon" | "tiff" | "x-ms-bmp"),
        Some(("audio" | "video", _)) => false,
        // WOFF is compressed inside. TrueType and OpenType are not.
        Some(("font", kind)) => !kind.starts_with("woff"),
        Some(("application", kind)) => {
            // The office formats are ZIP archives.
            !kind.starts_with("vnd.openxmlformats") && !COMPRESSED.split(' ').any(|compressed| compressed == kind)
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
    fn no_coding_is_looked_for_beside_a_compressed_file() {
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
