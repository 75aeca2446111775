//! A number of accounts, or a part of them.

use crate::spec::Amount;
use std::fmt;

/// A number of accounts, or a percentage of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// That many, whether there are so many or not.
    Number(u32),
    /// Of a hundred, 0 to 100.
    Percent(u32),
}

impl Share {
    /// How many of `total`, rounded down; never more than there are.
    pub fn of(self, total: u32) -> u32 {
        match self {
            Self::Number(number) => number.min(total),
            Self::Percent(percent) => {
                let part = u64::from(total) * u64::from(percent.min(100)) / 100;
                u32::try_from(part).unwrap_or(total)
            }
        }
    }

    /// How many of `total`, rounded down, but one where there is one: 10 % of 5 are 1.
    pub fn at_least_one(self, total: u32) -> u32 {
        self.of(total).max(1).min(total)
    }

    /// Reads what people wrote; the error is the rule.
    pub(crate) fn parse(amount: &Amount, least: u32) -> Result<Self, String> {
        let rule =
            || format!("is a number of accounts, {least} to {MOST}, or a percentage, `{least}%` to `100%`");
        match amount {
            Amount::Number(number) => u32::try_from(*number)
                .ok()
                .filter(|number| (least..=MOST).contains(number))
                .map(Self::Number)
                .ok_or_else(rule),
            Amount::Percent(text) => text
                .strip_suffix('%')
                .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .filter(|digits| *digits == "0" || !digits.starts_with('0'))
                .and_then(|digits| digits.parse().ok())
                .filter(|percent| (least..=100).contains(percent))
                .map(Self::Percent)
                .ok_or_else(rule),
        }
    }
}

/// More accounts than an organization has.
const MOST: u32 = 100_000;

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}
