//! Badges: which chat key each pseudonym has, and which pseudonyms are restricted.

mod book;
mod cache;
#[cfg(feature = "relay")]
mod possession;

use quotapass_circuits::{
    formats::wire::BadgePass,
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};

pub(super) use book::MemoryBook;
pub use book::{BadgeBook, BoundKey, LATEST_END, Persona, PersonaRecord, Restriction};
pub(super) use cache::VerifiedBadges;
#[cfg(feature = "relay")]
pub use possession::{CHALLENGE_SECONDS, Challenger, KeyCheck};

use super::{LogError, NullifierLog, Relay, UnlistedScope, Verdict};

/// A badge to check.
#[derive(Clone, Copy, Debug)]
pub struct BadgeRequest<'a> {
    /// The scope's name.
    pub scope: &'a str,
    /// The pass as it is sent.
    pub pass: &'a [u8],
}

/// What a verifier asks the owner of a badge's chat key to sign, so that a copy of the badge is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadgeChallenge(pub [u8; 32]);

impl BadgeChallenge {
    /// The bytes to sign with the chat key: `quotapass.badge-challenge.v1`, a zero byte, the scope (32) and the challenge
    /// (32). The scope is in it, so that no room passes on the challenge of another and shows the answer there as its own.
    ///
    /// An app makes them itself, and signs no bytes that a relay names: it could name anything.
    pub fn message(&self, scope: Scope) -> Vec<u8> {
        [&b"quotapass.badge-challenge.v1\0"[..], &scope.to_be_bytes(), &self.0].concat()
    }
}

/// An answer to a challenge: what shows that a badge's chat key is at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possession {
    /// The challenge.
    pub challenge: BadgeChallenge,
    /// The signature by the chat key.
    pub signature: [u8; 64],
}

/// Why a chat key is not known to be at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PossessionError {
    /// The relay asks for an answer to a challenge, and there is none.
    #[error("this relay asks for proof that the chat key is at hand; get a challenge, and sign it with the chat key")]
    Missing,
    /// The challenge is too old.
    #[error("the challenge is over; get a new one")]
    Expired,
    /// The challenge is not one of this relay, or one for another scope.
    #[error("the challenge is not one that this relay gave for this scope; get one from it")]
    Unknown,
    /// The chat key is neither of Ed25519 nor of secp256k1.
    #[error("the chat key is of no kind that signs challenges; make a badge for a key of Ed25519 or secp256k1")]
    KeyKind,
    /// The signature is not one of the chat key.
    #[error("the signature is not one by the chat key over the challenge; sign with the key that the badge speaks for")]
    Signature,
}

/// The verdict on a badge, and whose it is if it was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct BadgeAnswer {
    /// The verdict.
    pub verdict: Verdict,
    /// The holder, of an accepted badge alone.
    pub holder: Option<BadgeHolder>,
}

impl From<Verdict> for BadgeAnswer {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, holder: None }
    }
}

/// Who holds an accepted badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadgeHolder {
    /// The member's only pseudonym in the scope.
    pub pseudonym: Pseudonym,
    /// Hash of the chat key that the badge speaks for.
    pub chat_key_hash: ChatKeyHash,
    /// How the chat key relates to what was known of the pseudonym.
    pub chat_key: ChatKey,
    /// Whether whoever showed the badge has the chat key. A badge alone is public, and anybody can show a copy.
    pub has_chat_key: bool,
}

/// How a badge's chat key relates to the one bound to its pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKey {
    /// The pseudonym's first chat key here; it is bound now.
    First,
    /// The chat key bound to the pseudonym.
    Bound,
    /// A second one: the deposit has another chat key already, which stays bound. The caller refuses the badge, or
    /// replaces the key with [`Relay::bind_chat_key`].
    Second {
        /// The chat key that is bound.
        bound: ChatKeyHash,
    },
}

/// What a relay cannot write about a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersonaError {
    /// The relay does not carry the scope.
    #[error(transparent)]
    Scope(#[from] UnlistedScope),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl PossessionError {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Expired => "expired",
            Self::Unknown => "unknown_challenge",
            Self::KeyKind => "unsupported_key",
            Self::Signature => "wrong_signature",
        }
    }
}

impl<L: NullifierLog + BadgeBook> Relay<L> {
    /// The verdict on a badge at Unix second `now`.
    ///
    /// Checked in this order: decoding, scope, requirement, root, slashed members, restrictions, proof of the chat key,
    /// proof of the statement. Nobody's chat key is bound before the proof verified. A badge shown again is accepted
    /// again: what it proves is as true as before. Its proof is then not verified again, and all else is checked.
    /// `overloaded` if the log cannot say who was slashed or restricted.
    ///
    /// A badge is public, and anybody can show a copy: see [`verify_badge_of`](Self::verify_badge_of).
    pub fn verify_badge(&self, request: BadgeRequest<'_>, now: u64) -> BadgeAnswer {
        self.verify_badge_of(request, |_, _| Ok(false), now)
    }

    /// As [`verify_badge`](Self::verify_badge), for somebody who may show that the chat key is at hand: `has_chat_key` is
    /// asked with the scope and the chat key's bytes, for example a [`Challenger`].
    pub fn verify_badge_of(
        &self,
        request: BadgeRequest<'_>,
        has_chat_key: impl FnOnce(Scope, &[u8]) -> Result<bool, PossessionError>,
        now: u64,
    ) -> BadgeAnswer {
        match self.judge_badge(&request, has_chat_key, now) {
            Ok(holder) => BadgeAnswer { verdict: Verdict::Accepted, holder: Some(holder) },
            Err(verdict) => verdict.into(),
        }
    }

    fn judge_badge(
        &self,
        request: &BadgeRequest<'_>,
        has_chat_key: impl FnOnce(Scope, &[u8]) -> Result<bool, PossessionError>,
        now: u64,
    ) -> Result<BadgeHolder, Verdict> {
        let pass = BadgePass::from_bytes(request.pass)?;
        let scope = self.check_badge(request.scope, &pass, now)?;
        let persona = Persona { scope, pseudonym: pass.pseudonym };
        let known = self.log().persona(persona)?;
        if let Some(restriction) = known.restriction.filter(|restriction| restriction.is_in_force(now)) {
            return Err(Verdict::Restricted { until: restriction.until });
        }
        let has_chat_key = has_chat_key(scope, pass.chat_key())?;
        let public = pass.public(scope);
        self.verified_badges().verify_once(scope, request.pass, || {
            self.badge_verifier().verify(&public, &pass.proof).map_err(|_| Verdict::InvalidProof)
        })?;
        let key = BoundKey::from(public.chat_key_hash);
        let bound = match known.bound {
            None => self.log().bind_first(persona, &key)?,
            bound => bound,
        };
        let chat_key = match bound {
            None => ChatKey::First,
            Some(bound) if bound.chat_key == key.chat_key => ChatKey::Bound,
            Some(bound) => ChatKey::Second { bound: bound.chat_key },
        };
        Ok(BadgeHolder { pseudonym: pass.pseudonym, chat_key_hash: key.chat_key, chat_key, has_chat_key })
    }

    /// The checks that need neither the book nor a pairing.
    fn check_badge(&self, scope: &str, pass: &BadgePass, now: u64) -> Result<Scope, Verdict> {
        let (scope, grace) = {
            let policies = self.policies();
            let entry = policies.get(scope).map_err(|_| policies.unlisted_verdict(scope, now))?;
            let check_root = |window| self.check_root(pass.root, now, window);
            entry.history().check_badge(&pass.requirement, now, check_root)?;
            self.check_horizon(entry.history().exposure(now), now)?;
            (entry.scope(), entry.history().grace(now))
        };
        self.learn_convictions(now)?;
        match self.slashed().pseudonym_offender(scope, pass.pseudonym) {
            Some(offender) => Err(Verdict::SlashedMember { within_grace: offender.is_within(grace, now) }),
            None => Ok(scope),
        }
    }

    /// Restricts a pseudonym in a scope, up to and including the Unix second `until`, or without end. An end after the
    /// year 9999 is none.
    ///
    /// # Errors
    /// [`PersonaError`].
    pub fn restrict(&self, scope: &str, pseudonym: Pseudonym, until: Option<u64>) -> Result<(), PersonaError> {
        let persona = self.persona(scope, pseudonym)?;
        Ok(self.log().restrict(persona, &Restriction::new(until))?)
    }

    /// Lifts a restriction; returns whether there was one.
    ///
    /// # Errors
    /// [`PersonaError`].
    pub fn lift(&self, scope: &str, pseudonym: Pseudonym) -> Result<bool, PersonaError> {
        Ok(self.log().lift(self.persona(scope, pseudonym)?)?)
    }

    /// Binds a chat key to a pseudonym in place of the one bound before, which is returned. For a caller that lets
    /// members replace their key.
    ///
    /// # Errors
    /// [`PersonaError`].
    pub fn bind_chat_key(
        &self,
        scope: &str,
        pseudonym: Pseudonym,
        chat_key: ChatKeyHash,
    ) -> Result<Option<ChatKeyHash>, PersonaError> {
        let former = self.log().rebind(self.persona(scope, pseudonym)?, &chat_key.into())?;
        Ok(former.map(|former| former.chat_key))
    }

    fn persona(&self, scope: &str, pseudonym: Pseudonym) -> Result<Persona, UnlistedScope> {
        Ok(Persona { scope: self.scope(scope)?, pseudonym })
    }
}
