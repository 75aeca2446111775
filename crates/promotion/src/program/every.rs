//! Every rule that stages break, for people who correct a file: whoever runs stages needs only the first.

use super::{At, Judges, Program, Refusal, stage};
use crate::spec::{Amount, CanarySpec, Span, StageSpec, StrategySpec, StrategyType, WindowSpec, WindowType};

/// Every part is judged as in the whole, so these are the rules of the whole: a part is alone in its stage, or beside parts
/// that no rule is against.
pub(super) fn refusals(stages: &[StageSpec], judges: Judges<'_>) -> Vec<Refusal> {
    let Err(first) = Program::judge_by(stages, judges) else {
        return Vec::new();
    };
    let at = At::new("spec").field("stages");
    let mut found: Vec<Refusal> = Vec::new();
    for spec in stages {
        let at = at.item(&spec.name);
        let fits = |part: &StageSpec| stage(&at, part, judges).is_ok();
        for part in parts(spec, fits) {
            found.extend(stage(&at, &part, judges).err());
        }
    }
    // What is about several stages is seen only in the whole.
    if !found.contains(&first) {
        found.insert(0, first);
    }
    let mut once: Vec<Refusal> = Vec::new();
    for refusal in found {
        if !once.contains(&refusal) {
            once.push(refusal);
        }
    }
    once
}

/// The stage with one of its parts at a time.
fn parts(spec: &StageSpec, fits: impl Fn(&StageSpec) -> bool) -> Vec<StageSpec> {
    let bare = StageSpec {
        name: spec.name.clone(),
        environment: spec.environment.clone(),
        on_empty: None,
        strategy: None,
        max_failures: None,
        progress_deadline: None,
        failure_policy: None,
        approval: None,
        windows: Vec::new(),
        gates: Vec::new(),
        opt_in: None,
    };
    let waves = StageSpec {
        strategy: spec.strategy.clone(),
        ..bare.clone()
    };
    let mut parts = vec![
        StageSpec {
            max_failures: spec.max_failures.clone(),
            ..bare.clone()
        },
        StageSpec {
            progress_deadline: spec.progress_deadline.clone(),
            ..bare.clone()
        },
        StageSpec {
            approval: spec.approval.clone(),
            ..bare.clone()
        },
        StageSpec {
            opt_in: spec.opt_in.clone(),
            ..bare.clone()
        },
    ];
    for number in 0..spec.windows.len() {
        let other = |at: usize| {
            if at == number {
                spec.windows[at].clone()
            } else {
                always()
            }
        };
        parts.push(StageSpec {
            windows: (0..spec.windows.len()).map(other).collect(),
            ..bare.clone()
        });
    }
    // A gate may be bound to a bake; whether there is one is not known of waves that cannot be.
    let strategy = if fits(&waves) {
        spec.strategy.clone()
    } else {
        Some(baking())
    };
    parts.extend(spec.gates.iter().map(|gate| StageSpec {
        strategy: strategy.clone(),
        gates: vec![gate.clone()],
        ..bare.clone()
    }));
    parts.insert(0, waves);
    parts
}

/// A window that no rule is against.
fn always() -> WindowSpec {
    WindowSpec {
        kind: WindowType::Allow,
        schedule: "* * * * *".to_owned(),
        duration: Span("1m".to_owned()),
        time_zone: None,
    }
}

/// Waves that no rule is against, and that bake.
fn baking() -> StrategySpec {
    StrategySpec {
        kind: StrategyType::Canary,
        max_concurrency: None,
        target_deadline: None,
        canary: Some(CanarySpec {
            first: Amount::Number(1),
            bake_time: Some(Span("1h".to_owned())),
        }),
        linear: None,
        waves: Vec::new(),
    }
}
