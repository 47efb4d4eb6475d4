//! A statement of reasons with the field names of the DSA Transparency Database.
//!
//! A strike is a `decision_provision`, a hidden post a `decision_visibility`, a post that is both has both. Nothing here is a
//! `decision_account`: a strike closes no account, and the operator does not know whose it is.

use quotapass_circuits::signal::Epoch;
use quotapass_log::moderation::{GroundKind, Reason, Strike, Until};
use quotapass_protocol::{UnixSeconds, formats::moment, moderation::QueueItem};
use serde::{Serialize, Serializer};

use super::schema::{
    AutomatedDecision, Category, ContentType, DecisionGround, MAX_EXPLANATION, MAX_FACTS, MAX_GROUND, Provision,
    Source, Visibility, YesNo,
};
use crate::{moderate::post::digits, text::shortened};

/// What the operator states for all decisions.
pub(super) struct Settings {
    pub(super) territory: Vec<&'static str>,
    pub(super) content_types: Vec<ContentType>,
    /// The source of decisions about posts that no reports held.
    pub(super) source: Option<Source>,
    /// The rule against which hidden posts were.
    pub(super) rule: String,
}

/// A day in UTC, written as in `2026-11-20`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(UnixSeconds);

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = moment::write(self.0);
        serializer.serialize_str(text.split('T').next().unwrap_or(&text))
    }
}

/// A statement of reasons.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Statement {
    /// The nullifier of the post. The database takes it once.
    puid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decision_visibility: Vec<Visibility>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision_provision: Option<Provision>,
    decision_ground: DecisionGround,
    #[serde(flatten)]
    explanation: Explanation,
    category: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    category_specification: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category_specification_other: Option<&'static str>,
    content_type: Vec<ContentType>,
    territorial_scope: Vec<&'static str>,
    content_date: Day,
    application_date: Day,
    /// Absent while it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date_visibility_restriction: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_date_service_restriction: Option<Day>,
    decision_facts: String,
    source_type: Source,
    automated_detection: YesNo,
    automated_decision: AutomatedDecision,
}

/// The ground and why it holds, under the names of its kind.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum Explanation {
    Illegal {
        illegal_content_legal_ground: String,
        illegal_content_explanation: String,
    },
    Incompatible {
        incompatible_content_ground: String,
        incompatible_content_explanation: String,
        incompatible_content_illegal: YesNo,
    },
}

impl Explanation {
    fn new(kind: GroundKind, reference: &str, reason: Reason, why: &str) -> Self {
        let (ground, why) = (shortened(reference, MAX_GROUND), shortened(why, MAX_EXPLANATION));
        match kind {
            GroundKind::Illegal => {
                Self::Illegal { illegal_content_legal_ground: ground, illegal_content_explanation: why }
            }
            GroundKind::Incompatible => Self::Incompatible {
                incompatible_content_ground: ground,
                incompatible_content_explanation: why,
                incompatible_content_illegal: matches!(reason, Reason::Illegal | Reason::Csam).into(),
            },
        }
    }
}

/// A struck post.
pub(super) struct Struck {
    pub(super) strike: Strike,
    pub(super) at: UnixSeconds,
    /// The time at which the strike ended before or at its time.
    pub(super) lifted: Option<UnixSeconds>,
    /// The statement of reasons, unless it was erased.
    pub(super) text: Option<String>,
    /// Whether reports of members held the post.
    pub(super) was_reported: bool,
    /// When the post was hidden too.
    pub(super) hidden: Option<HiddenTime>,
}

/// When a post was hidden, and visible again if it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct HiddenTime {
    pub(super) at: UnixSeconds,
    pub(super) until: Option<UnixSeconds>,
}

/// A post that was hidden, and not struck.
pub(super) struct Hidden<'a> {
    pub(super) item: &'a QueueItem,
    pub(super) time: HiddenTime,
    /// Whether members reported it.
    pub(super) was_reported: bool,
}

/// How a decision came about.
fn source(was_reported: bool, ground: GroundKind, settings: &Settings) -> Source {
    match (was_reported, ground) {
        (true, GroundKind::Illegal) => Source::Article16,
        (true, GroundKind::Incompatible) => Source::Other,
        (false, _) => settings.source.unwrap_or(Source::Voluntary),
    }
}

/// The keyword of malware, which has none of its own.
fn other_keyword(reason: Reason) -> Option<&'static str> {
    (reason == Reason::Malware).then_some("Malware")
}

impl Struck {
    pub(super) fn statement(&self, settings: &Settings) -> Statement {
        let Self { strike, at, lifted, text, .. } = self;
        let category = Category::of(strike.reason, strike.ground.kind);
        let facts = match text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
            Some(text) => text.to_owned(),
            None => format!(
                "The statement of reasons was erased. The author of the post could no longer write in the scope {}; \
                 reason: {}.",
                strike.scope,
                strike.reason.name()
            ),
        };
        let (provision, stated_end) = match strike.until {
            Until::At(until) => (Provision::PartialSuspension, Some(until)),
            Until::Never => (Provision::PartialTermination, None),
        };
        let application = Day(self.hidden.map_or(*at, |hidden| hidden.at.min(*at)));
        let automated_decision = match (strike.automated_decision, &strike.decided_by) {
            (true, _) => AutomatedDecision::Fully,
            (false, Some(_)) => AutomatedDecision::Partially,
            (false, None) => AutomatedDecision::Not,
        };
        Statement {
            puid: digits(strike.entry.nullifier),
            decision_visibility: self.hidden.map(|_| Visibility::Disabled).into_iter().collect(),
            decision_provision: Some(provision),
            decision_ground: match strike.ground.kind {
                GroundKind::Illegal => DecisionGround::Illegal,
                GroundKind::Incompatible => DecisionGround::Incompatible,
            },
            explanation: Explanation::new(strike.ground.kind, &strike.ground.reference, strike.reason, &facts),
            category: category.name,
            category_specification: category.keyword.into_iter().collect(),
            category_specification_other: other_keyword(strike.reason),
            content_type: settings.content_types.clone(),
            territorial_scope: settings.territory.clone(),
            // The post says in which epoch it was made, and no more.
            content_date: Day(Epoch::new(strike.epoch_seconds, strike.epoch).begins().min(*at)),
            application_date: application,
            end_date_visibility_restriction: self.hidden.and_then(|hidden| hidden.until).map(Day),
            end_date_service_restriction: lifted.or(stated_end).map(|end| Day(end).max(application)),
            decision_facts: shortened(&facts, MAX_FACTS),
            source_type: source(self.was_reported, strike.ground.kind, settings),
            automated_detection: strike.automated_detection.into(),
            automated_decision,
        }
    }
}

impl Hidden<'_> {
    pub(super) fn statement(&self, settings: &Settings) -> Statement {
        let Self { item, time: HiddenTime { at, until }, was_reported } = self;
        let reason = item.reports.iter().find_map(|report| report.reason).unwrap_or(Reason::Other);
        let ground = GroundKind::Incompatible;
        let category = Category::of(reason, ground);
        let after = if *was_reported { ", which members had reported" } else { "" };
        let facts = format!("Moderators hid a post in the scope {}{after}; reason: {}.", item.scope, reason.name());
        Statement {
            puid: digits(item.nullifier),
            decision_visibility: vec![Visibility::Disabled],
            decision_provision: None,
            decision_ground: DecisionGround::Incompatible,
            explanation: Explanation::new(ground, &settings.rule, reason, &facts),
            category: category.name,
            category_specification: category.keyword.into_iter().collect(),
            category_specification_other: other_keyword(reason),
            content_type: settings.content_types.clone(),
            territorial_scope: settings.territory.clone(),
            content_date: Day(item.accepted_at.min(*at)),
            application_date: Day(*at),
            end_date_visibility_restriction: until.map(Day),
            end_date_service_restriction: None,
            decision_facts: shortened(&facts, MAX_FACTS),
            source_type: source(*was_reported, ground, settings),
            automated_detection: YesNo::No,
            automated_decision: AutomatedDecision::Not,
        }
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
