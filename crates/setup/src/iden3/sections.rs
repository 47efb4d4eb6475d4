//! The common structure of all binary files of iden3's tools: a magic word, a version, and numbered sections of
//! numbers, field elements and points (iden3/binfileutils). All values are little-endian; coordinates of points are in
//! Montgomery form.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, PrimeField};
use quotapass_bn254::subgroup::is_in_g2;

/// Bytes of a field element.
pub(super) const FIELD_BYTES: usize = 32;
/// Bytes of a point of G1.
pub(super) const G1_BYTES: usize = 2 * FIELD_BYTES;
/// Bytes of a point of G2.
pub(super) const G2_BYTES: usize = 4 * FIELD_BYTES;

/// Errors of decoding a file of iden3's tools.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Iden3Error {
    /// The file is of another format.
    #[error("not a .{0} file")]
    Format(&'static str),
    /// This program does not support the version.
    #[error("the .{format} file has version {found}; this program reads version {expected}")]
    Version {
        /// The file's extension.
        format: &'static str,
        /// The file's version.
        found: u32,
        /// The supported version.
        expected: u32,
    },
    /// The file ends within its list of sections.
    #[error("the file is truncated: it ends within a section, after {0} bytes")]
    Truncated(usize),
    /// The file has bytes after its last section.
    #[error("the file has trailing bytes after its last section, at byte {0}")]
    TrailingBytes(usize),
    /// The format does not define the section.
    #[error("the file has an unknown section {0}")]
    UnknownSection(u32),
    /// A section occurs twice.
    #[error("the file has section {0} twice")]
    DuplicateSection(u32),
    /// A section is missing.
    #[error("the file lacks section {0}")]
    MissingSection(u32),
    /// A section has invalid content.
    #[error("section {section}, byte {offset}: {fault}")]
    Section {
        /// The section's number.
        section: u32,
        /// Byte offset in the section.
        offset: usize,
        /// The fault.
        fault: SectionFault,
    },
}

/// Faults in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SectionFault {
    /// The section is too short.
    #[error("the section is too short")]
    Truncated,
    /// The section is too long.
    #[error("the section is too long")]
    TrailingBytes,
    /// The field is not BN254's.
    #[error("the field is not BN254's field")]
    WrongField,
    /// The key is of another proving system.
    #[error("the key is not a Groth16 key")]
    WrongProtocol,
    /// A number is out of range.
    #[error("the number {0} is out of range")]
    OutOfRange(u32),
    /// A field element is not below the field's order.
    #[error("the number is not below the order of its field")]
    NotCanonical,
    /// A point is not on its curve.
    #[error("the point is not on its curve")]
    NotOnCurve,
    /// A point of the twist is outside G2.
    #[error("the point is outside the subgroup of order r")]
    NotInSubgroup,
    /// A point is the point at infinity where the format does not allow it.
    #[error("the point is the point at infinity")]
    Infinity,
    /// The parameters of a contribution are not encoded as snarkjs encodes them.
    #[error("the parameters of the contribution are malformed")]
    Parameters,
}

/// A reader of a section.
#[derive(Clone)]
pub(super) struct Section<'a> {
    number: u32,
    bytes: &'a [u8],
    read: usize,
}

/// Finds the sections of a file and returns them in the order of `numbers`. A file may list them in any order.
pub(super) fn sections<'a, const N: usize>(
    file: &'a [u8],
    format: &'static str,
    version: u32,
    numbers: [u32; N],
) -> Result<[Section<'a>; N], Iden3Error> {
    let mut rest = file.strip_prefix(format.as_bytes()).ok_or(Iden3Error::Format(format))?;
    let truncated = Iden3Error::Truncated(file.len());
    let number = |rest: &mut &'a [u8]| take(rest).map(u32::from_le_bytes).ok_or_else(|| truncated.clone());
    let found = number(&mut rest)?;
    if found != version {
        return Err(Iden3Error::Version { format, found, expected: version });
    }
    let count = number(&mut rest)?;
    let mut sections = numbers.map(|number| Section { number, bytes: &[], read: usize::MAX });
    for _ in 0..count {
        let found = number(&mut rest)?;
        let length = take(&mut rest).map(u64::from_le_bytes).and_then(|length| usize::try_from(length).ok());
        let (bytes, after) =
            length.and_then(|length| rest.split_at_checked(length)).ok_or_else(|| truncated.clone())?;
        rest = after;
        let section =
            sections.iter_mut().find(|section| section.number == found).ok_or(Iden3Error::UnknownSection(found))?;
        if section.read == 0 {
            return Err(Iden3Error::DuplicateSection(found));
        }
        *section = Section { number: found, bytes, read: 0 };
    }
    if !rest.is_empty() {
        return Err(Iden3Error::TrailingBytes(file.len() - rest.len()));
    }
    match sections.iter().find(|section| section.read != 0) {
        Some(missing) => Err(Iden3Error::MissingSection(missing.number)),
        None => Ok(sections),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}

impl<'a> Section<'a> {
    /// Returns an error at the value that was read last, which has `back` bytes.
    pub(super) fn fault(&self, back: usize, fault: SectionFault) -> Iden3Error {
        Iden3Error::Section { section: self.number, offset: self.read.saturating_sub(back), fault }
    }

    /// Requires that exactly this many bytes are left.
    pub(super) fn remain(&self, bytes: usize) -> Result<(), Iden3Error> {
        match self.bytes.len().saturating_sub(self.read).cmp(&bytes) {
            core::cmp::Ordering::Less => Err(self.fault(0, SectionFault::Truncated)),
            core::cmp::Ordering::Equal => Ok(()),
            core::cmp::Ordering::Greater => Err(self.fault(0, SectionFault::TrailingBytes)),
        }
    }

    /// Skips bytes.
    pub(super) fn skip(&mut self, bytes: usize) -> Result<(), Iden3Error> {
        self.bytes(bytes).map(|_| ())
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], Iden3Error> {
        let bytes = self.bytes.get(self.read..).and_then(|rest| rest.get(..count));
        let bytes = bytes.ok_or_else(|| self.fault(0, SectionFault::Truncated))?;
        self.read += count;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Iden3Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Iden3Error> {
        self.array().map(u32::from_le_bytes)
    }

    /// Reads a number below a limit.
    pub(super) fn u32_below(&mut self, limit: u32) -> Result<u32, Iden3Error> {
        let number = self.u32()?;
        if number < limit { Ok(number) } else { Err(self.fault(4, SectionFault::OutOfRange(number))) }
    }

    /// Reads the length in bytes and the order of a field, and requires that they are those of `F`.
    pub(super) fn field<F: PrimeField>(&mut self) -> Result<(), Iden3Error> {
        let expected = [&(FIELD_BYTES as u32).to_le_bytes()[..], &F::MODULUS.to_bytes_le()].concat();
        match self.bytes(expected.len())? == expected {
            true => Ok(()),
            false => Err(self.fault(expected.len(), SectionFault::WrongField)),
        }
    }

    fn limbs<F: PrimeField<BigInt = BigInt<4>>>(&mut self) -> Result<BigInt<4>, Iden3Error> {
        let bytes: [u8; FIELD_BYTES] = self.array()?;
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().zip(bytes.as_chunks().0) {
            *limb = u64::from_le_bytes(*chunk);
        }
        let number = BigInt::new(limbs);
        if number < F::MODULUS { Ok(number) } else { Err(self.fault(FIELD_BYTES, SectionFault::NotCanonical)) }
    }

    /// Reads a scalar that is not in Montgomery form.
    pub(super) fn fr(&mut self) -> Result<Fr, Iden3Error> {
        let number = self.limbs::<Fr>()?;
        Fr::from_bigint(number).ok_or_else(|| self.fault(FIELD_BYTES, SectionFault::NotCanonical))
    }

    fn fq(&mut self) -> Result<Fq, Iden3Error> {
        Ok(Fq::new_unchecked(self.limbs::<Fq>()?))
    }

    fn fq2(&mut self) -> Result<Fq2, Iden3Error> {
        Ok(Fq2::new(self.fq()?, self.fq()?))
    }

    /// Reads a point of G1. All zeros encode infinity.
    pub(super) fn g1_or_infinity(&mut self) -> Result<G1Affine, Iden3Error> {
        if self.is_infinity::<G1_BYTES>()? {
            return Ok(G1Affine::zero());
        }
        // G1 is the whole curve, so no subgroup check is needed.
        let point = G1Affine::new_unchecked(self.fq()?, self.fq()?);
        if point.is_on_curve() { Ok(point) } else { Err(self.fault(G1_BYTES, SectionFault::NotOnCurve)) }
    }

    /// Reads a point of G2. All zeros encode infinity.
    pub(super) fn g2_or_infinity(&mut self) -> Result<G2Affine, Iden3Error> {
        if self.is_infinity::<G2_BYTES>()? {
            return Ok(G2Affine::zero());
        }
        let point = G2Affine::new_unchecked(self.fq2()?, self.fq2()?);
        if !point.is_on_curve() {
            return Err(self.fault(G2_BYTES, SectionFault::NotOnCurve));
        }
        match is_in_g2(&point) {
            true => Ok(point),
            false => Err(self.fault(G2_BYTES, SectionFault::NotInSubgroup)),
        }
    }

    fn is_infinity<const N: usize>(&mut self) -> Result<bool, Iden3Error> {
        let infinity = self.array::<N>()? == [0; N];
        if !infinity {
            self.read -= N;
        }
        Ok(infinity)
    }

    /// Reads a point of G1 other than infinity.
    pub(super) fn g1(&mut self) -> Result<G1Affine, Iden3Error> {
        let point = self.g1_or_infinity()?;
        if point.is_zero() { Err(self.fault(G1_BYTES, SectionFault::Infinity)) } else { Ok(point) }
    }

    /// Reads a point of G2 other than infinity.
    pub(super) fn g2(&mut self) -> Result<G2Affine, Iden3Error> {
        let point = self.g2_or_infinity()?;
        if point.is_zero() { Err(self.fault(G2_BYTES, SectionFault::Infinity)) } else { Ok(point) }
    }

    /// Reads `count` elements.
    pub(super) fn list<T>(
        &mut self,
        count: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, Iden3Error>,
    ) -> Result<Vec<T>, Iden3Error> {
        (0..count).map(|_| element(self)).collect()
    }
}

/// Returns the bytes of a file.
pub(super) fn write<const N: usize>(format: &str, version: u32, sections: [(u32, Vec<u8>); N]) -> Vec<u8> {
    let mut file = format.as_bytes().to_vec();
    file.extend(version.to_le_bytes());
    file.extend((N as u32).to_le_bytes());
    for (number, content) in sections {
        file.extend(number.to_le_bytes());
        file.extend((content.len() as u64).to_le_bytes());
        file.extend(content);
    }
    file
}

/// Writes the length in bytes and the order of a field.
pub(super) fn write_field<F: PrimeField>(bytes: &mut Vec<u8>) {
    bytes.extend((FIELD_BYTES as u32).to_le_bytes());
    bytes.extend(F::MODULUS.to_bytes_le());
}

/// Writes a point of G1 in Montgomery form.
pub(super) fn write_g1(bytes: &mut Vec<u8>, point: &G1Affine) {
    match point.xy() {
        Some((x, y)) => [x, y].iter().for_each(|coordinate| bytes.extend(coordinate.0.to_bytes_le())),
        None => bytes.extend([0; G1_BYTES]),
    }
}

/// Writes a point of G2 in Montgomery form.
pub(super) fn write_g2(bytes: &mut Vec<u8>, point: &G2Affine) {
    match point.xy() {
        Some((x, y)) => {
            [x.c0, x.c1, y.c0, y.c1].iter().for_each(|coordinate| bytes.extend(coordinate.0.to_bytes_le()));
        }
        None => bytes.extend([0; G2_BYTES]),
    }
}
