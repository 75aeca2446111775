//! Bad input: exit status 2, and the reason.

use crate::{dst, text};

fn refused(arguments: &[&str]) -> String {
    let output = dst(arguments);
    assert_eq!(
        output.status.code(),
        Some(2),
        "{arguments:?}: {}",
        text(&output.stdout)
    );
    text(&output.stderr)
}

#[test]
fn a_range_that_cannot_be_read_is_refused_with_the_reason() {
    for (range, says) in [
        ("", "two whole numbers A..B"),
        ("7", "two whole numbers A..B"),
        ("1..x", "\"x\": invalid digit"),
        ("..5", "\"\": cannot parse integer from empty string"),
        ("-1..5", "\"-1\": invalid digit"),
        ("5..5", "the first below the second"),
        ("9..5", "the first below the second"),
        ("0..18446744073709551616", "number too large"),
    ] {
        let error = refused(&["--seeds", range]);
        assert!(
            error.contains(says) && error.contains("--seeds"),
            "{range}: {error}"
        );
    }
}

#[test]
fn a_seed_that_cannot_be_read_is_refused_with_the_reason() {
    let error = refused(&["--replay", "seven"]);
    assert!(error.contains("seven") && error.contains("--replay"), "{error}");
    assert!(refused(&[]).contains("--seeds"));
    assert!(refused(&["--seeds", "0..1", "--replay", "1"]).contains("cannot be used with"));
}

#[test]
fn a_directory_that_cannot_be_made_is_refused_with_the_reason() {
    let error = refused(&["--replay", "0", "--transcripts", "/proc/nowhere"]);
    assert!(error.contains("--transcripts /proc/nowhere"), "{error}");
}

#[test]
fn the_highest_seed_can_be_played() {
    let output = dst(&["--replay", "18446744073709551615"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
}
