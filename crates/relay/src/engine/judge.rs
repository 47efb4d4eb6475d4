//! A relay, independent of the type of its store.

use core::time::Duration;
use std::sync::RwLockReadGuard;

use quotapass_circuits::{identity::IdentityCommitment, verifier::VerifierCosts};
use quotapass_protocol::{LogError, PolicyTable, RootHistory, Verdict};

use crate::{
    BadgeAnswer, BadgeRequest, Conviction, KeyCheck, PostRequest, Relay, RelayStore, Settlement, Verification,
};

/// The methods of a [`Relay`] that the engine and the HTTP server need.
pub(crate) trait Judge: Send + Sync {
    fn measure_costs(&self, elapsed: &dyn Fn() -> Duration) -> VerifierCosts;
    fn verify_posts(&self, how: Verification, requests: &[PostRequest<'_>], now: u64) -> Vec<Verdict>;
    fn verify_badge(&self, request: BadgeRequest<'_>, key_check: Option<&KeyCheck>, now: u64) -> BadgeAnswer;
    fn has_development_keys(&self) -> bool;
    fn policies(&self) -> RwLockReadGuard<'_, PolicyTable>;
    fn roots(&self) -> RwLockReadGuard<'_, RootHistory>;
    fn probe(&self) -> Result<(), LogError>;
    fn learn_convictions(&self, now: u64) -> Result<(), LogError>;
    fn prepare(&self, now: u64);
    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError>;
    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError>;
}

impl<S: RelayStore> Judge for Relay<S> {
    fn measure_costs(&self, elapsed: &dyn Fn() -> Duration) -> VerifierCosts {
        self.measure_costs(elapsed)
    }

    fn verify_posts(&self, how: Verification, requests: &[PostRequest<'_>], now: u64) -> Vec<Verdict> {
        self.verify_posts_by(how, requests, now)
    }

    fn verify_badge(&self, request: BadgeRequest<'_>, key_check: Option<&KeyCheck>, now: u64) -> BadgeAnswer {
        let has_chat_key = |scope, key: &[u8]| key_check.map_or(Ok(false), |check| check.check(scope, key, now));
        self.verify_badge_of(request, has_chat_key, now)
    }

    fn has_development_keys(&self) -> bool {
        self.has_development_keys()
    }

    fn policies(&self) -> RwLockReadGuard<'_, PolicyTable> {
        self.policies()
    }

    fn roots(&self) -> RwLockReadGuard<'_, RootHistory> {
        self.roots()
    }

    fn learn_convictions(&self, now: u64) -> Result<(), LogError> {
        self.learn_convictions(now)
    }

    fn probe(&self) -> Result<(), LogError> {
        self.log().probe()
    }

    fn prepare(&self, now: u64) {
        self.prepare(now);
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.log().convictions(from)
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        self.log().settlement(commitment)
    }
}
