//! Reader of the wallet's files: big-endian, exact in length, sealed with a checksum.

use core::ops::RangeInclusive;

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Checksum(pub(super) [u8; Self::LENGTH]);

impl Checksum {
    /// Length of a digest in bytes.
    pub(super) const LENGTH: usize = 32;
    /// All zeros: a placeholder where no file exists yet.
    #[cfg(feature = "files")]
    pub(super) const NOTHING: Self = Self([0; Self::LENGTH]);

    /// Returns the digest of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

/// Faults of a wallet file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatErrorKind {
    /// The magic at the beginning is wrong.
    #[error("this is a file of another kind")]
    Foreign,
    /// The version is unknown.
    #[error("version {0} is unknown; open it with the program that wrote it")]
    UnknownVersion(u8),
    /// The bytes end too early.
    #[error("the bytes end too early")]
    Truncated,
    /// There are bytes after the end.
    #[error("there are bytes after the end")]
    TrailingBytes,
    /// The checksum does not match the bytes before it.
    #[error("the checksum does not match")]
    Checksum,
    /// A value that is never written.
    #[error("{0}")]
    Invalid(&'static str),
}

/// A fault of a wallet file and its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct FormatError {
    /// Offset in the bytes.
    pub offset: usize,
    /// The fault.
    pub kind: FormatErrorKind,
}

/// Appends the checksum of the content, which [`Reader::unseal`] checks and removes.
pub(super) fn seal(mut content: Vec<u8>) -> Vec<u8> {
    let checksum = Checksum::of(&content);
    content.extend(checksum.0);
    content
}

/// A reader that reads from front to back and tracks its offset.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Checks the kind of the file, then its version, then its checksum; reading starts after the version, which is
    /// returned. In this order, a newer or foreign file is reported as such and not as damaged.
    pub(super) fn unseal(
        bytes: &'a [u8],
        magic: &[u8],
        versions: RangeInclusive<u8>,
    ) -> Result<(Self, u8), FormatError> {
        let mut reader = Self::new(bytes);
        if !bytes.starts_with(magic) {
            return Err(reader.before(0, FormatErrorKind::Foreign));
        }
        reader.take(magic.len())?;
        let [found] = reader.array()?;
        if !versions.contains(&found) {
            return Err(reader.before(1, FormatErrorKind::UnknownVersion(found)));
        }
        let Some(length) = bytes.len().checked_sub(Checksum::LENGTH).filter(|length| *length >= reader.offset) else {
            return Err(FormatError { offset: bytes.len(), kind: FormatErrorKind::Truncated });
        };
        let (content, checksum) = bytes.split_at(length);
        if Checksum::of(content).0 != checksum {
            return Err(FormatError { offset: length, kind: FormatErrorKind::Checksum });
        }
        reader.bytes = content;
        Ok((reader, found))
    }

    /// Returns an error about the last `bytes` bytes.
    pub(super) fn before(&self, bytes: usize, kind: FormatErrorKind) -> FormatError {
        FormatError { offset: self.offset.saturating_sub(bytes), kind }
    }

    /// Takes the next bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], FormatError> {
        let truncated = FormatError { offset: self.bytes.len(), kind: FormatErrorKind::Truncated };
        let (taken, _) =
            self.bytes.get(self.offset..).and_then(|rest| rest.split_at_checked(count)).ok_or(truncated)?;
        self.offset += count;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, FormatError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, FormatError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, FormatError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, FormatError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Checks that no bytes follow.
    pub(super) fn end(&self) -> Result<(), FormatError> {
        if self.offset == self.bytes.len() { Ok(()) } else { Err(self.before(0, FormatErrorKind::TrailingBytes)) }
    }
}
