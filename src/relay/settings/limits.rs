//! `[limits]`.

use anyhow::{Result, bail};
use quotapass_relay::{
    EngineSettings,
    http::{HttpSettings, SourceRules},
};
use serde::Deserialize;

use super::{bounds::Within, listen::ListenSection};

/// A time limit in seconds.
type Timeout = Within<1, 3_600>;
/// A memory limit for bodies in bytes.
type Memory = Within<1_024, { 1 << 40 }>;
/// A limit for the number of connections or similar.
type Connections = Within<1, 1_000_000>;

/// `[limits]`: limits of the HTTP service. The defaults are those of [`HttpSettings`].
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    max_body_bytes: Option<Within<1_024, { 1 << 30 }>>,
    max_body_memory_bytes: Option<Memory>,
    max_body_memory_bytes_per_source: Option<Memory>,
    min_body_bytes_per_second: Option<Within<0, { 1 << 20 }>>,
    max_posts: Option<Within<1, 65_536>>,
    header_timeout_seconds: Option<Timeout>,
    body_timeout_seconds: Option<Timeout>,
    answer_timeout_seconds: Option<Timeout>,
    write_timeout_seconds: Option<Timeout>,
    drain_seconds: Option<Within<0, 3_600>>,
    stop_timeout_seconds: Option<Timeout>,
    max_connections: Option<Connections>,
    max_connections_per_source: Option<Connections>,
    max_listeners: Option<Within<0, 1_000_000>>,
    max_listeners_per_source: Option<Within<0, 1_000_000>>,
    keep_alive_seconds: Option<Timeout>,
    chain_timeout_seconds: Option<Within<1, 604_800>>,
}

impl LimitsSection {
    pub(super) fn http(self, listen: ListenSection, admin_alone: bool, sources: SourceRules) -> HttpSettings {
        let usual = HttpSettings::default();
        let time = |given: Option<Timeout>, usual| given.map_or(usual, Within::seconds);
        let max_body = self.max_body_bytes.map_or(usual.max_body, Within::size);
        HttpSettings {
            max_body,
            max_body_memory: self.max_body_memory_bytes.map_or(usual.max_body_memory, Within::size),
            max_body_memory_per_source: self
                .max_body_memory_bytes_per_source
                .map_or_else(|| usual.max_body_memory_per_source.max(max_body), Within::size),
            min_body_rate: self.min_body_bytes_per_second.map_or(usual.min_body_rate, Within::size),
            max_posts: self.max_posts.map_or(usual.max_posts, Within::size),
            header_timeout: time(self.header_timeout_seconds, usual.header_timeout),
            body_timeout: time(self.body_timeout_seconds, usual.body_timeout),
            answer_timeout: time(self.answer_timeout_seconds, usual.answer_timeout),
            write_timeout: time(self.write_timeout_seconds, usual.write_timeout),
            drain_delay: self.drain_seconds.map_or(usual.drain_delay, Within::seconds),
            stop_timeout: time(self.stop_timeout_seconds, usual.stop_timeout),
            max_connections: self.max_connections.map_or(usual.max_connections, Within::size),
            max_connections_per_source: self
                .max_connections_per_source
                .map_or(usual.max_connections_per_source, Within::size),
            max_listeners: self.max_listeners.map_or(usual.max_listeners, Within::size),
            max_listeners_per_source: self
                .max_listeners_per_source
                .map_or(usual.max_listeners_per_source, Within::size),
            keep_alive: time(self.keep_alive_seconds, usual.keep_alive),
            chain_timeout: self.chain_timeout_seconds.map_or(usual.chain_timeout, Within::seconds),
            trusted_proxies: listen.trusted_proxies,
            forwarded: listen.forwarded_header,
            source_header: listen.source_header,
            proxy_protocol: listen.proxy_protocol,
            hosts: listen.hosts,
            metrics_from: listen.metrics_from,
            admin_alone,
            sources,
            cors: listen.cors,
            ask_for_chat_key: usual.ask_for_chat_key,
        }
    }
}

/// Refuses inconsistent limits: a request within its own limit must fit into its queue or memory budget, or the relay
/// would refuse it forever.
pub(super) fn go_together(http: &HttpSettings, engine: &EngineSettings) -> Result<()> {
    let HttpSettings { max_body, max_body_memory, max_body_memory_per_source: share, max_posts, .. } = http;
    if max_body > share {
        bail!(
            "`max_body_memory_bytes_per_source` in [limits] is {share}, which is less than one body of \
             `max_body_bytes`, which is {max_body}; raise the former or lower the latter"
        );
    }
    if max_body > max_body_memory {
        bail!(
            "`max_body_bytes` is {max_body}, but such a body does not fit into `max_body_memory_bytes`, which is \
             {max_body_memory}; lower the former or raise the latter"
        );
    }
    if *max_posts > engine.max_queued {
        bail!(
            "`max_posts` in [limits] is {max_posts}, but such a request does not fit into `max_queued` in [engine], \
             which is {}; lower the former or raise the latter",
            engine.max_queued
        );
    }
    Ok(())
}
