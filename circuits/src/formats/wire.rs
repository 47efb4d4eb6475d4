//! The binary form of passes (protocol, section 6): big-endian, versioned, with exact lengths.

use core::{
    cmp::Ordering,
    num::{NonZeroU16, NonZeroU32},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quotapass_bn254::threads;

use crate::{
    badge::BadgePublic,
    field::FieldError,
    membership::{BucketError, Day, LevelsError, Root, TermsError},
    moderation::{MAX_LISTS, MAX_SEGMENTS},
    post::PostPublic,
    proof::{PROOF_BYTES, Proof, ProofDecodeError, ProofError},
    requirement::Requirement,
    share::{Nullifier, Pseudonym, Share, ShareValue},
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Scope, SignalHash, ZeroSignal},
};

/// The version of the format.
pub const VERSION: u8 = 1;
/// Bytes of a post.
pub const POST_BYTES: usize = 246;
/// Bytes of a badge without its chat key.
pub const BADGE_BYTES: usize = 2 + 4 + 2 + 32 + 32 + 2 + PROOF_BYTES;

const POST: u8 = PassKind::Post as u8;
const BADGE: u8 = PassKind::Badge as u8;

/// The kinds of passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PassKind {
    /// A [post](PostPass) alone.
    Post = 1,
    /// A [badge](BadgePass).
    Badge = 2,
    /// A [post with records](super::recorded::RecordedPass).
    Recorded = 3,
}

impl PassKind {
    /// Reads the version and the kind of a pass. It does not check what follows.
    ///
    /// # Errors
    /// [`DecodeError`] for an unknown version or kind.
    pub fn of(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (reader, kind) = Reader::of_kind(bytes)?;
        let known = [Self::Post, Self::Badge, Self::Recorded].into_iter().find(|known| *known as u8 == kind);
        known.ok_or(reader.before(1, DecodeErrorKind::UnexpectedKind(kind)))
    }
}

/// Kinds of decoding errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// The bytes continue after the end.
    #[error("there are bytes after the end")]
    TrailingBytes,
    /// The version is unknown.
    #[error("version {0} is unknown")]
    UnknownVersion(u8),
    /// The bytes are of another kind.
    #[error("unexpected kind {0}")]
    UnexpectedKind(u8),
    /// The epoch length is zero.
    #[error("an epoch has at least one second")]
    ZeroEpochLength,
    /// The limit cap is zero.
    #[error("a limit cap is at least 1")]
    ZeroLimitCap,
    /// A field element is not canonical.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// The proof is invalid.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The number of levels is invalid.
    #[error(transparent)]
    Levels(#[from] LevelsError),
    /// The terms of a member are invalid.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// A bucket or the upper nodes do not fit the tree.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The number of lists is not 1 to 4.
    #[error("a pass with records is about 1 to {MAX_LISTS} lists, not {0}")]
    Lists(usize),
    /// There are too many records.
    #[error("a pass has at most {MAX_SEGMENTS} records")]
    TooManyRecords,
    /// The text is not base64url without padding.
    #[error("not base64url without padding")]
    NotBase64,
}

/// Errors of decoding, with their position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Offset in the bytes; for an error of the text form, offset in the text.
    pub offset: usize,
    /// Kind of the error.
    pub kind: DecodeErrorKind,
}

/// A post as it is sent. It does not contain the scope and the message: the verifier has them.
#[derive(Clone, Debug, PartialEq)]
pub struct PostPass {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// Stake and age that the proof was made for.
    pub requirement: Requirement,
    /// The cap that the proof was made for.
    pub limit_cap: NonZeroU16,
    /// Root of the member tree.
    pub root: Root,
    /// The share's ordinate.
    pub y: ShareValue,
    /// The nullifier.
    pub nullifier: Nullifier,
    /// The proof.
    pub proof: Proof,
}

impl PostPass {
    /// Creates the pass of a proved statement.
    pub fn new(epoch: Epoch, public: &PostPublic, proof: Proof) -> Self {
        let PostPublic { root, requirement, limit_cap, share, nullifier, .. } = *public;
        Self { epoch, requirement, limit_cap, root, y: share.y, nullifier, proof }
    }

    /// Returns the statement that the pass makes about a message in a scope.
    ///
    /// # Errors
    /// [`ZeroSignal`] if the message hashes to zero.
    pub fn public(&self, scope: Scope, message: &[u8]) -> Result<PostPublic, ZeroSignal> {
        self.head().public(scope, message)
    }

    /// The 246 bytes: version u8 | kind u8 | epoch_seconds u32 | epoch u64 | min_stake u32 | since_max u16 | limit_cap
    /// u16 | root | y | nullifier | proof.
    pub fn to_bytes(&self) -> [u8; POST_BYTES] {
        let mut writer = Writer(Vec::with_capacity(POST_BYTES));
        writer.put(&[VERSION, POST]);
        writer.post(self);
        let mut bytes = [0; POST_BYTES];
        bytes.copy_from_slice(&writer.0);
        bytes
    }

    /// Reads a post.
    ///
    /// # Errors
    /// [`DecodeError`] for all bytes that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (head, proof) = PostHead::from_bytes(bytes)?;
        Ok(head.with(proof.decode()?))
    }

    /// Reads many posts, each as [`from_bytes`](Self::from_bytes) does. With the feature `threads` it uses all cores.
    /// If the processor has AVX-512 IFMA, it decodes eight proofs at a time.
    pub fn from_bytes_many(passes: &[&[u8]]) -> Vec<Result<Self, DecodeError>> {
        let heads: Vec<_> = passes.iter().map(|bytes| PostHead::from_bytes(bytes)).collect();
        let encoded: Vec<_> = heads.iter().flatten().map(|(_, proof)| *proof).collect();
        let mut proofs = EncodedProof::decode_many(&encoded).into_iter();
        let read = |head: Result<(PostHead, EncodedProof), _>| {
            let (head, proof) = head?;
            // `proofs` has one entry for each head.
            Ok(head.with(proofs.next().unwrap_or_else(|| proof.decode())?))
        };
        heads.into_iter().map(read).collect()
    }

    /// The pass without its proof.
    pub fn head(&self) -> PostHead {
        let Self { epoch, requirement, limit_cap, root, y, nullifier, .. } = *self;
        PostHead { epoch, requirement, limit_cap, root, y, nullifier }
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
        Self::from_bytes(&decode_text(text)?)
    }
}

/// A post without its proof: all fields that a verifier compares before it decodes a point.
///
/// Decoding the three points of a proof takes a hundred times as long as decoding the head. A verifier should not spend
/// that time on passes for a closed epoch, an old root or another policy; it refuses them by their heads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PostHead {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// Stake and age that the proof was made for.
    pub requirement: Requirement,
    /// The cap that the proof was made for.
    pub limit_cap: NonZeroU16,
    /// Root of the member tree.
    pub root: Root,
    /// The share's ordinate.
    pub y: ShareValue,
    /// The nullifier.
    pub nullifier: Nullifier,
}

impl PostHead {
    /// Reads the head of a pass of 246 bytes, and returns the encoded proof. The proof is not checked.
    ///
    /// # Errors
    /// [`DecodeError`] for a wrong length and for every error before the proof.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, EncodedProof), DecodeError> {
        let mut reader = Reader::begin(bytes, POST)?;
        let head = Self::read(&mut reader)?;
        Ok((head, reader.proof_to_the_end()?))
    }

    /// Reads the fields between the kind and the proof.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let seconds = reader.u32()?;
        let seconds = NonZeroU32::new(seconds).ok_or(reader.before(4, DecodeErrorKind::ZeroEpochLength))?;
        let epoch = Epoch::new(seconds, reader.u64()?);
        let requirement = reader.requirement()?;
        let limit_cap = reader.u16()?;
        let limit_cap = NonZeroU16::new(limit_cap).ok_or(reader.before(2, DecodeErrorKind::ZeroLimitCap))?;
        let root = reader.field(Root::from_be_bytes)?;
        let y = reader.field(ShareValue::from_be_bytes)?;
        let nullifier = reader.field(Nullifier::from_be_bytes)?;
        Ok(Self { epoch, requirement, limit_cap, root, y, nullifier })
    }

    /// Returns the statement that the pass makes about a message in a scope.
    ///
    /// # Errors
    /// [`ZeroSignal`] if the message hashes to zero.
    pub fn public(&self, scope: Scope, message: &[u8]) -> Result<PostPublic, ZeroSignal> {
        Ok(PostPublic {
            root: self.root,
            external_nullifier: ExternalNullifier::new(scope, self.epoch),
            requirement: self.requirement,
            limit_cap: self.limit_cap,
            share: Share { x: SignalHash::new(scope, self.epoch, message)?, y: self.y },
            nullifier: self.nullifier,
        })
    }

    pub(super) fn with(self, proof: Proof) -> PostPass {
        let Self { epoch, requirement, limit_cap, root, y, nullifier } = self;
        PostPass { epoch, requirement, limit_cap, root, y, nullifier, proof }
    }
}

/// The encoded proof at the end of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedProof {
    bytes: [u8; PROOF_BYTES],
    /// Offset of the proof in the pass.
    offset: usize,
}

impl EncodedProof {
    /// Decodes the proof and checks its points.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Proof`], with the offset in the pass.
    pub fn decode(&self) -> Result<Proof, DecodeError> {
        Proof::from_bytes(&self.bytes).map_err(|error| self.error(error))
    }

    /// Decodes many proofs, each as [`decode`](Self::decode) does. With the feature `threads` it uses all cores. With the
    /// [backend](crate::backend) `vectors` it decodes eight proofs at a time.
    pub fn decode_many(proofs: &[Self]) -> Vec<Result<Proof, DecodeError>> {
        let eight = |proofs: &&[Self]| -> Vec<_> {
            let bytes: Vec<_> = proofs.iter().map(|proof| proof.bytes).collect();
            let decoded = Proof::from_bytes_many(&bytes);
            decoded.into_iter().zip(*proofs).map(|(read, proof)| read.map_err(|error| proof.error(error))).collect()
        };
        threads::map(&proofs.chunks(8).collect::<Vec<_>>(), eight).concat()
    }

    fn error(&self, error: ProofDecodeError) -> DecodeError {
        DecodeError { offset: self.offset + error.offset, kind: error.error.into() }
    }
}

/// A badge as it is sent. It does not contain the scope: the verifier has it.
#[derive(Clone, Debug, PartialEq)]
pub struct BadgePass {
    /// Stake and age that the proof was made for.
    pub requirement: Requirement,
    /// Root of the member tree.
    pub root: Root,
    /// The member's pseudonym in the scope.
    pub pseudonym: Pseudonym,
    chat_key: Vec<u8>,
    /// The proof.
    pub proof: Proof,
}

/// A chat key longer than 65,535 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chat key has at most 65,535 bytes, this one has {0}")]
pub struct ChatKeyTooLong(pub usize);

impl BadgePass {
    /// Creates the pass of a proved statement.
    ///
    /// # Errors
    /// [`ChatKeyTooLong`].
    pub fn new(public: &BadgePublic, chat_key: Vec<u8>, proof: Proof) -> Result<Self, ChatKeyTooLong> {
        Self::from_parts(public.requirement, public.root, public.pseudonym, chat_key, proof)
    }

    pub(super) fn from_parts(
        requirement: Requirement,
        root: Root,
        pseudonym: Pseudonym,
        chat_key: Vec<u8>,
        proof: Proof,
    ) -> Result<Self, ChatKeyTooLong> {
        if chat_key.len() > usize::from(u16::MAX) {
            return Err(ChatKeyTooLong(chat_key.len()));
        }
        Ok(Self { requirement, root, pseudonym, chat_key, proof })
    }

    /// The chat key that the badge belongs to.
    pub fn chat_key(&self) -> &[u8] {
        &self.chat_key
    }

    /// Returns the statement that the pass makes in a scope.
    pub fn public(&self, scope: Scope) -> BadgePublic {
        BadgePublic {
            root: self.root,
            scope,
            chat_key_hash: ChatKeyHash::new(&self.chat_key),
            requirement: self.requirement,
            pseudonym: self.pseudonym,
        }
    }

    /// The bytes: version u8 | kind u8 | min_stake u32 | since_max u16 | root | pseudonym | chat key length u16 and
    /// bytes | proof.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer(Vec::with_capacity(BADGE_BYTES + self.chat_key.len()));
        writer.put(&[VERSION, BADGE]);
        writer.requirement(&self.requirement);
        writer.put(&self.root.to_be_bytes());
        writer.put(&self.pseudonym.to_be_bytes());
        // `new` and `from_bytes` keep the length within 16 bits.
        writer.put(&(self.chat_key.len() as u16).to_be_bytes());
        writer.put(&self.chat_key);
        writer.put(&self.proof.to_bytes());
        writer.0
    }

    /// Reads a badge.
    ///
    /// # Errors
    /// [`DecodeError`] for all bytes that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::begin(bytes, BADGE)?;
        let requirement = reader.requirement()?;
        let root = reader.field(Root::from_be_bytes)?;
        let pseudonym = reader.field(Pseudonym::from_be_bytes)?;
        let length = reader.u16()?;
        let chat_key = reader.take(length.into())?.to_vec();
        let proof = reader.proof_to_the_end()?.decode()?;
        Ok(Self { requirement, root, pseudonym, chat_key, proof })
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
        Self::from_bytes(&decode_text(text)?)
    }
}

/// Decodes the text form of a pass, base64url without padding, to bytes. It does not check what the bytes contain.
///
/// # Errors
/// [`DecodeErrorKind::NotBase64`], with the offset in the text.
pub fn decode_text(text: &str) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|error| {
        let offset = match error {
            base64::DecodeError::InvalidByte(offset, _) | base64::DecodeError::InvalidLastSymbol(offset, _) => offset,
            _ => text.len(),
        };
        DecodeError { offset, kind: DecodeErrorKind::NotBase64 }
    })
}

pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// Writes the fields of a post after version and kind, 244 bytes.
    pub(super) fn post(&mut self, pass: &PostPass) {
        self.put(&pass.epoch.seconds().get().to_be_bytes());
        self.put(&pass.epoch.number().to_be_bytes());
        self.requirement(&pass.requirement);
        self.put(&pass.limit_cap.get().to_be_bytes());
        self.put(&pass.root.to_be_bytes());
        self.put(&pass.y.to_be_bytes());
        self.put(&pass.nullifier.to_be_bytes());
        self.put(&pass.proof.to_bytes());
    }

    fn requirement(&mut self, requirement: &Requirement) {
        self.put(&requirement.min_stake.to_be_bytes());
        self.put(&requirement.since_max.0.to_be_bytes());
    }
}

/// A reader that keeps its position.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads version and kind.
    pub(super) fn begin(bytes: &'a [u8], kind: u8) -> Result<Self, DecodeError> {
        let (reader, found) = Self::of_kind(bytes)?;
        if found == kind { Ok(reader) } else { Err(reader.before(1, DecodeErrorKind::UnexpectedKind(found))) }
    }

    /// Reads the version, and returns the kind.
    fn of_kind(bytes: &'a [u8]) -> Result<(Self, u8), DecodeError> {
        let mut reader = Self { bytes, offset: 0 };
        let [version] = reader.array()?;
        if version != VERSION {
            return Err(reader.before(1, DecodeErrorKind::UnknownVersion(version)));
        }
        let [kind] = reader.array()?;
        Ok((reader, kind))
    }

    /// Returns an error at the value of `bytes` bytes that was read last.
    pub(super) fn before(&self, bytes: usize, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset: self.offset - bytes, kind }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let truncated = DecodeError { offset: self.bytes.len(), kind: DecodeErrorKind::Truncated };
        let (taken, _) = self.bytes[self.offset..].split_at_checked(count).ok_or(truncated)?;
        self.offset += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Requires that exactly `count` bytes are left.
    pub(super) fn remain(&self, count: usize) -> Result<(), DecodeError> {
        let left = self.bytes.len() - self.offset;
        match left.cmp(&count) {
            Ordering::Less => Err(DecodeError { offset: self.bytes.len(), kind: DecodeErrorKind::Truncated }),
            Ordering::Greater => Err(DecodeError { offset: self.offset + count, kind: DecodeErrorKind::TrailingBytes }),
            Ordering::Equal => Ok(()),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, DecodeError> {
        Ok(Requirement { min_stake: self.u32()?, since_max: Day(self.u16()?) })
    }

    pub(super) fn field<T>(&mut self, read: fn(&[u8; 32]) -> Result<T, FieldError>) -> Result<T, DecodeError> {
        let bytes = self.array()?;
        read(&bytes).map_err(|error| self.before(32, error.into()))
    }

    /// Takes the bytes of the proof and requires that no bytes follow. The length is checked first, because this costs
    /// less than decoding a point.
    fn proof_to_the_end(&mut self) -> Result<EncodedProof, DecodeError> {
        let proof = self.proof()?;
        if self.offset != self.bytes.len() {
            return Err(self.before(0, DecodeErrorKind::TrailingBytes));
        }
        Ok(proof)
    }

    /// Takes the bytes of a proof.
    pub(super) fn proof(&mut self) -> Result<EncodedProof, DecodeError> {
        let offset = self.offset;
        Ok(EncodedProof { bytes: self.array()?, offset })
    }
}
