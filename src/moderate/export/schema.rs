//! The values that the DSA Transparency Database allows, version 2 of its schema, in force since 1 July 2025.
//!
//! Sources: <https://transparency.dsa.ec.europa.eu/page/api-documentation>, the database's own code at
//! <https://github.com/digital-services-act/transparency-database> (`resources/markdown/api-documentation-two.md` for fields,
//! lengths and version 2 of categories and keywords, `app/Models/Statement.php` for the other lists).

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use quotapass_log::moderation::{GroundKind, Reason};
use serde::Serialize;

/// The most characters of `decision_facts`.
pub(super) const MAX_FACTS: usize = 5_000;
/// The most characters of `illegal_content_legal_ground` and `incompatible_content_ground`.
pub(super) const MAX_GROUND: usize = 500;
/// The most characters of `illegal_content_explanation` and `incompatible_content_explanation`.
pub(super) const MAX_EXPLANATION: usize = 2_000;

/// The members of the European Union.
const EU: [&str; 27] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
];
/// The other members of the European Economic Area.
const OTHER_EEA: [&str; 3] = ["IS", "LI", "NO"];

/// Reads `territorial_scope`.
pub(super) fn territory(text: &str) -> Result<Vec<&'static str>> {
    let mut countries = match text {
        "EU" => EU.to_vec(),
        "EEA" => [&EU[..], &OTHER_EEA].concat(),
        codes => {
            let known = |code: &str| EU.iter().chain(&OTHER_EEA).copied().find(|known| *known == code);
            let read: Option<Vec<_>> = codes.split(',').map(known).collect();
            read.context("name EU, EEA, or countries of these by two capital letters, such as DE,AT")?
        }
    };
    countries.sort_unstable();
    countries.dedup();
    Ok(countries)
}

/// `content_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(super) enum ContentType {
    #[serde(rename = "CONTENT_TYPE_APP")]
    App,
    #[serde(rename = "CONTENT_TYPE_AUDIO")]
    Audio,
    #[serde(rename = "CONTENT_TYPE_IMAGE")]
    Image,
    #[serde(rename = "CONTENT_TYPE_PRODUCT")]
    Product,
    #[serde(rename = "CONTENT_TYPE_SYNTHETIC_MEDIA")]
    SyntheticMedia,
    #[serde(rename = "CONTENT_TYPE_TEXT")]
    Text,
    #[serde(rename = "CONTENT_TYPE_VIDEO")]
    Video,
}

/// `source_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(super) enum Source {
    /// A notice under article 16 of the DSA, about illegal content
    #[serde(rename = "SOURCE_ARTICLE_16")]
    Article16,
    /// A notice of a trusted flagger
    #[serde(rename = "SOURCE_TRUSTED_FLAGGER")]
    TrustedFlagger,
    /// Another notice, for example a report of a member
    #[serde(rename = "SOURCE_TYPE_OTHER_NOTIFICATION")]
    Other,
    /// The moderators' own initiative
    #[serde(rename = "SOURCE_VOLUNTARY")]
    Voluntary,
}

/// `decision_provision`. A member is struck in some scopes, so that the service is never ended as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Provision {
    #[serde(rename = "DECISION_PROVISION_PARTIAL_SUSPENSION")]
    PartialSuspension,
    #[serde(rename = "DECISION_PROVISION_PARTIAL_TERMINATION")]
    PartialTermination,
}

/// `decision_visibility`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Visibility {
    #[serde(rename = "DECISION_VISIBILITY_CONTENT_DISABLED")]
    Disabled,
}

/// `decision_ground`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum DecisionGround {
    #[serde(rename = "DECISION_GROUND_ILLEGAL_CONTENT")]
    Illegal,
    #[serde(rename = "DECISION_GROUND_INCOMPATIBLE_CONTENT")]
    Incompatible,
}

/// `automated_decision`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum AutomatedDecision {
    #[serde(rename = "AUTOMATED_DECISION_FULLY")]
    Fully,
    #[serde(rename = "AUTOMATED_DECISION_PARTIALLY")]
    Partially,
    #[serde(rename = "AUTOMATED_DECISION_NOT_AUTOMATED")]
    Not,
}

/// `automated_detection`, `incompatible_content_illegal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum YesNo {
    Yes,
    No,
}

impl From<bool> for YesNo {
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// `category`, and the keyword of `category_specification` that says more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Category {
    pub(super) name: &'static str,
    pub(super) keyword: Option<&'static str>,
}

impl Category {
    /// Returns the category of a reason. The category of other violations is one of rules, so that it is not used for content
    /// that is against the law.
    pub(super) fn of(reason: Reason, ground: GroundKind) -> Self {
        let with = |name, keyword| Self { name, keyword: Some(keyword) };
        let alone = |name| Self { name, keyword: None };
        match (reason, ground) {
            (Reason::Malware, _) => with("STATEMENT_CATEGORY_SCAMS_AND_FRAUD", "KEYWORD_OTHER"),
            (Reason::Harassment, _) => with("STATEMENT_CATEGORY_CYBER_VIOLENCE", "KEYWORD_CYBER_HARASSMENT"),
            (Reason::Hate, _) => with("STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH", "KEYWORD_HATE_SPEECH"),
            (Reason::Nudity, GroundKind::Incompatible) => {
                with("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "KEYWORD_NUDITY")
            }
            (Reason::Violence, _) => alone("STATEMENT_CATEGORY_VIOLENCE"),
            (Reason::Csam, _) => with("STATEMENT_CATEGORY_PROTECTION_OF_MINORS", "KEYWORD_CHILD_SEXUAL_ABUSE_MATERIAL"),
            (Reason::Impersonation, _) => {
                with("STATEMENT_CATEGORY_SCAMS_AND_FRAUD", "KEYWORD_IMPERSONATION_ACCOUNT_HIJACKING")
            }
            (Reason::Spam, GroundKind::Illegal) => alone("STATEMENT_CATEGORY_SCAMS_AND_FRAUD"),
            (Reason::Illegal, _) | (_, GroundKind::Illegal) => alone("STATEMENT_CATEGORY_NOT_SPECIFIED_NOTICE"),
            (Reason::Spam | Reason::Other, GroundKind::Incompatible) => alone("STATEMENT_CATEGORY_OTHER_VIOLATION_TC"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_territory_is_of_countries_of_the_eea() {
        assert_eq!(territory("EU").unwrap().len(), 27);
        assert_eq!(territory("EEA").unwrap().len(), 30);
        assert_eq!(territory("DE,AT,DE").unwrap(), ["AT", "DE"]);
        for wrong in ["", "de", "DE,", "US", "DE AT", "EU,US"] {
            assert!(territory(wrong).is_err(), "{wrong}");
        }
    }
}
