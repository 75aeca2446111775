//! What was found out before, so that it is not found out again ten times a second.

use crate::{
    Decoded, Inputs, PolicySettings, Rejection,
    baseline::{self, Judged},
    content::Content,
    guarded,
};
use api::{Baseline, BaselineRevision};
use model::{Installation, Revision};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Remembers verdicts that are dear: on the content of a Baseline, which is compiled and proven, and on a
/// BaselineRevision, whose hash is computed. Each is used again only for what is equal to what it was found for, so a
/// memory changes how long [`resolve`](crate::resolve) takes and nothing else.
#[derive(Debug, Default)]
pub struct Memory {
    settings: Option<(Installation, PolicySettings)>,
    baselines: BTreeMap<String, (Arc<Baseline>, Judged)>,
    revisions: BTreeMap<String, (Arc<BaselineRevision>, Option<Arc<Content>>)>,
}

impl Memory {
    /// Forgets what is not there any more, or was found under other settings.
    pub(crate) fn tidy(&mut self, inputs: &Inputs<'_>) {
        let same = self.settings.as_ref().is_some_and(|(installation, settings)| {
            installation == inputs.installation && settings == inputs.policy_settings
        });
        if !same {
            self.baselines.clear();
            self.settings = Some((inputs.installation.clone(), inputs.policy_settings.clone()));
        }
        let good = |name: &String| matches!(inputs.baselines.get(name), Some(Decoded::Good(_)));
        self.baselines.retain(|name, _| good(name));
        let good = |name: &String| matches!(inputs.revisions.get(name), Some(Decoded::Good(_)));
        self.revisions.retain(|name, _| good(name));
    }

    /// The verdict on a Baseline. Its status, which changes often, is not part of it.
    pub(crate) fn baseline(&mut self, inputs: &Inputs<'_>, name: &str, object: &Arc<Baseline>) -> Judged {
        if let Some((known, judged)) = self.baselines.get_mut(name)
            && (Arc::ptr_eq(known, object) || known.spec == object.spec)
        {
            *known = Arc::clone(object);
            return judged.clone();
        }
        let judge = || {
            Ok(baseline::judge(
                name,
                object,
                inputs.installation,
                inputs.policy_settings,
            ))
        };
        let judged = guarded(judge).unwrap_or_else(|defect| Judged {
            limits: Err(defect.clone()),
            content: Err(defect),
        });
        self.baselines
            .insert(name.to_owned(), (Arc::clone(object), judged.clone()));
        judged
    }

    /// Which revision a BaselineRevision holds, and its environments; `None`: it cannot be believed.
    pub fn holds(
        &mut self,
        name: &str,
        object: &Arc<BaselineRevision>,
    ) -> Option<(Revision, BTreeSet<String>)> {
        let content = self.revision(name, object)?;
        let environments = content.environments.keys().cloned().collect();
        Some((content.revision.clone(), environments))
    }

    /// What a BaselineRevision holds; `None`: it cannot be believed.
    pub(crate) fn revision(&mut self, name: &str, object: &Arc<BaselineRevision>) -> Option<Arc<Content>> {
        if let Some((known, content)) = self.revisions.get_mut(name)
            && (Arc::ptr_eq(known, object) || known.spec == object.spec)
        {
            *known = Arc::clone(object);
            return content.clone();
        }
        let content: Result<Content, Rejection> = guarded(|| Content::verified(name, object));
        let content = content.ok().map(Arc::new);
        self.revisions
            .insert(name.to_owned(), (Arc::clone(object), content.clone()));
        content
    }
}
