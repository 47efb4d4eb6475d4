//! Badges: which chat key each pseudonym has, and which pseudonyms are restricted.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Mutex,
};

use quotapass_circuits::{
    formats::wire::BadgePass,
    share::Pseudonym,
    signal::{ChatKeyHash, Scope},
};

use super::{NullifierLog, Relay, UnlistedScope, Verdict, lock};

/// A badge to check.
#[derive(Clone, Copy, Debug)]
pub struct BadgeRequest<'a> {
    /// The scope's name.
    pub scope: &'a str,
    /// The pass as it is sent.
    pub pass: &'a [u8],
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

/// Chat keys and restrictions by pseudonym.
#[derive(Debug, Default)]
pub(super) struct BadgeBook {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    chat_keys: HashMap<(Scope, Pseudonym), ChatKeyHash>,
    restrictions: HashMap<(Scope, Pseudonym), Option<u64>>,
}

impl BadgeBook {
    fn present(&self, scope: Scope, pseudonym: Pseudonym, chat_key: ChatKeyHash) -> ChatKey {
        match lock(&self.state).chat_keys.entry((scope, pseudonym)) {
            Entry::Vacant(vacant) => {
                vacant.insert(chat_key);
                ChatKey::First
            }
            Entry::Occupied(bound) if *bound.get() == chat_key => ChatKey::Bound,
            Entry::Occupied(bound) => ChatKey::Second { bound: *bound.get() },
        }
    }

    /// The end of the restriction in force at `now`, if there is one.
    fn restriction(&self, scope: Scope, pseudonym: Pseudonym, now: u64) -> Option<Option<u64>> {
        let until = *lock(&self.state).restrictions.get(&(scope, pseudonym))?;
        until.is_none_or(|until| now <= until).then_some(until)
    }

    pub(super) fn expire(&self, now: u64) {
        lock(&self.state).restrictions.retain(|_, until| until.is_none_or(|until| now <= until));
    }
}

impl<L: NullifierLog> Relay<L> {
    /// The verdict on a badge at Unix second `now`.
    ///
    /// Checked in this order: decoding, scope, requirement, root, slashed members, restrictions, proof. Nobody's chat key
    /// is bound before the proof verified. A badge shown again is accepted again: what it proves is as true as before.
    /// `overloaded` if the log cannot say who was slashed.
    pub fn verify_badge(&self, request: BadgeRequest<'_>, now: u64) -> BadgeAnswer {
        let pass = match BadgePass::from_bytes(request.pass) {
            Ok(pass) => pass,
            Err(error) => return Verdict::from(error).into(),
        };
        let scope = match self.check_badge(request.scope, &pass, now) {
            Ok(scope) => scope,
            Err(verdict) => return verdict.into(),
        };
        let public = pass.public(scope);
        if self.badge_verifier().verify(&public, &pass.proof).is_err() {
            return Verdict::InvalidProof.into();
        }
        let chat_key = self.badge_book().present(scope, public.pseudonym, public.chat_key_hash);
        let (pseudonym, chat_key_hash) = (public.pseudonym, public.chat_key_hash);
        let holder = BadgeHolder { pseudonym, chat_key_hash, chat_key };
        BadgeAnswer { verdict: Verdict::Accepted, holder: Some(holder) }
    }

    /// The checks that need no pairing.
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
        if let Some(offender) = self.slashed().pseudonym_offender(scope, pass.pseudonym) {
            return Err(Verdict::SlashedMember { within_grace: offender.is_within(grace, now) });
        }
        match self.badge_book().restriction(scope, pass.pseudonym, now) {
            Some(until) => Err(Verdict::Restricted { until }),
            None => Ok(scope),
        }
    }

    /// Restricts a pseudonym in a scope, up to and including the Unix second `until`, or without end.
    ///
    /// # Errors
    /// [`UnlistedScope`].
    pub fn restrict(&self, scope: &str, pseudonym: Pseudonym, until: Option<u64>) -> Result<(), UnlistedScope> {
        let scope = self.scope(scope)?;
        lock(&self.badge_book().state).restrictions.insert((scope, pseudonym), until);
        Ok(())
    }

    /// Lifts a restriction; returns whether there was one.
    ///
    /// # Errors
    /// [`UnlistedScope`].
    pub fn lift(&self, scope: &str, pseudonym: Pseudonym) -> Result<bool, UnlistedScope> {
        let scope = self.scope(scope)?;
        Ok(lock(&self.badge_book().state).restrictions.remove(&(scope, pseudonym)).is_some())
    }

    /// Binds a chat key to a pseudonym in place of the one bound before, which is returned. For a caller that lets
    /// members replace their key.
    ///
    /// # Errors
    /// [`UnlistedScope`].
    pub fn bind_chat_key(
        &self,
        scope: &str,
        pseudonym: Pseudonym,
        chat_key: ChatKeyHash,
    ) -> Result<Option<ChatKeyHash>, UnlistedScope> {
        let scope = self.scope(scope)?;
        Ok(lock(&self.badge_book().state).chat_keys.insert((scope, pseudonym), chat_key))
    }
}
