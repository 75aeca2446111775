//! What this process knows of creation attempts, by token.

use model::{Action, Attempt, Journal, Token};
use std::collections::{BTreeMap, BTreeSet};

/// What this process knows of creation attempts. It can be lost: an attempt that nothing is known of has an unknown
/// outcome.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    known: BTreeMap<Token, Attempt>,
    /// Tokens this process tried to store: an intent that carries one of them was not sent by anybody else.
    written: BTreeSet<Token>,
    /// Tokens whose call was begun: spent, whatever the stores say later.
    spent: BTreeSet<Token>,
}

impl Attempts {
    /// For the planner.
    pub(crate) const fn known(&self) -> &BTreeMap<Token, Attempt> {
        &self.known
    }

    /// A step is started.
    pub(crate) fn started(&mut self, action: &Action) {
        match action {
            Action::Intend(creation, _) => {
                self.written.insert(creation.token.clone());
            }
            Action::CreateAccount { token, .. } => {
                self.spent.insert(token.clone());
                self.known.insert(token.clone(), Attempt::Sending);
            }
            _ => {}
        }
    }

    /// A call has ended so.
    pub(crate) fn ended(&mut self, token: &Token, attempt: Attempt) {
        self.known.insert(token.clone(), attempt);
    }

    /// What the journal says: an intent of ours that has appeared in it may be sent after the look with this number; one
    /// that has gone from it is settled.
    pub(crate) fn take_in(&mut self, journal: &Journal, next_look: u64) {
        let mut standing = BTreeSet::new();
        for entry in journal.values().filter(|entry| entry.account_id.is_none()) {
            let Some(creation) = &entry.creation else { continue };
            standing.insert(creation.token.clone());
            let unsent = self.written.contains(&creation.token) && !self.spent.contains(&creation.token);
            if unsent {
                self.known
                    .entry(creation.token.clone())
                    .or_insert(Attempt::Fresh { look: next_look });
            }
        }
        self.known
            .retain(|token, attempt| standing.contains(token) || *attempt == Attempt::Sending);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use model::{AccountKey, AccountName, Creation, Email, JournalEntry, RoleName, Tags};

    fn token() -> Token {
        Token::parse("0123456789abcdef").unwrap()
    }
    fn assigned() -> model::Assigned {
        let hash = format!("sha256:{}", "0".repeat(64));
        model::Assigned {
            revision: model::Revision::new("standard", model::RevisionHash::parse(&hash).unwrap()).unwrap(),
            sequence: 1,
            by: model::AssignedBy::Automatic,
            tag_keys: std::collections::BTreeSet::new(),
        }
    }
    fn creation() -> Creation {
        Creation {
            token: token(),
            attempt: 1,
            started_at: Timestamp::UNIX_EPOCH,
            epoch: 1,
            email: Email::parse("egret@example.com").unwrap(),
            account_name: AccountName::parse("egret").unwrap(),
            role_name: RoleName::parse("Perch").unwrap(),
            request_id: None,
        }
    }
    fn call() -> Action {
        let Creation {
            token,
            email,
            account_name,
            role_name,
            ..
        } = creation();
        Action::CreateAccount {
            token,
            email,
            account_name,
            role_name,
            tags: Tags::new(),
        }
    }
    fn stored() -> Journal {
        let entry = JournalEntry {
            creation: Some(creation()),
            ..JournalEntry::default()
        };
        Journal::from([(AccountKey::new("wading", "egret"), entry)])
    }

    #[test]
    fn an_intent_of_ours_may_be_sent_after_the_look_that_follows_it() {
        let mut attempts = Attempts::default();
        attempts.started(&Action::Intend(creation(), assigned()));
        attempts.take_in(&Journal::new(), 3);
        assert_eq!(attempts.known().get(&token()), None, "it is not stored yet");
        attempts.take_in(&stored(), 4);
        attempts.take_in(&stored(), 9);
        assert_eq!(attempts.known().get(&token()), Some(&Attempt::Fresh { look: 4 }));
    }

    #[test]
    fn an_intent_of_another_process_is_not_known() {
        let mut attempts = Attempts::default();
        attempts.take_in(&stored(), 1);
        assert_eq!(attempts.known().get(&token()), None);
    }

    #[test]
    fn a_token_that_was_sent_is_never_fresh_again() {
        let mut attempts = Attempts::default();
        attempts.started(&Action::Intend(creation(), assigned()));
        attempts.take_in(&stored(), 1);
        attempts.started(&call());
        // The store has lost the object for a moment.
        attempts.take_in(&Journal::new(), 2);
        assert_eq!(attempts.known().get(&token()), Some(&Attempt::Sending));
        attempts.ended(&token(), Attempt::Refused);
        attempts.take_in(&Journal::new(), 2);
        assert_eq!(attempts.known().get(&token()), None, "it is settled");
        attempts.take_in(&stored(), 3);
        assert_eq!(
            attempts.known().get(&token()),
            None,
            "spent, whatever the stores say"
        );
    }
}
