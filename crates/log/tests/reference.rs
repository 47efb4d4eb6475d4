//! An independent reader accepts what a moderation log serves: the reference code of Go's checksum database
//! (`golang.org/x/mod/sumdb/note` and `tlog`). `cargo xtask test --reference` fetches Go and runs this.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{env, fs, path::Path, process::Command};

use quotapass_log::{
    CosignerKey, Log, LogName, LogStore, MemoryStore, Publication, TILE_WIDTH, TileId, TileKind, TreeHash,
    moderation::{Body, Entry, Journal, LIST_INTERVAL, LogPolicy},
};
use quotapass_protocol::{
    UnixSeconds,
    note::{NoteKey, NotePublicKey},
};
use rand::{SeedableRng, rngs::StdRng};

const ORIGIN: &str = "relay.example/moderation";
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

fn key(name: &str, seed: u8) -> NoteKey {
    NoteKey::from_seed(name, &[seed; 32]).unwrap()
}

/// Writes everything that a log serves to a folder.
fn serve<S: LogStore>(log: &Log<S>, folder: &Path) {
    let write = |path: &str| {
        let file = folder.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, log.resource(path).unwrap().unwrap()).unwrap();
    };
    write("checkpoint");
    let size = log.published().unwrap().unwrap().note.checkpoint().size;
    for kind in [TileKind::Entries, TileKind::Hashes(0), TileKind::Hashes(1), TileKind::Hashes(2)] {
        let tiles = (0..=size / u64::from(TILE_WIDTH)).map_while(|index| TileId::in_tree(kind, index, size));
        tiles.for_each(|tile| write(&tile.to_string()));
    }
}

/// Runs the reader, and returns what it prints if it accepts everything.
fn read(folder: &Path, key: &NotePublicKey, former: (u64, TreeHash), proof: &[TreeHash]) -> Result<String, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/main.go");
    let mut go = Command::new(env::var_os("QUOTAPASS_GO").unwrap_or_else(|| "go".into()));
    go.args(["run".as_ref(), source.as_os_str(), folder.as_os_str()]);
    go.args([key.to_string(), former.0.to_string(), former.1.to_string()]).args(proof.iter().map(ToString::to_string));
    // The sources of Debian's packages, without a network.
    let sources = env::var_os("QUOTAPASS_GO_SOURCES").unwrap_or_else(|| "/usr/share/gocode".into());
    go.env("GO111MODULE", "off").env("GOPATH", sources).env("GOCACHE", folder.join("../go-cache"));
    let output = go.output().unwrap();
    let [out, error] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    if output.status.success() { Ok(out) } else { Err(error) }
}

#[test]
#[ignore = "needs Go and golang.org/x/mod; run by `cargo xtask test --reference`"]
fn the_reference_reader_accepts_checkpoint_inclusion_and_consistency() {
    let mut rng = StdRng::seed_from_u64(6);
    let (root, working, moderator) = (key("root", 1), key(ORIGIN, 2), key("alice", 3));
    let origin: quotapass_log::Origin = ORIGIN.parse().unwrap();
    let name = LogName { origin: origin.clone(), root_key: root.public() };
    let journal = Journal::open(name, MemoryStore::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let served = folder.path().join("served");
    let mut now = NOW;
    let mut former = None;
    // Sizes with one tile, a full tile and some, and several levels of tiles.
    for count in [3, 300, 900] {
        for number in 0..count {
            // Each policy is an entry; the root key may sign any number of them.
            let policy = LogPolicy {
                working_keys: vec![working.public()],
                moderators: vec![moderator.public()],
                threshold: 1,
                list_interval: LIST_INTERVAL,
            };
            let entry = Entry::new(Body::Policy(policy), now + number, &mut rng).sign(&origin, &[&root]).unwrap();
            journal.append(&entry.to_bytes().unwrap(), now + number).unwrap();
        }
        now = now + 6_000;
        let published = journal.publish(&working, now, &mut rng).unwrap();
        let Publication::New(published) = published else { panic!("{published:?}") };
        // A cosignature is a signature of an unknown kind to this reader.
        let witness = CosignerKey::from_seed("other.example/witness", &[4; 32]).unwrap();
        let mut mirror = quotapass_log::Mirror::open(
            quotapass_log::Trust::of_witness(journal.name().clone()),
            MemoryStore::default(),
            quotapass_log::moderation::State::new(journal.name().clone()),
        )
        .unwrap();
        mirror.advance(&journal, now).unwrap();
        journal.add_cosignature(&mirror.cosign(&witness, now, 600).unwrap(), &[witness.public()]).unwrap();
        serve(journal.log(), &served);

        let checkpoint = published.note.checkpoint();
        let (size, tree) = (checkpoint.size, checkpoint.root);
        let before = former.replace((size, tree)).unwrap_or((size, tree));
        let proof = journal.log().consistency(before.0, size).unwrap().unwrap();
        let said = read(&served, &working.public(), before, &proof).unwrap();
        assert_eq!(said, format!("{size} entries, 1 signatures unknown to the reader, root {tree}\n"));
    }

    // The reader refuses what is not so.
    let (size, tree) = former.unwrap();
    let proof = journal.log().consistency(100, size).unwrap().unwrap();
    let hundred = (100, journal.log().root(100).unwrap());
    assert!(read(&served, &working.public(), hundred, &proof).is_ok());
    assert!(read(&served, &working.public(), (100, tree), &proof).is_err());
    assert!(read(&served, &working.public(), hundred, &proof[1..]).is_err());
    assert!(read(&served, &root.public(), hundred, &proof).is_err());
    let checkpoint = fs::read_to_string(served.join("checkpoint")).unwrap();
    fs::write(served.join("checkpoint"), checkpoint.replace(&format!("\n{size}\n"), &format!("\n{}\n", size - 1)))
        .unwrap();
    assert!(read(&served, &working.public(), hundred, &proof).is_err());
    fs::write(served.join("checkpoint"), checkpoint).unwrap();
    let entries = served.join("tile/entries/000");
    let mut bytes = fs::read(&entries).unwrap();
    bytes[10] ^= 1;
    fs::write(&entries, bytes).unwrap();
    assert!(read(&served, &working.public(), hundred, &proof).is_err());
}
