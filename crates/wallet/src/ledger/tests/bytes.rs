use proptest::prelude::*;

use super::*;
use crate::{
    bytes::{Checksum, FormatErrorKind, seal},
    ledger::{
        Book,
        disk::Stamp,
        file::{LedgerFile, Witness},
    },
};

fn any_book() -> impl Strategy<Value = Book> {
    let uses = prop::collection::vec((0..5u8, 1..4u32, 0..10_000u64, 1..5_000u16), 0..60);
    (uses, 0..3u16, any::<Option<u64>>()).prop_map(|(uses, device, suspect)| {
        let mut book = Book::new(owner(1), share(device, 3));
        for (scope, seconds, now, limit) in uses {
            let _ = book.reserve(UnixSeconds(now * 1_000), &quota(&scope.to_string(), seconds * 60, limit));
        }
        suspect.into_iter().for_each(|until| book.suspect(UnixSeconds(until)));
        book
    })
}

fn any_file() -> impl Strategy<Value = LedgerFile> {
    let stamp = any::<Option<(u64, u64)>>().prop_map(|stamp| stamp.map(|(inode, born)| Stamp { inode, born }));
    (any_book(), any::<u64>(), any::<[u8; 32]>(), stamp).prop_map(|(book, generation, previous, stamp)| LedgerFile {
        generation,
        previous: Checksum(previous),
        stamp,
        book,
    })
}

/// Changes that keep the checksum valid, unlike damage.
fn resealed(file: &[u8], changes: &[(prop::sample::Index, u8)], cut: usize) -> Vec<u8> {
    let mut content = file[..file.len() - Checksum::LENGTH].to_vec();
    for (at, value) in changes {
        let at = at.index(content.len());
        content[at] = *value;
    }
    content.truncate(content.len() - cut.min(content.len()));
    seal(content)
}

proptest! {
    #[test]
    fn books_and_files_return_from_their_bytes(file in any_file()) {
        prop_assert_eq!(LedgerFile::from_bytes(&file.to_bytes()), Ok(file.clone()));
        prop_assert_eq!(Book::from_bytes(&file.book.to_bytes()), Ok(file.book));
    }

    #[test]
    fn random_bytes_are_no_ledger(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(LedgerFile::from_bytes(&bytes).is_err());
        prop_assert!(Witness::from_bytes(&bytes).is_err());
        prop_assert!(Book::from_bytes(&bytes).is_err());
    }

    #[test]
    fn any_damage_is_seen(file in any_file(), at: prop::sample::Index, flip in 1..=u8::MAX, cut: prop::sample::Index) {
        let good = file.to_bytes();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(LedgerFile::from_bytes(&bytes).is_err());
        prop_assert!(LedgerFile::from_bytes(&good[..cut.index(good.len())]).is_err());
        prop_assert!(LedgerFile::from_bytes(&[&good[..], &[0]].concat()).is_err());
    }

    /// A changed file with a valid checksum is accepted only if it is canonical.
    #[test]
    fn changed_files_are_read_only_as_written(
        file in any_file(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop_oneof![4 => Just(0), 1 => 0..200usize],
    ) {
        let bytes = resealed(&file.to_bytes(), &changes, cut);
        if let Ok(read) = LedgerFile::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
        let bytes = resealed(&file.book.to_bytes(), &changes, cut);
        if let Ok(mut read) = Book::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
            let _ = read.reserve(UnixSeconds(1_000_000), &quota("1", 60, 100));
        }
    }
}

#[test]
fn the_kind_of_fault_is_named_with_its_place() {
    let bytes = Book::new(owner(0), DeviceShare::SOLE).to_bytes();
    let fault = |bytes: &[u8]| {
        let error = Book::from_bytes(bytes).unwrap_err();
        (error.offset, error.kind)
    };
    assert_eq!(fault(b"something else"), (0, FormatErrorKind::Foreign));
    assert_eq!(fault(&bytes[..15]), (15, FormatErrorKind::Truncated));
    let mut newer = bytes.clone();
    newer[14] = 2;
    assert_eq!(fault(&newer), (14, FormatErrorKind::UnknownVersion(2)));
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    assert_eq!(fault(&damaged), (bytes.len() - 32, FormatErrorKind::Checksum));
    let content = &bytes[..bytes.len() - 32];
    assert_eq!(fault(&seal([content, &[0]].concat())), (content.len(), FormatErrorKind::TrailingBytes));
    let mut no_devices = content.to_vec();
    no_devices[77..79].fill(0);
    assert!(matches!(fault(&seal(no_devices)), (75, FormatErrorKind::Invalid(_))));
}
