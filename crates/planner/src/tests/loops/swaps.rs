//! Revisions are swapped under failures, restarts and meddling.

use super::*;
use crate::tests::toy_policies::wanted_policy;

impl Loop {
    /// Somebody changes the policies of an account behind our back.
    pub(super) fn meddle(&mut self, id: &AccountId) {
        let now = self.toy.now;
        let (policies, dice) = (&mut self.toy.policies, &mut self.toy.dice);
        let Some(own) = policies.any_own(id) else { return };
        match dice.below(3) {
            0 => policies.change(id, dice, now, |real| {
                real.remove(&own);
            }),
            1 => {
                let content = wanted_policy('x').content;
                policies.by_id.get_mut(&own).unwrap().0.content = Some(content);
            }
            _ => {
                let foreign = policies.foreign("theirs", now);
                policies.change(id, dice, now, |real| {
                    real.insert(foreign);
                });
            }
        }
    }
}

/// Accounts get policies, and later other ones. `meddled`: others change them as well.
fn swaps(seed: u64, count: usize, meddled: bool) -> Result<(), TestCaseError> {
    let names: Vec<String> = (0..count).map(|number| format!("tern-{number}")).collect();
    let mut this = Loop::new(seed, &names);
    let limits = &mut this.process.limits.policies;
    (limits.enable_types, limits.delete_unused_after) = (true, secs(700));
    this.toy.policies.meddled = meddled;
    if this.toy.dice.chance(30) {
        this.toy.policies.enabled = None;
    }
    this.revise('1', "ab");
    let (second, third) = (this.toy.dice.below(1_200_000), this.toy.dice.below(2_400_000));
    this.after(second.min(third), Event::Revision('2', "bcd"));
    this.after(second.max(third), Event::Revision('3', "ef"));
    this.run().map_err(|(violation, transcript)| {
        TestCaseError::fail(format!("{transcript}\nseed {seed}, {count} objects: {violation}"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 40, ..ProptestConfig::with_cases(60) })]

    /// At every step each account has all policies of one revision, and in the end those of the last one and no others.
    #[test]
    fn no_account_is_ever_without_all_policies_of_a_revision(seed in any::<u64>(), count in 1_usize..6) {
        swaps(seed, count, false)?;
    }

    /// Others detach, edit and attach: in the end everything of ours is as it should be.
    #[test]
    fn what_others_change_about_our_policies_is_repaired(seed in any::<u64>(), count in 1_usize..6) {
        swaps(seed, count, true)?;
    }
}
