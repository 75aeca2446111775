//! Look-ups in ascending order: one walk over a sorted map instead of a search per key.

use std::{cmp::Ordering, iter::Peekable};

/// Finds keys in something sorted, when they are asked for in ascending order.
pub(crate) struct Ascending<I: Iterator>(Peekable<I>);

/// Walks over these sorted pairs.
pub(crate) fn ascending<'m, K: Ord + 'm, V: 'm, I: Iterator<Item = (&'m K, &'m V)>>(
    pairs: I,
) -> Ascending<I> {
    Ascending(pairs.peekable())
}

impl<'m, K: Ord + 'm, V: 'm, I: Iterator<Item = (&'m K, &'m V)>> Ascending<I> {
    /// The value of this key, which no key before was greater than.
    pub(crate) fn get(&mut self, key: &K) -> Option<&'m V> {
        loop {
            let (at, value) = self.0.peek()?;
            match (*at).cmp(key) {
                Ordering::Less => drop(self.0.next()),
                Ordering::Equal => return Some(value),
                Ordering::Greater => return None,
            }
        }
    }
}
