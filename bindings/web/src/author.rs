//! What a member says about posts: deletions and appeals of the own ones, and reports of those of others.

use quotapass_circuits::{
    membership,
    moderation::{Appeal, author::Author},
    prover::{Prover as KeyedProver, RecordProvers},
    share::Nullifier,
};
use quotapass_protocol::{ReportScope, moderation::ReportBody};
use quotapass_wallet::{
    BoundPolicy,
    moderation::{AuthorAction, MakeReportError, ReportBytes, ReportProvers, make_report, prove_author, report_policy},
};
use rand::rngs::OsRng;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Account, Lists, Membership, Prover, argument, error::Failure, lists, to_json};

#[wasm_bindgen]
impl Prover {
    /// Proves that a post is an account's own and that its author deletes it, or appeals against its strike if there is a
    /// text. `scope` is the name of the post's scope: the room's, or that of a report in the room. Returns the body of
    /// `POST /v1/author`.
    ///
    /// # Errors
    /// `not_the_author`, `no_key`, `invalid_argument`.
    pub fn author(
        &self,
        account: &Account,
        room: &str,
        scope: &str,
        entry: &str,
        text: Option<String>,
        now: f64,
    ) -> Result<String, Failure> {
        let policy = of_scope(argument::policy(room)?, scope)?;
        if *policy.registry() != account.registry {
            return Err(Failure::OtherRegistry);
        }
        let asked = match text {
            None => AuthorAction::Delete,
            Some(text) => {
                AuthorAction::Appeal(Appeal::new(text).map_err(|error| Failure::argument(error.to_string()))?)
            }
        };
        let (entry, now) = (lists::entry(entry)?, argument::moment(now)?);
        let request = prove_author(self.authors()?, &account.secret, &policy, entry, asked, now, &mut OsRng)?;
        Ok(to_json(&serde_json::json!(request)))
    }

    /// Reports a post of a room: `body` is the one of [`report_body`], encrypted if that says so. Returns the body of
    /// `POST /v1/report`.
    ///
    /// # Errors
    /// `report_refused` if the room does not take the report; `struck`, `ineligible`, `no_key`, `invalid_argument`,
    /// `lists_missing`, or those of a sync.
    #[allow(clippy::too_many_arguments, reason = "one for each part of the statement")]
    pub fn report(
        &self,
        account: &Account,
        membership: &Membership,
        lists: &Lists,
        room: &str,
        nullifier: &str,
        body: Vec<u8>,
        is_encrypted: bool,
        now: f64,
    ) -> Result<String, Failure> {
        let policy = argument::policy(room)?;
        if *policy.registry() != account.registry {
            return Err(Failure::OtherRegistry);
        }
        let nullifier: Nullifier = argument::field("nullifier", nullifier)?;
        let body = if is_encrypted {
            ReportBytes::encrypted(&policy, body)?
        } else {
            ReportBytes::clear(&policy, &read_body(&body)?)?
        };
        let (member, path) = membership.located()?;
        let membership = membership::Membership { secret: &account.secret, member: &member, path: &path };
        let has_lists = !policy.values().lists().is_empty();
        let records = if has_lists { Some(self.records()?) } else { None };
        let provers = ReportProvers { posts: &self.posts.0, authors: self.authors()?, records: records.as_ref() };
        let (lists, now) = (lists.lists()?, argument::moment(now)?);
        let request = make_report(provers, &policy, membership, lists, nullifier, &body, now, &mut OsRng)?;
        Ok(to_json(&serde_json::json!(request)))
    }
}

impl Prover {
    /// The prover of actions.
    fn authors(&self) -> Result<&KeyedProver<Author>, Failure> {
        self.authors.as_ref().map(|(prover, _)| prover).ok_or(Failure::NoKey("author"))
    }

    /// The provers of records.
    pub(crate) fn records(&self) -> Result<RecordProvers, Failure> {
        let (small, _) = self.records16.as_ref().ok_or(Failure::NoKey("record16"))?;
        Ok(RecordProvers { small: small.clone(), large: self.records128.as_ref().map(|(large, _)| large.clone()) })
    }
}

/// Checks the body of a report, given as JSON, against what a room takes. Returns the bytes to send, and whether they must
/// be encrypted before.
///
/// # Errors
/// `report_refused`, `invalid_argument`.
#[wasm_bindgen(js_name = reportBody)]
pub fn report_body(room: &str, body: &str) -> Result<ReportForm, Failure> {
    let policy = argument::policy(room)?;
    let body = read_body(body.as_bytes())?;
    match ReportBytes::clear(&policy, &body) {
        Ok(bytes) => Ok(ReportForm { bytes: bytes.as_bytes().to_vec(), encrypt: false }),
        // The body was checked before.
        Err(MakeReportError::NotEncrypted(_)) => {
            let bytes = serde_json::to_vec(&body).map_err(|error| Failure::argument(error.to_string()))?;
            Ok(ReportForm { bytes, encrypt: true })
        }
        Err(error) => Err(error.into()),
    }
}

/// The body of a report.
#[wasm_bindgen]
pub struct ReportForm {
    bytes: Vec<u8>,
    encrypt: bool,
}

#[wasm_bindgen]
impl ReportForm {
    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// Whether they must be encrypted to the room's recipients.
    pub fn encrypt(&self) -> bool {
        self.encrypt
    }
}

fn read_body(json: &[u8]) -> Result<ReportBody, Failure> {
    serde_json::from_slice(json).map_err(|error| Failure::argument(format!("the report is not valid: {error}")))
}

/// Returns the policy of a scope: the room's own, or that of the reports of a post in the room.
fn of_scope(room: BoundPolicy, scope: &str) -> Result<BoundPolicy, Failure> {
    if room.values().name == scope {
        return Ok(room);
    }
    match scope.parse::<ReportScope>() {
        Ok(report) if report.scope == room.values().name => Ok(report_policy(&room, report.nullifier)?),
        _ => Err(Failure::argument(format!("`{scope}` is neither the room's scope nor that of a report in the room"))),
    }
}
