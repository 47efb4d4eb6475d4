//! The embedded store with many nullifiers, in separate processes, so the memory of a process is the memory of its store.

use std::{
    env, fs,
    num::NonZeroU32,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use quotapass_circuits::{
    registry_id::RegistryId,
    share::{Nullifier, Share, ShareValue},
    signal::{Epoch, Scope, SignalHash},
};
use quotapass_protocol::UnixSeconds;
use quotapass_relay::{EmbeddedLog, EmbeddedSettings, Entry, LogEpoch, NullifierLog, Outcome};
use rand::{RngCore, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

const REGISTRY: RegistryId = RegistryId { chain_id: 1, address: [1; 20] };
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
/// Number of scopes of the nullifiers, each with a live epoch.
const SCOPES: u64 = 20;
/// Number of nullifiers recorded at a time.
pub const BATCH: usize = 256;
const CHILD: &str = "--log-child";

/// Cost of many nullifiers.
pub struct LogFigures {
    pub nullifiers: u64,
    pub recorded_a_second: f64,
    /// Peak of resident memory while they were recorded.
    pub filling_bytes: u64,
    pub disk_bytes: u64,
    /// Time to open the store and to find the last nullifier.
    pub reopen_seconds: f64,
    /// Peak of resident memory after that and as many lookups as there are batches, up to 10,000.
    pub reopened_bytes: u64,
}

/// Fills a store and reopens it.
pub fn measure(nullifiers: u64) -> LogFigures {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("log");
    let run = |what: &str| -> Value {
        let output = Command::new(env::current_exe().unwrap())
            .args([CHILD, what, path.to_str().unwrap(), &nullifiers.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "{what} failed");
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let filled = run("fill");
    let disk_bytes = bytes_in(&path);
    let opened = run("open");
    LogFigures {
        nullifiers,
        recorded_a_second: nullifiers as f64 / filled["seconds"].as_f64().unwrap(),
        filling_bytes: filled["resident"].as_u64().unwrap(),
        disk_bytes,
        reopen_seconds: opened["seconds"].as_f64().unwrap(),
        reopened_bytes: opened["resident"].as_u64().unwrap(),
    }
}

/// Does the work of a child process; returns none if this is not a child process.
pub fn child(arguments: &[String]) -> Option<Value> {
    let [flag, what, path, nullifiers] = arguments else { return None };
    if flag != CHILD {
        return None;
    }
    let (path, nullifiers) = (Path::new(path), nullifiers.parse().unwrap());
    Some(if what == "fill" { fill(path, nullifiers) } else { open(path, nullifiers) })
}

fn fill(path: &Path, nullifiers: u64) -> Value {
    let log = EmbeddedLog::create(path, &REGISTRY, &EmbeddedSettings::default()).unwrap();
    let begun = Instant::now();
    for number in 0..nullifiers.div_ceil(BATCH as u64) {
        let outcomes = log.record_all(&batch(number));
        assert!(outcomes.iter().all(|outcome| *outcome == Ok(Outcome::New)));
    }
    json!({ "seconds": begun.elapsed().as_secs_f64(), "resident": resident() })
}

fn open(path: &Path, nullifiers: u64) -> Value {
    let batches = nullifiers.div_ceil(BATCH as u64);
    let is_known = |log: &EmbeddedLog, number| {
        let entry = &batch(number)[0];
        assert_eq!(log.lookup(&entry.epoch, entry.nullifier), Ok(Some(entry.share.into())));
    };
    let begun = Instant::now();
    let log = EmbeddedLog::open(path, &REGISTRY, &EmbeddedSettings::default()).unwrap();
    is_known(&log, batches - 1);
    let seconds = begun.elapsed().as_secs_f64();
    for number in 0..batches.min(10_000) {
        is_known(&log, number);
    }
    json!({ "seconds": seconds, "resident": resident() })
}

/// Returns the entries of a batch, always the same ones.
fn batch(number: u64) -> Vec<Entry> {
    let mut rng = StdRng::seed_from_u64(number);
    let mut bytes = || {
        let mut bytes = [0; 32];
        // Without the highest byte every number is below the field's order.
        rng.fill_bytes(&mut bytes[1..]);
        bytes
    };
    let scope = Scope::new(&REGISTRY, &format!("room {}", number % SCOPES));
    let epoch = LogEpoch::new(scope, Epoch::at(NonZeroU32::new(86_400).unwrap(), NOW));
    let entry = |_| {
        let nullifier = Nullifier::from_be_bytes(&bytes()).unwrap();
        let x = SignalHash::from_be_bytes(&bytes()).unwrap();
        Entry::new(epoch, nullifier, Share { x, y: ShareValue::from_be_bytes(&bytes()).unwrap() })
    };
    (0..BATCH).map(entry).collect()
}

/// Returns the peak of resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| if entry.path().is_dir() { bytes_in(&entry.path()) } else { entry.metadata().unwrap().len() })
        .sum()
}
