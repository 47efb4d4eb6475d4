//! Deletions, appeals, and the answers to them.

use std::sync::Arc;

use quotapass_circuits::moderation::Entry as PostEntry;
use quotapass_protocol::moderation::{
    ActionResult, AppealAnswer, AppealState, AuthorRequest, Decision, EventKind, PostState,
};
use quotapass_testkit::authors::author_request;

use super::*;

fn deletion(time: UnixSeconds) -> AuthorRequest {
    author_request(&posting(0, 0, MESSAGE), None, time)
}

fn appeal(text: &str, time: UnixSeconds) -> AuthorRequest {
    author_request(&posting(0, 0, MESSAGE), Some(text), time)
}

#[test]
fn an_author_deletes_a_post_for_good() {
    let relay = moderated_relay();
    let author = |request: &AuthorRequest, now| relay.moderation().author(request, now);
    assert_eq!(author(&deletion(NOW), NOW), Err(ModerationError::UnknownPost));
    let nullifier = accept(&relay);
    assert_eq!(author(&deletion(NOW), NOW), Ok(ActionResult::Accepted));
    // The same request again, from anybody, changes nothing.
    assert_eq!(author(&deletion(NOW), NOW), Ok(ActionResult::Repeated));
    assert_eq!(author(&deletion(NOW + 1), NOW + 1), Ok(ActionResult::Repeated));
    for decision in [Decision::Keep, Decision::Hide] {
        assert_eq!(relay.moderation().decide(nullifier, decision, NOW + 2), Ok(ActionResult::Repeated));
    }
    // The pass and x stay: they show nothing of the text.
    let item = relay.moderation().item(nullifier, NOW).unwrap().unwrap();
    assert_eq!((item.state, item.pass), (PostState::Deleted, honest().pass.clone()));
    let [event] = &relay.moderation().events(0, 9).unwrap()[..] else { panic!("not one event") };
    assert_eq!((event.kind, event.nullifier, event.scope.as_str()), (EventKind::Deleted, nullifier, SCOPE));
    assert_eq!((event.number, event.at, &event.strike), (1, NOW, &None));
    assert_eq!(relay.moderation().events(1, 9), Ok(Vec::new()));
}

/// Attack: somebody deletes what others wrote.
#[test]
fn only_the_author_of_an_accepted_post_acts() {
    let relay = moderated_relay();
    accept(&relay);
    let author = |request: &AuthorRequest| relay.moderation().author(request, NOW);
    let own = deletion(NOW);
    // The proof of another member about another post.
    let other = author_request(&posting(1, 0, MESSAGE), None, NOW);
    assert_eq!(author(&AuthorRequest { proof: other.proof, ..own.clone() }), Err(ModerationError::InvalidProof));
    assert_eq!(author(&AuthorRequest { proof: [0; 128], ..own.clone() }), Err(ModerationError::InvalidProof));
    // A proof for another time, and for another action.
    assert_eq!(author(&AuthorRequest { time: NOW + 1, ..own.clone() }), Err(ModerationError::InvalidProof));
    // A post that was never accepted; its nullifier with another point; another scope.
    assert_eq!(author(&other), Err(ModerationError::UnknownPost));
    let entry = PostEntry::from(own.entry);
    let moved = PostEntry { x: posting(1, 0, b"another message").entry().x, ..entry };
    assert_eq!(author(&AuthorRequest { entry: moved.into(), ..own.clone() }), Err(ModerationError::UnknownPost));
    assert_eq!(author(&AuthorRequest { scope: "lobby".into(), ..own.clone() }), Err(ModerationError::UnknownPost));
    // Text where none belongs.
    let text = AuthorRequest { text: Some("words".into()), ..own.clone() };
    assert!(matches!(author(&text), Err(ModerationError::AuthorRequest(_))));
    assert_eq!(kinds(&relay), []);
    assert_eq!(author(&own), Ok(ActionResult::Accepted));
}

#[test]
fn without_its_key_a_relay_refuses_what_it_cannot_verify() {
    let (table, (posts, badges)) = (PolicyTable::new(REGISTRY, [moderated()]).unwrap(), world().verifiers());
    let roots = RootHistory::starting_at(world().tree.root());
    let relay = Relay::new(posts, badges, table, roots, Arc::new(MemoryLog::new()));
    let reported = accept(&relay);
    assert_eq!(relay.moderation().author(&deletion(NOW), NOW), Err(ModerationError::NoKey));
    let report = quotapass_testkit::authors::report_of(&moderated(), reported, 1);
    assert_eq!(send(&relay, &report, NOW), Err(ModerationError::NoKey));
}

/// Attack: the finder of a secret deletes all that the member wrote.
#[test]
fn a_secret_that_is_known_does_not_act() {
    let relay = moderated_relay();
    accept(&relay);
    relay.slash(world().secrets[0].clone(), None, NOW);
    assert_eq!(relay.moderation().author(&deletion(NOW), NOW), Err(ModerationError::SlashedMember));
    assert_eq!(kinds(&relay), []);
}

#[test]
fn the_stated_time_is_the_relays_and_exceeds_the_last_one() {
    let relay = moderated_relay();
    let log = Arc::new(OneStrike::default());
    relay.moderation().set_own_log(log.clone());
    accept(&relay);
    for stated in [NOW - 21, NOW + 21] {
        let refused = relay.moderation().author(&deletion(stated), NOW);
        assert_eq!(refused, Err(ModerationError::Clock { stated, now: NOW }));
    }
    *log.0.lock() = Some(strike());
    assert_eq!(relay.moderation().author(&appeal("why", NOW + 20), NOW), Ok(ActionResult::Accepted));
    for stated in [NOW + 20, NOW + 19, NOW] {
        let refused = relay.moderation().author(&deletion(stated), NOW + 1);
        assert_eq!(refused, Err(ModerationError::Superseded(NOW + 20)));
    }
    assert_eq!(relay.moderation().author(&deletion(NOW + 21), NOW + 1), Ok(ActionResult::Accepted));
}

#[test]
fn a_strike_has_one_open_appeal_which_is_refused_or_granted() {
    let relay = moderated_relay();
    let moderation = relay.moderation();
    let log = Arc::new(OneStrike::default());
    moderation.set_own_log(log.clone());
    let nullifier = accept(&relay);
    assert_eq!(moderation.author(&appeal("why", NOW), NOW), Err(ModerationError::NoStrike));
    *log.0.lock() = Some(strike());
    moderation.struck(&strike(), NOW).unwrap();
    moderation.struck(&strike(), NOW + 1).unwrap();
    assert_eq!(kinds(&relay), [EventKind::Struck]);
    assert_eq!(moderation.appeal("strike-1"), Ok(None));
    assert_eq!(moderation.answer("strike-1", "no", NOW), Err(ModerationError::NoAppeal));

    assert_eq!(moderation.author(&appeal("why", NOW), NOW), Ok(ActionResult::Accepted));
    assert_eq!(moderation.author(&appeal("why", NOW), NOW), Ok(ActionResult::Repeated));
    assert_eq!(moderation.author(&appeal("why?", NOW + 1), NOW + 1), Err(ModerationError::OpenAppeal));
    let state = |state, at, text: Option<&str>| Ok(Some(AppealAnswer { state, at, text: text.map(Into::into) }));
    assert_eq!(moderation.appeal("strike-1"), state(AppealState::Open, NOW, None));
    let queue = moderation.queue(None, 9, NOW).unwrap();
    assert_eq!((queue.items.len(), queue.items[0].nullifier), (1, nullifier));
    assert_eq!(queue.items[0].strike.as_deref(), Some("strike-1"));
    assert_eq!(queue.items[0].appeal.as_ref().map(|appeal| appeal.text.as_str()), Some("why"));

    for text in [String::new(), "x".repeat(4_001)] {
        assert_eq!(moderation.answer("strike-1", &text, NOW + 2), Err(ModerationError::Answer(text.len())));
    }
    assert_eq!(moderation.answer("strike-2", "no", NOW + 2), Err(ModerationError::NoAppeal));
    assert_eq!(moderation.answer("strike-1", "no", NOW + 2), Ok(ActionResult::Accepted));
    assert_eq!(moderation.answer("strike-1", "no", NOW + 3), Ok(ActionResult::Repeated));
    assert_eq!(moderation.answer("strike-1", "yes", NOW + 3), Err(ModerationError::NoAppeal));
    assert_eq!(moderation.appeal("strike-1"), state(AppealState::Refused, NOW + 2, Some("no")));
    assert_eq!(moderation.queue(None, 9, NOW).unwrap().items, []);

    // Another appeal, which is granted with the end of the strike.
    assert_eq!(moderation.author(&appeal("please", NOW + 4), NOW + 4), Ok(ActionResult::Accepted));
    *log.0.lock() = None;
    moderation.lifted(&strike(), NOW + 5).unwrap();
    // A host that was killed tells of all again.
    moderation.struck(&strike(), NOW + 6).unwrap();
    moderation.lifted(&strike(), NOW + 6).unwrap();
    assert_eq!(moderation.appeal("strike-1"), state(AppealState::Granted, NOW + 5, None));
    assert_eq!(moderation.queue(None, 9, NOW).unwrap().items, []);
    use EventKind::{Answered, Appealed, Lifted, Struck};
    assert_eq!(kinds(&relay), [Struck, Appealed, Answered, Appealed, Lifted, Answered]);
    let strikes = moderation.events(0, 9).unwrap().into_iter().map(|event| event.strike);
    assert!(strikes.into_iter().all(|strike| strike.as_deref() == Some("strike-1")));
    assert_eq!(moderation.author(&appeal("again", NOW + 7), NOW + 7), Err(ModerationError::NoStrike));
}

/// The log that struck a post takes the appeal of its author, although another relay accepted the post.
#[test]
fn the_log_that_struck_knows_the_post() {
    let relay = moderated_relay();
    let log = Arc::new(OneStrike(Mutex::new(Some(strike()))));
    relay.moderation().set_own_log(log);
    assert_eq!(relay.moderation().author(&appeal("why", NOW), NOW), Ok(ActionResult::Accepted));
    // The host may tell of the strike later.
    relay.moderation().struck(&strike(), NOW).unwrap();
    assert_eq!(kinds(&relay), [EventKind::Struck, EventKind::Appealed]);
    let item = relay.moderation().queue(None, 9, NOW).unwrap().items.remove(0);
    assert_eq!((item.pass, item.scope.as_str()), (strike().pass, SCOPE));
    // The case stays while the strike is in force.
    relay.expire(NOW + 1_000 * 86_400).unwrap();
    assert!(relay.moderation().appeal("strike-1").unwrap().is_some());
}

/// A post of a scope without moderation is kept nowhere.
#[test]
fn a_scope_without_moderation_keeps_no_post() {
    let relay = relay_of(vec![policy()], Arc::new(MemoryLog::new()));
    let nullifier = accept(&relay);
    assert_eq!(relay.moderation().post(nullifier, NOW), Ok(None));
    assert_eq!(relay.moderation().author(&deletion(NOW), NOW), Err(ModerationError::UnknownPost));
}
