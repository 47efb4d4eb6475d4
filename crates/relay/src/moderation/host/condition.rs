//! The state of each moderation log that a relay hosts or follows, for `/readyz`, `/metrics` and the log output.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use quotapass_log::{LogId, TreeHash};
use quotapass_protocol::UnixSeconds;
use tracing::{info, warn};

/// Why a log does not go on. What was accepted before stays in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRefusal {
    /// The stable name, such as `log_rollback`.
    pub name: &'static str,
    /// The reason, without addresses, users or secrets: it is public.
    pub reason: String,
    /// The time since which it is refused for this reason.
    pub since: UnixSeconds,
}

/// The state of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCondition {
    /// The origin.
    pub origin: String,
    /// Whether this relay hosts it.
    pub is_own: bool,
    /// The number of entries at the last accepted checkpoint.
    pub size: u64,
    /// The root there; none before the first checkpoint.
    pub root: Option<TreeHash>,
    /// The time at which the checkpoint was accepted, or made if the log is this relay's own.
    pub at: Option<UnixSeconds>,
    /// The time at which the log's server last answered with a valid checkpoint, new or not.
    pub answered_at: Option<UnixSeconds>,
    /// The number of strikes in force there.
    pub listed: u64,
    /// Why it does not go on; none if it does.
    pub refusal: Option<LogRefusal>,
    /// The number of refusals since the start.
    pub refusals: u64,
}

/// The states of all logs.
///
/// A log that is refused does not make a relay unready: otherwise the operator of a followed log could take other relays
/// out of service.
#[derive(Debug, Default)]
pub struct LogConditions(Mutex<BTreeMap<LogId, LogCondition>>);

impl LogConditions {
    /// Adds a log, with the state that was restored at the start.
    pub(super) fn add(&self, log: LogId, condition: LogCondition) {
        self.0.lock().insert(log, condition);
    }

    /// Changes what is known of a log.
    pub(super) fn update(&self, log: LogId, update: impl FnOnce(&mut LogCondition)) {
        self.0.lock().get_mut(&log).map(update);
    }

    /// Records that a round ended without a refusal.
    pub(super) fn accepted(&self, log: LogId, now: UnixSeconds) {
        if let Some(condition) = self.0.lock().get_mut(&log) {
            condition.answered_at = Some(now);
            if let Some(refusal) = condition.refusal.take() {
                let seconds = now.since(refusal.since);
                info!(origin = condition.origin, code = refusal.name, seconds, "the moderation log goes on");
            }
        }
    }

    /// Records a refusal. A line is logged when it begins, or when its name changes.
    pub(super) fn refused(&self, log: LogId, name: &'static str, reason: &dyn core::fmt::Display, now: UnixSeconds) {
        let mut conditions = self.0.lock();
        let Some(condition) = conditions.get_mut(&log) else { return };
        condition.refusals += 1;
        let reason = reason.to_string();
        match &mut condition.refusal {
            Some(known) if known.name == name => known.reason = reason,
            refusal => {
                warn!(
                    origin = condition.origin,
                    log = %log,
                    code = name,
                    reason,
                    "a moderation log is refused; what was accepted before stays in force"
                );
                *refusal = Some(LogRefusal { name, reason, since: now });
            }
        }
    }

    /// Returns the state of a log.
    pub fn get(&self, log: LogId) -> Option<LogCondition> {
        self.0.lock().get(&log).cloned()
    }

    /// Returns all states.
    pub fn all(&self) -> Vec<(LogId, LogCondition)> {
        self.0.lock().iter().map(|(log, condition)| (*log, condition.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_beginning_and_ends_with_the_next_checkpoint() {
        let (conditions, log) = (LogConditions::default(), LogId::from_bytes([1; 32]));
        conditions.refused(log, "log_fork", &"unknown logs have no state", UnixSeconds(1));
        assert_eq!(conditions.get(log), None);
        conditions.add(log, LogCondition { size: 5, ..LogCondition::default() });
        conditions.refused(log, "log_unavailable", &"first", UnixSeconds(10));
        conditions.refused(log, "log_unavailable", &"second", UnixSeconds(20));
        let refused = conditions.get(log).unwrap();
        let expected = LogRefusal { name: "log_unavailable", reason: "second".into(), since: UnixSeconds(10) };
        assert_eq!((refused.refusal, refused.refusals, refused.size), (Some(expected), 2, 5));
        conditions.refused(log, "log_fork", &"third", UnixSeconds(30));
        assert_eq!(conditions.get(log).unwrap().refusal.unwrap().since, UnixSeconds(30));
        conditions.update(log, |condition| condition.size = 6);
        conditions.accepted(log, UnixSeconds(40));
        let accepted = conditions.get(log).unwrap();
        assert_eq!((accepted.refusal, accepted.size, accepted.answered_at), (None, 6, Some(UnixSeconds(40))));
    }
}
