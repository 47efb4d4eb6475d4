//! A relay, whatever its store.

use quotapass_circuits::identity::IdentityCommitment;

use crate::relay::{
    BadgeAnswer, BadgeRequest, Evidence, LogError, PostRequest, Relay, RelayStore, Settlement, Verdict,
};

/// What the engine needs of a [`Relay`].
pub(super) trait Judge: Send + Sync {
    fn verify_posts(&self, requests: &[PostRequest<'_>], now: u64) -> Vec<Verdict>;
    fn verify_badge(&self, request: BadgeRequest<'_>, now: u64) -> BadgeAnswer;
    fn learn_convictions(&self) -> Result<(), LogError>;
    fn convictions(&self, from: u64) -> Result<Vec<Evidence>, LogError>;
    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError>;
}

impl<S: RelayStore> Judge for Relay<S> {
    fn verify_posts(&self, requests: &[PostRequest<'_>], now: u64) -> Vec<Verdict> {
        self.verify_posts(requests, now)
    }

    fn verify_badge(&self, request: BadgeRequest<'_>, now: u64) -> BadgeAnswer {
        self.verify_badge(request, now)
    }

    fn learn_convictions(&self) -> Result<(), LogError> {
        self.learn_convictions()
    }

    fn convictions(&self, from: u64) -> Result<Vec<Evidence>, LogError> {
        self.log().convictions(from)
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        self.log().settlement(commitment)
    }
}
