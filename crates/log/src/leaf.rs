//! Signed entries: canonical JSON, a line feed, then the signature lines of a C2SP signed note over the origin of the log,
//! a line feed, and this JSON.
//!
//! The signatures are of one log: with the origin of another log, they are not valid.

use quotapass_protocol::note::{NoteError, NoteKey, NotePublicKey, canonical_json};
use serde_json::Value;
use signed_note::{Note, Signature, StandardVerifier, Verifier};

use crate::Origin;

/// The largest signed entry, in bytes.
pub const MAX_LEAF: usize = 16 << 10;
/// The most signatures of an entry.
const MAX_SIGNATURES: usize = 100;

/// Errors of signed entries.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// The entry is too long.
    #[error("an entry has at most 16,384 bytes, this one has {0}; keep long texts beside the log")]
    TooLong(usize),
    /// The bytes are not canonical JSON with signature lines.
    #[error("the entry is not canonical JSON (RFC 8785) on one line, followed by signature lines")]
    Malformed,
    /// An entry without signatures proves nothing.
    #[error("the entry has no signature; let those sign it whom the log's policy names")]
    Unsigned,
    /// A signature is of a key that may not sign it.
    #[error("the entry is signed by `{0}`, which the log's policy does not name for it; remove this signature")]
    Stranger(String),
    /// A signature does not match.
    #[error("the signature of `{0}` does not match the entry: the entry was changed, or is of another log")]
    Signature(String),
    /// One key signed twice.
    #[error("`{0}` signed the entry twice; remove one of the signatures")]
    Twice(String),
}

/// A signed entry. Its signatures are not verified yet: [`signers`](Self::signers) does.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedLeaf {
    json: String,
    signatures: Vec<Signature>,
}

impl SignedLeaf {
    /// Creates an entry without signatures from its canonical JSON.
    ///
    /// # Errors
    /// [`LeafError::Malformed`].
    pub fn new(json: &str) -> Result<Self, LeafError> {
        let value: Value = serde_json::from_str(json).map_err(|_| LeafError::Malformed)?;
        let is_canonical = canonical_json(&value).is_ok_and(|canonical| canonical == json);
        // Control characters are escaped in canonical JSON, so that it is one line of a note.
        if !is_canonical || !value.is_object() {
            return Err(LeafError::Malformed);
        }
        Ok(Self { json: json.into(), signatures: Vec::new() })
    }

    /// Reads an entry from its bytes.
    ///
    /// # Errors
    /// [`LeafError::TooLong`], [`LeafError::Malformed`], [`LeafError::Unsigned`].
    pub fn read(bytes: &[u8]) -> Result<Self, LeafError> {
        if bytes.len() > MAX_LEAF {
            return Err(LeafError::TooLong(bytes.len()));
        }
        let text = core::str::from_utf8(bytes).map_err(|_| LeafError::Malformed)?;
        let (json, lines) = text.split_once('\n').ok_or(LeafError::Malformed)?;
        let mut leaf = Self::new(json)?;
        if lines.is_empty() {
            return Err(LeafError::Unsigned);
        }
        let lines = lines.strip_suffix('\n').ok_or(LeafError::Malformed)?;
        for line in lines.split('\n') {
            leaf.signatures.push(Signature::from_bytes(line.as_bytes()).map_err(|_| LeafError::Malformed)?);
        }
        if leaf.signatures.len() > MAX_SIGNATURES || leaf.bytes() != bytes {
            return Err(LeafError::Malformed);
        }
        Ok(leaf)
    }

    /// The canonical JSON.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The signed text.
    fn text(&self, origin: &Origin) -> String {
        format!("{origin}\n{}\n", self.json)
    }

    /// Returns the signature line of a key for this entry in the log with this origin. It can be made elsewhere and
    /// [added](Self::add) here.
    ///
    /// # Errors
    /// [`LeafError::Malformed`] if the origin and the entry are no text of a note.
    pub fn signature_of(&self, origin: &Origin, key: &NoteKey) -> Result<String, LeafError> {
        let mut note = Note::new(self.text(origin).as_bytes(), &[]).map_err(|_| LeafError::Malformed)?;
        note.add_sigs(&[key]).map_err(|_| LeafError::Malformed)?;
        let note = String::from_utf8(note.to_bytes()).map_err(|_| LeafError::Malformed)?;
        note.rsplit_once("\n\n").map(|(_, line)| line.to_owned()).ok_or(LeafError::Malformed)
    }

    /// Adds a signature line.
    ///
    /// # Errors
    /// [`LeafError::Malformed`].
    pub fn add(&mut self, line: &str) -> Result<(), LeafError> {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let read = Signature::from_bytes(line.as_bytes()).map_err(|_| LeafError::Malformed)?;
        if read.to_bytes().strip_suffix(b"\n") != Some(line.as_bytes()) {
            return Err(LeafError::Malformed);
        }
        self.signatures.push(read);
        Ok(())
    }

    /// Signs the entry with keys that are here.
    ///
    /// # Errors
    /// As [`signature_of`](Self::signature_of).
    pub fn signed(mut self, origin: &Origin, keys: &[&NoteKey]) -> Result<Self, LeafError> {
        for key in keys {
            let line = self.signature_of(origin, key)?;
            self.add(&line)?;
        }
        Ok(self)
    }

    /// Returns the bytes of the entry.
    ///
    /// # Errors
    /// [`LeafError::TooLong`], [`LeafError::Unsigned`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, LeafError> {
        let bytes = self.bytes();
        match bytes.len() {
            long if long > MAX_LEAF => Err(LeafError::TooLong(long)),
            _ if self.signatures.is_empty() => Err(LeafError::Unsigned),
            _ => Ok(bytes),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let lines = self.signatures.iter().flat_map(Signature::to_bytes);
        self.json.bytes().chain([b'\n']).chain(lines).collect()
    }

    /// Verifies all signatures, and returns the keys that signed: a subset of the known keys, each once.
    ///
    /// # Errors
    /// [`LeafError`] if one of the signatures is of another key, is not of this entry in this log, or is there twice.
    pub fn signers<'a>(
        &self,
        origin: &Origin,
        known: &'a [NotePublicKey],
    ) -> Result<Vec<&'a NotePublicKey>, LeafError> {
        let text = self.text(origin);
        let verifier = |key: &NotePublicKey| StandardVerifier::new(&key.to_string()).ok();
        let known: Vec<_> = known.iter().filter_map(|key| Some((key, verifier(key)?))).collect();
        let mut signers = Vec::new();
        for line in &self.signatures {
            let is_of = |verifier: &StandardVerifier| verifier.name() == line.name() && verifier.key_id() == line.id();
            let found = known.iter().find(|(_, verifier)| is_of(verifier));
            let (key, verifier) = found.ok_or_else(|| LeafError::Stranger(line.name().into()))?;
            if !verifier.verify(text.as_bytes(), line.signature()) {
                return Err(LeafError::Signature(line.name().into()));
            }
            if signers.contains(key) {
                return Err(LeafError::Twice(line.name().into()));
            }
            signers.push(*key);
        }
        if signers.is_empty() { Err(LeafError::Unsigned) } else { Ok(signers) }
    }

    /// Reads the JSON as a value.
    ///
    /// # Errors
    /// [`NoteError::Json`] if it has another form.
    pub fn value<T: serde::de::DeserializeOwned>(&self) -> Result<T, NoteError> {
        Ok(serde_json::from_str(&self.json)?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origin() -> Origin {
        "relay.example/log".parse().unwrap()
    }

    fn key(name: &str, seed: u8) -> NoteKey {
        NoteKey::from_seed(name, &[seed; 32]).unwrap()
    }

    #[test]
    fn an_entry_is_json_and_the_signatures_of_a_note_with_the_origin() {
        let (alice, bob) = (key("alice", 1), key("bob", 2));
        let leaf = SignedLeaf::new(r#"{"a":"1"}"#).unwrap();
        assert_eq!(leaf.to_bytes(), Err(LeafError::Unsigned));
        let leaf = leaf.signed(&origin(), &[&alice, &bob]).unwrap();
        let bytes = leaf.to_bytes().unwrap();
        assert_eq!(SignedLeaf::read(&bytes).as_ref(), Ok(&leaf));

        // The lines are those of a note over the two lines.
        let text = String::from_utf8(bytes).unwrap();
        let (json, lines) = text.split_once('\n').unwrap();
        let note = format!("{}\n{json}\n\n{lines}", origin());
        assert_eq!(alice.public().open_json(origin().as_str(), &note).unwrap(), json);

        let known = [bob.public(), alice.public()];
        assert_eq!(leaf.signers(&origin(), &known).unwrap(), [&known[1], &known[0]]);
        assert_eq!(leaf.signers(&origin(), &known[..1]), Err(LeafError::Stranger("alice".into())));
        let other = "other.example/log".parse().unwrap();
        assert_eq!(leaf.signers(&other, &known), Err(LeafError::Signature("alice".into())));
        let twice = leaf.signed(&origin(), &[&bob]).unwrap();
        assert_eq!(twice.signers(&origin(), &known), Err(LeafError::Twice("bob".into())));
    }

    #[test]
    fn other_bytes_are_refused() {
        let signed = SignedLeaf::new(r#"{"a":"1"}"#).unwrap().signed(&origin(), &[&key("alice", 1)]).unwrap();
        let text = String::from_utf8(signed.to_bytes().unwrap()).unwrap();
        for wrong in [
            "",
            "\n",
            "{}",
            "[]\n",
            &text[..text.len() - 1],
            &format!("{text}\n"),
            &text.replace(":", ": "),
            &text.replace('\n', "\n\n"),
            &text.replace("alice", "al ice"),
            &text.replace("\"1\"", "1.5"),
        ] {
            assert_eq!(SignedLeaf::read(wrong.as_bytes()), Err(LeafError::Malformed), "{wrong}");
        }
        assert_eq!(SignedLeaf::read(b"{}\n"), Err(LeafError::Unsigned));
        let long = SignedLeaf::new(&format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_LEAF))).unwrap();
        let long = long.signed(&origin(), &[&key("alice", 1)]).unwrap();
        assert!(matches!(long.to_bytes(), Err(LeafError::TooLong(_))));
        assert!(matches!(SignedLeaf::read(&long.bytes()), Err(LeafError::TooLong(_))));
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(json in "\\{(\"[a-z]{1,2}\":\"\\PC{0,8}\"){0,1}\\}|\\PC{0,20}", lines in "(\u{2014} [a-z]{1,3} [A-Za-z0-9+/]{8}\n){0,3}") {
            let text = format!("{json}\n{lines}");
            prop_assert!(SignedLeaf::read(text.as_bytes()).map_or(true, |leaf| leaf.to_bytes() == Ok(text.into_bytes())));
        }

        #[test]
        fn a_changed_byte_is_seen(place: prop::sample::Index, byte in 32..127u8) {
            let signer = key("alice", 1);
            let leaf = SignedLeaf::new(r#"{"say":"hello"}"#).unwrap().signed(&origin(), &[&signer]).unwrap();
            let mut bytes = leaf.to_bytes().unwrap();
            let place = place.index(bytes.len());
            prop_assume!(bytes[place] != byte);
            bytes[place] = byte;
            prop_assert!(SignedLeaf::read(&bytes).and_then(|leaf| leaf.signers(&origin(), &[signer.public()]).map(drop)).is_err());
        }
    }
}
