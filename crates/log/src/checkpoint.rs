//! Checkpoints: what a log has at one size (C2SP `tlog-checkpoint`), signed by the log and cosigned by witnesses.

use core::fmt;

use quotapass_protocol::{
    UnixSeconds,
    note::{NoteKey, NotePublicKey},
};
use signed_note::{Note, Signature, StandardVerifier, Verifier};

use crate::{CosignerKey, CosignerPublicKey, MAX_SIZE, Origin, TreeHash};

/// The longest note of a checkpoint, in bytes, signatures included.
const MAX_NOTE: usize = 16 << 10;

/// Errors of checkpoints.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes are not a signed checkpoint.
    #[error(
        "this is not a signed checkpoint of at most 16 KiB: origin, size and root on three lines, an empty line, signatures"
    )]
    Malformed,
    /// The log has more entries than this program reads.
    #[error("the checkpoint states {0} entries; this program reads logs of at most 2^40")]
    TooLarge(u64),
    /// The key has the name of something else.
    #[error("the key is named `{key}`; a key that signs checkpoints of `{origin}` has this name")]
    KeyName {
        /// The name of the key.
        key: String,
        /// The origin of the log.
        origin: String,
    },
    /// The signature is not of a known witness, or is not of this checkpoint.
    #[error("this is not a cosignature of this checkpoint by one of the known witnesses; nothing was changed")]
    Cosignature,
}

/// What a log has at one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's origin.
    pub origin: Origin,
    /// The number of entries.
    pub size: u64,
    /// The root of the tree of these entries.
    pub root: TreeHash,
}

impl Checkpoint {
    /// Reads the text of a checkpoint. Lines after the third are refused: logs of this project have none.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`], [`CheckpointError::TooLarge`].
    pub fn read(text: &str) -> Result<Self, CheckpointError> {
        let read = || {
            let read = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).ok()?;
            let origin = read.origin().parse().ok()?;
            Some(Self { origin, size: read.size(), root: TreeHash::of_inner(*read.hash()) })
        };
        let checkpoint = read().filter(|read| read.to_string() == text).ok_or(CheckpointError::Malformed)?;
        if checkpoint.size > MAX_SIZE { Err(CheckpointError::TooLarge(checkpoint.size)) } else { Ok(checkpoint) }
    }
}

/// The three lines.
impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, size, root } = self;
        write!(f, "{origin}\n{size}\n{root}\n")
    }
}

/// A checkpoint with signatures, which are not verified yet.
#[derive(Clone, Debug, PartialEq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    signatures: Vec<Signature>,
}

impl SignedCheckpoint {
    /// Signs a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::KeyName`].
    pub fn sign(checkpoint: Checkpoint, key: &NoteKey) -> Result<Self, CheckpointError> {
        let text = checkpoint.to_string();
        let public = key.public();
        if public.name() != checkpoint.origin.as_str() {
            return Err(CheckpointError::KeyName { key: public.name().into(), origin: checkpoint.origin.to_string() });
        }
        let mut note = Note::new(text.as_bytes(), &[]).map_err(|_| CheckpointError::Malformed)?;
        note.add_sigs(&[key]).map_err(|_| CheckpointError::Malformed)?;
        Self::read(&note.to_bytes())
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`], [`CheckpointError::TooLarge`].
    pub fn read(note: &[u8]) -> Result<Self, CheckpointError> {
        let text = core::str::from_utf8(note).ok().filter(|text| text.len() <= MAX_NOTE);
        let (text, lines) = text.and_then(|text| text.rsplit_once("\n\n")).ok_or(CheckpointError::Malformed)?;
        let lines = lines.strip_suffix('\n').ok_or(CheckpointError::Malformed)?;
        let signature = |line: &str| Signature::from_bytes(line.as_bytes()).map_err(|_| CheckpointError::Malformed);
        let signatures = lines.split('\n').map(signature).collect::<Result<_, _>>()?;
        let read = Self { checkpoint: Checkpoint::read(&format!("{text}\n"))?, signatures };
        // No second form of one note.
        if read.to_string().as_bytes() == note { Ok(read) } else { Err(CheckpointError::Malformed) }
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Returns the first of these keys that signed the checkpoint as its log.
    pub fn signer<'a>(&self, keys: &'a [NotePublicKey]) -> Option<&'a NotePublicKey> {
        let text = self.checkpoint.to_string();
        keys.iter().find(|key| {
            let Ok(verifier) = StandardVerifier::new(&key.to_string()) else { return false };
            let is_of_key = |line: &&Signature| line.name() == verifier.name() && line.id() == verifier.key_id();
            key.name() == self.checkpoint.origin.as_str()
                && self
                    .signatures
                    .iter()
                    .filter(is_of_key)
                    .any(|line| verifier.verify(text.as_bytes(), line.signature()))
        })
    }

    /// Returns the latest time at which a witness cosigned the checkpoint, if it did.
    pub fn cosigned_at(&self, witness: &CosignerPublicKey) -> Option<UnixSeconds> {
        let text = self.checkpoint.to_string();
        self.signatures.iter().filter_map(|line| witness.verify(&text, line)).max()
    }

    /// Returns the cosignature line of a key.
    pub(crate) fn cosign(&self, key: &CosignerKey, at: UnixSeconds) -> String {
        key.cosign(&self.checkpoint.to_string(), at)
    }

    /// Adds a cosignature line of one of the witnesses, in place of an older one of the same witness. Returns whether it
    /// is newer than what was there.
    ///
    /// # Errors
    /// [`CheckpointError::Cosignature`].
    pub fn add_cosignature(&mut self, line: &str, witnesses: &[CosignerPublicKey]) -> Result<bool, CheckpointError> {
        let text = self.checkpoint.to_string();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = Signature::from_bytes(line.as_bytes()).map_err(|_| CheckpointError::Cosignature)?;
        let found = witnesses.iter().find_map(|witness| Some((witness, witness.verify(&text, &line)?)));
        let (witness, at) = found.ok_or(CheckpointError::Cosignature)?;
        if self.cosigned_at(witness).is_some_and(|former| former >= at) {
            return Ok(false);
        }
        self.signatures.retain(|former| former.name() != line.name() || former.id() != line.id());
        self.signatures.push(line);
        Ok(true)
    }
}

/// The note.
impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.checkpoint)?;
        self.signatures.iter().try_for_each(|line| f.write_str(&String::from_utf8_lossy(&line.to_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn checkpoint() -> Checkpoint {
        Checkpoint { origin: "relay.example/log".parse().unwrap(), size: 17, root: TreeHash::of_entry(b"root") }
    }

    fn key(seed: u8) -> NoteKey {
        NoteKey::from_seed("relay.example/log", &[seed; 32]).unwrap()
    }

    fn witness(seed: u8) -> CosignerKey {
        CosignerKey::from_seed(&format!("witness{seed}"), &[seed; 32]).unwrap()
    }

    #[test]
    fn a_checkpoint_is_signed_by_its_log_and_cosigned_by_witnesses() {
        let mut signed = SignedCheckpoint::sign(checkpoint(), &key(1)).unwrap();
        let keys = [key(2).public(), key(1).public()];
        assert_eq!(signed.signer(&keys), Some(&keys[1]));
        assert_eq!(signed.signer(&keys[..1]), None);
        let other = NoteKey::from_seed("other.example/log", &[1; 32]).unwrap();
        assert!(matches!(SignedCheckpoint::sign(checkpoint(), &other), Err(CheckpointError::KeyName { .. })));

        let witnesses = [witness(3).public(), witness(4).public()];
        for (seed, at, is_new) in [(3, 100, true), (3, 90, false), (4, 50, true), (3, 101, true), (3, 101, false)] {
            let line = signed.cosign(&witness(seed), UnixSeconds(at));
            assert_eq!(signed.add_cosignature(&line, &witnesses), Ok(is_new));
        }
        assert_eq!(signed.signatures.len(), 3);
        assert_eq!(signed.cosigned_at(&witnesses[0]), Some(UnixSeconds(101)));
        let stranger = signed.cosign(&witness(5), UnixSeconds(1));
        assert_eq!(signed.add_cosignature(&stranger, &witnesses), Err(CheckpointError::Cosignature));
        assert_eq!(signed.add_cosignature("text", &witnesses), Err(CheckpointError::Cosignature));

        let note = signed.to_string();
        assert_eq!(SignedCheckpoint::read(note.as_bytes()).as_ref(), Ok(&signed));
        let larger = SignedCheckpoint::read(note.replace("\n17\n", "\n18\n").as_bytes()).unwrap();
        assert_eq!((larger.signer(&keys), larger.cosigned_at(&witnesses[0])), (None, None));
    }

    #[test]
    fn other_text_is_refused() {
        let note = SignedCheckpoint::sign(checkpoint(), &key(1)).unwrap().to_string();
        let many = format!("{note}{}", note.lines().last().unwrap().to_owned().repeat(200) + "\n");
        for wrong in [
            "",
            "\n\n",
            &note[1..].replace("elay", ""),
            &note[..note.len() - 1],
            &note.replace("\n17\n", "\n017\n"),
            &note.replace("\n17\n", "\n-1\n"),
            &note.replace("\n\n", "\nextension\n\n"),
            &note.replace("\n\n", "\n"),
            &note.replace("relay.example", "relay example"),
            &many,
        ] {
            let read = SignedCheckpoint::read(wrong.as_bytes());
            assert!(read.as_ref().is_err() || read.as_ref().unwrap().signer(&[key(1).public()]).is_none(), "{wrong}");
        }
        let huge = note.replace("\n17\n", "\n1099511627777\n");
        assert_eq!(SignedCheckpoint::read(huge.as_bytes()), Err(CheckpointError::TooLarge(MAX_SIZE + 1)));
    }

    proptest! {
        #[test]
        fn notes_that_are_read_are_written_the_same(text in "(\\PC|\n){0,200}", size: u64, end in "\n{0,3}(\u{2014} [a-z]{0,3} [A-Za-z0-9+/]{0,12}={0,2}\n){0,3}") {
            let made = format!("origin\n{size}\n{}\n{end}", TreeHash::EMPTY);
            for note in [text, made] {
                if let Ok(read) = SignedCheckpoint::read(note.as_bytes()) {
                    prop_assert_eq!(read.to_string(), note);
                }
            }
        }

        #[test]
        fn checkpoints_return(size in 0..=MAX_SIZE, root: [u8; 32]) {
            let made = Checkpoint { size, root: TreeHash::from_bytes(root), ..checkpoint() };
            prop_assert_eq!(Checkpoint::read(&made.to_string()), Ok(made));
        }
    }
}
