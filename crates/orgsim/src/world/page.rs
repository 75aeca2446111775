//! Pages: opaque tokens, and now and then a page without items although more follows, which AWS documents as legal.

use serde::{Deserialize, Serialize};

use super::random::Stream;

/// What a List call asks for.
pub(crate) struct PageRequest<'a> {
    /// The call and everything it filters by: a token is good only for the same scope.
    pub(crate) scope: String,
    pub(crate) max: usize,
    pub(crate) token: Option<&'a str>,
}

/// The keys on one page, in order.
pub(crate) struct Page {
    pub(crate) keys: Vec<String>,
    pub(crate) next_token: Option<String>,
}

/// The token was not issued by this call with these parameters.
#[derive(Debug)]
pub(crate) struct BadToken;

/// Where a listing goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cursor {
    /// The last key already given; nothing before the first page.
    after: Option<String>,
    /// Whether the page before was empty on purpose: never twice in a row, so that listings end.
    skipped: bool,
}

/// Cuts listings into pages.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pager {
    pub(crate) empty_pages: Stream,
    /// [`Settings::empty_page_percent`](crate::Settings::empty_page_percent).
    #[serde(skip)]
    pub(crate) percent: u8,
    /// Whether a fault wants the next page empty.
    #[serde(skip)]
    pub(crate) force: bool,
}

impl Pager {
    /// The next page of `keys`, which come in ascending order. A cursor is a key, so what is added or removed between
    /// two pages shifts nothing.
    pub(crate) fn page<'a>(
        &mut self,
        request: &PageRequest<'_>,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Page, BadToken> {
        let cursor = match request.token {
            None => Cursor {
                after: None,
                skipped: false,
            },
            Some(token) => decode(&request.scope, token).ok_or(BadToken)?,
        };
        let skip = self.empty_pages.percent(self.percent) || self.force;
        if skip && !cursor.skipped {
            let next = Cursor {
                skipped: true,
                ..cursor
            };
            return Ok(Page {
                keys: Vec::new(),
                next_token: Some(encode(&request.scope, &next)),
            });
        }
        let given = |key: &&str| cursor.after.as_deref().is_some_and(|after| *key <= after);
        let mut rest = keys.skip_while(given);
        let page: Vec<String> = rest.by_ref().take(request.max).map(str::to_owned).collect();
        let next_token = rest.next().map(|_| {
            let after = page.last().cloned();
            encode(
                &request.scope,
                &Cursor {
                    after,
                    skipped: false,
                },
            )
        });
        Ok(Page {
            keys: page,
            next_token,
        })
    }
}

/// FNV-1a: tells a token of another call, not an attacker.
fn checksum(parts: [&[u8]; 2]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| {
        part.iter().fold(hash, step).rotate_left(7)
    })
}

fn encode(scope: &str, cursor: &Cursor) -> String {
    let skipped = if cursor.skipped { '1' } else { '0' };
    let after = match &cursor.after {
        Some(after) => format!("+{after}"),
        None => String::new(),
    };
    let payload = format!("{skipped}{after}");
    let sum = checksum([scope.as_bytes(), payload.as_bytes()]);
    let masked = payload.bytes().zip(mask(sum)).map(|(byte, mask)| byte ^ mask);
    let hex: Vec<String> = masked.map(|byte| format!("{byte:02x}")).collect();
    format!("{sum:016x}{}", hex.concat())
}

fn decode(scope: &str, token: &str) -> Option<Cursor> {
    let (sum, rest) = token.split_at_checked(16)?;
    let sum = u64::from_str_radix(sum, 16).ok()?;
    let masked = hex_bytes(rest)?;
    let payload: Vec<u8> = masked
        .iter()
        .zip(mask(sum))
        .map(|(byte, mask)| byte ^ mask)
        .collect();
    if checksum([scope.as_bytes(), &payload]) != sum {
        return None;
    }
    let payload = String::from_utf8(payload).ok()?;
    let (skipped, after) = payload.split_at_checked(1)?;
    Some(Cursor {
        after: after.strip_prefix('+').map(str::to_owned),
        skipped: skipped == "1",
    })
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pair = |index: usize| text.get(index..index + 2);
    let byte = |index| u8::from_str_radix(pair(index)?, 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Nobody should be tempted to read a token.
fn mask(sum: u64) -> impl Iterator<Item = u8> {
    let bytes = sum.to_le_bytes();
    (0..usize::MAX)
        .map(move |index| bytes[index % bytes.len()].wrapping_add(u8::try_from(index % 251).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_good_for_their_scope_only() {
        let cursor = Cursor {
            after: Some("012345678901".to_owned()),
            skipped: true,
        };
        let token = encode("ListAccounts", &cursor);
        assert_eq!(decode("ListAccounts", &token), Some(cursor));
        assert_eq!(decode("ListChildren", &token), None);
        assert!(!token.contains("012345678901"));
        for bad in ["", "x", "0000000000000000", &token[1..], "é0000000000000000"] {
            assert_eq!(decode("ListAccounts", bad), None, "{bad}");
        }
        let first = Cursor {
            after: None,
            skipped: false,
        };
        assert_eq!(decode("s", &encode("s", &first)), Some(first));
    }
}
