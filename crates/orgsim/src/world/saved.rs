//! The world as it is kept in a state file.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::World;
use crate::clock::after;
use crate::settings::Settings;

/// Raised whenever an older program could misread what is written, or the other way round.
const VERSION: u64 = 1;

/// How much simulated time may pass between two written states while callers only read.
const OLDEST: std::time::Duration = std::time::Duration::from_secs(1);

/// Who the organization is: the file's word counts, not the settings'.
#[derive(Serialize, Deserialize)]
struct Identity {
    organization_id: String,
    root_id: String,
    management_account_id: String,
    management_account_email: String,
    management_account_name: String,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u64,
    identity: Identity,
    world: &'a World,
}

#[derive(Deserialize)]
struct Read {
    identity: Identity,
    world: World,
}

impl World {
    /// The text to write when something has changed since the last one.
    pub(crate) fn unsaved(&self) -> Result<Option<String>, serde_json::Error> {
        if !self.unsaved && self.now < after(self.saved_at, OLDEST) {
            return Ok(None);
        }
        self.save().map(Some)
    }

    pub(crate) fn save(&self) -> Result<String, serde_json::Error> {
        let settings = &self.settings;
        let identity = Identity {
            organization_id: settings.organization_id.clone(),
            root_id: settings.root_id.clone(),
            management_account_id: settings.management_account_id.clone(),
            management_account_email: settings.management_account_email.clone(),
            management_account_name: settings.management_account_name.clone(),
        };
        serde_json::to_string(&Written {
            version: VERSION,
            identity,
            world: self,
        })
    }

    /// The text of [`World::unsaved`] is safe on the disk.
    pub(crate) fn saved(&mut self) {
        self.unsaved = false;
        self.saved_at = self.now;
    }

    /// What is wrong with the text is said for a person. Rates, lags and quotas are the settings'; who the organization
    /// is, its time and its streams of chance are the text's.
    pub(crate) fn restore(text: &str, settings: Settings) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("not readable: {error}"))?;
        match value.get("version").map(Value::as_u64) {
            Some(Some(VERSION)) => {}
            Some(_) => {
                let version = value.get("version").unwrap_or(&Value::Null);
                return Err(format!(
                    "of version {version}, and only version {VERSION} is known"
                ));
            }
            None => return Err("not a state file: it has no version".to_owned()),
        }
        let Read { identity, mut world } =
            serde_json::from_value(value).map_err(|error| format!("not readable: {error}"))?;
        world.pager.percent = settings.empty_page_percent;
        world.buckets.limit(settings.limits);
        world.saved_at = world.now;
        world.settings = Settings {
            organization_id: identity.organization_id,
            root_id: identity.root_id,
            management_account_id: identity.management_account_id,
            management_account_email: identity.management_account_email,
            management_account_name: identity.management_account_name,
            ..settings
        };
        Ok(world)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}
