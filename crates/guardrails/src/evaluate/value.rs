//! Values of conditions that are not text.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use std::net::IpAddr;

/// An integer or decimal number.
pub(crate) fn number(text: &str) -> Option<f64> {
    // Rust also reads "inf" and "nan".
    let numeric = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    text.bytes().all(numeric).then(|| text.parse().ok())?
}

/// A moment, as one of the W3C's profiles of ISO 8601 (`2026`, `2026-01`, `2026-01-31`, `2026-01-31T12:30Z`,
/// `2026-01-31T12:30:00.5+01:00`) or as seconds since 1970. Four digits are a year; what lacks a time is midnight, UTC.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    if text.len() != 4
        && let Ok(seconds) = text.parse::<i64>()
    {
        return Timestamp::from_second(seconds).ok();
    }
    if text.contains('T') {
        return text.parse().ok();
    }
    let mut parts = text.split('-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let mut next = || match parts.next() {
        Some(part) if part.len() == 2 => part.parse().ok(),
        Some(_) => None,
        None => Some(1),
    };
    let (month, day) = (next()?, next()?);
    if parts.next().is_some() {
        return None;
    }
    let date = Date::new(year, month, day).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// `true` or `false`, in any case.
pub(crate) fn truth(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Base64 without its padding, which adds nothing to the bytes.
pub(crate) fn base64(text: &str) -> &str {
    text.trim_end_matches('=')
}

/// A range of addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range {
    network: IpAddr,
    prefix: u32,
}

impl Range {
    /// Reads CIDR notation; without a prefix, it is the one address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().ok()?;
        let bits = if network.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(bits);
        (prefix <= bits).then_some(Self { network, prefix })
    }

    pub(crate) fn contains(self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = u32::from(network) ^ u32::from(address);
                differ.checked_shr(32 - self.prefix).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = u128::from(network) ^ u128::from(address);
                differ.checked_shr(128 - self.prefix).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}
