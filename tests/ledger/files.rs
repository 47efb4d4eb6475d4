//! Tests with real files: permissions, damage, and restored copies.

use std::{fs, path::Path};

use quotapass_wallet::ledger::{Gap, LedgerRefusal};
use tempfile::TempDir;

use crate::*;

/// A ledger of which one id is used.
fn used_once() -> (TempDir, LedgerFiles) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    reserve(&mut create(&files), NOON).unwrap();
    (folder, files)
}

/// The first use is refused with the time at which posting resumes, and at that time it works.
fn skips_two_epochs(files: &LedgerFiles) {
    for _ in 0..2 {
        match reserve(&mut open(files).unwrap(), NOON) {
            Err(LedgerError::Refused(LedgerRefusal::MayBeStale { resumes_at })) => {
                assert_eq!(resumes_at, NOON + 2 * EPOCH_SECONDS)
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(reserve(&mut open(files).unwrap(), NOON + 2 * EPOCH_SECONDS).unwrap(), 0);
}

#[test]
fn a_ledger_goes_on_after_it_was_closed() {
    let (_folder, files) = used_once();
    for id in 1..4 {
        let mut ledger = open(&files).unwrap();
        assert_eq!(ledger.gap(), None);
        assert_eq!(reserve(&mut ledger, NOON).unwrap(), id);
    }
}

#[test]
fn a_message_keeps_its_id_after_the_ledger_was_closed() {
    let (_folder, files) = used_once();
    let reserve = |message: &[u8]| {
        let reservation = open(&files).unwrap().reserve_message(NOON, &quota(u16::MAX), message).unwrap();
        (reservation.message_id(), reservation.is_again())
    };
    assert_eq!([reserve(b"one"), reserve(b"two"), reserve(b"one")], [(1, false), (2, false), (1, true)]);
}

#[test]
fn a_backup_copied_over_the_ledger_is_noticed() {
    let (_folder, files) = used_once();
    let backup = fs::read(files.ledger()).unwrap();
    reserve(&mut open(&files).unwrap(), NOON).unwrap();
    fs::write(files.ledger(), backup).unwrap();
    assert!(matches!(open(&files).unwrap().gap(), Some(Gap::WitnessDiffers { .. })));
    skips_two_epochs(&files);
}

#[test]
fn a_backup_of_ledger_and_witness_is_noticed_where_files_have_a_birth_time() {
    for in_place in [true, false] {
        let (_folder, files) = used_once();
        let backup = [files.ledger(), files.witness()].map(|path| (path, fs::read(path).unwrap()));
        reserve(&mut open(&files).unwrap(), NOON).unwrap();
        for (path, content) in backup {
            if !in_place {
                fs::remove_file(path).unwrap();
            }
            fs::write(path, content).unwrap();
        }
        if !cfg!(unix) || fs::metadata(files.ledger()).unwrap().created().is_err() {
            return;
        }
        assert_eq!(open(&files).unwrap().gap(), Some(Gap::FileReplaced));
        skips_two_epochs(&files);
    }
}

#[test]
fn a_witness_that_was_removed_is_noticed() {
    let (_folder, files) = used_once();
    fs::remove_dir_all(files.witness().parent().unwrap()).unwrap();
    assert_eq!(open(&files).unwrap().gap(), Some(Gap::WitnessMissing));
    skips_two_epochs(&files);
}

#[test]
fn a_ledger_moved_within_its_disk_is_no_gap() {
    let (folder, files) = used_once();
    let aside = folder.path().join("aside");
    fs::rename(files.ledger(), &aside).unwrap();
    fs::rename(&aside, files.ledger()).unwrap();
    assert_eq!(open(&files).unwrap().gap(), None);
}

#[test]
fn damage_is_an_error_and_never_a_new_ledger() {
    let (_folder, files) = used_once();
    let good = fs::read(files.ledger()).unwrap();
    let mut flipped = good.clone();
    flipped[60] ^= 1;
    for content in [&b""[..], b"something else", &good[..good.len() - 1], &flipped] {
        fs::write(files.ledger(), content).unwrap();
        let error = open(&files).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
        let read = files.read_book(&owner(), DeviceShare::SOLE, NOON);
        assert!(matches!(read, Err(LedgerError::Damaged { .. })));
        let create = Ledger::create(&files, &owner(), DeviceShare::SOLE, NOON, History::Unknown);
        assert!(matches!(create, Err(LedgerError::Exists(_))));
        assert_eq!(fs::read(files.ledger()).unwrap(), content);
    }
    fs::remove_file(files.ledger()).unwrap();
    assert!(matches!(open(&files), Err(LedgerError::Missing(_))));
    assert!(!files.exists().unwrap());
}

#[test]
fn a_damaged_ledger_is_replaced_by_one_that_waits() {
    let (_folder, files) = used_once();
    fs::write(files.ledger(), b"something else").unwrap();
    drop(Ledger::replace(&files, &owner(), DeviceShare::SOLE, NOON).unwrap());
    assert_eq!(fs::read(files.former()).unwrap(), b"something else");
    skips_two_epochs(&files);
}

/// The clock was a day ahead when an id was used, and the witness is lost.
#[test]
fn a_ledger_in_anothers_place_knows_of_all_its_uses() {
    let (_folder, files) = used_once();
    let ahead = NOON + 86_400;
    reserve(&mut open(&files).unwrap(), ahead).unwrap();
    for _ in 0..2 {
        fs::remove_file(files.witness()).unwrap();
        let mut ledger = Ledger::replace(&files, &owner(), DeviceShare::SOLE, NOON).unwrap();
        // The former ledger is known, so this one is not the first here.
        assert!(!ledger.confirm_first().unwrap());
        for now in [NOON, ahead] {
            let refused = reserve(&mut ledger, now);
            let is_stale = matches!(refused, Err(LedgerError::Refused(LedgerRefusal::MayBeStale { .. })));
            assert!(is_stale, "{refused:?}");
        }
        // Even for one who trusts the ledger, the ids of the epochs that were entered are used.
        ledger.confirm_current().unwrap();
        let refused = reserve(&mut ledger, ahead);
        let is_used = matches!(refused, Err(LedgerError::Refused(LedgerRefusal::QuotaUsed { .. })));
        assert!(is_used, "{refused:?}");
    }
}

#[test]
fn a_draft_left_by_a_crash_is_in_nobodys_way() {
    let (_folder, files) = used_once();
    for path in [files.ledger(), files.witness()] {
        fs::write(format!("{}.new", path.display()), b"half of").unwrap();
    }
    assert_eq!(reserve(&mut open(&files).unwrap(), NOON).unwrap(), 1);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_what_it_writes() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, files) = used_once();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for path in [files.ledger(), files.witness()] {
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o600, 0o700));
    }
}

#[test]
fn the_ledger_is_small() {
    let (_folder, files) = used_once();
    let mut ledger = open(&files).unwrap();
    for epoch in 0..100 {
        reserve(&mut ledger, NOON + EPOCH_SECONDS * epoch).unwrap();
    }
    assert!(fs::metadata(files.ledger()).unwrap().len() < 400);
}
