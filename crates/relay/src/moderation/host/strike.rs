//! What a relay checks before it appends a strike to its own log (moderation, section 3).
//!
//! **Attack.** A moderator strikes an entry without a post, so that the list grows without effect; an entry of another
//! registry; or a post with another message than the one that was shown, so that a member is silenced for what somebody
//! else wrote.
//!
//! **Defence.** The pass must verify: its proof binds x, y and nullifier to a member of the registry. And x must be that of
//! the message that the moderators saw, or the entry says why the message is withheld.

use quotapass_circuits::{
    formats::{
        recorded::RecordedHead,
        wire::{DecodeError, EncodedProof, PassKind, PostHead},
    },
    moderation::Entry as PostEntry,
    post::{Post, PostPublic},
    share::Share,
    signal::{ExternalNullifier, Scope, SignalHash},
    verifier::Verifier,
};
use quotapass_log::moderation::{ListedEntry, Strike, Until};
use quotapass_protocol::{RootStatus, UnixSeconds};

use super::ledger;
use crate::{
    Relay,
    chain::{ArchiveError, RootArchive},
};

/// The longest reason for withholding a message, in bytes.
const MAX_WITHHELD: usize = 1_000;

/// What the moderators saw of a struck post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownPost {
    /// The message.
    Message(Vec<u8>),
    /// The message is not sent with the strike, for this reason: an illegal image, for example.
    Withheld(String),
}

/// Why a strike is not appended. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StrikeError {
    /// The strike is of another registry's member.
    #[error("the strike is of a member of another registry than this relay's; its list would have no effect here")]
    Registry,
    /// The scope is not served here.
    #[error("this relay does not serve the scope `{0}`; strike the post at a relay that does")]
    Scope(String),
    /// The strike is over.
    #[error("the strike ends at {0} (Unix time), which is past; sign one that ends later, or `never`")]
    Over(UnixSeconds),
    /// The pass cannot be read.
    #[error("the pass of the strike is not valid: {0}; state the pass of the post")]
    Pass(#[from] DecodeError),
    /// The strike states something else than the pass.
    #[error("the strike states another {0} than its pass; state what the pass has")]
    Differs(&'static str),
    /// The message is neither shown nor withheld.
    #[error("a strike comes with the message that the moderators saw, or with the reason why it is withheld; add one")]
    NotShown,
    /// The reason for withholding the message is empty or too long.
    #[error("the reason why the message is withheld has 1 to 1,000 bytes; state it")]
    Withheld,
    /// The struck post has another message.
    #[error(
        "the message that was shown is not the message of the struck post; show that one, or strike the other post"
    )]
    Message,
    /// The pass is for a root that the registry's tree never had.
    #[error("the pass is for a root that the registry's tree never had, and this relay did not accept it before")]
    Root,
    /// The proof of the pass does not verify.
    #[error("the proof of the pass does not verify, so it does not show that a member wrote this post")]
    Proof,
    /// Something that is needed for a check does not answer.
    #[error("the strike cannot be checked now ({0}); send it again")]
    Unavailable(String),
}

impl From<ArchiveError> for StrikeError {
    fn from(error: ArchiveError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Returns the entry of a post in the form of the circuits.
pub(super) fn of_post(entry: &ListedEntry) -> PostEntry {
    PostEntry { x: entry.x, y: entry.y, nullifier: entry.nullifier }
}

/// The parts that strikes are checked with.
pub(super) struct StrikeCheck<'a> {
    pub(super) relay: &'a Relay,
    pub(super) posts: &'a Verifier<Post>,
    pub(super) archive: Option<&'a RootArchive>,
}

impl StrikeCheck<'_> {
    /// Checks everything that does not follow from the log itself. Cheap checks come first; the signatures of the
    /// moderators must be verified before, because anybody can send a strike, and the last checks are costly.
    pub(super) fn check(
        &self,
        strike: &Strike,
        shown: Option<&ShownPost>,
        now: UnixSeconds,
    ) -> Result<(), StrikeError> {
        if let Until::At(until) = strike.until
            && until <= now
        {
            return Err(StrikeError::Over(until));
        }
        let scope = self.scope_of(strike)?;
        let (head, proof) = read_pass(&strike.pass)?;
        check_statement(strike, &head)?;
        check_shown(strike, &head, scope, shown)?;
        let accepted = ledger::accepted(self.relay, &strike.scope, strike.entry.nullifier, now);
        let accepted = accepted.map_err(StrikeError::Unavailable)?;
        if accepted.is_some_and(|post| post.entry == of_post(&strike.entry) && post.pass == strike.pass) {
            // This relay verified this pass when it accepted it. The log shows the pass to all, so that another one for the
            // same post must verify, too.
            return Ok(());
        }
        self.check_root(&head, now)?;
        let public = PostPublic {
            root: head.root,
            external_nullifier: ExternalNullifier::new(scope, head.epoch),
            requirement: head.requirement,
            limit_cap: head.limit_cap,
            share: Share { x: strike.entry.x, y: head.y },
            nullifier: head.nullifier,
        };
        self.posts.verify_each(&[(public, proof.decode()?)]).map_err(|_| StrikeError::Proof)
    }

    fn scope_of(&self, strike: &Strike) -> Result<Scope, StrikeError> {
        let policies = self.relay.policies();
        if policies.registry() != strike.registry {
            return Err(StrikeError::Registry);
        }
        let found = policies.get(&strike.scope).map_err(|_| StrikeError::Scope(strike.scope.clone()))?;
        Ok(found.scope())
    }

    /// Checks that the registry's tree ever had the root of the pass.
    fn check_root(&self, head: &PostHead, now: UnixSeconds) -> Result<(), StrikeError> {
        let status = self.relay.roots().status(head.root, now, u32::MAX);
        if !matches!(status, RootStatus::Unknown) {
            return Ok(());
        }
        match self.archive {
            Some(archive) if archive.had(head.root)? => Ok(()),
            _ => Err(StrikeError::Root),
        }
    }
}

/// Reads a pass of a post, with or without records. The records are not checked: they speak of other posts.
fn read_pass(pass: &[u8]) -> Result<(PostHead, EncodedProof), DecodeError> {
    match PassKind::of(pass)? {
        PassKind::Recorded => RecordedHead::from_bytes(pass).map(|head| (head.post, head.proof)),
        _ => PostHead::from_bytes(pass),
    }
}

fn check_statement(strike: &Strike, head: &PostHead) -> Result<(), StrikeError> {
    let Strike { entry, epoch_seconds, epoch, .. } = strike;
    let differs = [
        (head.nullifier != entry.nullifier, "nullifier"),
        (head.y != entry.y, "y"),
        (head.epoch.seconds() != *epoch_seconds, "epoch length"),
        (head.epoch.number() != *epoch, "epoch"),
    ];
    match differs.into_iter().find(|(differs, _)| *differs) {
        Some((_, field)) => Err(StrikeError::Differs(field)),
        None => Ok(()),
    }
}

fn check_shown(strike: &Strike, head: &PostHead, scope: Scope, shown: Option<&ShownPost>) -> Result<(), StrikeError> {
    match shown {
        None => Err(StrikeError::NotShown),
        Some(ShownPost::Withheld(reason)) if reason.is_empty() || reason.len() > MAX_WITHHELD => {
            Err(StrikeError::Withheld)
        }
        Some(ShownPost::Withheld(_)) => Ok(()),
        Some(ShownPost::Message(message)) => match SignalHash::new(scope, head.epoch, message) {
            Ok(x) if x == strike.entry.x => Ok(()),
            _ => Err(StrikeError::Message),
        },
    }
}
