//! Tests of statements, against a description of the database's schema.

use core::num::NonZeroU32;

use quotapass_circuits::registry_id::RegistryId;
use quotapass_log::moderation::{Digest, Ground, ListedEntry, Program, STRIKE_SECONDS};
use quotapass_protocol::moderation::{PostState, QueuedReport};
use serde_json::{Value, json};

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_795_176_000);

/// The rules of the API for one statement, written from its documentation (version 2) apart from the code: required fields,
/// allowed values, lengths, and which fields a ground needs.
fn schema() -> Value {
    let text = |most: usize| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let day = json!({ "type": "string", "pattern": "^20[0-9]{2}-[01][0-9]-[0-3][0-9]$" });
    let categories = [
        "ANIMAL_WELFARE",
        "CONSUMER_INFORMATION",
        "CYBER_VIOLENCE",
        "CYBER_VIOLENCE_AGAINST_WOMEN",
        "DATA_PROTECTION_AND_PRIVACY_VIOLATIONS",
        "ILLEGAL_OR_HARMFUL_SPEECH",
        "INTELLECTUAL_PROPERTY_INFRINGEMENTS",
        "NEGATIVE_EFFECTS_ON_CIVIC_DISCOURSE_OR_ELECTIONS",
        "NOT_SPECIFIED_NOTICE",
        "OTHER_VIOLATION_TC",
        "PROTECTION_OF_MINORS",
        "RISK_FOR_PUBLIC_SECURITY",
        "SCAMS_AND_FRAUD",
        "SELF_HARM",
        "UNSAFE_AND_PROHIBITED_PRODUCTS",
        "VIOLENCE",
    ]
    .map(|name| format!("STATEMENT_CATEGORY_{name}"));
    let keywords = [
        "CYBER_HARASSMENT",
        "HATE_SPEECH",
        "NUDITY",
        "CHILD_SEXUAL_ABUSE_MATERIAL",
        "IMPERSONATION_ACCOUNT_HIJACKING",
        "OTHER",
    ]
    .map(|name| format!("KEYWORD_{name}"));
    let yes_no = json!({ "enum": ["Yes", "No"] });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "puid": { "type": "string", "pattern": "^[a-zA-Z0-9_-]{1,500}$" },
            "decision_visibility": { "type": "array", "minItems": 1, "items": { "enum": [
                "DECISION_VISIBILITY_CONTENT_REMOVED", "DECISION_VISIBILITY_CONTENT_DISABLED",
                "DECISION_VISIBILITY_CONTENT_DEMOTED", "DECISION_VISIBILITY_CONTENT_AGE_RESTRICTED",
                "DECISION_VISIBILITY_CONTENT_INTERACTION_RESTRICTED", "DECISION_VISIBILITY_CONTENT_LABELLED",
            ] } },
            "decision_provision": { "enum": [
                "DECISION_PROVISION_PARTIAL_SUSPENSION", "DECISION_PROVISION_TOTAL_SUSPENSION",
                "DECISION_PROVISION_PARTIAL_TERMINATION", "DECISION_PROVISION_TOTAL_TERMINATION",
            ] },
            "decision_ground": { "enum": ["DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"] },
            "illegal_content_legal_ground": text(500),
            "illegal_content_explanation": text(2_000),
            "incompatible_content_ground": text(500),
            "incompatible_content_explanation": text(2_000),
            "incompatible_content_illegal": yes_no,
            "category": { "enum": categories },
            "category_specification": { "type": "array", "items": { "enum": keywords } },
            "category_specification_other": text(500),
            "content_type": { "type": "array", "minItems": 1, "items": { "enum": [
                "CONTENT_TYPE_APP", "CONTENT_TYPE_AUDIO", "CONTENT_TYPE_IMAGE", "CONTENT_TYPE_PRODUCT",
                "CONTENT_TYPE_SYNTHETIC_MEDIA", "CONTENT_TYPE_TEXT", "CONTENT_TYPE_VIDEO",
            ] } },
            "territorial_scope": { "type": "array", "minItems": 1, "items": { "type": "string", "pattern": "^[A-Z]{2}$" } },
            "content_date": day,
            "application_date": day,
            "end_date_service_restriction": day,
            "end_date_visibility_restriction": day,
            "decision_facts": text(5_000),
            "source_type": { "enum": [
                "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION", "SOURCE_VOLUNTARY",
            ] },
            "automated_detection": yes_no,
            "automated_decision": { "enum": [
                "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY", "AUTOMATED_DECISION_NOT_AUTOMATED",
            ] },
        },
        "required": [
            "decision_ground", "content_type", "category", "content_date", "application_date", "decision_facts",
            "source_type", "automated_detection", "automated_decision", "puid", "territorial_scope",
        ],
        "anyOf": [{ "required": ["decision_visibility"] }, { "required": ["decision_provision"] }],
        "oneOf": [
            {
                "properties": { "decision_ground": { "const": "DECISION_GROUND_ILLEGAL_CONTENT" } },
                "required": ["illegal_content_legal_ground", "illegal_content_explanation"],
            },
            {
                "properties": { "decision_ground": { "const": "DECISION_GROUND_INCOMPATIBLE_CONTENT" } },
                "required": [
                    "incompatible_content_ground", "incompatible_content_explanation", "incompatible_content_illegal",
                ],
            },
        ],
        "dependentRequired": { "category_specification_other": ["category_specification"] },
    })
}

fn settings() -> Settings {
    Settings {
        territory: vec!["AT", "DE"],
        content_types: vec![ContentType::Text],
        source: None,
        rule: "rule 7".into(),
    }
}

fn post(number: u8) -> ListedEntry {
    let mut bytes = [0; 96];
    bytes[31] = number;
    bytes[95] = number;
    ListedEntry::from_bytes(&bytes).unwrap()
}

fn struck(reason: Reason, kind: GroundKind, until: Until) -> Struck {
    let strike = Strike {
        entry: post(9),
        registry: RegistryId { chain_id: 31_337, address: [7; 20] },
        scope: "room".into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        epoch: NOW.0 / 600 - 144,
        pass: vec![1; 246],
        reason,
        ground: Ground { kind, reference: "§ 130 StGB".into() },
        text: Digest::of(b"text"),
        until,
        automated_detection: false,
        automated_decision: false,
        decided_by: None,
    };
    let text = Some("It calls for violence.".to_owned());
    Struck { strike, at: NOW, lifted: None, text, was_reported: false, hidden: None }
}

fn item(reports: Vec<QueuedReport>) -> QueueItem {
    let entry = post(8);
    QueueItem {
        nullifier: entry.nullifier,
        scope: "room".into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        epoch: 1,
        x: entry.x,
        y: entry.y,
        pass: vec![],
        accepted_at: NOW,
        state: PostState::Hidden,
        reports,
        strike: None,
        appeal: None,
    }
}

fn json_of(statement: &Statement) -> Value {
    serde_json::to_value(statement).unwrap()
}

#[test]
fn every_statement_has_the_required_fields_and_allowed_values() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let check = |statement: &Value| {
        let errors: Vec<_> = validator.iter_errors(statement).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{statement:#}");
    };
    for reason in Reason::ALL {
        for kind in [GroundKind::Illegal, GroundKind::Incompatible] {
            for until in [Until::At(NOW + STRIKE_SECONDS), Until::Never] {
                let struck = struck(reason, kind, until);
                let value = json_of(&struck.statement(&settings()));
                check(&value);
                // Not the category of rules for what is against the law.
                let is_of_rules = value["category"] == "STATEMENT_CATEGORY_OTHER_VIOLATION_TC";
                assert!(!is_of_rules || kind == GroundKind::Incompatible, "{value:#}");
                let erased = Struck { text: None, ..struck };
                check(&json_of(&erased.statement(&settings())));
            }
        }
        let report = QueuedReport { at: NOW, body: vec![], reason: Some(reason) };
        check(&json_of(
            &Hidden {
                item: &item(vec![report]),
                time: HiddenTime { at: NOW + 60, until: Some(NOW + 61) },
                was_reported: false,
            }
            .statement(&settings()),
        ));
    }
    // The description finds what is wrong.
    let right = json_of(&struck(Reason::Hate, GroundKind::Illegal, Until::Never).statement(&settings()));
    for name in ["puid", "category", "decision_facts", "decision_provision", "illegal_content_explanation"] {
        let mut wrong = right.clone();
        wrong.as_object_mut().unwrap().remove(name);
        assert!(!validator.is_valid(&wrong), "without {name}");
    }
    let mut wrong = right;
    wrong["automated_decision"] = json!("No");
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a_strike_is_a_decision_about_the_service_with_its_end() {
    let mut struck = struck(Reason::Hate, GroundKind::Illegal, Until::At(NOW + STRIKE_SECONDS));
    struck.strike.decided_by = Some(Program { name: "filter".into(), version: "1".into() });
    let value = json_of(&struck.statement(&settings()));
    let expected = json!({
        "puid": format!("{:064x}", 9),
        "decision_provision": "DECISION_PROVISION_PARTIAL_SUSPENSION",
        "decision_ground": "DECISION_GROUND_ILLEGAL_CONTENT",
        "illegal_content_legal_ground": "§ 130 StGB",
        "illegal_content_explanation": "It calls for violence.",
        "category": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
        "category_specification": ["KEYWORD_HATE_SPEECH"],
        "content_type": ["CONTENT_TYPE_TEXT"],
        "territorial_scope": ["AT", "DE"],
        "content_date": "2026-11-19",
        "application_date": "2026-11-20",
        "end_date_service_restriction": "2027-05-19",
        "decision_facts": "It calls for violence.",
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "No",
        "automated_decision": "AUTOMATED_DECISION_PARTIALLY",
    });
    assert_eq!(value, expected);

    struck.lifted = Some(NOW + 86_400);
    struck.was_reported = true;
    struck.strike.automated_decision = true;
    struck.hidden = Some(HiddenTime { at: NOW - 86_400, until: None });
    let value = json_of(&struck.statement(&settings()));
    assert_eq!(value["end_date_service_restriction"], "2026-11-21");
    assert_eq!(value["source_type"], "SOURCE_ARTICLE_16");
    assert_eq!(value["automated_decision"], "AUTOMATED_DECISION_FULLY");
    assert_eq!(value["decision_visibility"], json!(["DECISION_VISIBILITY_CONTENT_DISABLED"]));
    assert_eq!(value["application_date"], "2026-11-19");
    struck.lifted = None;
    struck.strike.until = Until::Never;
    let value = json_of(&struck.statement(&settings()));
    assert_eq!(value["decision_provision"], "DECISION_PROVISION_PARTIAL_TERMINATION");
    assert_eq!(value["end_date_service_restriction"], Value::Null);
}

#[test]
fn a_hidden_post_is_a_decision_about_its_visibility() {
    let reports = vec![QueuedReport { at: NOW, body: vec![], reason: Some(Reason::Spam) }; 3];
    let item = item(reports);
    let time = HiddenTime { at: NOW + 86_400, until: None };
    let hidden = Hidden { item: &item, time, was_reported: true };
    let released = Hidden { time: HiddenTime { until: Some(NOW + 2 * 86_400), ..time }, ..hidden };
    assert_eq!(json_of(&released.statement(&settings()))["end_date_visibility_restriction"], "2026-11-22");
    let value = json_of(&Hidden { item: &item, time, was_reported: true }.statement(&settings()));
    assert_eq!(value["end_date_visibility_restriction"], Value::Null);
    assert_eq!(value["decision_visibility"], json!(["DECISION_VISIBILITY_CONTENT_DISABLED"]));
    assert_eq!(value["decision_provision"], Value::Null);
    assert_eq!(value["incompatible_content_ground"], "rule 7");
    assert_eq!(value["source_type"], "SOURCE_TYPE_OTHER_NOTIFICATION");
    assert_eq!((&value["content_date"], &value["application_date"]), (&json!("2026-11-20"), &json!("2026-11-21")));
    assert!(value["decision_facts"].as_str().unwrap().contains("which members had reported"));
}

#[test]
fn long_texts_are_cut_to_what_the_database_takes() {
    let mut struck = struck(Reason::Other, GroundKind::Incompatible, Until::Never);
    struck.text = Some("ß".repeat(6_000));
    struck.strike.ground.reference = "r".repeat(600);
    let value = json_of(&struck.statement(&settings()));
    let length = |name: &str| value[name].as_str().unwrap().chars().count();
    assert_eq!(length("decision_facts"), MAX_FACTS);
    assert_eq!(length("incompatible_content_explanation"), MAX_EXPLANATION);
    assert_eq!(length("incompatible_content_ground"), MAX_GROUND);
}
