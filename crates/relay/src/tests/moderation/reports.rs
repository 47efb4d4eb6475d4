//! Reports: each rule, and the attack that it answers.

use std::sync::Arc;

use quotapass_protocol::{
    LogIdentity, ModerationPolicy, Policy, PolicyList, UnixSeconds, Verdict,
    moderation::{ActionResult, Decision, EventKind, MAX_REPORT_BODY, PostState, Reason, ReportBody},
};
use quotapass_testkit::{
    authors::{report_of, report_posting, report_with},
    records::{entries_of_others, record_verifiers},
};

use super::*;
use crate::LogState;

const AGE: &[u8] = b"age-encryption.org/v1\nwords";

fn body(reason: Reason) -> Vec<u8> {
    serde_json::to_vec(&ReportBody::of(reason)).unwrap()
}

#[test]
fn the_first_report_of_a_member_counts_and_every_other_is_a_replay() {
    let relay = moderated_relay();
    let reported = accept(&relay);
    let first = report_of(&moderated(), reported, 1);
    assert_eq!(send(&relay, &first, NOW), Ok(ActionResult::Accepted));
    // The same one, one with other words, one from long after.
    let other = report_with(&moderated(), reported, 1, &body(Reason::Hate), NOW);
    for again in [&first, &other] {
        assert_eq!(send(&relay, again, NOW), Ok(ActionResult::Repeated));
    }
    let item = relay.moderation().item(reported, NOW).unwrap().unwrap();
    assert_eq!(item.reports.len(), 1);
    assert_eq!((&item.reports[0].body, item.reports[0].reason), (&first.body, Some(Reason::Spam)));
    assert_eq!((item.state, item.scope.as_str()), (PostState::Visible, SCOPE));
    assert_eq!((item.pass, item.accepted_at), (honest().pass.clone(), NOW));
    // It is no offence, and the nullifier log has the post alone: the epoch of reports ends in 2106.
    assert!(relay.slashed().is_empty());
    assert_eq!(recorded(&relay), 1);
    // The author may report the own post, and counts like others.
    assert_eq!(send(&relay, &report_of(&moderated(), reported, 0), NOW), Ok(ActionResult::Accepted));
}

/// Two reports of one member pass the cheap checks before either is recorded.
#[test]
fn of_two_reports_at_once_one_counts() {
    let relay = moderated_relay();
    let reported = accept(&relay);
    let requests = [
        report_with(&moderated(), reported, 1, &body(Reason::Spam), NOW),
        report_with(&moderated(), reported, 1, &body(Reason::Hate), NOW),
    ];
    let pending = requests.each_ref().map(|request| match relay.moderation().report(request, NOW).unwrap() {
        ReportStage::Pending(pending) => pending,
        ReportStage::Repeated => panic!("nothing is recorded yet"),
    });
    let results = pending.map(|pending| {
        let post = pending.post();
        let pass = post.pass.as_ref().unwrap();
        let verdict = relay.verify_post(PostRequest { scope: &post.scope, message: &post.message, pass }, NOW);
        relay.moderation().conclude_report(&pending, verdict, NOW)
    });
    assert_eq!(results, [Ok(ActionResult::Accepted), Ok(ActionResult::Repeated)]);
    assert_eq!(relay.moderation().item(reported, NOW).unwrap().unwrap().reports.len(), 1);
    assert!(relay.slashed().is_empty());
}

#[test]
fn a_report_is_about_a_post_that_was_accepted_and_not_long_ago() {
    let relay = relay_of(vec![moderated(), Policy { name: "quiet".into(), ..policy() }], Arc::new(MemoryLog::new()));
    let report = report_of(&moderated(), posting(0, 0, MESSAGE).entry().nullifier, 1);
    let send = |request: &_, now| super::send(&relay, request, now);
    assert_eq!(send(&report, NOW), Err(ModerationError::UnknownPost));
    let reported = accept(&relay);
    // Another scope, and scopes without reports.
    for scope in ["quiet", "unknown", "report/room/x"] {
        let elsewhere = ReportRequest { scope: scope.into(), ..report.clone() };
        assert_eq!(send(&elsewhere, NOW), Err(ModerationError::NoReports(scope.into())));
    }
    let of_report = ReportRequest { scope: moderated().for_report(reported).name, ..report.clone() };
    assert_eq!(send(&of_report, NOW), Err(ModerationError::Report));
    // The time is the relay's, within the clock difference.
    let stated = UnixSeconds(NOW.0 + 21);
    let early = report_with(&moderated(), reported, 1, &report.body, stated);
    assert_eq!(send(&early, NOW), Err(ModerationError::Clock { stated, now: NOW }));
    let last = NOW + 10 * 86_400;
    let late = |time| ReportRequest { time, ..report.clone() };
    assert_eq!(send(&late(last), last), Err(ModerationError::UnknownPost));
    // A moment before, only the root is too old.
    let refused = send(&late(last - 1), last - 1);
    assert!(matches!(refused, Err(ModerationError::Refused(_))), "{refused:?}");
    assert_eq!(send(&report, NOW), Ok(ActionResult::Accepted));
    // All is dropped with the time in which the post can be reported.
    relay.expire(last).unwrap();
    assert_eq!(relay.moderation().item(reported, last), Ok(None));
    for table in [b"r", b"b", b"c", b"o", b"q"] {
        assert_eq!(relay.log().moderation().scan(table, None, 9), Ok(Vec::new()), "{table:?}");
    }
}

#[test]
fn words_about_a_post_are_for_moderators_alone() {
    let with_recipients = |report_recipients: Vec<String>| {
        let moderation = ModerationPolicy { report_recipients, ..moderated().moderation.unwrap() };
        Policy { moderation: Some(moderation), ..policy() }
    };
    let recipient = format!("age1{}", "q".repeat(58));
    let comment = ReportBody { comment: Some("words".into()), ..ReportBody::of(Reason::Spam) };
    let shown = ReportBody::of(Reason::Spam).with_message(MESSAGE);
    let with_pass = ReportBody { pass: Some(vec![1]), ..ReportBody::of(Reason::Spam) };
    let clear = [comment, shown, with_pass].map(|body| serde_json::to_vec(&body).unwrap());
    for recipients in [Vec::new(), vec![recipient]] {
        let encrypts = !recipients.is_empty();
        let policy = with_recipients(recipients);
        let relay = relay_of(vec![policy.clone()], Arc::new(MemoryLog::new()));
        let reported = accept(&relay);
        let refused = |body: &[u8]| {
            let result = send(&relay, &report_with(&policy, reported, 1, body, NOW), NOW);
            matches!(result, Err(ModerationError::Body(_)))
        };
        assert!(clear.iter().all(|body| refused(body)));
        assert!(refused(b"") && refused(b"{}") && refused(br#"{"reason":"boredom"}"#));
        let encrypted = report_with(&policy, reported, 2, AGE, NOW);
        if encrypts {
            assert_eq!(send(&relay, &encrypted, NOW), Ok(ActionResult::Accepted));
            let item = relay.moderation().item(reported, NOW).unwrap().unwrap();
            assert_eq!((item.reports[0].body.as_slice(), item.reports[0].reason), (AGE, None));
        } else {
            assert!(matches!(send(&relay, &encrypted, NOW), Err(ModerationError::Body(_))));
        }
        assert_eq!(send(&relay, &report_of(&policy, reported, 3), NOW), Ok(ActionResult::Accepted));
        let long = ReportRequest { body: vec![b' '; MAX_REPORT_BODY + 1], ..encrypted.clone() };
        assert!(matches!(send(&relay, &long, NOW), Err(ModerationError::ReportRequest(_))));
    }
}

/// Attack: a relay on the way, or anybody who sees a report, sends its pass with another body.
#[test]
fn a_report_says_what_its_author_said_or_nothing() {
    let relay = moderated_relay();
    let reported = accept(&relay);
    let report = report_of(&moderated(), reported, 1);
    let changed = ReportRequest { body: body(Reason::Csam), ..report.clone() };
    let later = ReportRequest { time: NOW + 1, ..report.clone() };
    let of_other = ReportRequest { proof: report_of(&moderated(), reported, 2).proof, ..report.clone() };
    let no_proof = ReportRequest { proof: [0xff; 128], ..report.clone() };
    for forged in [&changed, &later, &of_other] {
        let refused = send(&relay, forged, NOW);
        assert_eq!(refused, Err(ModerationError::Refused(Box::new(Verdict::InvalidProof))));
    }
    assert_eq!(send(&relay, &no_proof, NOW), Err(ModerationError::InvalidProof));
    assert_eq!(relay.moderation().item(reported, NOW).unwrap().unwrap().reports, []);
    // The report itself is verified beside forgeries of it.
    let pending: Vec<_> = (0..7).map(|_| relay.moderation().report(&changed, NOW).unwrap()).collect();
    assert_eq!(send(&relay, &report, NOW), Ok(ActionResult::Accepted));
    drop(pending);
    // A pass of a report is no post, and a post no report.
    let stray = report_posting(&moderated(), reported, 3).prove();
    assert_eq!(stray.to(&relay, NOW).name(), "requirement_mismatch");
    let post = ReportRequest { pass: posting(3, 0, MESSAGE).prove().pass, ..report_of(&moderated(), reported, 3) };
    assert!(matches!(send(&relay, &post, NOW), Err(ModerationError::Refused(_))));
    for pass in [Vec::new(), vec![7; 246]] {
        let malformed = ReportRequest { pass, ..report.clone() };
        let refused = send(&relay, &malformed, NOW);
        assert!(
            matches!(&refused, Err(ModerationError::Refused(verdict)) if verdict.name() == "malformed"),
            "{refused:?}"
        );
    }
    assert_eq!(recorded(&relay), 1);
}

/// Attack: who finds a secret reports everything in the member's name. The nullifiers of reports are not computed ahead.
#[test]
fn a_member_whose_secret_is_known_reports_nothing() {
    let relay = moderated_relay();
    let reported = accept(&relay);
    relay.slash(world().secrets[1].clone(), None, NOW);
    let refused = send(&relay, &report_of(&moderated(), reported, 1), NOW);
    assert!(
        matches!(&refused, Err(ModerationError::Refused(verdict)) if verdict.name() == "slashed_member"),
        "{refused:?}"
    );
    assert_eq!(relay.moderation().item(reported, NOW).unwrap().unwrap().reports, []);
    assert_eq!(send(&relay, &report_of(&moderated(), reported, 2), NOW), Ok(ActionResult::Accepted));
}

#[test]
fn enough_reports_hold_a_post_until_a_moderator_decides() {
    let relay = moderated_relay();
    let reported = accept(&relay);
    let report =
        |member, now| send(&relay, &report_with(&moderated(), reported, member, &body(Reason::Spam), now), now);
    let queue = || relay.moderation().queue(None, 10, NOW).unwrap();
    assert_eq!(queue().items, []);
    assert_eq!(report(1, NOW), Ok(ActionResult::Accepted));
    assert_eq!((kinds(&relay), queue().items[0].state), (Vec::new(), PostState::Visible));
    assert_eq!(report(2, NOW + 1), Ok(ActionResult::Accepted));
    assert_eq!(kinds(&relay), [EventKind::Held]);
    let item = queue().items.remove(0);
    assert_eq!((item.state, item.reports.len(), item.nullifier), (PostState::Held, 2, reported));
    // To keep it releases it and closes its reports: the next one does not hold it again.
    let decide = |decision, now| relay.moderation().decide(reported, decision, now);
    assert_eq!(decide(Decision::Keep, NOW + 2), Ok(ActionResult::Accepted));
    assert_eq!((kinds(&relay), queue().items), (vec![EventKind::Held, EventKind::Released], Vec::new()));
    assert_eq!(decide(Decision::Keep, NOW + 3), Ok(ActionResult::Repeated));
    assert_eq!(report(3, NOW + 4), Ok(ActionResult::Accepted));
    assert_eq!((kinds(&relay).len(), queue().items[0].reports.len()), (2, 1));
    assert_eq!(report(4, NOW + 5), Ok(ActionResult::Accepted));
    assert_eq!(kinds(&relay)[2..], [EventKind::Held]);
    assert_eq!(decide(Decision::Hide, NOW + 6), Ok(ActionResult::Accepted));
    assert_eq!(kinds(&relay)[3..], [EventKind::Hidden]);
    assert_eq!(
        (queue().items, relay.moderation().item(reported, NOW).unwrap().unwrap().state),
        (Vec::new(), PostState::Hidden)
    );
    // A hidden post is not held again, and a moderator may change the decision.
    assert_eq!(report(5, NOW + 7), Ok(ActionResult::Accepted));
    assert_eq!(decide(Decision::Keep, NOW + 8), Ok(ActionResult::Accepted));
    assert_eq!(kinds(&relay)[4..], [EventKind::Released]);
    let unknown = posting(7, 0, MESSAGE).entry().nullifier;
    assert_eq!(relay.moderation().decide(unknown, Decision::Hide, NOW), Err(ModerationError::UnknownPost));
    // A moderator may decide about a post without reports.
    let other = posting(1, 0, MESSAGE);
    assert_eq!(other.prove().to(&relay, NOW), Verdict::Accepted);
    assert_eq!(relay.moderation().decide(other.entry().nullifier, Decision::Hide, NOW), Ok(ActionResult::Accepted));
}

#[test]
fn the_queue_is_read_in_pages_of_those_that_wait_longest() {
    let relay = moderated_relay();
    let mut waiting = Vec::new();
    for (member, now) in (0..5).zip([4, 1, 3, 0, 2]) {
        let post = posting(member, 0, MESSAGE);
        assert_eq!(post.prove().to(&relay, NOW), Verdict::Accepted);
        let nullifier = post.entry().nullifier;
        let report = report_with(&moderated(), nullifier, 7, &body(Reason::Spam), NOW + now);
        assert_eq!(send(&relay, &report, NOW + now), Ok(ActionResult::Accepted));
        waiting.push((now, nullifier));
    }
    waiting.sort_unstable_by_key(|(now, _)| *now);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = relay.moderation().queue(after.as_deref(), 2, NOW).unwrap();
        found.extend(page.items.into_iter().map(|item| item.nullifier));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let waiting: Vec<_> = waiting.into_iter().map(|(_, nullifier)| nullifier).collect();
    assert_eq!(found, waiting);
    // Large items end an answer early. None is cut, and none is lost.
    let (mut found, mut after, mut answers) = (Vec::new(), None, Vec::new());
    loop {
        let page = relay.moderation().queue_within(2 * honest().pass.len(), after.as_deref(), 5, NOW).unwrap();
        answers.push(page.items.len());
        found.extend(page.items.into_iter().map(|item| item.nullifier));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!((found, answers), (waiting, vec![2, 2, 1]));
}

/// A member who is on a list of the scope does not report in it either.
#[test]
fn a_report_has_the_records_of_its_scope() {
    const LOG: LogIdentity = LogIdentity([0xaa; 32]);
    let lists = vec![PolicyList { log: LOG, limit: 1_024 }];
    let policy = Policy { moderation: Some(ModerationPolicy { lists, ..ModerationPolicy::default() }), ..policy() };
    let (small, large) = record_verifiers();
    let relay = relay_of(vec![policy.clone()], Arc::new(MemoryLog::new())).with_records(small, large);
    let list = entries_of_others(0..3);
    let lists = vec![(REGISTRY, SCOPE.into(), list[..].into())];
    let state = LogState { log: LOG, size: 10, root: [1; 32], lists, at: NOW - 100 };
    relay.lists().publish(state.clone());
    let version = state.version();
    assert_eq!(posting(0, 0, MESSAGE).prove_with(&[(version, &list)]).to(&relay, NOW), Verdict::Accepted);
    let reported = posting(0, 0, MESSAGE).entry().nullifier;
    let plain = report_of(&policy, reported, 1);
    let refused = send(&relay, &plain, NOW);
    assert!(
        matches!(&refused, Err(ModerationError::Refused(verdict)) if verdict.name() == "list_mismatch"),
        "{refused:?}"
    );
    let pass = report_posting(&policy, reported, 1).prove_with(&[(version, &list)]).pass;
    let report = ReportRequest { pass, ..plain };
    assert_eq!(send(&relay, &report, NOW), Ok(ActionResult::Accepted));
    assert_eq!(send(&relay, &report, NOW), Ok(ActionResult::Repeated));
    assert_eq!(recorded(&relay), 1);
}
