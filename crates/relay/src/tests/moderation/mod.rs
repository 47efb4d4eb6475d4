//! Tests of moderation with real proofs.

mod authors;
mod faults;
mod reports;

use std::sync::Arc;

use parking_lot::Mutex;
use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{
    LogIdentity, ModerationPolicy, Policy, PolicyTable, RootHistory, UnixSeconds, Verdict,
    moderation::{ActionResult, EventKind, ReportRequest},
};
use quotapass_testkit::authors::author_verifier;

use super::world::*;
use crate::{
    MemoryLog, ModerationError, PostRequest, Relay, RelayStore,
    moderation::{OwnLog, ReportStage, Struck},
};

/// The usual policy with reports for ten days, and two of them hold a post.
fn moderated() -> Policy {
    let moderation = ModerationPolicy { report_days: 10, hide_at: Some(cap(2)), ..ModerationPolicy::default() };
    Policy { moderation: Some(moderation), ..policy() }
}

fn relay_of(policies: Vec<Policy>, log: Arc<dyn RelayStore>) -> Relay {
    let (table, (posts, badges)) = (PolicyTable::new(REGISTRY, policies).unwrap(), world().verifiers());
    let roots = RootHistory::starting_at(world().tree.root());
    Relay::new(posts, badges, table, roots, log).with_author(author_verifier())
}

fn moderated_relay() -> Relay {
    relay_of(vec![moderated()], Arc::new(MemoryLog::new()))
}

/// Accepts the honest post of member 0 at `NOW`, and returns its nullifier.
fn accept(relay: &Relay) -> Nullifier {
    assert_eq!(honest().to(relay, NOW), Verdict::Accepted);
    posting(0, 0, MESSAGE).entry().nullifier
}

/// Sends a report as the HTTP service does.
fn send(relay: &Relay, request: &ReportRequest, now: UnixSeconds) -> Result<ActionResult, ModerationError> {
    let pending = match relay.moderation().report(request, now)? {
        ReportStage::Repeated => return Ok(ActionResult::Repeated),
        ReportStage::Pending(pending) => pending,
    };
    let post = pending.post();
    let pass = post.pass.as_ref().unwrap();
    let verdict = relay.verify_post(PostRequest { scope: &post.scope, message: &post.message, pass }, now);
    relay.moderation().conclude_report(&pending, verdict, now)
}

/// Returns the kinds of all events, whose numbers have no gap.
fn kinds(relay: &Relay) -> Vec<EventKind> {
    let events = relay.moderation().events(0, 1_000).unwrap();
    assert!((1..).zip(&events).all(|(number, event)| event.number == number), "{events:?}");
    events.into_iter().map(|event| event.kind).collect()
}

/// A log with at most one strike in force.
#[derive(Default)]
struct OneStrike(Mutex<Option<Struck>>);

impl OwnLog for OneStrike {
    fn identity(&self) -> LogIdentity {
        LogIdentity([0xaa; 32])
    }

    fn strike_of(&self, nullifier: Nullifier) -> Option<Struck> {
        self.0.lock().clone().filter(|struck| struck.entry.nullifier == nullifier)
    }
}

/// The strike of the honest post of member 0.
fn strike() -> Struck {
    let entry = posting(0, 0, MESSAGE).entry();
    Struck { id: "strike-1".into(), scope: SCOPE.into(), epoch: epoch(), entry, pass: honest().pass.clone(), at: NOW }
}
