//! What every failure of an AWS call means, asked of the code that decides it.

use executor::{CatalogueEntry, Disposition, ErrorClass, Operation, catalogue};
use jiff::SignedDuration;
use std::fmt::Write;

use crate::workspace::Workspace;

/// The table of the README.
pub(super) fn table(_: &Workspace) -> String {
    let mut text =
        "| AWS says | on | Bulkhead | `REASON` | tried again |\n|---|---|---|---|---|\n".to_owned();
    let mut before: Option<ErrorClass> = None;
    for entry in catalogue() {
        // All the names once; then the first is enough to know the rest by.
        let told = before.as_ref() == Some(&entry.class);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            failure(&entry.class, told),
            operations(&entry),
            meaning(entry.disposition, entry.class.effect_unknown()),
            entry
                .disposition
                .reason()
                .map(|reason| format!("`{reason}`"))
                .unwrap_or_default(),
            rests(entry.disposition),
        );
        before = Some(entry.class);
    }
    text
}

/// The exception as AWS names it, with its `Reason`.
fn failure(class: &ErrorClass, briefly: bool) -> String {
    let names: Vec<String> = aws::exceptions(class)
        .iter()
        .take(if briefly { 1 } else { usize::MAX })
        .map(|name| format!("`{name}`"))
        .collect();
    let reason = match class {
        ErrorClass::ConstraintViolation(reason)
        | ErrorClass::HandshakeConstraintViolation(reason)
        | ErrorClass::InvalidInput(reason) => reason,
        ErrorClass::Unclassified(_) => return "any other error".to_owned(),
        _ if names.is_empty() => return format!("({class})"),
        _ if briefly && aws::exceptions(class).len() > 1 => {
            return format!("{} and its like, as above", names.join(", "));
        }
        _ => return names.join(", "),
    };
    if reason.is_empty() {
        format!("{}: any other", names.join(", "))
    } else {
        // A Reason comes with the first of the names only.
        format!("{}: `{reason}`", names.first().map_or("", String::as_str))
    }
}

fn operations(entry: &CatalogueEntry) -> String {
    let others: Vec<&str> = Operation::ALL
        .iter()
        .filter(|operation| !entry.operations.contains(operation))
        .map(|operation| operation.name())
        .collect();
    match others.as_slice() {
        [] => "any call".to_owned(),
        [but] => format!("any call but {but}"),
        [read, verify] if *read == Operation::Read.name() && *verify == Operation::VerifyAccess.name() => {
            "any change".to_owned()
        }
        _ => {
            let names: Vec<&str> = entry
                .operations
                .iter()
                .map(|operation| operation.name())
                .collect();
            names.join(", ")
        }
    }
}

const fn meaning(disposition: Disposition, effect_unknown: bool) -> &'static str {
    match disposition {
        Disposition::AlreadyDone => "takes it for done",
        Disposition::Reobserve => "looks again, plans anew",
        Disposition::Retry(_) if effect_unknown => "looks what became of it, tries again",
        Disposition::Retry(_) => "tries again",
        Disposition::Wait(..) => "waits",
        Disposition::Stalled(_) => "Stalled: a person has to act",
    }
}

/// When the step is tried again, from the first failure to the last of many.
fn rests(disposition: Disposition) -> String {
    let (first, last) = (disposition.rest(1), disposition.rest(u32::MAX));
    if first.is_zero() {
        String::new()
    } else if first == last {
        format!("after {}", rounded(first))
    } else {
        format!(
            "after {}, then more slowly, up to {}",
            rounded(first),
            rounded(last)
        )
    }
}

pub(super) fn rounded(duration: SignedDuration) -> String {
    let (seconds, unit) = match duration.as_secs() {
        seconds if seconds >= 3600 && seconds % 3600 == 0 => (seconds / 3600, "h"),
        seconds if seconds >= 60 && seconds % 60 == 0 => (seconds / 60, "min"),
        seconds => (seconds, "s"),
    };
    format!("{seconds} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        let workspace = Workspace {
            root: "/".into(),
            target: "/".into(),
            packages: vec![],
        };
        let table = table(&workspace);
        table
            .lines()
            .skip(2)
            .map(|line| line.split('|').map(|cell| cell.trim().to_owned()).collect())
            .collect()
    }

    #[test]
    fn every_row_has_its_five_cells() {
        for row in rows() {
            assert_eq!(row.len(), 7, "{row:?}");
            assert!(row[1..4].iter().all(|cell| !cell.is_empty()), "{row:?}");
            assert_eq!(row[4].is_empty(), row[3] == "takes it for done", "{row:?}");
            assert_eq!(row[4].is_empty(), row[5].is_empty(), "{row:?}");
        }
    }

    #[test]
    fn what_matters_most_is_said() {
        let rows = rows();
        let of = |says: &str, on: &str| {
            rows.iter()
                .find(|row| row[1].contains(says) && row[2].contains(on))
                .map(|row| (row[3].as_str(), row[4].as_str(), row[5].as_str()))
        };
        assert_eq!(
            of("`ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED`", "CreateAccount"),
            Some(("waits", "`AccountCreationRateLimitExceeded`", "after 30 s"))
        );
        assert_eq!(
            of("`AccessDeniedException`", "any call but"),
            Some((
                "Stalled: a person has to act",
                "`AccessDenied`",
                "after 15 s, then more slowly, up to 10 min"
            ))
        );
        assert_eq!(
            of("`ServiceException`", "any call").map(|(meaning, ..)| meaning),
            Some("looks what became of it, tries again")
        );
        assert_eq!(
            of("`PolicyNotFoundException`", "DeletePolicy").map(|(meaning, ..)| meaning),
            Some("takes it for done")
        );
    }
}
