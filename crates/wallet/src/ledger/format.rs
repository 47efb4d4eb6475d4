//! The byte format of a book: big-endian, versioned, sealed with SHA-256, canonical.

use core::{
    num::{NonZeroU16, NonZeroU32},
    ops::RangeInclusive,
};
use std::collections::BTreeMap;

use quotapass_circuits::{
    identity::IdentityCommitment,
    registry_id::RegistryId,
    signal::{Scope, SignalHash},
};
use quotapass_protocol::UnixSeconds;

use super::{
    book::{Book, Entry, EntryKey, MAX_ENTRIES, MAX_SIGNALS},
    epochs::EnteredEpochs,
    quota::{DeviceShare, LedgerOwner},
};
use crate::bytes::{FormatError, FormatErrorKind, Reader, seal};

const BOOK_MAGIC: &[u8] = b"quotapass-book";
/// The version that is written: of books and of ledger files, which contain a book.
pub(super) const VERSION: u8 = 2;
/// The versions that are read. Version 1 has no messages.
pub(super) const VERSIONS: RangeInclusive<u8> = 1..=VERSION;

impl Book {
    /// The bytes: magic `quotapass-book` | version u8 = 2 | body | SHA-256 of all before. The body, big-endian: chain id
    /// u64 | registry 20 | commitment 32 | device u16 | devices u16 | last use u64 | suspect until (flag u8, u64) |
    /// forgotten until (flag u8, u64) | count u16 | entries, ascending by scope and length of the epoch. An entry: scope
    /// 32 | epoch_seconds u32 | current epoch u64 | used u16 | count u8 | spans of entered epochs (first u64, last u64) |
    /// count u8 | messages of the current epoch, ascending by id (message id u16, signal hash 32).
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = [BOOK_MAGIC, &[VERSION]].concat();
        put_book(&mut bytes, self);
        seal(bytes)
    }

    /// Reads a book.
    ///
    /// # Errors
    /// [`FormatError`] for all bytes that [`to_bytes`](Self::to_bytes) does not produce, except those of version 1, which
    /// lacks the last count and the messages.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        let (mut reader, version) = Reader::unseal(bytes, BOOK_MAGIC, VERSIONS)?;
        let book = read_book(&mut reader, version)?;
        reader.end()?;
        Ok(book)
    }
}

pub(super) fn put_book(bytes: &mut Vec<u8>, book: &Book) {
    bytes.extend(book.owner.registry.chain_id.to_be_bytes());
    bytes.extend(book.owner.registry.address);
    bytes.extend(book.owner.commitment.to_be_bytes());
    bytes.extend(book.share.device().to_be_bytes());
    bytes.extend(book.share.devices().get().to_be_bytes());
    bytes.extend(book.last_use.0.to_be_bytes());
    put_option(bytes, book.suspect_until.map(|until| [until.0]));
    put_option(bytes, book.forgotten_until.map(|until| [until.0]));
    // A book has at most MAX_ENTRIES entries, and an entry has at most MAX_SPANS spans.
    bytes.extend((book.entries.len() as u16).to_be_bytes());
    for ((scope, epoch_seconds), entry) in &book.entries {
        bytes.extend(scope.to_be_bytes());
        bytes.extend(epoch_seconds.get().to_be_bytes());
        bytes.extend(entry.current.to_be_bytes());
        bytes.extend(entry.used.to_be_bytes());
        let spans = entry.entered.spans();
        bytes.push(spans.len() as u8);
        for (first, last) in spans {
            bytes.extend(first.to_be_bytes());
            bytes.extend(last.to_be_bytes());
        }
        // An entry has at most MAX_SIGNALS messages.
        bytes.push(entry.signals.len() as u8);
        for (id, signal) in &entry.signals {
            bytes.extend(id.to_be_bytes());
            bytes.extend(signal.to_be_bytes());
        }
    }
}

pub(super) fn read_book(reader: &mut Reader<'_>, version: u8) -> Result<Book, FormatError> {
    let registry = RegistryId { chain_id: reader.u64()?, address: reader.array()? };
    let commitment = reader.array()?;
    let commitment = IdentityCommitment::from_be_bytes(&commitment)
        .map_err(|_| invalid(reader, 32, "the commitment is not a canonical field element"))?;
    let (device, devices) = (reader.u16()?, reader.u16()?);
    let share = NonZeroU16::new(devices)
        .and_then(|devices| DeviceShare::new(device, devices).ok())
        .ok_or_else(|| invalid(reader, 4, "the device number is not below the number of devices"))?;
    let last_use = UnixSeconds(reader.u64()?);
    let suspect_until = read_option(reader)?.map(|[until]| UnixSeconds(until));
    let forgotten_until = read_option(reader)?.map(|[until]| UnixSeconds(until));
    let count = usize::from(reader.u16()?);
    if count > MAX_ENTRIES {
        return Err(invalid(reader, 2, "there are too many entries"));
    }
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let (key, entry) = read_entry(reader, share, version)?;
        if entries.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(invalid(reader, 0, "the entries are not in ascending order"));
        }
        entries.insert(key, entry);
    }
    let owner = LedgerOwner { registry, commitment };
    Ok(Book { owner, share, last_use, suspect_until, forgotten_until, entries })
}

fn read_entry(reader: &mut Reader<'_>, share: DeviceShare, version: u8) -> Result<(EntryKey, Entry), FormatError> {
    let scope = reader.array()?;
    let scope =
        Scope::from_be_bytes(&scope).map_err(|_| invalid(reader, 32, "the scope is not a canonical field element"))?;
    let epoch_seconds = reader.u32()?;
    let epoch_seconds = NonZeroU32::new(epoch_seconds).ok_or_else(|| invalid(reader, 4, "an epoch has no seconds"))?;
    let current = reader.u64()?;
    let used = reader.u16()?;
    if used.checked_sub(1).and_then(|last| share.id(last)).is_none() {
        return Err(invalid(reader, 2, "the number of used ids is out of range"));
    }
    let count = reader.u8()?;
    let spans = (0..count).map(|_| Ok((reader.u64()?, reader.u64()?))).collect::<Result<_, FormatError>>()?;
    let entered = EnteredEpochs::from_spans(spans).filter(|entered| entered.contains(current)).ok_or_else(|| {
        invalid(reader, 0, "the spans of entered epochs are not ascending, or lack the current epoch")
    })?;
    let signals = if version == 1 { Vec::new() } else { read_signals(reader, share, used)? };
    Ok(((scope, epoch_seconds), Entry { current, used, entered, signals }))
}

/// Reads the messages of a share of which this number of ids is used.
fn read_signals(reader: &mut Reader<'_>, share: DeviceShare, used: u16) -> Result<Vec<(u16, SignalHash)>, FormatError> {
    let count = usize::from(reader.u8()?);
    if count > MAX_SIGNALS {
        return Err(invalid(reader, 1, "there are too many messages"));
    }
    let mut signals: Vec<(u16, SignalHash)> = Vec::with_capacity(count);
    for _ in 0..count {
        let id = reader.u16()?;
        let is_used = share.position(id).is_some_and(|position| position < used);
        if !is_used || signals.last().is_some_and(|(last, _)| *last >= id) {
            return Err(invalid(reader, 2, "the ids of messages are not ascending, or not used"));
        }
        let signal = reader.array()?;
        let signal = SignalHash::from_be_bytes(&signal)
            .map_err(|_| invalid(reader, 32, "a signal hash is zero, or not a canonical field element"))?;
        signals.push((id, signal));
    }
    Ok(signals)
}

fn invalid(reader: &Reader<'_>, before: usize, what: &'static str) -> FormatError {
    reader.before(before, FormatErrorKind::Invalid(what))
}

/// A flag, then the numbers; zeros if there are none.
pub(super) fn put_option<const N: usize>(bytes: &mut Vec<u8>, numbers: Option<[u64; N]>) {
    bytes.push(u8::from(numbers.is_some()));
    for number in numbers.unwrap_or([0; N]) {
        bytes.extend(number.to_be_bytes());
    }
}

pub(super) fn read_option<const N: usize>(reader: &mut Reader<'_>) -> Result<Option<[u64; N]>, FormatError> {
    let flag = reader.u8()?;
    let mut numbers = [0; N];
    for number in &mut numbers {
        *number = reader.u64()?;
    }
    match flag {
        1 => Ok(Some(numbers)),
        0 if numbers == [0; N] => Ok(None),
        _ => Err(invalid(reader, 1 + 8 * N, "the flag of an optional value is neither 0 nor 1")),
    }
}
