//! Posts with records: a post, and for each list of its scope the proofs that its author wrote none of the listed posts
//! (kind 3 of the binary form of passes).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::wire::{
    DecodeError, DecodeErrorKind, EncodedProof, POST_BYTES, PassKind, PostHead, PostPass, Reader, VERSION, Writer,
};
use crate::{
    moderation::{MAX_LISTS, MAX_SEGMENTS},
    proof::{PROOF_BYTES, Proof},
};

/// Bytes of a list without its proofs.
pub const LIST_BYTES: usize = 8 + 8 + 8 + 1;
/// Maximum bytes of a post with records.
pub const MAX_RECORDED_BYTES: usize = POST_BYTES + 1 + MAX_LISTS * LIST_BYTES + MAX_SEGMENTS * PROOF_BYTES;

/// The upper nodes of a member tree have the same number. They are never read as passes.
const RECORDED: u8 = PassKind::Recorded as u8;

/// A version of a list, as a pass names it. A log id and a size determine the list, and the root lets a verifier that has
/// another log under this id see that it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListVersion {
    /// The first 8 bytes of the log's id: SHA-256 of origin, a zero byte and the Ed25519 key.
    pub log: [u8; 8],
    /// Number of entries of the log.
    pub size: u64,
    /// The first 8 bytes of the root of the log's tree of this size.
    pub root: [u8; 8],
}

/// The proofs of a pass about one list.
#[derive(Clone, Debug, PartialEq)]
pub struct ListRecords<P = Proof> {
    /// The version of the list.
    pub version: ListVersion,
    /// One proof for each [segment](crate::moderation::cut) of the list, in their order.
    pub proofs: Vec<P>,
}

/// A number of lists or of records that no pass has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The number of lists is not 1 to 4.
    #[error("a pass with records is about 1 to {MAX_LISTS} lists, not {0}; without lists, send the post alone")]
    Lists(usize),
    /// There are too many records.
    #[error("a pass has at most {MAX_SEGMENTS} records, not {0}; the scope must shorten its lists")]
    TooManyRecords(usize),
}

/// A post with records. A scope with lists accepts only posts with records, and a scope without lists only posts alone.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedPass {
    /// The post.
    pub post: PostPass,
    lists: Vec<ListRecords>,
}

impl RecordedPass {
    /// Creates a post with records, in the order of the lists in the scope's policy.
    ///
    /// # Errors
    /// [`RecordsError`] for a number of lists or records that no pass has.
    pub fn new(post: PostPass, lists: Vec<ListRecords>) -> Result<Self, RecordsError> {
        if lists.is_empty() || lists.len() > MAX_LISTS {
            return Err(RecordsError::Lists(lists.len()));
        }
        match lists.iter().map(|list| list.proofs.len()).sum::<usize>() {
            0..=MAX_SEGMENTS => Ok(Self { post, lists }),
            records => Err(RecordsError::TooManyRecords(records)),
        }
    }

    /// The records of each list, in the order of the scope's policy.
    pub fn lists(&self) -> &[ListRecords] {
        &self.lists
    }

    /// The bytes: version u8 | kind u8 = 3 | the fields of a [post](PostPass::to_bytes) after these two bytes | lists u8 |
    /// for each list: log id 8 | size u64 | root 8 | proofs u8 | proofs of 128 bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(MAX_RECORDED_BYTES));
        writer.put(&[VERSION, RECORDED]);
        writer.post(&self.post);
        // `new` and `from_bytes` keep the numbers within a byte.
        writer.put(&[self.lists.len() as u8]);
        for ListRecords { version, proofs } in &self.lists {
            writer.put(&version.log);
            writer.put(&version.size.to_be_bytes());
            writer.put(&version.root);
            writer.put(&[proofs.len() as u8]);
            proofs.iter().for_each(|proof| writer.put(&proof.to_bytes()));
        }
        writer.0
    }

    /// Reads a post with records.
    ///
    /// # Errors
    /// [`DecodeError`] for all bytes that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let head = RecordedHead::from_bytes(bytes)?;
        let post = head.post.with(head.proof.decode()?);
        let read = |list: ListRecords<EncodedProof>| {
            let proofs = list.proofs.iter().map(EncodedProof::decode).collect::<Result<_, _>>()?;
            Ok(ListRecords { version: list.version, proofs })
        };
        Ok(Self { post, lists: head.lists.into_iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The text form: base64url without padding.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.to_bytes())
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_text(text: &str) -> Result<Self, DecodeError> {
        Self::from_bytes(&super::wire::decode_text(text)?)
    }
}

/// Returns the number of bytes of the pass with records at the beginning of `bytes`, by the numbers of lists and proofs that it
/// states; none if the bytes end before the last of these numbers.
///
/// The numbers may be those of no valid pass, which [`RecordedHead::from_bytes`] reports. So one bad pass among many does
/// not hide where the next one begins.
pub fn stated_length(bytes: &[u8]) -> Option<usize> {
    let lists = usize::from(*bytes.get(POST_BYTES)?);
    (0..lists).try_fold(POST_BYTES + 1, |begin, _| {
        let proofs = usize::from(*bytes.get(begin + LIST_BYTES - 1)?);
        Some(begin + LIST_BYTES + proofs * PROOF_BYTES)
    })
}

/// A post with records whose proofs are not decoded: all fields that a verifier compares before it decodes a point. See
/// [`PostHead`].
///
/// A verifier decodes the proofs of many passes together with [`EncodedProof::decode_many`].
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedHead {
    /// The post without its proof.
    pub post: PostHead,
    /// The proof of the post.
    pub proof: EncodedProof,
    /// The records of each list, in the order of the scope's policy.
    pub lists: Vec<ListRecords<EncodedProof>>,
}

impl RecordedHead {
    /// Reads the bytes of a post with records. The proofs are not checked.
    ///
    /// # Errors
    /// [`DecodeError`] for a wrong length and for every error outside the proofs.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::begin(bytes, RECORDED)?;
        let post = PostHead::read(&mut reader)?;
        let proof = reader.proof()?;
        let [count] = reader.array()?;
        let count = usize::from(count);
        if count == 0 || count > MAX_LISTS {
            return Err(reader.before(1, DecodeErrorKind::Lists(count)));
        }
        let mut lists = Vec::with_capacity(count);
        let mut room = MAX_SEGMENTS;
        for _ in 0..count {
            let version = ListVersion { log: reader.array()?, size: reader.u64()?, root: reader.array()? };
            let [proofs] = reader.array()?;
            let proofs = usize::from(proofs);
            room = room.checked_sub(proofs).ok_or(reader.before(1, DecodeErrorKind::TooManyRecords))?;
            let proofs = (0..proofs).map(|_| reader.proof()).collect::<Result<_, _>>()?;
            lists.push(ListRecords { version, proofs });
        }
        reader.remain(0)?;
        Ok(Self { post, proof, lists })
    }
}
