//! A disk that takes no more: what was answered stays, and what was refused is there as a whole or not at all.
#![cfg(all(unix, feature = "embedded"))]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{env, path::Path};

use quotapass_log::{EmbeddedStore, Log, LogError, LogStore, Origin, StoreError};
use quotapass_testkit::process::{child_on_full_disk, say};

const FOLDER: &str = "QUOTAPASS_TEST_LOG_ON_FULL_DISK";
const BATCH: u64 = 8;

fn origin() -> Origin {
    "relay.example/log".parse().unwrap()
}

fn open(path: &Path) -> Log<EmbeddedStore> {
    Log::open(origin(), EmbeddedStore::open(path, &origin()).unwrap()).unwrap()
}

fn entry(place: u64) -> Vec<u8> {
    let mut entry = place.to_string().into_bytes();
    entry.resize(2_000, b'.');
    entry
}

#[test]
fn a_disk_that_takes_no_more_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    drop(EmbeddedStore::create(&path, &origin()).unwrap());
    let output = child_on_full_disk("child_that_cannot_write", 1024).env(FOLDER, &path).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let failed = output.lines().find_map(|line| line.strip_prefix("failed at ")).unwrap_or_else(|| panic!("{output}"));
    let failed: u64 = failed.parse().unwrap();
    let log = open(&path);
    let size = log.size().unwrap();
    assert!(failed > 0 && (size == failed || size == failed + BATCH), "{size} entries, and {failed} were answered");
    assert_eq!(log.store().entries(0..size).unwrap(), (0..size).map(entry).collect::<Vec<_>>());
    assert!(log.root(size).is_ok());
    assert_eq!(log.append(vec![entry(size)]), Ok(size + 1));
}

#[test]
#[ignore = "run by a_disk_that_takes_no_more_loses_nothing"]
fn child_that_cannot_write() {
    let Some(path) = env::var_os(FOLDER) else { return };
    let log = open(Path::new(&path));
    let mut size = 0;
    let error = loop {
        match log.append((size..size + BATCH).map(entry).collect()) {
            Ok(grown) => size = grown,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, LogError::Store(StoreError::Unavailable(_))), "{error:?}");
    for _ in 0..3 {
        let again = log.append_after(size, vec![entry(size)]);
        assert!(matches!(again, Err(LogError::Store(StoreError::Unavailable(_)))), "{again:?}");
    }
    say(&format!("\nfailed at {size}"));
}
