//! Digests: what names a decision, a plan, a list of accounts.

use sha2::{Digest, Sha256};
use std::fmt::Write;

/// `sha256:` and 64 hexadecimal digits. No two lists of parts have the same text: each part comes with its length.
pub fn digest_of<'p>(parts: impl IntoIterator<Item = &'p str>) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(format!("{}:{part}", part.len()));
    }
    let mut text = "sha256:".to_owned();
    for byte in digest.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
