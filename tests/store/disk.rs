//! A disk that takes no more.

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use quotapass::relay::{EmbeddedLog, LogError, NullifierLog, Outcome};

use crate::{create, inputs::*, open};

const FOLDER: &str = "QUOTAPASS_TEST_LOG_ON_FULL_DISK";
const BATCH: u64 = 200;

fn record(log: &EmbeddedLog, of: u64) -> Vec<Result<Outcome, LogError>> {
    log.record_all(&(of..of + BATCH).map(scattered).collect::<Vec<_>>())
}

/// Records from a nullifier on until a batch fails, and returns its first one.
fn fill(log: &EmbeddedLog, from: u64) -> u64 {
    (from..).step_by(BATCH as usize).find(|of| record(log, *of) != vec![Ok(Outcome::New); BATCH as usize]).unwrap()
}

/// What was answered with an error is not there; what was answered as recorded is.
fn check(log: &EmbeddedLog, failed: u64) {
    for of in 0..failed {
        assert_eq!(log.record(&scattered(of)), Ok(Outcome::Replay));
    }
    assert_eq!(record(log, failed), vec![Ok(Outcome::New); BATCH as usize]);
}

/// The limit of a file's size needs no privileges, and fails a write as a full disk does, with another number.
#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_records_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    drop(create(&path).unwrap());
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 1024; exec \"$@\"", "sh"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "disk::child_that_cannot_write", "--ignored"])
        .env(FOLDER, &path)
        .output()
        .unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let failed = output.lines().find_map(|line| line.strip_prefix("failed at ")).unwrap_or_else(|| panic!("{output}"));
    check(&open(&path).unwrap(), failed.parse().unwrap());
}

#[test]
#[ignore = "run by a_disk_that_takes_no_more_records_nothing_and_loses_nothing"]
fn child_that_cannot_write() {
    let Some(path) = env::var_os(FOLDER) else { return };
    let log = open(Path::new(&path)).unwrap();
    let failed = fill(&log, 0);
    for _ in 0..3 {
        for outcome in record(&log, failed) {
            assert!(matches!(outcome, Err(LogError::Unavailable(_))), "{outcome:?}");
        }
        assert!(matches!(log.convict(&conviction(0, 1)), Err(LogError::Unavailable(_))));
    }
    say(&format!("\nfailed at {failed}"));
}

#[test]
#[ignore = "needs a file system of some 100 megabytes, named by QUOTAPASS_TEST_SMALL_DISK"]
fn a_full_file_system_records_nothing_and_takes_writes_again_when_there_is_room() {
    let disk = env::var_os("QUOTAPASS_TEST_SMALL_DISK").unwrap();
    let folder = tempfile::tempdir_in(disk).unwrap();
    let path = folder.path().join("log");
    let log = create(&path).unwrap();
    // The epoch has its place before the disk is full.
    assert_eq!(record(&log, 0), vec![Ok(Outcome::New); BATCH as usize]);
    let filler = folder.path().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    drop(file);
    let failed = fill(&log, BATCH);
    // It is opened anew meanwhile, and is still full.
    for _ in 0..20 {
        for outcome in record(&log, failed) {
            assert!(matches!(outcome, Err(LogError::Unavailable(_))), "{outcome:?}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    fs::remove_file(filler).unwrap();
    let begin = Instant::now();
    while let Err(error) = log.convict(&conviction(0, 1)) {
        assert!(begin.elapsed() < Duration::from_secs(60), "it does not recover: {error}");
        thread::sleep(Duration::from_millis(100));
    }
    check(&log, failed);
    drop(log);
    let log = open(&path).unwrap();
    assert_eq!(record(&log, failed), vec![Ok(Outcome::Replay); BATCH as usize]);
    assert_eq!(log.convictions(0).unwrap(), [conviction(0, 1)]);
}
