//! Actions of the authors of posts of [`world`](crate::world), and reports.

use std::sync::OnceLock;

use quotapass_circuits::{
    moderation::{
        Action, Entry,
        author::{Author, author},
    },
    prover::{Prover, development_setup},
    share::Nullifier,
    signal::Scope,
    verifier::Verifier,
};
use quotapass_protocol::{
    Policy, UnixSeconds,
    moderation::{AuthorKind, AuthorRequest, Reason, ReportBody, ReportRequest},
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::world::{NOW, Posting, REGISTRY, TODAY, posting_for, world};

fn prover() -> &'static Prover<Author> {
    static PROVER: OnceLock<Prover<Author>> = OnceLock::new();
    PROVER.get_or_init(|| Prover::new(development_setup(Author).unwrap()).unwrap())
}

/// Returns the verifier of authors, as a relay takes it.
pub fn author_verifier() -> Verifier<Author> {
    prover().verifier().unwrap()
}

/// Proves that a member, who wrote the post with this entry in a scope, takes an action at a time.
pub fn author_proof(member: usize, entry: Entry, scope: &str, action: &Action, time: UnixSeconds) -> [u8; 128] {
    let action = action.hash(Scope::new(&REGISTRY, scope), time);
    let (public, witness) = author(&world().secrets[member], entry, action).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    prover().prove(&public, &witness, &mut rng).unwrap().to_bytes()
}

/// Returns the request of a member to delete its post, or to appeal with a text, at a time.
pub fn author_request(posting: &Posting, text: Option<&str>, time: UnixSeconds) -> AuthorRequest {
    let entry = posting.entry();
    let mut request = AuthorRequest {
        scope: posting.scope.clone(),
        entry: entry.into(),
        time,
        kind: if text.is_some() { AuthorKind::Appeal } else { AuthorKind::Delete },
        text: text.map(Into::into),
        proof: [0; 128],
    };
    request.proof = author_proof(posting.member, entry, &posting.scope, &request.action().unwrap(), time);
    request
}

/// Returns the post with which a member reports a post of a scope.
pub fn report_posting(policy: &Policy, reported: Nullifier, member: usize) -> Posting {
    let reports = policy.for_report(reported);
    Posting {
        scope: reports.name.clone(),
        requirement: reports.requirement_on(TODAY),
        ..posting_for(&reports, reports.epoch_at(NOW), member, 0, &reported.to_be_bytes())
    }
}

/// Returns the report of a post of a scope by a member, with a body.
pub fn report_with(
    policy: &Policy,
    reported: Nullifier,
    member: usize,
    body: &[u8],
    time: UnixSeconds,
) -> ReportRequest {
    let posting = report_posting(policy, reported, member);
    let mut request = ReportRequest {
        scope: policy.name.clone(),
        nullifier: reported,
        pass: posting.pass().to_bytes().to_vec(),
        time,
        body: body.into(),
        proof: [0; 128],
    };
    let action = request.action().unwrap();
    request.proof = author_proof(member, posting.entry(), &posting.scope, &action, time);
    request
}

/// Returns the report of a post of a scope by a member as spam.
pub fn report_of(policy: &Policy, reported: Nullifier, member: usize) -> ReportRequest {
    let body = serde_json::to_vec(&ReportBody::of(Reason::Spam)).unwrap();
    report_with(policy, reported, member, &body, NOW)
}
