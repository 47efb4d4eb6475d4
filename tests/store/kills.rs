//! Kills at random moments: every answered write is kept.

use std::{env, path::Path, thread, time::Duration};

use quotapass_relay::{ModerationStore, NullifierLog, Outcome, Swap};
use quotapass_testkit::process::{child, kill_after_begin, say};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{create, inputs::*, open};

/// Number of kills, unless `QUOTAPASS_KILLS` sets another one.
const KILLS: u64 = 20;
const FOLDER: &str = "QUOTAPASS_TEST_LOG_OF_CHILD";
const FIRST: &str = "QUOTAPASS_TEST_FIRST_OF_CHILD";
const BATCH: u64 = 16;
const THREADS: u64 = 3;

#[test]
fn no_kill_loses_an_answer() {
    let kills = env::var("QUOTAPASS_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    drop(create(&path).unwrap());
    let mut rng = StdRng::seed_from_u64(4);
    let (mut answered, mut convicted, mut swapped) = (0, 0, 0);
    for kill in 0..kills {
        let begin = kill * 1_000_000;
        let said = run_and_kill(&path, begin, &mut rng);
        let log = open(&path).unwrap();
        for line in said {
            let (what, of) = line.split_once(' ').unwrap();
            let of: u64 = of.parse().unwrap();
            if what == "swapped" {
                assert_eq!(log.read(&record(of)), Ok(Some(b"second".to_vec())), "a change of {of} is gone");
                swapped += 1;
                continue;
            }
            if what == "convicted" {
                assert_eq!(log.convict(&conviction(of, 1)), Ok(false), "evidence against {of} is gone");
                convicted += 1;
                continue;
            }
            for of in of..of + BATCH {
                assert_eq!(log.record(&scattered(of)), Ok(Outcome::Replay), "{of} was answered and is gone");
                answered += 1;
            }
        }
    }
    println!(
        "{kills} kills, {answered} nullifiers, {convicted} convictions and {swapped} changes answered before them"
    );
    assert!(answered > 0);
}

/// The key of a record of moderation.
fn record(of: u64) -> Vec<u8> {
    [&b"x"[..], &of.to_be_bytes()].concat()
}

fn run_and_kill(path: &Path, begin: u64, rng: &mut StdRng) -> Vec<String> {
    let mut child = child("kills::child_that_records_until_killed");
    child.env(FOLDER, path).env(FIRST, begin.to_string());
    let lines = kill_after_begin(child, Duration::from_micros(rng.gen_range(0..60_000)));
    // The last line may be cut off.
    lines.iter().filter_map(|line| line.strip_suffix('.').map(Into::into)).collect()
}

#[test]
#[ignore = "run by no_kill_loses_an_answer, which kills it"]
fn child_that_records_until_killed() {
    let Some(path) = env::var_os(FOLDER) else { return };
    let begin: u64 = env::var(FIRST).unwrap().parse().unwrap();
    let log = open(Path::new(&path)).unwrap();
    say("begin");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope.spawn(move || {
                for of in (begin + thread * BATCH..).step_by((THREADS * BATCH) as usize) {
                    let batch: Vec<_> = (of..of + BATCH).map(scattered).collect();
                    for outcome in log.record_all(&batch) {
                        assert_eq!(outcome, Ok(Outcome::New));
                    }
                    say(&format!("recorded {of}."));
                    let create = Swap::create(record(of), b"first".to_vec(), None);
                    let change = Swap { expected: create.new.clone(), new: Some(b"second".to_vec()), ..create.clone() };
                    assert_eq!(log.swap_all(&[create, change]), [Ok(true), Ok(true)]);
                    say(&format!("swapped {of}."));
                    if log.convict(&conviction(of, 1)).unwrap() {
                        say(&format!("convicted {of}."));
                    }
                }
            });
        }
    });
}
