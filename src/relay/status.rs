//! How a relay fares: its chain, its log, its slashes. Written by those who see it, read by `/readyz` and `/metrics`.

use std::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

use super::{
    LogError, lock,
    trouble::{Trouble, TroubleKind, Troubles},
};

/// The chain as the relay sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainStatus {
    /// The chain's latest block; none before it answered for the first time.
    pub head: Option<u64>,
    /// When that block was made, in Unix seconds.
    pub head_time: Option<u64>,
    /// The block up to which the copy of the members has come.
    pub synced: Option<u64>,
    /// Members with a deposit.
    pub members: u64,
    /// When the chain last answered, in Unix seconds.
    pub answered_at: Option<u64>,
    /// How many times in a row it did not.
    pub failures: u32,
    /// Why, the last time; it may name the endpoint, so it is for the operator alone.
    pub error: Option<String>,
}

/// The nullifier log as the relay sees it; what is not known is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStatus {
    /// Nullifiers of live epochs.
    pub nullifiers: Option<u64>,
    /// Live epochs, over all scopes.
    pub epochs: Option<u64>,
    /// Evidence kept.
    pub convictions: Option<u64>,
    /// Bytes on disk or at the server.
    pub bytes: Option<u64>,
    /// Seconds by which epochs are closed ahead of their time.
    pub closed_ahead: u64,
}

/// The slashing worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlashingStatus {
    /// Cases that are open.
    pub open: u64,
    /// Cases closed by this relay since it started.
    pub settled: u64,
    /// How many times in a row a slash failed.
    pub failures: u32,
}

/// All of it.
#[derive(Debug, Default)]
pub struct RelayStatus {
    chain: Mutex<ChainStatus>,
    log: Mutex<LogStatus>,
    slashing: Mutex<SlashingStatus>,
    troubles: Troubles,
    reloads: AtomicU64,
    refused_reloads: AtomicU64,
    clock_jumps: AtomicU64,
}

impl RelayStatus {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The chain.
    pub fn chain(&self) -> ChainStatus {
        lock(&self.chain).clone()
    }

    /// Writes what is known of the chain.
    pub fn update_chain(&self, update: impl FnOnce(&mut ChainStatus)) {
        update(&mut lock(&self.chain));
    }

    /// The nullifier log.
    pub fn log(&self) -> LogStatus {
        lock(&self.log).clone()
    }

    /// Writes what is known of the log.
    pub fn update_log(&self, update: impl FnOnce(&mut LogStatus)) {
        update(&mut lock(&self.log));
    }

    /// What goes wrong.
    pub fn troubles(&self) -> &Troubles {
        &self.troubles
    }

    /// The log failed at Unix second `now`.
    pub fn log_failed(&self, error: &LogError, now: u64) {
        self.troubles.begin(TroubleKind::LogFailing, Trouble::new(error.to_string(), now));
    }

    /// The log did what it was asked at Unix second `now`.
    pub fn log_works(&self, now: u64) {
        self.troubles.end(TroubleKind::LogFailing, now);
    }

    /// The slashing worker.
    pub fn slashing(&self) -> SlashingStatus {
        lock(&self.slashing).clone()
    }

    /// Writes what is known of the slashing worker.
    pub fn update_slashing(&self, update: impl FnOnce(&mut SlashingStatus)) {
        update(&mut lock(&self.slashing));
    }

    /// The configuration was read again, and holds or not.
    pub fn count_reload(&self, holds: bool) {
        if holds { &self.reloads } else { &self.refused_reloads }.fetch_add(1, Ordering::Relaxed);
    }

    /// How many times the configuration was read again, and how many times it was refused.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads.load(Ordering::Relaxed), self.refused_reloads.load(Ordering::Relaxed))
    }

    /// The clock jumped.
    pub fn count_clock_jump(&self) {
        self.clock_jumps.fetch_add(1, Ordering::Relaxed);
    }

    /// How many times the clock jumped.
    pub fn clock_jumps(&self) -> u64 {
        self.clock_jumps.load(Ordering::Relaxed)
    }
}
