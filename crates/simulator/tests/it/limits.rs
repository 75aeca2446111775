//! AWS's limits are used up and kept, alone and beside another tool.

use crate::scene::in_virtual_time;

#[test]
fn a_hundred_accounts_reach_the_ceiling_of_aws_without_being_refused() {
    in_virtual_time(async {
        for seed in 0..2 {
            let vending = simulator::vending(100, seed, 0).await.unwrap();
            assert_eq!((vending.ready, vending.accepted), (100, 100), "{vending}");
            assert!(vending.share_of_ceiling() >= 0.98, "{vending}");
            assert!(vending.share_refused() < 0.02, "{vending}");
        }
    });
}

#[test]
fn beside_a_tool_that_takes_most_of_every_bucket_there_is_progress_and_little_is_throttled() {
    in_virtual_time(async {
        for seed in 0..2 {
            let vending = simulator::vending(20, seed, 80).await.unwrap();
            assert_eq!((vending.ready, vending.accepted), (20, 20), "{vending}");
            assert!(vending.share_throttled() < 0.05, "{vending}");
        }
    });
}

#[test]
fn an_edited_policy_travels_at_the_rate_of_aws_and_no_account_is_ever_without() {
    in_virtual_time(async {
        let rollout = simulator::rollout(40, 3, 1).await.unwrap();
        assert_eq!((rollout.accounts, rollout.documents), (40, 3), "{rollout}");
        // Three policies are made; then each account gets three and loses three, one call after the other.
        let calls = (rollout.attaching.calls, rollout.detaching.calls);
        assert_eq!(calls, (123, 120), "{rollout}");
        assert!(rollout.attaching.share_of_ceiling() >= 0.9, "{rollout}");
        assert!(rollout.detaching.share_of_ceiling() >= 0.9, "{rollout}");
        assert!(rollout.states > 240, "{rollout}");
        assert_eq!(rollout.unseen, 0, "{rollout}");
        assert!(rollout.unguarded.is_empty(), "{rollout}");
        assert_eq!(rollout.refused, 0, "{rollout}");
    });
}
