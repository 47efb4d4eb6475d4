//! What a relay bears.

use core::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use axum::http::HeaderName;
use ipnet::IpNet;
use serde::Deserialize;

/// The header in which proxies say whom they ask for.
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

/// Limits of a relay's HTTP service. All of them may be changed while it runs; connections that are open keep the timeouts
/// they began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Bytes of a request's body.
    pub max_body: usize,
    /// Bytes of all bodies that are being received or wait for their verdicts.
    pub max_body_memory: usize,
    /// The same of one source.
    pub max_body_memory_per_source: usize,
    /// Bytes a second with which a body must come, over three seconds. One that is at its end sooner may be slower.
    pub min_body_rate: usize,
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
    /// Time between saying that the service stops and taking no more connections, for those that spread the load over
    /// several relays: at once, a client that was just sent here would find nobody.
    pub drain_delay: Duration,
    /// Time for requests that were begun when the service stops.
    pub stop_timeout: Duration,
    /// Open connections. When there are so many, one that is idle is closed for a new one.
    pub max_connections: usize,
    /// Open connections of one source. Trusted proxies may have more.
    pub max_connections_per_source: usize,
    /// Listeners to events.
    pub max_listeners: usize,
    /// Listeners to events of one source.
    pub max_listeners_per_source: usize,
    /// How often a listener to events hears something, be it nothing.
    pub keep_alive: Duration,
    /// After this time without an answer from the chain the relay says that it is not ready; it serves on.
    pub chain_timeout: Duration,
    /// Proxies that are believed when they say whom they ask for.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which they say it. Every one of them must set it, or add to it.
    pub forwarded: ForwardedHeader,
    /// A header in which they name the source of a request, in whatever words. Every one of them must set or remove it, or
    /// clients choose their source.
    pub source_header: Option<HeaderName>,
    /// Whether every connection comes from a trusted proxy and begins with a header of the PROXY protocol.
    pub proxy_protocol: bool,
    /// Names under which the relay is asked, beside its addresses and `localhost`; `*` for any.
    pub hosts: Vec<String>,
    /// Who may read the metrics.
    pub metrics_from: Vec<IpNet>,
    /// Networks whose clients are refused, or whose posts are limited.
    pub sources: SourceRules,
    /// Whether the metrics, and why the relay is not ready, are told on the operator's own listener alone.
    pub admin_alone: bool,
    /// Whether pages of other sites may use the routes under `/v1/` from a browser. They know no cookies, so that pages can
    /// do nothing that anybody else cannot.
    pub cors: bool,
    /// Whether a badge is accepted with an answer to a challenge alone, which shows that its chat key is at hand.
    pub ask_for_chat_key: bool,
}

impl Default for HttpSettings {
    /// Bodies of 1 MiB, 128 MiB together and 32 MiB of one source, 500 bytes a second, 256 posts; 10 s for the head and for
    /// the body, 30 s for an answer, 20 s for a stalled client, no drain delay, 30 s to stop; 1,024 connections, 64 of one source; 256
    /// listeners, 64 of one source, 15 s; 5 minutes for the chain; no trusted proxies, `X-Forwarded-For`, no names, metrics
    /// for this host, no rules for networks, pages of all sites.
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
            metrics_from: vec![
                IpNet::from(IpAddr::from(Ipv4Addr::LOCALHOST)),
                IpAddr::from(Ipv6Addr::LOCALHOST).into(),
            ],
            admin_alone: false,
            sources: SourceRules::default(),
            cors: true,
            ask_for_chat_key: false,
        }
    }
}

/// Whether an address lies in one of the networks.
pub(super) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}
