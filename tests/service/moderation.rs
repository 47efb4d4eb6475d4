//! Reports, actions of authors, events of moderation and the state of appeals, over HTTP.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{
    LogIdentity, ModerationPolicy, Policy, UnixSeconds,
    moderation::{ActionResult, Decision, EventsAnswer, ReportRequest},
};
use quotapass_relay::{
    http::{Allowance, HttpSettings},
    moderation::{OwnLog, Struck},
};
use quotapass_testkit::authors::{author_request, report_of};
use serde_json::{Value, json};

use crate::{server::*, world::*};

fn moderated() -> Policy {
    let moderation = ModerationPolicy { hide_at: Some(cap(2)), ..ModerationPolicy::default() };
    Policy { moderation: Some(moderation), ..policy() }
}

/// Starts a server whose scope is moderated.
pub fn start() -> Server {
    start_with(HttpSettings::default())
}

fn start_with(settings: HttpSettings) -> Server {
    let server = Server::with(settings);
    server.relay.change_policies([moderated()], NOW).unwrap();
    server
}

fn posted(member: usize) -> Posting {
    posting_for(&moderated(), epoch(), member, 0, MESSAGE)
}

/// Accepts a post of a member, and returns its nullifier.
fn accept(server: &Server, member: usize) -> Nullifier {
    assert_eq!(names(&server.verify(&[posted(member).prove()])), ["accepted"]);
    posted(member).entry().nullifier
}

fn value(of: &impl serde::Serialize) -> Value {
    serde_json::to_value(of).unwrap()
}

fn counted(server: &Server, request: &str, result: &str) -> f64 {
    let name = "quotapass_moderation_requests_total";
    server.metric(&format!("{name}{{request=\"{request}\",result=\"{result}\"}}"))
}

#[test]
fn a_post_is_reported_once_by_each_member_and_held() {
    let server = start();
    let report = |request: &ReportRequest| server.post_json("/v1/report", &value(request));
    let unknown = report_of(&moderated(), posted(0).entry().nullifier, 1);
    assert!(report(&unknown).error(404).contains("knows no such post"));
    let reported = accept(&server, 0);
    let first = report_of(&moderated(), reported, 1);
    assert_eq!(report(&first).json(), json!({ "result": "accepted" }));
    assert_eq!(report(&first).json(), json!({ "result": "repeated" }));
    assert_eq!(report(&report_of(&moderated(), reported, 2)).json(), json!({ "result": "accepted" }));
    let events: EventsAnswer = serde_json::from_value(server.get("/v1/moderation/events").json()).unwrap();
    assert_eq!((events.events.len(), events.next, events.events[0].nullifier), (1, 1, reported));
    let results = ["accepted", "repeated", "refused"].map(|result| counted(&server, "report", result));
    assert_eq!(results, [2.0, 1.0, 1.0]);
    // Verdicts on reports are counted for the scope, not for each post.
    assert!(!server.get("/metrics").text().contains("report/"));
}

#[test]
fn what_is_refused_says_why() {
    let server = start();
    let reported = accept(&server, 0);
    let good = report_of(&moderated(), reported, 1);
    let report = |request: &ReportRequest| server.post_json("/v1/report", &value(request));
    // The verdict on the pass is told, so that a wallet knows what to do.
    let other_time = ReportRequest { time: UnixSeconds(NOW.0 + 1), ..good.clone() };
    let refused = report(&other_time);
    assert_eq!((refused.status, refused.json()["verdict"]["verdict"].clone()), (403, json!("invalid_proof")));
    let malformed = report(&ReportRequest { pass: vec![1, 2, 3], ..good.clone() });
    assert_eq!((malformed.status, malformed.json()["verdict"]["verdict"].clone()), (403, json!("malformed")));
    let late = report(&ReportRequest { time: UnixSeconds(NOW.0 + 1_000), ..good.clone() });
    assert!(late.error(409).contains("the action was made at"));
    let elsewhere = report(&ReportRequest { scope: "elsewhere".into(), ..good.clone() });
    assert!(elsewhere.error(404).contains("takes no reports"));
    assert!(report(&ReportRequest { body: b"{}".to_vec(), ..good.clone() }).error(400).contains("neither the JSON"));
    let mut unread = value(&good);
    unread["colour"] = json!("red");
    assert!(server.post_json("/v1/report", &unread).error(400).contains("colour"));
    for path in ["/v1/report", "/v1/author"] {
        let bytes = [("content-type", "application/octet-stream")];
        server.ask("POST", path, &bytes, b"{}").error(415);
        server.get(path).error(405);
    }
    // Nothing of it was recorded.
    assert_eq!(report(&good).json(), json!({ "result": "accepted" }));
    // A pass of a report that is sent as a post is none.
    let posted = server.verify(&[quotapass_testkit::authors::report_posting(&moderated(), reported, 2).prove()]);
    assert_eq!(names(&posted), ["requirement_mismatch"]);
}

#[test]
fn an_author_deletes_the_own_post() {
    let server = start();
    accept(&server, 0);
    let deletion = author_request(&posted(0), None, NOW);
    let author = |request: &Value| server.post_json("/v1/author", request);
    assert_eq!(author(&value(&deletion)).json(), json!({ "result": "accepted" }));
    assert_eq!(author(&value(&deletion)).json(), json!({ "result": "repeated" }));
    let events = server.get("/v1/moderation/events?since=0&limit=5").json();
    assert_eq!((&events["events"][0]["kind"], &events["next"]), (&json!("deleted"), &json!("1")));
    assert_eq!(server.get("/v1/moderation/events?since=1").json(), json!({ "events": [], "next": "1" }));
    assert!(author(&value(&author_request(&posted(1), None, NOW))).error(404).contains("knows no such post"));
    accept(&server, 1);
    let mut of_other = value(&author_request(&posted(1), None, NOW));
    of_other["proof"] = value(&deletion)["proof"].clone();
    assert!(author(&of_other).error(403).contains("does not show"));
    let appeal = author_request(&posted(1), Some("why"), NOW);
    assert!(author(&value(&appeal)).error(404).contains("no strike"));
    assert_eq!(counted(&server, "delete", "accepted"), 1.0);
}

/// A log that answers slowly, and counts how many ask it at once.
#[derive(Default)]
struct Slow {
    asked: AtomicUsize,
    most: AtomicUsize,
}

impl OwnLog for Slow {
    fn identity(&self) -> LogIdentity {
        LogIdentity([0xab; 32])
    }

    fn strike_of(&self, _: Nullifier) -> Option<Struck> {
        self.most.fetch_max(self.asked.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        thread::sleep(Duration::from_millis(50));
        self.asked.fetch_sub(1, Ordering::SeqCst);
        None
    }
}

#[test]
fn forged_actions_of_authors_do_not_take_all_processors() {
    let server = start();
    accept(&server, 0);
    let log = Arc::new(Slow::default());
    server.relay.moderation().set_own_log(log.clone());
    let mut forged = value(&author_request(&posted(0), None, NOW));
    forged["proof"] = value(&author_request(&posted(1), None, NOW))["proof"].clone();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(server.post_json("/v1/author", &forged).status, 403));
        }
    });
    let most = log.most.load(Ordering::SeqCst);
    assert!((1..=2).contains(&most), "{most}");
}

struct Log(Struck);

impl OwnLog for Log {
    fn identity(&self) -> LogIdentity {
        LogIdentity([0xab; 32])
    }

    fn strike_of(&self, nullifier: Nullifier) -> Option<Struck> {
        Some(self.0.clone()).filter(|struck| struck.entry.nullifier == nullifier)
    }
}

#[test]
fn an_appeal_is_answered() {
    let server = start();
    accept(&server, 0);
    let (entry, pass) = (posted(0).entry(), posted(0).prove().pass);
    let struck = Struck { id: "0197-1".into(), scope: SCOPE.into(), epoch: epoch(), entry, pass, at: NOW };
    server.relay.moderation().set_own_log(Arc::new(Log(struck)));
    let log = "ab".repeat(32);
    let state = |log: &str, strike: &str| server.get(&format!("/v1/moderation/{log}/appeals/{strike}"));
    state(&log, "0197-1").error(404);
    let appeal = author_request(&posted(0), Some("it was a quotation"), NOW);
    assert_eq!(server.post_json("/v1/author", &value(&appeal)).json(), json!({ "result": "accepted" }));
    assert_eq!(state(&log, "0197-1").json()["state"], "open");
    state(&"cd".repeat(32), "0197-1").error(404);
    state(&log, "0197-2").error(404);
    let answered = server.relay.moderation().answer("0197-1", "it was not", NOW);
    assert_eq!(answered, Ok(ActionResult::Accepted));
    let answer = state(&log, "0197-1").json();
    assert_eq!((&answer["state"], &answer["text"]), (&json!("refused"), &json!("it was not")));
    assert!(!answer.to_string().contains("quotation"), "an appeal is for moderators");
}

#[test]
fn a_client_waits_for_the_next_event() {
    let server = start();
    let nullifier = accept(&server, 0);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| server.get("/v1/moderation/events?since=0&wait=60").json());
        server.until(|| server.metric("quotapass_http_listeners") == 1.0);
        server.relay.moderation().decide(nullifier, Decision::Hide, NOW).unwrap();
        assert_eq!(waiting.join().unwrap()["next"], "1");
    });
    server.until(|| server.metric("quotapass_http_listeners") == 0.0);
    // Nothing comes in the given time.
    let answer = server.get("/v1/moderation/events?since=1&wait=1").json();
    assert_eq!(answer, json!({ "events": [], "next": "1" }));
    server.get("/v1/moderation/events?since=x").error(400);
    server.get("/v1/moderation/events?until=1").error(400);
}

#[test]
fn waiting_clients_are_listeners_and_end_with_the_service() {
    let mut server = start_with(HttpSettings { max_listeners_per_source: 1, ..HttpSettings::default() });
    let stream = {
        use std::io::Write;
        let mut stream = server.connect();
        stream.write_all(&request("GET", "/v1/moderation/events?wait=60", &[], &[])).unwrap();
        stream
    };
    server.until(|| server.metric("quotapass_http_listeners") == 1.0);
    server.get("/v1/moderation/events?wait=60").error(429);
    assert_eq!(server.get("/v1/moderation/events").status, 200);
    server.stop();
    let answer = Answer::read(&mut std::io::BufReader::new(stream));
    assert_eq!(answer.json(), json!({ "events": [], "next": "0" }));
    server.wait();
}

#[test]
fn requests_count_as_posts_of_their_network() {
    let few = Allowance::PostsPerSecond(1.try_into().unwrap());
    let sources = [("127.0.0.0/8".parse().unwrap(), few)].into_iter().collect();
    let server = start_with(HttpSettings { sources, ..HttpSettings::default() });
    let report = value(&report_of(&moderated(), posted(0).entry().nullifier, 1));
    let statuses: Vec<u16> = (0..4).map(|_| server.post_json("/v1/report", &report).status).collect();
    assert_eq!(statuses[0], 404);
    assert!(statuses[1..].contains(&429), "{statuses:?}");
    thread::sleep(Duration::from_millis(1_100));
    let author = value(&author_request(&posted(0), None, NOW));
    let statuses: Vec<u16> = (0..4).map(|_| server.post_json("/v1/author", &author).status).collect();
    assert!(statuses.contains(&429), "{statuses:?}");
}

/// Returns answers of each route about moderation, with the path in the OpenAPI document.
pub fn answers(server: &Server) -> Vec<(&'static str, Answer)> {
    let reported = accept(server, 0);
    let report = report_of(&moderated(), reported, 1);
    let reports = [
        report.clone(),
        report.clone(),
        ReportRequest { time: UnixSeconds(NOW.0 + 1), ..report_of(&moderated(), reported, 2) },
        ReportRequest { time: UnixSeconds(NOW.0 + 1_000), ..report.clone() },
        ReportRequest { scope: "elsewhere".into(), ..report.clone() },
        ReportRequest { body: Vec::new(), ..report.clone() },
    ];
    let (entry, pass) = (posted(0).entry(), posted(0).prove().pass);
    let struck = Struck { id: "0197-1".into(), scope: SCOPE.into(), epoch: epoch(), entry, pass, at: NOW };
    server.relay.moderation().set_own_log(Arc::new(Log(struck)));
    let appeal = author_request(&posted(0), Some("why"), NOW);
    let actions = [
        value(&appeal),
        value(&author_request(&posted(0), Some("why?"), NOW + 1)),
        value(&author_request(&posted(1), None, NOW)),
        json!({}),
    ];
    let mut answers: Vec<_> =
        reports.iter().map(|report| ("/v1/report", server.post_json("/v1/report", &value(report)))).collect();
    answers.extend(actions.iter().map(|action| ("/v1/author", server.post_json("/v1/author", action))));
    for query in ["", "?since=1", "?since=x"] {
        answers.push(("/v1/moderation/events", server.get(&format!("/v1/moderation/events{query}"))));
    }
    for log in ["ab", "cd"] {
        let path = format!("/v1/moderation/{}/appeals/0197-1", log.repeat(32));
        answers.push(("/v1/moderation/{log}/appeals/{strike}", server.get(&path)));
    }
    let statuses: Vec<u16> = answers.iter().map(|(_, answer)| answer.status).collect();
    assert_eq!(statuses, [200, 200, 403, 409, 404, 400, 200, 409, 404, 400, 200, 200, 400, 200, 404]);
    answers
}
