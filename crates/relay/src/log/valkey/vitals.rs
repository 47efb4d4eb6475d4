//! Queries that are sent with each batch of commands: whether the server still has the log, and keeps its data.
//!
//! The queries follow the commands on the same connection, so that their answers show what happened to the server
//! before a write. If the server was emptied or evicted keys, the write does not count: a nullifier that is recorded
//! twice for this reason is never answered as new.

use std::collections::HashMap;

use quotapass_protocol::{LogError, UnixSeconds};
use redis::{Pipeline, RedisResult, Value, cmd, from_redis_value};

use super::{ValkeyLogError, check::CLOCK_DIFFERENCE};
use crate::{Clock, SystemClock, log::LogIdentity};

/// Reason for [`LogError::Lost`]: a server does not have the log any more.
pub(super) const EMPTIED: &str = "emptied, or replaced by another";
/// Reason for [`LogError::Lost`]: only some servers have their part, or a relay has deleted the identity.
pub(super) const IN_PARTS: &str = "emptied in part";
/// Reason for [`LogError::Lost`]: a server evicted keys.
pub(super) const EVICTED: &str = "shortened by its server, which evicted keys when its memory was full";

/// Queries at the end of a pipeline.
pub(super) struct Questions<'a> {
    /// The key that has the log's identity, among those of the pipeline's slots.
    pub(super) mark: Option<&'a [u8]>,
    /// Whether something is written.
    pub(super) is_write: bool,
}

impl Questions<'_> {
    pub(super) fn add_to(&self, commands: &mut Pipeline) {
        if let Some(mark) = self.mark {
            commands.add_command(cmd("GET").arg(mark).to_owned());
        }
        if self.is_write {
            commands.cmd("TIME");
            commands.cmd("INFO").arg("stats");
        }
    }

    /// Returns the answers, which begin at this position.
    pub(super) fn answers<'b>(&self, answers: &'b [RedisResult<Value>], from: usize) -> Vitals<'b> {
        let after = from + usize::from(self.mark.is_some());
        let written = |position| self.is_write.then(|| answers.get(position)).flatten();
        Vitals { mark: self.mark.and_then(|_| answers.get(from)), time: written(after), stats: written(after + 1) }
    }

    /// Returns the number of answers.
    pub(super) fn count(&self) -> usize {
        usize::from(self.mark.is_some()) + if self.is_write { 2 } else { 0 }
    }
}

/// A server's answers to the queries.
pub(super) struct Vitals<'a> {
    pub(super) mark: Option<&'a RedisResult<Value>>,
    time: Option<&'a RedisResult<Value>>,
    stats: Option<&'a RedisResult<Value>>,
}

impl Vitals<'_> {
    /// Checks the server's clock, and that it has evicted no more keys than `evicted`, the number before.
    pub(super) fn check(&self, evicted: u64) -> Result<(), LogError> {
        if let Some(Ok(time)) = self.time {
            let (seconds, _): (u64, u64) = from_redis_value(time.clone()).map_err(|_| LogError::Damaged)?;
            check_clock(UnixSeconds(seconds), "the server").map_err(|error| LogError::Unfit(error.to_string()))?;
        }
        if let Some(Ok(stats)) = self.stats {
            let stats: String = from_redis_value(stats.clone()).map_err(|_| LogError::Damaged)?;
            if evicted_keys(&fields(&stats)).is_some_and(|now| now > evicted) {
                return Err(LogError::Lost(EVICTED));
            }
        }
        Ok(())
    }
}

/// Checks that an answer is the log's identity.
pub(super) fn check_mark(answer: &Value, identity: LogIdentity) -> Result<(), LogError> {
    let is_known = matches!(answer, Value::BulkString(bytes) if bytes == identity.as_bytes());
    if is_known { Ok(()) } else { Err(LogError::Lost(EMPTIED)) }
}

/// Compares a server's clock with this machine's.
pub(super) fn check_clock(time: UnixSeconds, server: &str) -> Result<(), ValkeyLogError> {
    let seconds = SystemClock.now().abs_diff(time);
    if seconds > CLOCK_DIFFERENCE {
        return Err(ValkeyLogError::Clock { server: server.into(), seconds });
    }
    Ok(())
}

/// Returns the fields of `INFO`.
pub(super) fn fields(info: &str) -> HashMap<&str, &str> {
    info.lines().filter_map(|line| line.trim().split_once(':')).collect()
}

/// Returns the number of keys that a server has evicted since its start because its memory was full.
pub(super) fn evicted_keys(info: &HashMap<&str, &str>) -> Option<u64> {
    info.get("evicted_keys")?.parse().ok()
}
