//! Patterns: wildcards and policy variables.

use std::borrow::Cow;

use super::Context;

/// One place of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    /// `?`
    One,
    /// `*`
    Any,
    /// `?`, but no colon.
    OneWithin,
    /// `*`, but no colon.
    AnyWithin,
    /// `${key}` or `${key, 'default'}`; the key in lower case.
    Variable {
        key: String,
        default: Option<String>,
    },
}

/// How a text of a policy is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    /// `*` and `?` stand for others.
    pub(super) wildcards: bool,
    /// `${..}` stands for a value of the request.
    pub(super) variables: bool,
    /// Case does not count.
    pub(super) fold: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Pattern {
    parts: Vec<Part>,
    fold: bool,
    has_variables: bool,
}

impl Pattern {
    pub(super) fn new(text: &str, reading: Reading) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let variable = Some(rest).filter(|_| reading.variables).and_then(variable);
            if let Some((part, after)) = variable {
                parts.push(part);
                rest = after;
                continue;
            }
            match first {
                '*' if reading.wildcards => parts.push(Part::Any),
                '?' if reading.wildcards => parts.push(Part::One),
                first if reading.fold => parts.extend(first.to_lowercase().map(Part::Char)),
                first => parts.push(Part::Char(first)),
            }
            rest = &rest[first.len_utf8()..];
        }
        let has_variables = parts.iter().any(|part| matches!(part, Part::Variable { .. }));
        Self {
            parts,
            fold: reading.fold,
            has_variables,
        }
    }

    /// A pattern of `Resource` or `NotResource` (IAM user guide, reference_policies_elements_resource): a wildcard does not
    /// go beyond the segment it is in, the segments being what colons separate, but a `*` at a segment's end does. What
    /// follows the fifth colon is one segment to all services, so nothing holds a wildcard there. Nor are there variables
    /// before it (reference_policies_variables).
    pub(super) fn resource(text: &str, variables: bool) -> Self {
        let reading = Reading {
            wildcards: true,
            variables,
            fold: false,
        };
        if text == "*" {
            return Self::new(text, reading);
        }
        let fifth = text.match_indices(':').nth(4);
        let (head, tail) = text.split_at(fifth.map_or(text.len(), |(colon, _)| colon + 1));
        let mut parts = Vec::new();
        for segment in head.split_inclusive(':') {
            let inner = segment.strip_suffix(':').unwrap_or(segment);
            let last = inner.chars().count().saturating_sub(1);
            parts.extend(inner.chars().enumerate().map(|(place, c)| match c {
                '*' if place == last => Part::Any,
                '*' => Part::AnyWithin,
                '?' => Part::OneWithin,
                c => Part::Char(c),
            }));
            parts.extend(segment.ends_with(':').then_some(Part::Char(':')));
        }
        let tail = Self::new(tail, reading);
        parts.extend(tail.parts);
        Self { parts, ..tail }
    }

    /// Whether the whole value is matched; with [`Reading::fold`] the value must be in lower case.
    pub(super) fn matches(&self, value: &[char], context: &Context) -> bool {
        let Some(parts) = self.resolve(context) else {
            return false;
        };
        if parts.contains(&Part::AnyWithin) {
            glob_within(&parts, value)
        } else {
            glob(&parts, value)
        }
    }

    /// Each of the six parts between an ARN's colons for itself; a bare `*` is any ARN. What is no ARN matches nothing.
    pub(super) fn matches_arn(&self, value: &[char], context: &Context) -> bool {
        let Some(parts) = self.resolve(context) else {
            return false;
        };
        let values: Vec<&[char]> = value.splitn(6, |c| *c == ':').collect();
        if values.len() < 6 || *parts == [Part::Any] {
            return values.len() == 6;
        }
        let patterns: Vec<&[Part]> = parts.splitn(6, |part| *part == Part::Char(':')).collect();
        let mut pairs = patterns.iter().zip(&values);
        patterns.len() == 6 && pairs.all(|(pattern, value)| glob(pattern, value))
    }

    /// Without variables; none when one of them has no single value.
    fn resolve(&self, context: &Context) -> Option<Cow<'_, [Part]>> {
        if !self.has_variables {
            return Some(Cow::Borrowed(&self.parts));
        }
        let mut resolved = Vec::new();
        for part in &self.parts {
            let Part::Variable { key, default } = part else {
                resolved.push(part.clone());
                continue;
            };
            // The default is for a key that is missing, not for one that cannot be a variable.
            let value = match context.values(key) {
                [value] => value,
                [] => default.as_ref()?,
                _ => return None,
            };
            if self.fold {
                resolved.extend(value.chars().flat_map(char::to_lowercase).map(Part::Char));
            } else {
                resolved.extend(value.chars().map(Part::Char));
            }
        }
        Some(Cow::Owned(resolved))
    }
}

/// The variable at the beginning of the text, and what follows it. `${*}`, `${?}` and `${$}` are the character itself.
fn variable(text: &str) -> Option<(Part, &str)> {
    let (inner, after) = text.strip_prefix("${")?.split_once('}')?;
    let part = match inner {
        "*" | "?" | "$" => Part::Char(inner.chars().next()?),
        _ => {
            let (key, default) = match inner.split_once(',') {
                None => (inner, None),
                Some((key, default)) => {
                    let default = default.trim().strip_prefix('\'')?.strip_suffix('\'')?;
                    (key, Some(default.to_owned()))
                }
            };
            Part::Variable {
                key: key.trim().to_lowercase(),
                default,
            }
        }
    };
    Some((part, after))
}

/// Goes back to the last `*` only, which is enough: an earlier one has nothing to gain from more characters.
fn glob(pattern: &[Part], value: &[char]) -> bool {
    let (mut p, mut v) = (0, 0);
    // Behind the last `*`, and up to where it reaches.
    let mut star: Option<(usize, usize)> = None;
    while v < value.len() {
        match pattern.get(p) {
            Some(Part::Any) => {
                p += 1;
                star = Some((p, v));
            }
            Some(Part::One) => {
                p += 1;
                v += 1;
            }
            Some(Part::OneWithin) if value[v] != ':' => {
                p += 1;
                v += 1;
            }
            Some(Part::Char(c)) if *c == value[v] => {
                p += 1;
                v += 1;
            }
            _ => {
                let Some((behind, reach)) = star else {
                    return false;
                };
                p = behind;
                v = reach + 1;
                star = Some((behind, v));
            }
        }
    }
    pattern[p..].iter().all(|part| *part == Part::Any)
}

/// Where a `*` stops at a colon, the last one is not always the one to go back to. So: how much of the value can the
/// pattern up to each of its parts match?
fn glob_within(pattern: &[Part], value: &[char]) -> bool {
    let mut before: Vec<bool> = (0..=value.len()).map(|length| length == 0).collect();
    for part in pattern {
        let mut now = vec![false; before.len()];
        now[0] = before[0] && matches!(part, Part::Any | Part::AnyWithin);
        for (place, c) in value.iter().enumerate() {
            let (without, with) = (before[place], now[place]);
            now[place + 1] = match part {
                Part::Char(same) => without && same == c,
                Part::One => without,
                Part::OneWithin => without && *c != ':',
                Part::Any => before[place + 1] || with,
                Part::AnyWithin => before[place + 1] || (with && *c != ':'),
                Part::Variable { .. } => false,
            };
        }
        before = now;
    }
    before.last().is_some_and(|whole| *whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIKE: Reading = Reading {
        wildcards: true,
        variables: true,
        fold: false,
    };

    fn matches(pattern: &str, value: &str) -> bool {
        let mut context = Context::default();
        context.set_one("aws:username", "a*b");
        context.set("aws:PrincipalOrgPaths", vec!["x".to_owned(), "y".to_owned()]);
        let value: Vec<char> = value.chars().collect();
        Pattern::new(pattern, LIKE).matches(&value, &context)
    }

    #[test]
    fn wildcards_match_the_whole_value() {
        for (pattern, value) in [
            ("*", ""),
            ("**", "a"),
            ("a*c", "abcbc"),
            ("*a*b", "aab"),
            ("?", "ä"),
            ("a?", "ab"),
            ("", ""),
            ("*x?y*", "1x2y3x4"),
        ] {
            assert!(matches(pattern, value), "{pattern} {value}");
        }
        for (pattern, value) in [
            ("", "a"),
            ("?", ""),
            ("a", "A"),
            ("a*c", "abcb"),
            ("a?", "a"),
            ("*ab", "abc"),
        ] {
            assert!(!matches(pattern, value), "{pattern} {value}");
        }
    }

    #[test]
    fn variables_stand_for_one_value_literally() {
        assert!(matches("x/${AWS:UserName}/*", "x/a*b/y"));
        assert!(!matches("${aws:username}", "aXb"), "no wildcard in a value");
        assert!(matches("${*}${?}${$}", "*?$") && !matches("${*}", "a"));
        assert!(matches("${aws:PrincipalTag/team, 'all of us'}/*", "all of us/1"));
        assert!(!matches("*${aws:PrincipalTag/team}*", ""), "no value");
        assert!(!matches("${aws:PrincipalOrgPaths}", "x"), "several values");
        assert!(
            !matches("${aws:PrincipalOrgPaths, 'z'}", "z"),
            "several values have no default"
        );
        assert!(matches("${aws:username", "${aws:username"), "not closed");
    }

    #[test]
    fn arns_match_part_by_part() {
        let arn = |pattern: &str, value: &str| {
            let value: Vec<char> = value.chars().collect();
            Pattern::new(pattern, LIKE).matches_arn(&value, &Context::default())
        };
        assert!(arn("arn:*:iam::*:role/a*", "arn:aws:iam::1:role/a/b:c"));
        assert!(arn("*", "arn:aws:iam::1:role/a"));
        assert!(!arn("arn:*:role/a", "arn:aws:iam::1:role/a"), "not past a colon");
        assert!(!arn("arn:aws:iam::1:role/a", "arn:aws:iam::1:role/A"));
        assert!(!arn("arn:aws:iam::1:*", "somebody") && !arn("*", "somebody") && !arn("*", ""));
    }

    #[test]
    fn a_wildcard_of_a_resource_stays_in_its_segment_unless_it_ends_it() {
        for (pattern, value, expected) in [
            ("*", "*", true),
            ("*", "arn:aws:s3:::bucket/key", true),
            ("arn:aws:s3:::*", "*", false),
            ("arn:aws:s3*", "arn:aws:s3:::bucket/key", true),
            ("arn:*:iam::*:role/a", "arn:aws:iam::1:role/a", true),
            ("arn:aws:ec2:us*:i/1", "arn:aws:ec2:us-east-1:1:i/1", true),
            ("arn:aws:ec2:us*1:1:i/1", "arn:aws:ec2:us-east-1:1:i/1", true),
            ("arn:aws:ec2:us*1:1:i/1", "arn:aws:ec2:us-east-2:1:1:i/1", false),
            ("arn:aws:ec2:*:a*b:i", "arn:aws:ec2:x:ab:y:ab:i", true),
            ("arn:aws:iam:?:1:a", "arn:aws:iam:::1:a", false),
            ("arn:aws:iam::1?:a", "arn:aws:iam::12:a", true),
            (
                "arn:aws:logs:r:1:group:a*z:?",
                "arn:aws:logs:r:1:group:a:b:z:s",
                true,
            ),
            ("arn:aws:logs:r:1:a?b", "arn:aws:logs:r:1:a:b", true),
            ("arn:aws:s3:::${aws:username}", "arn:aws:s3:::a*b", true),
            ("arn:aws:s3:${aws:username}::c", "arn:aws:s3:a*b::c", false),
        ] {
            let mut context = Context::default();
            context.set_one("aws:username", "a*b");
            let value: Vec<char> = value.chars().collect();
            let pattern_of = Pattern::resource(pattern, true);
            assert_eq!(
                pattern_of.matches(&value, &context),
                expected,
                "{pattern} {value:?}"
            );
        }
    }
}
