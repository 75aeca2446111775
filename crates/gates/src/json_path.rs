//! Which part of an answer is `result`.
//!
//! JSONPath (RFC 9535) without filters: the condition filters (`result.filter(x, x.ready)`), and what it costs is limited
//! there. The braces of Kubernetes' JSONPath may be written.

use jsonpath_rust::{JsonPath as _, parser::parse_json_path};
use serde_json::Value;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Characters of a path at most.
const PATH_LENGTH: usize = 250;

/// The path as it is evaluated; `Err` says what is wrong with it.
pub(crate) fn check(written: &str) -> Result<String, String> {
    let trimmed = written.trim();
    let inner = trimmed
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(trimmed);
    let path = if inner.starts_with('$') {
        inner.to_owned()
    } else {
        format!("${inner}")
    };
    let shown = crate::message::one_line(written, PATH_LENGTH);
    if path.len() > PATH_LENGTH {
        return Err(format!("jsonPath has more than {PATH_LENGTH} characters"));
    }
    if path.contains('?') {
        return Err(format!("jsonPath `{shown}`: filters belong in the condition"));
    }
    // Each further one multiplies the work.
    if path.matches("..").count() > 1 {
        return Err(format!("jsonPath `{shown}`: `..` stands once at most"));
    }
    match catch_unwind(|| parse_json_path(&path).map(|_| ())) {
        Ok(Ok(())) => Ok(path),
        _ => Err(format!("jsonPath `{shown}` is not one")),
    }
}

/// One match is the value, several are a list, none is an error.
pub(crate) fn pick(answer: Value, written: Option<&str>) -> Result<Value, String> {
    let Some(written) = written else {
        return Ok(answer);
    };
    let path = check(written)?;
    let found: Vec<Value> = catch_unwind(AssertUnwindSafe(|| {
        answer
            .query(&path)
            .map(|found| found.into_iter().cloned().collect())
    }))
    .ok()
    .and_then(Result::ok)
    .ok_or_else(|| format!("jsonPath `{written}` cannot be evaluated"))?;
    match <[Value; 1]>::try_from(found) {
        Ok([one]) => Ok(one),
        Err(none) if none.is_empty() => Err(format!("jsonPath `{written}` finds nothing in the answer")),
        Err(several) => Ok(Value::Array(several)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_several_none() {
        let answer = json!({"data": {"ok": true, "items": [{"n": 1}, {"n": 2}]}, "a-b": null, "list": [7]});
        for (path, expected) in [
            (None, Some(answer.clone())),
            (Some("$"), Some(answer.clone())),
            (Some("$.data.ok"), Some(json!(true))),
            (Some("{$.data.ok}"), Some(json!(true))),
            (Some("{.data.ok}"), Some(json!(true))),
            (Some("$.data.items[*].n"), Some(json!([1, 2]))),
            (Some("$..n"), Some(json!([1, 2]))),
            (Some("$.data.items[-1].n"), Some(json!(2))),
            (Some("$.data.items[::0]"), None),
            (Some("$['a-b']"), Some(json!(null))),
            (Some("$.list"), Some(json!([7]))),
            (Some("$.absent"), None),
            (Some("$.data.ok.deeper"), None),
        ] {
            assert_eq!(pick(answer.clone(), path).ok(), expected, "{path:?}");
        }
    }

    #[test]
    fn bad_paths_are_refused() {
        for path in [
            "",
            "$.",
            "$.a[",
            "$[?@.a]",
            "$..a..b",
            "{",
            "$".repeat(300).as_str(),
            "data.ok.[[",
        ] {
            assert!(check(path).is_err() || path.is_empty(), "{path:?}");
        }
        assert!(check("$[?@.a]").unwrap_err().contains("condition"));
    }

    #[test]
    fn an_array_of_one_is_not_its_item() {
        assert_eq!(pick(json!({"a": [1]}), Some("$.a")), Ok(json!([1])));
        assert_eq!(pick(json!({"a": [1]}), Some("$.a[*]")), Ok(json!(1)));
    }
}
