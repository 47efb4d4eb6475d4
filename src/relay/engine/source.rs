//! Who sends, and who of them sends forged proofs.

use core::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lru::LruCache;

use crate::relay::Verdict;

/// How many forgeries are forgiven: libraries have bugs, and networks flip bits.
const FORGIVEN: f64 = 3.0;
/// A source is suspicious with more than one forgery in this many posts. Only accepted posts are held against forgeries,
/// for everything else can be sent in any number.
const FORGERY_IN: f64 = 8.0;
/// A record that has decayed to less than this is none.
const FORGOTTEN: f64 = 0.05;

/// Where posts come from. `Debug` does not say which.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Source(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    Prefix(IpAddr),
    Name(Arc<str>),
}

impl Source {
    /// A network address: all of it for version 4, the first 64 bits for version 6, of which one host has the rest.
    pub fn address(address: IpAddr) -> Self {
        Self(Kind::Prefix(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
            address => address,
        }))
    }

    /// A name given by somebody trusted, for example the peer of a gossip node.
    pub fn name(name: impl Into<Arc<str>>) -> Self {
        Self(Kind::Name(name.into()))
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(..)")
    }
}

/// What a source did, each post counting less as time passes.
#[derive(Clone, Copy, Debug)]
struct Record {
    forged: f64,
    accepted: f64,
    at: Instant,
}

impl Record {
    fn decayed(self, now: Instant, half_life: Duration) -> Self {
        let halves = now.saturating_duration_since(self.at).as_secs_f64() / half_life.as_secs_f64().max(1e-3);
        let factor = (-halves).exp2();
        Self { forged: self.forged * factor, accepted: self.accepted * factor, at: now }
    }

    fn is_suspicious(&self) -> bool {
        self.forged >= FORGIVEN && self.forged * FORGERY_IN > self.forged + self.accepted
    }
}

/// The sources that sent forgeries lately. Nothing is kept of those that never did.
#[derive(Debug)]
pub(super) struct Sources {
    records: LruCache<Source, Record>,
    half_life: Duration,
}

impl Sources {
    /// At most this many sources; those that did nothing for longest go first.
    pub(super) fn new(capacity: NonZeroUsize, half_life: Duration) -> Self {
        Self { records: LruCache::new(capacity), half_life }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn is_suspicious(&mut self, source: &Source, now: Instant) -> bool {
        let Some(record) = self.records.peek_mut(source) else { return false };
        *record = record.decayed(now, self.half_life);
        let (is_suspicious, is_over) = (record.is_suspicious(), record.forged < FORGOTTEN);
        if is_over {
            self.records.pop(source);
        }
        is_suspicious
    }

    /// Takes note of what a source sent. Returns whether it became suspicious by that.
    pub(super) fn note(&mut self, source: &Source, Tally { forged, accepted }: Tally, now: Instant) -> bool {
        if forged == 0 && !self.records.contains(source) {
            return false;
        }
        let half_life = self.half_life;
        let record = self.records.get_or_insert_mut(source.clone(), || Record { forged: 0.0, accepted: 0.0, at: now });
        let was = record.decayed(now, half_life);
        *record = Record { forged: was.forged + forged as f64, accepted: was.accepted + accepted as f64, at: now };
        record.is_suspicious() && !was.is_suspicious()
    }
}

/// What verdicts say of their source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// What nobody honest sends: proofs that prove nothing, and bytes that are no pass.
    pub(super) forged: usize,
    /// Accepted posts and badges.
    pub(super) accepted: usize,
}

impl Tally {
    pub(super) fn of(verdicts: &[Verdict]) -> Self {
        let count = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|verdict| is(verdict)).count();
        let forged = count(|verdict| matches!(verdict, Verdict::InvalidProof | Verdict::Malformed(_)));
        Self { forged, accepted: count(Verdict::is_accepted) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn sources(capacity: usize) -> Sources {
        Sources::new(NonZeroUsize::new(capacity).unwrap(), MINUTE)
    }

    fn address(text: &str) -> Source {
        Source::address(text.parse().unwrap())
    }

    #[test]
    fn one_host_is_one_source() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_ne!(address("192.0.2.1"), Source::name("192.0.2.1"));
        assert_eq!(format!("{:?}", address("192.0.2.1")), "Source(..)");
    }

    #[test]
    fn a_few_forgeries_are_forgiven_many_are_not_and_time_heals() {
        let (mut sources, source, now) = (sources(8), address("192.0.2.1"), Instant::now());
        assert!(!sources.note(&source, Tally::of(&[Verdict::InvalidProof, Verdict::InvalidProof]), now));
        assert!(!sources.is_suspicious(&source, now));
        assert!(sources.note(&source, Tally::of(&[Verdict::InvalidProof]), now));
        assert!(!sources.note(&source, Tally::of(&[Verdict::InvalidProof]), now));
        assert!(sources.is_suspicious(&source, now));
        assert!(!sources.is_suspicious(&address("192.0.2.2"), now));
        assert!(!sources.is_suspicious(&source, now + MINUTE));
        assert_eq!(sources.len(), 1);
        assert!(!sources.is_suspicious(&source, now + 10 * MINUTE));
        assert_eq!(sources.len(), 0);
    }

    #[test]
    fn a_busy_source_with_few_forgeries_is_not_suspicious() {
        let (mut sources, source, now) = (sources(8), Source::name("front"), Instant::now());
        let mut verdicts = vec![Verdict::Accepted; 90];
        verdicts.extend(vec![Verdict::InvalidProof; 10]);
        assert!(!sources.note(&source, Tally::of(&verdicts), now));
        // Replays cost nothing, and so excuse nothing.
        let mut verdicts = vec![Verdict::Replay; 9_000];
        verdicts.extend(vec![Verdict::InvalidProof; 10]);
        assert!(sources.note(&source, Tally::of(&verdicts), now));
    }

    #[test]
    fn only_forgers_are_kept_and_only_so_many() {
        let (mut sources, now) = (sources(4), Instant::now());
        for host in 0..100 {
            sources.note(&address(&format!("192.0.2.{host}")), Tally::of(&[Verdict::Accepted, Verdict::Replay]), now);
        }
        assert_eq!(sources.len(), 0);
        for host in 0..100 {
            sources.note(&address(&format!("192.0.2.{host}")), Tally::of(&[Verdict::InvalidProof]), now);
        }
        assert_eq!(sources.len(), 4);
    }
}
