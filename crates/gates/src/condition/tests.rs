use super::*;
use MeasuredResult::{Error, Failure, Inconclusive, Success};
use serde_json::json;

fn judged(success: &str, failure: Option<&str>, measurement: &Measurement) -> (MeasuredResult, String) {
    Conditions { success, failure }.judge(measurement, &[])
}

#[test]
fn numbers() {
    let zero = Measurement::vector(&[0.0]);
    let three = Measurement::vector(&[3.0]);
    let empty = Measurement::vector(&[]);
    let two = Measurement::vector(&[0.5, 1.0]);
    let table: [(&str, Option<&str>, &Measurement, MeasuredResult); 22] = [
        // The language compares numbers of different types by value; the crate does not.
        ("result[0] == 0", None, &zero, Success),
        ("result[0] != 0", None, &zero, Failure),
        ("0 == result[0]", None, &zero, Success),
        ("0 in result", None, &zero, Success),
        ("[0] == result", None, &zero, Success),
        ("result[0] == 0", None, &three, Failure),
        ("result[0] < 4 && result[0] >= 3.0", None, &three, Success),
        ("result[0] == 0", Some("result[0] > 2"), &three, Failure),
        ("result[0] == 0", Some("result[0] > 5"), &three, Inconclusive),
        ("result[0] == 0", Some("result[0] > 5"), &zero, Success),
        // Both: the failure wins.
        ("result[0] == 3", Some("result[0] > 2"), &three, Failure),
        ("result[0] == 0", None, &empty, Error),
        ("size(result) == 0", None, &empty, Success),
        ("result.size() == 0 || result[0] == 0", None, &empty, Success),
        ("result[1] == 0", None, &zero, Error),
        ("result.all(x, x <= 1)", None, &two, Success),
        ("result.exists(x, x > 1)", None, &two, Failure),
        ("result.filter(x, x < 1).size() == 1", None, &two, Success),
        ("result.map(x, x * 2.0)[1] == 2", None, &two, Success),
        ("result.exists_one(x, x == 1)", None, &two, Success),
        ("max(result) == 1 && min(result) == 0.5", None, &two, Success),
        ("result[0] + result[1] == 1.5", None, &two, Success),
    ];
    for (success, failure, measurement, expected) in table {
        let (result, message) = judged(success, failure, measurement);
        assert_eq!(result, expected, "{success} {failure:?}: {message}");
    }
    assert_eq!(judged("result == 3", None, &Measurement::scalar(3.0)).0, Success);
    assert_eq!(judged("result[0] == 3", None, &Measurement::scalar(3.0)).0, Error);
}

#[test]
fn what_is_not_a_number_never_passes_unasked() {
    let nothing = Measurement::vector(&[1.0, f64::NAN]);
    let endless = Measurement::vector(&[f64::INFINITY]);
    for condition in ["result[0] == 1", "!(result[1] > 0.05)", "true", "result[1] != 0"] {
        let (result, message) = judged(condition, None, &nothing);
        assert_eq!(result, Inconclusive, "{condition}: {message}");
        assert!(
            message.contains("isNaN") && message.contains("[1, NaN]"),
            "{message}"
        );
    }
    assert_eq!(judged("isNaN(result[1])", None, &nothing).0, Success);
    assert_eq!(
        judged("isNaN(result[1]) || result[1] < 1", None, &nothing).0,
        Success
    );
    assert_eq!(
        judged("result[0] == 1", Some("isNaN(result[1])"), &nothing).0,
        Failure
    );
    // Compared all the same, it fits no order.
    assert_eq!(
        judged("result[1] < 1 && !isNaN(result[0])", None, &nothing).0,
        Error
    );
    assert_eq!(judged("isInf(result[0])", None, &endless).0, Success);
    assert_eq!(judged("result[0] < 1", None, &endless).0, Failure);
    assert_eq!(judged("isNaN('a')", None, &endless).0, Error);
}

#[test]
fn json_values() {
    let answer = Measurement::json(
        &json!({"ok": true, "n": 3, "f": 2.0, "big": u64::MAX, "list": [{"ready": true}, {"ready": false}], "none": null, "t": "abc", "map": {"a": 1}}),
        &[],
    );
    for (condition, expected) in [
        ("result.ok", Success),
        ("!result.ok", Failure),
        ("result.n == 3 && result.n == 3.0 && result.f == 2", Success),
        ("result.big > 18446744073709551614u", Success),
        ("result.list.all(x, x.ready)", Failure),
        ("result.list.filter(x, !x.ready).size() == 1", Success),
        ("result['ok'] == true", Success),
        ("result.none == null", Success),
        (
            "result.t.startsWith('a') && result.t.matches('^[a-c]+$') && result.t.contains('b')",
            Success,
        ),
        ("has(result.ok) && !has(result.other)", Success),
        ("'ok' in result", Success),
        ("result.map.all(key, result.map[key] == 1)", Success),
        (
            "string(result.n) == '3' && int('3') == result.n && double('2.5') > result.f",
            Success,
        ),
        ("result.ok ? result.n > 1 : false", Success),
        ("result == {'a': 1}", Failure),
        ("result.map == {'a': 1.0}", Success),
        // What is not there is an error, never a truth.
        ("result.other", Error),
        ("!result.other", Error),
        ("!result.list.degraded", Error),
        ("!result.t.degraded", Error),
        ("!result.ok.degraded", Error),
        ("!result.none.degraded", Error),
        ("!has(result.list.degraded)", Error),
        ("result.other == null", Error),
        ("'a' in result.t", Error),
        ("result.list[0].ready && result.list[5].ready", Error),
        ("result.n", Error),
        ("'true'", Error),
        ("result.n / 0 == 1", Error),
        ("result.n + 'a' == 'b'", Error),
        ("result.t.matches('(')", Error),
        ("result.n.all(x, true)", Error),
    ] {
        let (result, message) = judged(condition, None, &answer);
        assert_eq!(result, expected, "{condition}: {message}");
    }
}

#[test]
fn messages_say_what_was_compared() {
    let three = Measurement::vector(&[3.0, 4.0]);
    let message = |success, failure| judged(success, failure, &three).1;
    assert_eq!(
        message("result[0] == 0", None),
        "`result[0] == 0` is false for result [3, 4]"
    );
    assert_eq!(
        message("result[0] == 3", None),
        "`result[0] == 3` is true for result [3, 4]"
    );
    assert_eq!(
        message("result[0] == 0", Some("result[0] > 2")),
        "failureCondition `result[0] > 2` is true for result [3, 4]"
    );
    assert_eq!(
        message("result[7] == 0", None),
        "`result[7] == 0` cannot be evaluated: there is no item 7 for result [3, 4]"
    );
    assert_eq!(
        message("result", None),
        "`result` is a list, not true or false for result [3, 4]"
    );
    let token = Measurement::json(
        &json!({"echo": "Bearer hunter2secret"}),
        &["Bearer hunter2secret".to_owned()],
    );
    let (_, shown) = Conditions {
        success: "result.echo == 1",
        failure: None,
    }
    .judge(&token, &[]);
    assert!(
        shown.contains("(hidden)") && !shown.contains("hunter2"),
        "{shown}"
    );
}

#[test]
fn conditions_are_checked_before_they_are_used() {
    for good in [
        "result[0] == 0",
        "result.all(x, x.value < 3 && x.name != 'a')",
        "size(result) > 0 && result.exists(x, [1, 2].exists(y, x == y))",
        "has(result.a) && {'a': 1}['a'] == result.a",
        "isNaN(result) || isInf(result)",
    ] {
        assert_eq!(check_condition(good), Ok(()), "{good}");
    }
    for bad in [
        "",
        " ",
        "result ==",
        "result == 1)",
        "results == 1",
        "x",
        "result.all(x, true) && x",
        "result.all(x, y)",
        "now() > 1",
        "result.foo(1)",
        "optional.of(result).hasValue()",
        "result.?a == 1",
        "Foo{a: 1} == result",
        "@charge(result)",
        "\u{0}",
        "'",
        "\"\\u{110000}\"",
        "'\\uD800'",
        "99999999999999999999999 == result",
        "b'\\400' == result",
    ] {
        let checked = check_condition(bad);
        assert!(checked.is_err(), "{bad:?}");
        assert_eq!(judged(bad, None, &Measurement::scalar(1.0)).0, Error, "{bad:?}");
        assert_eq!(
            judged("true", Some(bad), &Measurement::scalar(1.0)).0,
            Error,
            "{bad:?}"
        );
    }
    assert!(check_condition(&format!("result == '{}'", "a".repeat(CONDITION_LENGTH))).is_err());
}

/// The stack of a task is 2 MiB; what overflows it ends the process, and cannot be caught.
#[test]
fn nesting_overflows_nothing() {
    let work = || {
        for text in [
            "(".repeat(499) + "1" + &")".repeat(499),
            "[".repeat(499) + &"]".repeat(499),
            "!".repeat(990) + "result",
            "-".repeat(990) + "1",
            "result".to_owned() + &".a".repeat(490),
            "result".to_owned() + &"[0]".repeat(300),
            "true".to_owned() + &"?true:true".repeat(99),
            "1".to_owned() + &"+1".repeat(490),
            "1".to_owned() + &"+1".repeat(190) + " == 191",
            "result".to_owned() + &".a".repeat(190),
            "true".to_owned() + &" && true".repeat(90),
            "size(".repeat(49) + "result" + &")".repeat(49),
            "{'a':".repeat(49) + "1" + &"}".repeat(49),
            "[1]".to_owned() + &".map(a, [a])".repeat(45),
            "[1].all(a, ".repeat(49) + "true" + &")".repeat(49),
        ] {
            let _ = judged(&text, None, &Measurement::json(&json!([1]), &[]));
        }
    };
    std::thread::Builder::new()
        .stack_size(2 << 20)
        .spawn(work)
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn expensive_conditions_end_soon() {
    let numbers: Vec<f64> = (0..1_000_u32).map(f64::from).collect();
    let many = Measurement::vector(&numbers);
    let begin = std::time::Instant::now();
    for condition in [
        "result.all(a, result.all(b, result.all(c, result.all(d, true))))".to_owned(),
        "result.map(a, result.map(b, result)).size() == 1".to_owned(),
        "['x']".to_owned() + &".map(a, a + a)".repeat(60) + ".size() == 1",
        "['x']".to_owned() + &".map(a, [a, a])".repeat(45) + ".size() == 1",
        "['x']".to_owned() + &".map(a, {'a': a, 'b': a})".repeat(30) + ".size() == 1",
        "result.all(a, result.all(b, !'x'.matches('(a{50}){50}')))".to_owned(),
        "result.all(a, result.all(b, size(result) > 0))".to_owned(),
        "result.all(a, result.all(b, result == result))".to_owned(),
    ] {
        let (result, message) = judged(&condition, None, &many);
        assert_eq!(result, Error, "{condition}: {message}");
        assert!(message.contains("too expensive"), "{message}");
    }
    assert!(begin.elapsed().as_secs() < 60, "{:?}", begin.elapsed());
    // What gates are written for is far from the limit.
    let some = Measurement::vector(&numbers[..300]);
    for condition in [
        "result.all(x, x >= 0)",
        "result.filter(x, x > 200).size() == 99",
        "result.map(x, x + 1.0).size() == 300",
        "result.filter(x, x < 100).all(x, string(x).matches('^[0-9]+$'))",
    ] {
        let (result, message) = judged(condition, None, &some);
        assert_eq!(result, Success, "{condition}: {message}");
    }
    assert_eq!(judged("result.all(x, x >= 0)", None, &many).0, Success);
}
