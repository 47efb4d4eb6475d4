//! Files that differ from what the log wrote: typed errors, no panic, and never a new log.

use std::{
    fs,
    path::{Path, PathBuf},
};

use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::LogError;
use quotapass_relay::{EmbeddedLog, EmbeddedLogError, EmbeddedSettings, LogChoice, NullifierLog, Outcome};
use tempfile::TempDir;

use crate::{REGISTRY, create, inputs::*, open};

const NULLIFIERS: u64 = 500;

/// Creates a log with nullifiers and evidence, and closes it.
fn filled() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let log = create(&path).unwrap();
    for of in (0..NULLIFIERS).step_by(50) {
        let entries: Vec<_> = (of..of + 50).map(scattered).collect();
        assert!(log.record_all(&entries).into_iter().all(|outcome| outcome == Ok(Outcome::New)));
    }
    log.convict(&conviction(0, 1)).unwrap();
    drop(log);
    (folder, path)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

/// Returns whether an opened log contains everything, or reports what it cannot read as damaged.
fn is_honest(log: &EmbeddedLog) -> bool {
    let known = (0..NULLIFIERS).all(|of| {
        let entry = scattered(of);
        match log.lookup(&entry.epoch, entry.nullifier) {
            Ok(found) => found == Some(entry.share.into()),
            Err(error) => error == LogError::Damaged,
        }
    });
    known && matches!(log.convictions(0), Ok(kept) if kept == [conviction(0, 1)])
}

#[test]
fn a_log_goes_on_after_it_was_closed() {
    let (_folder, path) = filled();
    let log = open(&path).unwrap();
    assert!(is_honest(&log));
    assert_eq!(log.record(&scattered(0)), Ok(Outcome::Replay));
    assert_eq!(log.statistics().unwrap().nullifiers, NULLIFIERS);
    log.expire(log_epoch(0).keep_until()).unwrap();
    drop(log);
    let log = open(&path).unwrap();
    assert_eq!(log.record(&scattered(0)), Err(LogError::Expired));
    log.expire(log_epoch(0).keep_until() + 600).unwrap();
    assert_eq!(log.statistics().unwrap().nullifiers, 0);
    drop(log);
    let log = open(&path).unwrap();
    assert_eq!((log.statistics().unwrap().nullifiers, log.statistics().unwrap().convictions), (0, 1));
}

#[test]
fn what_is_there_is_opened_or_refused_and_never_replaced() {
    let (folder, path) = filled();
    assert!(matches!(create(&path), Err(EmbeddedLogError::Exists(_))));
    let log = open(&path).unwrap();
    assert!(matches!(open(&path), Err(EmbeddedLogError::InUse(_))));
    drop(log);

    let other = RegistryId { chain_id: 2, ..REGISTRY };
    let refused = EmbeddedLog::choose(&path, &other, &EmbeddedSettings::default(), LogChoice::First);
    assert!(matches!(refused, Err(EmbeddedLogError::WrongRegistry { .. })));
    assert!(matches!(open(&folder.path().join("nothing")), Err(EmbeddedLogError::Missing(_))));

    let foreign = folder.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    assert!(matches!(open(&foreign), Err(EmbeddedLogError::Foreign(_))));
    fs::write(foreign.join("letter"), "dear").unwrap();
    let or_create = |path: &Path| EmbeddedLog::choose(path, &REGISTRY, &EmbeddedSettings::default(), LogChoice::First);
    assert!(matches!(or_create(&foreign), Err(EmbeddedLogError::Foreign(_))));
    assert!(matches!(
        or_create(&foreign.join("letter")),
        Err(EmbeddedLogError::Exists(_) | EmbeddedLogError::Foreign(_))
    ));

    let made = folder.path().join("new/one");
    drop(or_create(&made).unwrap());
    drop(or_create(&made).unwrap());
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1, "no draft is left beside it");
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    drop(create(&empty).unwrap());
}

/// A log that a relay knows is not silently replaced, neither by a new log nor by another one.
#[test]
fn a_log_is_the_one_that_is_known_or_none() {
    let (folder, path) = filled();
    let known = open(&path).unwrap().identity();
    let choose = |choice| EmbeddedLog::choose(&path, &REGISTRY, &EmbeddedSettings::default(), choice);
    assert_eq!(choose(LogChoice::Known(known)).unwrap().identity(), known);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    assert!(matches!(choose(LogChoice::Known(known)), Err(EmbeddedLogError::Gone(_))));
    assert!(!path.exists());
    let other = create(&path).unwrap().identity();
    assert_ne!(other, known);
    assert!(matches!(choose(LogChoice::Known(known)), Err(EmbeddedLogError::Another(_))));
    assert_eq!(choose(LogChoice::New).unwrap().identity(), other);
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    let log = choose(LogChoice::Known(known)).unwrap();
    assert_eq!(log.identity(), known);
}

#[test]
fn a_log_of_another_version_is_refused() {
    let (_folder, path) = filled();
    let manifest = path.join("nullifier-log.json");
    let current = fs::read_to_string(&manifest).unwrap();
    // Version 1 had records without a version.
    for other in [1, 3] {
        fs::write(&manifest, current.replace("\"version\": 2", &format!("\"version\": {other}"))).unwrap();
        assert!(matches!(open(&path), Err(EmbeddedLogError::Version { found, .. }) if found == other));
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = filled();
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
}

/// Every file is emptied, cut in half, removed, or has a bit flipped at the beginning, in the middle and near the end
/// of its content: the log is refused, or every loss is reported as damage.
#[test]
fn damage_anywhere_is_an_error_and_never_a_loss() {
    let (folder, path) = filled();
    let mut names = Vec::new();
    files(&path, &mut names);
    let copied = folder.path().join("copy");
    let mut refused = 0;
    for name in names {
        let name = name.strip_prefix(&path).unwrap();
        let good = fs::read(path.join(name)).unwrap();
        let written = good.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let mut damaged = vec![None, Some(Vec::new()), Some(good[..written / 2].to_vec())];
        for place in [0, 4, written / 3, written / 2, written.saturating_sub(20)] {
            let mut flipped = good.clone();
            if let Some(byte) = flipped.get_mut(place) {
                *byte ^= 0x10;
            }
            damaged.push(Some(flipped));
        }
        for content in damaged {
            copy(&path, &copied);
            match &content {
                Some(content) => fs::write(copied.join(name), content).unwrap(),
                None => fs::remove_file(copied.join(name)).unwrap(),
            }
            let what = format!("{}, {:?} of {} bytes", name.display(), content.as_ref().map(Vec::len), good.len());
            match open(&copied) {
                Ok(log) => assert!(is_honest(&log), "{what}"),
                Err(EmbeddedLogError::InUse(_) | EmbeddedLogError::Missing(_)) => panic!("{what}"),
                Err(_) => {
                    refused += 1;
                    let again = EmbeddedLog::choose(&copied, &REGISTRY, &EmbeddedSettings::default(), LogChoice::First);
                    assert!(again.is_err(), "{what} became a new log");
                }
            }
            fs::remove_dir_all(&copied).unwrap();
        }
    }
    assert!(refused > 10, "{refused} were refused");
}
