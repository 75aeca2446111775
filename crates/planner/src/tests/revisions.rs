//! The revision an account is to have, its sequence, and what people decide when a cluster knows too little.

use super::*;

const ID: &str = "100000000001";
const NAME: &str = "heron-prod";

/// The account carries this under the key of its revision.
fn carrying(tag: &str) -> ObservedAccount {
    let mut account = born(NAME, ID);
    account.parent = ParentId::parse(PROD).unwrap();
    account
        .tags
        .as_mut()
        .unwrap()
        .extend(tags(&[(tag_keys::REVISION, tag)]));
    account
}

/// Status knows this; the account carries that; the Baseline is at revision 1.
fn world(knows: Option<Assigned>, carries: &str) -> World {
    let mut world = World::new();
    world.settled(NAME, ID);
    world.entry(NAME).assigned = knows;
    world.has(carrying(carries));
    world
}

/// The same when the API server was asked as well.
fn asked(knows: Option<Assigned>, carries: &str) -> World {
    let mut world = world(knows, carries);
    world.reread.insert(key(NAME));
    world
}

fn assigns(plan: &Plan) -> &Assigned {
    match &only(plan).action {
        Action::Assign { account, assigned } => {
            assert_eq!(*account, account_id(ID));
            assigned
        }
        other => panic!("{other:?}"),
    }
}

fn digest(world: &World) -> String {
    let view = &world.plan().accounts[&key(NAME)];
    let [awaiting] = view.awaiting.as_slice() else {
        panic!("{view:?}")
    };
    assert_eq!(awaiting.action, ApprovalAction::StateRestore);
    awaiting.digest.clone()
}

fn approval(digest: &str) -> Decision {
    Decision {
        name: "heron-1".into(),
        created: at(-10),
        action: ApprovalAction::StateRestore,
        digest: digest.into(),
        approves: true,
        approver: "alice".into(),
        requested_by: None,
        expires_at: None,
    }
}

fn decide(world: &mut World, decisions: Vec<Decision>) {
    world.approvals.policy = ApprovalPolicy::InForce { since: at(-100) };
    world.approvals.accounts.insert(key(NAME), decisions);
}

#[test]
fn a_new_revision_is_stored_then_tagged_then_everything_else() {
    let mut world = world(Some(assigned('1', 1)), "standard-1111111111/1");
    assert_eq!(kinds(&world.plan()), Vec::<&str>::new());
    let wanted = world.want(NAME);
    wanted.revision = revision('2');
    wanted.organizational_unit = OuPath::parse("Workloads").unwrap();
    let plan = world.plan();
    assert_eq!(*assigns(&plan), assigned('2', 2));
    assert_eq!(reason(&plan, NAME), Reason::AssigningRevision);
    world.entry(NAME).assigned = Some(assigned('2', 2));
    let plan = world.plan();
    let Action::TagAccount { tags: written, .. } = &only(&plan).action else {
        panic!("{plan:?}")
    };
    assert_eq!(*written, tags(&[(tag_keys::REVISION, "standard-2222222222/2")]));
    world.has(carrying("standard-2222222222/2"));
    assert_eq!(kinds(&world.plan()), ["MoveAccount"]);
}

#[test]
fn an_intent_carries_the_revision_the_account_is_born_with() {
    let mut world = World::new();
    world.want(NAME);
    let entry = world.entry(NAME);
    (entry.held, entry.assigned) = (true, None);
    let born_with = |world: &World| match only(&world.plan()).action.clone() {
        Action::Intend(_, assigned) => assigned,
        other => panic!("{other:?}"),
    };
    assert_eq!(born_with(&world), assigned('1', 1));
    world.entry(NAME).assigned = Some(assigned('2', 4));
    assert_eq!(
        born_with(&world),
        assigned('1', 5),
        "it goes on from what is known"
    );
}

#[test]
fn an_intent_without_a_revision_is_made_anew() {
    let mut world = World::new();
    world.want(NAME);
    world.attempt(NAME, "token0heron0number0", Some(Attempt::Fresh { look: 1 }));
    world.entry(NAME).assigned = None;
    assert_eq!(kinds(&world.plan()), ["Intend"]);
}

#[test]
fn a_lost_cluster_takes_the_sequence_from_the_account() {
    for (carries, expected) in [
        ("standard-1111111111/7", assigned('1', 7)),
        ("standard-2222222222/7", assigned('1', 8)),
        ("nonsense", assigned('1', 1)),
    ] {
        let mut world = world(None, carries);
        assert_eq!(*assigns(&world.plan()), expected, "{carries}");
        world.entry(NAME).assigned = Some(expected.clone());
        let repairs = carries != expected.tag();
        let kinds = kinds(&world.plan());
        assert_eq!(
            kinds,
            if repairs { vec!["TagAccount"] } else { vec![] },
            "{carries}"
        );
    }
}

#[test]
fn a_tag_that_was_removed_or_spoilt_or_is_behind_is_repaired() {
    for carries in ["", "nonsense", "standard-1111111111/2", "standard-2222222222/3"] {
        let world = world(Some(assigned('1', 3)), carries);
        let plan = world.plan();
        let Action::TagAccount { tags: written, .. } = &only(&plan).action else {
            panic!("{plan:?}")
        };
        assert_eq!(*written, tags(&[(tag_keys::REVISION, "standard-1111111111/3")]));
    }
}

#[test]
fn suspend_keeps_the_revision_but_may_write_down_what_is() {
    let mut next = world(Some(assigned('2', 1)), "standard-2222222222/1");
    next.want(NAME).suspend = true;
    let plan = next.plan();
    assert_eq!((kinds(&plan), reason(&plan, NAME)), (vec![], Reason::Suspended));
    let mut lost = world(None, "standard-1111111111/3");
    lost.want(NAME).suspend = true;
    assert_eq!(*assigns(&lost.plan()), assigned('1', 3));
}

#[test]
fn what_the_bulk_listing_says_is_confirmed_before_anything() {
    for (knows, carries) in [
        (Some(assigned('1', 3)), "standard-1111111111/4"),
        (Some(assigned('2', 3)), "standard-2222222222/3"),
        (None, "standard-1111111111/4"),
    ] {
        let mut world = asked(knows, carries);
        let mut account = carrying(carries);
        account.tags_confirmed = false;
        world.has(account);
        let plan = world.plan();
        assert!(asks(&plan, ID), "{plan:?}");
        assert_eq!((kinds(&plan), reason(&plan, NAME)), (vec![], Reason::Reobserving));
    }
    let mut astray = world(Some(assigned('1', 1)), "standard-1111111111/1");
    let mut account = born(NAME, ID);
    account.tags_confirmed = false;
    astray.has(account);
    let plan = astray.plan();
    assert!(
        asks(&plan, ID) && kinds(&plan).is_empty(),
        "no move on the word of the bulk listing"
    );
}

#[test]
fn an_older_state_changes_nothing_and_waits_for_a_person() {
    // Whatever else is wanted: another unit, that does not exist, other tags, tags that are surplus.
    let mut world = asked(Some(assigned('1', 3)), "standard-2222222222/4");
    let wanted = world.want(NAME);
    wanted.organizational_unit = OuPath::parse("Elsewhere/Far").unwrap();
    wanted.tags.extend(tags(&[("team", "owls")]));
    world.entry(NAME).managed_tags.extend(tags(&[("surplus", "")]));
    let plan = world.plan();
    assert_eq!(kinds(&plan), Vec::<&str>::new());
    let (reason, message) = refused(&plan, NAME);
    assert_eq!(reason, Reason::StateBehindAws);
    for piece in [
        ID,
        "carries revision number 4",
        "knows of number 3 only",
        "bulkhead approve awsaccount heron-prod -n aviary",
    ] {
        assert!(message.contains(piece), "{message}");
    }
    let awaiting = &plan.accounts[&key(NAME)].awaiting[0];
    for piece in [
        "standard-2222222222 as number 4",
        "number 3 only",
        "standard-1111111111 as number 5",
    ] {
        assert!(awaiting.summary.contains(piece), "{}", awaiting.summary);
    }
}

#[test]
fn an_old_watch_is_no_older_state() {
    let mut world = world(Some(assigned('1', 3)), "standard-1111111111/4");
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["Reread"]);
    assert!(matches!(
        verdict(&plan, NAME),
        Verdict::Working(Reason::Reobserving, _)
    ));
    assert!(plan.accounts[&key(NAME)].awaiting.is_empty());
    // The API server knows more than the watch had brought.
    world.reread.insert(key(NAME));
    world.entry(NAME).assigned = Some(assigned('1', 4));
    assert_eq!(*verdict(&world.plan(), NAME), Verdict::Ready);
}

#[test]
fn an_approval_goes_on_from_what_the_account_carries() {
    let mut world = asked(Some(assigned('2', 3)), "standard-2222222222/4");
    let digest = digest(&world);
    decide(&mut world, vec![approval(&digest)]);
    let plan = world.plan();
    assert_eq!(*assigns(&plan), assigned('1', 5));
    assert!(plan.accounts[&key(NAME)].awaiting.is_empty());
    world.entry(NAME).assigned = Some(assigned('1', 5));
    assert_eq!(kinds(&world.plan()), ["TagAccount"]);
    // The next older state is another decision.
    world.entry(NAME).assigned = Some(assigned('2', 3));
    world.has(carrying("standard-1111111111/5"));
    assert_eq!(refused(&world.plan(), NAME).0, Reason::StateBehindAws);
}

#[test]
fn what_does_not_count_is_told() {
    let behind = asked(Some(assigned('1', 3)), "standard-1111111111/4");
    let digest = digest(&behind);
    let good = approval(&digest);
    let told = |change: &dyn Fn(&mut World)| {
        let mut world = behind.clone();
        decide(&mut world, vec![good.clone()]);
        change(&mut world);
        let plan = world.plan();
        assert_eq!(kinds(&plan), Vec::<&str>::new());
        assert_eq!(plan.accounts[&key(NAME)].awaiting.len(), 1);
        let (reason, message) = refused(&plan, NAME);
        (reason, message.to_owned())
    };
    let with = |change: &dyn Fn(&mut Decision)| {
        told(&|world: &mut World| change(&mut world.approvals.accounts.get_mut(&key(NAME)).unwrap()[0]))
    };
    for ((reason, message), expected, piece) in [
        (
            with(&|decision| decision.digest = format!("sha256:{}", "0".repeat(64))),
            Reason::StateBehindAws,
            "Approval heron-1 is void: it names another digest",
        ),
        (
            with(&|decision| decision.expires_at = Some(at(0))),
            Reason::StateBehindAws,
            "Approval heron-1 is void: it expired at 2026-",
        ),
        (
            with(&|decision| decision.created = at(-101)),
            Reason::StateBehindAws,
            "made before the admission policy was in force",
        ),
        (
            with(&|decision| decision.requested_by = Some("alice".into())),
            Reason::StateBehindAws,
            "alice has approved an own request",
        ),
        (
            with(&|decision| decision.approves = false),
            Reason::ApprovalRejected,
            "alice has rejected it (Approval heron-1)",
        ),
        (
            told(&|world| {
                let no = Decision {
                    name: "heron-2".into(),
                    approves: false,
                    approver: "bob".into(),
                    ..good.clone()
                };
                world.approvals.accounts.get_mut(&key(NAME)).unwrap().push(no);
            }),
            Reason::ApprovalRejected,
            "bob has rejected it",
        ),
        (
            told(&|world| world.approvals.policy = ApprovalPolicy::Missing("there is none".into())),
            Reason::ApprovalPolicyMissing,
            "does not count: there is none",
        ),
        (
            told(&|world| {
                world.approvals.accounts.clear();
                world.approvals.policy = ApprovalPolicy::Missing("there is none".into());
            }),
            Reason::StateBehindAws,
            "no Approval counts before that: there is none",
        ),
        (
            told(&|world| world.approvals.policy = ApprovalPolicy::Unknown),
            Reason::StateBehindAws,
            "bulkhead approve",
        ),
    ] {
        assert_eq!(reason, expected, "{message}");
        assert!(message.contains(piece), "{message}");
    }
}

#[test]
fn a_digest_names_everything_that_is_decided() {
    let base = asked(Some(assigned('1', 3)), "standard-1111111111/4");
    let first = digest(&base);
    assert_eq!(first.len(), 71);
    assert_eq!(digest(&base), first);
    let mut others = BTreeSet::from([first]);
    let mut other = |world: &World, what: &str| assert!(others.insert(digest(world)), "{what}");
    let mut world = base.clone();
    world.entry(NAME).uid = "another".into();
    other(&world, "the object");
    let mut world = base.clone();
    world.want(NAME).revision = revision('3');
    other(&world, "the revision that is wanted");
    other(
        &asked(Some(assigned('1', 2)), "standard-1111111111/4"),
        "the sequence status knows",
    );
    other(
        &asked(Some(assigned('1', 3)), "standard-1111111111/5"),
        "the sequence the account carries",
    );
}

#[test]
fn the_rules_refuse_what_the_order_forbids() {
    let found = |world: &World, action: Action| {
        let mut plan = world.plan();
        plan.steps = vec![Step {
            id: StepId("step".into()),
            key: Some(key(NAME)),
            action,
            reason: Reason::Pending,
            spends: None,
        }];
        let findings = check(world.input(), &plan);
        findings
            .into_iter()
            .map(|finding| finding.rule)
            .collect::<Vec<_>>()
    };
    let assign = |assigned| Action::Assign {
        account: account_id(ID),
        assigned,
    };
    let tag = |value: &str| Action::TagAccount {
        account: account_id(ID),
        tags: tags(&[(tag_keys::REVISION, value)]),
    };
    let behind = asked(Some(assigned('1', 3)), "standard-1111111111/4");
    let changed = "an account whose sequence is ahead of status is not changed";
    for action in [
        Action::TagAccount {
            account: account_id(ID),
            tags: tags(&[("team", "owls")]),
        },
        Action::UntagAccount {
            account: account_id(ID),
            keys: keys(&["team"]),
        },
    ] {
        assert_eq!(found(&behind, action), [changed]);
    }
    let move_away = Action::MoveAccount {
        account: account_id(ID),
        from: ParentId::parse(PROD).unwrap(),
        to: ParentId::parse(WORKLOADS).unwrap(),
    };
    assert!(found(&behind, move_away.clone()).contains(&changed));
    let approval_only = "only an Approval goes on from a sequence that status does not know";
    assert_eq!(found(&behind, assign(assigned('1', 5))), [approval_only]);
    let level = world(Some(assigned('1', 3)), "standard-1111111111/2");
    assert!(found(&level, move_away).contains(&"an account carries its revision before it is moved for it"));
    assert_eq!(
        found(&level, assign(assigned('1', 3))),
        ["the sequence never goes back"]
    );
    assert_eq!(found(&level, assign(assigned('2', 4))), [""; 0]);
    let first = "status knows the revision before the account carries it";
    assert_eq!(found(&level, tag("standard-2222222222/4")), [first]);
    assert_eq!(found(&level, tag("standard-1111111111/3")), [""; 0]);
}

#[test]
fn an_account_of_another_clusters_intent_goes_on_from_where_it_is() {
    // Two clusters asked for the same account; a person gave the organization to this one, whose intent was not the one
    // that made it.
    let mut world = world(Some(assigned('1', 1)), "standard-2222222222/3");
    world.entry(NAME).account_id = None;
    let plan = world.plan();
    assert_eq!(assigns(&plan).sequence, 4, "{plan:?}");
    // The account of its own intent is another matter: its cluster was restored to an older state.
    world.entry(NAME).account_id = Some(account_id(ID));
    assert_eq!(kinds(&world.plan()), ["Reread"]);
}

#[test]
fn an_account_that_an_earlier_object_of_this_name_asked_for_goes_on_from_where_it_is() {
    // An object vends; it is deleted and applied again; before the new object finds the account, it stores an intent.
    let token = |uid: &str| {
        let mut world = World::new();
        world.want(NAME);
        let entry = world.entry(NAME);
        (entry.held, entry.assigned, entry.uid) = (true, None, uid.into());
        match only(&world.plan()).action.clone() {
            Action::Intend(creation, _) => creation.token,
            other => panic!("{other:?}"),
        }
    };
    let made_by = |uid: &str| {
        let mut account = carrying("standard-2222222222/3");
        let tag = tags(&[(tag_keys::CREATION_TOKEN, token(uid).as_str())]);
        account.tags.as_mut().unwrap().extend(tag);
        let mut world = world(Some(assigned('1', 1)), "standard-2222222222/3");
        world.entry(NAME).account_id = None;
        world.has(account);
        world.plan()
    };
    assert_eq!(assigns(&made_by("uid-of-the-earlier-object")).sequence, 4);
    // Its own account that has come further: the cluster was restored to an older state.
    assert_eq!(kinds(&made_by("uid-of-the-object")), ["Reread"]);
}

fn on_promotion(carries: &str, at_hand: &[char]) -> World {
    let mut world = world(None, carries);
    world.want(NAME).update = UpdatePolicy::OnPromotion;
    let revisions = at_hand.iter().map(|digit| revision(*digit));
    world.desired.revisions = revisions.map(|revision| known(revision, &[])).collect();
    world
}

#[test]
fn an_account_that_is_found_again_keeps_its_revision_until_a_promotion() {
    let mut world = on_promotion("standard-2222222222/7", &['1', '2']);
    world.want(NAME).suspend = true;
    world.limits.brake.mass_change = Some(model::MassChange {
        window: secs(3600),
        max_accounts: 0,
    });
    let plan = world.plan();
    assert_eq!(*assigns(&plan), assigned('2', 7));
    assert_eq!(only(&plan).spends, None);
    let expected = on_promotion("standard-1111111111/7", &[]);
    assert_eq!(*assigns(&expected.plan()), assigned('1', 7));
    let none = on_promotion("nonsense", &[]);
    assert_eq!(
        *assigns(&none.plan()),
        assigned('1', 1),
        "the first one is assigned at once"
    );
}

#[test]
fn an_account_of_a_revision_that_is_not_at_hand_is_left_as_it_is() {
    let mut world = on_promotion("standard-2222222222/7", &['1']);
    world.want(NAME).organizational_unit = OuPath::parse("Workloads").unwrap();
    let plan = world.plan();
    assert_eq!(kinds(&plan), [] as [&str; 0]);
    let Verdict::Waiting(Reason::RevisionUnknown, message) = verdict(&plan, NAME) else {
        panic!("{plan:?}")
    };
    assert!(
        message.contains("standard-2222222222") && message.contains("promote"),
        "{message}"
    );
}

/// Three accounts follow the Baseline to revision 2, and only so many may at once.
fn followers(max_accounts: u32) -> World {
    let mut world = World::new();
    world.limits.brake.mass_change = Some(model::MassChange {
        window: secs(3600),
        max_accounts,
    });
    for number in 1..=3 {
        let name = format!("heron-{number}");
        world.settled(&name, &format!("10000000000{number}"));
        world.entry(&name).applied = Some(revision('1').name);
        world.want(&name).revision = revision('2');
    }
    world
}

#[test]
fn another_revision_is_braked_and_says_until_when() {
    let mut world = followers(2);
    let plan = world.plan();
    assert_eq!(kinds(&plan), ["Assign", "Assign"]);
    let change = plan.steps[0].spends.clone().unwrap();
    assert_eq!(change, model::Change::Policies(account_id("100000000001")));
    let Verdict::Waiting(Reason::PolicyBudgetExhausted, message) = verdict(&plan, "heron-3") else {
        panic!("{plan:?}")
    };
    assert!(
        message.contains("massChange allows 2 accounts to get another revision"),
        "{message}"
    );
    // The account that was counted costs nothing any more.
    let spent = world.limits.brake.spend(&Spending::default(), &change, world.now);
    world.spending = Some(spent);
    assert_eq!(kinds(&world.plan()), ["Assign", "Assign"]);
    world.spending = None;
    let plan = world.plan();
    assert_eq!(
        (kinds(&plan), reason(&plan, "heron-1")),
        (vec![], Reason::BudgetUnknown)
    );
}

#[test]
fn to_go_back_to_what_an_account_has_in_full_is_not_braked() {
    let mut world = followers(0);
    assert_eq!(kinds(&world.plan()), [] as [&str; 0]);
    for number in 1..=3 {
        let name = format!("heron-{number}");
        world.want(&name).revision = revision('1');
        world.entry(&name).assigned = Some(assigned('2', 2));
    }
    assert_eq!(kinds(&world.plan()), ["Assign", "Assign", "Assign"]);
}

#[test]
fn a_rollback_is_not_braked() {
    let mut world = followers(0);
    for number in 1..=3 {
        let name = format!("heron-{number}");
        // They had revision 2 in full, and get revision 1 back, whatever is left of a budget.
        world.entry(&name).applied = Some(revision('2').name);
        world.entry(&name).assigned = Some(assigned('2', 2));
        let wanted = world.want(&name);
        wanted.revision = revision('1');
        assert_eq!(wanted.by, AssignedBy::Automatic);
    }
    assert_eq!(kinds(&world.plan()), [] as [&str; 0], "anything else is braked");
    for number in 1..=3 {
        let by = promoted("a-1", None, world.now);
        world.want(&format!("heron-{number}")).by = AssignedBy::Rollback(by);
    }
    // The plan is checked as well: one that breaks a rule stops the whole organization.
    assert_eq!(kinds(&world.plan()), ["Assign", "Assign", "Assign"]);
}

fn promoted(attempt: &str, wave: Option<&str>, at: Timestamp) -> Box<model::PromotedBy> {
    Box::new(model::PromotedBy {
        name: "standard".into(),
        uid: "uid-of-the-promotion".into(),
        attempt: attempt.into(),
        stage: "stage".into(),
        wave: wave.map(Into::into),
        at,
    })
}

#[test]
fn a_promotion_that_gives_what_an_account_has_is_written_down_and_changes_nothing_else() {
    let first = AssignedBy::Promotion(promoted("a-1", Some("one-box"), at(-10)));
    let stored = |by: &AssignedBy| Assigned {
        by: by.clone(),
        ..assigned('1', 1)
    };
    let given = |known: &AssignedBy, by: &AssignedBy| {
        let mut world = world(Some(stored(known)), "standard-1111111111/1");
        world.want(NAME).by = by.clone();
        world
    };
    let again = [
        AssignedBy::Promotion(promoted("a-2", Some("one-box"), at(0))),
        AssignedBy::Promotion(promoted("a-1", Some("rest"), at(0))),
        AssignedBy::Rollback(promoted("a-1", None, at(0))),
    ];
    for by in &again {
        for known in [&first, &AssignedBy::Automatic, &AssignedBy::Pin] {
            let mut world = given(known, by);
            assert_eq!(*assigns(&world.plan()), stored(by), "{known:?} {by:?}");
            world.entry(NAME).assigned = Some(stored(by));
            assert_eq!(kinds(&world.plan()), [] as [&str; 0], "{by:?}");
        }
    }
    // It is the same decision at another turn, or nobody's.
    let later = AssignedBy::Promotion(promoted("a-1", Some("one-box"), at(0)));
    for by in [&later, &AssignedBy::Automatic, &AssignedBy::Pin] {
        assert_eq!(kinds(&given(&first, by).plan()), [] as [&str; 0], "{by:?}");
    }
}
