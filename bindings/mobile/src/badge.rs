//! Badges.

use std::sync::Arc;

use quotapass::{client, relay::BadgeChallenge};
use quotapass_circuits::membership;
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, Membership, Prover, QuotapassError, Room,
    prepared::together,
    progress::{Progress, Step},
};

/// A chat key's badge.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BadgePass {
    /// The badge as it is sent; the chat key is in it.
    pub encoded: Vec<u8>,
    /// The same as text: base64url without padding.
    pub text: String,
    /// The account's only pseudonym in the room.
    pub pseudonym: String,
}

#[uniffi::export]
impl Room {
    /// The bytes that the owner of a badge's chat key signs with that key, to show a relay that the key is at hand and that
    /// the badge is no copy. `challenge` are the 32 bytes that the relay gives at `/v1/badges/challenge`. A key of Ed25519
    /// signs the bytes, one of secp256k1 their SHA-256, with a low s.
    ///
    /// Sign for relays alone that are trusted with the room: another one could show the signature elsewhere as its own.
    ///
    /// # Errors
    /// `BadInput` if the challenge has not 32 bytes.
    pub fn badge_challenge_message(&self, challenge: Vec<u8>) -> Result<Vec<u8>, QuotapassError> {
        let wrong = |challenge: Vec<u8>| {
            QuotapassError::bad_input("challenge", format!("has {} bytes; give the relay's 32", challenge.len()))
        };
        let challenge = challenge.try_into().map_err(wrong)?;
        Ok(BadgeChallenge(challenge).message(self.client().scope()))
    }
}

#[uniffi::export]
impl Prover {
    /// Proves that a chat key, for example an Ed25519 public key, belongs to a member who meets what the room asks for on
    /// the day of `now` (Unix seconds). Messages are then signed with that key, and need no proof. Posts of the account
    /// cannot be linked to its badge; all that is signed with the key can be linked to each other.
    ///
    /// # Errors
    /// `Ineligible`, `Mismatch`, `Closed` and those of the membership, as for `prepare`; `Key` without the key of badges;
    /// `BadInput` if the chat key has more than 65,535 bytes; `Cancelled`.
    #[uniffi::method(name = "badge", default(token = None))]
    pub fn make_badge(
        &self,
        account: &Account,
        membership: &Membership,
        room: &Room,
        chat_key: Vec<u8>,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<BadgePass, QuotapassError> {
        let progress = Progress::of(token);
        let prover = self.badge()?;
        let (secret, member, path) = together(account, membership, room)?;
        progress.begin(Step::Prove)?;
        let own = membership::Membership { secret: &secret, member: &member, path: &path };
        let pass = client::make_badge(prover, room.client(), own, &chat_key, now, &mut OsRng)?;
        Ok(BadgePass { encoded: pass.to_bytes(), text: pass.to_text(), pseudonym: pass.pseudonym.to_string() })
    }
}
