//! What an account's policies are, one fact each.

use super::{
    toy_policies::{FULL_ACCESS, full_access, made, policy_id, scp, wanted_policies, wanted_policy},
    *,
};
use model::{Effect, EffectivePolicy, Evidence, PolicyContent, PolicyTypeState};

pub(super) const ID: &str = "100000000001";
pub(super) const NAME: &str = "heron-prod";
pub(super) const A: &str = "p-aaaaaaaaaa";
pub(super) const B: &str = "p-bbbbbbbbbb";
pub(super) const OLD: &str = "p-oooooooooo";

impl World {
    pub(super) fn type_is(&mut self, state: Option<PolicyTypeState>) {
        let types = state.map(|state| (scp(), state)).into_iter().collect();
        let read = Observation::PolicyTypes {
            began: self.now,
            types,
        };
        self.observed.observe(read, self.now);
    }

    /// A read of the policies themselves.
    pub(super) fn shows(&mut self, policies: Vec<ObservedPolicy>) {
        let read = Observation::Policies {
            began: self.now,
            policy_type: scp(),
            policies,
        };
        self.observed.observe(read, self.now);
    }

    /// The same read again, and nothing has changed.
    pub(super) fn shows_the_same(&mut self) {
        let policies = self.observed.policies.by_id.values().cloned().collect();
        self.shows(policies);
    }

    /// A read of what the account has.
    pub(super) fn attached(&mut self, ids: &[&str]) {
        let attached = ids.iter().map(|id| (policy_id(id), "name".into())).collect();
        let read = Observation::Attachments {
            began: self.now,
            account: account_id(ID),
            policy_type: scp(),
            attached: Some(attached),
        };
        self.observed.observe(read, self.now);
    }

    pub(super) fn attaches(&mut self, id: &str) {
        let effect = Effect::PolicyAttached {
            policy: policy_id(id),
            policy_type: scp(),
            account: account_id(ID),
        };
        self.observed.effect(effect, self.now);
    }
}

/// `heron-prod` in the root, with an enabled type and no policies; its revision wants these.
fn bare(letters: &str) -> World {
    let mut world = World::new();
    world.settled(NAME, ID);
    world.has(born(NAME, ID));
    world.type_is(Some(PolicyTypeState::Enabled));
    world.shows(vec![full_access()]);
    world.want(NAME).policies = wanted_policies(letters);
    world
}

/// The same with the policies `a` and `b` made, an old one besides, and the account asked.
pub(super) fn ready(letters: &str, attached: &[&str]) -> World {
    let mut world = bare(letters);
    world.shows(as_made());
    world.attached(attached);
    world
}

/// The policies of [`ready`], and they say what they are to say.
fn as_made() -> Vec<ObservedPolicy> {
    vec![
        full_access(),
        made(&wanted_policy('a'), A),
        made(&wanted_policy('b'), B),
        made(&wanted_policy('o'), OLD),
    ]
}

pub(super) fn guarded(plan: &Plan) -> &Stage {
    &plan.accounts[&key(NAME)].guarded
}
pub(super) fn why(plan: &Plan) -> Reason {
    match guarded(plan) {
        Stage::Pending(reason, _) | Stage::Blocked(reason, _) => *reason,
        other => panic!("{other:?}"),
    }
}
pub(super) fn said(plan: &Plan) -> &str {
    match guarded(plan) {
        Stage::Pending(_, message) | Stage::Blocked(_, message) => message,
        other => panic!("{other:?}"),
    }
}
pub(super) fn asks_for(plan: &Plan) -> bool {
    plan.reads.contains(&Read::Attachments(account_id(ID), scp()))
}
/// Ids of what is attached and detached.
pub(super) fn changes(plan: &Plan) -> Vec<(&'static str, &str)> {
    let changes = plan.steps.iter().filter_map(|step| match &step.action {
        Action::AttachPolicy { policy, .. } | Action::DetachPolicy { policy, .. } => {
            Some((step.action.kind(), policy.as_str()))
        }
        _ => None,
    });
    changes.collect()
}

#[test]
fn policies_are_made_once_for_all_accounts_that_want_them() {
    let mut world = bare("ab");
    world.settled("gull-prod", "100000000002");
    world.want("gull-prod").policies = wanted_policies("ab");
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["CreatePolicy", "CreatePolicy"]);
    assert!(plan.steps.iter().all(|step| step.key.is_none()));
    assert_eq!(why(&plan), Reason::AttachingPolicies);
    assert_eq!(plan.accounts[&key("gull-prod")].guarded, *guarded(&plan));
}

#[test]
fn the_account_is_asked_then_gets_its_policies_then_is_asked_then_moved() {
    let mut world = bare("ab");
    world.shows(vec![
        full_access(),
        made(&wanted_policy('a'), A),
        made(&wanted_policy('b'), B),
    ]);
    let plan = world.plan();
    assert!(asks_for(&plan));
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    world.attached(&[FULL_ACCESS]);
    let plan = world.plan();
    assert_eq!(changes(&plan), [("AttachPolicy", A), ("AttachPolicy", B)]);
    assert_eq!(kinds(&plan).len(), 2, "and nothing else");
    assert_eq!(plan.steps[0].reason, Reason::AttachingPolicies);
    world.pass(1);
    world.attaches(A);
    world.attaches(B);
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::ConfirmingPolicies));
    assert!(asks_for(&plan), "at once");
    let Stage::Pending(Reason::AttachingPolicies, _) = &plan.accounts[&key(NAME)].placed else {
        panic!("{plan:?}")
    };
    // AWS does not show it yet: asked again after a while.
    world.pass(1);
    world.attached(&[FULL_ACCESS, A]);
    let plan = world.plan();
    assert!(!asks_for(&plan));
    assert!(plan.wake.is_some_and(|wake| wake <= world.now + secs(5)));
    world.pass(5);
    assert!(asks_for(&world.plan()));
    world.attached(&[FULL_ACCESS, A, B]);
    let plan = world.plan();
    assert_eq!(guarded(&plan), &Stage::Done);
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    assert!(
        plan.reads.contains(&Read::Policies(scp())),
        "what do they say now?"
    );
    world.shows(vec![
        full_access(),
        made(&wanted_policy('a'), A),
        made(&wanted_policy('b'), B),
    ]);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["MoveAccount"]);
    let view = &plan.accounts[&key(NAME)];
    let names = ["bulkhead-acme-prod-a", "bulkhead-acme-prod-b"];
    assert_eq!(view.account.as_ref().unwrap().policies, names);
    assert!(!view.applied, "it is not in its place yet");
}

#[test]
fn what_was_attached_and_never_shows_is_attached_again() {
    let mut world = ready("a", &[FULL_ACCESS]);
    world.attaches(A);
    world.pass(59);
    world.attached(&[FULL_ACCESS]);
    assert_eq!(changes(&world.plan()), []);
    world.pass(10);
    world.attached(&[FULL_ACCESS]);
    assert_eq!(changes(&world.plan()), [("AttachPolicy", A)]);
}

#[test]
fn a_policy_of_the_name_that_is_not_ours_blocks_and_is_not_touched() {
    for foreign in [
        ObservedPolicy {
            tags: Some(Tags::new()),
            ..made(&wanted_policy('a'), A)
        },
        ObservedPolicy {
            tags: Some(tags(&[(tag_keys::MANAGED, "other")])),
            ..made(&wanted_policy('a'), A)
        },
    ] {
        let mut world = ready("a", &[FULL_ACCESS]);
        world.shows(vec![foreign]);
        let plan = world.plan();
        assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::PolicyNameTaken));
        assert!(said(&plan).contains("bulkhead-acme-prod-a"));
        assert_eq!(reason(&plan, NAME), Reason::PolicyNameTaken);
        let full = Read::Policies(scp());
        assert!(!plan.reads.contains(&full));
        world.pass(600);
        world.full(vec![]);
        assert!(world.plan().reads.contains(&full), "its tags may have lagged");
    }
}

#[test]
fn the_tags_of_a_bulk_listing_alone_accuse_nobody() {
    let mut world = bare("a");
    world.type_is(None);
    world.type_is(Some(PolicyTypeState::Enabled));
    let read = Read::Policies(scp());
    let plan = world.plan();
    assert!(
        plan.reads.contains(&read),
        "after the type was off nothing is known"
    );
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    world.pass(1);
    let untagged = ObservedPolicy {
        tags: Some(Tags::new()),
        ..made(&wanted_policy('a'), A)
    };
    world.observed.policies.by_id.insert(policy_id(A), untagged);
    world.full(vec![]);
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::Reobserving));
    assert!(plan.reads.contains(&read));
}

#[test]
fn what_somebody_edited_is_written_back_and_trusted_only_then() {
    let mut world = ready("a", &[FULL_ACCESS, A, OLD]);
    let edited = ObservedPolicy {
        content: Some(PolicyContent::parse("{}").unwrap()),
        ..made(&wanted_policy('a'), A)
    };
    world.shows(vec![full_access(), edited, made(&wanted_policy('o'), OLD)]);
    world.pass(1000);
    let plan = world.plan();
    assert_eq!(
        only(&plan).action,
        Action::UpdatePolicy {
            id: policy_id(A),
            policy: wanted_policy('a')
        }
    );
    assert_eq!(only(&plan).reason, Reason::RepairingPolicies);
    let effect = Effect::PolicyUpdated {
        id: policy_id(A),
        content: wanted_policy('a').content,
    };
    world.observed.effect(effect, world.now);
    let plan = world.plan();
    assert_eq!(
        (changes(&plan), why(&plan)),
        (vec![], Reason::PolicyOverlap),
        "the overlap begins when it says what it is to say"
    );
    world.pass(300);
    world.shows_the_same();
    assert_eq!(changes(&world.plan()), [("DetachPolicy", OLD)]);
}

#[test]
fn content_that_was_not_read_is_read() {
    let mut world = bare("a");
    world.shows(vec![ObservedPolicy {
        content: None,
        ..made(&wanted_policy('a'), A)
    }]);
    world.pass(5);
    let plan = world.plan();
    assert!(plan.reads.contains(&Read::Policies(scp())));
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::Reobserving));
}

#[test]
fn old_policies_stay_for_the_overlap_and_hold_nothing_back() {
    let mut world = ready("a", &[FULL_ACCESS, A, OLD]);
    world.pass(100);
    world.attached(&[FULL_ACCESS, A, OLD]);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["MoveAccount"], "it is guarded well");
    assert_eq!(why(&plan), Reason::PolicyOverlap);
    assert_eq!(
        verdict(&plan, NAME),
        &Verdict::Working(Reason::PolicyOverlap, said(&plan).into())
    );
    assert!(plan.wake.is_some_and(|wake| wake <= at(300)));
    let before = said(&plan).to_owned();
    world.pass(199);
    assert_eq!(said(&world.plan()), before, "status would change at each plan");
    world.shows_the_same();
    world.pass(1);
    let plan = world.plan();
    assert_eq!(
        changes(&plan),
        [("DetachPolicy", OLD)],
        "however often it was read in between"
    );
    let effect = Effect::PolicyDetached {
        policy: policy_id(OLD),
        policy_type: scp(),
        account: account_id(ID),
    };
    world.observed.effect(effect, world.now);
    world.attached(&[FULL_ACCESS, A, OLD]);
    assert_eq!(
        guarded(&world.plan()),
        &Stage::Done,
        "a list that lags undoes nothing"
    );
}

#[test]
fn what_an_account_comes_back_to_is_read_again_before_the_rest_goes() {
    // It has had the revision before: all of it is attached, and AWS has enforced it for long.
    let mut world = ready("a", &[FULL_ACCESS, A, OLD]);
    world.pass(3600);
    world.entry(NAME).assigned = Some(assigned('1', 3));
    let effect = Effect::Tagged {
        account: account_id(ID),
        tags: tags(&[(tag_keys::REVISION, "standard-1111111111/3")]),
    };
    world.observed.effect(effect, world.now);
    let reads = |world: &World| {
        let plan = world.plan();
        assert_eq!((changes(&plan), why(&plan)), (vec![], Reason::ConfirmingPolicies));
        plan.reads.contains(&Read::Policies(scp()))
    };
    assert!(reads(&world));
    let of = |content: &str| {
        let edited = ObservedPolicy {
            content: Some(PolicyContent::parse(content).unwrap()),
            ..made(&wanted_policy('a'), A)
        };
        vec![full_access(), edited, made(&wanted_policy('o'), OLD)]
    };
    let mut same = world.clone();
    same.shows(vec![
        full_access(),
        made(&wanted_policy('a'), A),
        made(&wanted_policy('o'), OLD),
    ]);
    assert_eq!(changes(&same.plan()), [("DetachPolicy", OLD)]);
    world.shows(of("{\"Sid\":\"of somebody else\"}"));
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), why(&plan)),
        (vec!["UpdatePolicy"], Reason::RepairingPolicies)
    );
}

#[test]
fn a_revision_that_wants_the_same_is_applied_when_it_is_seen_that_it_is_still_there() {
    let mut world = ready("a", &[FULL_ACCESS, A]);
    world.pass(100);
    let tagged = Effect::Tagged {
        account: account_id(ID),
        tags: tags(&[(tag_keys::REVISION, "standard-1111111111/2")]),
    };
    world.entry(NAME).assigned = Some(assigned('1', 2));
    world.entry(NAME).applied = Some(revision('9').name);
    world.observed.effect(tagged, world.now);
    let plan = world.plan();
    assert_eq!(why(&plan), Reason::ConfirmingPolicies);
    assert!(asks_for(&plan));
    let mut robbed = world.clone();
    world.attached(&[FULL_ACCESS, A]);
    assert_eq!(guarded(&world.plan()), &Stage::Done);
    // A listing of everything shows it first, and the account is asked.
    let mut doubted = robbed.clone();
    doubted.pass(1);
    let listed = ListedPolicies {
        policies: as_made(),
        attachments: vec![(policy_id(A), [].into())],
    };
    doubted.full_with(listed);
    let plan = doubted.plan();
    assert_eq!((changes(&plan), why(&plan)), (vec![], Reason::ConfirmingPolicies));
    assert!(asks_for(&plan));
    robbed.attached(&[FULL_ACCESS]);
    let plan = robbed.plan();
    assert_eq!(changes(&plan), [("AttachPolicy", A)]);
    // What has it in full is looked at when everything is.
    let mut settled = ready("a", &[FULL_ACCESS, A]);
    settled.entry(NAME).applied = Some(revision('1').name);
    settled.pass(100);
    assert_eq!(guarded(&settled.plan()), &Stage::Done);
    assert!(!asks_for(&settled.plan()));
}

#[test]
fn new_policies_are_read_once_more_before_the_old_ones_go() {
    let mut world = ready("a", &[FULL_ACCESS, OLD]);
    world.pass(10);
    world.attaches(A);
    world.attached(&[FULL_ACCESS, A, OLD]);
    let reads = |world: &World, expected| {
        let plan = world.plan();
        assert_eq!((changes(&plan), why(&plan)), (vec![], expected));
        plan.reads.contains(&Read::Policies(scp()))
    };
    world.has(ObservedAccount {
        parent: ParentId::parse(PROD).unwrap(),
        ..born(NAME, ID)
    });
    world.pass(279);
    assert!(!reads(&world, Reason::PolicyOverlap));
    world.pass(1);
    assert!(
        reads(&world, Reason::PolicyOverlap),
        "a little before, so that nothing waits for it"
    );
    world.pass(20);
    assert!(reads(&world, Reason::ConfirmingPolicies));
}

#[test]
fn what_is_emptied_during_the_overlap_is_noticed_before_the_old_ones_go() {
    let mut world = ready("a", &[FULL_ACCESS, A, OLD]);
    world.has(ObservedAccount {
        parent: ParentId::parse(PROD).unwrap(),
        ..born(NAME, ID)
    });
    world.pass(279);
    world.shows(as_made());
    world.pass(21);
    let plan = world.plan();
    assert_eq!(
        (changes(&plan), why(&plan)),
        (vec![], Reason::ConfirmingPolicies),
        "seen since it was attached, but not lately"
    );
    assert!(plan.reads.contains(&Read::Policies(scp())));
    let mut emptied = as_made();
    emptied[1].content = Some(PolicyContent::parse("{}").unwrap());
    let mut edited = world.clone();
    edited.shows(emptied);
    assert_eq!(kinds(&edited.plan()), ["UpdatePolicy"]);
    world.shows(as_made());
    assert_eq!(changes(&world.plan()), [("DetachPolicy", OLD)]);
}

#[test]
fn nothing_is_detached_while_something_is_missing() {
    let mut world = ready("ab", &[FULL_ACCESS, A, OLD]);
    world.pass(3600);
    assert_eq!(changes(&world.plan()), [("AttachPolicy", B)]);
    world.attaches(B);
    world.pass(3600);
    let plan = world.plan();
    assert_eq!((changes(&plan), why(&plan)), (vec![], Reason::ConfirmingPolicies));
}

#[test]
fn policies_of_others_are_never_detached() {
    let mut world = ready("a", &[FULL_ACCESS, A]);
    let foreign = ObservedPolicy {
        tags: Some(tags(&[(tag_keys::MANAGED, "other")])),
        ..made(&wanted_policy('z'), OLD)
    };
    world.shows(vec![full_access(), made(&wanted_policy('a'), A), foreign]);
    world.attached(&[FULL_ACCESS, A, OLD]);
    world.pass(3600);
    let plan = world.plan();
    assert_eq!(guarded(&plan), &Stage::Done);
    assert_eq!(changes(&plan), []);
    world.attached(&[FULL_ACCESS, A, OLD, "p-unknown0000"]);
    let plan = world.plan();
    assert_eq!((changes(&plan), why(&plan)), (vec![], Reason::Reobserving));
    assert!(
        plan.reads.contains(&Read::Policies(scp())),
        "it may be ours, which lists show late"
    );
}

#[test]
fn without_guardrails_old_ones_go_at_once_but_never_the_last_policy() {
    let mut world = ready("", &[FULL_ACCESS, A, OLD]);
    assert_eq!(
        changes(&world.plan()),
        [("DetachPolicy", A), ("DetachPolicy", OLD)]
    );
    world.attached(&[A, OLD]);
    let plan = world.plan();
    assert_eq!(changes(&plan), [("DetachPolicy", A)]);
    assert_eq!(why(&plan), Reason::ConstraintViolation);
    assert!(said(&plan).contains("FullAWSAccess"));
}

/// `heron-prod` in its unit; its revision wants `a` as a tag policy, and there is an old one.
struct Merging {
    world: World,
    tag_policy: PolicyType,
}

impl Merging {
    fn new(content: &str) -> Self {
        let tag_policy = PolicyType::parse("TAG_POLICY").unwrap();
        let mut world = bare("");
        world.has(ObservedAccount {
            parent: ParentId::parse(PROD).unwrap(),
            ..born(NAME, ID)
        });
        let read = Observation::PolicyTypes {
            began: world.now,
            types: BTreeMap::from([(tag_policy.clone(), PolicyTypeState::Enabled)]),
        };
        world.observed.observe(read, world.now);
        let wanted = DesiredPolicy {
            policy_type: tag_policy.clone(),
            content: PolicyContent::parse(content).unwrap(),
            ..wanted_policy('a')
        };
        let of_type = |policy: ObservedPolicy| ObservedPolicy {
            policy_type: tag_policy.clone(),
            ..policy
        };
        let read = Observation::Policies {
            began: world.now,
            policy_type: tag_policy.clone(),
            policies: vec![of_type(made(&wanted, A)), of_type(made(&wanted_policy('o'), OLD))],
        };
        world.observed.observe(read, world.now);
        world.want(NAME).policies = Arc::from([wanted]);
        Self { world, tag_policy }
    }

    fn attached(&mut self, ids: &[&str]) {
        let read = Observation::Attachments {
            began: self.world.now,
            account: account_id(ID),
            policy_type: self.tag_policy.clone(),
            attached: Some(ids.iter().map(|id| (policy_id(id), "name".into())).collect()),
        };
        self.world.observed.observe(read, self.world.now);
    }

    fn comes_to(&mut self, effective: EffectivePolicy) {
        let read = Observation::EffectivePolicy {
            began: self.world.now,
            account: account_id(ID),
            policy_type: self.tag_policy.clone(),
            effective,
        };
        self.world.observed.observe(read, self.world.now);
    }

    fn asks(&self) -> bool {
        let read = Read::EffectivePolicy(account_id(ID), self.tag_policy.clone());
        self.world.plan().reads.contains(&read)
    }
}

#[test]
fn of_types_that_merge_the_old_one_goes_as_soon_as_the_new_one_is_there() {
    let mut merging = Merging::new("{}");
    merging.attached(&[OLD]);
    assert_eq!(changes(&merging.world.plan()), [("AttachPolicy", A)]);
    merging.attached(&[OLD, A]);
    assert_eq!(changes(&merging.world.plan()), [("DetachPolicy", OLD)]);
}

#[test]
fn of_types_that_merge_it_is_seen_what_they_come_to() {
    let mut merging = Merging::new(r#"{"tags":{"Team":{"tag_key":{"@@assign":"Team"}}}}"#);
    merging.attached(&[A]);
    assert_eq!(why(&merging.world.plan()), Reason::ConfirmingPolicies);
    assert!(merging.asks());
    let mut untold = Merging::new("{}");
    untold.attached(&[A]);
    untold.comes_to(EffectivePolicy::Untold);
    assert_eq!(guarded(&untold.world.plan()), &Stage::Done, "a type of tomorrow");
    // AWS takes its time.
    merging.comes_to(EffectivePolicy::Nothing);
    let plan = merging.world.plan();
    assert_eq!((why(&plan), merging.asks()), (Reason::ConfirmingPolicies, false));
    let mut says = Merging {
        world: merging.world.clone(),
        tag_policy: merging.tag_policy.clone(),
    };
    says.world.pass(20);
    assert!(says.asks());
    let told = r#"{"tags":{"team":{"tag_key":"Team"}}}"#;
    says.comes_to(EffectivePolicy::Says(told.to_owned()));
    assert_eq!(guarded(&says.world.plan()), &Stage::Done);
    // Elsewhere it may come to something else.
    says.world.pass(1);
    let moved = Effect::AccountMoved {
        account: account_id(ID),
        to: ParentId::parse(WORKLOADS).unwrap(),
    };
    says.world.observed.effect(moved, says.world.now);
    assert!(says.asks());
    // Who may not ask is told so.
    let read = Read::EffectivePolicy(account_id(ID), says.tag_policy.clone());
    let StepId(read) = read.id();
    says.world
        .holds(&read, HoldKind::Stalled, Reason::AccessDenied, 300, 1);
    assert_eq!(
        (why(&says.world.plan()), says.asks()),
        (Reason::AccessDenied, false)
    );
    // A unit above allows no operators.
    merging.world.pass(299);
    merging.comes_to(EffectivePolicy::Nothing);
    assert_eq!(why(&merging.world.plan()), Reason::ConfirmingPolicies);
    merging.world.pass(1);
    merging.comes_to(EffectivePolicy::Nothing);
    let plan = merging.world.plan();
    assert_eq!(why(&plan), Reason::EffectivePolicyDiffers);
    assert!(
        said(&plan).contains("asks for at tags.Team.tag_key"),
        "{}",
        said(&plan)
    );
    assert!(plan.wake.is_some(), "whoever corrects it need not tell");
    merging.world.entry(NAME).applied = Some(revision('1').name);
    assert_eq!(
        guarded(&merging.world.plan()),
        &Stage::Done,
        "it is looked at when a revision comes"
    );
}

#[test]
fn a_full_account_waits_and_says_whose_policies_take_the_places() {
    let foreign = |number: usize| format!("p-foreign{number:04}");
    let with = |count: usize| {
        let mut world = ready("ab", &[]);
        let mut policies = vec![
            made(&wanted_policy('a'), A),
            made(&wanted_policy('b'), B),
            full_access(),
        ];
        policies.extend((0..count).map(|number| ObservedPolicy {
            name: format!("theirs-{number}"),
            tags: Some(Tags::new()),
            ..made(&wanted_policy('z'), &foreign(number))
        }));
        world.shows(policies);
        let mut ids: Vec<String> = (0..count).map(foreign).collect();
        ids.push(FULL_ACCESS.into());
        world.attached(&ids.iter().map(String::as_str).collect::<Vec<_>>());
        world.plan()
    };
    assert_eq!(changes(&with(0)).len(), 2);
    assert_eq!(
        changes(&with(7)).len(),
        2,
        "a place kept for others that they have taken is not kept twice"
    );
    let plan = with(8);
    assert_eq!(changes(&plan), [("AttachPolicy", A)]);
    let plan = with(9);
    assert_eq!((changes(&plan), why(&plan)), (vec![], Reason::NoPolicySlot));
    let message = said(&plan);
    assert!(
        message.contains("10 policies") && message.contains("AWS allows 10"),
        "{message}"
    );
    assert!(
        message.contains("theirs-0, theirs-1") && !message.contains("FullAWSAccess"),
        "{message}"
    );
    assert!(matches!(
        verdict(&plan, NAME),
        Verdict::Waiting(Reason::NoPolicySlot, _)
    ));
}

#[test]
fn the_last_place_is_kept_for_others() {
    let mut world = ready("a", &[]);
    let own: Vec<String> = (0..8).map(|number| format!("p-own{number:08}")).collect();
    let mut policies = vec![made(&wanted_policy('a'), A), full_access()];
    policies.extend(
        own.iter()
            .zip("cdefghij".chars())
            .map(|(id, letter)| made(&wanted_policy(letter), id)),
    );
    world.shows(policies);
    let mut ids: Vec<&str> = own.iter().map(String::as_str).collect();
    ids.push(FULL_ACCESS);
    world.attached(&ids);
    assert_eq!(why(&world.plan()), Reason::NoPolicySlot);
    world.limits.policies.reserved_slots = 0;
    assert_eq!(changes(&world.plan()), [("AttachPolicy", A)]);
}

#[test]
fn a_type_is_enabled_only_where_that_is_allowed() {
    let mut world = ready("a", &[FULL_ACCESS]);
    world.type_is(None);
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::PolicyTypeDisabled));
    assert!(matches!(verdict(&plan, NAME), Verdict::Waiting(..)));
    world.limits.policies.enable_types = true;
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["EnablePolicyType"]);
    world.observed.effect(Effect::PolicyTypeEnabled(scp()), world.now);
    world.pass(5);
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::PolicyTypePending));
    assert!(plan.reads.contains(&Read::PolicyTypes));
    world.type_is(Some(PolicyTypeState::PendingDisable));
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::PolicyTypeDisabled));
    assert!(!plan.reads.contains(&Read::PolicyTypes) && plan.wake.is_some());
}

#[test]
fn a_type_that_was_in_force_and_is_off_is_an_alarm_and_no_repair() {
    let mut world = ready("a", &[FULL_ACCESS, A]);
    world.limits.policies.enable_types = true;
    world.entry(NAME).applied = Some(revision('1').name);
    world.type_is(None);
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec![], Reason::PolicyTypeDisabled));
    assert_eq!(refused(&plan, NAME).0, Reason::PolicyTypeDisabled);
    assert!(
        plan.accounts[&key(NAME)]
            .account
            .as_ref()
            .unwrap()
            .policies
            .is_empty()
    );
}

#[test]
fn what_others_detach_or_attach_of_ours_is_repaired_and_says_so() {
    let mut world = ready("ab", &[FULL_ACCESS, A, OLD]);
    world.entry(NAME).applied = Some(revision('1').name);
    world.want(NAME).suspend = true;
    let plan = world.plan();
    assert_eq!(
        changes(&plan),
        [("AttachPolicy", B)],
        "suspend never stops guardrails"
    );
    assert_eq!(
        (plan.steps[0].reason, why(&plan)),
        (Reason::RepairingPolicies, Reason::RepairingPolicies)
    );
    world.attached(&[FULL_ACCESS, A, B, OLD]);
    world.pass(300);
    world.shows_the_same();
    let plan = world.plan();
    assert_eq!(changes(&plan), [("DetachPolicy", OLD)]);
    assert_eq!(plan.steps[0].reason, Reason::RepairingPolicies);
}

#[test]
fn a_listing_that_contradicts_the_account_makes_us_ask_it_and_changes_nothing() {
    let mut world = ready("a", &[FULL_ACCESS, A]);
    world.entry(NAME).applied = Some(revision('1').name);
    world.pass(600);
    let mut listed = world.listed();
    for (_, targets) in &mut listed.attachments {
        targets.clear();
    }
    world.full_with(listed);
    let plan = world.plan();
    assert!(asks_for(&plan));
    assert_eq!((changes(&plan), guarded(&plan)), (vec![], &Stage::Done));
    world.attached(&[FULL_ACCESS]);
    assert_eq!(changes(&world.plan()), [("AttachPolicy", A)]);
    world.attached(&[FULL_ACCESS, A]);
    assert!(!asks_for(&world.plan()));
}

#[test]
fn an_account_gets_no_policies_before_it_carries_its_revision() {
    let mut world = ready("a", &[FULL_ACCESS]);
    world.want(NAME).revision = revision('2');
    world.entry(NAME).assigned = Some(assigned('2', 2));
    let plan = world.plan();
    assert_eq!((kinds(&plan), why(&plan)), (vec!["TagAccount"], Reason::Tagging));
}

#[test]
fn an_account_whose_revision_is_not_settled_keeps_its_policies() {
    let mut world = ready("a", &[FULL_ACCESS, OLD]);
    world.entry(NAME).assigned = Some(assigned('2', 1));
    assert_eq!(kinds(&world.plan()), ["Assign"]);
    world.entry(NAME).assigned = Some(assigned('1', 0));
    let plan = world.plan();
    assert_eq!(changes(&plan), []);
    assert_eq!(guarded(&plan), &Stage::Unknown);
}

#[test]
fn an_account_is_moved_when_it_was_seen_what_its_attached_policies_say() {
    let edited = || ObservedPolicy {
        content: Some(PolicyContent::parse("{}").unwrap()),
        ..made(&wanted_policy('a'), A)
    };
    let mut world = ready("a", &[FULL_ACCESS]);
    let policy = made(&wanted_policy('a'), A);
    world.observed.effect(Effect::PolicyCreated(policy), world.now);
    world.pass(1);
    world.attaches(A);
    let plan = world.plan();
    assert!(
        asks_for(&plan) && plan.wake.is_some(),
        "both are read, so that it takes no longer"
    );
    world.pass(1);
    world.attached(&[FULL_ACCESS, A]);
    let plan = world.plan();
    let placed = |plan: &Plan| match &plan.accounts[&key(NAME)].placed {
        Stage::Pending(reason, _) => *reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (kinds(&plan), placed(&plan)),
        (vec![], Reason::ConfirmingPolicies)
    );
    // Somebody has edited it, or the read lags.
    world.pass(4);
    world.shows(vec![edited()]);
    assert_eq!(kinds(&world.plan()), [] as [&str; 0]);
    let mut slow = world.clone();
    world.pass(5);
    assert!(world.plan().reads.contains(&Read::Policies(scp())));
    world.shows(vec![made(&wanted_policy('a'), A)]);
    assert_eq!(kinds(&world.plan()), ["MoveAccount"]);
    slow.pass(60);
    slow.shows(vec![edited()]);
    assert_eq!(kinds(&slow.plan()), ["UpdatePolicy"]);
    let effect = Effect::PolicyUpdated {
        id: policy_id(A),
        content: wanted_policy('a').content,
    };
    slow.observed.effect(effect, slow.now);
    assert_eq!(kinds(&slow.plan()), ["MoveAccount"], "we wrote it ourselves");
}

#[test]
fn what_aws_says_of_places_before_it_shows_it_is_told_in_our_words() {
    let mut world = ready("a", &[FULL_ACCESS]);
    let step = format!("attach/{}/{ID}/{A}", key(NAME));
    world.holds(&step, HoldKind::Wait, Reason::NoPolicySlot, 300, 1);
    let plan = world.plan();
    let message = said(&plan);
    assert_eq!(why(&plan), Reason::NoPolicySlot);
    assert!(
        message.contains("has 1 policies") && message.contains("AWS allows 10"),
        "{message}"
    );
    assert!(
        message.contains("AWS has refused another") && !message.contains(&step),
        "{message}"
    );
}

/// Nothing wants or has `o` any more, since this long.
fn unused(seconds: i64) -> World {
    let mut world = ready("ab", &[FULL_ACCESS, A, B]);
    let mut account = born(NAME, ID);
    account.parent = ParentId::parse(PROD).unwrap();
    world.has(account);
    world.full(vec![]);
    world.pass(seconds);
    world.full(vec![]);
    world
}

#[test]
fn an_unused_policy_is_deleted_after_its_time() {
    let day = 24 * 3600;
    let deletes = |world: &World| kinds(&world.plan()).contains(&"DeletePolicy");
    assert!(!deletes(&unused(day - 1)));
    let world = unused(day);
    let plan = world.plan();
    let step = plan
        .steps
        .iter()
        .find(|step| step.action.kind() == "DeletePolicy")
        .unwrap();
    assert_eq!(
        (step.key.as_ref(), &step.action),
        (
            None,
            &Action::DeletePolicy {
                id: policy_id(OLD),
                name: "bulkhead-acme-prod-o".into(),
                policy_type: scp()
            }
        )
    );
    let mut incomplete = unused(day);
    incomplete.desired.incomplete = true;
    assert!(!deletes(&incomplete), "who knows what the others want");
    let mut wanted = unused(day);
    wanted.want("gull-prod").policies = wanted_policies("o");
    assert!(!deletes(&wanted));
    let mut foreign = unused(day);
    foreign
        .observed
        .policies
        .by_id
        .get_mut(&policy_id(OLD))
        .unwrap()
        .tags = Some(Tags::new());
    assert!(!deletes(&foreign));
    let mut back = unused(day);
    back.attached(&[FULL_ACCESS, A, B, OLD]);
    assert!(!deletes(&back));
}

#[test]
fn evidence_is_the_first_read_and_begins_anew_when_it_was_gone() {
    let mut world = ready("a", &[FULL_ACCESS, A]);
    let since = |world: &World| {
        let attached = world.observed.policies.attached(&account_id(ID), &scp()).unwrap();
        attached.policies.get(&policy_id(A)).copied()
    };
    assert_eq!(since(&world), Some(Evidence::Read(at(0))));
    world.pass(100);
    world.attached(&[FULL_ACCESS, A]);
    assert_eq!(since(&world), Some(Evidence::Read(at(0))));
    world.pass(1);
    world.attached(&[FULL_ACCESS]);
    assert_eq!(since(&world), None);
    world.pass(1);
    world.attached(&[FULL_ACCESS, A]);
    assert_eq!(since(&world), Some(Evidence::Read(at(102))));
}

/// A policy that denies everything outside of these Regions.
fn only_in(letter: char, regions: &str) -> DesiredPolicy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":{{"StringNotEquals":{{"aws:RequestedRegion":[{regions}]}}}}}}]}}"#
    );
    DesiredPolicy {
        content: PolicyContent::parse(&text).unwrap(),
        ..wanted_policy(letter)
    }
}

/// The account has a policy that leaves these Regions, and is to have one that leaves those.
fn to_other_regions(old: &str, new: &str) -> World {
    let mut world = ready("", &[FULL_ACCESS, OLD]);
    let (old, new) = (only_in('o', old), only_in('a', new));
    world.shows(vec![full_access(), made(&old, OLD), made(&new, A)]);
    world.want(NAME).policies = Arc::from([new]);
    world
}

#[test]
fn old_and_new_together_must_leave_a_region() {
    let (west, central) = (r#""eu-west-1""#, r#""eu-central-1""#);
    let world = to_other_regions(west, central);
    let plan = world.plan();
    assert_eq!(
        (changes(&plan), why(&plan)),
        (vec![], Reason::PolicyOverlapDenies)
    );
    assert_eq!(refused(&plan, NAME).0, Reason::PolicyOverlapDenies);
    let message = said(&plan);
    assert!(
        message.contains("eu-west-1,") && message.contains("eu-central-1:"),
        "{message}"
    );
    let both = format!("{west},{central}");
    assert_eq!(
        changes(&to_other_regions(west, &both).plan()),
        [("AttachPolicy", A)]
    );

    // What units and the root leave counts as well.
    let london = r#""eu-west-2""#;
    let mut world = to_other_regions(&format!("{west},{london}"), &format!("{central},{london}"));
    assert_eq!(changes(&world.plan()), [("AttachPolicy", A)]);
    let root = only_in('r', &both);
    world.observed.policies.by_id.insert(policy_id(B), made(&root, B));
    let target = PolicyTarget::parse(ROOT).unwrap();
    world
        .observed
        .policies
        .inherited
        .insert(target, [policy_id(B)].into());
    assert_eq!(why(&world.plan()), Reason::PolicyOverlapDenies);

    // What was taken from the account is put back in any case.
    let mut world = to_other_regions(west, central);
    world.entry(NAME).applied = Some(revision('1').name);
    assert_eq!(changes(&world.plan()), [("AttachPolicy", A)]);
}
