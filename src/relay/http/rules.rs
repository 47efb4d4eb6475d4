//! Networks whose clients are refused, or whose posts are limited.

use core::net::IpAddr;
use std::{
    collections::{BTreeSet, HashMap},
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;

use super::{Service, connections::Peer, error::ApiError, source::client};
use crate::relay::lock;

/// What clients of a network may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allowance {
    /// Nothing: every request is refused.
    Nothing,
    /// So many posts and badges a second, of all clients of the network together. A second's worth may come at once.
    PostsPerSecond(NonZeroU32),
}

/// What is allowed to the networks that an operator names. Of several that an address lies in, the smallest counts, so that
/// one host can be let in from a network that is shut out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRules {
    rules: HashMap<IpNet, Allowance>,
    /// The prefix lengths that occur, for each family, longest first.
    lengths: [Vec<u8>; 2],
}

impl SourceRules {
    /// The rule of an address, and the network it is for.
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
    /// Of two rules for one network the last counts.
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

/// What a network may still post.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Below zero after a request of more posts than there were left.
    posts: f64,
    at: Instant,
}

/// What the networks with a limit may still post.
#[derive(Debug, Default)]
pub(super) struct Buckets(Mutex<HashMap<IpNet, Bucket>>);

impl Buckets {
    /// Takes posts from what a network may post. A request is taken whole while anything is left, and those after it wait
    /// for what it took beyond: otherwise a request of more posts than a second's worth could never be taken.
    ///
    /// # Errors
    /// The time after which something is left again.
    pub(super) fn take(&self, network: IpNet, limit: NonZeroU32, posts: usize, now: Instant) -> Result<(), Duration> {
        let limit = f64::from(limit.get());
        let mut buckets = lock(&self.0);
        let bucket = buckets.entry(network).or_insert(Bucket { posts: limit, at: now });
        let gained = now.saturating_duration_since(bucket.at).as_secs_f64() * limit;
        *bucket = Bucket { posts: (bucket.posts + gained).min(limit), at: now };
        if bucket.posts <= 0.0 {
            return Err(Duration::from_secs_f64(-bucket.posts / limit) + Duration::from_secs(1));
        }
        bucket.posts -= posts as f64;
        Ok(())
    }

    /// Forgets networks without a limit.
    pub(super) fn retain(&self, rules: &SourceRules) {
        lock(&self.0).retain(|network, _| rules.limit(network).is_some());
    }
}

/// Refuses requests of clients that may do nothing, whatever they ask for.
pub(super) async fn guard(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let settings = service.settings();
    let client = client(&Peer::of(request.extensions()), request.headers(), &settings);
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

/// Lets a client post, as far as its network's limit allows.
///
/// # Errors
/// 429 if it does not.
pub(super) fn admit(service: &Service, client: IpAddr, posts: usize) -> Result<(), ApiError> {
    let settings = service.settings();
    let Some((network, Allowance::PostsPerSecond(limit))) = settings.sources.of(client) else { return Ok(()) };
    service.buckets.take(network, limit, posts, Instant::now()).map_err(|after| {
        service.refusals.count("limited");
        ApiError::new(
            StatusCode::TOO_MANY_REQUESTS,
            format!("your network may send {limit} posts a second to this relay, and has sent more"),
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
            // The bits of a host do not count.
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
        // Half a post is something, and the other half is owed.
        assert_eq!(take(1, 150), Ok(()));
        assert!(take(1, 160).is_err());
        // Thirty seconds do not save up for more than one.
        assert_eq!(take(256, 30_000), Ok(()));
        assert!(take(1, 30_000).unwrap_err() >= Duration::from_secs(24));
        assert!(take(1, 54_000).is_err());
        assert_eq!(take(1, 55_000), Ok(()));
        let over: u64 = (0..100_000).map(|milli| u64::from(take(1, 100_000 + milli).is_ok())).sum();
        assert!((1_000..=1_011).contains(&over), "{over}");
        // Another network has its own.
        assert_eq!(buckets.take(network("192.0.3.0/24"), limit(10), 1, begin), Ok(()));
        buckets.retain(&[(home, Allowance::PostsPerSecond(limit(5)))].into_iter().collect());
        assert_eq!(lock(&buckets.0).len(), 1);
    }
}
