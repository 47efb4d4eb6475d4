//! `[limits]`.

use std::time::Duration;

use serde::Deserialize;

use super::listen::ListenSection;
use crate::relay::http::HttpSettings;

/// `[limits]`: what HTTP bears; what is not set is as [`HttpSettings`] has it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsSection {
    max_body_bytes: Option<usize>,
    max_body_memory_bytes: Option<usize>,
    max_body_memory_bytes_per_source: Option<usize>,
    min_body_bytes_per_second: Option<usize>,
    max_posts: Option<usize>,
    header_timeout_seconds: Option<u64>,
    body_timeout_seconds: Option<u64>,
    answer_timeout_seconds: Option<u64>,
    write_timeout_seconds: Option<u64>,
    stop_timeout_seconds: Option<u64>,
    max_connections: Option<usize>,
    max_connections_per_source: Option<usize>,
    max_listeners: Option<usize>,
    max_listeners_per_source: Option<usize>,
    keep_alive_seconds: Option<u64>,
    chain_timeout_seconds: Option<u64>,
}

impl LimitsSection {
    pub(super) fn http(self, listen: ListenSection, admin_alone: bool) -> HttpSettings {
        let usual = HttpSettings::default();
        let seconds = |given: Option<u64>, usual| given.map_or(usual, Duration::from_secs);
        let max_body = self.max_body_bytes.unwrap_or(usual.max_body);
        HttpSettings {
            max_body,
            max_body_memory: self.max_body_memory_bytes.unwrap_or(usual.max_body_memory),
            max_body_memory_per_source: self
                .max_body_memory_bytes_per_source
                .unwrap_or_else(|| usual.max_body_memory_per_source.max(max_body)),
            min_body_rate: self.min_body_bytes_per_second.unwrap_or(usual.min_body_rate),
            max_posts: self.max_posts.unwrap_or(usual.max_posts),
            header_timeout: seconds(self.header_timeout_seconds, usual.header_timeout),
            body_timeout: seconds(self.body_timeout_seconds, usual.body_timeout),
            answer_timeout: seconds(self.answer_timeout_seconds, usual.answer_timeout),
            write_timeout: seconds(self.write_timeout_seconds, usual.write_timeout),
            stop_timeout: seconds(self.stop_timeout_seconds, usual.stop_timeout),
            max_connections: self.max_connections.unwrap_or(usual.max_connections),
            max_connections_per_source: self.max_connections_per_source.unwrap_or(usual.max_connections_per_source),
            max_listeners: self.max_listeners.unwrap_or(usual.max_listeners),
            max_listeners_per_source: self.max_listeners_per_source.unwrap_or(usual.max_listeners_per_source),
            keep_alive: seconds(self.keep_alive_seconds, usual.keep_alive),
            chain_timeout: seconds(self.chain_timeout_seconds, usual.chain_timeout),
            trusted_proxies: listen.trusted_proxies,
            forwarded: listen.forwarded_header,
            source_header: listen.source_header,
            proxy_protocol: listen.proxy_protocol,
            hosts: listen.hosts,
            metrics_from: listen.metrics_from,
            admin_alone,
            cors: listen.cors,
            ask_for_chat_key: usual.ask_for_chat_key,
        }
    }

    /// What is wrong.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        let max_body = self.max_body_bytes.unwrap_or_else(|| HttpSettings::default().max_body);
        match self.max_body_memory_bytes_per_source {
            Some(memory) if memory < max_body => anyhow::bail!(
                "`max_body_memory_bytes_per_source` in [limits] is {memory}, which is less than one body of \
                 `max_body_bytes`, which is {max_body}; raise it, or lower the other"
            ),
            _ => Ok(()),
        }
    }
}
