//! Paths by segment. Owns the grammar of a path template and its match against a canonical path: `{name}` is one
//! segment that is not empty, a trailing `/**` any number of segments, everything else itself. There are no
//! regular expressions and no prefixes of text, so that `/app/**` never covers `/application`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::canonical::{self, AmbiguousPath, canonical_path};
use crate::truth::Truth;

/// A valid path template, such as `/charges/{id}` or `/app/**`.
#[derive(Clone)]
pub struct PathTemplate {
    text: Arc<str>,
    segments: Arc<[Segment]>,
    /// Whether it ends in `/**`.
    open: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    /// Exactly this text, canonical.
    Literal(Box<str>),
    /// Any text but the empty one.
    One,
}

/// Why a text is not a path template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathTemplateError {
    /// It does not start with a slash.
    #[error("{text:?} does not start with '/'; {HINT}")]
    NotAbsolute {
        /// What was written.
        text: String,
    },
    /// A `*` that is not the trailing `/**`.
    #[error("'*' may only stand in a trailing \"/**\", not in {text:?}; {HINT}")]
    Wildcard {
        /// What was written.
        text: String,
    },
    /// A character that is none of a path's, most of them a regular expression's.
    #[error("{found:?} cannot stand in the path {text:?}; {HINT}")]
    Character {
        /// What was written.
        text: String,
        /// The character.
        found: char,
    },
    /// The fragment of a regular expression whose characters could all stand in a path.
    #[error("{text:?} looks like a regular expression; {HINT}")]
    RegularExpression {
        /// What was written.
        text: String,
    },
    /// A brace that is not around a whole segment, or around something that is no name.
    #[error("{segment:?} is neither plain text nor a whole segment \"{{name}}\" of [a-zA-Z0-9_-]; {HINT}")]
    Parameter {
        /// The segment.
        segment: String,
    },
    /// A literal that no path in canonical form could equal.
    #[error("{text:?} is not in canonical form; write {canonical:?}")]
    NotCanonical {
        /// What was written.
        text: String,
        /// What to write.
        canonical: String,
    },
    /// A literal that has no canonical form.
    #[error("{text:?} can never match: {reason}")]
    Ambiguous {
        /// What was written.
        text: String,
        /// Why not.
        reason: AmbiguousPath,
    },
}

const HINT: &str = "paths are path templates by segment, such as \"/charges/{id}\" or \"/app/**\", \
                    never regular expressions";

impl PathTemplate {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Self, PathTemplateError> {
        let Some(mut path) = text.strip_prefix('/') else {
            return Err(PathTemplateError::NotAbsolute { text: text.to_owned() });
        };
        let open = path == "**" || path.ends_with("/**");
        if open {
            path = path.strip_suffix("**").unwrap_or(path);
            path = path.strip_suffix('/').unwrap_or(path);
        }
        check_characters(text, path)?;
        // The whole of it, because an empty or relative segment is only seen between slashes.
        canonical_path("", &text.replace(['{', '}'], ""))
            .map_err(|reason| PathTemplateError::Ambiguous { text: text.to_owned(), reason })?;
        let everything_below_root = open && path.is_empty();
        let segments = path
            .split('/')
            .filter(|_| !everything_below_root)
            .map(parse_segment)
            .collect::<Result<Arc<[_]>, _>>()?;
        Ok(Self { text: text.into(), segments, open })
    }

    /// The template that matches this canonical path and nothing else; none where the path holds what templates
    /// give another meaning, or cannot hold.
    pub(crate) fn exactly(path: &str) -> Option<Self> {
        let template = Self::parse(path).ok()?;
        let is_literal = |segment: &Segment| matches!(segment, Segment::Literal(_));
        (!template.open && template.segments.iter().all(is_literal)).then_some(template)
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Holds the template against a canonical path. Unknown when a literal is equal only for a server that
    /// decodes more than the unreserved characters: `/users/7%3Adelete` against `/users/7:delete`.
    pub(crate) fn matches(&self, path: &str) -> Truth {
        // The `*` of OPTIONS has no segments, and matches no template.
        let Some(path) = path.strip_prefix('/') else { return Truth::False };
        let mut found = path.split('/');
        let mut truth = Truth::True;
        for wanted in self.segments.iter() {
            let Some(segment) = found.next() else { return Truth::False };
            truth = truth.and(wanted.matches(segment));
        }
        if !self.open && found.next().is_some() {
            return Truth::False;
        }
        truth
    }
}

impl Segment {
    fn matches(&self, found: &str) -> Truth {
        match self {
            Self::One => Truth::from(!found.is_empty()),
            Self::Literal(wanted) if **wanted == *found => Truth::True,
            Self::Literal(wanted) if canonical::equal_when_decoded(wanted, found) => Truth::Unknown,
            Self::Literal(_) => Truth::False,
        }
    }
}

fn check_characters(text: &str, path: &str) -> Result<(), PathTemplateError> {
    let own = || text.to_owned();
    if path.contains('*') {
        return Err(PathTemplateError::Wildcard { text: own() });
    }
    if path.contains(".+") {
        return Err(PathTemplateError::RegularExpression { text: own() });
    }
    // RFC 3986 §3.3: pchar, '/', and the braces of our own; ';' has no place in a canonical path.
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()+,=:@/{}".contains(c);
    match path.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(PathTemplateError::Character { text: own(), found }),
        None => Ok(()),
    }
}

fn parse_segment(segment: &str) -> Result<Segment, PathTemplateError> {
    if !segment.contains(['{', '}']) {
        return parse_literal(segment);
    }
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if named { Ok(Segment::One) } else { Err(PathTemplateError::Parameter { segment: segment.to_owned() }) }
}

fn parse_literal(segment: &str) -> Result<Segment, PathTemplateError> {
    let path = format!("/{segment}");
    match canonical_path("", &path) {
        Ok(Cow::Borrowed(_)) => Ok(Segment::Literal(segment.into())),
        Ok(Cow::Owned(canonical)) => Err(PathTemplateError::NotCanonical {
            text: segment.to_owned(),
            canonical: canonical.trim_start_matches('/').to_owned(),
        }),
        Err(reason) => Err(PathTemplateError::Ambiguous { text: segment.to_owned(), reason }),
    }
}

impl PartialEq for PathTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for PathTemplate {}

impl fmt::Display for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for PathTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PathTemplate({})", self.text)
    }
}

#[cfg(test)]
mod tests;
