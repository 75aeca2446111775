//! Stages that are right.

use super::{full, hosts, judge, one, with};
use jiff::SignedDuration;
use promotion::{
    Approval, GateSpec, HostRefusal, OnDeadline, OnEmpty, OnError, OnFailure, Program, RollbackScope, Share,
    StageSpec, Wave, Windows, judge_host,
};
use serde_json::{Value, json};

fn wave(name: &str, targets: Share, bake: i64) -> Wave {
    Wave {
        name: name.to_owned(),
        targets,
        bake: SignedDuration::from_hours(bake),
    }
}

#[test]
fn what_is_left_out_has_its_default() {
    let stage = one(&json!({
        "name": "dev", "environment": "development",
        "approval": {"required": 1},
        "gates": [{"name": "g", "runAt": ["AfterStage"], "type": "Condition", "condition": {"type": "Ok"}}],
    }));
    assert_eq!(stage.environment, "development");
    assert_eq!(stage.on_empty, OnEmpty::Stop);
    assert_eq!(stage.waves, [wave("all", Share::Percent(100), 0)]);
    assert_eq!(stage.max_concurrency, None);
    assert_eq!(stage.target_deadline, SignedDuration::from_mins(15));
    assert_eq!(stage.max_failures, Share::Number(0));
    assert_eq!(stage.progress_deadline, None);
    assert_eq!(stage.on_test_failure, OnFailure::Rollback);
    assert_eq!(stage.on_bake_failure, OnFailure::Stop);
    assert_eq!(stage.on_error, OnError::Retry);
    assert_eq!(stage.on_deadline, OnDeadline::Stop);
    assert_eq!(stage.rollback_scope, RollbackScope::Stage);
    let timeout = SignedDuration::from_hours(168);
    assert_eq!(
        stage.approval,
        Some(Approval {
            required: 1,
            groups: vec![],
            exclude_author: false,
            timeout
        })
    );
    assert_eq!(stage.windows, Windows::default());
    assert_eq!(stage.opt_in, None);
    let gate = &stage.gates[0];
    assert_eq!(
        (gate.interval, gate.initial_delay),
        (SignedDuration::from_mins(1), SignedDuration::ZERO)
    );
    assert_eq!(
        (gate.count, gate.failure_limit, gate.inconclusive_limit),
        (None, 0, 0)
    );
    assert_eq!((gate.consecutive_error_limit, gate.dry_run), (4, false));
}

#[test]
fn what_is_written_counts() {
    let stage = one(&full());
    assert_eq!(stage.on_empty, OnEmpty::Skip);
    let waves = [
        wave("one-box", Share::Number(1), 1),
        wave("ten-percent", Share::Percent(10), 12),
        wave("rest", Share::Percent(100), 0),
    ];
    assert_eq!(stage.waves, waves);
    assert_eq!(stage.max_concurrency, Some(Share::Percent(33)));
    assert_eq!(stage.target_deadline, SignedDuration::from_mins(20));
    assert_eq!(stage.max_failures, Share::Percent(5));
    assert_eq!(stage.progress_deadline, Some(SignedDuration::from_hours(48)));
    assert_eq!(
        (stage.on_test_failure, stage.on_bake_failure),
        (OnFailure::Stop, OnFailure::Rollback)
    );
    assert_eq!(
        (stage.on_error, stage.on_deadline),
        (OnError::Stop, OnDeadline::Rollback)
    );
    assert_eq!(stage.rollback_scope, RollbackScope::Wave);
    let (groups, timeout) = (vec!["cloud-platform".to_owned()], SignedDuration::from_hours(24));
    assert_eq!(
        stage.approval,
        Some(Approval {
            required: 2,
            groups,
            exclude_author: true,
            timeout
        })
    );
    assert_ne!(stage.windows, Windows::default());
    assert_eq!(stage.opt_in, Some(SignedDuration::from_hours(720)));
    let gate = &stage.gates[0];
    assert_eq!(gate.spec.name, "compliant");
    assert_eq!(
        (gate.interval, gate.initial_delay),
        (SignedDuration::from_mins(5), SignedDuration::from_mins(2))
    );
    assert_eq!(
        (gate.count, gate.failure_limit, gate.inconclusive_limit),
        (Some(3), 1, 2)
    );
    assert_eq!((gate.consecutive_error_limit, gate.dry_run), (3, true));
}

#[test]
fn a_canary_is_two_waves_and_only_the_first_bakes() {
    let strategy = json!({"type": "Canary", "canary": {"first": "10%", "bakeTime": "2h"}});
    let waves = one(&with(full(), "/strategy", strategy)).waves;
    assert_eq!(
        waves,
        [
            wave("canary", Share::Percent(10), 2),
            wave("rest", Share::Percent(100), 0)
        ]
    );
}

#[test]
fn linear_is_as_many_waves_as_steps_reach_all() {
    let linear = |step: &str| {
        let strategy = json!({"type": "Linear", "linear": {"step": step, "bakeTime": "1h"}});
        one(&with(full(), "/strategy", strategy)).waves
    };
    let expected = [
        wave("step-1", Share::Percent(30), 1),
        wave("step-2", Share::Percent(60), 1),
        wave("step-3", Share::Percent(90), 1),
        wave("step-4", Share::Percent(100), 1),
    ];
    assert_eq!(linear("30%"), expected);
    assert_eq!(linear("50%").len(), 2);
    assert_eq!(linear("100%").len(), 1);
    assert_eq!(linear("4%").len(), 25);
}

#[test]
fn numbers_and_percentages_may_stand_side_by_side() {
    let waves = json!([
        {"name": "a", "targets": "5%"}, {"name": "b", "targets": 3}, {"name": "c", "targets": "5%"},
        {"name": "d", "targets": 3}, {"name": "e", "targets": "100%"},
    ]);
    let plain = with(full(), "/gates", Value::Null);
    assert_eq!(one(&with(plain, "/strategy/waves", waves)).waves.len(), 5);
}

#[test]
fn sixteen_stages_may_be() {
    let stages: Vec<Value> = (0..16)
        .map(|n| json!({"name": format!("s-{n}"), "environment": format!("e-{n}")}))
        .collect();
    let program = judge(Value::Array(stages)).unwrap();
    assert_eq!(program.stages[15].name, "s-15");
}

#[test]
fn hosts_are_those_that_are_allowed() {
    let allowed = [
        "a.example.com",
        "b.example.com:8443",
        "*.c.example.com",
        "[2001:db8::1]:9090",
        "10.0.0.1",
    ]
    .map(str::to_owned);
    for url in [
        "https://a.example.com/",
        "http://A.EXAMPLE.com/path?query=1",
        "https://a.example.com:443/",
        "https://b.example.com:8443",
        "https://x.c.example.com",
        "https://x.y.C.example.com/",
        "http://[2001:db8::1]:9090/",
        "http://10.0.0.1",
    ] {
        assert_eq!(judge_host(url, &allowed), Ok(()), "{url}");
    }
    for url in [
        // Without a port, an entry is about that of the scheme, and no other service of the host.
        "http://a.example.com:8080/",
        "http://a.example.com:443/",
        "https://x.c.example.com:1/",
        "https://b.example.com",
        "https://b.example.com:8444",
        "https://c.example.com",
        "https://evilc.example.com",
        "https://.c.example.com",
        "https://a.example.com.evil.org",
        "https://a.example.com.",
        "https://evil.org",
        "https://evil.org/a.example.com",
        "https://a.example.com@evil.org",
        "https://evil.org#@a.example.com",
        "https://user:word@a.example.com",
        "https://a.example.com#part",
        "ftp://a.example.com",
        "//a.example.com",
        "a.example.com",
        "/path",
        "",
        "https://",
        "https:///path",
        "https://a.example.com:",
        "http://a.example.com:99999",
        "http://a.example.com:0x50",
        "https://evil.org\\@a.example.com",
        "http://[2001:db8::1]:9091/",
        "http://[2001:db8::1]",
        "http://169.254.169.254/latest/meta-data",
        "http://a.example.com\n.evil.org",
        "http://10.0.0.1.evil.org",
        "http://a example.com",
    ] {
        assert!(judge_host(url, &allowed).is_err(), "{url}");
    }
    let refused = judge_host("https://A.example.com:8443/", &allowed).unwrap_err();
    assert_eq!(refused, HostRefusal::NotAllowed("a.example.com:8443".to_owned()));
    assert!(judge_host("https://a.example.com", &[]).is_err());
    for entry in [
        "*",
        "*.",
        "",
        "a.example.com:",
        "a.example.com:no",
        "https://a.example.com",
    ] {
        assert!(
            judge_host("https://a.example.com", &[entry.to_owned()]).is_err(),
            "{entry}"
        );
    }
}

#[test]
fn conditions_are_judged_by_whoever_knows_cel() {
    let stages: Vec<StageSpec> = serde_json::from_value(json!([full()])).unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let judge = |expression: &str| {
        seen.borrow_mut().push(expression.to_owned());
        if expression == "result[0] > 9" {
            Err("no overload".to_owned())
        } else {
            Ok(())
        }
    };
    let refusal = Program::judge_with(&stages, &hosts(), &judge, &|_| Ok(())).unwrap_err();
    assert_eq!(
        refusal.path,
        "spec.stages[prod].gates[compliant].prometheus.failureCondition"
    );
    assert_eq!(
        refusal.message,
        "is CEL over `result`, not \"result[0] > 9\": no overload"
    );
    assert_eq!(*seen.borrow(), ["result[0] == 0", "result[0] > 9"]);
}

#[test]
fn gates_are_judged_by_whoever_measures_them() {
    let stages: Vec<StageSpec> = serde_json::from_value(json!([full()])).unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let judge = |gate: &GateSpec| {
        seen.borrow_mut().push(gate.name.clone());
        if gate.name == "probe" {
            let rule = "a volume may not be a hostPath".to_owned();
            Err(("job.template".to_owned(), rule))
        } else {
            Ok(())
        }
    };
    let refusal = Program::judge_with(&stages, &hosts(), &|_| Ok(()), &judge).unwrap_err();
    assert_eq!(refusal.path, "spec.stages[prod].gates[probe].job.template");
    assert_eq!(refusal.message, "a volume may not be a hostPath");
    assert_eq!(*seen.borrow(), ["compliant", "synthetic", "billing", "probe"]);
}
