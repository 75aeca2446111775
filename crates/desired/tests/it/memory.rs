//! The journal, and objects that are being deleted.

use crate::world::{World, creation, heron, manifest, otter, rejected, with};
use model::{JournalEntry, OutputsState, Reason};
use serde_json::json;

#[test]
fn the_journal_holds_what_the_status_remembers() {
    let hash = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let status = json!({
        "baseline": {"name": "river", "assigned": {
            "revision": "river-0123456789", "hash": hash, "sequence": 3, "by": "Automatic",
        }, "applied": {"revision": "river-9876543210", "hash": hash, "at": "2026-01-02T00:00:00Z"}},
        "accountId": "123456789012", "creation": creation("otter@example.com"),
        "access": {"roleArn": "arn:aws:iam::123456789012:role/R", "verifiedAt": "2026-01-02T00:00:00Z"},
        "tags": {"managed": {"owner": "crew", "team:x": "y"}},
    });
    let object = with(
        with(manifest(&otter()), "/status", status),
        "/metadata/finalizers",
        json!(["bulkhead.dev/account"]),
    );
    let object = with(object, "/metadata/uid", json!("uid-of-otter"));
    let mut world = World::new();
    world.account(&otter(), object);
    let ours = OutputsState::Ours([("accountId".to_owned(), "123456789012".to_owned())].into());
    world.outputs.insert(otter(), ours.clone());
    let JournalEntry {
        uid,
        assigned,
        held,
        deleting,
        creation,
        account_id,
        applied,
        verified_role,
        managed_tags,
        outputs,
    } = world.resolve().journal.remove(&otter()).unwrap();
    assert!(held && !deleting);
    assert_eq!(uid, "uid-of-otter");
    let assigned = assigned.unwrap();
    assert_eq!(assigned.tag(), "river-0123456789/3");
    assert_eq!(assigned.revision.hash.as_str(), hash);
    assert_eq!(applied.unwrap().as_str(), "river-9876543210");
    let creation = creation.unwrap();
    assert_eq!(
        (creation.token.as_str(), creation.attempt, creation.epoch),
        ("0123456789abcdef", 2, 7)
    );
    assert_eq!(creation.started_at.to_string(), "2026-01-02T03:04:05.678Z");
    assert_eq!(
        (creation.email.as_str(), creation.role_name.as_str()),
        ("otter@example.com", "FrozenRole")
    );
    assert_eq!(creation.request_id.unwrap().as_str(), "car-0123456789abcdef");
    assert_eq!(account_id.unwrap().as_str(), "123456789012");
    assert_eq!(verified_role.as_deref(), Some("arn:aws:iam::123456789012:role/R"));
    assert_eq!(
        managed_tags
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect::<Vec<_>>(),
        [("owner", "crew"), ("team:x", "y")]
    );
    assert_eq!(outputs, ours);
}

#[test]
fn a_fresh_object_has_an_empty_entry_and_a_role_counts_once_verified() {
    let mut world = World::new();
    world.account(&otter(), manifest(&otter()));
    world.account(
        &heron(),
        with(
            manifest(&heron()),
            "/status",
            json!({"access": {"roleArn": "arn:x"}}),
        ),
    );
    let journal = world.resolve().journal;
    assert_eq!(journal[&otter()], JournalEntry::default());
    assert_eq!(journal[&heron()], JournalEntry::default());
}

#[test]
fn an_object_being_deleted_is_leaving_however_bad_it_is() {
    let object = with(manifest(&otter()), "/spec/environment", json!("qa"));
    let object = with(
        object,
        "/metadata/deletionTimestamp",
        json!("2026-02-01T00:00:00Z"),
    );
    let mut world = World::new();
    world.account(&otter(), object);
    let resolved = world.resolve();
    assert_eq!(
        resolved.desired.leaving[&otter()].as_str(),
        "acme/team-otter/otter-dev"
    );
    assert!(resolved.desired.accounts.is_empty() && resolved.rejections.is_empty());
    assert!(resolved.journal[&otter()].deleting);
}

#[test]
fn a_status_that_bulkhead_cannot_have_written_stops_the_object() {
    let world = World::new();
    rejected(
        world.otter_with("/status", json!({"accountId": "12"})),
        Reason::Undecodable,
        &["status.accountId", "\"12\"", "12 digits"],
    );
    rejected(
        world.otter_with("/status", json!({"creation": creation("not an email")})),
        Reason::Undecodable,
        &["status.creation", "not an email"],
    );
    let hash = format!("sha256:{}", "0123456789abcdef".repeat(4));
    for (revision, hash, sequence, pieces) in [
        ("river", hash.as_str(), 1, ["revision \"river\"", "10 lower-case"]),
        ("river-0123456789", "md5:0", 1, ["hash \"md5:0\"", "sha256:"]),
        (
            "river-0123456789",
            hash.as_str(),
            0,
            ["sequence \"0\"", "at least 1"],
        ),
    ] {
        let assigned = json!({"revision": revision, "hash": hash, "sequence": sequence, "by": "Automatic"});
        rejected(
            world.otter_with("/status", json!({"baseline": {"assigned": assigned}})),
            Reason::Undecodable,
            &["status.baseline.assigned", pieces[0], pieces[1]],
        );
    }
}
