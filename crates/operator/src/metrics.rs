//! Metrics. Label sets are closed: kinds, operations, reasons and environments, never names of objects.

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::sync::{Arc, atomic::AtomicU64};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    service: &'static str,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StepLabels {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RepairLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BudgetLabels {
    budget: &'static str,
}

/// Environments are named by Baselines: a handful, written by the platform team.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct EnvironmentLabels {
    environment: String,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The operator's metrics, cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Arc<Registry>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Histogram,
    steps: Family<StepLabels, Counter>,
    repairs: Family<RepairLabels, Counter>,
    accounts: Family<ReasonLabels, Gauge>,
    updates: Family<EnvironmentLabels, Gauge>,
    budgets: Family<BudgetLabels, Gauge>,
    kubernetes_writes: Counter,
    plans: Counter,
    plan_seconds: Histogram,
    observed_at: Seconds,
    completed_at: Seconds,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("bulkhead");
        let buckets = [0.001, 0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
        let metrics = Self {
            registry: Arc::new(Registry::default()),
            calls: Family::default(),
            call_seconds: Histogram::new(buckets),
            steps: Family::default(),
            repairs: Family::default(),
            accounts: Family::default(),
            updates: Family::default(),
            budgets: Family::default(),
            kubernetes_writes: Counter::default(),
            plans: Counter::default(),
            plan_seconds: Histogram::new(buckets),
            observed_at: Seconds::default(),
            completed_at: Seconds::default(),
            leader: Gauge::default(),
        };
        registry.register("aws_calls", "AWS API calls", metrics.calls.clone());
        registry.register(
            "aws_call_seconds",
            "Duration of AWS API calls",
            metrics.call_seconds.clone(),
        );
        registry.register(
            "steps",
            "Steps of plans that were carried out",
            metrics.steps.clone(),
        );
        registry.register(
            "drift_repairs",
            "Steps that repaired what somebody else had changed about policies of Bulkhead",
            metrics.repairs.clone(),
        );
        registry.register(
            "accounts",
            "AwsAccounts by the reason of their Ready condition",
            metrics.accounts.clone(),
        );
        registry.register(
            "updates_available",
            "AwsAccounts whose owners may take a later revision, by environment",
            metrics.updates.clone(),
        );
        registry.register(
            "budget_remaining",
            "Changes that a budget leaves room for now",
            metrics.budgets.clone(),
        );
        registry.register(
            "kubernetes_writes",
            "Writes to the Kubernetes API",
            metrics.kubernetes_writes.clone(),
        );
        registry.register("plans", "Plans made", metrics.plans.clone());
        registry.register(
            "plan_seconds",
            "Duration of stages 2 to 5",
            metrics.plan_seconds.clone(),
        );
        let help = "When the last full read of the organization began, seconds since the epoch";
        registry.register("observed_timestamp_seconds", help, metrics.observed_at.clone());
        let help = "When a plan was last made and started, seconds since the epoch";
        registry.register("run_timestamp_seconds", help, metrics.completed_at.clone());
        registry.register("leader", "1 while this replica leads", metrics.leader.clone());
        Self {
            registry: Arc::new(registry),
            ..metrics
        }
    }
}

impl Metrics {
    /// One AWS call ended.
    pub fn aws_call(
        &self,
        service: &'static str,
        operation: &'static str,
        outcome: &'static str,
        seconds: f64,
    ) {
        self.calls
            .get_or_create(&CallLabels {
                service,
                operation,
                outcome,
            })
            .inc();
        self.call_seconds.observe(seconds);
    }
    pub(crate) fn step(&self, kind: &'static str, outcome: &'static str) {
        self.steps.get_or_create(&StepLabels { kind, outcome }).inc();
    }
    pub(crate) fn repaired(&self, kind: &'static str) {
        self.repairs.get_or_create(&RepairLabels { kind }).inc();
    }
    pub(crate) fn accounts(&self, counts: &std::collections::BTreeMap<&'static str, i64>) {
        self.accounts.clear();
        for (reason, count) in counts {
            self.accounts.get_or_create(&ReasonLabels { reason }).set(*count);
        }
    }
    pub(crate) fn updates(&self, counts: &std::collections::BTreeMap<&str, i64>) {
        self.updates.clear();
        for (environment, count) in counts {
            let environment = (*environment).to_owned();
            let gauge = self.updates.get_or_create(&EnvironmentLabels { environment });
            gauge.set(*count);
        }
    }
    pub(crate) fn budgets(&self, rooms: &[model::Room]) {
        for room in rooms {
            let budget = room.budget.as_str();
            let gauge = self.budgets.get_or_create(&BudgetLabels { budget });
            gauge.set(i64::from(room.left));
        }
    }
    pub(crate) fn kubernetes_write(&self) {
        self.kubernetes_writes.inc();
    }
    pub(crate) fn planned(&self, seconds: f64, now: jiff::Timestamp) {
        self.plans.inc();
        self.plan_seconds.observe(seconds);
        self.completed_at.set(now.as_duration().as_secs_f64());
    }
    pub(crate) fn observed(&self, at: jiff::Timestamp) {
        self.observed_at.set(at.as_duration().as_secs_f64());
    }
    pub(crate) fn leading(&self, leading: bool) {
        self.leader.set(i64::from(leading));
    }
    /// All metrics in the OpenMetrics text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_operation_and_outcome() {
        let metrics = Metrics::default();
        metrics.aws_call("organizations", "CreateAccount", "OK", 0.1);
        let text = metrics.text();
        let line = "bulkhead_aws_calls_total{service=\"organizations\",operation=\"CreateAccount\",outcome=\"OK\"} 1";
        assert!(text.contains(line), "{text}");
    }
}
