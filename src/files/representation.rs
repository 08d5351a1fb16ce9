//! The representation of a file: its media type, by its name (RFC 9110 §8.3), and its content coding,
//! by negotiation (§8.4.1, §12.5.3).
//!
//! Guessing a type from content is how an uploaded picture becomes a page. So the name decides, and every
//! response says `nosniff`, so that browsers do not guess either. The first bytes decide three questions that
//! the name leaves open, and none of them makes a page of anything: whether a text is UTF-8
//! (`files::charset`), whether `.ts` is a film ([`is_transport_stream`]), whether `.svgz` is compressed.
//!
//! Nor is anything compressed here: the author of the site puts compressed files beside the original, so a
//! repeated request gets the same bytes and the validators hold.
//!
//! ```text
//! Accept-Encoding = #( codings [ weight ] )
//! codings         = content-coding / "identity" / "*"
//! ```
//!
//! | Accept-Encoding | preferred codings |
//! |---|---|
//! | absent | none: the original is sent |
//! | `gzip, br` | br, gzip |
//! | `gzip;q=0.9, br;q=0.5` | gzip, br |
//! | `*` | br, zstd, gzip |
//! | `gzip;q=0, *` | br, zstd |
//! | `identity, gzip;q=0.5` | none: the original is liked better |

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::http::field;

/// The media type of files of an unknown kind.
const UNKNOWN: &str = "application/octet-stream";
/// The parameter of text. The content may contradict it (`files::charset`).
pub(crate) const UTF8: &str = "; charset=utf-8";
/// Text without further meaning.
const PLAIN: &str = "text/plain; charset=utf-8";
/// JavaScript, by RFC 9239.
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Names without extension that are text.
const TEXT_NAMES: &str = "README LICENSE LICENCE COPYING COPYRIGHT NOTICE AUTHORS MAINTAINERS CONTRIBUTORS CODEOWNERS \
                          CHANGELOG CHANGES CONTRIBUTING INSTALL NEWS TODO VERSION Makefile Dockerfile Containerfile \
                          Justfile Procfile SHA256SUMS MD5SUMS";
/// Extensions of text that should be read, not run by the program that the desktop has for it.
const TEXT_EXTENSIONS: &str = "sh bash zsh fish bat ps1 psm1 psd1 java sql pl php rs lua go rb kt swift cs hpp scss sass \
                               vue svelte lock env diff patch tex rst adoc nfo pem properties gradle groovy scala dart \
                               zig hs nix tf proto graphql";
/// Subtypes of `application/` that are compressed already, beside those that end in `+zip`.
const COMPRESSED: &str = "gzip zip zstd pdf java-archive x-7z-compressed x-bzip2 x-xz x-rar-compressed \
                          x-compressed x-rpm vnd.android.package-archive x-shockwave-flash";

/// The extension of a name, without the dot. A dot at the beginning marks a hidden file, not an extension.
pub(crate) fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|&b| b == b'.').filter(|&dot| dot > 0)?;
    Some(&name[dot + 1..])
}

/// The media type of a file of this name, with its charset if it has one.
pub(crate) fn media_type(name: &[u8]) -> Cow<'static, str> {
    let Some(extension) = extension(name) else { return Cow::Borrowed(without_extension(name)) };
    let Ok(extension) = std::str::from_utf8(extension) else { return Cow::Borrowed(UNKNOWN) };
    if let Some(known) = corrected(extension) {
        return Cow::Borrowed(known);
    }
    match mime_guess::from_ext(extension).first_raw() {
        None => Cow::Borrowed(UNKNOWN),
        // Without a charset, text is read in the encoding of the reader's locale. XML names its
        // encoding itself, and a parameter would override that (RFC 7303 §3).
        Some(text) if text.starts_with("text/") && !text.contains("xml") => Cow::Owned(format!("{text}{UTF8}")),
        Some(other) => Cow::Borrowed(other),
    }
}

/// Frequent text (this way it needs no allocation), and what `mime_guess` has wrong.
fn corrected(extension: &str) -> Option<&'static str> {
    const LONGEST: usize = 12; // mobileconfig
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
        // No browser runs TypeScript, every browser shows text. An MPEG stream is told by its content.
        b"ts" | b"mts" | b"cts" | b"tsx" | b"jsx" => PLAIN,
        b"md" | b"markdown" => "text/markdown; charset=utf-8",
        b"csv" => "text/csv; charset=utf-8",
        b"vtt" => "text/vtt; charset=utf-8",
        // JSON has no charset parameter: it is always UTF-8 (RFC 8259 §8.1).
        b"map" | b"har" | b"ipynb" => "application/json",
        // Browsers store application/yaml (RFC 9512) and application/toml instead of showing them.
        b"jsonl" | b"ndjson" | b"json5" | b"jsonc" | b"hjson" | b"yaml" | b"yml" | b"toml" => PLAIN,
        b"xml" | b"xsl" | b"xslt" => "application/xml",
        b"tgz" => "application/gzip",
        b"br" => UNKNOWN,
        b"zst" => "application/zstd",
        b"woff" => "font/woff",
        b"otf" => "font/otf",
        b"m4a" => "audio/mp4",
        b"m3u8" => "application/vnd.apple.mpegurl",
        b"rpm" => "application/x-rpm",
        b"obj" => "model/obj",
        b"stl" => "model/stl",
        // iOS opens both by their type alone.
        b"usdz" => "model/vnd.usdz+zip",
        b"mobileconfig" => "application/x-apple-aspen-config",
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

/// Whether compression could make a file of this type smaller. Pictures, films and archives are compressed already:
/// they have no prepared codings, and looking for one would cost three opens per request.
pub(crate) fn is_compressible(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default();
    match essence.split_once('/') {
        Some((_, kind)) if kind.ends_with("+zip") => false,
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

/// Bytes at the beginning of a file that the two functions below look at.
pub(crate) const KIND_START: usize = 2 * 188 + 1;

/// Whether a file begins like an MPEG transport stream: packets of 188 bytes that begin with 0x47
/// (ISO/IEC 13818-1 §2.4.3.2). A TypeScript file may begin with `G`, which is 0x47, so three packets must fit.
pub(crate) fn is_transport_stream(start: &[u8]) -> bool {
    [0, 188, 376].iter().all(|&at| start.get(at) == Some(&0x47))
}

/// Whether a file begins like one in gzip (RFC 1952 §2.3.1).
pub(crate) fn is_gzip(start: &[u8]) -> bool {
    start.starts_with(b"\x1f\x8b")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Coding {
    /// The original.
    Identity,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// The codings that may be prepared beside a file, best compression first. At equal weight the first one is chosen.
    pub(crate) const PREPARED: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

    /// The name in Content-Encoding.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Brotli => "br",
            Coding::Zstd => "zstd",
            Coding::Gzip => "gzip",
        }
    }

    /// The end of the name of the prepared file.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Coding::Identity => "",
            Coding::Brotli => ".br",
            Coding::Zstd => ".zst",
            Coding::Gzip => ".gz",
        }
    }

    /// Whether `name` in Accept-Encoding means this coding. Names are case-insensitive.
    fn is_named(self, name: &[u8]) -> bool {
        // §8.4.1.3: x-gzip is gzip.
        name.eq_ignore_ascii_case(self.name().as_bytes())
            || self == Coding::Gzip && name.eq_ignore_ascii_case(b"x-gzip")
    }
}

/// The prepared codings that this client prefers to the original, best first. `values` are those of
/// all Accept-Encoding lines.
///
/// Without the field any coding would be allowed (§12.5.3), but the original is sent: such a client is usually a
/// program that saves the bytes as they are. If no available coding is acceptable, not even `identity;q=0`, the
/// original is sent as well: §12.4.1 allows that, and a 406 would not help the client.
pub(crate) fn preferred<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = Coding> {
    // The weights of the three prepared codings, of identity and of `*`.
    let mut weights = [None; 5];
    for (name, weight) in values.flat_map(field::weighted) {
        let at = match Coding::PREPARED.iter().position(|coding| coding.is_named(name)) {
            Some(at) => at,
            None if Coding::Identity.is_named(name) => 3,
            None if name == b"*" => 4,
            None => continue,
        };
        weights[at].get_or_insert(weight);
    }
    let [.., identity, others] = weights;
    // An unnamed identity is acceptable, but every named coding is preferred to it.
    let least = identity.or(others).unwrap_or(0);
    let mut ranked = [0, 1, 2].map(|at| (weights[at].or(others).unwrap_or(0), Coding::PREPARED[at]));
    ranked.sort_by_key(|(weight, _)| Reverse(*weight));
    ranked.into_iter().filter(move |(weight, _)| *weight > 0 && *weight >= least).map(|(_, coding)| coding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_types_browsers_understand() {
        for (name, expected) in [
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
            ("a.yaml", PLAIN),
            ("a.yml", PLAIN),
            ("a.toml", PLAIN),
            ("a.json5", PLAIN),
            ("a.ps1", PLAIN),
            ("a.har", "application/json"),
            ("a.ipynb", "application/json"),
            ("a.usdz", "model/vnd.usdz+zip"),
            ("a.mobileconfig", "application/x-apple-aspen-config"),
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
            ("a.svgz", "image/svg+xml"),
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
            assert_eq!(media_type(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(media_type(b"\xff.html"), "text/html; charset=utf-8");
        assert_eq!(media_type(b"a.\xff"), UNKNOWN);
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
            ("a.epub", false),
            ("a.usdz", false),
        ] {
            assert_eq!(is_compressible(&media_type(name.as_bytes())), expected, "{name}");
        }
    }

    #[test]
    fn a_script_that_begins_with_a_g_is_no_film() {
        let with =
            |places: &[usize]| (0..400).map(|at| if places.contains(&at) { 0x47 } else { 0 }).collect::<Vec<u8>>();
        assert!(is_transport_stream(&with(&[0, 188, 376])));
        for places in [&[][..], &[0], &[0, 188], &[188, 376], &[0, 376], &[1, 189, 377]] {
            assert!(!is_transport_stream(&with(places)), "{places:?}");
        }
        assert!(!is_transport_stream(&with(&[0, 188, 376])[..376]), "too short for three packets");
    }

    #[track_caller]
    fn check(lines: &[&str], expected: &[&str]) {
        let got: Vec<_> = preferred(lines.iter().map(|l| l.as_bytes())).map(Coding::name).collect();
        assert_eq!(got, expected, "{lines:?}");
    }

    #[test]
    fn weights_decide_and_at_equal_weight_the_smaller_result() {
        check(&[], &[]);
        check(&[""], &[]);
        check(&["gzip, deflate, br, zstd"], &["br", "zstd", "gzip"]);
        check(&["gzip", "br"], &["br", "gzip"]);
        check(&["GZIP"], &["gzip"]);
        check(&["x-gzip"], &["gzip"]);
        check(&["gzip;q=1.0, br;q=0.5"], &["gzip", "br"]);
        check(&["zstd;q=0.9, br;q=0.9, gzip"], &["gzip", "br", "zstd"]);
        check(&["deflate, compress"], &[]);
        check(&["*"], &["br", "zstd", "gzip"]);
        check(&["br;q=0, *"], &["zstd", "gzip"]);
        check(&["gzip;q=0.001"], &["gzip"]);
    }

    #[test]
    fn a_weight_of_zero_means_never() {
        check(&["gzip;q=0"], &[]);
        check(&["gzip;q=0.000, br;q=0.0"], &[]);
        check(&["*;q=0"], &[]);
        check(&["*;q=0, gzip"], &["gzip"]);
        check(&["gzip;q=0, gzip"], &[]);
    }

    #[test]
    fn identity_is_last_unless_it_is_named() {
        check(&["identity"], &[]);
        check(&["identity, gzip;q=0.5"], &[]);
        check(&["identity;q=0.5, gzip;q=0.5"], &["gzip"]);
        check(&["identity;q=0.5, gzip;q=0.4, br;q=0.6"], &["br"]);
        check(&["identity;q=0, gzip;q=0.1"], &["gzip"]);
        check(&["identity;q=0"], &[]);
        check(&["gzip;q=0.5, *"], &["br", "zstd"]);
        // What Chromium sends for a video.
        check(&["identity;q=1, *;q=0"], &[]);
    }
}
