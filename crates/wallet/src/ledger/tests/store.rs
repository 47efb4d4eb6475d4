//! Tests of the checks of ledger and witness at opening.

use std::path::Path;

use super::{disk::SimulatedDisk, *};
use crate::ledger::{
    Book, Gap, History, LedgerError, LedgerRefusal,
    store::{Store, read_book},
};

const NOON: UnixSeconds = UnixSeconds(1_800_000_000);

struct Bench {
    disk: SimulatedDisk,
    quota: Quota,
}

impl Bench {
    /// A disk with a ledger of which one id is used.
    fn new() -> Self {
        let bench = Self { disk: SimulatedDisk::default(), quota: quota("room", 600, 100) };
        let mut store = bench.create(History::None).unwrap();
        store.reserve(NOON, &bench.quota).unwrap();
        bench
    }

    fn ledger(&self) -> &'static Path {
        Path::new("data/ledger")
    }

    fn witness(&self) -> &'static Path {
        Path::new("state/witness")
    }

    fn create(&self, history: History) -> Result<Store<SimulatedDisk>, LedgerError> {
        let book = Book::new(owner(0), DeviceShare::SOLE);
        Store::create(self.disk.clone(), self.ledger(), self.witness(), book, NOON, history)
    }

    fn open(&self) -> Store<SimulatedDisk> {
        Store::open(self.disk.clone(), self.ledger(), self.witness(), &owner(0), DeviceShare::SOLE).unwrap()
    }

    /// The first use is refused, and so is the next epoch; the one after works. The same holds after the ledger is
    /// opened again.
    fn skips_two_epochs(&self) {
        let refused = |store: &mut Store<_>, now| match store.reserve(now, &self.quota) {
            Err(LedgerError::Refused(LedgerRefusal::MayBeStale { resumes_at })) => assert_eq!(resumes_at, NOON + 1_200),
            other => panic!("{other:?}"),
        };
        refused(&mut self.open(), NOON + 1);
        assert_eq!(self.open().gap(), None, "the gap is recorded");
        refused(&mut self.open(), NOON + 1_199);
        assert_eq!(self.open().reserve(NOON + 1_200, &self.quota).unwrap().message_id, 0);
    }
}

#[test]
fn a_clean_ledger_goes_on_where_it_was() {
    let bench = Bench::new();
    let mut store = bench.open();
    assert_eq!(store.gap(), None);
    assert_eq!(store.reserve(NOON, &bench.quota).unwrap().message_id, 1);
}

#[test]
fn an_old_copy_beside_the_newest_witness_is_seen() {
    let bench = Bench::new();
    let old = bench.disk.content(bench.ledger()).unwrap();
    bench.open().reserve(NOON, &bench.quota).unwrap();
    bench.disk.put_in_place(bench.ledger(), old);
    assert_eq!(bench.open().gap(), Some(Gap::WitnessDiffers { ledger: 2, witness: 3 }));
    bench.skips_two_epochs();
}

#[test]
fn an_old_copy_with_its_own_witness_is_seen_by_its_inode() {
    let bench = Bench::new();
    let old = [bench.ledger(), bench.witness()].map(|path| (path, bench.disk.content(path).unwrap()));
    bench.open().reserve(NOON, &bench.quota).unwrap();
    for (path, content) in old {
        bench.disk.put_copy(path, content);
    }
    assert_eq!(bench.open().gap(), Some(Gap::FileReplaced));
    bench.skips_two_epochs();
}

#[test]
fn a_witness_that_is_gone_or_damaged_is_seen() {
    for content in [None, Some(b"quotapass-witness".to_vec())] {
        let bench = Bench::new();
        let expected = if content.is_some() { Gap::WitnessDamaged } else { Gap::WitnessMissing };
        bench.disk.remove(bench.witness());
        content.into_iter().for_each(|content| bench.disk.put_copy(bench.witness(), content));
        assert_eq!(bench.open().gap(), Some(expected));
        bench.skips_two_epochs();
    }
}

/// The attack: a write stops between the ledger and its witness, the same message gets its id again, and then a backup
/// from before brings back a ledger without the id. Another message would get the id, and the secret would be revealed.
/// Here the inode would tell as well; in a snapshot of a volume the ledger has its old inode.
#[test]
fn an_id_that_is_given_again_is_witnessed() {
    let bench = Bench::new();
    let [ledger, witness] = [bench.ledger(), bench.witness()].map(|path| bench.disk.content(path).unwrap());
    assert_eq!(bench.open().reserve_message(NOON, &bench.quota, b"one").unwrap().message_id, 1);
    bench.disk.put_in_place(bench.witness(), witness);
    let mut store = bench.open();
    assert_eq!(store.gap(), None);
    let again = store.reserve_message(NOON, &bench.quota, b"one").unwrap();
    assert_eq!((again.message_id, again.is_again), (1, true));
    drop(store);
    bench.disk.put_in_place(bench.ledger(), ledger);
    assert_eq!(bench.open().gap(), Some(Gap::WitnessDiffers { ledger: 2, witness: 3 }));
    bench.skips_two_epochs();
}

/// What a reader shows is what the next reservation answers, and reading changes nothing.
#[test]
fn a_reader_finds_what_the_next_reservation_finds() {
    let spoil: [fn(&Bench); 4] = [
        |_| {},
        |bench| bench.disk.remove(bench.witness()),
        |bench| bench.disk.put_in_place(bench.witness(), b"quotapass-witness".to_vec()),
        |bench| {
            let old = bench.disk.content(bench.ledger()).unwrap();
            bench.open().reserve(NOON + 86_400, &bench.quota).unwrap();
            bench.disk.put_in_place(bench.ledger(), old);
        },
    ];
    for spoil in spoil {
        let bench = Bench::new();
        spoil(&bench);
        let contents = || [bench.ledger(), bench.witness()].map(|path| bench.disk.content(path));
        let (before, now) = (contents(), NOON + 1);
        let read = read_book(&bench.disk, bench.ledger(), bench.witness(), &owner(0), DeviceShare::SOLE, now);
        let shown = read.unwrap().reserve(now, &bench.quota);
        assert_eq!(contents(), before);
        match (shown, bench.open().reserve(now, &bench.quota)) {
            (Ok(shown), Ok(given)) => assert_eq!(shown, given),
            (Err(shown), Err(LedgerError::Refused(given))) => assert_eq!(shown, given),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn who_knows_that_the_ledger_is_current_goes_on_at_once() {
    let bench = Bench::new();
    bench.disk.remove(bench.witness());
    let mut store = bench.open();
    store.reserve(NOON, &bench.quota).unwrap_err();
    drop(store);
    let mut store = bench.open();
    store.confirm_current().unwrap();
    assert_eq!(store.reserve(NOON, &bench.quota).unwrap().message_id, 1);
    drop(store);
    assert_eq!(bench.open().gap(), None);
}

/// A commit has ten steps: create, write, flush, rename and flush the folder, twice.
#[test]
fn a_crash_at_any_step_is_no_gap_and_repeats_no_id() {
    for steps in 0..=10 {
        for seed in 0..40 {
            let bench = Bench::new();
            let mut store = bench.open();
            bench.disk.lose_power_after(steps);
            let first = store.reserve(NOON, &bench.quota).map(|reservation| reservation.message_id);
            assert_eq!(first.is_ok(), steps == 10);
            bench.disk.restart(seed);
            let mut store = bench.open();
            assert_eq!(store.gap(), None, "after {steps} steps");
            let second = store.reserve(NOON, &bench.quota).unwrap().message_id;
            assert!(first.is_err() || second == 2);
        }
    }
}

/// The pass of a message may be lost with the crash, and is then made again. It has the id of the first one or a new one,
/// and no other message has that id.
#[test]
fn a_crash_at_any_step_gives_the_id_of_a_message_to_no_other() {
    for steps in 0..=10 {
        for seed in 0..40 {
            let bench = Bench::new();
            let reserve = |store: &mut Store<_>, message: &[u8]| {
                store.reserve_message(NOON, &bench.quota, message).map(|reservation| reservation.message_id)
            };
            let mut store = bench.open();
            bench.disk.lose_power_after(steps);
            let first = reserve(&mut store, b"one");
            assert_eq!(first.is_ok(), steps == 10);
            bench.disk.restart(seed);
            let (other, again) = (reserve(&mut bench.open(), b"other").unwrap(), reserve(&mut bench.open(), b"one"));
            let again = again.unwrap();
            assert_ne!(other, again);
            assert!(first.is_err() || (first.unwrap(), other) == (again, 2));
        }
    }
}

/// A message that has its id needs no write, so that a full disk does not stop its pass.
#[test]
fn a_message_that_has_its_id_writes_nothing() {
    let bench = Bench::new();
    let mut store = bench.open();
    let first = store.reserve_message(NOON, &bench.quota, b"one").unwrap().message_id;
    bench.disk.set_full(true);
    assert_eq!(store.reserve_message(NOON, &bench.quota, b"one").unwrap().message_id, first);
    assert!(matches!(store.reserve_message(NOON, &bench.quota, b"two"), Err(LedgerError::Io { .. })));
    bench.disk.set_full(false);
    drop(store);
    assert_eq!(bench.open().reserve_message(NOON, &bench.quota, b"one").unwrap().message_id, first);
    // A gap is recorded, and refused, also for a message that has its id.
    bench.disk.remove(bench.witness());
    let refused = bench.open().reserve_message(NOON, &bench.quota, b"one");
    assert!(matches!(refused, Err(LedgerError::Refused(LedgerRefusal::MayBeStale { .. }))), "{refused:?}");
}

/// A creation has fifteen steps: five for the witness of no ledger, and the ten of a commit.
#[test]
fn a_crash_at_any_step_of_the_creation_is_no_gap() {
    for steps in 0..=16 {
        for seed in 0..40 {
            let bench = Bench { disk: SimulatedDisk::default(), quota: quota("room", 600, 100) };
            bench.disk.lose_power_after(steps);
            let created = bench.create(History::None);
            bench.disk.restart(seed);
            match bench.create(History::None) {
                Ok(_) => assert!(created.is_err()),
                Err(error) => assert!(matches!(error, LedgerError::Exists(_)), "after {steps} steps: {error}"),
            }
            let mut store = bench.open();
            assert_eq!(store.gap(), None, "after {steps} steps");
            assert_eq!(store.reserve(NOON, &bench.quota).unwrap().message_id, 0);
        }
    }
}

#[test]
fn a_full_disk_gives_no_id_and_leaves_the_ledger_as_it_was() {
    let bench = Bench::new();
    let before = bench.disk.content(bench.ledger());
    let mut store = bench.open();
    bench.disk.set_full(true);
    let error = store.reserve(NOON, &bench.quota).unwrap_err();
    assert!(matches!(error, LedgerError::Io { action: "write", .. }), "{error}");
    assert_eq!(bench.disk.content(bench.ledger()), before);
    bench.disk.set_full(false);
    assert_eq!(store.reserve(NOON, &bench.quota).unwrap().message_id, 1);
}

#[test]
fn a_witness_that_cannot_be_written_does_not_fall_two_states_behind() {
    let bench = Bench::new();
    let mut store = bench.open();
    for _ in 0..3 {
        // The ledger is written in five steps, the witness is not.
        bench.disk.lose_power_after(5);
        store.reserve(NOON, &bench.quota).unwrap_err();
        assert_eq!(bench.disk.power(), Some(0));
    }
    bench.disk.lose_power_after(u32::MAX);
    drop(store);
    assert_eq!(bench.open().gap(), None);
}

#[test]
fn a_second_ledger_of_one_identity_needs_an_unknown_history() {
    let bench = Bench::new();
    assert!(matches!(bench.create(History::None), Err(LedgerError::Exists(_))));
    bench.disk.remove(bench.ledger());
    assert!(matches!(bench.create(History::None), Err(LedgerError::AnotherLedger { .. })));
    bench.create(History::Unknown).unwrap();
    bench.skips_two_epochs();
}

/// Each ledger in a place knows of the last use that its witness recorded, even if other ledgers were there in between.
/// Otherwise a clock that was once ahead would reach the same epoch twice.
#[test]
fn a_third_ledger_still_knows_of_the_use_of_the_first() {
    let bench = Bench::new();
    bench.open().reserve(NOON + 86_400, &bench.quota).unwrap();
    for _ in 0..2 {
        bench.disk.remove(bench.ledger());
        bench.create(History::Unknown).unwrap();
        let refused = bench.open().reserve(NOON + 86_400, &bench.quota).unwrap_err();
        assert!(matches!(refused, LedgerError::Refused(LedgerRefusal::MayBeStale { .. })), "{refused}");
    }
}

/// The sequence of `deposit`: the ledger is created before the deposit, and its history is known when the deposit is in
/// a block.
#[test]
fn a_first_ledger_is_confirmed_and_no_other() {
    let empty = || Bench { disk: SimulatedDisk::default(), quota: quota("room", 600, 100) };
    let bench = empty();
    let mut store = bench.create(History::Unknown).unwrap();
    assert!(matches!(store.reserve(NOON, &bench.quota), Err(LedgerError::Refused(LedgerRefusal::MayBeStale { .. }))));
    assert!(store.confirm_first().unwrap());
    assert_eq!(store.reserve(NOON, &bench.quota).unwrap().message_id, 0);

    // A process that ends in between leaves a ledger that later processes cannot confirm as the first.
    let bench = empty();
    drop(bench.create(History::Unknown).unwrap());
    let mut store = bench.open();
    assert!(!store.confirm_first().unwrap());
    assert!(store.reserve(NOON, &bench.quota).is_err());

    // A ledger that follows another one cannot be confirmed as the first either.
    let bench = Bench::new();
    bench.disk.remove(bench.ledger());
    let mut store = bench.create(History::Unknown).unwrap();
    assert!(!store.confirm_first().unwrap());
    drop(store);
    bench.skips_two_epochs();
}

#[test]
fn another_identity_share_or_content_is_refused() {
    let bench = Bench::new();
    let open = |owner, share| Store::open(bench.disk.clone(), bench.ledger(), bench.witness(), &owner, share);
    assert!(matches!(open(owner(1), DeviceShare::SOLE), Err(LedgerError::OtherOwner(_))));
    let expected = share(1, 2);
    match open(owner(0), expected) {
        Err(LedgerError::OtherShare { found, expected: asked, .. }) => {
            assert_eq!((found, asked), (DeviceShare::SOLE, expected));
        }
        other => panic!("{other:?}"),
    }
    bench.disk.put_in_place(bench.ledger(), Vec::new());
    assert!(matches!(open(owner(0), DeviceShare::SOLE), Err(LedgerError::Damaged { .. })));
    assert_eq!(bench.disk.content(bench.ledger()), Some(Vec::new()));
    bench.disk.remove(bench.ledger());
    assert!(matches!(open(owner(0), DeviceShare::SOLE), Err(LedgerError::Missing(_))));
}
