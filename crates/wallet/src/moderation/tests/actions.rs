//! Tests of deletions, appeals and reports.

use quotapass_circuits::{
    moderation::{
        Appeal,
        author::{Author, AuthorPublic},
    },
    proof::Proof,
    verifier::Verifier,
};
use quotapass_protocol::moderation::{Reason as ReportReason, ReportBody, ReportRequest};

use super::{super::*, *};
use crate::{
    BoundPolicyError, MessagePass, Poster, PosterError,
    ledger::{Book, DeviceShare},
    verify_message, verify_post,
};

fn authors() -> Verifier<Author> {
    keys().authors.verifier().unwrap()
}

#[test]
fn only_the_author_acts_and_a_proof_is_of_one_action() {
    let (bound, mut rng) = (policy(&[]), StdRng::seed_from_u64(1));
    let (post, scope) = (post_of(1, b"hello"), bound.scope());
    let mut ask = |member, asked| prove_author(&keys().authors, &secret(member), &bound, post, asked, NOW, &mut rng);
    let deletion = ask(1, AuthorAction::Delete).unwrap();
    let appeal = ask(1, AuthorAction::Appeal(Appeal::new("It was a joke.").unwrap())).unwrap();
    assert!(matches!(ask(2, AuthorAction::Delete), Err(AuthorError::NotTheAuthor(_))));
    for request in [&deletion, &appeal] {
        verify_author(&authors(), scope, request).unwrap();
    }
    assert_eq!(appeal.text.as_deref(), Some("It was a joke."));
    let with = |change: fn(&mut quotapass_protocol::moderation::AuthorRequest)| {
        let mut changed = appeal.clone();
        change(&mut changed);
        verify_author(&authors(), scope, &changed)
    };
    assert!(matches!(with(|request| request.time = NOW + 1), Err(VerifyAuthorError::Proof)));
    assert!(matches!(with(|request| request.text = Some("No.".into())), Err(VerifyAuthorError::Proof)));
    assert!(matches!(with(|request| request.text = None), Err(VerifyAuthorError::Request(_))));
    assert!(matches!(with(|request| request.entry = post_of(1, b"other").into()), Err(VerifyAuthorError::Proof)));
    assert!(matches!(with(|request| request.proof = [0xff; 128]), Err(VerifyAuthorError::Proof)));
    assert!(verify_author(&authors(), Scope::new(&REGISTRY, "other"), &appeal).is_err());
}

/// The room, with recipients of reports.
fn with_recipients(recipients: &[&str]) -> BoundPolicy {
    let mut values = policy(&[]).values().clone();
    let moderation = values.moderation.as_mut().unwrap();
    moderation.report_recipients = recipients.iter().map(|recipient| (*recipient).to_owned()).collect();
    BoundPolicy::new(REGISTRY, values).unwrap()
}

fn report(bound: &BoundPolicy, person: &Person, lists: &[CurrentList], body: &ReportBytes, seed: u64) -> ReportRequest {
    let provers = ReportProvers { posts: &keys().posts, authors: &keys().authors, records: Some(&keys().records) };
    let reported = post_of(1, b"buy").nullifier;
    let mut rng = StdRng::seed_from_u64(seed);
    make_report(provers, bound, person.membership(), lists, reported, body, NOW + INTERVAL, &mut rng).unwrap()
}

/// The attack: a relay announces a room with the name, the epoch and the cap of the reports of a post. A message there and the
/// member's report have one id and two shares, which reveal the secret.
#[test]
fn a_scope_of_reports_takes_no_other_message() {
    let (person, reported) = (Person::new(2), post_of(1, b"buy").nullifier);
    let room = BoundPolicy::new(REGISTRY, policy(&[]).values().for_report(reported)).unwrap();
    let mut poster = Poster::new(&keys().posts, room, person.membership(), NOW).unwrap();
    let mut book = Book::new(poster.owner(), DeviceShare::SOLE);
    let reservation = book.reserve(NOW, &poster.quota()).unwrap();
    let refused = poster.prove(reservation, b"hello", &mut StdRng::seed_from_u64(3)).map(drop);
    assert!(matches!(refused, Err(PosterError::OtherMessage)), "{refused:?}");
}

/// Two reports with different bodies would cost the deposit if the body were in the share.
#[test]
fn a_second_report_is_a_replay_whatever_it_says() {
    let operator = Operator::new(1);
    let (memory, now) = (TestMemory::default(), NOW + INTERVAL);
    let lists = open(&[&operator], &memory).refresh(&sources(&[&operator]), &memory, NOW).unwrap();
    let (bound, person) = (policy(&[&operator]), Person::new(70));
    let bodies = [ReportReason::Spam, ReportReason::Hate]
        .map(|reason| ReportBytes::clear(&bound, &ReportBody::of(reason)).unwrap());
    let requests = [(&bodies[0], 1), (&bodies[1], 2)].map(|(body, seed)| report(&bound, &person, &lists, body, seed));

    let reported = post_of(1, b"buy").nullifier;
    let of_report = report_policy(&bound, reported).unwrap();
    assert_eq!(of_report.values().name, requests[0].report_scope().to_string());
    let message = requests[0].report_scope().message();
    let small = keys().records.small.verifier().unwrap();
    let mut known = VerifiedLists::new(RecordVerifiers { small, large: None });
    lists.iter().for_each(|list| known.accept(list).unwrap());
    let posts = keys().posts.verifier().unwrap();
    let verified = requests.each_ref().map(|request| {
        let roots = &[person.root][..];
        let verified = verify_message(&posts, &known, &of_report, &message, &request.pass, roots, now).unwrap();
        let action = request.action().unwrap().hash(of_report.scope(), request.time);
        let public = AuthorPublic { entry: Entry::of(&verified.public), action };
        let proof = Proof::from_bytes(&request.proof).unwrap();
        authors().verify(&public, &proof).unwrap();
        // The other body is bound to the other request.
        let swapped = AuthorPublic { action: requests[0].action().unwrap().hash(of_report.scope(), NOW), ..public };
        assert!(authors().verify(&swapped, &proof).is_err());
        verified
    });
    assert_eq!(verified[0], verified[1]);
    assert_ne!((&requests[0].body, requests[0].pass.len()), (&requests[1].body, 0));
    // It is valid on its day alone, as other posts are.
    let roots = &[person.root][..];
    assert!(verify_message(&posts, &known, &of_report, &message, &requests[0].pass, roots, now + 86_400).is_err());
}

#[test]
fn a_report_goes_where_reports_are_taken_and_says_what_may_be_said() {
    let (open_room, secret_room) = (policy(&[]), with_recipients(&[&format!("age1{}", "q".repeat(58))]));
    let nullifier = post_of(1, b"buy").nullifier;
    let comment = ReportBody { comment: Some("He sells.".into()), ..ReportBody::of(ReportReason::Spam) };
    assert!(matches!(ReportBytes::clear(&open_room, &comment), Err(MakeReportError::NoRecipients(_))));
    assert!(matches!(ReportBytes::clear(&secret_room, &comment), Err(MakeReportError::NotEncrypted(_))));
    assert!(matches!(ReportBytes::encrypted(&secret_room, b"{}".to_vec()), Err(MakeReportError::NotEncrypted(_))));
    let sealed = b"age-encryption.org/v1\n".to_vec();
    assert!(ReportBytes::encrypted(&secret_room, sealed.clone()).is_ok());
    assert!(matches!(ReportBytes::encrypted(&open_room, sealed.clone()), Err(MakeReportError::NotEncrypted(_))));
    let long = [sealed, vec![0; 65_536]].concat();
    assert!(matches!(ReportBytes::encrypted(&secret_room, long), Err(MakeReportError::Long(65_558))));
    let content = ReportBody::of(ReportReason::Csam).with_message(b"\xff");
    assert!(matches!(ReportBytes::clear(&secret_room, &content), Err(MakeReportError::Content)));

    let of_report = report_policy(&open_room, nullifier).unwrap();
    assert!(matches!(report_policy(&of_report, nullifier), Err(MakeReportError::OfReport)));
    let mut values = open_room.values().clone();
    values.moderation = None;
    let silent = BoundPolicy::new(REGISTRY, values).unwrap();
    assert!(matches!(report_policy(&silent, nullifier), Err(MakeReportError::Policy(BoundPolicyError::NoReports(_)))));

    // A scope without lists takes a report without records.
    let body = ReportBytes::clear(&open_room, &ReportBody::of(ReportReason::Spam)).unwrap();
    let person = Person::new(71);
    let request = report(&open_room, &person, &[], &body, 3);
    assert!(matches!(MessagePass::from_bytes(&request.pass), Ok(MessagePass::Post(_))));
    let message = request.report_scope().message();
    let posts = keys().posts.verifier().unwrap();
    let roots = &[person.root][..];
    assert!(verify_post(&posts, &of_report, &message, &request.pass, roots, NOW + INTERVAL).is_ok());
}

#[cfg(feature = "reports")]
#[test]
fn a_report_is_encrypted_to_all_recipients() {
    let people = [(); 2].map(|()| age::x25519::Identity::generate());
    let recipients = people.each_ref().map(|person| person.to_public().to_string());
    let bound = with_recipients(&recipients.each_ref().map(String::as_str));
    let body =
        ReportBody { comment: Some("He sells.".into()), ..ReportBody::of(ReportReason::Spam) }.with_message(b"buy");
    let sealed = ReportBytes::of(&bound, &body).unwrap();
    assert!(!sealed.as_bytes().windows(3).any(|part| part == b"buy"));
    for person in &people {
        let opened = age::decrypt(person, sealed.as_bytes()).unwrap();
        assert_eq!(serde_json::from_slice::<ReportBody>(&opened).unwrap(), body);
    }
    assert!(ReportBytes::encrypted(&bound, sealed.as_bytes().to_vec()).is_ok());
    let mistyped = with_recipients(&[&format!("age1{}", "q".repeat(58))]);
    assert!(matches!(ReportBytes::of(&mistyped, &body), Err(MakeReportError::Recipient { .. })));
    let plain = policy(&[]);
    assert_eq!(
        ReportBytes::of(&plain, &ReportBody::of(ReportReason::Spam)).unwrap().as_bytes(),
        br#"{"reason":"spam"}"#
    );
}
