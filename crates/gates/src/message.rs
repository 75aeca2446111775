//! Messages: one line, of bounded length, without secrets.

use promotion::{Measured, MeasuredResult};

/// Characters a message has at most: it is stored in `status` for every gate.
const LONGEST: usize = 400;

/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";

/// A word of a secret from this length on is a secret itself; shorter ones are words of the language, as `Token`.
const SECRET_WORD: usize = 7;

pub(crate) fn measured(result: MeasuredResult, message: &str) -> Measured {
    Measured {
        result,
        message: one_line(message, LONGEST),
    }
}

pub(crate) fn error(message: &str) -> Measured {
    measured(MeasuredResult::Error, message)
}

/// The text without control characters, cut where it grows too long.
pub(crate) fn one_line(text: &str, longest: usize) -> String {
    let mut line = String::new();
    for (count, word) in text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
        .enumerate()
    {
        if count > 0 {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > 8 * longest {
            break; // long enough to be cut
        }
    }
    if line.chars().count() <= longest {
        return line;
    }
    let mut cut: String = line.chars().take(longest.saturating_sub(3)).collect();
    cut.push_str("...");
    cut
}

/// The text with every secret taken out, for an endpoint may send back what it was sent. To be done before a text is cut:
/// a cut may leave the first half of a secret.
pub(crate) fn hide(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret.as_str(), HIDDEN);
        // Of `Bearer abc` the part after the scheme alone.
        for word in secret.split_whitespace().filter(|word| word.len() >= SECRET_WORD) {
            text = text.replace(word, HIDDEN);
        }
    }
    text
}

/// An error with its causes.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.ends_with(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_of_bounded_length() {
        assert_eq!(one_line(" a\n\tb\u{7}c ", 10), "a b c");
        assert_eq!(one_line("abcdefghij", 10), "abcdefghij");
        assert_eq!(one_line("abcdefghijk", 10), "abcdefg...");
        assert_eq!(one_line(&"äö ".repeat(5_000), 10).chars().count(), 10);
    }

    #[test]
    fn secrets_are_taken_out() {
        let secrets = ["Bearer hunter2".to_owned(), String::new()];
        assert_eq!(
            hide("Bearer hunter2 and hunter2", &secrets),
            "(hidden) and (hidden)"
        );
    }
}
