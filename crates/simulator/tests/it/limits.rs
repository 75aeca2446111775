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
