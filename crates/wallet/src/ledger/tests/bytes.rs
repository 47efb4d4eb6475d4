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
    let message = prop::option::of(0..20u8);
    let uses = prop::collection::vec((0..5u8, 1..4u32, 0..10_000u64, 1..5_000u16, message), 0..60);
    (uses, 0..3u16, any::<Option<u64>>()).prop_map(|(uses, device, suspect)| {
        let mut book = Book::new(owner(1), share(device, 3));
        for (scope, seconds, now, limit, message) in uses {
            let (now, quota) = (UnixSeconds(now * 1_000), quota(&scope.to_string(), seconds * 60, limit));
            let _ = match message {
                Some(message) => book.reserve_message(now, &quota, &[message]),
                None => book.reserve(now, &quota),
            };
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
        if let Ok(read) = LedgerFile::from_bytes(&bytes)
            && bytes[b"quotapass-ledger".len()] == 2
        {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
        let bytes = resealed(&file.book.to_bytes(), &changes, cut);
        if let Ok(mut read) = Book::from_bytes(&bytes) {
            if bytes[b"quotapass-book".len()] == 2 {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
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
    for version in [0, 3] {
        newer[14] = version;
        assert_eq!(fault(&newer), (14, FormatErrorKind::UnknownVersion(version)));
    }
    let mut damaged = bytes.clone();
    damaged[20] ^= 1;
    assert_eq!(fault(&damaged), (bytes.len() - 32, FormatErrorKind::Checksum));
    let content = &bytes[..bytes.len() - 32];
    assert_eq!(fault(&seal([content, &[0]].concat())), (content.len(), FormatErrorKind::TrailingBytes));
    let mut no_devices = content.to_vec();
    no_devices[77..79].fill(0);
    assert!(matches!(fault(&seal(no_devices)), (75, FormatErrorKind::Invalid(_))));
}

/// Version 1, byte for byte: one scope, of whose epochs 3,000,000 and 3,000,001 were entered.
#[test]
fn books_and_files_of_version_1_still_open() {
    let mut body = [&1u64.to_be_bytes()[..], &[0x11; 20], &owner(0).commitment.to_be_bytes()].concat();
    body.extend([0, 1, 0, 2]);
    body.extend(1_800_000_600u64.to_be_bytes());
    body.extend([0; 18]);
    body.extend([0, 1]);
    body.extend(quota("room", 600, 9).scope.to_be_bytes());
    body.extend(600u32.to_be_bytes());
    body.extend(3_000_001u64.to_be_bytes());
    body.extend([0, 2, 1]);
    body.extend([3_000_000u64.to_be_bytes(), 3_000_001u64.to_be_bytes()].concat());

    let book = Book::from_bytes(&seal([&b"quotapass-book\x01"[..], &body].concat())).unwrap();
    let head = [&b"quotapass-ledger\x01"[..], &7u64.to_be_bytes(), &[5; 32], &[0; 17]].concat();
    let file = LedgerFile::from_bytes(&seal([head, body].concat())).unwrap();
    assert_eq!((file.generation, &file.book), (7, &book));
    // It goes on where it was, and is written in the new version.
    for mut book in [book, file.book] {
        let now = UnixSeconds(1_800_000_700);
        let reservation = book.reserve_message(now, &quota("room", 600, 9), b"hello").unwrap();
        assert_eq!((reservation.message_id, reservation.left), (5, 1));
        assert_eq!(Book::from_bytes(&book.to_bytes()), Ok(book.clone()));
        assert_eq!(book.reserve_message(now, &quota("room", 600, 9), b"hello").unwrap().message_id, 5);
    }
}

#[test]
fn messages_without_a_used_id_are_refused() {
    let mut book = Book::new(owner(0), share(1, 2));
    book.reserve_message(UnixSeconds(600), &quota("room", 600, 9), b"one").unwrap();
    book.reserve_message(UnixSeconds(600), &quota("room", 600, 9), b"two").unwrap();
    let content = book.to_bytes();
    let content = &content[..content.len() - 32];
    // The two messages are the last 68 bytes: id and signal hash.
    let (first, second) = (content.len() - 68, content.len() - 34);
    let changed = |at: usize, bytes: &[u8]| {
        let mut content = content.to_vec();
        content[at..at + bytes.len()].copy_from_slice(bytes);
        Book::from_bytes(&seal(content)).map_err(|error| error.kind)
    };
    assert_eq!(changed(first, &[0, 1]), Ok(book));
    // Not used, another device's, twice, zero, not canonical, and more messages than there are.
    for (at, bytes) in [
        (second, &[0, 5][..]),
        (first, &[0, 0]),
        (second, &[0, 1]),
        (first + 2, &[0; 32]),
        (first + 2, &[0xff; 32]),
        (first - 1, &[129]),
    ] {
        assert!(matches!(changed(at, bytes), Err(FormatErrorKind::Invalid(_))), "{at} {bytes:?}");
    }
    assert_eq!(changed(first - 1, &[3]), Err(FormatErrorKind::Truncated));
}
