//! Challenges to the owner of a badge's chat key.

use quotapass_circuits::signal::Scope;

/// A challenge that the owner of a badge's chat key signs, so that a copy of the badge is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadgeChallenge(pub [u8; 32]);

impl BadgeChallenge {
    /// Returns the bytes to sign with the chat key: `quotapass.badge-challenge.v1`, a zero byte, the scope (32) and the
    /// challenge (32). The scope is included so that the relay of one scope cannot forward the challenge of another
    /// scope's relay and present the answer there as its own.
    ///
    /// An app computes these bytes itself. It never signs bytes that a relay sends, because a relay could send
    /// anything.
    pub fn message(&self, scope: Scope) -> Vec<u8> {
        [&b"quotapass.badge-challenge.v1\0"[..], &scope.to_be_bytes(), &self.0].concat()
    }
}

/// An answer to a challenge: the proof of possession of a badge's chat key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Possession {
    /// The challenge.
    pub challenge: BadgeChallenge,
    /// The signature by the chat key.
    pub signature: [u8; 64],
}

/// Errors of the proof of possession of a chat key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PossessionError {
    /// The relay requires an answer to a challenge, and the request has none.
    #[error("this relay requires proof of possession of the chat key; get a challenge, and sign it with the chat key")]
    Missing,
    /// The challenge is too old.
    #[error("the challenge has expired; get a new one")]
    Expired,
    /// The challenge is from another relay, or for another scope.
    #[error("this relay did not issue the challenge for this scope; get a challenge from this relay")]
    Unknown,
    /// The chat key is neither an Ed25519 nor a secp256k1 key.
    #[error("this kind of chat key cannot sign challenges; make a badge for an Ed25519 or secp256k1 key")]
    KeyKind,
    /// The signature is not valid for the chat key.
    #[error("the signature of the challenge is not valid for the chat key; sign with the badge's chat key")]
    Signature,
}

impl PossessionError {
    /// All errors.
    pub const ALL: [Self; 5] = [Self::Missing, Self::Expired, Self::Unknown, Self::KeyKind, Self::Signature];

    /// Returns the stable name.
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
