//! Thousands of kills of a real process at random moments, with real files.

use std::{
    collections::HashMap,
    env,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use quotapass_protocol::UnixSeconds;
use quotapass_testkit::process::{child, kill_after_begin, say};
use quotapass_wallet::ledger::{LedgerError, LedgerFiles, LedgerRefusal};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::*;

/// Number of kills; `QUOTAPASS_KILLS` overrides it.
const KILLS: u64 = 2_000;
/// Number of wallets that are killed in parallel.
const THREADS: u64 = 2;
/// Number of kills before a new wallet replaces the old one, so that creations are killed too.
const KILLS_A_WALLET: u64 = 100;
/// Number of kills before the clock moves to the next epoch.
const KILLS_AN_EPOCH: u64 = 25;

const FOLDER: &str = "QUOTAPASS_TEST_LEDGER_OF_CHILD";
const NOW: &str = "QUOTAPASS_TEST_CLOCK_OF_CHILD";

#[derive(Debug, Default)]
struct Counts {
    wallets: u64,
    kills: u64,
    /// Number of kills before the child had given an id.
    before_the_first_id: u64,
    given: u64,
    /// Number of ids that were reserved but never given, or given later to the same message.
    lost: u64,
    /// Number of ids that a message was given again.
    again: u64,
    /// Number of children that refused a clock that went back.
    clocks_back: u64,
}

#[test]
fn no_kill_makes_the_ledger_give_an_id_twice() {
    let kills = env::var("QUOTAPASS_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let begin = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                let (mut rng, mut counts) = (StdRng::seed_from_u64(thread), Counts::default());
                while counts.kills < kills / THREADS {
                    kill_a_wallet(&mut rng, &mut counts);
                }
                counts
            })
        })
        .collect();
    for thread in threads {
        println!("{:?} in {:.0?}", thread.join().unwrap(), begin.elapsed());
    }
}

fn kill_a_wallet(rng: &mut StdRng, counts: &mut Counts) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let mut given = HashMap::new();
    counts.wallets += 1;
    for kill in 0..KILLS_A_WALLET {
        let epoch = NOON.0 / EPOCH_SECONDS + kill / KILLS_AN_EPOCH;
        let is_back = kill >= KILLS_AN_EPOCH && rng.gen_ratio(1, 50);
        let now = UnixSeconds((epoch - u64::from(is_back)) * EPOCH_SECONDS);
        let before = used(&files, now);
        let (ids, refused) = run_and_kill(folder.path(), now, rng);
        counts.kills += 1;
        if is_back && used(&files, now + EPOCH_SECONDS) > 0 {
            assert!(ids.is_empty());
            counts.clocks_back += u64::from(refused);
            continue;
        }
        assert!(!refused);
        for Id { id, message, .. } in &ids {
            if let Some(former) = given.insert((now, *id), *message) {
                let is_same = message.is_some() && former == *message;
                assert!(is_same, "id {id} was given twice in the epoch of {now}, after {counts:?}");
            }
        }
        let after = used(&files, now);
        assert!(ids.iter().all(|given| given.id < after), "{ids:?} were given and {after} are used");
        counts.before_the_first_id += u64::from(ids.is_empty());
        let new = ids.iter().filter(|given| !given.is_again).count() as u64;
        counts.given += new;
        counts.again += ids.len() as u64 - new;
        counts.lost += u64::from(after - before) - new;
    }
}

/// An id that a child gave.
#[derive(Debug)]
struct Id {
    id: u16,
    /// The only message that it is for, if it is for one.
    message: Option<u8>,
    is_again: bool,
}

/// Reads a complete line of a child: `id ID.`, or `message MESSAGE IS_AGAIN ID.`
fn read(line: &str) -> Option<Id> {
    let words: Vec<_> = line.strip_suffix('.')?.split(' ').collect();
    match words[..] {
        ["id", id] => Some(Id { id: id.parse().unwrap(), message: None, is_again: false }),
        ["message", message, is_again, id] => Some(Id {
            id: id.parse().unwrap(),
            message: Some(message.parse().unwrap()),
            is_again: is_again.parse().unwrap(),
        }),
        _ => None,
    }
}

/// Number of used ids of the epoch according to the file.
fn used(files: &LedgerFiles, now: UnixSeconds) -> u16 {
    match files.read_book(&owner(), DeviceShare::SOLE, now) {
        Ok(book) => book.status(now, &quota(u16::MAX)).used,
        Err(LedgerError::Missing(_)) => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Starts a child that reserves ids one after another, and kills it up to 20 ms after its first output. Returns the ids
/// it gave, and whether it refused.
fn run_and_kill(folder: &Path, now: UnixSeconds, rng: &mut StdRng) -> (Vec<Id>, bool) {
    let mut child = child("kills::child_that_reserves_until_killed");
    child.env(FOLDER, folder).env(NOW, now.to_string());
    let lines = kill_after_begin(child, Duration::from_micros(rng.gen_range(0..20_000)));
    let mut ids = Vec::new();
    for line in lines {
        match line.split_once(' ') {
            // The last line may be incomplete; then its id was not given.
            Some(("id" | "message", _)) => ids.extend(read(&line)),
            Some(("error", error)) => panic!("the child failed: {error}"),
            _ if line == "refused" => return (ids, true),
            _ => {}
        }
    }
    (ids, false)
}

#[test]
#[ignore = "run by no_kill_makes_the_ledger_give_an_id_twice, which kills it"]
fn child_that_reserves_until_killed() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    let now = UnixSeconds(env::var(NOW).unwrap().parse().unwrap());
    say("begin");
    let files = files(Path::new(&folder));
    let ledger = if files.exists().unwrap() { open(&files) } else { Ok(create(&files)) };
    let result = ledger.and_then(|mut ledger| {
        // Every third id is for one of a few messages, which later children reserve for again.
        for count in (0..=u8::MAX).cycle() {
            if count % 3 == 0 {
                let message = count % 16;
                let reservation = ledger.reserve_message(now, &quota(u16::MAX), &[message])?;
                say(&format!("message {message} {} {}.", reservation.is_again(), reservation.message_id()));
            } else {
                say(&format!("id {}.", reserve(&mut ledger, now)?));
            }
        }
        Ok(())
    });
    match result {
        Err(LedgerError::Refused(LedgerRefusal::EpochLeft { .. })) => say("refused"),
        Err(error) => say(&format!("error {error}")),
        Ok(()) => {}
    }
    // Wait for the kill by the parent.
    thread::sleep(Duration::from_secs(60));
}
