//! Tests of passes with records.

use quotapass_circuits::{formats::recorded::RecordedPass, moderation::record::RecordError, prover::ProveError};
use quotapass_protocol::Verdict;

use super::{super::*, *};
use crate::{
    MessagePass, Poster, PosterError,
    ledger::{Book, DeviceShare},
    verify_message, verify_post,
};

const MESSAGE: &[u8] = b"hello";

fn verified(lists: &[CurrentList]) -> VerifiedLists {
    let small = keys().records.small.verifier().unwrap();
    let mut verified = VerifiedLists::new(RecordVerifiers { small, large: None });
    lists.iter().for_each(|list| verified.accept(list).unwrap());
    verified
}

#[test]
fn a_pass_has_records_for_the_lists_and_follows_them() {
    let operators = [Operator::new(1), Operator::new(2)];
    let both: Vec<_> = operators.iter().collect();
    let (memory, bound, person) = (TestMemory::default(), policy(&both), Person::new(50));
    operators[0].strike(post_of(1, b"buy"), "spam", NOW + 1);
    operators[0].publish(NOW + INTERVAL);
    let now = NOW + INTERVAL;
    let mut lists = open(&both, &memory);
    let first = lists.refresh(&sources(&both), &memory, now).unwrap();

    let mut rng = StdRng::seed_from_u64(9);
    let mut poster = Poster::new(&keys().posts, bound.clone(), person.membership(), now).unwrap();
    let mut book = Book::new(poster.owner(), DeviceShare::SOLE);
    let mut reserve = || book.reserve_message(now, &bound.quota(&person.member.terms), MESSAGE).unwrap();
    assert!(!poster.is_ready(now));
    assert!(matches!(poster.ready(now), Err(PosterError::ListsMissing(_))));
    assert!(matches!(poster.prove(reserve(), MESSAGE, &mut rng), Err(PosterError::ListsMissing(_))));
    // One of the lists is missing, and then they are in another order.
    for wrong in [vec![first[0].clone()], vec![first[1].clone(), first[0].clone()]] {
        let refused = poster.set_lists(&keys().records, &wrong, |_| {});
        assert!(matches!(refused, Err(PosterError::ListsMissing(_))));
    }
    let mut told = Vec::new();
    poster.set_lists(&keys().records, &first, |progress| told.push((progress.list, progress.entries))).unwrap();
    assert_eq!(told, [(0, 1), (1, 0), (2, 0)]);
    poster.ready(now).unwrap();
    let pass = poster.prove(reserve(), MESSAGE, &mut rng).unwrap();
    let versions: Vec<_> = first.iter().map(CurrentList::version).collect();
    assert_eq!(poster.list_versions(), versions);
    assert_eq!(
        pass.records().iter().map(|list| (list.version, list.proofs.len())).collect::<Vec<_>>(),
        [(versions[0], 1), (versions[1], 0)]
    );
    assert_eq!(MessagePass::from_bytes(&pass.to_bytes()), Ok(pass.clone()));
    assert_eq!(MessagePass::from_text(&pass.to_text()), Ok(pass.clone()));

    let posts = keys().posts.verifier().unwrap();
    let judge = |known: &VerifiedLists, pass: &MessagePass| {
        verify_message(&posts, known, &bound, MESSAGE, &pass.to_bytes(), &[person.root][..], now)
    };
    let known = verified(&first);
    let accepted = judge(&known, &pass).unwrap();
    // The post alone, records in a scope without lists, and a receiver that knows no list.
    let alone = MessagePass::Post(pass.post().clone());
    let mismatch = |result: Result<_, Verdict>| match result {
        Err(Verdict::ListMismatch(mismatch)) => mismatch.expected,
        other => panic!("{other:?}"),
    };
    assert_eq!(mismatch(judge(&known, &alone)), versions);
    let blind = verify_post(&posts, &bound, MESSAGE, &pass.to_bytes(), &[person.root][..], now);
    assert_eq!(mismatch(blind).iter().map(|version| version.size).collect::<Vec<_>>(), [0, 0]);
    let open_room = policy(&[]);
    let strange = verify_message(&posts, &known, &open_room, MESSAGE, &pass.to_bytes(), &[person.root][..], now);
    assert_eq!(mismatch(strange), []);
    assert!(verify_post(&posts, &open_room, MESSAGE, &alone.to_bytes(), &[person.root][..], now).is_ok());
    // A record of another post, and too few records.
    for proofs in [vec![pass.post().proof.clone()], Vec::new()] {
        let mut records = pass.records().to_vec();
        records[0].proofs = proofs;
        let forged = MessagePass::Recorded(RecordedPass::new(pass.post().clone(), records).unwrap());
        assert_eq!(judge(&known, &forged), Err(Verdict::InvalidProof));
    }

    // The list moves on. The same message keeps its id, so that the new pass is no second post.
    operators[0].strike(post_of(2, b"buy"), "spam", now + INTERVAL);
    operators[0].publish(now + INTERVAL);
    let second = lists.refresh(&sources(&both), &memory, now + INTERVAL).unwrap();
    let moved = verified(&second);
    assert_eq!(mismatch(judge(&moved, &pass))[0], second[0].version());
    poster.set_lists(&keys().records, &second, |_| {}).unwrap();
    let again = poster.prove(reserve(), MESSAGE, &mut rng).unwrap();
    assert_eq!(judge(&moved, &again).unwrap(), accepted);
    let mut both_versions = verified(&first);
    second.iter().for_each(|list| both_versions.accept(list).unwrap());
    assert!(judge(&both_versions, &pass).is_ok() && judge(&both_versions, &again).is_ok());
    both_versions.remove(&first[0].version());
    assert!(judge(&both_versions, &pass).is_err());
}

#[test]
fn a_struck_member_can_make_no_pass_and_a_long_list_needs_the_large_key() {
    let operator = Operator::new(1);
    let (now, memory) = (NOW + INTERVAL, TestMemory::default());
    operator.strike(post_of(60, b"buy"), "spam", now);
    operator.publish(now);
    let lists = open(&[&operator], &memory).refresh(&sources(&[&operator]), &memory, now).unwrap();
    let person = Person::new(60);
    let mut poster = Poster::new(&keys().posts, policy(&[&operator]), person.membership(), now).unwrap();
    let refused = poster.set_lists(&keys().records, &lists, |_| {});
    assert!(
        matches!(refused, Err(PosterError::Prove(ProveError::Record(RecordError::Listed { position: 0 })))),
        "{refused:?}"
    );
    assert!(matches!(poster.ready(now), Err(PosterError::ListsMissing(_))));

    assert!(!needs_large_key(&lists));
    let entries = (0..65).map(|number| post_of(1, &[number])).collect();
    let long = [CurrentList { entries, ..lists[0].clone() }];
    assert!(needs_large_key(&long));
    let person = Person::new(61);
    let mut poster = Poster::new(&keys().posts, policy(&[&operator]), person.membership(), now).unwrap();
    let refused = poster.set_lists(&keys().records, &long, |_| {});
    assert!(matches!(refused, Err(PosterError::Prove(ProveError::LargeKeyMissing))), "{refused:?}");
    poster.set_lists(&keys().records, &lists, |_| {}).unwrap();
    poster.ready(now).unwrap();
}
