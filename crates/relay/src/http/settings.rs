//! Settings of the HTTP service: limits, trusted proxies, host names.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use axum::http::HeaderName;
use ipnet::IpNet;
use serde::Deserialize;

/// The header in which proxies name their clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
    /// `Forwarded`, of RFC 7239.
    Forwarded,
}

use super::SourceRules;
use crate::bounds::{seconds, size};

/// Returns the addresses of this host.
fn this_host() -> Vec<IpNet> {
    vec![IpAddr::from(Ipv4Addr::LOCALHOST).into(), IpAddr::from(Ipv6Addr::LOCALHOST).into()]
}

/// Settings of a relay's HTTP service. All of them can change while it runs; open connections keep the timeouts that
/// they started with. The limits are read from the section `[limits]` of a relay's file, the others from other sections.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpSettings {
    /// Maximum size of a request body in bytes.
    #[serde(rename = "max_body_bytes", deserialize_with = "size::<1_024, { 1 << 30 }, _>")]
    pub max_body: usize,
    /// Maximum memory in bytes for all bodies that are being received or wait for their verdicts.
    #[serde(rename = "max_body_memory_bytes", deserialize_with = "size::<1_024, { 1 << 40 }, _>")]
    pub max_body_memory: usize,
    /// The same limit for one source. A file that does not set it gives zero: its default depends on `max_body`.
    #[serde(rename = "max_body_memory_bytes_per_source", default, deserialize_with = "size::<1_024, { 1 << 40 }, _>")]
    pub max_body_memory_per_source: usize,
    /// Minimum rate of a body in bytes per second, over three seconds. A body that ends sooner may be slower.
    #[serde(rename = "min_body_bytes_per_second", deserialize_with = "size::<0, { 1 << 20 }, _>")]
    pub min_body_rate: usize,
    /// Maximum number of posts in one request.
    #[serde(deserialize_with = "size::<1, 65_536, _>")]
    pub max_posts: usize,
    /// Timeout for a request's head, and for an idle connection.
    #[serde(rename = "header_timeout_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub header_timeout: Duration,
    /// Timeout for a request's body.
    #[serde(rename = "body_timeout_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub body_timeout: Duration,
    /// Timeout for the verdicts.
    #[serde(rename = "answer_timeout_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub answer_timeout: Duration,
    /// Timeout for a client that does not read its answer: within this time it must read some of it.
    #[serde(rename = "write_timeout_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub write_timeout: Duration,
    /// Time between the report that the service stops and the end of accepting connections. In this time, load
    /// balancers notice the stop: without it, a client that was just routed here finds no listener.
    #[serde(rename = "drain_seconds", deserialize_with = "seconds::<0, 3_600, _>")]
    pub drain_delay: Duration,
    /// Timeout for the requests in progress when the service stops.
    #[serde(rename = "stop_timeout_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub stop_timeout: Duration,
    /// Maximum number of open connections. At the limit, an idle connection is closed for a new one.
    #[serde(deserialize_with = "size::<1, 1_000_000, _>")]
    pub max_connections: usize,
    /// Maximum number of open connections of one source. Trusted proxies may have more.
    #[serde(deserialize_with = "size::<1, 1_000_000, _>")]
    pub max_connections_per_source: usize,
    /// Maximum number of listeners to events.
    #[serde(deserialize_with = "size::<0, 1_000_000, _>")]
    pub max_listeners: usize,
    /// Maximum number of listeners to events of one source.
    #[serde(deserialize_with = "size::<0, 1_000_000, _>")]
    pub max_listeners_per_source: usize,
    /// Interval after which a listener to events without new events gets a keep-alive comment.
    #[serde(rename = "keep_alive_seconds", deserialize_with = "seconds::<1, 3_600, _>")]
    pub keep_alive: Duration,
    /// Time without an answer from the chain after which the relay reports that it is not ready; it still serves
    /// requests.
    #[serde(rename = "chain_timeout_seconds", deserialize_with = "seconds::<1, 604_800, _>")]
    pub chain_timeout: Duration,
    /// Proxies that are trusted to name their clients.
    #[serde(skip)]
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which trusted proxies name their clients. Every trusted proxy must set it, or append to it.
    #[serde(skip)]
    pub forwarded: ForwardedHeader,
    /// A header in which trusted proxies name the source of a request, with any text. Every trusted proxy must set or
    /// remove it; otherwise clients choose their own source.
    #[serde(skip)]
    pub source_header: Option<HeaderName>,
    /// Whether every connection comes from a trusted proxy and begins with a PROXY protocol header.
    #[serde(skip)]
    pub proxy_protocol: bool,
    /// Host names of the relay, in addition to its addresses and `localhost`; `*` allows any name.
    #[serde(skip)]
    pub hosts: Vec<String>,
    /// Networks that may read the metrics.
    #[serde(skip)]
    pub metrics_from: Vec<IpNet>,
    /// Networks whose programs may name the scopes that a pattern stands for. For others these scopes are not listed.
    ///
    /// **Attack prevented**: a member who invents names of rooms has a new quota in each, and posts without limit. The
    /// programs of these networks derive the names from rooms that exist.
    #[serde(skip)]
    pub pattern_scopes_from: Vec<IpNet>,
    /// Networks whose clients are refused, or whose posts are limited.
    #[serde(skip)]
    pub sources: SourceRules,
    /// Whether only the operator's own listener serves the metrics, and the reasons why the relay is not ready.
    #[serde(skip)]
    pub admin_alone: bool,
    /// Whether pages of other sites may use the routes under `/v1/` from a browser (CORS). The routes use no cookies,
    /// so that a page can do nothing that other clients cannot.
    #[serde(skip)]
    pub cors: bool,
    /// Whether a badge is accepted only with an answer to a challenge, which proves possession of its chat key.
    #[serde(skip)]
    pub ask_for_chat_key: bool,
}

impl Default for HttpSettings {
    /// Returns the default settings. Bodies: 1 MiB each, 128 MiB in total, 32 MiB per source, at least 500 bytes per
    /// second, 256 posts. Timeouts: 10 s for the head and for the body, 30 s for an answer, 20 s for a stalled client,
    /// no drain delay, 30 s to stop, 5 minutes for the chain. Connections: 1,024, of which 64 per source. Listeners:
    /// 256, of which 64 per source, with a keep-alive of 15 s. Access: no trusted proxies, `X-Forwarded-For`, no host
    /// names, metrics and scopes of patterns for this host, no rules for networks, pages of all sites, no challenge for badges.
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            max_body_memory: 128 << 20,
            max_body_memory_per_source: 32 << 20,
            min_body_rate: 500,
            max_posts: 256,
            header_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(20),
            drain_delay: Duration::ZERO,
            stop_timeout: Duration::from_secs(30),
            max_connections: 1_024,
            max_connections_per_source: 64,
            max_listeners: 256,
            max_listeners_per_source: 64,
            keep_alive: Duration::from_secs(15),
            chain_timeout: Duration::from_secs(300),
            trusted_proxies: Vec::new(),
            forwarded: ForwardedHeader::default(),
            source_header: None,
            proxy_protocol: false,
            hosts: Vec::new(),
            pattern_scopes_from: this_host(),
            metrics_from: this_host(),
            admin_alone: false,
            sources: SourceRules::default(),
            cors: true,
            ask_for_chat_key: false,
        }
    }
}

/// Returns whether an address is in one of the networks.
pub(super) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
