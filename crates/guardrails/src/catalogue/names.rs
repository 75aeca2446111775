//! Names that are almost right.

/// How many are told.
const TOLD: usize = 3;
/// So much of a name's beginning is enough.
const STEM: usize = 4;

/// The known names almost like this one, best first: those that at most a third of its characters, and two in any case, keep
/// apart. A name that is like none is better not explained with one.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name = name.to_lowercase();
    let mut ranked: Vec<(usize, &String)> = known
        .map(|known| (distance(&name, &known.to_lowercase()), known))
        .collect();
    ranked.sort();
    let most = (name.chars().count() / 3).max(2);
    ranked
        .into_iter()
        .filter(|(distance, known)| {
            *distance <= most || known.to_lowercase().starts_with(&name) && name.len() >= STEM
        })
        .take(TOLD)
        .map(|(_, known)| known.clone())
        .collect()
}

/// How many characters must be put in, taken out or replaced to make one of the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, left) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_single_changes() {
        for (one, other, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "", 3),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
            ("regions", "region", 1),
        ] {
            assert_eq!(distance(one, other), expected, "{one} {other}");
            assert_eq!(distance(other, one), expected, "{other} {one}");
        }
    }

    #[test]
    fn the_best_comes_first_whatever_its_case() {
        let known = ["protectVpc", "denyPublicS3", "allowedRegions", "denyRootUser"].map(String::from);
        assert_eq!(nearest("ProtectVPC", known.iter())[0], "protectVpc");
        assert_eq!(nearest("allowRegions", known.iter())[0], "allowedRegions");
        assert_eq!(nearest("denyRoot", known.iter()), ["denyRootUser"]);
        assert_eq!(nearest("nope", known.iter()), [] as [&str; 0]);
    }
}
