//! Ten million nullifiers: memory, time, and size on disk.

use std::{
    fs,
    time::{Duration, Instant},
};

use quotapass_relay::{Entry, NullifierLog, Outcome};

use crate::{create, inputs::*, open};

/// Returns a memory field of the process in MiB, if the system provides it.
fn resident(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes >> 10)
}

#[test]
#[ignore = "writes for minutes, and needs 2 GB of disk; QUOTAPASS_NULLIFIERS sets another number than ten million"]
fn ten_million_nullifiers_fit_in_memory_and_are_opened_at_once() {
    const BATCH: u64 = 256;
    let nullifiers = std::env::var("QUOTAPASS_NULLIFIERS").map_or(10_000_000, |count| count.parse().unwrap());
    let folder = tempfile::tempdir_in(std::env::current_exe().unwrap().parent().unwrap()).unwrap();
    let path = folder.path().join("log");
    let log = create(&path).unwrap();
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    for of in (0..nullifiers).step_by(BATCH as usize) {
        let epoch = log_epoch(of * 4 / nullifiers * 3);
        let batch: Vec<_> = (of..of + BATCH).map(|of| Entry { epoch, ..scattered(of) }).collect();
        let begin = Instant::now();
        assert!(log.record_all(&batch).iter().all(|outcome| *outcome == Ok(Outcome::New)));
        slowest = slowest.max(begin.elapsed());
    }
    let rate = nullifiers as f64 / begin.elapsed().as_secs_f64();
    println!("{rate:.0} nullifiers per second in batches of {BATCH}, the slowest batch in {slowest:?}");
    println!("{:?}, at most {:?} MiB resident", log.statistics().unwrap(), resident("VmHWM"));
    drop(log);
    let begin = Instant::now();
    let log = open(&path).unwrap();
    println!("opened in {:?}, {:?} MiB resident", begin.elapsed(), resident("VmRSS"));
    assert!(log.statistics().unwrap().nullifiers >= nullifiers);
    let begin = Instant::now();
    log.expire(log_epoch(0).keep_until() + 600).unwrap();
    println!("a quarter expired in {:?}: {:?}", begin.elapsed(), log.statistics().unwrap());
    assert!(resident("VmHWM").is_none_or(|most| most <= 1024));
}
