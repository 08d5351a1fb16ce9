//! The patterns of routes: `/a/{b}/{*c}`, compared with the decoded path.

use std::sync::Arc;

use crate::service::call::Ranges;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Literal(Box<[u8]>),
    One(Arc<str>),
    Rest(Arc<str>),
}

/// The segments of `/a/{b}/{*c}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Segment>);

impl Pattern {
    pub(super) fn parse(text: &str) -> Pattern {
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
    pub(super) fn rank(&self) -> Vec<u8> {
        let rank = |segment: &Segment| match segment {
            Segment::Literal(_) => 0,
            Segment::One(_) => 1,
            Segment::Rest(_) => 2,
        };
        self.0.iter().map(rank).collect()
    }

    /// The ranges of the parameters in `path`, if it matches.
    pub(super) fn matches(&self, path: &[u8]) -> Option<Ranges> {
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
