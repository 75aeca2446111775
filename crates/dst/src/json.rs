//! Reading objects as they are stored.

use serde_json::Value;

/// The text at this place; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// The members of the list at this place; none where there is no list.
pub(crate) fn items<'a>(
    object: &'a Value,
    pointer: &str,
) -> impl DoubleEndedIterator<Item = &'a Value> + Clone {
    let items = object.pointer(pointer).and_then(Value::as_array);
    items.map_or(&[][..], Vec::as_slice).iter()
}
