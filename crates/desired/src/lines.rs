//! The line of revisions of each Baseline: its newest one, those that accounts still have, and which one an account is to
//! have.

use crate::{
    Decoded, EnvironmentState, Inputs, Memory, Rejection, content::Content, policies, roles, undecodable,
};
use api::{BaselineSpec, BaselineStatus, RevisionStatus};
use model::{OuId, Reason, Revision, RevisionHash, RevisionName, UpdatePolicy};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The guardrail that limits Regions.
const REGIONS: &str = "allowedRegions";

/// Contents that are at hand, by name.
pub(crate) type Shelf = BTreeMap<RevisionName, Arc<Content>>;

/// Every Baseline, and every content that is at hand.
pub(crate) struct Lines<'a> {
    by_name: BTreeMap<&'a str, Line<'a>>,
    pub(crate) shelf: Shelf,
}

/// One Baseline.
pub(crate) struct Line<'a> {
    name: &'a str,
    /// Who may use it and how; `None`: that cannot be known, so nobody new may, and nobody is sent away.
    pub(crate) limits: Option<&'a BaselineSpec>,
    /// Its content now, or why that was not accepted.
    pub(crate) head: Result<Arc<Content>, Rejection>,
    /// The last content that was accepted, if it is at hand.
    latest: Option<Arc<Content>>,
    pub(crate) update: UpdatePolicy,
    status: Option<&'a BaselineStatus>,
    exists: bool,
    /// What a promotion about it says that new accounts of each environment get.
    governed: Option<&'a BTreeMap<String, Revision>>,
    /// A new account gets its latest content though nothing is known of the environment: nobody promotes it, or it is the
    /// only one there has been, and nobody could have promoted another one.
    open: bool,
}

/// What an account is to have.
pub(crate) struct Target {
    pub(crate) content: Arc<Content>,
    /// A later revision that it does not get by itself.
    pub(crate) update: Option<Revision>,
}

impl<'a> Lines<'a> {
    /// Judges every Baseline and every BaselineRevision.
    pub(crate) fn judge(inputs: &Inputs<'a>, memory: &mut Memory) -> Self {
        memory.tidy(inputs);
        let mut shelf = Shelf::new();
        for (name, decoded) in inputs.revisions {
            if let Decoded::Good(object) = decoded
                && let Some(content) = memory.revision(name, object)
            {
                shelf.insert(content.revision.name.clone(), content);
            }
        }
        let stored = shelf.clone();
        let mut by_name = BTreeMap::new();
        for (name, decoded) in inputs.baselines {
            let line = Line::judge(inputs, memory, &stored, name, decoded);
            if let Ok(head) = &line.head {
                shelf.insert(head.revision.name.clone(), Arc::clone(head));
            }
            by_name.insert(name.as_str(), line);
        }
        Self { by_name, shelf }
    }

    /// The Baseline of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Line<'a>> {
        self.by_name.get(name)
    }

    /// Every Baseline.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Line<'a>> {
        self.by_name.values()
    }
}

impl<'a> Line<'a> {
    /// A Baseline that is not there.
    pub(crate) fn missing(name: &'a str) -> Self {
        let nothing = Rejection::waiting(Reason::BaselineNotFound, format!("there is no Baseline {name:?}"));
        Self {
            name,
            limits: None,
            head: Err(nothing),
            latest: None,
            update: UpdatePolicy::OnPromotion,
            status: None,
            exists: false,
            governed: None,
            open: false,
        }
    }

    fn judge(
        inputs: &Inputs<'a>,
        memory: &mut Memory,
        stored: &Shelf,
        name: &'a str,
        decoded: &'a Decoded<api::Baseline>,
    ) -> Self {
        let object = match decoded {
            Decoded::Good(object) => object,
            Decoded::Poison(why) => {
                return Self {
                    head: Err(undecodable(why)),
                    exists: true,
                    ..Self::missing(name)
                };
            }
        };
        let judged = memory.baseline(inputs, name, object);
        let status = object.status.as_ref();
        let last = status
            .and_then(|status| revision(status.latest_revision.as_ref()?))
            .and_then(|revision| at_hand(stored, &revision));
        let head = judged
            .content
            .and_then(|head| unambiguous(inputs, stored, head))
            .and_then(|head| connected(&object.spec, last.as_ref(), head))
            .and_then(|head| roles::kept(stored, name, head));
        let governed = inputs.promoted.governed.get(name);
        let alone = governed.is_none() && !inputs.promoted.unjudged;
        let update = match object.spec.update_policy.unwrap_or_default() {
            api::UpdatePolicy::Automatic if alone => UpdatePolicy::Automatic,
            api::UpdatePolicy::Automatic | api::UpdatePolicy::OnPromotion => UpdatePolicy::OnPromotion,
        };
        let latest = head.as_ref().ok().cloned().or(last);
        let first = |latest: &Arc<Content>| {
            let stored = inputs.revisions.keys().map(String::as_str);
            let of =
                |stored: &&str| RevisionName::parse(stored).is_ok_and(|stored| stored.baseline() == name);
            let told = status.into_iter().flat_map(|status| {
                let environments = status.environments.iter();
                let current = environments.filter_map(|environment| environment.revision.as_ref());
                status.latest_revision.iter().chain(current)
            });
            let promoted = governed.into_iter().flat_map(BTreeMap::values);
            stored
                .filter(of)
                .chain(told.map(|told| told.name.as_str()))
                .chain(promoted.map(|promoted| promoted.name.as_str()))
                .all(|other| other == latest.revision.name.as_str())
        };
        Self {
            name,
            limits: judged.limits.is_ok().then_some(&object.spec),
            open: alone || latest.as_ref().is_some_and(first),
            latest,
            head,
            update,
            status,
            exists: true,
            governed,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &'a str {
        self.name
    }

    /// What is said to an account that gets nothing from this Baseline. `by`: which field or setting names it.
    pub(crate) fn unusable(&self, by: &str) -> Rejection {
        let name = self.name;
        if self.exists {
            Rejection::waiting(
                Reason::BaselineNotAccepted,
                format!("{by}: Baseline {name:?} was not accepted; its condition Accepted says why"),
            )
        } else {
            Rejection::waiting(
                Reason::BaselineNotFound,
                format!("{by}: there is no Baseline {name:?}"),
            )
        }
    }

    /// The revision that an account was given by this Baseline. One of another Baseline says nothing here: whoever names
    /// another Baseline wants what that gives to a new account.
    pub(crate) fn own<'r>(&self, assigned: Option<&'r Revision>) -> Option<&'r Revision> {
        assigned.filter(|assigned| assigned.name.baseline() == self.name)
    }

    /// Is there anything that an account without a revision can be given? Of a Baseline that is not accepted the last good
    /// revision stays in force, for those who come now too; but only where it still says who may come.
    pub(crate) fn serves(&self, environment: &str) -> bool {
        let named = |limits: &BaselineSpec| limits.environments.iter().any(|known| known.name == environment);
        self.head.is_ok()
            || self.limits.is_some_and(named)
                && self
                    .latest
                    .as_ref()
                    .is_some_and(|latest| latest.environments.contains_key(environment))
    }

    /// The content that an account of this environment is to have. `given`: what a promotion or a pin says; `assigned`: what
    /// it was given so far, in this line.
    ///
    /// What was given stays given when the Baseline is broken, changed or gone: nothing in AWS follows from that.
    pub(crate) fn target(
        &self,
        shelf: &Shelf,
        environment: &str,
        given: Option<&Revision>,
        assigned: Option<&Revision>,
        by: &str,
    ) -> Result<Target, Rejection> {
        let given = self
            .own(given)
            .and_then(|given| at_hand(shelf, given))
            .filter(|content| content.environments.contains_key(environment));
        let content = match given {
            Some(content) => content,
            None => self.content(shelf, environment, assigned, by)?,
        };
        let update = self
            .latest
            .as_ref()
            .filter(|latest| latest.environments.contains_key(environment))
            .map(|latest| &latest.revision)
            .filter(|latest| **latest != content.revision)
            .cloned();
        Ok(Target { content, update })
    }

    fn content(
        &self,
        shelf: &Shelf,
        environment: &str,
        assigned: Option<&Revision>,
        by: &str,
    ) -> Result<Arc<Content>, Rejection> {
        let has = |content: &&Arc<Content>| content.environments.contains_key(environment);
        let Some(assigned) = assigned else {
            let newest = self.latest.as_ref().ok_or_else(|| self.unusable(by))?;
            if !has(&newest) {
                return Err(self.unknown_environment(environment, newest));
            }
            return match self.current(environment) {
                Some(current) if self.update == UpdatePolicy::OnPromotion => at_hand(shelf, &current)
                    .filter(|content| has(&content))
                    .ok_or_else(|| {
                        let whose = format!(
                            "the current revision of environment {environment:?} of Baseline {:?}",
                            self.name
                        );
                        unknown(&whose, &current)
                    }),
                _ if self.open => Ok(Arc::clone(newest)),
                _ => Err(self.unpromoted(environment)),
            };
        };
        // The newest, unless the environment is not in it any more.
        let newest = self.latest.as_ref().filter(has);
        if let Some(newest) = newest.filter(|_| self.update == UpdatePolicy::Automatic) {
            return Ok(Arc::clone(newest));
        }
        let content = at_hand(shelf, assigned).ok_or_else(|| {
            unknown(
                "the revision of this account (status.baseline.assigned)",
                assigned,
            )
        })?;
        if has(&&content) {
            Ok(content)
        } else {
            Err(self.unknown_environment(environment, &content))
        }
    }

    /// What no promotion has brought to an environment goes to nobody in it: it would be stable there without a gate, an
    /// Approval or a window.
    fn unpromoted(&self, environment: &str) -> Rejection {
        let name = self.name;
        Rejection::waiting(
            Reason::RevisionUnknown,
            format!(
                "spec.environment: no revision of Baseline {name:?} has succeeded in environment {environment:?} yet; new accounts \
                 get one once the EnvironmentPromotion about this Baseline has a stage about this environment that succeeded \
                 (`onEmpty: Skip` where it has no accounts yet)"
            ),
        )
    }

    fn unknown_environment(&self, environment: &str, content: &Content) -> Rejection {
        let known: Vec<&str> = content.environments.keys().map(String::as_str).collect();
        Rejection::new(
            Reason::UnknownEnvironment,
            format!(
                "spec.environment: Baseline {:?} has no environment {environment:?}, it has {}",
                self.name,
                known.join(", ")
            ),
        )
    }

    /// The revision that new accounts of an environment get, as it is known.
    fn current(&self, environment: &str) -> Option<Revision> {
        if let Some(current) = self.governed.and_then(|governed| governed.get(environment)) {
            return Some(current.clone());
        }
        let environments = self.status?.environments.iter();
        environments
            .filter(|known| known.name == environment)
            .find_map(|known| revision(known.revision.as_ref()?))
    }

    /// The unit an environment is bound to, for the path that the binding was made for; another path is another unit.
    pub(crate) fn unit(&self, environment: &str, path: &str) -> Option<OuId> {
        let environments = self.status?.environments.iter();
        environments
            .filter(|binding| binding.name == environment)
            .filter_map(|binding| binding.organizational_unit.as_ref())
            .filter(|unit| unit.path.as_deref() == Some(path))
            .find_map(|unit| OuId::parse(unit.id.as_deref()?).ok())
    }

    /// What is to be known of each environment. Only an accepted Baseline changes what new accounts get.
    pub(crate) fn environments(&self, reserved_slots: usize) -> BTreeMap<String, EnvironmentState> {
        let known = self.status.iter().flat_map(|status| &status.environments);
        let names: Vec<&String> = match &self.head {
            Ok(head) => head.environments.keys().collect(),
            Err(_) => known.map(|environment| &environment.name).collect(),
        };
        let state = |name: &String| {
            let current = self.current(name);
            let current = match &self.head {
                Ok(head) if self.update == UpdatePolicy::Automatic || (current.is_none() && self.open) => {
                    Some(head.revision.clone())
                }
                _ => current,
            };
            let place = self
                .latest
                .as_ref()
                .and_then(|latest| latest.environments.get(name));
            EnvironmentState {
                current,
                budgets: place.map_or_else(Vec::new, |place| {
                    policies::budgets(&place.policies, reserved_slots)
                }),
            }
        };
        names
            .into_iter()
            .map(|name| (name.clone(), state(name)))
            .collect()
    }
}

/// A revision as a status tells it; what Bulkhead cannot have written tells nothing.
pub fn revision(status: &RevisionStatus) -> Option<Revision> {
    Some(Revision {
        name: RevisionName::parse(&status.name).ok()?,
        hash: RevisionHash::parse(&status.hash).ok()?,
    })
}

fn at_hand(shelf: &Shelf, revision: &Revision) -> Option<Arc<Content>> {
    let content = shelf.get(&revision.name)?;
    (content.revision == *revision).then(|| Arc::clone(content))
}

fn unknown(whose: &str, revision: &Revision) -> Rejection {
    Rejection::waiting(
        Reason::RevisionUnknown,
        format!(
            "{whose} is {:?}, and there is no BaselineRevision of this name that holds what its hash {} says; nothing is \
             changed for this account until there is, or another revision is assigned to it",
            revision.name.as_str(),
            revision.hash.as_str()
        ),
    )
}

/// A name has one content.
fn unambiguous(inputs: &Inputs<'_>, stored: &Shelf, head: Arc<Content>) -> Result<Arc<Content>, Rejection> {
    let name = &head.revision.name;
    let held = match inputs.revisions.get(name.as_str()) {
        None => return Ok(head),
        Some(_) if at_hand(stored, &head.revision).is_some() => return Ok(head),
        Some(Decoded::Good(other)) => format!("says it is {}", other.spec.hash),
        Some(Decoded::Poison(_)) => "cannot be decoded".to_owned(),
    };
    Err(Rejection::new(
        Reason::RevisionConflict,
        format!(
            "spec: is revision {:?}, {}, but the BaselineRevision of this name {held} and does not hold it; delete that \
             object if nothing uses it",
            name.as_str(),
            head.revision.hash.as_str()
        ),
    ))
}

/// On the way from one revision to the next both are attached, and what either denies is denied.
fn connected(
    spec: &BaselineSpec,
    last: Option<&Arc<Content>>,
    head: Arc<Content>,
) -> Result<Arc<Content>, Rejection> {
    let Some(last) = last else { return Ok(head) };
    for (name, place) in &head.environments {
        let old = last.environments.get(name).and_then(|old| old.regions.as_ref());
        if let (Some(old), Some(new)) = (old, &place.regions)
            && old.is_disjoint(new)
            && !old.is_empty()
            && !new.is_empty()
        {
            let list = |regions: &BTreeSet<String>| {
                let regions: Vec<&str> = regions.iter().map(String::as_str).collect();
                regions.join(", ")
            };
            let listed = spec.environments.iter().any(|environment| {
                let mut guardrails = environment.guardrails.iter();
                environment.name == *name && guardrails.any(|guardrail| guardrail.name == REGIONS)
            });
            let field = if listed {
                format!("guardrails[{REGIONS}].parameters.regions")
            } else {
                "policies".to_owned()
            };
            return Err(Rejection::new(
                Reason::DisjointRegions,
                format!(
                    "spec.environments[{name}].{field}: leaves the Regions {}, none of which revision {:?} leaves ({}); while an \
                     account changes from one to the other, both hold, and together they would leave none: promote an \
                     intermediate revision that leaves old and new ones",
                    list(new),
                    last.revision.name.as_str(),
                    list(old)
                ),
            ));
        }
    }
    Ok(head)
}
