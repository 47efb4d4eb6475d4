//! The binary form of the member tree's upper nodes and buckets: big-endian, versioned, with exact lengths.

use super::wire::{DecodeError, Reader, VERSION};
use crate::{
    field::FieldError,
    identity::IdentityCommitment,
    membership::{Bucket, BucketError, BucketNumber, Levels, Member, Root, Terms, UpperNodes},
};

/// Bytes of upper nodes without their roots.
pub const UPPER_NODES_BYTES: usize = 2 + 1 + 4;
/// Bytes of a bucket without its slots.
pub const BUCKET_BYTES: usize = 2 + 1 + 4 + 2;
/// Bytes of a slot.
pub const SLOT_BYTES: usize = 32 + 8;

const UPPER_NODES: u8 = 3;
const BUCKET: u8 = 4;

impl UpperNodes {
    /// The bytes: version u8 | kind u8 = 3 | levels u8 | member count u32 | the roots of all non-empty buckets, 32
    /// each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::max_bytes(self.levels()));
        bytes.extend([VERSION, UPPER_NODES, self.levels().get() as u8]);
        bytes.extend(self.member_count().to_be_bytes());
        self.bucket_roots().for_each(|root| bytes.extend(root.to_be_bytes()));
        bytes
    }

    /// Reads upper nodes.
    ///
    /// # Errors
    /// [`DecodeError`] for all bytes that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::begin(bytes, UPPER_NODES)?;
        let levels = read_levels(&mut reader)?;
        let member_count = reader.u32()?;
        if u64::from(member_count) > levels.capacity() {
            return Err(reader.before(4, BucketError::TooMany(member_count).into()));
        }
        let count = levels.buckets(member_count) as usize;
        // The length is checked first, so that input of wrong length costs no time.
        reader.remain(32 * count)?;
        let roots = (0..count).map(|_| Ok(reader.field(Root::from_be_bytes)?.to_field()));
        Ok(Self::new(levels, member_count, roots.collect::<Result<_, DecodeError>>()?))
    }

    /// Maximum length of a tree's upper nodes in bytes: 32,775 for the standard tree.
    pub const fn max_bytes(levels: Levels) -> usize {
        UPPER_NODES_BYTES + 32 * (levels.capacity() / levels.of_bucket().capacity()) as usize
    }
}

impl Bucket {
    /// The bytes: version u8 | kind u8 = 4 | levels of the whole tree u8 | number u32 | slot count u16 | slots. A slot:
    /// commitment 32 | since u16 | message limit u16 | stake u32; all zero if its member was removed.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BUCKET_BYTES + SLOT_BYTES * self.members().len());
        bytes.extend([VERSION, BUCKET, self.levels().get() as u8]);
        bytes.extend(self.number().0.to_be_bytes());
        // A bucket has at most 2,048 slots.
        bytes.extend((self.members().len() as u16).to_be_bytes());
        for member in self.members() {
            let slot = member.map(|member| (member.commitment.to_be_bytes(), member.terms.pack()));
            let (commitment, terms) = slot.unwrap_or_default();
            bytes.extend(commitment);
            bytes.extend(terms.to_be_bytes());
        }
        bytes
    }

    /// Reads a bucket. [`verify`](Self::verify) checks that it belongs to a tree.
    ///
    /// # Errors
    /// [`DecodeError`] for all bytes that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::begin(bytes, BUCKET)?;
        let levels = read_levels(&mut reader)?;
        let number = BucketNumber(reader.u32()?);
        let count = usize::from(reader.u16()?);
        reader.remain(SLOT_BYTES * count)?;
        let begin = BUCKET_BYTES - 6;
        let members = (0..count).map(|_| read_slot(&mut reader)).collect::<Result<_, DecodeError>>()?;
        Self::new(levels, number, members).map_err(|error| DecodeError { offset: begin, kind: error.into() })
    }

    /// Maximum length of a bucket in bytes: 81,929 for the standard tree.
    pub const fn max_bytes(levels: Levels) -> usize {
        BUCKET_BYTES + SLOT_BYTES * levels.of_bucket().capacity() as usize
    }
}

fn read_levels(reader: &mut Reader<'_>) -> Result<Levels, DecodeError> {
    let [levels] = reader.array()?;
    Levels::new(levels.into()).map_err(|error| reader.before(1, error.into()))
}

fn read_slot(reader: &mut Reader<'_>) -> Result<Option<Member>, DecodeError> {
    let commitment = reader.field(IdentityCommitment::from_be_bytes)?;
    let packed = reader.u64()?;
    match (commitment.to_be_bytes() == [0; 32], packed) {
        (true, 0) => Ok(None),
        (true, _) => Err(reader.before(SLOT_BYTES, FieldError::Zero.into())),
        (false, _) => {
            let terms = Terms::try_unpack(packed).map_err(|error| reader.before(8, error.into()))?;
            Ok(Some(Member { commitment, terms }))
        }
    }
}
