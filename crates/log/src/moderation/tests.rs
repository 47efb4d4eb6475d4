//! The rules of a moderation log, entry by entry.

use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::{samples::*, *};
use crate::{
    CosignError, CosignerKey, Follower, Log, LogError, MemoryStore, Mirror, Publication, Refusal, Rules, Shelf,
    SignedLeaf, Source, SourceError, Trust,
};
use quotapass_protocol::{UnixSeconds, note::NoteKey};

/// A state after a policy with three moderators, of whom two must sign.
fn state() -> State {
    let mut state = State::new(name());
    state.apply(&signed(&entry(1_000, NOW, Body::Policy(policy(3, 2))), &[&root()])).unwrap();
    state
}

fn two() -> [NoteKey; 2] {
    [moderator(0), moderator(1)]
}

fn by_two(entry: &Entry) -> Vec<u8> {
    let [one, other] = two();
    signed(entry, &[&one, &other])
}

fn rule() -> ListRule {
    ListRule { registry: REGISTRY, scopes: vec!["room".parse().unwrap()], limit: MAX_LIST }
}

#[test]
fn the_first_entry_is_a_policy_of_the_root_key() {
    let first = entry(1, NOW, Body::Policy(policy(3, 2)));
    let mut state = State::new(name());
    assert_eq!(state.apply(&by_two(&strike(2, NOW))), Err(EntryError::NoPolicy));
    assert!(matches!(state.apply(&by_two(&first)), Err(EntryError::Leaf(_))));
    assert!(matches!(state.apply(&signed(&first, &[&working()])), Err(EntryError::Leaf(_))));
    assert_eq!((state.size(), state.apply(&signed(&first, &[&root()]))), (0, Ok(())));
    assert_eq!(state.working_keys(), [working().public()]);
}

#[test]
fn moderators_decide_together_and_others_do_not() {
    let mut state = state();
    let strike = strike(1, NOW);
    let one = signed(&strike, &[&moderator(0)]);
    assert_eq!(state.apply(&one), Err(EntryError::Threshold { found: 1, required: 2 }));
    for stranger in [root(), working(), moderator(3)] {
        let leaf = signed(&strike, &[&moderator(0), &moderator(1), &stranger]);
        assert!(matches!(state.apply(&leaf), Err(EntryError::Leaf(crate::LeafError::Stranger(_)))));
    }
    let twice = signed(&strike, &[&moderator(0), &moderator(0)]);
    assert!(matches!(state.apply(&twice), Err(EntryError::Leaf(crate::LeafError::Twice(_)))));
    assert_eq!(state.apply(&by_two(&strike)), Ok(()));
    assert_eq!(state.list(&rule()), [post(1)]);
}

#[test]
fn an_entry_of_another_log_is_refused() {
    let entry = strike(1, NOW);
    let [one, other] = two();
    let leaf = entry.sign(&"other.example/moderation".parse().unwrap(), &[&one, &other]).unwrap();
    let result = state().apply(&leaf.to_bytes().unwrap());
    assert!(matches!(result, Err(EntryError::Leaf(crate::LeafError::Signature(_)))));
}

#[test]
fn no_identity_occurs_twice() {
    let mut state = state();
    let strike = strike(1, NOW);
    state.apply(&by_two(&strike)).unwrap();
    assert_eq!(state.apply(&by_two(&strike)), Err(EntryError::Twice(strike.id)));
    state.apply(&by_two(&lift(50, &strike, Because::Error, NOW))).unwrap();
    assert_eq!(state.apply(&by_two(&strike)), Err(EntryError::Twice(strike.id)));
}

#[test]
fn a_post_is_struck_once_at_a_time() {
    let mut state = state();
    let first = strike(1, NOW);
    let again = Entry { body: first.body.clone(), ..entry(2, NOW, first.body.clone()) };
    state.apply(&by_two(&first)).unwrap();
    assert_eq!(state.apply(&by_two(&again)), Err(EntryError::Struck(first.id)));
    state.apply(&by_two(&lift(50, &first, Because::Appeal, NOW))).unwrap();
    assert_eq!(state.list(&rule()), []);
    assert_eq!(state.apply(&by_two(&lift(51, &first, Because::Appeal, NOW))), Err(EntryError::NotInForce(first.id)));
    assert_eq!(state.apply(&by_two(&again)), Ok(()));
}

#[test]
fn the_neutral_entry_is_no_post() {
    let mut neutral = strike(1, NOW);
    let Body::Strike(strike) = &mut neutral.body else { unreachable!() };
    let mut bytes = [0; 96];
    bytes[31] = 1;
    strike.entry = ListedEntry::from_bytes(&bytes).unwrap();
    assert_eq!(state().apply(&by_two(&neutral)), Err(EntryError::Neutral));
}

#[test]
fn the_log_lifts_what_is_over_and_nothing_else() {
    let mut state = state();
    let strike = strike(1, NOW);
    let end = NOW + STRIKE_SECONDS;
    state.apply(&by_two(&strike)).unwrap();
    let expiry = |because, at| signed(&lift(50, &strike, because, at), &[&working()]);
    assert_eq!(state.apply(&expiry(Because::Expired, end - 1)), Err(EntryError::NotOver(strike.id)));
    for because in [Because::Error, Because::Appeal] {
        assert!(matches!(state.apply(&expiry(because, end)), Err(EntryError::Leaf(_))));
    }
    // What is in force depends on the entries, and not on a clock.
    assert_eq!(state.expired(end - 1).count(), 0);
    assert_eq!(state.expired(end).count(), 1);
    assert_eq!(state.list(&rule()), [post(1)]);
    assert_eq!(state.apply(&expiry(Because::Expired, end)), Ok(()));
    assert_eq!(state.list(&rule()), []);
}

#[test]
fn files_are_blocked_and_unblocked_in_turn() {
    let mut state = state();
    let block = Block { subject: Digest::of(b"file"), reason: Reason::Malware, notice: Notice { ttl: 60 } };
    let [on, off] = [Body::Block(block.clone()), Body::Unblock(block.clone())];
    let mut apply = |seed, body: &Body| {
        let result = state.apply(&by_two(&entry(seed, NOW, body.clone())));
        (result, state.blocked(&block.subject).is_some())
    };
    assert_eq!(apply(1, &off), (Err(EntryError::NotBlocked), false));
    assert_eq!(apply(2, &on), (Ok(()), true));
    assert_eq!(apply(3, &on), (Err(EntryError::Blocked), true));
    assert_eq!(apply(4, &off), (Ok(()), false));
}

#[test]
fn moderators_change_by_their_former_threshold_or_the_root_key() {
    let next = LogPolicy { moderators: vec![moderator(7).public()], threshold: 1, ..policy(3, 2) };
    let change = entry(2, NOW, Body::Policy(next));
    // One of two, the new moderator alone, a working key.
    assert!(matches!(state().apply(&signed(&change, &[&moderator(0)])), Err(EntryError::Threshold { .. })));
    for other in [moderator(7), working()] {
        assert!(matches!(state().apply(&signed(&change, &[&other])), Err(EntryError::Leaf(_))));
    }
    for leaf in [by_two(&change), signed(&change, &[&root()])] {
        let mut state = state();
        state.apply(&leaf).unwrap();
        assert!(matches!(state.apply(&by_two(&strike(1, NOW))), Err(EntryError::Leaf(_))));
        assert_eq!(state.apply(&signed(&strike(1, NOW), &[&moderator(7)])), Ok(()));
    }
}

#[test]
fn only_the_root_key_changes_working_keys_and_nothing_is_void() {
    let new_key = key(origin().as_str(), 99);
    let next = LogPolicy { working_keys: vec![new_key.public()], ..policy(3, 2) };
    let change = entry(2, NOW, Body::Policy(next));
    let mut state = state();
    state.apply(&by_two(&strike(1, NOW))).unwrap();
    assert_eq!(state.apply(&by_two(&change)), Err(EntryError::WorkingKeys));
    assert_eq!(state.root_policy().map(|(place, _)| place), Some(0));
    let leaf = signed(&change, &[&root()]);
    state.apply(&leaf).unwrap();
    assert_eq!(state.root_policy(), Some((2, &leaf[..])));
    assert_eq!((state.working_keys(), state.list(&rule())), (&[new_key.public()][..], vec![post(1)]));
    // The former working key states nothing more.
    let due = entry(3, NOW, Body::Active(state.due().unwrap().unwrap()));
    assert!(matches!(state.apply(&signed(&due, &[&working()])), Err(EntryError::Leaf(_))));
    assert_eq!(state.apply(&signed(&due, &[&new_key])), Ok(()));
}

#[test]
fn the_root_key_signs_nothing_but_policies() {
    for entry in one_of_each().into_iter().filter(|entry| !matches!(entry.body, Body::Policy(_))) {
        assert!(matches!(state().apply(&signed(&entry, &[&root()])), Err(EntryError::Leaf(_))), "{entry:?}");
    }
}

#[test]
fn long_entries_are_refused() {
    let mut long = strike(1, NOW);
    let Body::Strike(strike) = &mut long.body else { unreachable!() };
    strike.pass = vec![0; 8_000];
    let leaf = SignedLeaf::new(&long.to_json().unwrap()).unwrap().signed(&origin(), &[&moderator(0)]).unwrap();
    assert!(matches!(leaf.to_bytes(), Err(crate::LeafError::TooLong(_))));
}

#[test]
fn a_log_that_miscounts_is_refused() {
    let mut state = state();
    state.apply(&by_two(&strike(1, NOW))).unwrap();
    let right = state.due().unwrap().unwrap();
    assert_eq!((right.scope.as_str(), right.count, right.size), ("room", 1, 2));
    assert_eq!(right.sha256, Digest::of(&write_list(&[post(1)])));
    let apply = |state: &mut State, seed, active: &Active| {
        state.apply(&signed(&entry(seed, NOW, Body::Active(active.clone())), &[&working()]))
    };
    for wrong in [
        Active { count: 0, ..right.clone() },
        Active { size: 3, ..right.clone() },
        Active { sha256: Digest::of(b""), ..right.clone() },
        Active { scope: "hall".into(), ..right.clone() },
    ] {
        assert!(matches!(apply(&mut state, 60, &wrong), Err(EntryError::Active { .. })), "{wrong:?}");
    }
    let early = Active { registry: None, scope: String::new(), ..right.clone() };
    assert!(matches!(apply(&mut state, 60, &early), Err(EntryError::Unstated(_))));
    assert!(matches!(state.check_end(), Err(EntryError::Unstated(_))));
    apply(&mut state, 61, &right).unwrap();
    assert_eq!(state.check_end(), Err(EntryError::NoIndex));
    let index = state.due().unwrap().unwrap();
    assert!(matches!(apply(&mut state, 62, &Active { count: 2, ..index.clone() }), Err(EntryError::Active { .. })));
    apply(&mut state, 62, &index).unwrap();
    assert_eq!((state.check_end(), state.due()), (Ok(()), Ok(None)));
    state.apply(&by_two(&strike(3, NOW))).unwrap();
    assert!(state.check_end().is_err());
}

#[test]
fn a_list_has_the_newest_strikes_that_match_in_order() {
    let mut state = state();
    let report = format!("report/room/{}", "ab".repeat(32));
    for (number, scope) in [(1, "room"), (2, "hall"), (3, &report), (4, "room/side"), (5, "room")] {
        state.apply(&by_two(&strike_in(scope, number, NOW))).unwrap();
    }
    let list = |scopes: &[&str], limit| {
        let scopes = scopes.iter().map(|scope| scope.parse().unwrap()).collect();
        state.list(&ListRule { registry: REGISTRY, scopes, limit })
    };
    assert_eq!(list(&["room"], 9), [1, 3, 5].map(post));
    assert_eq!(list(&["room"], 2), [3, 5].map(post));
    assert_eq!(list(&["room/*", "hall"], 9), [2, 4].map(post));
    let key = ListKey { registry: REGISTRY, scope: "room".into() };
    assert_eq!(state.stated_list(&key), [1, 3, 5].map(post));
    let elsewhere =
        ListRule { registry: quotapass_circuits::registry_id::RegistryId { chain_id: 1, ..REGISTRY }, ..rule() };
    assert_eq!(state.list(&elsewhere), []);
    assert_eq!(state.index().len(), 3);
}

// The whole: a journal, a mirror that cosigns, and a wallet.

fn rng() -> StdRng {
    StdRng::from_entropy()
}

fn witness() -> CosignerKey {
    CosignerKey::from_seed("other.example/witness", &[40; 32]).unwrap()
}

fn journal() -> Journal<MemoryStore> {
    let journal = Journal::open(name(), MemoryStore::default()).unwrap();
    journal.put(&signed(&entry(1_000, NOW, Body::Policy(policy(3, 2))), &[&root()])).unwrap();
    journal
}

/// Appends an entry at the time that it states.
trait Put {
    fn put(&self, entry: &[u8]) -> Result<u64, JournalError>;
}

impl<S: crate::LogStore> Put for Journal<S> {
    fn put(&self, entry: &[u8]) -> Result<u64, JournalError> {
        let at = Entry::from_json(SignedLeaf::read(entry).unwrap().json()).unwrap().at;
        self.append(entry, at)
    }
}

fn mirror() -> Mirror<MemoryStore, State> {
    Mirror::open(Trust::of_witness(name()), MemoryStore::default(), State::new(name())).unwrap()
}

fn wallet() -> Follower {
    Follower::new(Trust::new(name(), vec![witness().public()], 1).unwrap())
}

/// Publishes, and lets the witness follow and cosign.
fn publish(journal: &Journal<MemoryStore>, mirror: &mut Mirror<MemoryStore, State>, now: UnixSeconds) {
    let published = journal.publish(&working(), now, &mut rng()).unwrap();
    assert!(matches!(published, Publication::New(_)), "{published:?}");
    mirror.advance(journal, now).unwrap();
    let line = mirror.cosign(&witness(), now, 600).unwrap();
    assert_eq!(journal.add_cosignature(&line, &[witness().public()]), Ok(true));
}

fn room() -> ListKey {
    ListKey { registry: REGISTRY, scope: "room".into() }
}

#[test]
fn a_wallet_reads_what_is_in_force_and_a_witness_has_recomputed_it() {
    let (journal, mut mirror, mut wallet) = (journal(), mirror(), wallet());
    publish(&journal, &mut mirror, NOW);
    let index = read_index(&mut wallet, &journal, NOW).unwrap();
    assert_eq!(index.list(&journal, &room(), 9).unwrap().entries, []);
    let first = strike(1, NOW);
    journal.put(&by_two(&first)).unwrap();
    journal.put(&by_two(&strike(2, NOW))).unwrap();
    assert_eq!(journal.publish(&working(), NOW + 599, &mut rng()), Ok(Publication::TooSoon(NOW + 600)));
    publish(&journal, &mut mirror, NOW + 600);
    let index = read_index(&mut wallet, &journal, NOW + 600).unwrap();
    let list = index.list(&journal, &room(), 9).unwrap();
    assert_eq!(list.entries, [post(1), post(2)]);
    assert_eq!(index.list(&journal, &room(), 1).unwrap().entries, [post(2)]);
    assert_eq!(mirror.rules().list(&rule()), [post(1), post(2)]);
    // The copy serves the tiles too, and the checkpoint without the cosignature that was made after it.
    let size = mirror.seen().unwrap().checkpoint().size;
    for path in [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")] {
        assert_eq!(mirror.resource(&path).unwrap(), journal.resource(&path).unwrap());
    }
    assert_eq!(mirror.resource(&format!("tile/0/000.p/{}", size + 1)), Ok(None));
    assert_eq!(mirror.resource("checkpoint").unwrap(), mirror.seen().map(|note| note.to_string().into_bytes()));
    let seen = mirror.seen().unwrap().checkpoint();
    let bytes = list.reference.to_bytes();
    assert_eq!(bytes[..8], name().id().to_short_bytes());
    assert_eq!((&bytes[8..16], &bytes[16..]), (&seen.size.to_be_bytes()[..], &seen.root.as_bytes()[..8]));

    // A wallet that was told nothing since goes on from its memory, in another process and on another kind of source.
    journal.put(&by_two(&lift(50, &first, Because::Appeal, NOW + 700))).unwrap();
    publish(&journal, &mut mirror, NOW + 1_200);
    let memory = serde_json::to_string(&wallet.memory().unwrap()).unwrap();
    let mut again = Follower::resume(wallet.trust().clone(), &serde_json::from_str(&memory).unwrap()).unwrap();
    let mut shelf = Shelf::new();
    let list = loop {
        let mut trial = again.clone();
        let read = read_index(&mut trial, &shelf, NOW + 1_200).and_then(|index| index.list(&shelf, &room(), 9));
        match read {
            Err(Refusal::Source(SourceError::Wanted(_))) => {
                for path in shelf.wanted() {
                    let answer = journal.fetch(&path);
                    shelf.put(path, answer);
                }
            }
            read => {
                again = trial;
                break read.unwrap();
            }
        }
    };
    assert_eq!((list.entries, again.seen()), (vec![post(2)], mirror.seen().map(|note| note.checkpoint())));
}

#[test]
fn a_strike_that_is_lifted_at_once_is_shown_to_no_reader() {
    let (journal, mut mirror, mut wallet) = (journal(), mirror(), wallet());
    publish(&journal, &mut mirror, NOW);
    read_index(&mut wallet, &journal, NOW).unwrap();
    // The operator makes a state with the strike for one wallet alone, from a copy of the log.
    let copy = MemoryStore::default();
    let entries = crate::LogStore::entries(journal.log().store(), 0..journal.log().size().unwrap()).unwrap();
    Log::open(origin(), &copy).unwrap().append(entries).unwrap();
    let victim = Journal::open(name(), copy).unwrap();
    let struck = strike(1, NOW);
    for journal in [&victim, &journal] {
        journal.put(&by_two(&struck)).unwrap();
    }
    assert!(matches!(victim.publish(&working(), NOW + 600, &mut rng()), Ok(Publication::New(_))));
    let refused = read_index(&mut wallet, &victim, NOW + 600).unwrap_err();
    assert_eq!(refused.name(), "log_cosignatures");
    // All others see strike and lift at once, so the strike is in force at no checkpoint.
    journal.put(&by_two(&lift(50, &struck, Because::Error, NOW + 1))).unwrap();
    publish(&journal, &mut mirror, NOW + 600);
    let index = read_index(&mut wallet, &journal, NOW + 600).unwrap();
    assert_eq!(index.list(&journal, &room(), 9).unwrap().entries, []);
    // The witness does not cosign the other state: its entries are not those it saw.
    assert!(matches!(mirror.advance(&victim, NOW + 1_200), Err(Refusal::Rollback { .. } | Refusal::Fork(_))));
    assert!(matches!(mirror.cosign(&witness(), NOW + 601, 600), Err(CosignError::TooSoon(_))));
}

#[test]
fn a_fork_of_the_same_size_is_proved_by_two_notes() {
    let (one, other) = (journal(), journal());
    let mut wallet = wallet();
    for (journal, number) in [(&one, 1), (&other, 2)] {
        journal.put(&by_two(&strike(number, NOW))).unwrap();
        publish(journal, &mut mirror(), NOW);
    }
    read_index(&mut wallet, &one, NOW).unwrap();
    let Err(Refusal::Fork(both)) = read_index(&mut wallet, &other, NOW) else { panic!("it accepts a fork") };
    let sizes = [&both.seen, &both.shown].map(|note| crate::SignedCheckpoint::read(note.as_bytes()).unwrap());
    assert!(sizes.iter().all(|note| note.signer(&[working().public()]).is_some()));
    assert_eq!(sizes[0].checkpoint().size, sizes[1].checkpoint().size);
    assert_ne!(sizes[0].checkpoint().root, sizes[1].checkpoint().root);
    assert!(both.is_proof());
    // A longer fork is refused too.
    other.put(&by_two(&strike(3, NOW))).unwrap();
    let published = other.publish(&working(), NOW + 600, &mut rng()).unwrap();
    let Publication::New(published) = published else { unreachable!() };
    let line = published.note.cosign(&witness(), NOW + 600);
    other.add_cosignature(&line, &[witness().public()]).unwrap();
    assert!(matches!(read_index(&mut wallet, &other, NOW + 600), Err(Refusal::Fork(_))));
    let mut mirror = mirror();
    mirror.advance(&one, NOW).unwrap();
    // With two sizes the notes prove nothing by themselves.
    assert!(matches!(mirror.advance(&other, NOW + 600), Err(Refusal::Fork(both)) if !both.is_proof()));
}

#[test]
fn a_fork_of_a_checkpoint_that_was_refused_is_proved_by_it() {
    let (one, mut mirror) = (journal(), mirror());
    publish(&one, &mut mirror, NOW);
    let copy = MemoryStore::default();
    let entries = crate::LogStore::entries(one.log().store(), 0..one.log().size().unwrap()).unwrap();
    Log::open(origin(), &copy).unwrap().append(entries).unwrap();
    let other = Journal::open(name(), copy).unwrap();
    for (journal, number) in [(&one, 1), (&other, 2)] {
        journal.put(&by_two(&strike(number, NOW))).unwrap();
    }
    // It does not state what is in force.
    one.log().publish(&working(), NOW + 600, 600).unwrap();
    assert!(matches!(mirror.advance(&one, NOW + 600), Err(Refusal::End { size: 3, .. })));
    other.publish(&working(), NOW + 600, &mut rng()).unwrap();
    let Err(Refusal::Fork(both)) = mirror.advance(&other, NOW + 600) else { panic!("it accepts a fork") };
    let sizes = [&both.seen, &both.shown].map(|note| crate::SignedCheckpoint::read(note.as_bytes()).unwrap());
    assert_eq!(sizes.map(|note| note.checkpoint().size), [3, 5]);
}

#[test]
fn a_log_that_shrinks_or_is_old_is_refused() {
    let (journal, mut mirror) = (journal(), mirror());
    publish(&journal, &mut mirror, NOW);
    let old = Frozen::of(&journal);
    journal.put(&by_two(&strike(1, NOW))).unwrap();
    publish(&journal, &mut mirror, NOW + 600);
    let mut reader = wallet();
    read_index(&mut reader, &journal, NOW + 600).unwrap();
    assert!(matches!(read_index(&mut reader, &old, NOW + 600), Err(Refusal::Rollback { .. })));
    assert!(matches!(mirror.advance(&old, NOW + 600), Err(Refusal::Rollback { .. })));
    // At first contact a day is the limit, later thirty days.
    let day = NOW + 600 + 86_400;
    assert!(read_index(&mut wallet(), &journal, day).is_ok());
    assert!(matches!(read_index(&mut wallet(), &journal, day + 1), Err(Refusal::Stale { limit: 86_400, .. })));
    assert!(read_index(&mut reader, &journal, NOW + 600 + 30 * 86_400).is_ok());
    assert!(matches!(read_index(&mut reader, &journal, NOW + 601 + 30 * 86_400), Err(Refusal::Stale { .. })));
    // A witness that sees the same checkpoint again makes it fresh.
    mirror.advance(&journal, day).unwrap();
    let line = mirror.cosign(&witness(), day, 600).unwrap();
    assert_eq!(journal.add_cosignature(&line, &[witness().public()]), Ok(true));
    assert!(read_index(&mut wallet(), &journal, day + 1).is_ok());
}

/// A server that shows what a journal served at one moment.
struct Frozen(std::collections::BTreeMap<String, Vec<u8>>);

impl Frozen {
    fn of(journal: &Journal<MemoryStore>) -> Self {
        let size = journal.log().published().unwrap().unwrap().note.checkpoint().size;
        let index = journal.read(|state| write_index(&state.index()).unwrap()).unwrap();
        let index = format!("active/{}", Digest::of(index.as_bytes()));
        let paths =
            ["checkpoint", "policy", &format!("tile/0/000.p/{size}"), &format!("tile/entries/000.p/{size}"), &index];
        Self(paths.map(|path| (path.to_owned(), journal.fetch(path).unwrap())).into())
    }
}

impl Source for Frozen {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.0.get(path).cloned().ok_or_else(|| SourceError::NotFound(path.into()))
    }
}

#[test]
fn a_rotation_of_working_keys_voids_nothing_and_the_old_key_signs_nothing_more() {
    let (journal, mut mirror, mut wallet) = (journal(), mirror(), wallet());
    journal.put(&by_two(&strike(1, NOW))).unwrap();
    publish(&journal, &mut mirror, NOW);
    read_index(&mut wallet, &journal, NOW).unwrap();
    let old = Frozen::of(&journal);
    let new_key = key(origin().as_str(), 99);
    let next = LogPolicy { working_keys: vec![new_key.public()], ..policy(3, 2) };
    journal.put(&signed(&entry(2, NOW, Body::Policy(next)), &[&root()])).unwrap();
    let refused = journal.publish(&working(), NOW + 600, &mut rng());
    assert_eq!(refused, Err(JournalError::NotAWorkingKey(working().public())));
    journal.publish(&new_key, NOW + 600, &mut rng()).unwrap();
    mirror.advance(&journal, NOW + 600).unwrap();
    let line = mirror.cosign(&witness(), NOW + 600, 600).unwrap();
    journal.add_cosignature(&line, &[witness().public()]).unwrap();
    let index = read_index(&mut wallet, &journal, NOW + 600).unwrap();
    assert_eq!(index.list(&journal, &room(), 9).unwrap().entries, [post(1)]);
    assert_eq!(wallet.working_keys(), [new_key.public()]);

    // A thief of the old key goes on with the old log, and shows the old policy, which the root key did sign.
    let thief = crate::SignedCheckpoint::sign(
        crate::Checkpoint { size: 100, ..mirror.seen().unwrap().checkpoint().clone() },
        &working(),
    );
    let mut stolen = old;
    stolen.0.insert("checkpoint".into(), thief.unwrap().to_string().into_bytes());
    assert!(matches!(read_index(&mut wallet, &stolen, NOW + 600), Err(Refusal::Policy(_))));
    // A witness follows the entries, where the key is not named any more.
    assert!(mirror.advance(&stolen, NOW + 1_200).is_err());
}

#[test]
fn moderators_who_were_not_named_change_nothing_for_followers() {
    let (journal, mut mirror) = (journal(), mirror());
    publish(&journal, &mut mirror, NOW);
    // An operator without the moderators' keys writes the change into a log that does not check.
    let next = LogPolicy { moderators: vec![moderator(7).public()], threshold: 1, ..policy(3, 2) };
    let forged = signed(&entry(2, NOW, Body::Policy(next)), &[&moderator(7)]);
    assert!(matches!(journal.put(&forged), Err(JournalError::Entry(EntryError::Leaf(_)))));
    journal.log().append(vec![forged]).unwrap();
    journal.log().publish(&working(), NOW + 600, 600).unwrap();
    let refused = mirror.advance(&journal, NOW + 600).unwrap_err();
    assert!(
        matches!(&refused, Refusal::Entry { index: 2, reason } if reason.downcast_ref::<EntryError>().is_some()),
        "{refused}"
    );
    // The witness has not accepted it, and does not cosign it: it cosigns what it saw before.
    let line = mirror.cosign(&witness(), NOW + 600, 600).unwrap();
    assert!(matches!(
        journal.add_cosignature(&line, &[witness().public()]),
        Err(JournalError::Log(LogError::Checkpoint(_)))
    ));
}

#[test]
fn an_entry_of_the_future_is_not_taken_and_not_cosigned() {
    let (journal, mut mirror) = (journal(), mirror());
    let struck = strike(1, NOW);
    journal.put(&by_two(&struck)).unwrap();
    // A thief of the working key ends a strike before its time.
    let early = lift(50, &struck, Because::Expired, NOW + STRIKE_SECONDS);
    let leaf = signed(&early, &[&working()]);
    assert_eq!(journal.append(&leaf, NOW), Err(JournalError::Entry(EntryError::Future(early.at))));
    journal.put(&leaf).unwrap();
    journal.publish(&working(), NOW, &mut rng()).unwrap();
    assert!(matches!(mirror.advance(&journal, NOW), Err(Refusal::Future(at)) if at == early.at));
    assert!(mirror.seen().is_none());
}

#[test]
fn a_checkpoint_in_the_middle_is_not_cosigned() {
    let (journal, mut mirror) = (journal(), mirror());
    publish(&journal, &mut mirror, NOW);
    journal.put(&by_two(&strike(1, NOW))).unwrap();
    // Without stating what is in force.
    journal.log().publish(&working(), NOW + 600, 600).unwrap();
    assert!(matches!(mirror.advance(&journal, NOW + 600), Err(Refusal::End { size: 3, .. })));
    publish(&journal, &mut mirror, NOW + 1_200);
}

#[test]
fn a_server_that_changes_what_it_serves_is_refused() {
    let (journal, mut mirror) = (journal(), mirror());
    journal.put(&by_two(&strike(1, NOW))).unwrap();
    publish(&journal, &mut mirror, NOW);
    let honest = Frozen::of(&journal);
    let list = format!("active/{}", Digest::of(&write_list(&[post(1)])));
    let with_list = |mut served: Frozen| {
        served.0.insert(list.clone(), journal.fetch(&list).unwrap());
        served
    };
    let read = |source: &Frozen| {
        read_index(&mut wallet(), source, NOW).and_then(|index| index.list(source, &room(), 9)).map(|list| list.entries)
    };
    let honest = with_list(honest);
    assert_eq!(read(&honest).unwrap(), [post(1)]);
    for path in honest.0.keys() {
        let mut changed = Frozen(honest.0.clone());
        let bytes = changed.0.get_mut(path).unwrap();
        // In the part that this reader uses: it reads the last entry alone.
        let place = bytes.len() - 30;
        bytes[place] ^= 1;
        assert!(read(&changed).is_err(), "{path}");
        let mut missing = Frozen(honest.0.clone());
        missing.0.remove(path);
        assert!(matches!(read(&missing), Err(Refusal::Source(SourceError::NotFound(_)))), "{path}");
    }
}

#[test]
fn texts_lie_beside_the_log_and_can_be_erased() {
    let journal = journal();
    let text = SaltedText::new("It was an advertisement.", &mut rng()).unwrap();
    let other = SaltedText::new("It was an advertisement.", &mut rng()).unwrap();
    let mut struck = strike(1, NOW);
    let Body::Strike(strike) = &mut struck.body else { unreachable!() };
    strike.text = text.digest();
    let leaf = by_two(&struck);
    assert_eq!(journal.append_strike(&leaf, &other, NOW), Err(JournalError::Text));
    assert_eq!(journal.append_strike(&leaf, &text, NOW), Ok(1));
    assert_eq!(journal.text(&text.digest()), Ok(Some(text.clone())));
    assert_eq!(journal.resource(&format!("text/{}", text.digest())), Ok(Some(text.to_bytes())));
    journal.erase_text(&text.digest()).unwrap();
    assert_eq!(journal.text(&text.digest()), Ok(None));
    assert_eq!(journal.read(|state| state.list(&rule())), Ok(vec![post(1)]));
}

#[test]
fn a_journal_opens_as_it_was() {
    let store = std::sync::Arc::new(MemoryStore::default());
    let open = || Journal::open(name(), std::sync::Arc::clone(&store));
    let first = open().unwrap();
    first.put(&signed(&entry(1_000, NOW, Body::Policy(policy(3, 2))), &[&root()])).unwrap();
    first.put(&by_two(&strike(1, NOW))).unwrap();
    first.publish(&working(), NOW, &mut rng()).unwrap();
    first.put(&by_two(&strike(2, NOW))).unwrap();
    let again = open().unwrap();
    let read = |journal: &Journal<_>| journal.read(|state| (state.size(), state.list(&rule()))).unwrap();
    assert_eq!(read(&first), read(&again));
    for path in ["checkpoint", "policy", &format!("active/{}", Digest::of(&write_list(&[post(1)])))] {
        assert!(again.resource(path).unwrap().is_some(), "{path}");
        assert_eq!(first.resource(path), again.resource(path));
    }
    let unpublished = format!("active/{}", Digest::of(&write_list(&[post(1), post(2)])));
    assert_eq!(again.resource(&unpublished), Ok(None));
    let ended = again.expire(&working(), NOW + STRIKE_SECONDS, &mut rng()).unwrap();
    assert_eq!(ended.len(), 2);
    assert_eq!(read(&again).1, []);
    // The other handle notices that the log grew.
    assert_eq!(read(&first), read(&again));
}

/// A step of a log's life.
#[derive(Clone, Debug)]
enum Step {
    Strike(u8),
    Lift(u8),
    Publish,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..12u8).prop_map(Step::Strike),
        2 => (0..12u8).prop_map(Step::Lift),
        1 => Just(Step::Publish),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn all_readers_compute_the_same_and_what_a_model_says(steps in steps()) {
        let (journal, mut mirror, mut wallet) = (journal(), mirror(), wallet());
        let mut model: Vec<(u8, EntryId)> = Vec::new();
        let mut now = NOW;
        for (step, seed) in steps.into_iter().chain([Step::Publish]).zip(2_000..) {
            match step {
                Step::Strike(number) => {
                    let struck = Entry { id: EntryId::generate(now, &mut StdRng::seed_from_u64(seed)), ..strike(number.into(), now) };
                    let is_new = model.iter().all(|(other, _)| *other != number);
                    prop_assert_eq!(journal.put(&by_two(&struck)).is_ok(), is_new);
                    if is_new {
                        model.push((number, struck.id));
                    }
                }
                Step::Lift(number) => {
                    let found = model.iter().position(|(other, _)| *other == number);
                    let id = found.map_or_else(|| strike(number.into(), now).id, |place| model.remove(place).1);
                    let lift = entry(seed, now, Body::Lift(Lift { strike: id, because: Because::Error }));
                    prop_assert_eq!(journal.put(&by_two(&lift)).is_ok(), found.is_some());
                }
                Step::Publish => {
                    now = now + 600;
                    if journal.publish(&working(), now, &mut rng()).unwrap() == Publication::Unchanged {
                        continue;
                    }
                    mirror.advance(&journal, now).unwrap();
                    let line = mirror.cosign(&witness(), now, 600).unwrap();
                    journal.add_cosignature(&line, &[witness().public()]).unwrap();
                    let index = read_index(&mut wallet, &journal, now).unwrap();
                    let list = index.list(&journal, &room(), MAX_LIST).unwrap().entries;
                    let expected: Vec<_> = model.iter().map(|(number, _)| post(u64::from(*number))).collect();
                    prop_assert_eq!(&list, &expected);
                    prop_assert_eq!(&mirror.rules().list(&rule()), &expected);
                }
            }
        }
    }

    #[test]
    fn other_bytes_are_refused_and_change_nothing(bytes: Vec<u8>, json in "\\{(\"(id|at|kind|scope)\":\"\\PC{0,9}\",?){0,4}\\}") {
        let mut state = state();
        prop_assert!(state.apply(&bytes).is_err());
        prop_assert!(Entry::from_json(&json).is_err());
        prop_assert_eq!(state.size(), 1);
    }
}
