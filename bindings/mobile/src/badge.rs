//! Badges.

use std::sync::Arc;

use quotapass_circuits::membership;
use quotapass_protocol::{BadgeChallenge, UnixSeconds};
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, Membership, Prover, QuotapassError, Room,
    prepared::together,
    progress::{Progress, Step},
};

/// A chat key's badge.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct BadgePass {
    /// The badge in its wire format, which includes the chat key.
    pub encoded: Vec<u8>,
    /// The same as text: base64url without padding.
    pub text: String,
    /// The account's only pseudonym in the room.
    pub pseudonym: String,
}

#[uniffi::export]
impl Room {
    /// Returns the bytes that the owner of a badge signs with its chat key, to prove to a relay that they hold the key
    /// and that the badge is not copied. `challenge` is the 32 bytes that the relay returns at `/v1/badges/challenge`.
    /// An Ed25519 key signs the bytes; a secp256k1 key signs their SHA-256, with a low s.
    ///
    /// Sign only for relays that are trusted with the room: another relay could present the signature elsewhere as its
    /// own.
    ///
    /// # Errors
    /// `BadInput` if the challenge does not have 32 bytes.
    pub fn badge_challenge_message(&self, challenge: Vec<u8>) -> Result<Vec<u8>, QuotapassError> {
        let wrong = |challenge: Vec<u8>| {
            QuotapassError::bad_input("challenge", format!("has {} bytes; give the relay's 32", challenge.len()))
        };
        let challenge = challenge.try_into().map_err(wrong)?;
        Ok(BadgeChallenge(challenge).message(self.bound_policy().scope()))
    }
}

#[uniffi::export]
impl Prover {
    /// Proves that a chat key, for example an Ed25519 public key, belongs to a member who meets the room's requirement
    /// on the day of `now` (Unix seconds). Messages are then signed with that key and need no proof. Posts of the
    /// account cannot be linked to its badge, but everything signed with the key can be linked together.
    ///
    /// # Errors
    /// `Ineligible`, `Mismatch`, `Closed` and those of the membership, as for `prepare`; `Key` if the badge key is not
    /// loaded; `BadInput` if the chat key has more than 65,535 bytes; `Cancelled`.
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
        let pass =
            quotapass_wallet::make_badge(prover, room.bound_policy(), own, &chat_key, UnixSeconds(now), &mut OsRng)?;
        Ok(BadgePass { encoded: pass.to_bytes(), text: pass.to_text(), pseudonym: pass.pseudonym.to_string() })
    }
}
