//! How the accounts of a stage are taken: every form is a list of waves in the end.

use super::{
    At, Refusal, Wave,
    checks::{DAY, MINUTE, SECOND, label, list, share, span, unique},
};
use crate::{
    Share,
    spec::{CanarySpec, LinearSpec, Span, StrategySpec, StrategyType, WaveSpec},
};
use jiff::SignedDuration;

/// Waves that a stage has at most.
const WAVES: usize = 32;
const ALL: Share = Share::Percent(100);

pub(super) struct Strategy {
    pub(super) waves: Vec<Wave>,
    pub(super) max_concurrency: Option<Share>,
    pub(super) target_deadline: SignedDuration,
}

pub(super) fn judge(at: &At, spec: Option<&StrategySpec>) -> Result<Strategy, Refusal> {
    let Some(spec) = spec else {
        return Ok(Strategy {
            waves: vec![all_at_once()],
            max_concurrency: None,
            target_deadline: 15 * MINUTE,
        });
    };
    let max_concurrency = spec
        .max_concurrency
        .as_ref()
        .map(|amount| share(&at.field("maxConcurrency"), amount, 1))
        .transpose()?;
    let target_deadline = match &spec.target_deadline {
        None => 15 * MINUTE,
        Some(given) => span(&at.field("targetDeadline"), given, SECOND, 30 * DAY)?,
    };
    Ok(Strategy {
        waves: waves(at, spec)?,
        max_concurrency,
        target_deadline,
    })
}

fn waves(at: &At, spec: &StrategySpec) -> Result<Vec<Wave>, Refusal> {
    let given = [
        ("canary", StrategyType::Canary, spec.canary.is_some()),
        ("linear", StrategyType::Linear, spec.linear.is_some()),
        ("waves", StrategyType::Waves, !spec.waves.is_empty()),
    ];
    for (field, kind, there) in given {
        if there && kind != spec.kind {
            return Err(at
                .field(field)
                .refuse(format!("is only there with type {kind:?}, not {:?}", spec.kind)));
        }
    }
    let missing = |field| {
        let kind = spec.kind;
        at.field(field)
            .refuse(format!("is required with type {kind:?}, and is not there"))
    };
    match spec.kind {
        StrategyType::AllAtOnce => Ok(vec![all_at_once()]),
        StrategyType::Canary => canary(
            &at.field("canary"),
            spec.canary.as_ref().ok_or_else(|| missing("canary"))?,
        ),
        StrategyType::Linear => linear(
            &at.field("linear"),
            spec.linear.as_ref().ok_or_else(|| missing("linear"))?,
        ),
        StrategyType::Waves if spec.waves.is_empty() => Err(missing("waves")),
        StrategyType::Waves => listed(&at.field("waves"), &spec.waves),
    }
}

fn all_at_once() -> Wave {
    Wave {
        name: "all".to_owned(),
        targets: ALL,
        bake: SignedDuration::ZERO,
    }
}

/// The first wave bakes, the rest does not.
fn canary(at: &At, spec: &CanarySpec) -> Result<Vec<Wave>, Refusal> {
    Ok(vec![
        Wave {
            name: "canary".to_owned(),
            targets: share(&at.field("first"), &spec.first, 1)?,
            bake: bake(at, spec.bake_time.as_ref())?,
        },
        Wave {
            name: "rest".to_owned(),
            targets: ALL,
            bake: SignedDuration::ZERO,
        },
    ])
}

/// Each wave bakes. A step that is a number would make more or fewer waves with every account that comes or goes.
fn linear(at: &At, spec: &LinearSpec) -> Result<Vec<Wave>, Refusal> {
    let step = match share(&at.field("step"), &spec.step, 1)? {
        Share::Percent(step) if 100_u32.div_ceil(step) as usize <= WAVES => step,
        _ => {
            let rule = format!("is a percentage that makes {WAVES} waves at most, `4%` to `100%`");
            return Err(at.field("step").refuse(format!("{rule}, not {}", spec.step)));
        }
    };
    let bake = bake(at, spec.bake_time.as_ref())?;
    let wave = |number: u32| Wave {
        name: format!("step-{number}"),
        targets: Share::Percent((number * step).min(100)),
        bake,
    };
    Ok((1..=100_u32.div_ceil(step)).map(wave).collect())
}

fn listed(at: &At, specs: &[WaveSpec]) -> Result<Vec<Wave>, Refusal> {
    list(at, specs.len(), 1, WAVES)?;
    for (number, wave) in specs.iter().enumerate() {
        label(&at.number(number).field("name"), &wave.name)?;
    }
    unique(at, "names", specs.iter().map(|wave| wave.name.as_str()))?;
    // Numbers are compared with numbers and percentages with percentages: 5 accounts may be more or less than 10 %.
    let (mut number, mut percent) = (0, 0);
    let mut waves = Vec::new();
    for spec in specs {
        let at = at.item(&spec.name);
        let targets = share(&at.field("targets"), &spec.targets, 1)?;
        let (before, now) = match targets {
            Share::Number(now) => (&mut number, now),
            Share::Percent(now) => (&mut percent, now),
        };
        if now < *before {
            let unit = if matches!(targets, Share::Percent(_)) {
                "%"
            } else {
                ""
            };
            let rule = format!("counts the waves before it too, so it is at least their {before}{unit}");
            return Err(at.field("targets").refuse(format!("{rule}, not {targets}")));
        }
        *before = now;
        waves.push(Wave {
            name: spec.name.clone(),
            targets,
            bake: bake(&at, spec.bake_time.as_ref())?,
        });
    }
    match waves.last() {
        Some(last) if last.targets != ALL => Err(at.item(&last.name).field("targets").refuse(format!(
            "is `100%`, because the wave is the last, not {}",
            last.targets
        ))),
        _ => Ok(waves),
    }
}

fn bake(at: &At, given: Option<&Span>) -> Result<SignedDuration, Refusal> {
    match given {
        None => Ok(SignedDuration::ZERO),
        Some(given) => span(&at.field("bakeTime"), given, SignedDuration::ZERO, 30 * DAY),
    }
}
