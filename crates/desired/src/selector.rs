//! Label selectors as Kubernetes reads them.

use api::{LabelSelector, LabelSelectorRequirement};
use std::collections::BTreeMap;

/// What is wrong with a selector, if anything.
pub(crate) fn error(selector: &LabelSelector) -> Option<String> {
    expressions(selector).find_map(|e| match (e.operator.as_str(), values(e).is_empty()) {
        ("In" | "NotIn", false) | ("Exists" | "DoesNotExist", true) => None,
        ("In" | "NotIn", true) => Some(format!("operator {} on {:?} needs values", e.operator, e.key)),
        ("Exists" | "DoesNotExist", false) => {
            Some(format!("operator {} on {:?} takes no values", e.operator, e.key))
        }
        _ => Some(format!(
            "operator {:?} on {:?} must be In, NotIn, Exists or DoesNotExist",
            e.operator, e.key
        )),
    })
}

/// Whether all requirements hold. NotIn holds also where the label is absent.
pub(crate) fn admits(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    selector
        .match_labels
        .iter()
        .flatten()
        .all(|(key, value)| labels.get(key) == Some(value))
        && expressions(selector).all(|e| {
            let label = labels.get(&e.key);
            match e.operator.as_str() {
                "In" => label.is_some_and(|l| values(e).contains(l)),
                "NotIn" => label.is_none_or(|l| !values(e).contains(l)),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}

/// The selector in one line, as kubectl takes it.
pub(crate) fn text(selector: &LabelSelector) -> String {
    let labels = selector
        .match_labels
        .iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"));
    let others = expressions(selector).map(|e| {
        let list = values(e).join(",");
        match e.operator.as_str() {
            "In" => format!("{} in ({list})", e.key),
            "NotIn" => format!("{} notin ({list})", e.key),
            "DoesNotExist" => format!("!{}", e.key),
            _ => e.key.clone(),
        }
    });
    labels.chain(others).collect::<Vec<_>>().join(",")
}

fn expressions(selector: &LabelSelector) -> impl Iterator<Item = &LabelSelectorRequirement> {
    selector.match_expressions.iter().flatten()
}

fn values(requirement: &LabelSelectorRequirement) -> &[String] {
    requirement.values.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requirement(operator: &str, values: &[&str]) -> LabelSelector {
        LabelSelector {
            match_expressions: Some(vec![LabelSelectorRequirement {
                key: "tier".into(),
                operator: operator.into(),
                values: (!values.is_empty()).then(|| values.iter().map(|v| (*v).to_owned()).collect()),
            }]),
            match_labels: None,
        }
    }

    #[test]
    fn operators_mean_what_kubernetes_says() {
        let gold = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
        let none = BTreeMap::new();
        for (selector, with_gold, with_none, shown) in [
            (LabelSelector::default(), true, true, ""),
            (
                requirement("In", &["gold", "tin"]),
                true,
                false,
                "tier in (gold,tin)",
            ),
            (requirement("In", &["tin"]), false, false, "tier in (tin)"),
            (requirement("NotIn", &["gold"]), false, true, "tier notin (gold)"),
            (requirement("Exists", &[]), true, false, "tier"),
            (requirement("DoesNotExist", &[]), false, true, "!tier"),
            (
                LabelSelector {
                    match_labels: Some(gold.clone()),
                    match_expressions: None,
                },
                true,
                false,
                "tier=gold",
            ),
        ] {
            assert_eq!(
                (admits(&selector, &gold), admits(&selector, &none)),
                (with_gold, with_none),
                "{shown}"
            );
            assert_eq!(text(&selector), shown);
            assert_eq!(error(&selector), None);
        }
    }

    #[test]
    fn a_selector_that_cannot_be_meant_is_an_error_and_admits_nobody() {
        assert!(error(&requirement("In", &[])).unwrap().contains("needs values"));
        assert!(
            error(&requirement("Exists", &["gold"]))
                .unwrap()
                .contains("takes no values")
        );
        assert!(
            error(&requirement("Near", &["gold"]))
                .unwrap()
                .contains("\"Near\"")
        );
        assert!(!admits(&requirement("Near", &["gold"]), &BTreeMap::new()));
    }
}
