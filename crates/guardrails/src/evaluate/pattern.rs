//! How `Action`, `Resource` and ARNs in conditions match.

use super::{context::Context, variables::Template};
use crate::policy::{Glyph, Selection, covers, covers_glyphs};

/// `Action` or `NotAction`.
///
/// Neither upper and lower case nor the place of a wildcard matters (IAM User Guide, "IAM JSON policy elements: Action").
#[derive(Clone, Debug)]
pub(super) struct Actions {
    patterns: Vec<Action>,
    not: bool,
}

/// A pattern in lower case, cut before its first wildcard: most patterns fail in what comes before, and that is quick.
#[derive(Clone, Debug)]
struct Action {
    before: String,
    rest: String,
}

impl Action {
    fn new(pattern: &str) -> Self {
        let wildcard = pattern.find(['*', '?']).unwrap_or(pattern.len());
        let (before, rest) = pattern.split_at(wildcard);
        Self {
            before: before.to_ascii_lowercase(),
            rest: rest.to_ascii_lowercase(),
        }
    }

    fn covers(&self, action: &str) -> bool {
        let rest = action.strip_prefix(self.before.as_str());
        rest.is_some_and(|rest| covers(&self.rest, rest))
    }
}

impl Actions {
    pub(super) fn new(selection: &Selection) -> Self {
        let patterns = selection.patterns().iter();
        Self {
            patterns: patterns.map(|pattern| Action::new(pattern)).collect(),
            not: matches!(selection, Selection::Not(_)),
        }
    }

    /// Is a statement with these about the action, given in lower case?
    pub(super) fn contain(&self, action: &str) -> bool {
        let any = self.patterns.iter().any(|pattern| pattern.covers(action));
        any != self.not
    }
}

/// `Resource` or `NotResource`.
///
/// Upper and lower case differ. A wildcard stands for characters within its part of the ARN, the parts being what colons
/// separate, but a `*` that ends a part goes beyond colons (IAM User Guide, "IAM JSON policy elements: Resource"). The sixth
/// part is whatever the service makes of it, slashes and colons too, so wildcards in it stand for any character. Variables
/// are only in the sixth part ("Where you can use policy variables"); before it, they are text.
#[derive(Clone, Debug)]
pub(super) struct Resources {
    patterns: Vec<Resource>,
    not: bool,
}

#[derive(Clone, Debug)]
enum Resource {
    All,
    Arn(Template),
}

impl Resources {
    pub(super) fn new(selection: &Selection, variables: bool) -> Self {
        let patterns = selection.patterns().iter();
        Self {
            patterns: patterns.map(|pattern| resource(pattern, variables)).collect(),
            not: matches!(selection, Selection::Not(_)),
        }
    }

    /// Is a statement with these about the request's resource? A pattern whose variable has no value covers nothing.
    pub(super) fn contain(&self, resource: &str, context: &Context) -> bool {
        let any = self.patterns.iter().any(|pattern| match pattern {
            Resource::All => true,
            Resource::Arn(template) => template
                .resolve(context)
                .is_some_and(|glyphs| covers_glyphs(&glyphs, resource)),
        });
        any != self.not
    }
}

fn resource(pattern: &str, variables: bool) -> Resource {
    if pattern == "*" {
        return Resource::All;
    }
    let sixth = pattern
        .match_indices(':')
        .nth(4)
        .map_or(pattern.len(), |(colon, _)| colon + 1);
    let (parts, rest) = pattern.split_at(sixth);
    let mut glyphs = Vec::new();
    let mut characters = parts.chars().peekable();
    while let Some(character) = characters.next() {
        let ends_its_part = matches!(characters.peek(), None | Some(':'));
        glyphs.push(match character {
            '*' if ends_its_part => Glyph::Many,
            '*' => Glyph::ManyWithin,
            '?' => Glyph::OneWithin,
            other => Glyph::Char(other),
        });
    }
    Resource::Arn(Template::parse(rest, true, variables).after(glyphs))
}

/// Does an ARN pattern of a condition cover the ARN? Each of the six parts by itself (IAM User Guide, "ARN condition
/// operators"); a lone `*` covers every ARN, and what has fewer than six parts is no ARN and covered by nothing else.
pub(super) fn covers_arn(pattern: &[Glyph], arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    let mut values = [""; 6];
    for value in &mut values {
        let Some(part) = parts.next() else { return false };
        *value = part;
    }
    if pattern == [Glyph::Many] {
        return true;
    }
    let mut patterns = pattern.splitn(6, |glyph| *glyph == Glyph::Char(':'));
    values.iter().all(|value| {
        patterns
            .next()
            .is_some_and(|pattern| covers_glyphs(pattern, value))
    })
}
