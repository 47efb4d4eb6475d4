//! Badges: the chat key of each pseudonym, and the restricted pseudonyms.

mod book;
mod cache;
mod possession;

use quotapass_circuits::{
    formats::wire::BadgePass,
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};

pub(super) use book::MemoryBook;
pub use book::{BadgeBook, BoundKey, LATEST_END, Persona, PersonaRecord, Restriction};
pub(super) use cache::VerifiedBadges;
pub use possession::{CHALLENGE_SECONDS, Challenger, KeyCheck};

use super::Relay;
use quotapass_protocol::{LogError, PossessionError, UnixSeconds, UnlistedScope, Verdict};

/// A badge to check.
#[derive(Clone, Copy, Debug)]
pub struct BadgeRequest<'a> {
    /// The scope's name.
    pub scope: &'a str,
    /// The encoded pass.
    pub pass: &'a [u8],
}

/// The verdict on a badge, and its holder if it was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct BadgeAnswer {
    /// The verdict.
    pub verdict: Verdict,
    /// The holder; only for an accepted badge.
    pub holder: Option<BadgeHolder>,
}

impl From<Verdict> for BadgeAnswer {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, holder: None }
    }
}

/// The holder of an accepted badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadgeHolder {
    /// The member's only pseudonym in the scope.
    pub pseudonym: Pseudonym,
    /// Hash of the chat key in the badge.
    pub chat_key_hash: ChatKeyHash,
    /// How the chat key relates to the key bound to the pseudonym.
    pub chat_key: ChatKey,
    /// Whether the sender of the badge proved possession of the chat key. A badge alone is public, and anybody can send
    /// a copy.
    pub has_chat_key: bool,
}

/// The relation of a badge's chat key to the key bound to its pseudonym.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatKey {
    /// The first chat key of the pseudonym; it is bound now.
    First,
    /// The chat key bound to the pseudonym.
    Bound,
    /// A second chat key: the deposit already has another one, which stays bound. The caller refuses the badge, or
    /// replaces the key with [`Relay::bind_chat_key`].
    Second {
        /// The chat key that is bound.
        bound: ChatKeyHash,
    },
}

/// Errors of writes about a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersonaError {
    /// The relay does not serve the scope.
    #[error(transparent)]
    Scope(#[from] UnlistedScope),
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Relay {
    /// Judges a badge at `now`.
    ///
    /// The order of checks: decoding, scope, requirement, root, slashed members, restrictions, possession of the chat
    /// key, proof of the statement. A chat key is bound only after the proof verified. A repeated badge is accepted
    /// again, because its statement is still true. Its proof is then not verified again; all other checks are made. The
    /// verdict is `overloaded` if the log cannot tell which members are slashed or restricted.
    ///
    /// A badge is public, and anybody can send a copy: see [`verify_badge_of`](Self::verify_badge_of).
    pub fn verify_badge(&self, request: BadgeRequest<'_>, now: UnixSeconds) -> BadgeAnswer {
        self.verify_badge_of(request, |_, _| Ok(false), now)
    }

    /// Judges a badge like [`verify_badge`](Self::verify_badge), with a check of the possession of its chat key:
    /// `has_chat_key` gets the scope and the chat key's bytes. It is for example a [`Challenger`].
    pub fn verify_badge_of(
        &self,
        request: BadgeRequest<'_>,
        has_chat_key: impl FnOnce(Scope, &[u8]) -> Result<bool, PossessionError>,
        now: UnixSeconds,
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
        now: UnixSeconds,
    ) -> Result<BadgeHolder, Verdict> {
        let pass = BadgePass::from_bytes(request.pass)?;
        let scope = self.check_badge(request.scope, &pass, now)?;
        let persona = Persona { scope, pseudonym: pass.pseudonym };
        let known = self.log.badges().persona(persona)?;
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
            None => self.log.badges().bind_first(persona, &key)?,
            bound => bound,
        };
        let chat_key = match bound {
            None => ChatKey::First,
            Some(bound) if bound.chat_key == key.chat_key => ChatKey::Bound,
            Some(bound) => ChatKey::Second { bound: bound.chat_key },
        };
        Ok(BadgeHolder { pseudonym: pass.pseudonym, chat_key_hash: key.chat_key, chat_key, has_chat_key })
    }

    /// Makes the checks that need neither the book nor a pairing.
    fn check_badge(&self, scope: &str, pass: &BadgePass, now: UnixSeconds) -> Result<Scope, Verdict> {
        let (scope, grace, is_of_pattern) = {
            let policies = self.policies();
            // A scope of reports exists for each nullifier that a sender invents: no badge is kept in it.
            let entry = policies.get(scope).ok().filter(|found| found.report().is_none());
            let entry = entry.ok_or_else(|| policies.unlisted_verdict(scope, now))?;
            let check_root = |window| self.check_root(pass.root, now, window);
            entry.history().check_badge(&pass.requirement, now, check_root)?;
            self.check_horizon(entry.history().exposure(now), now)?;
            (entry.scope(), entry.history().grace(now), entry.is_of_pattern())
        };
        self.learn_convictions(now)?;
        let offender = match is_of_pattern {
            true => self.slashed().owner_of(scope, pass.pseudonym),
            false => self.slashed().pseudonym_offender(scope, pass.pseudonym),
        };
        match offender {
            Some(offender) => Err(Verdict::SlashedMember { within_grace: offender.is_within(grace, now) }),
            None => Ok(scope),
        }
    }

    /// Restricts a pseudonym in a scope, up to and including `until`, or without end. An end after the year 9999 counts
    /// as no end.
    ///
    /// # Errors
    /// [`PersonaError`].
    pub fn restrict(&self, scope: &str, pseudonym: Pseudonym, until: Option<UnixSeconds>) -> Result<(), PersonaError> {
        let persona = self.persona(scope, pseudonym)?;
        Ok(self.log.badges().restrict(persona, &Restriction::new(until))?)
    }

    /// Lifts a restriction; returns whether there was one.
    ///
    /// # Errors
    /// [`PersonaError`].
    pub fn lift(&self, scope: &str, pseudonym: Pseudonym) -> Result<bool, PersonaError> {
        Ok(self.log.badges().lift(self.persona(scope, pseudonym)?)?)
    }

    /// Binds a chat key to a pseudonym in place of the one bound before, and returns the replaced key. For callers that
    /// let members replace their key.
    ///
    /// # Errors
    /// [`PersonaError`].
    pub fn bind_chat_key(
        &self,
        scope: &str,
        pseudonym: Pseudonym,
        chat_key: ChatKeyHash,
    ) -> Result<Option<ChatKeyHash>, PersonaError> {
        let former = self.log.badges().rebind(self.persona(scope, pseudonym)?, &chat_key.into())?;
        Ok(former.map(|former| former.chat_key))
    }

    fn persona(&self, scope: &str, pseudonym: Pseudonym) -> Result<Persona, UnlistedScope> {
        Ok(Persona { scope: self.scope(scope)?, pseudonym })
    }
}
