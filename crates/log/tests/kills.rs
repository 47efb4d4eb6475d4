//! Kills at random moments: every answered change of an embedded log is kept, and no two checkpoints have one size.
#![cfg(feature = "embedded")]
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, env, path::Path, time::Duration};

use quotapass_log::{EmbeddedStore, Log, LogStore, Origin, Publication, SignedCheckpoint, check_consistency};
use quotapass_protocol::{UnixSeconds, note::NoteKey};
use quotapass_testkit::process::{child, kill_after_begin, say};
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Number of kills, unless `QUOTAPASS_KILLS` sets another one.
const KILLS: u64 = 20;
const FOLDER: &str = "QUOTAPASS_TEST_LOG_OF_CHILD";

fn origin() -> Origin {
    "relay.example/log".parse().unwrap()
}

fn open(path: &Path) -> Log<EmbeddedStore> {
    Log::open(origin(), EmbeddedStore::open(path, &origin()).unwrap()).unwrap()
}

/// The entry at a place: its number, and so many bytes that a kill often hits the middle of a write.
fn entry(place: u64) -> Vec<u8> {
    let mut entry = place.to_string().into_bytes();
    entry.resize(200 + (place % 7) as usize * 900, b'.');
    entry
}

#[test]
fn no_kill_loses_an_entry_or_forks_the_log() {
    let kills = env::var("QUOTAPASS_KILLS").map_or(KILLS, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    drop(EmbeddedStore::create(&path, &origin()).unwrap());
    let mut rng = StdRng::seed_from_u64(5);
    let mut notes: BTreeMap<u64, SignedCheckpoint> = BTreeMap::new();
    let (mut appended, mut answered) = (0, 0);
    for _ in 0..kills {
        let mut child = child("child_that_appends_until_killed");
        child.env(FOLDER, &path);
        let lines = kill_after_begin(child, Duration::from_micros(rng.gen_range(0..60_000)));
        // The last line may be cut off.
        for line in lines.iter().filter_map(|line| line.strip_suffix('.')) {
            answered += 1;
            match line.split_once(' ').unwrap() {
                ("size", size) => appended = appended.max(size.parse().unwrap()),
                (_, note) => {
                    let note = SignedCheckpoint::read(&hex::decode(note).unwrap()).unwrap();
                    let size = note.checkpoint().size;
                    let other = notes.insert(size, note.clone());
                    assert!(other.is_none_or(|other| other == note), "two checkpoints of {size} entries");
                }
            }
        }
        let log = open(&path);
        let size = log.size().unwrap();
        assert!(size >= appended, "{appended} entries were answered, and {size} are there");
        assert_eq!(log.store().entries(0..size).unwrap(), (0..size).map(entry).collect::<Vec<_>>());
        let published = log.published().unwrap().map_or(0, |published| published.note.checkpoint().size);
        assert!(published >= notes.last_key_value().map_or(0, |(size, _)| *size), "a published checkpoint is gone");
        let root = log.root(size).unwrap();
        for (former, note) in &notes {
            let proof = log.consistency(*former, size).unwrap().unwrap();
            assert_eq!(check_consistency(&proof, size, root, *former, note.checkpoint().root), Ok(()));
        }
    }
    println!("{kills} kills, {answered} answers before them, {appended} entries, {} checkpoints", notes.len());
    assert!(answered > 0 && !notes.is_empty());
}

#[test]
#[ignore = "run by no_kill_loses_an_entry_or_forks_the_log, which kills it"]
fn child_that_appends_until_killed() {
    let Some(path) = env::var_os(FOLDER) else { return };
    let log = open(Path::new(&path));
    let key = NoteKey::from_seed(origin().as_str(), &[1; 32]).unwrap();
    let begin = log.published().unwrap().map_or(UnixSeconds(0), |published| published.at);
    say("begin");
    for round in 1.. {
        let size = log.size().unwrap();
        let size = log.append((size..size + 1 + round % 5).map(entry).collect()).unwrap();
        say(&format!("size {size}."));
        if let Publication::New(published) = log.publish(&key, begin + round * 600, 600).unwrap() {
            say(&format!("note {}.", hex::encode(published.note.to_string())));
        }
    }
}
