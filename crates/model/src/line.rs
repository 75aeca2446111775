//! What others say, as part of what we say.

/// One line of so many bytes at most: what AWS, people and scripts write may have several lines and be of any length, and
/// kubectl's tables, health checks and Events show one.
pub fn one_line(text: &str, most: usize) -> String {
    let mut line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.len() > most {
        let end = (0..=most.saturating_sub('…'.len_utf8()))
            .rev()
            .find(|&end| line.is_char_boundary(end));
        line.truncate(end.unwrap_or(0));
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_line_however_long_and_in_however_many_it_came() {
        assert_eq!(one_line("first\r\nsecond\tthird", 100), "first  second third");
        assert_eq!(one_line("exactly", 7), "exactly");
        let cut = one_line(&"é".repeat(2000), 1024);
        assert!(cut.len() <= 1024 && cut.len() > 1018, "{}", cut.len());
        assert!(cut.ends_with("é…"));
    }
}
