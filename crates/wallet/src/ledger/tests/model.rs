//! Model test: with devices, clocks, crashes and backups in any order, no id is ever given twice in an epoch, except for
//! the same message.
//!
//! The model is the set of all ids that were given, with their messages. Three events cannot be detected by any ledger and are excluded:
//! ledger, inode and witness restored together; a clock that is behind by an epoch or more at the first use after a
//! restoration; and ids used that far ahead of the clock, then lost. The last two are excluded as follows: when a
//! restored ledger is first used, the clock is at most a few seconds before every past use.

use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
};

use proptest::prelude::*;
use quotapass_circuits::signal::{Epoch, Scope, SignalHash};

use super::{disk::SimulatedDisk, *};
use crate::ledger::{Book, History, LedgerError, LedgerRefusal, Reservation, store::Store};

const LEDGER: &str = "data/ledger";
const WITNESS: &str = "state/witness";
const START: UnixSeconds = UnixSeconds(1_800_000_000);
/// Maximum delay of the clock when a restored ledger is first used: less than the shortest epoch here.
const SLOW: u64 = 59;

#[derive(Clone, Copy, Debug)]
enum Restored {
    LedgerAsCopy,
    LedgerInPlace,
    BothAsCopies,
    BothInPlace,
    LedgerAndNoWitness,
    WitnessAlone,
    NoWitness,
    NothingAtAll,
}

/// One of a few messages, so that many come again; `None` for an id for any message.
type Message = Option<u8>;

#[derive(Clone, Debug)]
enum Step {
    Reserve {
        device: usize,
        scope: u8,
        seconds: u32,
        limit: u16,
        message: Message,
    },
    /// Power is lost during a reservation, or during the opening before it.
    Crash {
        device: usize,
        steps: u32,
        seed: u64,
        reopen: bool,
        message: Message,
    },
    Kill {
        device: usize,
        steps: u32,
    },
    FullDisk {
        device: usize,
    },
    Reopen {
        device: usize,
    },
    Backup {
        device: usize,
    },
    Restore {
        device: usize,
        backup: prop::sample::Index,
        kind: Restored,
    },
    Wait(u64),
    ClockBack(u64),
}

fn step() -> impl Strategy<Value = Step> {
    use Restored::*;
    let device = 0..2usize;
    let kind = prop::sample::select(vec![
        LedgerAsCopy,
        LedgerInPlace,
        BothAsCopies,
        BothInPlace,
        LedgerAndNoWitness,
        WitnessAlone,
        NoWitness,
        NothingAtAll,
    ]);
    let message = || prop::option::of(0..6u8);
    let reserve = (device.clone(), 0..2u8, prop::sample::select(vec![60u32, 600]), 1..9u16, message());
    prop_oneof![
        12 => reserve.prop_map(|(device, scope, seconds, limit, message)| {
            Step::Reserve { device, scope, seconds, limit, message }
        }),
        4 => (device.clone(), 0..22u32, any::<u64>(), any::<bool>(), message())
            .prop_map(|(device, steps, seed, reopen, message)| Step::Crash { device, steps, seed, reopen, message }),
        2 => (device.clone(), 0..22u32).prop_map(|(device, steps)| Step::Kill { device, steps }),
        1 => device.clone().prop_map(|device| Step::FullDisk { device }),
        1 => device.clone().prop_map(|device| Step::Reopen { device }),
        3 => device.clone().prop_map(|device| Step::Backup { device }),
        3 => (device, any::<prop::sample::Index>(), kind)
            .prop_map(|(device, backup, kind)| Step::Restore { device, backup, kind }),
        3 => prop_oneof![1..100u64, 500..2_000u64].prop_map(Step::Wait),
        1 => prop_oneof![Just(2_400_000_000u64), Just(3 * 86_400)].prop_map(Step::Wait),
        2 => prop_oneof![1..2_000u64, Just(START.0), Just(2_400_000_000)].prop_map(Step::ClockBack),
    ]
}

/// Content of ledger and witness; `None` if they did not exist.
type Backup = (Option<Vec<u8>>, Option<Vec<u8>>);

struct Device {
    share: DeviceShare,
    disk: SimulatedDisk,
    store: Option<Store<SimulatedDisk>>,
    backups: Vec<Backup>,
    /// The latest time at which an id was given.
    latest_use: UnixSeconds,
    /// Whether no ledger was ever opened here.
    is_new: bool,
    /// Whether a file was restored and not used since.
    is_restored: bool,
}

impl Device {
    fn new(device: u16) -> Self {
        Self {
            share: share(device, 2),
            disk: SimulatedDisk::default(),
            store: None,
            backups: Vec::new(),
            latest_use: UnixSeconds(0),
            is_new: true,
            is_restored: false,
        }
    }

    /// The store, opened or created if it is not open.
    fn store(&mut self, now: UnixSeconds) -> Result<&mut Store<SimulatedDisk>, LedgerError> {
        if self.store.is_none() {
            let (disk, ledger, witness) = (self.disk.clone(), Path::new(LEDGER), Path::new(WITNESS));
            let opened = match Store::open(disk.clone(), ledger, witness, &owner(0), self.share) {
                Err(LedgerError::Missing(_)) => {
                    let book = Book::new(owner(0), self.share);
                    Store::create(disk, ledger, witness, book, now, History::Unknown).and_then(|mut store| {
                        // As a deposit does when it is in a block.
                        if self.is_new {
                            assert!(store.confirm_first()?);
                        }
                        Ok(store)
                    })
                }
                other => other,
            };
            self.store = Some(opened?);
            self.is_new = false;
        }
        Ok(self.store.as_mut().unwrap())
    }

    fn reserve(&mut self, clock: UnixSeconds, quota: &Quota, message: Message) -> Result<Reservation, LedgerError> {
        let now = if self.is_restored { clock.max(self.latest_use.saturating_sub(SLOW)) } else { clock };
        let result = self.store(now).and_then(|store| match message {
            Some(message) => store.reserve_message(now, quota, &[message]),
            None => store.reserve(now, quota),
        });
        match &result {
            Ok(_) => {
                self.latest_use = self.latest_use.max(now);
                self.is_restored = false;
            }
            Err(LedgerError::Refused(_)) => self.is_restored = false,
            Err(_) => {}
        }
        result
    }

    fn restore(&mut self, backup: prop::sample::Index, kind: Restored) {
        // Files are not restored while a program has them open.
        self.store = None;
        self.is_restored = true;
        self.is_new = false;
        let (ledger, witness) = (Path::new(LEDGER), Path::new(WITNESS));
        if self.backups.is_empty() {
            return self.disk.remove(witness);
        }
        let (old_ledger, old_witness) = self.backups[backup.index(self.backups.len())].clone();
        type Put = fn(&SimulatedDisk, &Path, Vec<u8>);
        let put = |path: &Path, content: Option<Vec<u8>>, put: Put| match content {
            Some(content) => put(&self.disk, path, content),
            None => self.disk.remove(path),
        };
        match kind {
            Restored::LedgerAsCopy => put(ledger, old_ledger, SimulatedDisk::put_copy),
            Restored::LedgerInPlace => put(ledger, old_ledger, SimulatedDisk::put_in_place),
            Restored::BothAsCopies => {
                put(ledger, old_ledger, SimulatedDisk::put_copy);
                put(witness, old_witness, SimulatedDisk::put_copy);
            }
            Restored::BothInPlace => {
                put(ledger, old_ledger, SimulatedDisk::put_in_place);
                put(witness, old_witness, SimulatedDisk::put_in_place);
            }
            Restored::LedgerAndNoWitness => {
                put(ledger, old_ledger, SimulatedDisk::put_copy);
                self.disk.remove(witness);
            }
            Restored::WitnessAlone => put(witness, old_witness, SimulatedDisk::put_copy),
            Restored::NoWitness => self.disk.remove(witness),
            Restored::NothingAtAll => {
                self.disk.remove(ledger);
                self.disk.remove(witness);
            }
        }
    }
}

#[derive(Default)]
struct Given(HashMap<(Scope, Epoch, u16), Option<SignalHash>>);

impl Given {
    fn take(
        &mut self,
        device: &mut Device,
        clock: UnixSeconds,
        quota: &Quota,
        message: Message,
    ) -> Result<(), LedgerError> {
        let reservation = device.reserve(clock, quota, message)?;
        let id = reservation.message_id;
        assert!(id < quota.limit.get() && id % 2 == device.share.device());
        let (epoch, signal) = (reservation.epoch, reservation.signal);
        let expected = message.map(|message| SignalHash::new(quota.scope, epoch, &[message]).unwrap());
        assert_eq!(signal, expected);
        match self.0.entry((quota.scope, epoch, id)) {
            Entry::Vacant(entry) => drop(entry.insert(signal)),
            Entry::Occupied(entry) => {
                assert!(signal.is_some() && *entry.get() == signal, "id {id} was given twice in {epoch:?}");
            }
        }
        Ok(())
    }
}

fn run(steps: Vec<Step>) {
    let mut devices = [Device::new(0), Device::new(1)];
    let (mut given, mut clock, mut latest) = (Given::default(), START, START);
    let usual = quota("0", 60, 40);
    for step in steps {
        match step {
            Step::Reserve { device, scope, seconds, limit, message } => {
                let quota = quota(&scope.to_string(), seconds, limit);
                let result = given.take(&mut devices[device], clock, &quota, message);
                assert!(matches!(result, Ok(()) | Err(LedgerError::Refused(_))), "{result:?}");
            }
            Step::Crash { device, steps, seed, reopen, message } => {
                let device = &mut devices[device];
                if reopen {
                    device.store = None;
                }
                device.disk.lose_power_after(steps);
                let result = given.take(device, clock, &usual, message);
                assert!(matches!(result, Ok(()) | Err(LedgerError::Refused(_) | LedgerError::Io { .. })), "{result:?}");
                device.disk.restart(seed);
                device.store = None;
            }
            Step::Kill { device, steps } => {
                // The process ends but the system keeps running: nothing that was done is lost.
                let device = &mut devices[device];
                device.disk.lose_power_after(steps);
                let result = given.take(device, clock, &usual, None);
                assert!(matches!(result, Ok(()) | Err(LedgerError::Refused(_) | LedgerError::Io { .. })), "{result:?}");
                device.disk.lose_power_after(u32::MAX);
                device.store = None;
            }
            Step::FullDisk { device } => {
                let device = &mut devices[device];
                let before = device.disk.content(Path::new(LEDGER));
                device.disk.set_full(true);
                let result = given.take(device, clock, &usual, None);
                assert!(matches!(result, Err(LedgerError::Refused(_) | LedgerError::Io { .. })), "{result:?}");
                assert_eq!(device.disk.content(Path::new(LEDGER)), before);
                device.disk.set_full(false);
            }
            Step::Reopen { device } => devices[device].store = None,
            Step::Backup { device } => {
                let device = &mut devices[device];
                let content = |path: &str| device.disk.content(Path::new(path));
                let backup = (content(LEDGER), content(WITNESS));
                device.backups.push(backup);
            }
            Step::Restore { device, backup, kind } => devices[device].restore(backup, kind),
            Step::Wait(seconds) => {
                clock = clock + seconds;
                latest = latest.max(clock);
            }
            Step::ClockBack(seconds) => clock = clock.saturating_sub(seconds),
        }
    }
    // In every case, posting works again two epochs after the next use with a clock that was never ahead of this one.
    // If a clock was far ahead when an old ledger was first used, the owner must confirm the ledger instead.
    clock = latest + 1_000_000;
    for device in &mut devices {
        let first = given.take(device, clock, &usual, None);
        assert!(matches!(first, Ok(()) | Err(LedgerError::Refused(LedgerRefusal::MayBeStale { .. }))), "{first:?}");
        given.take(device, clock + 120, &usual, None).unwrap();
    }
}

/// Number of sequences; `QUOTAPASS_LEDGER_SEQUENCES` overrides it.
fn cases() -> u32 {
    std::env::var("QUOTAPASS_LEDGER_SEQUENCES").map_or(2_000, |count| count.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn no_id_is_given_twice_in_an_epoch(steps in prop::collection::vec(step(), 1..80)) {
        run(steps);
    }
}
