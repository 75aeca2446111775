//! `bulkhead policy revision`: what the operator will call the content of a Baseline, before it is applied.

use super::given::{Error as GivenError, Given};
use crate::{
    args::{Format, PolicyRevisionArgs},
    complain, output,
    table::table,
};
use serde::Serialize;
use std::process::ExitCode;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Given(#[from] GivenError),
    #[error("the result cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

/// A revision, as it is printed.
#[derive(Debug, Serialize)]
struct Printed<'a> {
    baseline: &'a str,
    /// Name of its BaselineRevision.
    revision: &'a str,
    /// `sha256:` and 64 hexadecimal digits.
    hash: &'a str,
}

/// Exit status 1 when the Baseline is refused, 2 when there is no result for another reason.
pub(super) fn main(args: &PolicyRevisionArgs) -> ExitCode {
    match run(args) {
        Ok(text) => output::result(&text, ExitCode::SUCCESS, ExitCode::from(2)),
        Err(error) => {
            complain(&error);
            let is_refusal = matches!(&error, Error::Given(error) if error.is_refusal());
            ExitCode::from(if is_refusal { 1 } else { 2 })
        }
    }
}

fn run(args: &PolicyRevisionArgs) -> Result<String, Error> {
    let accepted = Given::read(&args.baseline, args.config.as_deref())?.accepted()?;
    let printed = Printed {
        baseline: &accepted.content.baseline,
        revision: accepted.revision.name.as_str(),
        hash: accepted.revision.hash.as_str(),
    };
    match args.output {
        Format::Json => serde_json::to_string_pretty(&printed).map_err(Error::Json),
        Format::Table => {
            let row = [printed.baseline, printed.revision, printed.hash].map(str::to_owned);
            Ok(table(&["BASELINE", "REVISION", "HASH"], vec![row.to_vec()]))
        }
    }
}
