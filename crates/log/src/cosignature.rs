//! Cosignatures: a witness has seen a checkpoint, at a time, after all that it saw before (C2SP `tlog-cosignature`, v1).

use core::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use ed25519_dalek::{Signature as Ed25519Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};
use quotapass_protocol::UnixSeconds;
use signed_note::{Signature, key_id};

/// The algorithm number of timestamped Ed25519 cosignatures in the keys of notes.
const COSIGNATURE: u8 = 4;

/// Errors of the keys of witnesses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CosignerKeyError {
    /// The text is not a key.
    #[error("`{0}` is not the key of a witness; expected name+hash+key of an Ed25519 cosignature key (algorithm 4)")]
    Key(String),
    /// The name of the key contains a space or a plus sign, or is empty.
    #[error("`{0}` is not a valid key name; it must not be empty, and must not contain spaces or `+`")]
    Name(String),
}

/// A private key that cosigns checkpoints. It is zeroized on drop and never printed.
///
/// It is not a [`NoteKey`](quotapass_protocol::note::NoteKey): a key that cosigns must sign nothing else.
pub struct CosignerKey {
    name: String,
    key: SigningKey,
}

impl CosignerKey {
    /// Returns the key of a seed of 32 bytes (RFC 8032).
    ///
    /// # Errors
    /// [`CosignerKeyError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, CosignerKeyError> {
        if !signed_note::is_key_name_valid(name) || name.chars().any(char::is_control) {
            return Err(CosignerKeyError::Name(name.into()));
        }
        Ok(Self { name: name.into(), key: SigningKey::from_bytes(seed) })
    }

    /// The key that others verify with.
    pub fn public(&self) -> CosignerPublicKey {
        CosignerPublicKey { name: self.name.clone(), key: self.key.verifying_key() }
    }

    /// Returns the signature line for the text of a checkpoint.
    pub(crate) fn cosign(&self, text: &str, at: UnixSeconds) -> String {
        let signature = self.key.sign(message(text, at).as_bytes());
        let public = self.public();
        let bytes = [&public.id().to_be_bytes()[..], &at.0.to_be_bytes(), &signature.to_bytes()].concat();
        format!("\u{2014} {} {}\n", self.name, BASE64_STANDARD.encode(bytes))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({})", self.public())
    }
}

/// The signed message.
fn message(text: &str, at: UnixSeconds) -> String {
    format!("cosignature/v1\ntime {at}\n{text}")
}

/// A key that verifies cosignatures. As text it is `name+hash+key`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CosignerPublicKey {
    name: String,
    key: VerifyingKey,
}

impl CosignerPublicKey {
    /// The name of the key's owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn bytes(&self) -> [u8; 33] {
        let mut bytes = [COSIGNATURE; 33];
        bytes[1..].copy_from_slice(self.key.as_bytes());
        bytes
    }

    pub(crate) fn id(&self) -> u32 {
        key_id(&self.name, &self.bytes())
    }

    pub(crate) fn ed25519(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Returns the time of a cosignature of this key, or none if the line is of another key or the signature is not of
    /// this text.
    pub(crate) fn verify(&self, text: &str, line: &Signature) -> Option<UnixSeconds> {
        if line.name() != self.name || line.id() != self.id() {
            return None;
        }
        let (time, signature) = line.signature().split_first_chunk::<8>()?;
        let at = UnixSeconds(u64::from_be_bytes(*time));
        let signature = Ed25519Signature::from_bytes(signature.try_into().ok()?);
        self.key.verify(message(text, at).as_bytes(), &signature).ok()?;
        Some(at)
    }
}

impl fmt::Display for CosignerPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:08x}+{}", self.name, self.id(), BASE64_STANDARD.encode(self.bytes()))
    }
}

impl FromStr for CosignerPublicKey {
    type Err = CosignerKeyError;

    fn from_str(text: &str) -> Result<Self, CosignerKeyError> {
        let read = || {
            let (name, rest) = text.split_once('+')?;
            let (_, key) = rest.split_once('+')?;
            let bytes: [u8; 33] = BASE64_STANDARD.decode(key).ok()?.try_into().ok()?;
            let is_name = signed_note::is_key_name_valid(name) && !name.chars().any(char::is_control);
            let key = VerifyingKey::from_bytes(bytes.last_chunk()?).ok().filter(|_| is_name)?;
            Some(Self { name: name.into(), key })
        };
        read().filter(|key| key.to_string() == text).ok_or_else(|| CosignerKeyError::Key(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "relay.example/log\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    fn key(seed: u8) -> CosignerKey {
        CosignerKey::from_seed("witness.example/w1", &[seed; 32]).unwrap()
    }

    fn line(text: &str) -> Signature {
        Signature::from_bytes(text.trim_end().as_bytes()).unwrap()
    }

    #[test]
    fn a_cosignature_is_of_one_key_one_text_and_one_time() {
        let (key, at) = (key(1), UnixSeconds(1_679_315_147));
        let signed = key.cosign(TEXT, at);
        let public: CosignerPublicKey = key.public().to_string().parse().unwrap();
        assert_eq!(public.verify(TEXT, &line(&signed)), Some(at));
        assert_eq!(public.verify(&TEXT.replace('3', "4"), &line(&signed)), None);
        assert_eq!(super::tests::key(2).public().verify(TEXT, &line(&signed)), None);
        let mut bytes = line(&signed).signature().to_vec();
        bytes[7] ^= 1;
        let later = Signature::new("witness.example/w1".into(), public.id(), bytes).unwrap();
        assert_eq!(public.verify(TEXT, &later), None);
        let short = Signature::new("witness.example/w1".into(), public.id(), vec![0; 71]).unwrap();
        assert_eq!(public.verify(TEXT, &short), None);
    }

    #[test]
    fn the_message_is_that_of_the_specification() {
        let message = message("example.com/behind-the-sofa\n20852163\nCsUY=\n", UnixSeconds(1_679_315_147));
        assert_eq!(message, "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\nCsUY=\n");
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_keep_their_secret() {
        let key = key(7);
        let text = key.public().to_string();
        assert_eq!(text.parse(), Ok(key.public()));
        assert!(!format!("{key:?}").contains(&hex::encode([7; 32])));
        // The same key as one that signs notes has another algorithm number and hash.
        let note = quotapass_protocol::note::NoteKey::from_seed("witness.example/w1", &[7; 32]).unwrap().public();
        assert!(note.to_string().parse::<CosignerPublicKey>().is_err());
        for wrong in ["", "w+00000000+AAAA", &text[1..], &format!("{text}A"), &format!(" {text}")] {
            assert_eq!(wrong.parse::<CosignerPublicKey>(), Err(CosignerKeyError::Key(wrong.into())));
        }
        assert!(CosignerKey::from_seed("two words", &[1; 32]).is_err());
    }

    proptest! {
        #[test]
        fn other_text_is_refused_without_a_panic(text in "\\PC{0,20}(\\+[0-9a-f]{8}\\+[A-Za-z0-9+/]{44})?") {
            prop_assert!(text.parse::<CosignerPublicKey>().map_or(true, |key| key.to_string() == text));
        }
    }
}
