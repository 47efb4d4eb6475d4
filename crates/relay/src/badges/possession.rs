//! Proof of possession of a badge's chat key.
//!
//! A badge says that a chat key belongs to a member. It is public, and anybody can send a copy. A relay that opens a
//! session for the sender of a badge therefore asks for a signature by the chat key over a challenge that this relay
//! made.
//!
//! The signed message is `quotapass.badge-challenge.v1`, a zero byte, the scope (32 bytes) and the challenge (32
//! bytes). The length of the chat key determines how the signature (64 bytes) is read:
//!
//! | chat key | signature |
//! |---|---|
//! | 32 bytes | Ed25519 (RFC 8032) of the message |
//! | 33 or 65 bytes | ECDSA over secp256k1 of the message's SHA-256, r and s, for a point in SEC 1's form; s is low |
//!
//! Other keys have no challenges, among them BIP-340 keys given by their x coordinate.
//!
//! A challenge contains the time at which it was made, and an authentication code over scope and time. The relay stores
//! no issued challenges, so requests cost it no memory. A challenge is valid any number of times until it expires: an
//! attacker who reads the answer in transit can repeat it until then, with the badge that it was for. A relay that the
//! owner answers directly can do more: it may forward the challenge of another relay of the same scope, and send the
//! answer there. Therefore apps answer only relays that they trust with the scope.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use quotapass_circuits::signal::Scope;
use quotapass_protocol::{BadgeChallenge, Possession, PossessionError, UnixSeconds};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// The lifetime of a challenge, in seconds.
pub const CHALLENGE_SECONDS: u64 = 120;
/// The block size of SHA-256.
const BLOCK_BYTES: usize = 64;
/// The size of the time in a challenge; the rest is the code.
const TIME_BYTES: usize = 8;

/// Issues challenges and recognizes its own.
#[derive(Clone)]
pub struct Challenger(Arc<Zeroizing<[u8; BLOCK_BYTES]>>);

impl core::fmt::Debug for Challenger {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Challenger(..)")
    }
}

impl Challenger {
    /// Creates a challenger with a random key. Only a challenger with the same key recognizes its challenges.
    pub fn new(key: [u8; 32]) -> Self {
        // HMAC pads a short key in this way.
        let mut block = Zeroizing::new([0; BLOCK_BYTES]);
        block[..32].copy_from_slice(&*Zeroizing::new(key));
        Self(Arc::new(block))
    }

    /// Makes a challenge for a scope at `now`.
    pub fn challenge(&self, scope: Scope, now: UnixSeconds) -> BadgeChallenge {
        let mut bytes = [0; 32];
        bytes[..TIME_BYTES].copy_from_slice(&now.0.to_be_bytes());
        let code = self.code(scope, now).finalize().into_bytes();
        bytes[TIME_BYTES..].copy_from_slice(&code[..32 - TIME_BYTES]);
        BadgeChallenge(bytes)
    }

    fn code(&self, scope: Scope, at: UnixSeconds) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new(&(**self.0).into());
        code.update(b"quotapass.badge-challenge.v1\0");
        code.update(&scope.to_be_bytes());
        code.update(&at.0.to_be_bytes());
        code
    }

    /// Checks an answer at `now`: whether it proves possession of a chat key.
    ///
    /// # Errors
    /// [`PossessionError`].
    pub fn check(
        &self,
        scope: Scope,
        chat_key: &[u8],
        possession: &Possession,
        now: UnixSeconds,
    ) -> Result<(), PossessionError> {
        let BadgeChallenge(bytes) = &possession.challenge;
        let (time, code) = bytes.split_at(TIME_BYTES);
        let at = time.try_into().map(u64::from_be_bytes).map(UnixSeconds).map_err(|_| PossessionError::Unknown)?;
        // First the code, in constant time: a time without a valid code has no meaning.
        self.code(scope, at).verify_truncated_left(code).map_err(|_| PossessionError::Unknown)?;
        if now.abs_diff(at) > CHALLENGE_SECONDS {
            return Err(PossessionError::Expired);
        }
        let message = possession.challenge.message(scope);
        if is_signed(chat_key, &message, &possession.signature)? { Ok(()) } else { Err(PossessionError::Signature) }
    }
}

/// The check of possession for one badge.
#[derive(Clone, Debug)]
pub struct KeyCheck {
    /// The challenger whose challenges are valid.
    pub challenger: Challenger,
    /// The answer to a challenge, if the request has one.
    pub possession: Option<Possession>,
    /// Whether an answer is required.
    pub is_required: bool,
}

impl KeyCheck {
    /// Returns whether possession of a chat key is proved at `now`.
    ///
    /// # Errors
    /// [`PossessionError`] for a wrong answer, and for a missing answer if one is required.
    pub fn check(&self, scope: Scope, chat_key: &[u8], now: UnixSeconds) -> Result<bool, PossessionError> {
        match &self.possession {
            Some(possession) => self.challenger.check(scope, chat_key, possession, now).map(|()| true),
            None if self.is_required => Err(PossessionError::Missing),
            None => Ok(false),
        }
    }
}

/// Returns whether a signature of a message is valid for a chat key.
fn is_signed(chat_key: &[u8], message: &[u8], signature: &[u8; 64]) -> Result<bool, PossessionError> {
    let is_signed = match chat_key.len() {
        32 => is_ed25519(chat_key, message, signature),
        33 | 65 => is_ecdsa(chat_key, message, signature),
        _ => None,
    };
    is_signed.ok_or(PossessionError::KeyKind)
}

/// Verifies an Ed25519 signature. None if the bytes are not a key.
fn is_ed25519(key: &[u8], message: &[u8], signature: &[u8; 64]) -> Option<bool> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    // Strict verification: for a key of small order, anybody can make a valid signature.
    Some(key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature)).is_ok())
}

/// Verifies an ECDSA signature. None if the bytes are not a key.
fn is_ecdsa(key: &[u8], message: &[u8], signature: &[u8; 64]) -> Option<bool> {
    use k256::ecdsa::{Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
    let key = VerifyingKey::from_sec1_bytes(key).ok()?;
    let is_low = |signature: &Signature| signature.normalize_s().is_none();
    let signature = Signature::from_slice(signature).ok().filter(is_low);
    Some(signature.is_some_and(|signature| key.verify_prehash(&Sha256::digest(message), &signature).is_ok()))
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::Signer;
    use k256::ecdsa::signature::hazmat::PrehashSigner;
    use proptest::prelude::*;
    use quotapass_circuits::registry_id::RegistryId;

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn scope(name: &str) -> Scope {
        Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, name)
    }

    fn challenger() -> Challenger {
        Challenger::new([7; 32])
    }

    /// Returns the chat key of a kind, and its signature of a message.
    fn sign(kind: usize, message: &[u8]) -> (Vec<u8>, [u8; 64]) {
        let digest = Sha256::digest(message);
        let ecdsa = k256::ecdsa::SigningKey::from_slice(&[9; 32]).unwrap();
        let low_s = |signature: k256::ecdsa::Signature| signature.normalize_s().unwrap_or(signature).to_bytes().into();
        match kind {
            0 => {
                let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
                (key.verifying_key().to_bytes().to_vec(), key.sign(message).to_bytes())
            }
            kind => {
                let point = ecdsa.verifying_key().to_encoded_point(kind == 1);
                (point.as_bytes().to_vec(), low_s(ecdsa.sign_prehash(&digest).unwrap()))
            }
        }
    }

    #[test]
    fn every_kind_of_key_answers_and_no_other_key_message_or_scope_does() {
        let (scope, other) = (scope("room"), scope("another room"));
        let challenge = challenger().challenge(scope, NOW);
        for kind in 0..3 {
            let (key, signature) = sign(kind, &challenge.message(scope));
            let check =
                |scope, key: &[u8], possession: &Possession, now| challenger().check(scope, key, possession, now);
            let possession = Possession { challenge, signature };
            assert_eq!(check(scope, &key, &possession, NOW), Ok(()), "{kind}");
            assert_eq!(check(scope, &key, &possession, NOW + CHALLENGE_SECONDS), Ok(()));
            assert_eq!(check(scope, &key, &possession, NOW + CHALLENGE_SECONDS + 1), Err(PossessionError::Expired));
            // Attack: the answer for one scope is sent to another.
            assert_eq!(check(other, &key, &possession, NOW), Err(PossessionError::Unknown));
            // Attack: the answer to another relay is sent here.
            let foreign = Challenger::new([8; 32]).challenge(scope, NOW);
            let (_, signature) = sign(kind, &foreign.message(scope));
            let foreign = Possession { challenge: foreign, signature };
            assert_eq!(check(scope, &key, &foreign, NOW), Err(PossessionError::Unknown));
            // Attack: a signature of something else by the same key, or by another key.
            let (_, signature) = sign(kind, b"a message that the owner signed elsewhere");
            let replayed = Possession { challenge, signature };
            assert_eq!(check(scope, &key, &replayed, NOW), Err(PossessionError::Signature));
            let (stranger, _) = sign((kind + 1) % 3, b"");
            if kind == 0 || stranger.len() == 32 {
                assert_eq!(check(scope, &stranger, &possession, NOW), Err(PossessionError::Signature));
            }
            for key in [&b""[..], b"a name", &[0; 33], &[4; 65], &[5; 66]] {
                assert_eq!(check(scope, key, &possession, NOW), Err(PossessionError::KeyKind));
            }
        }
    }

    /// Attack: the second of the two values of s turns a known signature into another valid one.
    #[test]
    fn a_high_s_is_refused() {
        let (scope, challenge) = (scope("room"), challenger().challenge(scope("room"), NOW));
        let (key, signature) = sign(1, &challenge.message(scope));
        let signature = k256::ecdsa::Signature::from_slice(&signature).unwrap();
        let high = k256::ecdsa::Signature::from_scalars(signature.r(), -*signature.s()).unwrap();
        let possession = Possession { challenge, signature: high.to_bytes().into() };
        assert_eq!(challenger().check(scope, &key, &possession, NOW), Err(PossessionError::Signature));
    }

    /// Attack: a key of small order, with a signature that anybody can make.
    #[test]
    fn a_key_of_small_order_signs_nothing() {
        let (scope, challenge) = (scope("room"), challenger().challenge(scope("room"), NOW));
        let mut identity = [0; 32];
        identity[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let answer = challenger().check(scope, &identity, &Possession { challenge, signature }, NOW);
        assert_eq!(answer, Err(PossessionError::Signature));
    }

    proptest! {
        #[test]
        fn no_other_challenge_is_known(bytes: [u8; 32], flipped in 0..256usize, key in prop::collection::vec(any::<u8>(), 0..70)) {
            let scope = scope("room");
            let check = |challenge| {
                challenger().check(scope, &key, &Possession { challenge, signature: [1; 64] }, NOW)
            };
            prop_assert_eq!(check(BadgeChallenge(bytes)), Err(PossessionError::Unknown));
            let BadgeChallenge(mut good) = challenger().challenge(scope, NOW);
            good[flipped / 8] ^= 1 << (flipped % 8);
            prop_assert_eq!(check(BadgeChallenge(good)), Err(PossessionError::Unknown));
        }
    }
}
