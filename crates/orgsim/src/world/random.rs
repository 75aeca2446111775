//! Seeded chance: one stream per kind of thing, so that drawing one more of a kind leaves all others as they were.

use std::convert::Infallible;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _, TryRng};
use serde::{Deserialize, Serialize};

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const DIGITS: &[u8] = b"0123456789";
const HEX: &[u8] = b"0123456789abcdef";
const SECRET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const SCP_LAGS: u64 = 17;

fn first_scp_lags() -> Stream {
    Stream::new(0, SCP_LAGS)
}

/// The streams of one world.
#[derive(Serialize, Deserialize)]
pub(crate) struct Random {
    pub(crate) account_ids: Stream,
    pub(crate) unit_ids: Stream,
    pub(crate) creation_ids: Stream,
    pub(crate) request_ids: Stream,
    pub(crate) sessions: Stream,
    pub(crate) create_durations: Stream,
    pub(crate) close_durations: Stream,
    pub(crate) access_lags: Stream,
    pub(crate) listing_lags: Stream,
    pub(crate) latencies: Stream,
    pub(crate) unit_lags: Stream,
    pub(crate) policy_ids: Stream,
    pub(crate) policy_lags: Stream,
    pub(crate) policy_type_durations: Stream,
    pub(crate) handshake_ids: Stream,
    /// A state file that is older than this stream begins it anew.
    #[serde(default = "first_scp_lags")]
    pub(crate) scp_lags: Stream,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let stream = |number| Stream::new(seed, number);
        Self {
            account_ids: stream(1),
            unit_ids: stream(2),
            creation_ids: stream(3),
            request_ids: stream(4),
            sessions: stream(5),
            create_durations: stream(6),
            close_durations: stream(7),
            access_lags: stream(8),
            listing_lags: stream(9),
            latencies: stream(10),
            // 11 is the pager's.
            unit_lags: stream(12),
            policy_ids: stream(13),
            policy_lags: stream(14),
            policy_type_durations: stream(15),
            handshake_ids: stream(16),
            scp_lags: stream(SCP_LAGS),
        }
    }

    /// The stream that decides on empty pages; the pager keeps it.
    pub(crate) fn empty_pages(seed: u64) -> Stream {
        Stream::new(seed, 11)
    }
}

/// One seeded stream. It is written as its seed and how far it was drawn.
#[derive(Serialize, Deserialize)]
#[serde(from = "Position", into = "Position")]
pub(crate) struct Stream {
    position: Position,
    rng: StdRng,
}

/// Where a stream stands.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Position {
    /// Of the generator, already spread.
    seed: u64,
    /// Words of 32 bits drawn: what every draw consumes, one or two.
    words: u64,
}

impl Clone for Stream {
    fn clone(&self) -> Self {
        Self::from(self.position)
    }
}

impl From<Position> for Stream {
    fn from(position: Position) -> Self {
        let mut rng = StdRng::seed_from_u64(position.seed);
        for _ in 0..position.words {
            rng.next_u32();
        }
        Self { position, rng }
    }
}

impl From<Stream> for Position {
    fn from(stream: Stream) -> Self {
        stream.position
    }
}

/// Counts what is drawn.
impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.position.words += 1;
        Ok(self.rng.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.position.words += 2;
        Ok(self.rng.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for chunk in bytes.chunks_mut(4) {
            let word = self.try_next_u32()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}

impl Stream {
    /// The `number`th stream of the seed.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        // The golden ratio spreads neighbouring seeds; the generator's own seeding does the rest.
        let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seed = spread.wrapping_add(number);
        Self::from(Position { seed, words: 0 })
    }

    /// Uniform in whole milliseconds, both ends included; the shortest when the range is empty.
    pub(crate) fn duration(&mut self, (shortest, longest): (Duration, Duration)) -> Duration {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (from, to) = (milliseconds(shortest), milliseconds(longest));
        if to <= from {
            return shortest;
        }
        Duration::from_millis(self.random_range(from..=to))
    }

    pub(crate) fn percent(&mut self, percent: u8) -> bool {
        self.random_range(0..100) < percent
    }

    /// 12 digits; one in ten begins with a zero, as AWS allows.
    pub(crate) fn account_id(&mut self) -> String {
        self.text(DIGITS, 12)
    }

    /// Lowercase letters and digits, as OU and request ids have.
    pub(crate) fn lower(&mut self, length: usize) -> String {
        self.text(LOWER, length)
    }

    /// Uppercase letters and digits, as access key ids and role ids have after their prefix.
    pub(crate) fn upper(&mut self, length: usize) -> String {
        self.text(UPPER, length)
    }

    pub(crate) fn secret(&mut self, length: usize) -> String {
        self.text(SECRET, length)
    }

    /// The shape of AWS's request ids.
    pub(crate) fn uuid(&mut self) -> String {
        let parts = [8, 4, 4, 4, 12].map(|length| self.text(HEX, length));
        parts.join("-")
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        let mut draw = || {
            let index = self.random_range(0..alphabet.len());
            char::from(alphabet.get(index).copied().unwrap_or(b'0'))
        };
        (0..length).map(|_| draw()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_do_not_disturb_each_other() {
        let (mut quiet, mut busy) = (Random::new(7), Random::new(7));
        for _ in 0..10 {
            busy.latencies.percent(50);
        }
        assert_eq!(quiet.account_ids.account_id(), busy.account_ids.account_id());
        assert_ne!(Random::new(7).unit_ids.lower(8), Random::new(8).unit_ids.lower(8));
    }

    #[test]
    fn a_stream_goes_on_where_it_was_written() {
        let mut stream = Stream::new(7, 3);
        for length in 1..40 {
            stream.lower(length);
            stream.percent(50);
            stream.duration((Duration::ZERO, Duration::from_secs(u64::from(u32::MAX))));
            let text = serde_json::to_string(&stream).unwrap();
            let mut read: Stream = serde_json::from_str(&text).unwrap();
            assert_eq!(read.lower(50), stream.lower(50));
            assert_eq!(
                read.duration((Duration::ZERO, Duration::from_secs(9))),
                stream.duration((Duration::ZERO, Duration::from_secs(9)))
            );
        }
    }

    #[test]
    fn durations_stay_in_their_range() {
        let mut stream = Random::new(1).create_durations;
        let range = (Duration::from_millis(5), Duration::from_millis(7));
        for _ in 0..100 {
            let drawn = stream.duration(range);
            assert!(range.0 <= drawn && drawn <= range.1, "{drawn:?}");
        }
    }
}
