//! Policy variables. Source: IAM User Guide, "IAM policy elements: Variables and tags".

use super::context::Context;
use crate::policy::Glyph;
use std::borrow::Cow;

/// A text of a policy, with its variables and wildcards found.
#[derive(Clone, Debug)]
pub(super) enum Template {
    /// No variable.
    Fixed(Vec<Glyph>),
    /// With variables.
    Variable(Vec<Piece>),
}

#[derive(Clone, Debug)]
pub(super) enum Piece {
    Glyph(Glyph),
    /// `${key}` or `${key, 'default'}`.
    Variable {
        /// In lower case.
        key: String,
        default: Option<String>,
    },
}

impl Template {
    /// Finds variables, if the document's version has them, and wildcards, if the element has them: those that come out of
    /// a variable are no wildcards. `${*}`, `${?}` and `${$}` are the characters themselves. What is begun with `${` and not
    /// ended is text.
    pub(super) fn parse(text: &str, wildcards: bool, variables: bool) -> Self {
        let glyph = |character| {
            if wildcards {
                Glyph::wild(character)
            } else {
                Glyph::Char(character)
            }
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(character) = rest.chars().next() {
            let named = rest.strip_prefix("${").filter(|_| variables);
            if let Some((name, after)) = named.and_then(|named| named.split_once('}')) {
                pieces.push(piece(name));
                rest = after;
            } else {
                pieces.push(Piece::Glyph(glyph(character)));
                rest = &rest[character.len_utf8()..];
            }
        }
        let fixed = pieces.iter().map(|piece| match piece {
            Piece::Glyph(glyph) => Some(*glyph),
            Piece::Variable { .. } => None,
        });
        match fixed.collect::<Option<Vec<Glyph>>>() {
            Some(glyphs) => Self::Fixed(glyphs),
            None => Self::Variable(pieces),
        }
    }

    /// The text with all characters in lower case, for comparisons that ignore it.
    pub(super) fn lower_case(self) -> Self {
        match self {
            Self::Fixed(glyphs) => Self::Fixed(lower_case(&glyphs)),
            variable @ Self::Variable(_) => variable,
        }
    }

    /// The text with something before it.
    pub(super) fn after(self, mut first: Vec<Glyph>) -> Self {
        match self {
            Self::Fixed(glyphs) => {
                first.extend(glyphs);
                Self::Fixed(first)
            }
            Self::Variable(pieces) => {
                Self::Variable(first.into_iter().map(Piece::Glyph).chain(pieces).collect())
            }
        }
    }

    /// The pattern for one request; `None`: the request has no value for a variable without a default, or several.
    pub(super) fn resolve<'a>(&'a self, context: &Context) -> Option<Cow<'a, [Glyph]>> {
        let pieces = match self {
            Self::Fixed(glyphs) => return Some(Cow::Borrowed(glyphs)),
            Self::Variable(pieces) => pieces,
        };
        let mut glyphs = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Glyph(glyph) => glyphs.push(*glyph),
                Piece::Variable { key, default } => {
                    let value = match context.values(key) {
                        Some([one]) => one,
                        Some(_) => return None,
                        None => default.as_ref()?,
                    };
                    glyphs.extend(value.chars().map(Glyph::Char));
                }
            }
        }
        Some(Cow::Owned(glyphs))
    }
}

/// Each character in lower case, as [`str::to_lowercase`] but for Greek's two small sigmas.
pub(super) fn lower_case(glyphs: &[Glyph]) -> Vec<Glyph> {
    let mut lower = Vec::with_capacity(glyphs.len());
    for glyph in glyphs {
        match glyph {
            Glyph::Char(character) => lower.extend(character.to_lowercase().map(Glyph::Char)),
            other => lower.push(*other),
        }
    }
    lower
}

/// What stands between `${` and `}`.
fn piece(name: &str) -> Piece {
    if let "*" | "?" | "$" = name {
        return Piece::Glyph(Glyph::Char(name.chars().next().unwrap_or('$')));
    }
    let (key, default) = match name.split_once(',') {
        Some((key, default)) => {
            let default = default.trim();
            let quoted = default
                .strip_prefix('\'')
                .and_then(|default| default.strip_suffix('\''));
            (key, quoted.map(str::to_owned))
        }
        None => (name, None),
    };
    Piece::Variable {
        key: key.trim().to_lowercase(),
        default,
    }
}
