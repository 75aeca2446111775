//! AWS's two wildcards.

/// One element of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Glyph {
    /// Itself.
    Char(char),
    /// `?`: one character.
    One,
    /// `*`: any number of characters.
    Many,
    /// `?` that stands for no colon.
    OneWithin,
    /// `*` that stands for no colon.
    ManyWithin,
}

impl Glyph {
    /// The character of a pattern, where `*` and `?` are wildcards.
    pub(crate) fn wild(character: char) -> Self {
        match character {
            '*' => Self::Many,
            '?' => Self::One,
            other => Self::Char(other),
        }
    }
}

/// Does the pattern cover the text? `*` stands for any number of characters, `?` for one. Upper and lower case differ.
pub fn covers(pattern: &str, text: &str) -> bool {
    let at = |index: usize| {
        let character = pattern.get(index..)?.chars().next()?;
        Some((Glyph::wild(character), index + character.len_utf8()))
    };
    greedy(at, text)
}

/// Does the pattern cover the text?
pub(crate) fn covers_glyphs(pattern: &[Glyph], text: &str) -> bool {
    if pattern.contains(&Glyph::ManyWithin) {
        thorough(pattern, text)
    } else {
        greedy(|index| Some((*pattern.get(index)?, index + 1)), text)
    }
}

/// Only the last `*` is ever tried again, because an earlier one could not do better; so no pattern takes long.
///
/// `at` gives what stands at an index, and the next index.
fn greedy(at: impl Fn(usize) -> Option<(Glyph, usize)>, text: &str) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut again: Option<(usize, usize)> = None;
    while let Some(character) = text.get(t..).and_then(|rest| rest.chars().next()) {
        match at(p) {
            Some((Glyph::Many, next)) => {
                p = next;
                again = Some((next, t));
                continue;
            }
            Some((Glyph::One, next)) => p = next,
            Some((Glyph::OneWithin, next)) if character != ':' => p = next,
            Some((Glyph::Char(same), next)) if same == character => p = next,
            _ => {
                let Some((after, from)) = again else {
                    return false;
                };
                let skipped = text.get(from..).and_then(|rest| rest.chars().next());
                let from = from + skipped.map_or(1, char::len_utf8);
                again = Some((after, from));
                (p, t) = (after, from);
                continue;
            }
        }
        t += character.len_utf8();
    }
    while let Some((Glyph::Many, next)) = at(p) {
        p = next;
    }
    at(p).is_none()
}

/// All positions in the pattern at once: a `*` that stops at a colon may fail where an earlier one would do better.
fn thorough(pattern: &[Glyph], text: &str) -> bool {
    let many = |glyph: Option<&Glyph>| matches!(glyph, Some(Glyph::Many | Glyph::ManyWithin));
    // A position before a * is also one after it.
    let reach = |positions: &mut Vec<bool>, mut position: usize| {
        positions[position] = true;
        while many(pattern.get(position)) {
            position += 1;
            positions[position] = true;
        }
    };
    let mut now = vec![false; pattern.len() + 1];
    reach(&mut now, 0);
    for character in text.chars() {
        let mut next = vec![false; pattern.len() + 1];
        for (position, glyph) in pattern.iter().enumerate().filter(|(index, _)| now[*index]) {
            match glyph {
                Glyph::Many => reach(&mut next, position),
                Glyph::ManyWithin if character != ':' => reach(&mut next, position),
                Glyph::One => reach(&mut next, position + 1),
                Glyph::OneWithin if character != ':' => reach(&mut next, position + 1),
                Glyph::Char(same) if *same == character => reach(&mut next, position + 1),
                _ => {}
            }
        }
        now = next;
    }
    now[pattern.len()]
}
