//! Deletions and appeals, with a proof that the post is the member's own.

use quotapass_circuits::{
    identity::IdentitySecret,
    moderation::{
        Action, ActionError, ActionHash, Appeal, Entry, NotTheAuthor,
        author::{Author, author},
    },
    proof::{PROOF_BYTES, Proof},
    prover::{ProveError, Prover},
    signal::Scope,
    verifier::{InvalidProof, Verifier},
};
use quotapass_protocol::{
    UnixSeconds,
    moderation::{AuthorKind, AuthorRequest, AuthorRequestError},
};
use rand::{CryptoRng, RngCore};

use crate::BoundPolicy;

/// Errors of author proofs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorError {
    /// The post is another member's.
    #[error(transparent)]
    NotTheAuthor(#[from] NotTheAuthor),
    /// The action is not valid.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// The proof failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
}

/// What an author asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthorAction {
    /// The deletion of the post, which is final.
    Delete,
    /// The end of the strike of the post, for a reason in words.
    Appeal(Appeal),
}

/// Proves that a post is the member's own, and that its author asks for this at `now`.
///
/// The proof shows nothing else: it is valid for one post, one action and one time, and neither links the post to others
/// nor shows which member wrote it.
///
/// # Errors
/// [`AuthorError::NotTheAuthor`] if the secret did not write the post.
pub fn prove_author(
    prover: &Prover<Author>,
    secret: &IdentitySecret,
    policy: &BoundPolicy,
    post: Entry,
    asked: AuthorAction,
    now: UnixSeconds,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<AuthorRequest, AuthorError> {
    let (kind, text, action) = match asked {
        AuthorAction::Delete => (AuthorKind::Delete, None, Action::Delete),
        AuthorAction::Appeal(appeal) => (AuthorKind::Appeal, Some(appeal.as_str().to_owned()), Action::Appeal(appeal)),
    };
    let proof = prove_action(prover, secret, post, action.hash(policy.scope(), now), rng)?;
    Ok(AuthorRequest { scope: policy.values().name.clone(), entry: post.into(), time: now, kind, text, proof })
}

/// Proves one action of the author of a post.
pub(super) fn prove_action(
    prover: &Prover<Author>,
    secret: &IdentitySecret,
    post: Entry,
    action: ActionHash,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<[u8; PROOF_BYTES], AuthorError> {
    let (public, witness) = author(secret, post, action)?;
    Ok(prover.prove(&public, &witness, rng)?.to_bytes())
}

/// Errors of [`verify_author`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyAuthorError {
    /// The request states no action.
    #[error(transparent)]
    Request(#[from] AuthorRequestError),
    /// The proof does not decode, or does not prove the statement.
    #[error("the proof does not show that the author of this post asks for this")]
    Proof,
}

impl From<InvalidProof> for VerifyAuthorError {
    fn from(InvalidProof: InvalidProof) -> Self {
        Self::Proof
    }
}

/// Verifies a request of an author in a scope. The caller must know that the post was accepted, and that the time is near
/// and later than that of the last action about it.
///
/// # Errors
/// [`VerifyAuthorError`].
pub fn verify_author(
    verifier: &Verifier<Author>,
    scope: Scope,
    request: &AuthorRequest,
) -> Result<(), VerifyAuthorError> {
    let action = request.action()?.hash(scope, request.time);
    let proof = Proof::from_bytes(&request.proof).map_err(|_| VerifyAuthorError::Proof)?;
    let public = quotapass_circuits::moderation::author::AuthorPublic { entry: request.entry.into(), action };
    Ok(verifier.verify(&public, &proof)?)
}
