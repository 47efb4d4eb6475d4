//! What a relay bears.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use ipnet::IpNet;

/// Limits of a relay's HTTP service. All of them may be changed while it runs; connections that are open keep the timeouts
/// they began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Bytes of all bodies that are being received or wait for their verdicts.
    pub max_body_memory: usize,
    /// Posts of one request.
    pub max_posts: usize,
    /// Time for a request's head; also how long an idle connection stays open.
    pub header_timeout: Duration,
    /// Time for a request's body.
    pub body_timeout: Duration,
    /// Time until the verdicts.
    pub answer_timeout: Duration,
    /// Time in which a client must take something of an answer that it does not read.
    pub write_timeout: Duration,
    /// Time for requests that were begun when the service stops.
    pub stop_timeout: Duration,
    /// Open connections.
    pub max_connections: usize,
    /// Open connections of one source. Trusted proxies may have more.
    pub max_connections_per_source: usize,
    /// Listeners to events.
    pub max_listeners: usize,
    /// How often a listener to events hears something, be it nothing.
    pub keep_alive: Duration,
    /// After this time without an answer from the chain the relay says that it is not ready; it serves on.
    pub chain_timeout: Duration,
    /// Proxies whose `X-Forwarded-For` and `Quotapass-Source` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Who may read the metrics.
    pub metrics_from: Vec<IpNet>,
    /// Whether pages of other sites may use the service from a browser. It knows no cookies, so that they can do nothing
    /// that anybody else cannot.
    pub cors: bool,
}

impl Default for HttpSettings {
    /// Bodies of 1 MiB and 128 MiB together, 256 posts; 10 s for the head and for the body, 30 s for an answer, 20 s for a
    /// stalled client, 30 s to stop; 1,024 connections, 64 of one source, 256 listeners, 15 s; 5 minutes for the chain; no
    /// trusted proxies, metrics for this host, pages of all sites.
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            max_body_memory: 128 << 20,
            max_posts: 256,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(20),
            stop_timeout: Duration::from_secs(30),
            max_connections: 1_024,
            max_connections_per_source: 64,
            max_listeners: 256,
            keep_alive: Duration::from_secs(15),
            chain_timeout: Duration::from_secs(300),
            trusted_proxies: Vec::new(),
            metrics_from: vec![
                IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
                IpAddr::from(Ipv6Addr::LOCALHOST).into(),
            ],
            cors: true,
        }
    }
}

/// Whether an address lies in one of the networks.
pub(super) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
