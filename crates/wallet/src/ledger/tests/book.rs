use super::*;
use crate::ledger::{
    Book, LedgerRefusal,
    book::{MAX_ENTRIES, MAX_SIGNALS},
};

const NOON: UnixSeconds = UnixSeconds(1_800_000_000);

fn book() -> Book {
    Book::new(owner(0), DeviceShare::SOLE)
}

#[test]
fn ids_are_counted_up_and_the_end_says_when_it_goes_on() {
    let (mut book, usual) = (book(), quota("room", 600, 3));
    for id in 0..3 {
        let reservation = book.reserve(NOON + 100, &usual).unwrap();
        assert_eq!((reservation.message_id, reservation.left), (id, 2 - id));
        assert_eq!(reservation.epoch.number(), 3_000_000);
    }
    let before = book.clone();
    let refusal = book.reserve(NOON + 599, &usual).unwrap_err();
    assert!(
        matches!(refusal, LedgerRefusal::QuotaUsed { used: 3, next_begins: UnixSeconds(1_800_000_600), .. }),
        "{refusal}"
    );
    assert_eq!(book, before);
    assert_eq!(book.reserve(NOON + 600, &usual).unwrap().message_id, 0);
}

#[test]
fn scopes_and_lengths_of_epochs_have_quotas_of_their_own() {
    let mut book = book();
    for quota in [quota("room", 600, 1), quota("room", 60, 1), quota("other", 600, 1)] {
        assert_eq!(book.reserve(NOON, &quota).unwrap().message_id, 0);
        book.reserve(NOON, &quota).unwrap_err();
    }
}

#[test]
fn a_cap_that_changes_within_an_epoch_gives_no_id_again() {
    let mut book = book();
    let mut at = |limit| book.reserve(NOON, &quota("room", 600, limit)).map(|reservation| reservation.message_id);
    assert_eq!((at(5), at(5), at(5)), (Ok(0), Ok(1), Ok(2)));
    assert!(matches!(at(2), Err(LedgerRefusal::QuotaUsed { used: 2, .. })));
    assert_eq!((at(4), at(9)), (Ok(3), Ok(4)));
}

#[test]
fn the_status_tells_what_a_reservation_would_meet() {
    let (mut book, usual) = (book(), quota("room", 600, 2));
    let status = book.status(NOON, &usual);
    assert_eq!((status.used, status.left, status.next_begins), (0, 2, NOON + 600));
    book.reserve(NOON, &usual).unwrap();
    let status = book.status(NOON, &usual);
    assert_eq!((status.used, status.left), (1, 1));
    book.reserve(NOON + 6_000, &usual).unwrap();
    let status = book.status(NOON, &usual);
    assert_eq!((status.used, status.left, status.next_begins), (0, 0, NOON + 600));
    book.suspect(NOON + 6_000);
    let status = book.status(NOON + 6_000, &usual);
    assert_eq!((status.used, status.left, status.next_begins), (1, 0, NOON + 7_200));
}

#[test]
fn an_epoch_that_was_left_is_not_entered_again() {
    let (mut book, usual) = (book(), quota("room", 600, 9));
    book.reserve(NOON, &usual).unwrap();
    book.reserve(NOON + 600, &usual).unwrap();
    let refusal = book.reserve(NOON + 599, &usual).unwrap_err();
    assert!(
        matches!(refusal, LedgerRefusal::EpochLeft { next_begins, .. } if next_begins == NOON + 1_200),
        "{refusal}"
    );
    assert_eq!(book.reserve(NOON + 601, &usual).unwrap().message_id, 1);
    // A skipped epoch was never used.
    book.reserve(NOON + 6_000, &usual).unwrap();
    assert_eq!(book.reserve(NOON + 3_000, &usual).unwrap().message_id, 0);
}

#[test]
fn a_clock_once_in_the_year_2100_does_not_lock_the_wallet() {
    let (mut book, usual) = (book(), quota("room", 600, 9));
    book.reserve(NOON, &usual).unwrap();
    book.reserve(UnixSeconds(4_102_444_800), &usual).unwrap();
    assert!(matches!(book.reserve(NOON, &usual), Err(LedgerRefusal::EpochLeft { .. })));
    for epoch in 1..200 {
        assert_eq!(book.reserve(NOON + 600 * epoch, &usual).unwrap().message_id, 0);
    }
    assert!(matches!(book.reserve(UnixSeconds(4_102_444_800), &usual), Err(LedgerRefusal::EpochLeft { .. })));
}

#[test]
fn what_may_have_been_used_unknown_to_the_book_is_refused_until_confirmed() {
    let (mut book, usual) = (book(), quota("room", 600, 9));
    book.reserve(NOON, &usual).unwrap();
    book.suspect(NOON + 10);
    book.suspect(NOON);
    let refused = Err(LedgerRefusal::MayBeStale { resumes_at: NOON + 1_200 });
    assert_eq!(book.reserve(NOON + 20, &usual), refused);
    assert_eq!(book.reserve(NOON - 6_000, &usual), refused);
    assert_eq!(book.reserve(NOON, &quota("other", 600, 1)), refused);
    assert_eq!(book.reserve(NOON + 1_199, &usual), refused);
    let mut later = book.clone();
    assert_eq!(later.reserve(NOON + 1_200, &usual).unwrap().message_id, 0);
    book.confirm_current();
    assert_eq!(book.reserve(NOON + 20, &usual).unwrap().message_id, 1);
}

/// Another device posted just after an epoch began and was lost; this device's clock is two seconds slow and still
/// shows the earlier epoch.
#[test]
fn a_slow_clock_just_after_an_edge_repeats_no_id() {
    let (mut lost, usual) = (book(), quota("room", 600, 9));
    let other = lost.reserve(NOON + 600, &usual).unwrap();
    let mut book = book();
    book.suspect(NOON + 598);
    for now in [NOON + 598, NOON + 600, NOON + 1_199] {
        assert_eq!(book.reserve(now, &usual), Err(LedgerRefusal::MayBeStale { resumes_at: NOON + 1_200 }));
    }
    let own = book.reserve(NOON + 1_200, &usual).unwrap();
    assert_ne!((own.epoch, own.message_id), (other.epoch, other.message_id));
}

/// A book that replaces another one after the clock went back, and is replaced again.
#[test]
fn a_book_in_anothers_place_knows_of_all_its_uses() {
    let (mut book, usual) = (book(), quota("room", 600, 9));
    book.reserve(NOON + 86_400, &quota("far", 600, 9)).unwrap();
    book.reserve(NOON + 6_000, &usual).unwrap();
    for _ in 0..2 {
        book = book.replaced(share(0, 2), NOON);
        assert_eq!(book.last_use(), Some(NOON + 6_000));
        assert_eq!(Book::from_bytes(&book.to_bytes()), Ok(book.clone()));
        for now in [NOON, NOON + 6_000, NOON + 7_199] {
            assert_eq!(book.reserve(now, &usual), Err(LedgerRefusal::MayBeStale { resumes_at: NOON + 7_200 }));
        }
        // Further ahead than the last use, and entered before.
        let refused = book.reserve(NOON + 86_400, &quota("far", 600, 9)).unwrap_err();
        assert!(matches!(refused, LedgerRefusal::QuotaUsed { .. }), "{refused}");
        assert_eq!(book.clone().reserve(NOON + 7_200, &usual).unwrap().message_id, 0);
    }
}

#[test]
fn a_limit_below_the_devices_gives_the_last_of_them_nothing() {
    let usual = quota("room", 600, 2);
    let mut third = Book::new(owner(0), share(2, 3));
    let refusal = third.reserve(NOON, &usual).unwrap_err();
    assert_eq!(refusal, LedgerRefusal::NothingForDevice { limit: usual.limit, share: share(2, 3) });
    let mut second = Book::new(owner(0), share(1, 3));
    let reservation = second.reserve(NOON, &usual).unwrap();
    assert_eq!((reservation.message_id, reservation.left), (1, 0));
}

#[test]
fn long_past_scopes_are_forgotten_and_not_entered_again() {
    let (mut book, month) = (book(), 31 * 86_400);
    book.reserve(NOON, &quota("old", 600, 9)).unwrap();
    book.reserve(NOON + month, &quota("new", 600, 9)).unwrap();
    assert_eq!(book.entries.len(), 1);
    assert!(matches!(book.reserve(NOON, &quota("old", 600, 9)), Err(LedgerRefusal::EpochLeft { .. })));
    assert!(matches!(book.reserve(NOON, &quota("never", 3_600, 9)), Err(LedgerRefusal::EpochLeft { .. })));
    assert_eq!(book.reserve(NOON + month, &quota("old", 600, 9)).unwrap().message_id, 0);
    // When the scope has an entry again, its past still counts.
    assert!(matches!(book.reserve(NOON, &quota("old", 600, 9)), Err(LedgerRefusal::EpochLeft { .. })));
}

#[test]
fn the_book_stays_small_however_many_scopes_there_are() {
    let mut book = book();
    for number in 0..MAX_ENTRIES as u64 + 50 {
        book.reserve(NOON + number, &quota(&number.to_string(), 1, 9)).unwrap();
    }
    assert_eq!(book.entries.len(), MAX_ENTRIES);
    for number in 0..50 {
        let refusal = book.reserve(NOON + number, &quota(&number.to_string(), 1, 9)).unwrap_err();
        assert!(
            matches!(refusal, LedgerRefusal::EpochLeft { next_begins, .. } if next_begins == NOON + 50),
            "{refusal}"
        );
    }
}

#[test]
fn the_ends_of_the_number_range_do_not_overflow() {
    let mut book = book();
    for now in [UnixSeconds(0), UnixSeconds::MAX] {
        for seconds in [1, u32::MAX] {
            let usual = quota("room", seconds, u16::MAX);
            book.reserve(now, &usual).unwrap();
            book.status(now, &usual);
        }
    }
    book.suspect(UnixSeconds::MAX);
    assert!(matches!(book.reserve(UnixSeconds::MAX, &quota("room", 1, 1)), Err(LedgerRefusal::MayBeStale { .. })));
}

#[test]
fn the_highest_limit_can_be_used_up() {
    let (mut book, usual) = (book(), quota("room", 600, u16::MAX));
    let ids: Vec<u16> = std::iter::from_fn(|| book.reserve(NOON, &usual).ok()).map(|r| r.message_id).collect();
    assert!(ids.into_iter().eq(0..u16::MAX));
    assert!(matches!(book.reserve(NOON, &usual), Err(LedgerRefusal::QuotaUsed { used: u16::MAX, .. })));
}

#[test]
fn a_message_keeps_its_id_and_every_other_takes_a_new_one() {
    let (mut book, usual) = (book(), quota("room", 600, 9));
    let mut id = |message: &[u8], now, quota: &Quota| {
        let reservation = book.reserve_message(now, quota, message).unwrap();
        assert!(reservation.signal.is_some());
        (reservation.message_id, reservation.left)
    };
    assert_eq!(id(b"one", NOON, &usual), (0, 8));
    assert_eq!(id(b"two", NOON, &usual), (1, 7));
    assert_eq!(id(b"one", NOON + 599, &usual), (0, 7));
    // Another scope, length or epoch gives the message another signal hash.
    assert_eq!(id(b"two", NOON, &quota("other", 600, 9)), (0, 8));
    assert_eq!(id(b"two", NOON, &quota("room", 60, 9)), (0, 8));
    assert_eq!(id(b"two", NOON + 600, &usual), (0, 8));
    assert_eq!(id(b"one", NOON + 600, &usual), (1, 7));
    // An id for any message is not given to a message later.
    let any = book.reserve(NOON + 600, &usual).unwrap();
    assert_eq!((any.message_id, any.signal), (2, None));
    assert_eq!(book.reserve_message(NOON + 600, &usual, b"three").unwrap().message_id, 3);
}

#[test]
fn a_message_keeps_its_id_when_the_quota_is_used_and_changes_nothing() {
    let (mut book, usual) = (book(), quota("room", 600, 2));
    book.reserve_message(NOON, &usual, b"one").unwrap();
    book.reserve_message(NOON, &usual, b"two").unwrap();
    assert!(matches!(book.reserve_message(NOON, &usual, b"three"), Err(LedgerRefusal::QuotaUsed { .. })));
    let before = book.clone();
    let again = book.reserve_message(NOON + 1, &usual, b"two").unwrap();
    assert_eq!((again.message_id, again.left, again.is_again), (1, 0, true));
    assert_eq!(book, before);
    // The cap was lowered: id 1 proves nothing any more, and no other id is free.
    let lower = quota("room", 600, 1);
    assert!(matches!(book.reserve_message(NOON, &lower, b"two"), Err(LedgerRefusal::QuotaUsed { .. })));
    assert_eq!(book.reserve_message(NOON, &lower, b"one").unwrap().message_id, 0);
    // A book that may be stale gives nothing, and an epoch that was left stays left.
    book.suspect(NOON);
    assert!(matches!(book.reserve_message(NOON, &usual, b"two"), Err(LedgerRefusal::MayBeStale { .. })));
    book.confirm_current();
    book.reserve_message(NOON + 600, &usual, b"later").unwrap();
    assert!(matches!(book.reserve_message(NOON, &usual, b"two"), Err(LedgerRefusal::EpochLeft { .. })));
}

#[test]
fn messages_of_epochs_that_are_over_and_of_other_shares_are_forgotten() {
    let (mut book, usual) = (book(), quota("room", 600, u16::MAX));
    for number in 0..MAX_SIGNALS as u16 + 3 {
        assert_eq!(book.reserve_message(NOON, &usual, &number.to_be_bytes()).unwrap().message_id, number);
    }
    let held = |book: &Book| book.entries.values().map(|entry| entry.signals.len()).sum::<usize>();
    assert_eq!(held(&book), MAX_SIGNALS);
    // The oldest are forgotten, which costs an id and repeats none.
    assert_eq!(book.reserve_message(NOON, &usual, &3u16.to_be_bytes()).unwrap().message_id, 3);
    let next = MAX_SIGNALS as u16 + 3;
    assert_eq!(book.reserve_message(NOON, &usual, &0u16.to_be_bytes()).unwrap().message_id, next);
    let replaced = book.replaced(share(1, 2), NOON);
    assert_eq!(held(&replaced), 0);
    assert_eq!(Book::from_bytes(&replaced.to_bytes()), Ok(replaced));
    book.reserve(NOON + 599, &quota("other", 60, 9)).unwrap();
    assert_eq!(held(&book), MAX_SIGNALS);
    book.reserve(NOON + 600, &quota("other", 60, 9)).unwrap();
    assert_eq!(held(&book), 0);
}
