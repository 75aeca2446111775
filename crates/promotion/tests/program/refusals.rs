//! Stages that are wrong: people are told where, the rule, and the value.

use super::{full, judge, with};
use promotion::Program;
use serde_json::{Value, json};

/// Puts the value at the pointer of the full stage, and expects to be told this, at this path below `spec.stages[prod]`.
#[track_caller]
fn refused(pointer: &str, value: Value, path: &str, message: &str) {
    let refusal = judge(json!([with(full(), pointer, value)])).expect_err(message);
    let whole = if path.starts_with("spec") {
        path.to_owned()
    } else {
        format!("spec.stages[prod].{path}")
    };
    assert_eq!(
        (refusal.path.as_str(), refusal.message.as_str()),
        (whole.as_str(), message)
    );
    assert_eq!(refusal.to_string(), format!("{whole}: {message}"));
}

#[test]
fn the_full_stage_is_right() {
    assert_eq!(judge(json!([full()])).map(|program| program.stages.len()), Ok(1));
}

#[test]
fn stages() {
    let stage = |name: &str, environment: &str| json!({"name": name, "environment": environment});
    let refused = |stages: Value, path: &str, message: &str| {
        let refusal = judge(stages).expect_err(message);
        assert_eq!((refusal.path.as_str(), refusal.message.as_str()), (path, message));
    };
    refused(json!([]), "spec.stages", "has 1 to 16 members, not 0");
    let many: Vec<Value> = (0..17)
        .map(|n| stage(&format!("s{n}"), &format!("e{n}")))
        .collect();
    refused(Value::Array(many), "spec.stages", "has 1 to 16 members, not 17");
    let twice = "has unique names, and \"a\" stands there twice";
    refused(
        json!([stage("a", "x"), stage("b", "y"), stage("a", "z")]),
        "spec.stages",
        twice,
    );
    let twice = "has unique environments, and \"x\" stands there twice";
    refused(json!([stage("a", "x"), stage("b", "x")]), "spec.stages", twice);
    let label = "has 1 to 63 lower-case letters, digits and `-`, and no `-` at either end";
    for name in ["", "Prod", "a/b", "a@b", "-a", "a-", "a b", "ä", &"a".repeat(64)] {
        refused(
            json!([stage("a", "x"), stage(name, "y")]),
            "spec.stages[1].name",
            &format!("{label}, not {name:?}"),
        );
        refused(
            json!([stage("a", name)]),
            "spec.stages[a].environment",
            &format!("{label}, not {name:?}"),
        );
    }
}

#[test]
fn numbers_and_durations_of_a_stage() {
    let number = |least: u32| {
        format!("is a number of accounts, {least} to 100000, or a percentage, `{least}%` to `100%`")
    };
    for (value, shown) in [
        (json!(-1), "-1"),
        (json!(100_001), "100001"),
        (json!("101%"), "101%"),
        (json!("-1%"), "-1%"),
        (json!("5"), "5"),
        (json!("5 %"), "5 %"),
        (json!("+5%"), "+5%"),
        (json!("05%"), "05%"),
        (json!("1.5%"), "1.5%"),
        (json!("%"), "%"),
        (json!(""), ""),
        (json!("4294967297%"), "4294967297%"),
        (json!(i64::MAX), "9223372036854775807"),
    ] {
        refused(
            "/maxFailures",
            value.clone(),
            "maxFailures",
            &format!("{}, not {shown}", number(0)),
        );
        let path = "strategy.maxConcurrency";
        refused(
            "/strategy/maxConcurrency",
            value,
            path,
            &format!("{}, not {shown}", number(1)),
        );
    }
    for (value, shown) in [(json!(0), "0"), (json!("0%"), "0%")] {
        let message = format!("{}, not {shown}", number(1));
        refused(
            "/strategy/maxConcurrency",
            value.clone(),
            "strategy.maxConcurrency",
            &message,
        );
        refused(
            "/strategy/waves/0/targets",
            value,
            "strategy.waves[one-box].targets",
            &message,
        );
        assert!(judge(json!([with(full(), "/maxFailures", json!(0))])).is_ok());
    }
    let year = "is a duration such as `90s` or `1h30m`, 1s to 8760h";
    for value in ["0s", "8761h", "-1h", "1", "", "soon", "1y"] {
        let message = format!("{year}, not {value:?}");
        refused("/progressDeadline", json!(value), "progressDeadline", &message);
        refused("/optIn/deadline", json!(value), "optIn.deadline", &message);
    }
    let month = "is a duration such as `90s` or `1h30m`, 1s to 720h, not \"721h\"";
    refused(
        "/strategy/targetDeadline",
        json!("721h"),
        "strategy.targetDeadline",
        month,
    );
    let bake = "is a duration such as `90s` or `1h30m`, 0s to 720h, not \"720h1s\"";
    refused(
        "/strategy/waves/1/bakeTime",
        json!("720h1s"),
        "strategy.waves[ten-percent].bakeTime",
        bake,
    );
}

#[test]
fn strategies() {
    let at = "/strategy";
    for (kind, field) in [("Canary", "canary"), ("Linear", "linear"), ("Waves", "waves")] {
        let message = format!("is required with type {kind}, and is not there");
        refused(at, json!({"type": kind}), &format!("strategy.{field}"), &message);
    }
    let (canary, linear) = (json!({"first": 1}), json!({"step": "50%"}));
    let waves = json!([{"name": "all", "targets": "100%"}]);
    for (given, field, kind) in [
        (
            json!({"type": "AllAtOnce", "canary": canary}),
            "canary",
            "is only there with type Canary, not AllAtOnce",
        ),
        (
            json!({"type": "Canary", "canary": canary, "linear": linear}),
            "linear",
            "is only there with type Linear, not Canary",
        ),
        (
            json!({"type": "Linear", "linear": linear, "waves": waves}),
            "waves",
            "is only there with type Waves, not Linear",
        ),
        (
            json!({"type": "Waves", "waves": waves, "canary": canary}),
            "canary",
            "is only there with type Canary, not Waves",
        ),
    ] {
        refused(at, given, &format!("strategy.{field}"), kind);
    }
    let first = "is a number of accounts, 1 to 100000, or a percentage, `1%` to `100%`, not 0%";
    refused(
        at,
        json!({"type": "Canary", "canary": {"first": "0%"}}),
        "strategy.canary.first",
        first,
    );
    let bake = "is a duration such as `90s` or `1h30m`, 0s to 720h, not \"-5m\"";
    let given = json!({"type": "Canary", "canary": {"first": 1, "bakeTime": "-5m"}});
    refused(at, given, "strategy.canary.bakeTime", bake);
    for step in [json!("3%"), json!(5)] {
        let shown = step.as_str().map_or_else(|| step.to_string(), str::to_owned);
        let message = format!("is a percentage that makes 32 waves at most, `4%` to `100%`, not {shown}");
        refused(
            at,
            json!({"type": "Linear", "linear": {"step": step}}),
            "strategy.linear.step",
            &message,
        );
    }
}

#[test]
fn waves() {
    let at = "/strategy/waves";
    let wave = |name: &str, targets: Value| json!({"name": name, "targets": targets});
    let (one, all) = (wave("one", json!(1)), wave("all", json!("100%")));
    for last in [json!("99%"), json!(100)] {
        let message = format!(
            "is `100%`, because the wave is the last, not {}",
            last.as_str().unwrap_or("100")
        );
        refused(
            at,
            json!([one, wave("rest", last)]),
            "strategy.waves[rest].targets",
            &message,
        );
    }
    let shrink = |given: Value, path: &str, message: &str| {
        refused(
            at,
            given,
            path,
            &format!("counts the waves before it too, so it is at least their {message}"),
        );
    };
    let given = json!([wave("a", json!("50%")), wave("b", json!("20%")), all]);
    shrink(given, "strategy.waves[b].targets", "50%, not 20%");
    let given = json!([
        wave("a", json!(5)),
        wave("b", json!("20%")),
        wave("c", json!(3)),
        all
    ]);
    shrink(given, "strategy.waves[c].targets", "5, not 3");
    let given = json!([
        wave("a", json!("20%")),
        wave("b", json!(3)),
        wave("c", json!("10%")),
        all
    ]);
    shrink(given, "strategy.waves[c].targets", "20%, not 10%");
    refused(
        at,
        json!([one, one]),
        "strategy.waves",
        "has unique names, and \"one\" stands there twice",
    );
    let many: Vec<Value> = (0..33).map(|n| wave(&format!("w{n}"), json!("100%"))).collect();
    refused(
        at,
        Value::Array(many),
        "strategy.waves",
        "has 1 to 32 members, not 33",
    );
    let label = "has 1 to 63 lower-case letters, digits and `-`, and no `-` at either end, not \"a/b\"";
    refused(
        at,
        json!([one, wave("a/b", json!("100%"))]),
        "strategy.waves[1].name",
        label,
    );
}

#[test]
fn approvals() {
    refused(
        "/approval/required",
        json!(0),
        "approval.required",
        "is 1 to 100, not 0",
    );
    refused(
        "/approval/required",
        json!(101),
        "approval.required",
        "is 1 to 100, not 101",
    );
    let blank = "is one line of 1 to 256 characters and not blank";
    for group in ["", " ", "a\nb", &"g".repeat(257)] {
        let message = format!("{blank}, not {group:?}");
        refused(
            "/approval/groups",
            json!(["fine", group]),
            "approval.groups[1]",
            &message,
        );
    }
    let twice = "has unique members, and \"a\" stands there twice";
    refused("/approval/groups", json!(["a", "a"]), "approval.groups", twice);
    let many: Vec<String> = (0..33).map(|n| format!("g{n}")).collect();
    refused(
        "/approval/groups",
        json!(many),
        "approval.groups",
        "has 0 to 32 members, not 33",
    );
    let timeout = "is a duration such as `90s` or `1h30m`, 1m to 8760h, not \"0s\"";
    refused("/approval/timeout", json!("0s"), "approval.timeout", timeout);
}

#[test]
fn windows() {
    let duration = "is a duration such as `90s` or `1h30m`, 1m to 8784h";
    for value in ["0s", "59s", "8785h", "-1h", "a day"] {
        let message = format!("{duration}, not {value:?}");
        refused(
            "/windows/1/duration",
            json!(value),
            "windows[1].duration",
            &message,
        );
    }
    for zone in [
        "Mars/Olympus",
        "",
        "CEST",
        "+02:00",
        "Etc/Unknown",
        "local",
        "../UTC",
    ] {
        let message = format!("is the IANA name of a time zone, such as `Europe/Berlin`, not {zone:?}");
        refused(
            "/windows/0/timeZone",
            json!(zone),
            "windows[0].timeZone",
            &message,
        );
    }
    let many: Vec<Value> = vec![full()["windows"][0].clone(); 17];
    refused(
        "/windows",
        Value::Array(many),
        "windows",
        "has 0 to 16 members, not 17",
    );
}

#[test]
fn schedules() {
    let refused = |schedule: &str, message: &str| {
        refused(
            "/windows/1/schedule",
            json!(schedule),
            "windows[1].schedule",
            message,
        );
    };
    for schedule in ["", "0 9 * *", "0 0 9 * * 1", "@daily", "0 9 * * 1 2027"] {
        let rule = "has five fields: minute, hour, day of month, month, day of week";
        refused(schedule, &format!("{rule}, not {schedule:?}"));
    }
    for (schedule, name, range, field) in [
        ("60 9 * * *", "minute", "0 to 59", "60"),
        ("*/0 9 * * *", "minute", "0 to 59", "*/0"),
        ("30-10 9 * * *", "minute", "0 to 59", "30-10"),
        ("1,,2 9 * * *", "minute", "0 to 59", "1,,2"),
        ("MON 9 * * *", "minute", "0 to 59", "MON"),
        ("5/10 9 * * *", "minute", "0 to 59", "5/10"),
        ("0 24 * * *", "hour", "0 to 23", "24"),
        ("0 -1 * * *", "hour", "0 to 23", "-1"),
        ("0 9 0 * *", "day of month", "1 to 31", "0"),
        ("0 9 L * *", "day of month", "1 to 31", "L"),
        ("0 9 15W * *", "day of month", "1 to 31", "15W"),
        ("0 9 ? * *", "day of month", "1 to 31", "?"),
        ("0 9 * 13 *", "month", "1 to 12 or JAN to DEC", "13"),
        ("0 9 * XYZ *", "month", "1 to 12 or JAN to DEC", "XYZ"),
        ("0 9 * MON *", "month", "1 to 12 or JAN to DEC", "MON"),
        ("0 9 * * 8", "day of week", "0 to 7 or SUN to SAT", "8"),
        ("0 9 * * MON#2", "day of week", "0 to 7 or SUN to SAT", "MON#2"),
        ("0 9 1 * +MON", "day of week", "0 to 7 or SUN to SAT", "+MON"),
        ("0 9 * * 5L", "day of week", "0 to 7 or SUN to SAT", "5L"),
        ("0 9 * * JAN", "day of week", "0 to 7 or SUN to SAT", "JAN"),
    ] {
        let rule = format!("is cron, where the field {name:?} has {range} with `*`, `,`, `-` and `/`");
        refused(schedule, &format!("{rule}, not {field:?} in {schedule:?}"));
    }
    for schedule in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
        refused(
            schedule,
            &format!("comes at least once in a hundred years, not {schedule:?}"),
        );
    }
}

#[test]
fn gates() {
    refused(
        "/gates/0/runAt",
        json!([]),
        "gates[compliant].runAt",
        "has 1 to 4 members, not 0",
    );
    let twice = "has unique members, and AfterWave stands there twice";
    refused(
        "/gates/0/runAt",
        json!(["AfterWave", "AfterWave"]),
        "gates[compliant].runAt",
        twice,
    );
    let bake = "has DuringBake only where a wave of the stage has a bakeTime, and none has one";
    refused(
        "/strategy",
        json!({"type": "AllAtOnce"}),
        "gates[compliant].runAt",
        bake,
    );
    let waves = json!([{"name": "all", "targets": "100%", "bakeTime": "0s"}]);
    refused("/strategy/waves", waves, "gates[compliant].runAt", bake);
    refused(
        "/gates/1/name",
        json!("compliant"),
        "gates",
        "has unique names, and \"compliant\" stands there twice",
    );
    let label = "has 1 to 63 lower-case letters, digits and `-`, and no `-` at either end, not \"A\"";
    refused("/gates/1/name", json!("A"), "gates[1].name", label);
    let many: Vec<Value> = (0..33)
        .map(|n| with(full()["gates"][2].clone(), "/name", json!(format!("g{n}"))))
        .collect();
    refused(
        "/gates",
        Value::Array(many),
        "gates",
        "has 0 to 32 members, not 33",
    );
    let interval = "is a duration such as `90s` or `1h30m`, 10s to 720h";
    for value in ["9s", "0s", "-1m", "721h", "often"] {
        refused(
            "/gates/0/interval",
            json!(value),
            "gates[compliant].interval",
            &format!("{interval}, not {value:?}"),
        );
    }
    let delay = "is a duration such as `90s` or `1h30m`, 0s to 720h, not \"-1s\"";
    refused(
        "/gates/0/initialDelay",
        json!("-1s"),
        "gates[compliant].initialDelay",
        delay,
    );
    refused(
        "/gates/0/count",
        json!(0),
        "gates[compliant].count",
        "is 1 to 10000, not 0",
    );
    for field in ["failureLimit", "inconclusiveLimit", "consecutiveErrorLimit"] {
        let (pointer, path) = (format!("/gates/0/{field}"), format!("gates[compliant].{field}"));
        refused(&pointer, json!(10_001), &path, "is 0 to 10000, not 10001");
    }
}

#[test]
fn blocks_of_gates() {
    let http = full()["gates"][1]["http"].clone();
    let extra = "is only there with type HTTP, not Prometheus";
    refused("/gates/0/http", http, "gates[compliant].http", extra);
    for (number, name, field, word) in [
        (0, "compliant", "prometheus", "Prometheus"),
        (1, "synthetic", "http", "HTTP"),
        (2, "billing", "condition", "Condition"),
        (3, "probe", "job", "Job"),
    ] {
        let message = format!("is required with type {word}, and is not there");
        refused(
            &format!("/gates/{number}/{field}"),
            Value::Null,
            &format!("gates[{name}].{field}"),
            &message,
        );
    }
}

#[test]
fn what_gates_ask() {
    let shape = "is an address `http://host/path` or `https://host/path` without a user or a fragment";
    let host = "has a host that `gates.allowedHosts` of the operator's configuration names";
    for (url, rule) in [
        ("ftp://tests.example.com", shape),
        ("tests.example.com/run", shape),
        ("https://user@tests.example.com", shape),
        ("https://example.com/", host),
        ("https://169.254.169.254/", host),
    ] {
        let message = format!("{rule}, not {url:?}");
        refused(
            "/gates/1/http/url",
            json!(url),
            "gates[synthetic].http.url",
            &message,
        );
        refused(
            "/gates/0/prometheus/address",
            json!(url),
            "gates[compliant].prometheus.address",
            &message,
        );
    }
    // The host is allowed, at another port: the message says what is missing.
    let port = "https://tests.example.com:8443/";
    refused(
        "/gates/1/http/url",
        json!(port),
        "gates[synthetic].http.url",
        &format!(
            "{host}, with its port unless it is 80 for http or 443 for https; tests.example.com:8443 is not there, not {port:?}"
        ),
    );
    let nowhere: Vec<promotion::StageSpec> = serde_json::from_value(json!([full()])).unwrap();
    let refusal = Program::judge(&nowhere, &[]).unwrap_err();
    assert!(refusal.message.contains("names none"), "{refusal}");
    let http = "gates[synthetic].http";
    for method in ["PUT", "get", ""] {
        let message = format!("is GET or POST, not {method:?}");
        refused(
            "/gates/1/http/method",
            json!(method),
            &format!("{http}.method"),
            &message,
        );
    }
    for secret in ["", "Secret", "../x", "a..b"] {
        let message = format!("is the name of a Secret, not {secret:?}");
        refused(
            "/gates/1/http/headersSecret",
            json!(secret),
            &format!("{http}.headersSecret"),
            &message,
        );
    }
    let blank = "is one line of 1 to 1024 characters and not blank, not \" \"";
    refused(
        "/gates/1/http/jsonPath",
        json!(" "),
        &format!("{http}.jsonPath"),
        blank,
    );
    let blank = "has 1 to 4096 characters and is not blank, not \"\"";
    refused(
        "/gates/1/http/successCondition",
        json!(""),
        &format!("{http}.successCondition"),
        blank,
    );
    refused(
        "/gates/1/http/failureCondition",
        json!(""),
        &format!("{http}.failureCondition"),
        blank,
    );
    refused(
        "/gates/0/prometheus/query",
        json!(""),
        "gates[compliant].prometheus.query",
        blank,
    );
    let path = "gates[compliant].prometheus.successCondition";
    refused("/gates/0/prometheus/successCondition", json!(""), path, blank);
    let timeout = "is a duration such as `90s` or `1h30m`, 1s to 5m, not \"6m\"";
    refused(
        "/gates/1/http/timeout",
        json!("6m"),
        &format!("{http}.timeout"),
        timeout,
    );
    refused(
        "/gates/0/prometheus/timeout",
        json!("6m"),
        "gates[compliant].prometheus.timeout",
        timeout,
    );
}

#[test]
fn conditions_and_jobs() {
    let (path, kind) = (
        "gates[billing].condition",
        "is the type of a condition, 1 to 316 characters",
    );
    for value in ["", "a b", &"a".repeat(317)] {
        refused(
            "/gates/2/condition/type",
            json!(value),
            &format!("{path}.type"),
            &format!("{kind}, not {value:?}"),
        );
    }
    let status = "is True, False or Unknown, not \"true\"";
    refused(
        "/gates/2/condition/status",
        json!("true"),
        &format!("{path}.status"),
        status,
    );
    let path = "gates[probe].job.template";
    let shape = "is a JobTemplateSpec, an object with `metadata` and `spec`";
    refused("/gates/3/job/template", json!("probe"), path, shape);
    refused(
        "/gates/3/job/template/kind",
        json!("Job"),
        path,
        "has `metadata` and `spec` only, not \"kind\"",
    );
    let metadata = format!("{path}.metadata");
    let only = "has `labels` and `annotations` only, not \"namespace\"";
    refused(
        "/gates/3/job/template/metadata/namespace",
        json!("kube-system"),
        &metadata,
        only,
    );
    refused(
        "/gates/3/job/template/metadata",
        json!(5),
        &metadata,
        "is an object",
    );
    let (path, none) = (
        format!("{path}.spec.template.spec.containers"),
        "has at least one container, and there is none",
    );
    refused("/gates/3/job/template/spec", json!({}), &path, none);
    refused(
        "/gates/3/job/template/spec/template/spec/containers",
        json!([]),
        &path,
        none,
    );
}

/// No stage that has the right shape makes it panic.
#[test]
fn every_field_with_every_odd_value_is_answered() {
    fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
        let members: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
            Value::Array(members) => members
                .iter()
                .enumerate()
                .map(|(n, value)| (n.to_string(), value))
                .collect(),
            _ => vec![],
        };
        for (key, value) in members {
            let at = format!("{at}/{key}");
            pointers(value, &at, found);
            found.push(at);
        }
    }
    let mut all = Vec::new();
    pointers(&full(), "", &mut all);
    let odd = [
        json!(""),
        json!("%"),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!("\u{0}ä"),
        json!([]),
        json!({}),
        json!("-0%"),
    ];
    let mut judged = 0;
    for pointer in &all {
        for value in &odd {
            let stages = json!([with(full(), pointer, value.clone())]);
            if let Ok(stages) = serde_json::from_value::<Vec<promotion::StageSpec>>(stages) {
                let _ = Program::judge(&stages, &[]);
                judged += 1;
            }
        }
    }
    assert!(judged > 100, "{judged}");
}

#[test]
fn what_does_not_fit_into_a_status_is_refused_and_says_how_big_it_is() {
    let template = |bytes: usize| {
        json!({
            "metadata": {"annotations": {"text": "x".repeat(bytes)}},
            "spec": {"template": {"spec": {"containers": [{"name": "probe", "image": "probe:1"}]}}},
        })
    };
    let empty = template(0).to_string().len();
    let pointer = "/gates/3/job/template";
    let most = 16 * 1024;
    assert!(judge(json!([with(full(), pointer, template(most - empty))])).is_ok());
    refused(
        pointer,
        template(most - empty + 1),
        "gates[probe].job.template",
        "has 16384 bytes as JSON at most, not 16385",
    );
    // Each of them small enough, and too many of them.
    let probe = |number: usize| {
        json!({"name": format!("probe-{number}"), "runAt": ["AfterWave"], "type": "Job",
            "job": {"template": template(8000)}})
    };
    let many = |number: usize| -> Vec<Value> { (0..number).map(probe).collect() };
    let refusal = judge(json!([with(full(), "/gates", json!(many(17)))])).expect_err("too big");
    assert_eq!(refusal.path, "spec.stages");
    let size: usize = refusal
        .message
        .strip_prefix("has 131072 bytes as JSON at most, not ")
        .expect("the limit and the value")
        .parse()
        .expect("a number");
    assert!(size > 131_072);
    assert!(judge(json!([with(full(), "/gates", json!(many(12)))])).is_ok());
}
