//! `bulkhead policy`: what policies do, without AWS.

mod compile;
mod given;
mod revision;

use crate::{
    args::{PolicyArgs, PolicyCommand, PolicyEvalArgs, PolicyOutput},
    complain, output,
};
use guardrails::{
    evaluate::{Case, Verdict},
    policy::Defect,
};
use serde_json::json;
use std::{
    fs,
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{file}")]
    Read { file: String, source: io::Error },
    #[error("{file}")]
    Cases { file: String, source: Defect },
    #[error("{file}: no cases: the list is empty")]
    Empty { file: String },
    #[error(transparent)]
    Output(#[from] output::Error),
}

/// Exit status 1 when something is not as it is expected to be, 2 when there is no result.
pub(crate) fn main(args: &PolicyArgs) -> ExitCode {
    let args = match &args.command {
        PolicyCommand::Eval(args) => args,
        PolicyCommand::Compile(args) => return compile::main(args),
        PolicyCommand::Revision(args) => return revision::main(args),
    };
    match eval(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            complain(&error);
            ExitCode::from(if matches!(error, Error::Empty { .. }) {
                1
            } else {
                2
            })
        }
    }
}

/// Does every case come out as it expects?
fn eval(args: &PolicyEvalArgs) -> Result<bool, Error> {
    let file = name(&args.file);
    let text = read(&args.file).map_err(|source| Error::Read {
        file: file.clone(),
        source,
    })?;
    // All are read before the first is decided: a file that is wrong has no results.
    let cases = Case::parse_list(&text).map_err(|source| Error::Cases {
        file: file.clone(),
        source,
    })?;
    if cases.is_empty() {
        // What checks nothing must not look as if it had passed.
        return Err(Error::Empty { file });
    }
    let mut holds = true;
    for case in &cases {
        let verdict = case.verdict();
        let PolicyOutput::Json = args.output;
        output::line(&line(&case.name, &verdict))?;
        if let Some(expected) = case.expect
            && expected != verdict.decision
        {
            holds = false;
            let by = if verdict.by.is_empty() {
                "no statement".to_owned()
            } else {
                verdict.by.join(", ")
            };
            output::complaint(&format!(
                "{:?}: expected {expected}, is {} by {by}",
                case.name, verdict.decision
            ));
        }
    }
    Ok(holds)
}

/// The fields in the order people read them.
fn line(name: &str, verdict: &Verdict) -> String {
    let Verdict { decision, by } = verdict;
    // Whom policies do not bind, no statement allows.
    let by: Vec<&String> = by.iter().filter(|id| *id != Verdict::EXEMPT).collect();
    format!(
        "{{\"name\":{},\"decision\":\"{decision}\",\"by\":{}}}",
        json!(name),
        json!(by)
    )
}

fn read(file: &Path) -> io::Result<String> {
    if file == "-" {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        Ok(text)
    } else {
        fs::read_to_string(file)
    }
}

fn name(file: &Path) -> String {
    if file == "-" {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}
