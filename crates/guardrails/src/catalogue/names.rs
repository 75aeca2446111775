//! Names that are almost right.

use strsim::levenshtein;

/// How many are told.
const TOLD: usize = 3;
/// So much of a name's beginning is enough.
const STEM: usize = 4;

/// The known names almost like this one, best first: those that at most a third of its characters, and two in any case, keep
/// apart. A name that is like none is better not explained with one.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Vec<String> {
    let name = name.to_lowercase();
    let mut ranked: Vec<(usize, &String)> = known
        .map(|known| (levenshtein(&name, &known.to_lowercase()), known))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_comes_first_whatever_its_case() {
        let known = ["protectVpc", "denyPublicS3", "allowedRegions", "denyRootUser"].map(String::from);
        assert_eq!(nearest("ProtectVPC", known.iter())[0], "protectVpc");
        assert_eq!(nearest("allowRegions", known.iter())[0], "allowedRegions");
        assert_eq!(nearest("denyRoot", known.iter()), ["denyRootUser"]);
        assert_eq!(nearest("nope", known.iter()), [] as [&str; 0]);
    }
}
