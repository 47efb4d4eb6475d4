//! The native counterpart of the package's tests: the module verifies proofs that are made here, and the reverse.
//!
//! `native make FOLDER` writes development keys, members in a relay's format, `fixture.json` with posts and a badge,
//! and, for the benchmark, the circuit of posts and a witness in iden3's formats. `native lists FOLDER` writes logs with
//! long lists beside them, for the benchmark. `native verify FOLDER` reads posts from standard input, one JSON object per
//! line with message, pass, root and now, and writes the name of the verdict for each. A post in the room with lists also
//! names the state of the log that it is verified with; the object of a request of an author, or of a report, has the
//! request.
//!
//! The folder `log` has the states of a moderation log, as a relay would serve them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod log;

use core::cell::RefCell;
use std::{collections::BTreeMap, env, fs, io, path::Path};

use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, assignment::Assignment, shape::Shape},
    formats::wire,
    identity::IdentitySecret,
    membership::{BucketNumber, Day, Levels, Member, MemberIndex, MemberTree, Membership, Root, Terms},
    moderation::{
        Entry,
        author::{Author, AuthorPublic},
        record::Record,
    },
    post::{Post, post},
    proof::Proof,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    signal::{ExternalNullifier, SignalHash},
};
use quotapass_protocol::{
    ModerationPolicy, Policy, PolicyList, UnixSeconds, Verdict,
    moderation::{AuthorRequest, ReportRequest},
};
use quotapass_setup::iden3;
use quotapass_wallet::{
    BoundPolicy, Poster,
    identity::Seed,
    ledger::{Book, DeviceShare},
    make_badge,
    moderation::{RecordVerifiers, VerifiedLists, verify_author},
    trusted_key, verify_message, verify_post,
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

const WORDS: &str = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
                     abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art";
const REGISTRY: RegistryId = RegistryId { chain_id: 31_337, address: [0x11; 20] };
const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
/// Enough members for a tree with two buckets.
const MEMBERS: u32 = 2_100;
const OWN: MemberIndex = MemberIndex(2_077);
const CHAT_KEY: [u8; 32] = [7; 32];
/// The lengths of lists that the benchmark measures.
const LISTS: [u64; 4] = [16, 64, 128, 1_024];

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["make", folder] => make(Path::new(folder)),
        ["lists", folder] => make_lists(Path::new(folder)),
        ["verify", folder] => verify(Path::new(folder)),
        _ => panic!("usage: native make FOLDER | native lists FOLDER | native verify FOLDER"),
    }
}

fn bound_policy() -> BoundPolicy {
    let policy = Policy {
        name: "lobby".into(),
        epoch_seconds: 600.try_into().unwrap(),
        limit_cap: 5.try_into().unwrap(),
        min_stake: 10,
        min_age_days: 1,
        root_window: 3_600,
        max_clock_skew: 20,
        stake_levels: Vec::new(),
        moderation: None,
    };
    BoundPolicy::new(REGISTRY, policy).unwrap()
}

/// A room with a list and two stake levels.
fn moderated_policy() -> BoundPolicy {
    let lists = vec![PolicyList { log: log::settings().identity(), limit: 128 }];
    let values = Policy {
        name: "lounge".into(),
        stake_levels: vec![10, 100],
        moderation: Some(ModerationPolicy { lists, ..ModerationPolicy::default() }),
        ..bound_policy().values().clone()
    };
    BoundPolicy::new(REGISTRY, values).unwrap()
}

/// A room whose list may be as long as any, and whose members may post as often as they may anywhere.
fn crowded_policy() -> BoundPolicy {
    let lists = vec![PolicyList { log: log::settings().identity(), limit: 1_024 }];
    let values = Policy {
        name: "hall".into(),
        limit_cap: 20.try_into().unwrap(),
        moderation: Some(ModerationPolicy { lists, ..ModerationPolicy::default() }),
        ..bound_policy().values().clone()
    };
    BoundPolicy::new(REGISTRY, values).unwrap()
}

/// Writes logs with long lists beside the files of `make`, for the benchmark.
fn make_lists(folder: &Path) {
    let secret = Seed::from_words(WORDS).unwrap().secret(&REGISTRY, 0).unwrap();
    let times = log::make_lists(&folder.join("log"), &crowded_policy(), &secret, &LISTS);
    let mut scope = json!(crowded_policy().values());
    scope["scope"] = json!(crowded_policy().scope());
    fs::write(folder.join("lists.json"), json!({ "scope": scope, "times": times }).to_string()).unwrap();
}

/// Returns the prover of a circuit, and makes its key file if it does not exist.
fn prover<C: Circuit>(folder: &Path) -> Prover<C> {
    let path = folder.join(format!("{}.key", C::KIND));
    if !path.exists() {
        fs::write(&path, development_setup(C::STANDARD).unwrap().to_bytes()).unwrap();
    }
    Prover::new(trusted_key::<C>(&fs::read(path).unwrap(), &[]).unwrap()).unwrap()
}

fn make(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    let secret = Seed::from_words(WORDS).unwrap().secret(&REGISTRY, 0).unwrap();
    let since = Day::at(NOW - 30 * 86_400);
    let member = |secret: &IdentitySecret| Member {
        commitment: secret.commitment(),
        terms: Terms::new(100, 20, since).unwrap(),
    };
    let members = (0..MEMBERS).map(|index| {
        let other = IdentitySecret::generate(&mut rng);
        Some(member(if index == OWN.0 { &secret } else { &other }))
    });
    let tree = MemberTree::build(Levels::STANDARD, members).unwrap();
    fs::write(folder.join("upper.bin"), tree.upper_nodes().to_bytes()).unwrap();
    for number in [0, 1] {
        let bucket = tree.bucket(BucketNumber(number)).unwrap();
        fs::write(folder.join(format!("bucket-{number}.bin")), bucket.to_bytes()).unwrap();
    }

    let mut rng = rand::rngs::OsRng;
    let (member, path) = (member(&secret), tree.path(OWN).unwrap());
    let membership = Membership { secret: &secret, member: &member, path: &path };
    let mut poster = Poster::new(&prover::<Post>(folder), bound_policy(), membership, NOW).unwrap();
    let epoch = bound_policy().values().epoch_at(NOW);
    // Two ledgers give out one message id, so the two posts reveal the secret.
    let posts = ["hello from outside", "one too many"].map(|message| {
        let mut ledger = Book::new(poster.owner(), DeviceShare::SOLE);
        let reservation = ledger.reserve(NOW, &poster.quota()).unwrap();
        let pass = poster.prove(reservation, message.as_bytes(), &mut rng).unwrap();
        json!({ "message": message, "pass": pass.to_text() })
    });
    let x = SignalHash::new(bound_policy().scope(), epoch, b"a message").unwrap();
    let external = ExternalNullifier::new(bound_policy().scope(), epoch);
    let requirement = bound_policy().requirement_at(NOW);
    let (public, witness) = post(membership, external, x, requirement, bound_policy().values().limit_cap, 1).unwrap();
    let assignment = Assignment::compute(Post::STANDARD, &public, &witness).unwrap();
    fs::write(folder.join("post.wtns"), &*iden3::wtns(&assignment)).unwrap();
    fs::write(folder.join("post.r1cs"), Shape::of(Post::STANDARD).unwrap().to_r1cs()).unwrap();

    let badge = make_badge(&prover::<Badge>(folder), &bound_policy(), membership, &CHAT_KEY, NOW, &mut rng).unwrap();
    // The keys of rooms with moderation.
    drop(prover::<Author>(folder));
    drop(prover::<Record<16>>(folder));
    drop(prover::<Record<128>>(folder));
    let states = folder.join("log");
    if states.exists() {
        fs::remove_dir_all(&states).unwrap();
    }
    let moderation = log::make(&states, &moderated_policy(), &secret);
    // For readers without JSON.
    let stated = log::stated();
    let property = |name: &str| moderation[name].as_str().map_or_else(|| moderation[name].to_string(), str::to_owned);
    let mut properties: Vec<_> =
        ["log", "otherWitness", "now", "strike", "text", "until"].map(|name| (name, property(name))).to_vec();
    properties.extend([("origin", stated.origin), ("rootKey", stated.root_key)]);
    properties.extend([("server", stated.servers[0].clone()), ("witness", stated.witnesses[0].clone())]);
    let properties: String = properties.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::write(folder.join("moderation.properties"), properties).unwrap();
    let scope = |policy: BoundPolicy| {
        let mut scope = json!(policy.values());
        scope["scope"] = json!(policy.scope());
        scope
    };
    let fixture = json!({
        "mnemonic": WORDS,
        "registry": { "chain_id": REGISTRY.chain_id, "address": format!("0x{}", hex::encode(REGISTRY.address)) },
        "scopes": [scope(bound_policy()), scope(moderated_policy())],
        "now": NOW,
        "root": tree.root(),
        "memberCount": MEMBERS,
        "index": OWN,
        "commitment": secret.commitment(),
        "secret": format!("0x{}", hex::encode(*secret.to_be_bytes())),
        "policyHash": bound_policy().policy_hash().unwrap().to_string(),
        "moderatedPolicyHash": moderated_policy().policy_hash().unwrap().to_string(),
        "moderation": moderation,
        "meeting": MEMBERS,
        "posts": posts,
        "badge": { "pass": badge.to_text(), "pseudonym": badge.pseudonym, "chatKey": hex::encode(CHAT_KEY) },
    });
    fs::write(folder.join("fixture.json"), fixture.to_string()).unwrap();
}

fn verify(folder: &Path) {
    let verifier = prover::<Post>(folder).verifier().unwrap();
    for line in io::stdin().lines() {
        let post: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if post.get("kind").is_some() {
            println!("{}", author_verdict(folder, &serde_json::from_value(post).unwrap()));
            continue;
        }
        let text = |name: &str| post[name].as_str().unwrap().to_owned();
        let roots = [text("root").parse::<Root>().unwrap()];
        let now = UnixSeconds(post["now"].as_u64().unwrap());
        let verdict = if let Some(report) = post.get("report") {
            report_verdict(folder, &text("state"), &serde_json::from_value(report.clone()).unwrap(), &roots, now)
        } else {
            let (message, pass) = (text("message"), wire::decode_text(&text("pass")).unwrap());
            match post.get("state") {
                None => verify_post(&verifier, &bound_policy(), message.as_bytes(), &pass, roots.as_slice(), now),
                Some(_) => {
                    let (policy, lists) = (moderated_policy(), verified_lists(folder, &text("state"), now));
                    verify_message(&verifier, &lists, &policy, message.as_bytes(), &pass, roots.as_slice(), now)
                }
            }
            .err()
        };
        println!("{}", verdict.unwrap_or(Verdict::Accepted).name());
    }
}

/// The lists of a state of the log.
fn verified_lists(folder: &Path, state: &str, now: UnixSeconds) -> VerifiedLists {
    let small = prover::<Record<16>>(folder).verifier().unwrap();
    let large = prover::<Record<128>>(folder).verifier().unwrap();
    let mut lists = VerifiedLists::new(RecordVerifiers { small, large: Some(large) });
    let source = log::Files(folder.join("log").join(state));
    for list in log::read(&moderated_policy(), &source, &RefCell::new(BTreeMap::new()), now).1 {
        lists.accept(&list).unwrap();
    }
    lists
}

/// Verifies a request of an author in the room with lists, as a relay does.
fn author_verdict(folder: &Path, request: &AuthorRequest) -> &'static str {
    let verifier = prover::<Author>(folder).verifier().unwrap();
    let verdict = verify_author(&verifier, moderated_policy().scope(), request).err();
    verdict.map_or(Verdict::Accepted.name(), |_| Verdict::InvalidProof.name())
}

/// Verifies a report in the room with lists, as a relay does: its pass, and the proof that binds its body.
fn report_verdict(
    folder: &Path,
    state: &str,
    report: &ReportRequest,
    roots: &[Root],
    now: UnixSeconds,
) -> Option<Verdict> {
    let policy = moderated_policy().for_report(report.nullifier).unwrap();
    let verifier = prover::<Post>(folder).verifier().unwrap();
    let (lists, message) = (verified_lists(folder, state, now), report.report_scope().message());
    let verified = match verify_message(&verifier, &lists, &policy, &message, &report.pass, roots, now) {
        Ok(verified) => verified,
        Err(verdict) => return Some(verdict),
    };
    let action = report.action().unwrap().hash(policy.scope(), report.time);
    let public = AuthorPublic { entry: Entry::of(&verified.public), action };
    let proof = Proof::from_bytes(&report.proof).unwrap();
    let verifier = prover::<Author>(folder).verifier().unwrap();
    verifier.verify(&public, &proof).err().map(|_| Verdict::InvalidProof)
}
