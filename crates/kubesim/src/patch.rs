//! JSON patch and merge patch with the server's deviations from their RFCs.

use crate::{failure::Failure, write::PatchKind};
use json_patch::{Patch, PatchOperation};
use serde_json::Value;

/// Patches a value in place.
pub(crate) fn apply(kind: PatchKind, value: &mut Value, body: &[u8]) -> Result<(), Failure> {
    let unreadable =
        |error: serde_json::Error| Failure::bad_request(format!("error decoding patch: {error}"));
    match kind {
        PatchKind::Merge => {
            let patch: Value = serde_json::from_slice(body).map_err(unreadable)?;
            if !patch.is_object() {
                return Err(Failure::bad_request(
                    "error decoding patch: the patch is no object",
                ));
            }
            json_patch::merge(value, &patch);
        }
        _ => json(value, &serde_json::from_slice(body).map_err(unreadable)?)?,
    }
    Ok(())
}

fn json(value: &mut Value, patch: &Patch) -> Result<(), Failure> {
    for operation in &patch.0 {
        let operation = match operation {
            // `test` of null holds for a path that is missing.
            PatchOperation::Test(test)
                if test.value.is_null() && value.pointer(test.path.as_str()).is_none() =>
            {
                continue;
            }
            // `replace` of a member that is missing adds it.
            PatchOperation::Replace(replace) if value.pointer(replace.path.as_str()).is_none() => {
                PatchOperation::Add(json_patch::AddOperation {
                    path: replace.path.clone(),
                    value: replace.value.clone(),
                })
            }
            other => other.clone(),
        };
        json_patch::patch(value, &[operation]).map_err(|_| {
            Failure::new(
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
            )
        })?;
    }
    Ok(())
}
