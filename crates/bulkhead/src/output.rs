//! Standard output and standard error. A reader that has seen enough, as `head` has after some lines, closes them: that is no
//! error, and changes neither what a command does nor its exit status.

use crate::complain;
use std::{
    io::{self, ErrorKind, Write},
    process::ExitCode,
};

/// Why the result is not where it should be.
#[derive(Debug, thiserror::Error)]
#[error("the result cannot be written")]
pub(crate) struct Error(#[source] io::Error);

/// Prints text and ends its last line.
pub(crate) fn line(text: &str) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    let written = writeln!(output, "{text}").and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Error(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Prints the result of a command, which ends with this exit status; `failure`, where it cannot be written.
pub(crate) fn result(text: &str, status: ExitCode, failure: ExitCode) -> ExitCode {
    match line(text) {
        Ok(()) => status,
        Err(error) => {
            complain(&error);
            failure
        }
    }
}

/// Prints what is wrong, each line as one complaint. Who does not listen is not told.
pub(crate) fn complaint(text: &str) {
    let mut errors = io::stderr().lock();
    for line in text.lines() {
        drop(writeln!(errors, "error: {line}"));
    }
}
