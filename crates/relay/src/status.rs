//! The status of a relay: its chain, its log, its slashes. The relay's threads write it; `/readyz` and `/metrics` read
//! it.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use quotapass_protocol::{LogError, UnixSeconds};

use super::{
    moderation::host::LogConditions,
    trouble::{Trouble, TroubleKind, Troubles},
};

/// The relay's view of the chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainStatus {
    /// The chain's latest block; none before the chain answered for the first time.
    pub head: Option<u64>,
    /// The time of that block.
    pub head_time: Option<UnixSeconds>,
    /// The block up to which the copy of the members is synchronized.
    pub synced: Option<u64>,
    /// The number of blocks by which the endpoint is behind that block.
    pub behind: u64,
    /// Members with a deposit.
    pub members: u64,
    /// The time of the chain's last answer.
    pub answered_at: Option<UnixSeconds>,
    /// The number of consecutive failures since then.
    pub failures: u32,
    /// The last error. It may name the endpoint, so it is only for the operator.
    pub error: Option<String>,
    /// The [cause](super::chain::ChainError::cause) of that error, for anybody.
    pub cause: Option<String>,
}

/// The relay's view of the nullifier log; unknown values are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Nullifiers of live epochs.
    pub nullifiers: Option<u64>,
    /// Live epochs, over all scopes.
    pub epochs: Option<u64>,
    /// Members against whom evidence is kept.
    pub convictions: Option<u64>,
    /// Bytes on disk or at the server.
    pub bytes: Option<u64>,
    /// Seconds by which epochs are closed too early.
    pub closed_ahead: u64,
}

/// The status of the slashing worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlashingStatus {
    /// The number of open cases.
    pub open: u64,
    /// The number of cases that this relay closed since it started.
    pub settled: u64,
    /// The number of consecutive failed slashes.
    pub failures: u32,
}

/// The status of all parts of a relay.
#[derive(Debug, Default)]
pub struct RelayStatus {
    chain: Mutex<ChainStatus>,
    log: Mutex<LogStatus>,
    slashing: Mutex<SlashingStatus>,
    troubles: Troubles,
    moderation_logs: LogConditions,
    reloads: AtomicU64,
    refused_reloads: AtomicU64,
    clock_jumps: AtomicU64,
}

impl RelayStatus {
    /// Creates a status without any data.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the status of the chain.
    pub fn chain(&self) -> ChainStatus {
        self.chain.lock().clone()
    }

    /// Updates the status of the chain.
    pub fn update_chain(&self, update: impl FnOnce(&mut ChainStatus)) {
        update(&mut self.chain.lock());
    }

    /// Returns the status of the nullifier log.
    pub fn log(&self) -> LogStatus {
        self.log.lock().clone()
    }

    /// Updates the status of the log.
    pub fn update_log(&self, update: impl FnOnce(&mut LogStatus)) {
        update(&mut self.log.lock());
    }

    /// Returns the current troubles.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// Returns the states of the moderation logs that the relay hosts or follows.
    pub fn moderation_logs(&self) -> &LogConditions {
        &self.moderation_logs
    }

    /// Records that the log failed at `now`.
    pub fn log_failed(&self, error: &LogError, now: UnixSeconds) {
        self.troubles.begin(TroubleKind::LogFailing, Trouble::new(error.to_string(), now));
    }

    /// Records that the log worked at `now`.
    pub fn log_works(&self, now: UnixSeconds) {
        self.troubles.end(TroubleKind::LogFailing, now);
    }

    /// Returns the status of the slashing worker.
    pub fn slashing(&self) -> SlashingStatus {
        self.slashing.lock().clone()
    }

    /// Updates the status of the slashing worker.
    pub fn update_slashing(&self, update: impl FnOnce(&mut SlashingStatus)) {
        update(&mut self.slashing.lock());
    }

    /// Counts a reload of the configuration, which was accepted or refused.
    pub fn count_reload(&self, holds: bool) {
        if holds { &self.reloads } else { &self.refused_reloads }.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the numbers of accepted and of refused reloads of the configuration.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.refused_reloads.load(Ordering::Relaxed))
    }

    /// Counts a jump of the clock.
    pub fn count_clock_jump(&self) {
        self.clock_jumps.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the number of jumps of the clock.
    pub fn clock_jumps(&self) -> u64 {
        self.clock_jumps.load(Ordering::Relaxed)
    }
}
