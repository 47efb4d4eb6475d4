//! Verification of posts and badges.

use quotapass_circuits::{badge::Badge, post::Post, verifier};
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::VerifiedPost;

use crate::{Rejection, Room, Roots};

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
}

#[uniffi::export]
impl Verifier {
    /// Whether the keys are development keys, with which anyone can forge proofs.
    pub fn is_development(&self) -> bool {
        self.posts.key().is_development() || self.badges.as_ref().is_some_and(|badges| badges.key().is_development())
    }

    /// Checks the pass of a message in a room at `now` (Unix seconds): in this order decoding, epoch, requirement,
    /// root, and the proof last, which takes a few milliseconds.
    ///
    /// # Errors
    /// `Rejection`, with the verdict's name.
    pub fn verify_post(
        &self,
        room: &Room,
        message: Vec<u8>,
        pass: Vec<u8>,
        roots: &Roots,
        now: u64,
    ) -> Result<PostFacts, Rejection> {
        let VerifiedPost { epoch, public } =
            quotapass_wallet::verify_post(&self.posts, room.bound_policy(), &message, &pass, roots, UnixSeconds(now))?;
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
        Self { posts, badges }
    }
}
