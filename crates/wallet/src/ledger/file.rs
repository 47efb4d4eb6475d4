//! The byte format of the ledger's files: a book, and the data that links each state to the previous one.

use quotapass_protocol::UnixSeconds;

use super::{
    book::Book,
    disk::Stamp,
    format::{VERSION, VERSIONS, put_book, put_option, read_book, read_option},
};
use crate::bytes::{Checksum, FormatError, Reader, seal};

const LEDGER_MAGIC: &[u8] = b"quotapass-ledger";
const WITNESS_MAGIC: &[u8] = b"quotapass-witness";
const WITNESS_VERSION: u8 = 1;

/// Content of a ledger file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LedgerFile {
    /// Number of times the ledger was written, this time included.
    pub(super) generation: u64,
    /// The checksum of the previous file; zeros in the first.
    pub(super) previous: Checksum,
    /// The stamp of the file that this was written to, if the system has one.
    pub(super) stamp: Option<Stamp>,
    pub(super) book: Book,
}

impl LedgerFile {
    /// The bytes: magic | version u8 | generation u64 | previous 32 | has stamp u8, inode u64, born u64 (zeros without
    /// a stamp) | body of the book | SHA-256 of all before.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [LEDGER_MAGIC, &[VERSION]].concat();
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.previous.0);
        put_option(&mut bytes, self.stamp.map(|stamp| [stamp.inode, stamp.born]));
        put_book(&mut bytes, &self.book);
        seal(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (mut reader, version) = Reader::unseal(bytes, LEDGER_MAGIC, VERSIONS)?;
        let generation = reader.u64()?;
        let previous = Checksum(reader.array()?);
        let stamp = read_option(&mut reader)?.map(|[inode, born]| Stamp { inode, born });
        let book = read_book(&mut reader, version)?;
        reader.end()?;
        Ok(Self { generation, previous, stamp, book })
    }
}

/// Content of the witness file, in a second folder: it identifies the newest state of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    /// The checksum of the ledger's bytes.
    pub(super) ledger: Checksum,
    pub(super) generation: u64,
    /// Time of the last reservation; zero if there was none.
    pub(super) last_use: UnixSeconds,
}

impl Witness {
    /// The bytes: magic | version u8 | checksum of the ledger 32 | generation u64 | last use u64 | SHA-256.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = [WITNESS_MAGIC, &[WITNESS_VERSION]].concat();
        bytes.extend(self.ledger.0);
        bytes.extend(self.generation.to_be_bytes());
        bytes.extend(self.last_use.0.to_be_bytes());
        seal(bytes)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (mut reader, _) = Reader::unseal(bytes, WITNESS_MAGIC, WITNESS_VERSION..=WITNESS_VERSION)?;
        let witness =
            Self { ledger: Checksum(reader.array()?), generation: reader.u64()?, last_use: UnixSeconds(reader.u64()?) };
        reader.end()?;
        Ok(witness)
    }
}
