//! Passes as bytes (protocol, section 6): big-endian, versioned, exact in length.

use core::{
    cmp::Ordering,
    num::{NonZeroU16, NonZeroU32},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    badge::BadgePublic,
    field::FieldError,
    membership::{BucketError, Day, LevelsError, Root, TermsError},
    post::PostPublic,
    proof::{PROOF_BYTES, Proof, ProofDecodeError, ProofError},
    requirement::Requirement,
    share::{Nullifier, Pseudonym, Share, ShareValue},
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Scope, SignalHash, ZeroSignal},
    threads,
};

/// The version of the format.
pub const VERSION: u8 = 1;
/// Bytes of a post.
pub const POST_BYTES: usize = 246;
/// Bytes of a badge besides its chat key.
pub const BADGE_BYTES: usize = 2 + 4 + 2 + 32 + 32 + 2 + PROOF_BYTES;

const POST: u8 = 1;
const BADGE: u8 = 2;

/// What is wrong with bytes that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// Bytes after the end.
    #[error("there are bytes after the end")]
    TrailingBytes,
    /// Another version.
    #[error("version {0} is unknown")]
    UnknownVersion(u8),
    /// Another kind.
    #[error("kind {0} is not the one expected here")]
    UnexpectedKind(u8),
    /// An epoch length of zero.
    #[error("an epoch has at least one second")]
    ZeroEpochLength,
    /// A limit cap of zero.
    #[error("a limit cap is at least 1")]
    ZeroLimitCap,
    /// A field element that is not canonical.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A proof that is none.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A tree that cannot be.
    #[error(transparent)]
    Levels(#[from] LevelsError),
    /// Terms of a member that are not valid.
    #[error(transparent)]
    Terms(#[from] TermsError),
    /// A part of a tree that has no place in it.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// Text that is not base64url without padding.
    #[error("not base64url without padding")]
    NotBase64,
}

/// Bytes that do not decode: what is wrong, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct DecodeError {
    /// Offset in the bytes, or in the text where it is text that is wrong.
    pub offset: usize,
    /// What is wrong.
    pub kind: DecodeErrorKind,
}

/// A post as it is sent. Scope and message are not sent: the verifier has them.
#[derive(Clone, Debug, PartialEq)]
pub struct PostPass {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// Stake and age the proof was made for.
    pub requirement: Requirement,
    /// The cap the proof was made for.
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
    /// The pass of a proved statement.
    pub fn new(epoch: Epoch, public: &PostPublic, proof: Proof) -> Self {
        let PostPublic { root, requirement, limit_cap, share, nullifier, .. } = *public;
        Self { epoch, requirement, limit_cap, root, y: share.y, nullifier, proof }
    }

    /// The statement that the pass makes about a message in a scope.
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
        writer.put(&self.epoch.seconds().get().to_be_bytes());
        writer.put(&self.epoch.number().to_be_bytes());
        writer.requirement(&self.requirement);
        writer.put(&self.limit_cap.get().to_be_bytes());
        writer.put(&self.root.to_be_bytes());
        writer.put(&self.y.to_be_bytes());
        writer.put(&self.nullifier.to_be_bytes());
        writer.put(&self.proof.to_bytes());
        let mut bytes = [0; POST_BYTES];
        bytes.copy_from_slice(&writer.0);
        bytes
    }

    /// Reads a post.
    ///
    /// # Errors
    /// [`DecodeError`] for anything that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (head, proof) = PostHead::from_bytes(bytes)?;
        Ok(head.with(proof.decode()?))
    }

    /// Reads many posts, on all cores with the feature `parallel` and eight proofs at a time where the processor can;
    /// each as [`from_bytes`](Self::from_bytes) does.
    pub fn from_bytes_many(passes: &[&[u8]]) -> Vec<Result<Self, DecodeError>> {
        let heads: Vec<_> = passes.iter().map(|bytes| PostHead::from_bytes(bytes)).collect();
        let encoded: Vec<_> = heads.iter().flatten().map(|(_, proof)| *proof).collect();
        let mut proofs = EncodedProof::decode_many(&encoded).into_iter();
        let read = |head: Result<(PostHead, EncodedProof), _>| {
            let (head, proof) = head?;
            // There is one for each head.
            Ok(head.with(proofs.next().unwrap_or_else(|| proof.decode())?))
        };
        heads.into_iter().map(read).collect()
    }

    /// All but the proof.
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

/// A post without its proof: all that a verifier compares before it looks at a point.
///
/// To decode the three points of a proof takes a hundred times as long as to decode this. A sender of passes for a closed
/// epoch, an old root or another policy must not cost a verifier that time, so that such passes are refused by the head.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PostHead {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// Stake and age the proof was made for.
    pub requirement: Requirement,
    /// The cap the proof was made for.
    pub limit_cap: NonZeroU16,
    /// Root of the member tree.
    pub root: Root,
    /// The share's ordinate.
    pub y: ShareValue,
    /// The nullifier.
    pub nullifier: Nullifier,
}

impl PostHead {
    /// Reads the head of a pass of 246 bytes, and finds its proof. The proof may still turn out to be none.
    ///
    /// # Errors
    /// [`DecodeError`] for a wrong length and for whatever is wrong before the proof.
    pub fn from_bytes(bytes: &[u8]) -> Result<(Self, EncodedProof), DecodeError> {
        let mut reader = Reader::begin(bytes, POST)?;
        let seconds = reader.u32()?;
        let seconds = NonZeroU32::new(seconds).ok_or(reader.before(4, DecodeErrorKind::ZeroEpochLength))?;
        let epoch = Epoch::new(seconds, reader.u64()?);
        let requirement = reader.requirement()?;
        let limit_cap = reader.u16()?;
        let limit_cap = NonZeroU16::new(limit_cap).ok_or(reader.before(2, DecodeErrorKind::ZeroLimitCap))?;
        let root = reader.field(Root::from_be_bytes)?;
        let y = reader.field(ShareValue::from_be_bytes)?;
        let nullifier = reader.field(Nullifier::from_be_bytes)?;
        let proof = reader.proof_to_the_end()?;
        Ok((Self { epoch, requirement, limit_cap, root, y, nullifier }, proof))
    }

    /// The statement that the pass makes about a message in a scope.
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

    fn with(self, proof: Proof) -> PostPass {
        let Self { epoch, requirement, limit_cap, root, y, nullifier } = self;
        PostPass { epoch, requirement, limit_cap, root, y, nullifier, proof }
    }
}

/// The bytes of a proof at the end of a pass, not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedProof {
    bytes: [u8; PROOF_BYTES],
    /// Where in the pass they begin.
    offset: usize,
}

impl EncodedProof {
    /// The proof, its points checked.
    ///
    /// # Errors
    /// [`DecodeErrorKind::Proof`], with the offset in the pass.
    pub fn decode(&self) -> Result<Proof, DecodeError> {
        Proof::from_bytes(&self.bytes).map_err(|error| self.error(error))
    }

    /// Many proofs, on all cores with the feature `parallel` and eight at a time where the processor can; each as
    /// [`decode`](Self::decode) does.
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

/// A badge as it is sent. The scope is not sent: the verifier has it.
#[derive(Clone, Debug, PartialEq)]
pub struct BadgePass {
    /// Stake and age the proof was made for.
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
    /// The pass of a proved statement.
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

    /// The chat key it speaks for.
    pub fn chat_key(&self) -> &[u8] {
        &self.chat_key
    }

    /// The statement that the pass makes in a scope.
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
    /// [`DecodeError`] for anything that [`to_bytes`](Self::to_bytes) does not write.
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

/// The bytes of a pass in its text form, whatever they say: base64url without padding.
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

struct Writer(Vec<u8>);

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn requirement(&mut self, requirement: &Requirement) {
        self.put(&requirement.min_stake.to_be_bytes());
        self.put(&requirement.since_max.0.to_be_bytes());
    }
}

/// Reads from front to back and knows where it is.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads version and kind.
    pub(super) fn begin(bytes: &'a [u8], kind: u8) -> Result<Self, DecodeError> {
        let mut reader = Self { bytes, offset: 0 };
        let [version] = reader.array()?;
        if version != VERSION {
            return Err(reader.before(1, DecodeErrorKind::UnknownVersion(version)));
        }
        let [found] = reader.array()?;
        if found != kind {
            return Err(reader.before(1, DecodeErrorKind::UnexpectedKind(found)));
        }
        Ok(reader)
    }

    /// An error about what was just read.
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

    /// Exactly so many bytes must be left.
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

    /// Takes the bytes of the proof, which nothing may follow. Length comes first: it costs less than a point.
    fn proof_to_the_end(&mut self) -> Result<EncodedProof, DecodeError> {
        let offset = self.offset;
        let bytes = self.array()?;
        if self.offset != self.bytes.len() {
            return Err(self.before(0, DecodeErrorKind::TrailingBytes));
        }
        Ok(EncodedProof { bytes, offset })
    }
}
