//! `[limits]`.

use anyhow::{Result, bail};
use quotapass_relay::{EngineSettings, http::HttpSettings};

/// Sets the memory of one source if the file does not: the default, or one body if that is more. The file cannot set zero.
pub(super) fn complete(limits: HttpSettings) -> HttpSettings {
    let max_body_memory_per_source = match limits.max_body_memory_per_source {
        0 => HttpSettings::default().max_body_memory_per_source.max(limits.max_body),
        share => share,
    };
    HttpSettings { max_body_memory_per_source, ..limits }
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
