//! The operator's configuration file. What belongs to the installation is here; what belongs to governance is in the
//! Baseline. Unknown keys are refused with their path.

mod policies;

pub use policies::PoliciesConfig;

use executor::Rates;
use jiff::SignedDuration;
use model::{Brake, Installation, Limits, MassChange, Mode};
use serde::{Deserialize, Serialize};

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not readable as this file's shape: the message names line, column and key. The person who wrote it should act.
    #[error("configuration: {0}")]
    Malformed(String),
    /// A value breaks a rule that another part of Bulkhead states. The person who wrote it should act.
    #[error("configuration: {0}")]
    Refused(String),
    /// A value breaks a rule. The person who wrote it should act.
    #[error("configuration: {key} is {value}: {rule}")]
    Invalid {
        /// The key, by path.
        key: &'static str,
        /// The value.
        value: String,
        /// The rule.
        rule: &'static str,
    },
}

/// May the operator change anything?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModeConfig {
    /// Yes.
    #[default]
    Enforce,
    /// It reads the organization and judges the objects, changes nothing in AWS, and enters no account.
    Observe,
}

/// The configuration file. Durations are written as `30s`, `5m`, `1h`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Name of this installation, 1..32 of `[a-z0-9-]`; part of every claim tag, so chosen once for good.
    pub installation: Installation,
    /// Enforce (default) or Observe.
    #[serde(default)]
    pub mode: ModeConfig,
    /// The Baseline of objects that name none.
    #[serde(default)]
    pub default_baseline: Option<String>,
    /// How to reach AWS and how fast.
    #[serde(default)]
    pub aws: AwsConfig,
    /// How often the organization is read again.
    #[serde(default)]
    pub refresh: RefreshConfig,
    /// How accounts are created.
    #[serde(default)]
    pub creation: CreationConfig,
    /// How policies are attached, replaced and deleted.
    #[serde(default)]
    pub policies: PoliciesConfig,
    /// How many accounts may be changed at once; `null`: no limit.
    #[serde(default = "mass_change")]
    pub mass_change: Option<MassChangeConfig>,
    /// What gates of promotions may ask.
    #[serde(default)]
    pub gates: GatesConfig,
    /// The mark that keeps two clusters apart.
    #[serde(default)]
    pub installation_mark: InstallationMarkConfig,
    /// The leader lease.
    #[serde(default)]
    pub leader_election: LeaderElectionConfig,
}

/// How to reach AWS and how fast.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AwsConfig {
    /// Endpoint of a simulator; absent for AWS itself.
    pub endpoint_url: Option<String>,
    /// `published`, or a multiplier of the published rates, for simulators.
    pub rates: RatesConfig,
    /// Share of AWS's rates to use, above 0 and at most 1: the buckets are shared with every other tool.
    pub aws_share: f64,
    /// Whether a policy type that a Baseline needs is enabled on the root (default false). None is ever disabled: AWS would
    /// detach every policy of the type everywhere.
    pub enable_policy_types: bool,
    /// ARN patterns of principals that every guardrail exempts, such as `arn:aws:iam::*:role/break-glass`. A guardrail is
    /// only as strong as these roles: `protectAccessRole` keeps others from changing them.
    pub exempt_principals: Vec<String>,
}

impl Default for AwsConfig {
    fn default() -> Self {
        Self {
            endpoint_url: None,
            rates: RatesConfig::default(),
            aws_share: 0.8,
            enable_policy_types: false,
            exempt_principals: Vec::new(),
        }
    }
}

/// Which rates AWS keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RatesConfig {
    /// The published ones.
    #[default]
    #[serde(with = "published")]
    Published,
    /// A multiple of them.
    Multiplier(f64),
}

mod published {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("published")
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "published" => Ok(()),
            _ => Err(D::Error::custom("expected `published` or a number")),
        }
    }
}

/// How often the organization is read again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RefreshConfig {
    /// All accounts.
    pub accounts: SignedDuration,
    /// Everything; each account's access is proven again as often.
    pub full: SignedDuration,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self {
            accounts: SignedDuration::from_mins(5),
            full: SignedDuration::from_mins(30),
        }
    }
}

/// How accounts are created.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CreationConfig {
    /// After a call with an unknown outcome, how long until the next attempt; longer than AWS's listing lag.
    pub grace: SignedDuration,
    /// How often creations in progress are polled.
    pub poll: SignedDuration,
    /// CreateAccount requests in any hour (default 60); `null`: no limit, 0: no account is created.
    pub per_hour: Option<u32>,
    /// CreateAccount requests in any 24 hours (default 300); likewise.
    pub per_day: Option<u32>,
}

impl Default for CreationConfig {
    fn default() -> Self {
        Self {
            grace: SignedDuration::from_mins(15),
            poll: SignedDuration::from_secs(5),
            per_hour: Some(60),
            per_day: Some(300),
        }
    }
}

/// How many accounts may be changed at once: a brake on mistakes, for a wrong Baseline is wrong for all of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MassChangeConfig {
    /// The window (default 1h), 1m to 168h.
    pub window: SignedDuration,
    /// Distinct accounts that are moved to another organizational unit in any window, and as many that get another revision
    /// of their Baseline (default 50), at most 1000: they are remembered by their ids. 0: none. What a new account gets at
    /// its birth does not count.
    pub max_accounts: u32,
}

impl Default for MassChangeConfig {
    fn default() -> Self {
        Self {
            window: SignedDuration::from_hours(1),
            max_accounts: 50,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn mass_change() -> Option<MassChangeConfig> {
    Some(MassChangeConfig::default())
}

/// What gates of promotions may ask.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatesConfig {
    /// Hosts that HTTP and Prometheus gates may ask: `host`, `host:port`, `*.example.com` or `*.example.com:port`; without a
    /// port, 80 for http and 443 for https alone. Default: none.
    pub allowed_hosts: Vec<String>,
    /// The Prometheus of gates that name none.
    pub prometheus_address: Option<String>,
}

/// The mark that keeps two clusters apart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InstallationMarkConfig {
    /// How often the mark is read again; a new mark settles for two of these.
    pub reread: SignedDuration,
}

impl Default for InstallationMarkConfig {
    fn default() -> Self {
        Self {
            reread: SignedDuration::from_secs(30),
        }
    }
}

/// The leader lease.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LeaderElectionConfig {
    /// How long a candidate waits after the last sign of life.
    pub lease_duration: SignedDuration,
    /// How long a term lasts without renewal; at least 5 s less than the lease duration.
    pub renew_deadline: SignedDuration,
    /// How often the lease is renewed or asked for.
    pub retry_period: SignedDuration,
    /// Namespace of the lease; default: `POD_NAMESPACE`, else `default`.
    pub namespace: Option<String>,
}

impl Default for LeaderElectionConfig {
    fn default() -> Self {
        Self {
            lease_duration: SignedDuration::from_secs(20),
            renew_deadline: SignedDuration::from_secs(12),
            retry_period: SignedDuration::from_secs(3),
            namespace: None,
        }
    }
}

/// AWS's own limit of CreateAccount requests in progress.
const CREATIONS_IN_FLIGHT: usize = 5;
/// Intents written ahead of the calls, so that a free place is used at once.
const INTENTS_AHEAD: usize = 3;

impl Config {
    /// A configuration of defaults.
    pub fn new(installation: Installation) -> Self {
        Self {
            installation,
            mode: ModeConfig::default(),
            default_baseline: None,
            aws: AwsConfig::default(),
            refresh: RefreshConfig::default(),
            creation: CreationConfig::default(),
            policies: PoliciesConfig::default(),
            mass_change: mass_change(),
            gates: GatesConfig::default(),
            installation_mark: InstallationMarkConfig::default(),
            leader_election: LeaderElectionConfig::default(),
        }
    }

    /// Reads a configuration file's text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        // Without the excerpt of the file: the message is one line of a log.
        let options = serde_saphyr::options! { with_snippet: false };
        let mut key = String::new();
        let config: Self = serde_saphyr::with_deserializer_from_str_with_options(text, options, |file| {
            serde_path_to_error::deserialize(file).map_err(|error| {
                key = error.path().to_string();
                error.into_inner()
            })
        })
        .map_err(|error| match key.as_str() {
            "" | "." => ConfigError::Malformed(error.to_string()),
            key => ConfigError::Malformed(format!("{key}: {error}")),
        })?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let invalid = |key, value: String, rule| Err(ConfigError::Invalid { key, value, rule });
        let share = self.aws.aws_share;
        if !(share > 0.0 && share <= 1.0) {
            return invalid("aws.awsShare", share.to_string(), "must be above 0 and at most 1");
        }
        if let RatesConfig::Multiplier(rates) = self.aws.rates
            && !(rates.is_finite() && rates > 0.0)
        {
            return invalid(
                "aws.rates",
                rates.to_string(),
                "must be `published` or a number above 0",
            );
        }
        for (key, value) in [
            ("refresh.accounts", self.refresh.accounts),
            ("refresh.full", self.refresh.full),
            ("creation.grace", self.creation.grace),
            ("creation.poll", self.creation.poll),
            ("installationMark.reread", self.installation_mark.reread),
            ("leaderElection.retryPeriod", self.leader_election.retry_period),
        ] {
            if value < SignedDuration::from_secs(1) {
                return invalid(key, format!("{value:#}"), "must be at least 1s");
            }
        }
        self.validate_mass_change()?;
        self.policies.validate()?;
        policies::validate_exempt(&self.aws.exempt_principals)?;
        let lease = &self.leader_election;
        if lease.lease_duration - lease.renew_deadline < SignedDuration::from_secs(5) {
            let rule = "must be at least 5s less than leaderElection.leaseDuration";
            return invalid(
                "leaderElection.renewDeadline",
                format!("{:#}", lease.renew_deadline),
                rule,
            );
        }
        if lease.renew_deadline < lease.retry_period + SignedDuration::from_secs(5) {
            let rule = "must be at least leaderElection.retryPeriod and 5s: a mutation needs 4s of its term";
            return invalid(
                "leaderElection.renewDeadline",
                format!("{:#}", lease.renew_deadline),
                rule,
            );
        }
        Ok(())
    }

    fn validate_mass_change(&self) -> Result<(), ConfigError> {
        let Some(mass) = &self.mass_change else {
            return Ok(());
        };
        let window = SignedDuration::from_mins(1)..=SignedDuration::from_hours(168);
        let invalid = |key, value, rule| Err(ConfigError::Invalid { key, value, rule });
        if !window.contains(&mass.window) {
            let value = format!("{:#}", mass.window);
            return invalid("massChange.window", value, "must be 1m to 168h");
        }
        if mass.max_accounts > 1000 {
            let rule = "must be at most 1000; `massChange: null` has no limit";
            return invalid("massChange.maxAccounts", mass.max_accounts.to_string(), rule);
        }
        Ok(())
    }

    /// The limits a plan keeps.
    pub fn limits(&self) -> Limits {
        Limits {
            mode: match self.mode {
                ModeConfig::Enforce => Mode::Enforce,
                ModeConfig::Observe => Mode::Observe,
            },
            creations_in_flight: CREATIONS_IN_FLIGHT,
            creation_window: CREATIONS_IN_FLIGHT + INTENTS_AHEAD,
            creation_grace: self.creation.grace,
            refresh_accounts: self.refresh.accounts,
            refresh_full: self.refresh.full,
            poll: self.creation.poll,
            policies: self.policies.limits(self.aws.enable_policy_types),
            brake: Brake {
                creations_per_hour: self.creation.per_hour,
                creations_per_day: self.creation.per_day,
                mass_change: self.mass_change.as_ref().map(|mass| MassChange {
                    window: mass.window,
                    max_accounts: mass.max_accounts,
                }),
            },
        }
    }

    /// What resolve needs to know of policies.
    pub fn policy_settings(&self) -> desired::PolicySettings {
        desired::PolicySettings {
            exempt_principals: self.aws.exempt_principals.clone(),
            reserved_slots: self.policies.reserved_slots,
        }
    }

    /// The rates the pacer keeps.
    pub fn rates(&self) -> Rates {
        let multiplier = match self.aws.rates {
            RatesConfig::Published => 1.0,
            RatesConfig::Multiplier(rates) => rates,
        };
        Rates {
            multiplier,
            share: self.aws.aws_share,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_configuration_has_the_documented_defaults() {
        let config = Config::parse("installation: acme").unwrap();
        assert_eq!(
            config.rates(),
            Rates {
                multiplier: 1.0,
                share: 0.8
            }
        );
        assert_eq!(config.limits().creation_grace, SignedDuration::from_mins(15));
        assert_eq!(
            config.leader_election.lease_duration,
            SignedDuration::from_secs(20)
        );
    }

    #[test]
    fn the_brake_is_on_unless_it_is_switched_off() {
        let brake = |text: &str| Config::parse(text).unwrap().limits().brake;
        let mass = |max_accounts| {
            Some(MassChange {
                window: SignedDuration::from_hours(1),
                max_accounts,
            })
        };
        let default = Brake {
            creations_per_hour: Some(60),
            creations_per_day: Some(300),
            mass_change: mass(50),
        };
        assert_eq!(brake("installation: acme"), default);
        let off = "installation: acme\ncreation: {perHour: null, perDay: null}\nmassChange: null";
        assert_eq!(brake(off), Brake::default());
        let some = brake("installation: acme\ncreation: {perHour: 0}\nmassChange: {maxAccounts: 7}");
        assert_eq!(
            (some.creations_per_hour, some.creations_per_day, some.mass_change),
            (Some(0), Some(300), mass(7))
        );
    }

    #[test]
    fn values_are_read() {
        let text = "installation: acme\naws: {rates: 50, awsShare: 1.0}\ninstallationMark: {reread: 2s}\ncreation: {grace: 20m}\nmode: Observe\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(
            config.rates(),
            Rates {
                multiplier: 50.0,
                share: 1.0
            }
        );
        assert_eq!(config.installation_mark.reread, SignedDuration::from_secs(2));
        assert_eq!(config.limits().mode, Mode::Observe);
        assert_eq!(
            Config::parse("installation: acme\naws: {rates: published}")
                .unwrap()
                .aws
                .rates,
            RatesConfig::Published
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("installation: acme\nawz: {}", "awz"),
            ("installation: acme\naws: {share: 1}", "aws.share"),
            ("installation: Acme", "installation"),
            ("installation: acme\naws: {awsShare: 2}", "aws.awsShare is 2"),
            ("installation: acme\naws: {rates: fast}", "rates"),
            (
                "installation: acme\nleaderElection: {renewDeadline: 18s}",
                "leaderElection.renewDeadline is 18s",
            ),
            ("installation: acme\ncreation: {grace: soon}", "creation.grace"),
            (
                "installation: acme\nmassChange: {window: 30s}",
                "massChange.window is 30s",
            ),
            (
                "installation: acme\nmassChange: {maxAccounts: 1001}",
                "massChange.maxAccounts is 1001",
            ),
            ("installation: acme\ncreation: {perHour: -1}", "creation.perHour"),
            (
                "installation: acme\npolicies: {reservedSlots: 8}",
                "policies.reservedSlots is 8: must be at most 7",
            ),
            (
                "installation: acme\npolicies: {overlap: 25h}",
                "policies.overlap is 25h",
            ),
            (
                "installation: acme\naws: {exemptPrincipals: ['arn:aws:iam::*:role/break*']}",
                "aws.exemptPrincipals[0]: is \"arn:aws:iam::*:role/break*\"",
            ),
            ("mode: Enforce", "installation"),
        ] {
            let error = Config::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert_eq!(error.lines().count(), 1, "{text}: {error}");
        }
    }
}
