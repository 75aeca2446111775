//! The names of the supported operations, of all three services, and what kind each is.

use super::{organizations, sts, tagging};

/// Every supported operation of all three services; no two services share a name.
pub(crate) fn operations() -> impl Iterator<Item = &'static str> {
    let json = organizations::Request::OPERATIONS
        .iter()
        .chain(tagging::Request::OPERATIONS);
    json.chain(sts::Request::OPERATIONS).copied()
}

/// With or without the service before a colon.
pub(crate) fn known_operation(name: &str) -> Option<&'static str> {
    let name = name.split_once(':').map_or(name, |(_, operation)| operation);
    operations().find(|operation| *operation == name)
}

/// Whether the operation changes nothing: List*, Describe*, Get*.
pub(crate) fn is_read(operation: &str) -> bool {
    ["List", "Describe", "Get"]
        .iter()
        .any(|prefix| operation.starts_with(prefix))
}

/// Whether the operation changes the organization. AssumeRole neither reads nor changes it.
pub(crate) fn is_write(operation: &str) -> bool {
    !is_read(operation) && operation != "AssumeRole"
}
