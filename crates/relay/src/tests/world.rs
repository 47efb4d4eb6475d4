//! The members and posts of `quotapass_testkit`, and relays of this crate.

use std::sync::Arc;

use quotapass_circuits::membership::Root;
use quotapass_protocol::{Policy, PolicyTable, RootHistory, UnixSeconds, Verdict};

pub use quotapass_testkit::world::*;

use crate::{BadgeRequest, MemoryLog, PostRequest, Relay, RelayStore};

pub fn root(number: u8) -> Root {
    let mut bytes = [0; 32];
    bytes[31] = number;
    Root::from_be_bytes(&bytes).unwrap()
}

/// Returns a relay with an empty log in memory.
pub fn relay_with(policies: Vec<Policy>, roots: RootHistory) -> Relay {
    let (table, (posts, badges)) = (PolicyTable::new(REGISTRY, policies).unwrap(), world().verifiers());
    Relay::new(posts, badges, table, roots, Arc::new(MemoryLog::new()))
}

/// Returns a relay of one scope that knows the current root.
pub fn relay() -> Relay {
    relay_on(Arc::new(MemoryLog::new()))
}

/// Returns a relay like [`relay`], on a log.
pub fn relay_on(log: Arc<dyn RelayStore>) -> Relay {
    let (roots, table) =
        (RootHistory::starting_at(world().tree.root()), PolicyTable::new(REGISTRY, [policy()]).unwrap());
    let (posts, badges) = world().verifiers();
    Relay::new(posts, badges, table, roots, log)
}

/// Returns the number of recorded nullifiers.
pub fn recorded(relay: &Relay) -> u64 {
    relay.log().statistics().unwrap().nullifiers
}

/// A message for a relay of this crate.
pub trait Request {
    fn request(&self) -> PostRequest<'_>;

    fn to(&self, relay: &Relay, now: UnixSeconds) -> Verdict {
        relay.verify_post(self.request(), now)
    }
}

impl Request for Sent {
    fn request(&self) -> PostRequest<'_> {
        PostRequest { scope: &self.scope, message: &self.message, pass: &self.pass }
    }
}

pub fn badge_request(pass: &[u8]) -> BadgeRequest<'_> {
    BadgeRequest { scope: SCOPE, pass }
}
