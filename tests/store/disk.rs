//! A full or failing disk.

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use quotapass_protocol::LogError;
use quotapass_relay::{EmbeddedLog, NullifierLog, Outcome};
use quotapass_testkit::process::{child, child_on_full_disk, say};

use crate::{create, inputs::*, open};

const FOLDER: &str = "QUOTAPASS_TEST_LOG_ON_FULL_DISK";
const BATCH: u64 = 200;

fn record(log: &EmbeddedLog, of: u64) -> Vec<Result<Outcome, LogError>> {
    log.record_all(&(of..of + BATCH).map(scattered).collect::<Vec<_>>())
}

/// Records batches from a nullifier on until one fails, and returns the first nullifier of the failed batch.
fn fill(log: &EmbeddedLog, from: u64) -> u64 {
    (from..).step_by(BATCH as usize).find(|of| record(log, *of) != vec![Ok(Outcome::New); BATCH as usize]).unwrap()
}

/// Checks that a failed batch was not recorded, and that every batch before it was.
fn check(log: &EmbeddedLog, failed: u64) {
    for of in 0..failed {
        assert_eq!(log.record(&scattered(of)), Ok(Outcome::Replay));
    }
    assert_eq!(record(log, failed), vec![Ok(Outcome::New); BATCH as usize]);
}

#[cfg(unix)]
#[test]
fn a_disk_that_takes_no_more_records_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    drop(create(&path).unwrap());
    let output = child_on_full_disk("disk::child_that_cannot_write", 1024).env(FOLDER, &path).output().unwrap();
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

/// A library that makes flushes fail while a file exists, as on a disk that is unreachable for some seconds.
#[cfg(target_os = "linux")]
const FAULTY: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int fails(void) {
    const char *fault = getenv("QUOTAPASS_TEST_FAULT");
    return fault && access(fault, F_OK) == 0;
}
static int flush(const char *name, int file) {
    if (fails()) { errno = EIO; return -1; }
    return ((int (*)(int))dlsym(RTLD_NEXT, name))(file);
}
int fsync(int file) { return flush("fsync", file); }
int fdatasync(int file) { return flush("fdatasync", file); }
"#;
const FAULT: &str = "QUOTAPASS_TEST_FAULT";

/// After a fault of some seconds, the log reopens by itself although no caller records anything: a relay that is not
/// ready gets no posts, and only probes its log.
#[cfg(target_os = "linux")]
#[test]
fn a_log_opens_again_by_itself_when_the_disk_works_again() {
    let folder = tempfile::tempdir().unwrap();
    let (source, library) = (folder.path().join("faulty.c"), folder.path().join("faulty.so"));
    fs::write(&source, FAULTY).unwrap();
    let mut compile = Command::new("cc");
    compile.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(compile.status().unwrap().success());
    let path = folder.path().join("log");
    drop(create(&path).unwrap());
    let output = child("disk::child_on_a_faulty_disk")
        .env(FOLDER, &path)
        .env(FAULT, folder.path().join("fault"))
        .env("LD_PRELOAD", &library)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(output.status.success() && text.contains("it works again"), "{text}");
    check(&open(&path).unwrap(), BATCH * 2);
}

#[test]
#[ignore = "run by a_log_opens_again_by_itself_when_the_disk_works_again"]
fn child_on_a_faulty_disk() {
    let (Some(path), Some(fault)) = (env::var_os(FOLDER), env::var_os(FAULT)) else { return };
    let log = open(Path::new(&path)).unwrap();
    assert_eq!(record(&log, 0), vec![Ok(Outcome::New); BATCH as usize]);
    fs::write(&fault, "").unwrap();
    for outcome in record(&log, BATCH) {
        assert!(matches!(outcome, Err(LogError::Unavailable(_))), "{outcome:?}");
    }
    // Every call returns the error for as long as the fault lasts.
    for _ in 0..25 {
        for error in [log.probe().unwrap_err(), log.convictions(0).unwrap_err(), log.statistics().unwrap_err()] {
            assert!(matches!(&error, LogError::Unavailable(_)) && !error.to_string().contains("/log"), "{error}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    fs::remove_file(fault).unwrap();
    let begin = Instant::now();
    while let Err(error) = log.probe() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the log does not recover: {error}");
        thread::sleep(Duration::from_millis(50));
    }
    // The failed batch is not there, and the recorded one is.
    assert_eq!(record(&log, 0), vec![Ok(Outcome::Replay); BATCH as usize]);
    assert_eq!(record(&log, BATCH), vec![Ok(Outcome::New); BATCH as usize]);
    say("\nit works again");
}

#[test]
#[ignore = "needs a file system of some 100 megabytes, named by QUOTAPASS_TEST_SMALL_DISK"]
fn a_full_file_system_records_nothing_and_takes_writes_again_when_there_is_room() {
    let disk = env::var_os("QUOTAPASS_TEST_SMALL_DISK").unwrap();
    let folder = tempfile::tempdir_in(disk).unwrap();
    let path = folder.path().join("log");
    let log = create(&path).unwrap();
    // The partition of the epoch is created before the disk is full.
    assert_eq!(record(&log, 0), vec![Ok(Outcome::New); BATCH as usize]);
    let filler = folder.path().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
    drop(file);
    let failed = fill(&log, BATCH);
    // The log is reopened meanwhile, and the disk is still full.
    for _ in 0..20 {
        for outcome in record(&log, failed) {
            assert!(matches!(outcome, Err(LogError::Unavailable(_))), "{outcome:?}");
        }
        thread::sleep(Duration::from_millis(100));
    }
    fs::remove_file(filler).unwrap();
    let begin = Instant::now();
    while let Err(error) = log.convict(&conviction(0, 1)) {
        assert!(begin.elapsed() < Duration::from_secs(60), "the log does not recover: {error}");
        thread::sleep(Duration::from_millis(100));
    }
    check(&log, failed);
    drop(log);
    let log = open(&path).unwrap();
    assert_eq!(record(&log, failed), vec![Ok(Outcome::Replay); BATCH as usize]);
    assert_eq!(log.convictions(0).unwrap(), [conviction(0, 1)]);
}
