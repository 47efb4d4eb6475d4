//! Requirements on a server that keeps nullifiers.

use std::collections::HashMap;

use quotapass_protocol::UnixSeconds;
use redis::{aio::MultiplexedConnection, cmd};

use super::{
    Durability, ValkeyLogError,
    vitals::{check_clock, evicted_keys, fields},
};

/// The oldest version that supports `SET` with both `NX` and `GET`. Valkey reports the version of Redis that it is
/// compatible with.
const OLDEST_MAJOR_VERSION: u32 = 7;
/// Maximum difference of a server's clock in seconds. It is less than [`GRACE`](super::GRACE), by which a server keeps
/// nullifiers longer.
pub(super) const CLOCK_DIFFERENCE: u64 = 30;

/// What a server reports about itself.
pub(super) struct Server {
    /// Whether it is in cluster mode.
    pub(super) is_cluster: bool,
    /// Run id, which changes with each start of the server; `None` if it does not report it.
    pub(super) run: Option<String>,
    /// Number of keys that it evicted since then because its memory was full; `None` if it does not report it.
    pub(super) evicted: Option<u64>,
}

/// Checks a server's version, role, clock and settings, and refuses a server that could lose nullifiers.
pub(super) async fn check(
    connection: &mut MultiplexedConnection,
    server: &str,
    durability: Durability,
) -> Result<Server, ValkeyLogError> {
    let unreachable = |error: redis::RedisError| ValkeyLogError::of_server(server, &error);
    let info: String = cmd("INFO").query_async(connection).await.map_err(unreachable)?;
    let info = fields(&info);
    let version = info.get("redis_version").copied().unwrap_or("unknown");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_MAJOR_VERSION) {
        return Err(ValkeyLogError::TooOld { server: server.into(), version: version.into() });
    }
    if info.get("role").is_some_and(|role| *role != "master") {
        return Err(ValkeyLogError::Replica(server.into()));
    }
    let (seconds, _): (u64, u64) = cmd("TIME").query_async(connection).await.map_err(unreachable)?;
    check_clock(UnixSeconds(seconds), server)?;
    if durability != Durability::Vouched {
        let mut get = cmd("CONFIG");
        get.arg("GET").arg("maxmemory-policy").arg("appendonly").arg("appendfsync");
        let settings = get.query_async(connection).await;
        let settings: HashMap<String, String> =
            settings.map_err(|error| ValkeyLogError::Untold { server: server.into(), reason: error.to_string() })?;
        check_settings(&settings, server, durability)?;
    }
    Ok(Server {
        is_cluster: info.get("cluster_enabled") == Some(&"1"),
        run: info.get("run_id").map(|run| (*run).into()),
        evicted: evicted_keys(&info),
    })
}

fn check_settings(
    settings: &HashMap<String, String>,
    server: &str,
    durability: Durability,
) -> Result<(), ValkeyLogError> {
    let setting = |name: &str| {
        let missing = || ValkeyLogError::Untold { server: server.into(), reason: format!("`{name}` is missing") };
        settings.get(name).cloned().ok_or_else(missing)
    };
    let policy = setting("maxmemory-policy")?;
    if policy != "noeviction" {
        return Err(ValkeyLogError::Evicts { server: server.into(), policy });
    }
    let forgets = |setting, value| Err(ValkeyLogError::Forgets { server: server.into(), setting, value });
    if durability != Durability::Checked {
        return Ok(());
    }
    let (appendonly, appendfsync) = (setting("appendonly")?, setting("appendfsync")?);
    if appendonly != "yes" {
        return forgets("appendonly", appendonly);
    }
    if !matches!(&*appendfsync, "always" | "everysec") {
        return forgets("appendfsync", appendfsync);
    }
    Ok(())
}
