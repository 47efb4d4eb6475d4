//! Verification of posts and badges.

use std::sync::{Arc, RwLock};

use quotapass_circuits::{badge::Badge, moderation::record::Record, post::Post, verifier};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::{
    VerifiedPost,
    moderation::{RecordVerifiers, VerifiedLists},
};

use crate::{Lists, QuotapassError, Rejection, Room, Roots, read, write};

/// Facts of an accepted post.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PostFacts {
    /// The scope.
    pub scope: String,
    /// Length of the epoch in seconds.
    pub epoch_seconds: u32,
    /// Number of the epoch.
    pub epoch: u64,
    /// The root that it was proved against.
    pub root: String,
    /// The nullifier: two posts have the same nullifier only if they use the same message id.
    pub nullifier: String,
    /// The share's abscissa, the hash of the message.
    pub x: String,
    /// The share's ordinate.
    pub y: String,
    /// The stake that was proved.
    pub min_stake: u32,
    /// The latest day of the deposit that was proved, counted from the Unix epoch.
    pub since_max: u16,
    /// The cap on messages that was proved.
    pub limit_cap: u16,
}

/// Facts of an accepted badge.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BadgeFacts {
    /// The member's pseudonym in the room; a member has only one there. A second chat key with this pseudonym is
    /// another badge of the same member.
    pub pseudonym: String,
    /// The chat key.
    pub chat_key: Vec<u8>,
    /// The root that it was proved against.
    pub root: String,
    /// The stake that was proved.
    pub min_stake: u32,
    /// The latest day of the deposit that was proved, counted from the Unix epoch.
    pub since_max: u16,
}

/// Verifier of single passes. The app must remember nullifiers: if a nullifier was seen before with the same `x`, the
/// post is a replay; with another `x`, the member has exceeded the quota and revealed the secret; see `recover`.
#[derive(uniffi::Object)]
pub struct Verifier {
    posts: verifier::Verifier<Post>,
    badges: Option<verifier::Verifier<Badge>>,
    records: RwLock<RecordKeys>,
}

/// The verifiers of records that were loaded.
#[derive(Default)]
pub(crate) struct RecordKeys {
    pub(crate) small: Option<verifier::Verifier<Record<16>>>,
    pub(crate) large: Option<verifier::Verifier<Record<128>>>,
}

#[uniffi::export]
impl Verifier {
    /// Whether the keys are development keys, with which anyone can forge proofs.
    pub fn is_development(&self) -> bool {
        self.posts.key().is_development() || self.badges.as_ref().is_some_and(|badges| badges.key().is_development())
    }

    /// Checks the pass of a message in a room at `now` (Unix seconds): in this order decoding, epoch, requirement,
    /// root, and the proof last, which takes a few milliseconds. In a room with lists, pass them: the post must then have
    /// records for them, or for those that they replaced within the room's window.
    ///
    /// # Errors
    /// `Rejection`, with the verdict's name; `NoKey` if lists are given, and the keys of their records were not added, or
    /// the lists were not synced or are those of another room.
    #[uniffi::method(default(lists = None))]
    pub fn verify_post(
        &self,
        room: &Room,
        message: Vec<u8>,
        pass: Vec<u8>,
        roots: &Roots,
        now: u64,
        lists: Option<Arc<Lists>>,
    ) -> Result<PostFacts, Rejection> {
        let (policy, now) = (room.bound_policy(), UnixSeconds(now));
        let VerifiedPost { epoch, public } = match lists {
            None => quotapass_wallet::verify_post(&self.posts, policy, &message, &pass, roots, now)?,
            Some(lists) => {
                let window = policy.values().moderation.as_ref().map_or(0, |moderation| moderation.list_window);
                let no_key = |error: QuotapassError| Rejection::NoKey { reason: format!("no verdict: {error}") };
                lists.require_for(room).map_err(no_key)?;
                let lists = self.accepted(&lists, window, now).map_err(no_key)?;
                quotapass_wallet::verify_message(&self.posts, &lists, policy, &message, &pass, roots, now)?
            }
        };
        Ok(PostFacts {
            scope: room.scope(),
            epoch_seconds: epoch.seconds().get(),
            epoch: epoch.number(),
            root: public.root.to_string(),
            nullifier: public.nullifier.to_string(),
            x: public.share.x.to_string(),
            y: public.share.y.to_string(),
            min_stake: public.requirement.min_stake,
            since_max: public.requirement.since_max.0,
            limit_cap: public.limit_cap.get(),
        })
    }

    /// Checks a badge in a room at `now` (Unix seconds).
    ///
    /// # Errors
    /// `Rejection`, with the verdict's name; `NoKey` if the prover was loaded without the badge key.
    pub fn verify_badge(&self, room: &Room, badge: Vec<u8>, roots: &Roots, now: u64) -> Result<BadgeFacts, Rejection> {
        let verifier = self.badges.as_ref().ok_or_else(|| Rejection::NoKey {
            reason: "no verdict: load the prover with the badge key, and use its verifier".into(),
        })?;
        let pass = quotapass_wallet::verify_badge(verifier, room.bound_policy(), &badge, roots, UnixSeconds(now))?;
        Ok(BadgeFacts {
            pseudonym: pass.pseudonym.to_string(),
            chat_key: pass.chat_key().to_vec(),
            root: pass.root.to_string(),
            min_stake: pass.requirement.min_stake,
            since_max: pass.requirement.since_max.0,
        })
    }
}

impl Verifier {
    pub(crate) fn of(posts: verifier::Verifier<Post>, badges: Option<verifier::Verifier<Badge>>) -> Self {
        Self { posts, badges, records: RwLock::default() }
    }

    /// Adds verifiers of records.
    pub(crate) fn add_records(&self, RecordKeys { small, large }: RecordKeys) {
        let mut records = write(&self.records);
        records.small = small.or(records.small.take());
        records.large = large.or(records.large.take());
    }

    /// The lists that are accepted, prepared for the verification.
    fn accepted(&self, lists: &Lists, window: u32, now: UnixSeconds) -> Result<VerifiedLists, QuotapassError> {
        let records = read(&self.records);
        let small = records.small.clone().ok_or_else(|| QuotapassError::key_needed(crate::Circuit::Record16))?;
        let mut verified = VerifiedLists::new(RecordVerifiers { small, large: records.large.clone() });
        for list in lists.accepted(window, now)? {
            verified.accept(&list)?;
        }
        Ok(verified)
    }
}
