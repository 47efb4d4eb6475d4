//! The byte format of a light wallet's verified data.

use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Bucket, BucketNumber, Levels, MemberIndex, UpperNodes},
};

use super::{BucketGroup, LightMembers, OwnMembership, sync::Known};
use crate::bytes::{FormatError, FormatErrorKind, Reader, seal};

const MAGIC: &[u8] = b"quotapass-members";
const VERSION: u8 = 1;

impl LightMembers {
    /// Returns the wallet's data as bytes. They reveal which member this is: keep them as private as the identity.
    ///
    /// Magic `quotapass-members` | version u8 = 1 | index u32 | commitment 32 | whether it was ever synced u8; if so,
    /// first and last bucket of the group u32 each | length u32 and bytes of the upper nodes | for each bucket with
    /// members, length u32 and bytes | SHA-256 of all before.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, &[VERSION]].concat();
        bytes.extend(self.own.index.0.to_be_bytes());
        bytes.extend(self.own.commitment.to_be_bytes());
        bytes.push(u8::from(self.known.is_some()));
        if let Some(known) = &self.known {
            bytes.extend(known.group.first().0.to_be_bytes());
            bytes.extend(known.group.last().0.to_be_bytes());
            put_part(&mut bytes, &known.upper.to_bytes());
            known.buckets.iter().for_each(|bucket| put_part(&mut bytes, &bucket.bucket().to_bytes()));
        }
        seal(bytes)
    }

    /// Reads the bytes of [`to_bytes`](Self::to_bytes). Buckets are checked against the upper nodes again; the upper
    /// nodes are checked against the chain by the next [`sync`](Self::sync).
    ///
    /// # Errors
    /// [`FormatError`] for all bytes that [`to_bytes`](Self::to_bytes) does not produce for a tree with `levels`
    /// levels.
    pub fn from_bytes(bytes: &[u8], levels: Levels) -> Result<Self, FormatError> {
        let (mut reader, _) = Reader::unseal(bytes, MAGIC, VERSION..=VERSION)?;
        let index = MemberIndex(reader.u32()?);
        let commitment = reader.array()?;
        let commitment = IdentityCommitment::from_be_bytes(&commitment)
            .map_err(|_| invalid(&reader, "the commitment is not a canonical field element"))?;
        let own = OwnMembership { index, commitment };
        let known = match reader.u8()? {
            0 => None,
            1 => Some(read_known(&mut reader, levels, own)?),
            _ => return Err(invalid(&reader, "the flag is neither 0 nor 1")),
        };
        reader.end()?;
        Ok(Self { levels, own, known })
    }
}

fn read_known(reader: &mut Reader<'_>, levels: Levels, own: OwnMembership) -> Result<Known, FormatError> {
    let (first, last) = (BucketNumber(reader.u32()?), BucketNumber(reader.u32()?));
    let group = BucketGroup::from_ends(first, last)
        .filter(|group| group.contains(BucketNumber::of(levels, own.index)))
        .ok_or_else(|| invalid(reader, "the group does not contain the member"))?;
    let upper = UpperNodes::from_bytes(read_part(reader)?)
        .ok()
        .filter(|upper| upper.levels() == levels)
        .ok_or_else(|| invalid(reader, "the upper nodes do not decode"))?;
    let mut buckets = Vec::new();
    for number in group.buckets().filter(|number| upper.bucket_root(*number).is_some()) {
        let bucket = Bucket::from_bytes(read_part(reader)?).ok().filter(|bucket| bucket.number() == number);
        let verified = bucket.and_then(|bucket| bucket.verify(&upper).ok());
        buckets.push(verified.ok_or_else(|| invalid(reader, "a bucket does not match the upper nodes"))?);
    }
    Ok(Known { upper, group, buckets })
}

/// Appends length and bytes. A part has at most a few megabytes.
fn put_part(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend((part.len() as u32).to_be_bytes());
    bytes.extend(part);
}

fn read_part<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], FormatError> {
    let length = reader.u32()?;
    reader.take(length as usize)
}

fn invalid(reader: &Reader<'_>, what: &'static str) -> FormatError {
    reader.before(0, FormatErrorKind::Invalid(what))
}
