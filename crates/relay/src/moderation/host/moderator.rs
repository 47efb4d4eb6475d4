//! Requests of moderators, signed with their keys.

use core::str::FromStr;
use std::collections::HashMap;

use ed25519_dalek::{Signature, VerifyingKey};
use parking_lot::Mutex;
use quotapass_log::LogId;
use quotapass_protocol::UnixSeconds;
use sha2::{Digest, Sha256};

/// The header that a moderator signs a request with: the Ed25519 public key in 64 hexadecimal digits, the time in Unix
/// seconds, and the signature in 128 digits, with a space between.
pub const MODERATOR_HEADER: &str = "quotapass-moderator";
/// The longest difference between the stated time and the relay's clock, in seconds.
pub const SEAL_SECONDS: u64 = 60;
/// The most signatures that are remembered. Only requests of moderators are.
const MAX_SPENT: usize = 65_536;

/// Why a request is not taken as a moderator's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModeratorError {
    /// This relay does not write the log.
    #[error("this relay does not write this log; ask the relay of its operator")]
    NotOwn,
    /// The header is missing or has another form.
    #[error(
        "the request has no valid header Quotapass-Moderator: a public key, Unix seconds and a signature, in this order"
    )]
    Header,
    /// The request was signed too long ago, or its maker's clock is wrong.
    #[error("the request was signed at {stated} (Unix time), and here it is {now}; set the clock, and sign it again")]
    Clock {
        /// The stated time.
        stated: UnixSeconds,
        /// The relay's time.
        now: UnixSeconds,
    },
    /// The signature is not of this request.
    #[error("the signature is not of this request by this key")]
    Signature,
    /// The log has no policy, so that it has no moderators.
    #[error("the log has no policy yet, and so no moderators; append one that the root key signed")]
    NoPolicy,
    /// The key is not a moderator's.
    #[error("the key is not one of a moderator in the log's policy")]
    NotAModerator,
    /// The request came before.
    #[error("this signed request came before; sign it again if it is meant again")]
    Spent,
    /// The log cannot be read.
    #[error("the log cannot be read now ({0}); try again")]
    Unavailable(String),
}

/// A request of a moderator.
///
/// The signature is over the lines `quotapass.moderator.v1`, the log, the method, the path with its query, the Unix seconds,
/// and the SHA-256 of the body, each with a line feed. So it is of no other request, of no other log, and of no entry of a
/// log: those are signed as notes. It is verified strictly (`verify_strict`): of one request and key there is one valid
/// signature that others can know, and keys of small order are refused. Nothing in the check depends on a secret.
///
/// # Replay
///
/// A request that is sent again within [`SEAL_SECONDS`] does no harm. One that reads shows what is there to who could read it
/// before. One that changes something states the whole decision, so that a second time changes nothing, unless another
/// decision came in between; therefore the relay also takes each signature once. Relays that share a store do not share this
/// memory. They are reached over TLS, so a request cannot be seen and repeated.
#[derive(Clone, Copy, Debug)]
pub struct ModeratorRequest<'a> {
    /// The value of the header.
    pub header: &'a str,
    /// The method, in capital letters.
    pub method: &'a str,
    /// The path with its query, as it was sent.
    pub target: &'a str,
    /// The body.
    pub body: &'a [u8],
}

/// A valid signature, and the key that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seal {
    pub(super) key: [u8; 32],
    signature: [u8; 64],
    at: UnixSeconds,
}

impl FromStr for Seal {
    type Err = ModeratorError;

    fn from_str(header: &str) -> Result<Self, ModeratorError> {
        let read = || {
            let (key, rest) = header.split_once(' ')?;
            let (seconds, signature) = rest.split_once(' ')?;
            let at = UnixSeconds(seconds.parse().ok()?);
            let mut seal = Self { key: [0; 32], signature: [0; 64], at };
            hex::decode_to_slice(key, &mut seal.key).ok()?;
            hex::decode_to_slice(signature, &mut seal.signature).ok()?;
            (seconds == at.0.to_string()).then_some(seal)
        };
        read().ok_or(ModeratorError::Header)
    }
}

impl ModeratorRequest<'_> {
    /// Returns the signed text.
    fn text(&self, log: LogId, at: UnixSeconds) -> String {
        let body = hex::encode(Sha256::digest(self.body));
        format!("quotapass.moderator.v1\n{log}\n{}\n{}\n{at}\n{body}\n", self.method, self.target)
    }

    /// Checks time and signature.
    pub(super) fn verify(&self, log: LogId, now: UnixSeconds) -> Result<Seal, ModeratorError> {
        let seal: Seal = self.header.parse()?;
        if seal.at.abs_diff(now) > SEAL_SECONDS {
            return Err(ModeratorError::Clock { stated: seal.at, now });
        }
        let key = VerifyingKey::from_bytes(&seal.key).map_err(|_| ModeratorError::Signature)?;
        let signature = Signature::from_bytes(&seal.signature);
        let verified = key.verify_strict(self.text(log, seal.at).as_bytes(), &signature);
        verified.map(|()| seal).map_err(|_| ModeratorError::Signature)
    }
}

/// The signatures of requests that changed something, for as long as they could be sent again.
#[derive(Debug, Default)]
pub(super) struct UsedSeals(Mutex<HashMap<[u8; 64], UnixSeconds>>);

impl UsedSeals {
    /// Takes a signature, once unless its request only reads.
    pub(super) fn spend(
        &self,
        request: &ModeratorRequest<'_>,
        seal: &Seal,
        now: UnixSeconds,
    ) -> Result<(), ModeratorError> {
        if request.method == "GET" {
            return Ok(());
        }
        let mut spent = self.0.lock();
        spent.retain(|_, at| at.abs_diff(now) <= SEAL_SECONDS);
        if spent.contains_key(&seal.signature) {
            return Err(ModeratorError::Spent);
        }
        if spent.len() >= MAX_SPENT {
            return Err(ModeratorError::Unavailable("too many requests of moderators in a minute".into()));
        }
        spent.insert(seal.signature, seal.at);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer as _, SigningKey};

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_795_176_000);
    const LOG: LogId = LogId::from_bytes([5; 32]);

    fn header(key: &SigningKey, at: UnixSeconds, request: &ModeratorRequest<'_>) -> String {
        let signature = key.sign(request.text(LOG, at).as_bytes());
        format!("{} {at} {}", hex::encode(key.verifying_key().as_bytes()), hex::encode(signature.to_bytes()))
    }

    #[test]
    fn a_signature_is_of_one_request_for_a_minute() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let unsigned = ModeratorRequest { header: "", method: "POST", target: "/a?b", body: b"{}" };
        let header = header(&key, NOW, &unsigned);
        let request = ModeratorRequest { header: &header, ..unsigned };
        let seal = request.verify(LOG, NOW).unwrap();
        assert_eq!(seal.key, key.verifying_key().to_bytes());
        for now in [NOW - 60, NOW + 60] {
            assert_eq!(request.verify(LOG, now), Ok(seal));
        }
        for now in [NOW - 61, NOW + 61] {
            assert_eq!(request.verify(LOG, now), Err(ModeratorError::Clock { stated: NOW, now }));
        }
        let others = [
            ModeratorRequest { method: "GET", ..request },
            ModeratorRequest { target: "/a", ..request },
            ModeratorRequest { body: b"{ }", ..request },
        ];
        assert!(others.iter().all(|other| other.verify(LOG, NOW) == Err(ModeratorError::Signature)));
        assert_eq!(request.verify(LogId::from_bytes([6; 32]), NOW), Err(ModeratorError::Signature));
    }

    #[test]
    fn other_headers_are_refused() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let unsigned = ModeratorRequest { header: "", method: "GET", target: "/", body: b"" };
        let header = header(&key, NOW, &unsigned);
        for wrong in
            ["", " ", &header[1..], &format!("{header}0"), &header.replace(" 1", " 01"), &header.replace(' ', "  ")]
        {
            let request = ModeratorRequest { header: wrong, ..unsigned };
            assert_eq!(request.verify(LOG, NOW), Err(ModeratorError::Header), "{wrong}");
        }
        // The key of small order, for which a signature of every text is known.
        let weak = format!("01{} {NOW} 01{}", "00".repeat(31), "00".repeat(63));
        assert_eq!(ModeratorRequest { header: &weak, ..unsigned }.verify(LOG, NOW), Err(ModeratorError::Signature));
    }

    #[test]
    fn a_change_is_taken_once_and_a_look_as_often_as_wanted() {
        let (seals, seal) = (UsedSeals::default(), Seal { key: [1; 32], signature: [2; 64], at: NOW });
        let change = ModeratorRequest { header: "", method: "POST", target: "/", body: b"" };
        let look = ModeratorRequest { method: "GET", ..change };
        assert_eq!(seals.spend(&change, &seal, NOW), Ok(()));
        assert_eq!(seals.spend(&change, &seal, NOW + 60), Err(ModeratorError::Spent));
        assert_eq!(seals.spend(&look, &seal, NOW), Ok(()));
        assert_eq!(seals.spend(&look, &seal, NOW), Ok(()));
        // It is forgotten when its time is over, in which it is refused anyway.
        assert_eq!(seals.spend(&change, &seal, NOW + 61), Ok(()));
    }
}
