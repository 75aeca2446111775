//! Names that are almost right.

use strsim::levenshtein;

/// The known name that is almost this one: a third of its characters, and two in any case, keep them apart at most. A name
/// that is like none is better not explained with one.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let name = name.to_lowercase();
    let most = (name.chars().count() / 3).max(2);
    let ranked = known
        .into_iter()
        .map(|known| (levenshtein(&name, &known.to_lowercase()), known));
    ranked
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, known)| known)
}

/// `; did you mean ...?`, where there is something to mean.
pub(crate) fn hint<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    let near = nearest(name, known);
    near.map(|near| format!("; did you mean {near}?"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_meant_and_nothing_when_none_is_near() {
        let known = ["abort", "hold", "retry", "skip-bake"];
        assert_eq!(nearest("Retry", known), Some("retry"));
        assert_eq!(nearest("skipbake", known), Some("skip-bake"));
        assert_eq!(nearest("holt", known), Some("hold"));
        assert_eq!(nearest("promote", known), None);
        assert_eq!(hint("abbort", known), "; did you mean abort?");
        assert_eq!(hint("promote", known), "");
    }
}
