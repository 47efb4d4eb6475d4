//! Tests of the readers, and of what a struck member learns.

use quotapass_log::{Refusal, Shelf, SourceError};

use super::{super::*, *};

/// Runs a reader that finds what it needs on a shelf, step by step.
fn with_shelf<T>(operator: &Operator, shelf: &mut Shelf, mut run: impl FnMut(&Shelf) -> Result<T, ListError>) -> T {
    loop {
        match run(shelf) {
            Ok(value) => return value,
            Err(error) => {
                let wanted = shelf.wanted();
                assert!(!wanted.is_empty(), "{error}");
                for path in wanted {
                    let answer = operator.journal.fetch(&path);
                    shelf.put(path, answer);
                }
            }
        }
    }
}

#[test]
fn lists_are_read_in_the_order_of_the_policy_and_follow_their_logs() {
    let operators = [Operator::new(1), Operator::new(2)];
    let both: Vec<_> = operators.iter().collect();
    let memory = TestMemory::default();
    let mut lists = open(&both, &memory);
    let read = lists.refresh(&sources(&both), &memory, NOW).unwrap();
    assert!(read.iter().all(|list| list.entries.is_empty()));
    let ids: Vec<_> = operators.iter().map(|operator| operator.settings().id()).collect();
    assert_eq!(read.iter().map(|list| list.reference.log).collect::<Vec<_>>(), ids);
    assert_eq!(lists.logs().collect::<Vec<_>>(), ids);
    assert_eq!(memory.borrow().len(), 2);

    let (now, struck) = (NOW + INTERVAL, post_of(1, b"buy"));
    let strike = operators[1].strike(struck, "spam", now);
    operators[1].publish(now);
    let read = lists.refresh(&sources(&both), &memory, now).unwrap();
    assert_eq!((read[0].entries.len(), &read[1].entries[..]), (0, &[struck][..]));
    assert_eq!(read[1].version().log, ids[1].to_short_bytes());
    assert_eq!(read[1].version().size, read[1].reference.size);
    assert_eq!(read[1].log(), operators[1].settings().identity());

    operators[1].lift(strike, now + INTERVAL);
    operators[1].publish(now + INTERVAL);
    let read = lists.refresh(&sources(&both), &memory, now + INTERVAL).unwrap();
    assert!(read[1].entries.is_empty());
    assert!(matches!(
        lists.refresh(&sources(&both)[..1], &memory, now),
        Err(ListError::Sources { lists: 2, sources: 1 })
    ));
}

/// What the log's server shows is not enough: a wallet that has seen more refuses it, also after a restart.
#[test]
fn an_older_state_of_a_log_is_refused_after_a_restart() {
    let operator = Operator::new(1);
    let memory = TestMemory::default();
    let mut old = Shelf::new();
    let forgotten = TestMemory::default();
    with_shelf(&operator, &mut old, |shelf| open(&[&operator], &forgotten).refresh(&[shelf], &forgotten, NOW));

    operator.strike(post_of(1, b"buy"), "spam", NOW + INTERVAL);
    operator.publish(NOW + INTERVAL);
    open(&[&operator], &memory).refresh(&sources(&[&operator]), &memory, NOW + INTERVAL).unwrap();
    let mut restarted = open(&[&operator], &memory);
    match restarted.refresh(&[&old], &memory, NOW + INTERVAL) {
        Err(ListError::Refused { origin, refusal: Refusal::Rollback { .. } }) => assert_eq!(origin, operator.origin),
        other => panic!("{other:?}"),
    }
    assert_eq!(restarted.readers()[0].current(), None);
    // Without its witness the log is not used at all.
    let alone = Operator::new(3);
    let stranger =
        [StatedLog { witnesses: StatedLog::from(&operator.settings()).witnesses, ..(&alone.settings()).into() }];
    let stranger: Vec<_> = stranger.iter().map(|log| LogSettings::try_from(log).unwrap()).collect();
    let refused =
        ScopeLists::open(&policy(&[&alone]), &stranger, &memory).unwrap().refresh(&sources(&[&alone]), &memory, NOW);
    assert!(matches!(refused, Err(ListError::Refused { refusal: Refusal::Cosignatures { .. }, .. })), "{refused:?}");
}

/// The attack: a log shows another, longer history to a program that has not read the log since another program with the
/// same memory did.
#[test]
fn programs_with_one_memory_follow_one_history() {
    let operator = Operator::new(1);
    let memory = TestMemory::default();
    let [mut one, mut other] = [(); 2].map(|()| open(&[&operator], &memory));
    for lists in [&mut one, &mut other] {
        lists.refresh(&sources(&[&operator]), &memory, NOW).unwrap();
    }
    let now = NOW + INTERVAL;
    operator.strike(post_of(1, b"buy"), "spam", now);
    operator.publish(now);
    one.refresh(&sources(&[&operator]), &memory, now).unwrap();
    let seen = memory.borrow().clone();

    // It begins like the log, and goes on otherwise.
    let fork = Operator::new(1);
    for member in [2, 3] {
        fork.strike(post_of(member, b"buy"), "spam", now);
    }
    fork.publish(now);
    let refused = other.refresh(&sources(&[&fork]), &memory, now);
    assert!(matches!(refused, Err(ListError::Refused { refusal: Refusal::Fork(_), .. })), "{refused:?}");
    assert_eq!(*memory.borrow(), seen);
    other.refresh(&sources(&[&operator]), &memory, now).unwrap();
}

/// A memory that cannot be written.
struct Full;

impl LogMemory for Full {
    fn load(&self, _: LogId) -> Result<Option<Memory>, LogMemoryError> {
        Ok(None)
    }

    fn save(&self, log: LogId, _: &Memory) -> Result<(), LogMemoryError> {
        Err(LogMemoryError::Store { log, action: "write", reason: "no space".into() })
    }
}

#[test]
fn no_list_is_used_before_the_memory_is_durable() {
    let operator = Operator::new(1);
    let mut lists = ScopeLists::open(&policy(&[&operator]), &[operator.settings()], &Full).unwrap();
    let refused = lists.refresh(&sources(&[&operator]), &Full, NOW);
    assert!(matches!(refused, Err(ListError::Memory(LogMemoryError::Store { .. }))), "{refused:?}");
    assert_eq!(lists.readers()[0].current(), None);
    assert!(lists.readers()[0].posts_of(&secret(1)).is_empty());
}

/// A server that lacks some paths.
struct Without<'a>(&'a Operator, &'a str);

impl Source for Without<'_> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if path.starts_with(self.1) { Err(SourceError::NotFound(path.into())) } else { self.0.journal.fetch(path) }
    }
}

#[test]
fn a_struck_member_learns_why_and_no_other_is_told_anything() {
    let operator = Operator::new(1);
    let now = NOW + INTERVAL;
    let mut strikes = Vec::new();
    for member in 0..20 {
        strikes.push(operator.strike(post_of(member, b"buy"), &format!("text {member}"), now));
    }
    operator.publish(now);
    let memory = TestMemory::default();
    let mut lists = open(&[&operator], &memory);
    lists.refresh(&sources(&[&operator]), &memory, now).unwrap();
    lists.test(&secret(100), &[&Without(&operator, "")]).unwrap();

    let struck = |source: &dyn Source| match lists.test(&secret(7), &[source]) {
        Err(ListError::Struck(Struck { strikes })) => {
            <[OwnStrike; 1]>::try_from(strikes).unwrap().into_iter().next().unwrap()
        }
        other => panic!("{other:?}"),
    };
    let own = struck(&operator.journal);
    let details = own.details.as_ref().unwrap();
    assert_eq!((own.post, &own.origin, details.id), (post_of(7, b"buy"), &operator.origin, strikes[7]));
    assert_eq!((details.text.as_deref(), details.until), (Some("text 7"), Until::At(now + 86_400)));
    assert_eq!((details.reason_name().as_str(), details.scope.as_str(), details.at), ("spam", ROOM, now));
    let words = Struck { strikes: vec![own.clone()] }.to_string();
    for part in ["cannot post here", "text 7", "rule 3", "https://relay.example", &strikes[7].to_string()] {
        assert!(words.contains(part), "{words}");
    }

    // An erased text, and a log whose entries are not served now.
    let without_text = struck(&Without(&operator, "text/"));
    assert_eq!(without_text.details.unwrap().text, None);
    assert_eq!(struck(&Without(&operator, "tile/entries")).details, None);

    // A shelf gets all that explains the strike, and the texts of others too: the server does not learn which is asked for.
    let mut shelf = Shelf::new();
    let posts = [post_of(7, b"buy")];
    let explained = with_shelf(&operator, &mut shelf, |shelf| lists.readers()[0].explain(shelf, &posts));
    assert_eq!(explained, [own]);
    let asked = (0..20).filter(|member| {
        let text = operator.journal.fetch(&format!("text/{}", text_of(&operator, strikes[*member])));
        text.is_ok() && shelf.fetch(&format!("text/{}", text_of(&operator, strikes[*member]))).is_ok()
    });
    let asked: Vec<_> = asked.collect();
    assert!(asked.len() >= 4 && asked.contains(&7), "{asked:?}");
}

/// The hash of the text of a strike.
fn text_of(operator: &Operator, strike: EntryId) -> String {
    let follower_size = operator.journal.log().size().unwrap();
    for index in 0..follower_size {
        let tile = quotapass_log::TileId::in_tree(quotapass_log::TileKind::Entries, 0, follower_size).unwrap();
        let bytes = operator.journal.fetch(&tile.to_string()).unwrap();
        let leaf = quotapass_log::read_entries(&tile, &bytes).unwrap().swap_remove(index as usize);
        let entry = LogEntry::from_json(quotapass_log::SignedLeaf::read(&leaf).unwrap().json()).unwrap();
        if let (true, Body::Strike(strike)) = (entry.id == strike, entry.body) {
            return strike.text.to_string();
        }
    }
    panic!("no such strike")
}
