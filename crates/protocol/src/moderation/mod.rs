//! The bodies of requests about moderation, and of their answers. All are JSON without unknown fields; the forms of values
//! are in [`formats`](crate::formats).
//!
//! | request | body | answer |
//! |---|---|---|
//! | `POST /v1/report` | [`ReportRequest`] | [`ActionAnswer`] |
//! | `POST /v1/author` | [`AuthorRequest`] | [`ActionAnswer`] |
//! | `GET /v1/moderation` | | [`LogsAnswer`] |
//! | `GET /v1/moderation/events` | | [`EventsAnswer`] |
//! | `POST /v1/moderation/<log>/entries` | [`EntryRequest`] | [`EntryAnswer`] |
//! | `GET /v1/moderation/<log>/queue` | | [`QueueAnswer`] |
//! | `POST /v1/moderation/<log>/decisions` | [`DecisionRequest`] | [`ActionAnswer`] |
//! | `POST /v1/moderation/<log>/answers` | [`RefusalRequest`] | [`ActionAnswer`] |
//! | `GET /v1/moderation/<log>/appeals/<strike>` | | [`AppealAnswer`] |

mod author;
mod log;
mod queue;
mod report;

pub use author::{ActionAnswer, ActionResult, AuthorKind, AuthorRequest, AuthorRequestError, EntryBody};
pub use log::{EntryAnswer, EntryRequest, LogBody, LogsAnswer};
pub use queue::{
    AppealAnswer, AppealState, Decision, DecisionRequest, EventKind, EventsAnswer, ModerationEvent, PostState,
    QueueAnswer, QueueItem, QueuedAppeal, QueuedReport, RefusalRequest,
};
pub use report::{MAX_REPORT_BODY, Reason, ReportBody, ReportError, ReportRequest};

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::samples::evidence;

    fn entry() -> EntryBody {
        let evidence = evidence();
        EntryBody { x: evidence.recorded.x, y: evidence.recorded.y, nullifier: evidence.nullifier }
    }

    fn author() -> Value {
        json!({
            "scope": "room", "entry": entry(), "time": "2026-11-20T12:00:00Z", "kind": "delete", "proof": "A".repeat(171)
        })
    }

    fn with(mut value: Value, field: &str, other: Value) -> Value {
        value[field] = other;
        value
    }

    #[test]
    fn each_value_of_an_authors_request_has_one_form() {
        let read = |value: Value| serde_json::from_value::<AuthorRequest>(value);
        let request = read(author()).unwrap();
        assert_eq!((request.entry, request.proof), (entry(), [0; 128]));
        assert_eq!(serde_json::to_value(&request).unwrap(), author());
        let digits = hex::encode(entry().nullifier.to_be_bytes());
        for nullifier in [format!("0x{digits}"), digits.to_uppercase(), digits[2..].into(), "ff".repeat(32)] {
            let entry = with(author()["entry"].clone(), "nullifier", nullifier.into());
            assert!(read(with(author(), "entry", entry)).is_err());
        }
        // An entry with x = 0 would lock out everybody.
        let zero = with(author()["entry"].clone(), "x", "0".repeat(64).into());
        assert!(read(with(author(), "entry", zero)).is_err());
        for (field, wrong) in [
            ("proof", json!("A".repeat(170))),
            ("proof", json!("A".repeat(172))),
            ("proof", json!(format!("{}=", "A".repeat(171)))),
            ("time", json!("2026-11-20T12:00:00+00:00")),
            ("time", json!(1)),
            ("kind", json!("report")),
            ("extra", json!(1)),
        ] {
            assert!(read(with(author(), field, wrong.clone())).is_err(), "{field} {wrong}");
        }
    }

    #[test]
    fn a_text_belongs_to_an_appeal_alone() {
        let action = |kind: &str, text: Option<&str>| {
            let value = with(author(), "kind", kind.into());
            let value = text.map_or(value.clone(), |text| with(value, "text", text.into()));
            serde_json::from_value::<AuthorRequest>(value).unwrap().action()
        };
        assert_eq!(action("delete", None).unwrap().body(), b"");
        assert_eq!(action("appeal", Some("no")).unwrap().body(), b"no");
        assert_eq!(action("delete", Some("no")), Err(AuthorRequestError::Text));
        assert_eq!(action("appeal", None), Err(AuthorRequestError::NoText));
        assert!(matches!(action("appeal", Some(&"a".repeat(4_001))), Err(AuthorRequestError::Action(_))));
    }

    #[test]
    fn a_report_binds_its_body_and_has_one_message() {
        let body = ReportBody::of(Reason::Spam);
        assert!(body.is_reason_alone() && !body.clone().with_message(b"text").is_reason_alone());
        for message in [&b"text"[..], &[0xff, 0]] {
            let body = body.clone().with_message(message);
            assert_eq!(body.message_bytes().unwrap().unwrap(), message);
            let read: ReportBody = serde_json::from_str(&serde_json::to_string(&body).unwrap()).unwrap();
            assert_eq!(read, body);
        }
        let digits = |digits: &str| ReportBody { message_hex: Some(digits.into()), ..body.clone() };
        for wrong in ["f", "FF", "0xff", "zz"] {
            assert_eq!(digits(wrong).message_bytes(), Err(ReportError::NotHex));
        }
        let twice = ReportBody { message: Some("a".into()), ..digits("61") };
        assert_eq!(twice.message_bytes(), Err(ReportError::TwoMessages));

        let request = json!({
            "scope": "room", "nullifier": entry().nullifier.to_string()[2..], "pass": "AA",
            "time": "2026-11-20T12:00:00Z", "body": "AQ", "proof": "A".repeat(171),
        });
        let request: ReportRequest = serde_json::from_value(request).unwrap();
        let other = ReportRequest { body: vec![2], ..request.clone() };
        assert_ne!(request.action().unwrap(), other.action().unwrap());
        assert_eq!(request.report_scope().message(), entry().nullifier.to_be_bytes());
        let full = ReportRequest { body: vec![0; MAX_REPORT_BODY], ..request };
        assert!(full.action().is_ok());
        let long = ReportRequest { body: vec![0; MAX_REPORT_BODY + 1], ..full };
        assert_eq!(long.action(), Err(ReportError::Long(MAX_REPORT_BODY + 1)));
    }

    #[test]
    fn reasons_have_their_names_in_json() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
        }
        assert_eq!(Reason::from_name("Spam"), None);
    }

    #[test]
    fn events_and_answers_return() {
        let event = ModerationEvent {
            number: u64::MAX,
            at: quotapass_circuits::time::UnixSeconds(1_795_176_000),
            kind: EventKind::Held,
            scope: "room".into(),
            nullifier: entry().nullifier,
            strike: None,
        };
        let answer = EventsAnswer { events: vec![event], next: 7 };
        let value = serde_json::to_value(&answer).unwrap();
        assert_eq!((&value["next"], &value["events"][0]["number"]), (&json!("7"), &json!("18446744073709551615")));
        assert_eq!(
            (&value["events"][0]["kind"], &value["events"][0]["at"]),
            (&json!("held"), &json!("2026-11-20T12:00:00Z"))
        );
        assert_eq!(serde_json::from_value::<EventsAnswer>(value.clone()).unwrap(), answer);
        for wrong in [json!("07"), json!("-1"), json!(7), json!("18446744073709551616")] {
            assert!(serde_json::from_value::<EventsAnswer>(with(value.clone(), "next", wrong)).is_err());
        }
    }
}
