//! Signed statements: a C2SP signed note (<https://c2sp.org/signed-note>, Ed25519) over canonical JSON (RFC 8785).
//!
//! The text of a note is two lines: a *context*, which says what is stated, and the statement as canonical JSON.
//! Because of the context, a signature of one kind of statement cannot be presented as a signature of another kind.
//!
//! Statements contain no fractions and no numbers that a JavaScript number cannot hold: [`canonical_json`] refuses
//! them. Their types write 64-bit numbers as decimal text, bytes as lower-case hexadecimal digits without a prefix, and
//! times as RFC 3339 in whole seconds with `Z`. So each statement has exactly one text, in every language.

use core::{fmt, str::FromStr};

use ed25519_dalek::{SigningKey, ed25519::signature::Signer as _};
use rand::{CryptoRng, RngCore};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};
use signed_note::{Note, Signer, StandardVerifier, Verifier, VerifierList, key_id, new_ed25519_verifier_key};
use zeroize::Zeroizing;

/// The algorithm number of Ed25519 in the keys of notes.
const ED25519: u8 = 1;
/// The largest integer that every JSON parser reads exactly: 2^53 - 1.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// Error of a statement or a note.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The value has no JSON form, or does not have the expected type.
    #[error("the statement does not have the expected form: {0}")]
    Json(#[from] serde_json::Error),
    /// Some JSON parsers do not read the number exactly.
    #[error("the statement has the number {0}, which is not a whole number below 2^53; state it as text")]
    Number(serde_json::Number),
    /// The statement's JSON is not in its canonical form.
    #[error("the statement is not canonical JSON (RFC 8785); ask for the signed text itself")]
    NotCanonical,
    /// The bytes are not a note.
    #[error("this is not a signed note with a context and one line of JSON")]
    Malformed,
    /// The note has another context, so it is another kind of statement.
    #[error("the note's context is `{found}`, not `{expected}`")]
    Context {
        /// The expected context.
        expected: String,
        /// The context of the note.
        found: String,
    },
    /// The note has no signature of the known key.
    #[error("the note is not signed by {0}; do not use what it states")]
    NotSigned(NotePublicKey),
    /// The signature does not match the text.
    #[error("the signature of {0} does not match this text: the text was changed; do not use what it states")]
    Signature(NotePublicKey),
    /// A key's text is not of the form `name+hash+key`.
    #[error("`{0}` is not a verifier key of the form name+hash+key")]
    Key(String),
    /// The name of the key contains a space or a plus sign, or is empty.
    #[error("`{0}` is not a valid key name: it must not be empty, and must not contain spaces or `+`")]
    Name(String),
}

/// Returns the canonical JSON (RFC 8785) of a statement.
///
/// # Errors
/// [`NoteError::Json`] if it has no JSON form, [`NoteError::Number`] if some JSON parsers would not read one of its
/// numbers exactly.
pub fn canonical_json(statement: &impl Serialize) -> Result<String, NoteError> {
    let value = serde_json::to_value(statement)?;
    check_numbers(&value)?;
    Ok(serde_json_canonicalizer::to_string(&value)?)
}

/// Returns the SHA-256 of the canonical JSON of a statement.
///
/// # Errors
/// As [`canonical_json`].
pub fn canonical_hash(statement: &impl Serialize) -> Result<[u8; 32], NoteError> {
    Ok(Sha256::digest(canonical_json(statement)?.as_bytes()).into())
}

fn check_numbers(value: &Value) -> Result<(), NoteError> {
    match value {
        Value::Number(number) => {
            let is_exact = number.as_i64().is_some_and(|whole| whole.unsigned_abs() <= MAX_NUMBER);
            if is_exact { Ok(()) } else { Err(NoteError::Number(number.clone())) }
        }
        Value::Array(values) => values.iter().try_for_each(check_numbers),
        Value::Object(members) => members.values().try_for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// A private key that signs notes. It is zeroized on drop and never printed.
pub struct NoteKey {
    name: String,
    key: SigningKey,
}

impl NoteKey {
    /// Generates a new key.
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn generate(name: &str, rng: &mut (impl RngCore + CryptoRng)) -> Result<Self, NoteError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *seed);
        Self::from_seed(name, &seed)
    }

    /// Returns the key of a seed of 32 bytes (RFC 8032).
    ///
    /// # Errors
    /// [`NoteError::Name`].
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, NoteError> {
        if !signed_note::is_key_name_valid(name) {
            return Err(NoteError::Name(name.into()));
        }
        Ok(Self { name: name.into(), key: SigningKey::from_bytes(seed) })
    }

    /// The seed.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The key that others verify with.
    pub fn public(&self) -> NotePublicKey {
        NotePublicKey(new_ed25519_verifier_key(&self.name, &self.key.verifying_key()))
    }

    /// Signs a statement and returns the note.
    ///
    /// # Errors
    /// As [`canonical_json`]; [`NoteError::Malformed`] if the context is not one line of text.
    pub fn sign(&self, context: &str, statement: &impl Serialize) -> Result<String, NoteError> {
        self.sign_json(context, &canonical_json(statement)?)
    }

    /// Signs a statement, given as canonical JSON, and returns the note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] if the context or the JSON is not one line of text.
    pub fn sign_json(&self, context: &str, json: &str) -> Result<String, NoteError> {
        if context.is_empty() || [context, json].iter().any(|line| line.contains('\n')) {
            return Err(NoteError::Malformed);
        }
        let mut note = Note::new(format!("{context}\n{json}\n").as_bytes(), &[]).map_err(|_| NoteError::Malformed)?;
        note.add_sigs(&[self]).map_err(|_| NoteError::Malformed)?;
        String::from_utf8(note.to_bytes()).map_err(|_| NoteError::Malformed)
    }
}

impl Signer for NoteKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn key_id(&self) -> u32 {
        key_id(&self.name, &[&[ED25519][..], self.key.verifying_key().as_bytes()].concat())
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, ed25519_dalek::SignatureError> {
        Ok(self.key.try_sign(text)?.to_vec())
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKey({})", self.public())
    }
}

/// A key that verifies notes, as text: `name+hash+key` (a C2SP verifier key).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NotePublicKey(String);

impl NotePublicKey {
    /// Verifies a note and returns its statement.
    ///
    /// # Errors
    /// [`NoteError`] if the text is not a note of this context with this key's signature, or its statement is not a
    /// value of type `T` in canonical JSON.
    pub fn open<T: DeserializeOwned>(&self, context: &str, note: &str) -> Result<T, NoteError> {
        let json = self.open_json(context, note)?;
        Ok(serde_json::from_str(&json)?)
    }

    /// Verifies a note and returns its statement as canonical JSON.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_json(&self, context: &str, note: &str) -> Result<String, NoteError> {
        let verifier = StandardVerifier::new(&self.0).map_err(|_| NoteError::Key(self.0.clone()))?;
        let note = Note::from_bytes(note.as_bytes()).map_err(|_| NoteError::Malformed)?;
        let text = core::str::from_utf8(note.text()).map_err(|_| NoteError::Malformed)?;
        let (found, rest) = text.split_once('\n').ok_or(NoteError::Malformed)?;
        let json = rest.strip_suffix('\n').filter(|json| !json.contains('\n')).ok_or(NoteError::Malformed)?;
        let known = VerifierList::new(vec![Box::new(verifier)]);
        note.verify(&known).map_err(|error| match error {
            signed_note::NoteError::InvalidSignature { .. } => NoteError::Signature(self.clone()),
            _ => NoteError::NotSigned(self.clone()),
        })?;
        if found != context {
            return Err(NoteError::Context { expected: context.into(), found: found.into() });
        }
        let value: Value = serde_json::from_str(json)?;
        if canonical_json(&value)? != json {
            return Err(NoteError::NotCanonical);
        }
        Ok(json.into())
    }

    /// The name of the key's owner.
    pub fn name(&self) -> &str {
        self.0.split('+').next().unwrap_or(&self.0)
    }
}

impl FromStr for NotePublicKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let refuse = || NoteError::Key(text.into());
        let verifier = StandardVerifier::new(text).map_err(|_| refuse())?;
        let is_plain = text.starts_with(&format!("{}+{:08x}+", verifier.name(), verifier.key_id()));
        if is_plain { Ok(Self(text.into())) } else { Err(refuse()) }
    }
}

impl fmt::Display for NotePublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const CONTEXT: &str = "quotapass.test.v1";

    fn key(seed: u8) -> NoteKey {
        NoteKey::from_seed("tester", &[seed; 32]).unwrap()
    }

    #[test]
    fn json_is_canonical_whatever_its_order_and_spaces() {
        let value =
            json!({ "b": [1, "é\u{1}\"", null], "\u{20ac}": -0, "a": { "d": true, "c": 9_007_199_254_740_991u64 } });
        let text = canonical_json(&value).unwrap();
        assert_eq!(text, r#"{"a":{"c":9007199254740991,"d":true},"b":[1,"é\u0001\"",null],"€":0}"#);
        for number in [json!(9_007_199_254_740_992u64), json!(0.5), json!(u64::MAX)] {
            assert!(matches!(canonical_json(&json!([number])), Err(NoteError::Number(_))));
        }
        let hash = canonical_hash(&json!({})).unwrap();
        // The hash of `{}` as `sha256sum` prints it.
        assert_eq!(hex::encode(hash), "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
    }

    #[test]
    fn a_note_says_what_was_signed_and_nothing_else() {
        let (key, statement) = (key(1), json!({ "say": "hello", "count": 3 }));
        let note = key.sign(CONTEXT, &statement).unwrap();
        assert!(note.starts_with("quotapass.test.v1\n{\"count\":3,\"say\":\"hello\"}\n\n\u{2014} tester "), "{note}");
        let public: NotePublicKey = key.public().to_string().parse().unwrap();
        assert_eq!(public.open::<Value>(CONTEXT, &note).unwrap(), statement);

        let open = |note: &str| public.open::<Value>(CONTEXT, note).unwrap_err();
        assert!(matches!(open(&note.replace("hello", "hallo")), NoteError::Signature(_)));
        assert!(matches!(open(&note.replace("test.v1", "other.v1")), NoteError::Signature(_)));
        let other = key.sign("quotapass.other.v1", &statement).unwrap();
        assert!(matches!(open(&other), NoteError::Context { .. }));
        let strangers = NoteKey::from_seed("tester", &[2; 32]).unwrap().sign(CONTEXT, &statement).unwrap();
        assert!(matches!(open(&strangers), NoteError::NotSigned(_)));
        for (json, is_canonical) in [("{\"a\": 1}", false), ("{\"a\":1,\"a\":1}", false), ("{\"a\":1}", true)] {
            let note = key.sign_json(CONTEXT, json).unwrap();
            assert_eq!(public.open_json(CONTEXT, &note).is_ok(), is_canonical, "{json}");
        }
        for broken in ["", "\n\n", "text", &note[..note.len() - 1], &note.replace("\n\n", "\n")] {
            assert!(matches!(open(broken), NoteError::Malformed), "{broken}");
        }
        assert!(matches!(key.sign_json("two\nlines", "{}"), Err(NoteError::Malformed)));
    }

    #[test]
    fn the_example_of_the_specification_is_verified() {
        let key: NotePublicKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse().unwrap();
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        let context = "If you think cryptography is the answer to your problem,";
        // The signature is good, and the second line is not JSON.
        assert!(matches!(key.open_json(context, note), Err(NoteError::Json(_))));
        let changed = note.replace("don't", "do");
        assert!(matches!(key.open_json(context, &changed), Err(NoteError::Signature(_))));
    }

    #[test]
    fn keys_are_read_as_they_are_written_and_keep_their_secret() {
        let key = key(7);
        let public = key.public();
        assert_eq!(public.name(), "tester");
        let shown = format!("{key:?}");
        assert!(!shown.contains(&hex::encode([7; 32])) && shown.contains(&public.to_string()));
        assert_eq!(*key.seed(), [7; 32]);
        let text = public.to_string();
        for wrong in ["", "tester", "tester+00000000+AAAA", &text[1..], &format!("{text}A"), &format!(" {text}")] {
            assert!(matches!(wrong.parse::<NotePublicKey>(), Err(NoteError::Key(_))), "{wrong}");
        }
        assert!(matches!(NoteKey::from_seed("a name", &[1; 32]), Err(NoteError::Name(_))));
    }

    proptest! {
        #[test]
        fn statements_return(texts in prop::collection::btree_map(".*", ".*", 0..5), number in 0..=MAX_NUMBER) {
            let key = key(3);
            let statement = json!({ "texts": texts, "number": number });
            let note = key.sign(CONTEXT, &statement).unwrap();
            prop_assert_eq!(key.public().open::<Value>(CONTEXT, &note).unwrap(), statement);
        }

        #[test]
        fn other_texts_are_refused(text in "(\\PC|\n){0,200}", context in "\\PC{0,9}") {
            let public = key(3).public();
            prop_assert!(public.open_json(&context, &text).is_err());
            prop_assert!(text.parse::<NotePublicKey>().is_err());
        }

        #[test]
        fn a_changed_byte_is_seen(place: prop::sample::Index, byte in 32..127u8) {
            let key = key(3);
            let note = key.sign(CONTEXT, &json!({ "scopes": ["lobby"] })).unwrap();
            let mut bytes = note.clone().into_bytes();
            let place = place.index(bytes.len());
            prop_assume!(bytes[place] != byte);
            bytes[place] = byte;
            if let Ok(changed) = String::from_utf8(bytes) {
                prop_assert!(key.public().open_json(CONTEXT, &changed).is_err());
            }
        }
    }
}
