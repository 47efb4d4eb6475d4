//! Rules for networks: their clients are refused, or their posts are limited.

use core::net::IpAddr;
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;
use parking_lot::Mutex;

use super::{Service, connections::Peer, error::ApiError, source::client};

/// What the clients of a network may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allowance {
    /// Nothing: every request is refused.
    Nothing,
    /// At most this many posts and badges per second, for all clients of the network together. A burst may use the
    /// amount of one second.
    PostsPerSecond(NonZeroU32),
}

/// The operator's rules for networks. If an address is in several networks, the rule of the smallest one applies, so
/// that one host can be let in from a blocked network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRules {
    rules: HashMap<IpNet, Allowance>,
    /// The prefix lengths of the rules, for each address family, longest first.
    lengths: [Vec<u8>; 2],
}

impl SourceRules {
    /// Returns the rule for an address, and the network of the rule.
    pub(super) fn of(&self, address: IpAddr) -> Option<(IpNet, Allowance)> {
        let address = address.to_canonical();
        self.lengths[usize::from(address.is_ipv6())].iter().find_map(|length| {
            let network = IpNet::new(address, *length).ok()?.trunc();
            self.rules.get(&network).map(|allowance| (network, *allowance))
        })
    }

    fn limit(&self, network: &IpNet) -> Option<NonZeroU32> {
        match self.rules.get(network) {
            Some(Allowance::PostsPerSecond(limit)) => Some(*limit),
            Some(Allowance::Nothing) | None => None,
        }
    }
}

impl FromIterator<(IpNet, Allowance)> for SourceRules {
    /// If a network has two rules, the last one applies.
    fn from_iter<I: IntoIterator<Item = (IpNet, Allowance)>>(rules: I) -> Self {
        let rules: HashMap<_, _> = rules.into_iter().map(|(network, allowance)| (network.trunc(), allowance)).collect();
        let lengths = [false, true].map(|is_ipv6| {
            let of_family = rules.keys().filter(|network| network.addr().is_ipv6() == is_ipv6);
            let lengths: BTreeSet<u8> = of_family.map(IpNet::prefix_len).collect();
            lengths.into_iter().rev().collect()
        });
        Self { rules, lengths }
    }
}

/// The token bucket of a network.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Posts left; negative after a request with more posts than were left.
    posts: f64,
    at: Instant,
}

/// The token buckets of the networks with a limit.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<IpNet, Bucket>>);

impl Buckets {
    /// Takes posts from a network's bucket. A request is accepted as a whole while anything is left, and may make the
    /// bucket negative; later requests wait until it is positive again. Otherwise a request with more posts than the
    /// limit of one second could never be accepted.
    ///
    /// # Errors
    /// The time after which the bucket is positive again.
    pub(super) fn take(&self, network: IpNet, limit: NonZeroU32, posts: usize, now: Instant) -> Result<(), Duration> {
        let limit = f64::from(limit.get());
        let mut buckets = self.0.lock();
        let bucket = buckets.entry(network).or_insert(Bucket { posts: limit, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * limit;
        *bucket = Bucket { posts: (bucket.posts + gained).min(limit), at: now };
        if bucket.posts <= 0.0 {
            return Err(Duration::from_secs_f64(-bucket.posts / limit) + Duration::from_secs(1));
        }
        bucket.posts -= posts as f64;
        Ok(())
    }

    /// Removes the buckets of networks without a limit.
    pub(super) fn retain(&self, rules: &SourceRules) {
        self.0.lock().retain(|network, _| rules.limit(network).is_some());
    }
}

/// Refuses all requests of clients whose network has [`Allowance::Nothing`].
pub(super) async fn guard(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let settings = service.settings();
    let client = client(&Peer::of(request.extensions())?, request.headers(), &settings);
    if let Some((_, Allowance::Nothing)) = settings.sources.of(client.address) {
        service.refusals.count("blocked");
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "this relay does not answer your network",
            "use another relay, or ask the operator why",
        ));
    }
    Ok(next.run(request).await)
}

/// Checks a client's posts against the limit of its network.
///
/// # Errors
/// 429 if the network exceeds its limit.
pub(super) fn admit(service: &Service, client: IpAddr, posts: usize) -> Result<(), ApiError> {
    let settings = service.settings();
    let Some((network, Allowance::PostsPerSecond(limit))) = settings.sources.of(client) else { return Ok(()) };
    service.buckets.take(network, limit, posts, Instant::now()).map_err(|after| {
        service.refusals.count("limited");
        ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("your network may send {limit} posts per second to this relay, and has sent more"),
            format!("try again in {} s", after.as_secs()),
        )
        .after(after.as_secs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn limit(posts: u32) -> NonZeroU32 {
        NonZeroU32::new(posts).unwrap()
    }

    #[test]
    fn the_smallest_network_counts() {
        let few = Allowance::PostsPerSecond(limit(3));
        let rules: SourceRules = [
            (network("192.0.2.0/24"), Allowance::Nothing),
            (network("192.0.2.7/32"), few),
            (network("2001:db8::/32"), few),
            // Host bits are ignored.
            (network("2001:db8:0:1::5/64"), Allowance::Nothing),
        ]
        .into_iter()
        .collect();
        let of = |address: &str| rules.of(address.parse().unwrap()).map(|(network, rule)| (network.to_string(), rule));
        assert_eq!(of("192.0.2.1"), Some(("192.0.2.0/24".into(), Allowance::Nothing)));
        assert_eq!(of("::ffff:192.0.2.1"), Some(("192.0.2.0/24".into(), Allowance::Nothing)));
        assert_eq!(of("192.0.2.7"), Some(("192.0.2.7/32".into(), few)));
        assert_eq!(of("192.0.3.7"), None);
        assert_eq!(of("2001:db8:5::1"), Some(("2001:db8::/32".into(), few)));
        assert_eq!(of("2001:db8:0:1::9"), Some(("2001:db8:0:1::/64".into(), Allowance::Nothing)));
        assert_eq!(of("2001:db9::1"), None);
        assert_eq!(SourceRules::default().of(IpAddr::from([127, 0, 0, 1])), None);
    }

    #[test]
    fn a_limit_holds_over_time_and_for_large_requests() {
        let (buckets, home, begin) = (Buckets::default(), network("192.0.2.0/24"), Instant::now());
        let take = |posts, millis| buckets.take(home, limit(10), posts, begin + Duration::from_millis(millis));
        assert_eq!(take(6, 0), Ok(()));
        assert_eq!(take(4, 0), Ok(()));
        assert!(take(1, 0).is_err());
        assert_eq!(take(1, 100), Ok(()));
        // Half a post is left, which is enough; the other half makes the bucket negative.
        assert_eq!(take(1, 150), Ok(()));
        assert!(take(1, 160).is_err());
        // Thirty seconds save up no more posts than one second.
        assert_eq!(take(256, 30_000), Ok(()));
        assert!(take(1, 30_000).unwrap_err() >= Duration::from_secs(24));
        assert!(take(1, 54_000).is_err());
        assert_eq!(take(1, 55_000), Ok(()));
        let over: u64 = (0..100_000).map(|milli| u64::from(take(1, 100_000 + milli).is_ok())).sum();
        assert!((1_000..=1_011).contains(&over), "{over}");
        // Another network has its own bucket.
        assert_eq!(buckets.take(network("192.0.3.0/24"), limit(10), 1, begin), Ok(()));
        buckets.retain(&[(home, Allowance::PostsPerSecond(limit(5)))].into_iter().collect());
        assert_eq!(buckets.0.lock().len(), 1);
    }
}
