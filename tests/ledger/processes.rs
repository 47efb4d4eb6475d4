//! Tests with several processes and devices at the same time.

use std::{collections::BTreeSet, env, io::Write, path::Path, process::Stdio, time::Duration};

use quotapass_testkit::process::{child, child_on_full_disk, say};
use quotapass_wallet::ledger::LedgerRefusal;

use crate::*;

const FOLDER: &str = "QUOTAPASS_TEST_LEDGER_OF_PROCESSES";
const PROCESSES: u16 = 3;
const IDS_A_PROCESS: u16 = 40;

#[test]
fn processes_that_take_turns_get_different_ids() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(&files(folder.path())));
    let name = "processes::child_that_opens_for_each_id";
    let children: Vec<_> = (0..PROCESSES)
        .map(|_| child(name).env(FOLDER, folder.path()).stdout(Stdio::piped()).spawn().unwrap())
        .collect();
    let mut ids = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let output = String::from_utf8(output.stdout).unwrap();
        ids.extend(output.lines().filter_map(|line| line.strip_prefix("id ")).map(|id| id.parse::<u16>().unwrap()));
    }
    ids.sort_unstable();
    assert!(ids.into_iter().eq(0..PROCESSES * IDS_A_PROCESS));
}

#[test]
#[ignore = "run by processes_that_take_turns_get_different_ids"]
fn child_that_opens_for_each_id() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let files = files(Path::new(&folder)).with_lock_wait(Duration::from_secs(60));
    say("");
    for _ in 0..IDS_A_PROCESS {
        say(&format!("id {}", reserve(&mut open(&files).unwrap(), NOON).unwrap()));
    }
}

#[test]
fn a_ledger_in_use_is_refused_and_not_waited_for_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path()).with_lock_wait(Duration::from_millis(20));
    let ledger = create(&files);
    assert!(matches!(open(&files), Err(LedgerError::InUse(_))));
    let read = files.read_book(&owner(), DeviceShare::SOLE, NOON);
    assert_eq!(read.unwrap(), *ledger.book(), "reading needs no lock");
    drop(ledger);
    open(&files).unwrap();
}

/// The danger of one identity in two folders: both would begin with id 0.
#[test]
fn two_ledgers_of_one_identity_exclude_each_other_and_never_share_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let files = |name: &str| {
        let files = LedgerFiles::in_folders(&folder.path().join(name), &folder.path().join("state"), &owner());
        files.with_lock_wait(Duration::from_millis(20))
    };
    let mut first = create(&files("first"));
    // Written more often than the second will be: the number of writes does not show which is newer.
    for _ in 0..9 {
        reserve(&mut first, NOON).unwrap();
    }
    let second = |history| Ledger::create(&files("second"), &owner(), DeviceShare::SOLE, NOON, history);
    assert!(matches!(second(History::Unknown), Err(LedgerError::InUse(_))));
    drop(first);
    assert!(matches!(second(History::None), Err(LedgerError::AnotherLedger { .. })));
    let mut second = second(History::Unknown).unwrap();
    let stale = |result| assert!(matches!(result, Err(LedgerError::Refused(LedgerRefusal::MayBeStale { .. }))));
    stale(reserve(&mut second, NOON));
    reserve(&mut second, NOON + 2 * EPOCH_SECONDS).unwrap();
    drop(second);
    let mut first = open(&files("first")).unwrap();
    assert!(first.gap().is_some());
    stale(reserve(&mut first, NOON + 2 * EPOCH_SECONDS));
    drop(first);
    stale(reserve(&mut open(&files("second")).unwrap(), NOON + 2 * EPOCH_SECONDS));
}

#[test]
fn two_devices_have_different_ids_while_the_cap_changes() {
    let folder = tempfile::tempdir().unwrap();
    let mut devices: Vec<_> = (0..2)
        .map(|device| {
            let share = DeviceShare::new(device, NonZeroU16::new(2).unwrap()).unwrap();
            let files = files(&folder.path().join(device.to_string()));
            Ledger::create(&files, &owner(), share, NOON, History::None).unwrap()
        })
        .collect();
    let mut ids = BTreeSet::new();
    for limit in [5, 2, 9, 4, 12] {
        for device in &mut devices {
            while let Ok(reservation) = device.reserve(NOON, &quota(limit)) {
                assert!(reservation.message_id() < limit);
                assert!(ids.insert(reservation.message_id()), "id {} was given twice", reservation.message_id());
            }
        }
    }
    assert!(ids.into_iter().eq(0..12));
}

#[test]
fn a_device_keeps_the_share_it_was_enrolled_with() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    drop(create(&files));
    let other = DeviceShare::new(1, NonZeroU16::new(2).unwrap()).unwrap();
    assert!(matches!(Ledger::open(&files, &owner(), other), Err(LedgerError::OtherShare { .. })));
}

#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_gives_no_id_and_keeps_the_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    reserve(&mut create(&files), NOON).unwrap();
    let before = std::fs::read(files.ledger()).unwrap();
    let mut child = child_on_full_disk("processes::child_that_cannot_write", 0);
    let output = child.env(FOLDER, folder.path()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    assert!(output.contains("refused: cannot write"), "{output}");
    assert_eq!(std::fs::read(files.ledger()).unwrap(), before);
    assert_eq!(reserve(&mut open(&files).unwrap(), NOON).unwrap(), 1);
}

#[test]
#[ignore = "run by a_disk_that_takes_no_more_gives_no_id_and_keeps_the_ledger"]
fn child_that_cannot_write() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let error = reserve(&mut open(&files(Path::new(&folder))).unwrap(), NOON).unwrap_err();
    say(&format!("\nrefused: {error}"));
}

#[test]
#[ignore = "needs a file system of a few megabytes, named by QUOTAPASS_TEST_SMALL_DISK"]
fn a_full_file_system_gives_no_id_and_keeps_the_ledger() {
    let disk = env::var_os("QUOTAPASS_TEST_SMALL_DISK").unwrap();
    let folder = tempfile::tempdir_in(disk).unwrap();
    let files = files(folder.path());
    let mut ledger = create(&files);
    assert_eq!(reserve(&mut ledger, NOON).unwrap(), 0);
    let before = std::fs::read(files.ledger()).unwrap();
    let filler = folder.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    let error = reserve(&mut ledger, NOON).unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    assert_eq!(std::fs::read(files.ledger()).unwrap(), before);
    drop(file);
    std::fs::remove_file(filler).unwrap();
    assert_eq!(reserve(&mut ledger, NOON).unwrap(), 1);
}
