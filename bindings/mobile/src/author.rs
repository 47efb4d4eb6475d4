//! What a member says about posts: deletions and appeals of the own ones, and reports of those of others.

use std::sync::Arc;

use quotapass_circuits::{
    membership,
    moderation::{Appeal, Entry},
    share::{Nullifier, ShareValue},
    signal::SignalHash,
};
use quotapass_protocol::{
    ReportScope, UnixSeconds,
    moderation::{AuthorRequest, ReportBody, ReportRequest},
};
use quotapass_wallet::{
    BoundPolicy,
    moderation::{
        AuthorAction, AuthorError, MakeReportError, ReportBytes, ReportProvers, make_report, prove_author,
        report_policy,
    },
};
use rand::rngs::OsRng;

use crate::{
    Account, CancelToken, Circuit, Lists, Membership, Prover, QuotapassError, Room,
    prepared::together,
    progress::{Progress, Step},
    text::field,
};

/// What others see of a post. Its author needs it to delete the post, or to appeal.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PostEntry {
    /// The hash of the message.
    pub x: String,
    /// The share's ordinate.
    pub y: String,
    /// The nullifier.
    pub nullifier: String,
}

impl From<Entry> for PostEntry {
    fn from(Entry { x, y, nullifier }: Entry) -> Self {
        Self { x: x.to_string(), y: y.to_string(), nullifier: nullifier.to_string() }
    }
}

impl PostEntry {
    fn read(&self) -> Result<Entry, QuotapassError> {
        let x: SignalHash = field("entry.x", &self.x)?;
        let y: ShareValue = field("entry.y", &self.y)?;
        let nullifier: Nullifier = field("entry.nullifier", &self.nullifier)?;
        Ok(Entry { x, y, nullifier })
    }
}

/// A reason to report or to strike a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Reason {
    Spam,
    Malware,
    Harassment,
    Hate,
    Nudity,
    Violence,
    Csam,
    Impersonation,
    Illegal,
    Other,
}

impl From<quotapass_protocol::moderation::Reason> for Reason {
    fn from(reason: quotapass_protocol::moderation::Reason) -> Self {
        use quotapass_protocol::moderation::Reason as Stated;

        match reason {
            Stated::Spam => Self::Spam,
            Stated::Malware => Self::Malware,
            Stated::Harassment => Self::Harassment,
            Stated::Hate => Self::Hate,
            Stated::Nudity => Self::Nudity,
            Stated::Violence => Self::Violence,
            Stated::Csam => Self::Csam,
            Stated::Impersonation => Self::Impersonation,
            Stated::Illegal => Self::Illegal,
            Stated::Other => Self::Other,
        }
    }
}

impl From<Reason> for quotapass_protocol::moderation::Reason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Spam => Self::Spam,
            Reason::Malware => Self::Malware,
            Reason::Harassment => Self::Harassment,
            Reason::Hate => Self::Hate,
            Reason::Nudity => Self::Nudity,
            Reason::Violence => Self::Violence,
            Reason::Csam => Self::Csam,
            Reason::Impersonation => Self::Impersonation,
            Reason::Illegal => Self::Illegal,
            Reason::Other => Self::Other,
        }
    }
}

/// What a report says. In a room with recipients all of it is encrypted to them; a room without takes a reason alone.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Report {
    /// The reason.
    pub reason: Reason,
    /// Words to the moderators.
    #[uniffi(default = None)]
    pub comment: Option<String>,
    /// The reported message. Not for the reason `Csam`: the report then has the pass alone, so that no such content is sent
    /// on.
    #[uniffi(default = None)]
    pub message: Option<Vec<u8>>,
    /// The reported pass.
    #[uniffi(default = None)]
    pub pass: Option<Vec<u8>>,
}

#[uniffi::export]
impl Prover {
    /// Proves at `now` (Unix seconds) that a post is the account's own and that its author deletes it. Returns the JSON body
    /// of `POST /v1/author` at the relay that accepted the post. A deletion is final. Nothing shows which member wrote the
    /// post, or links it to other posts.
    ///
    /// # Errors
    /// `NotTheAuthor` for a post of another account, `KeyNeeded` without the key of `author`, `Mismatch` if account and room
    /// are at different registries, `BadInput`, `Closed` if the account was wiped, `Cancelled`.
    #[uniffi::method(default(token = None))]
    pub fn deletion(
        &self,
        account: &Account,
        room: &Room,
        entry: PostEntry,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<String, QuotapassError> {
        self.author(account, room.bound_policy(), &entry, AuthorAction::Delete, now, token)
    }

    /// Appeals at `now` (Unix seconds) against a strike of a post, with a text of at most 4,000 bytes in UTF-8. Returns the
    /// JSON body of `POST /v1/author` at one of the strike's servers. `scope` is that of the strike's facts: the room's, or
    /// that of a report in the room.
    ///
    /// # Errors
    /// As `deletion`.
    #[uniffi::method(default(token = None))]
    #[allow(clippy::too_many_arguments, reason = "the parts of one statement")]
    pub fn appeal(
        &self,
        account: &Account,
        room: &Room,
        scope: String,
        entry: PostEntry,
        text: String,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<String, QuotapassError> {
        let appeal = Appeal::new(text).map_err(|error| QuotapassError::bad_input("text", error))?;
        self.author(account, &of_scope(room, &scope)?, &entry, AuthorAction::Appeal(appeal), now, token)
    }

    /// Reports a post by its nullifier at `now` (Unix seconds). Returns the JSON body of `POST /v1/report` at the relay that
    /// accepted the post. A member reports a post at most once, and needs no ledger for it. In a room with lists, pass them.
    ///
    /// # Errors
    /// `ReportRefused` if the room does not take the report, `Struck`, `KeyNeeded`, `ListsMissing`; otherwise as `prepare`.
    #[uniffi::method(default(lists = None, token = None))]
    #[allow(clippy::too_many_arguments, reason = "the parts of one statement")]
    pub fn report(
        &self,
        account: &Account,
        membership: &Membership,
        room: &Room,
        nullifier: String,
        report: Report,
        now: u64,
        lists: Option<Arc<Lists>>,
        token: Option<Arc<CancelToken>>,
    ) -> Result<String, QuotapassError> {
        let progress = Progress::of(token);
        let (secret, member, path) = together(account, membership, room)?;
        let nullifier: Nullifier = field("nullifier", &nullifier)?;
        let policy = room.bound_policy();
        let body = ReportBytes::of(policy, &body(report))?;
        let current = match &lists {
            Some(lists) => {
                lists.require_for(room)?;
                lists.check(account, &progress)?;
                lists.current()?
            }
            None if policy.values().lists().is_empty() => Vec::new(),
            None => return Err(QuotapassError::lists_missing()),
        };
        let records = if current.is_empty() { None } else { Some(self.records(&current)?) };
        let own = membership::Membership { secret: &secret, member: &member, path: &path };
        let (posts, authors) = (self.post(), self.authors()?);
        progress.begin(Step::Prove)?;
        let provers = ReportProvers { posts: &posts, authors: &authors, records: records.as_ref() };
        let now = UnixSeconds(now);
        let request: ReportRequest = make_report(provers, policy, own, &current, nullifier, &body, now, &mut OsRng)?;
        json(&request)
    }
}

impl Prover {
    fn author(
        &self,
        account: &Account,
        policy: &BoundPolicy,
        entry: &PostEntry,
        asked: AuthorAction,
        now: u64,
        token: Option<Arc<CancelToken>>,
    ) -> Result<String, QuotapassError> {
        if account.registry_id() != *policy.registry() {
            return Err(QuotapassError::mismatch("account and room are at different registries"));
        }
        let (secret, entry, authors) = (account.secret()?, entry.read()?, self.authors()?);
        Progress::of(token).begin(Step::Prove)?;
        let request: AuthorRequest =
            prove_author(&authors, &secret, policy, entry, asked, UnixSeconds(now), &mut OsRng)?;
        json(&request)
    }
}

fn json(request: &impl serde::Serialize) -> Result<String, QuotapassError> {
    serde_json::to_string(request).map_err(|error| QuotapassError::Prove { reason: error.to_string() })
}

fn body(report: Report) -> ReportBody {
    let Report { reason, comment, message, pass } = report;
    let body = ReportBody { comment, pass, ..ReportBody::of(reason.into()) };
    match message {
        Some(message) => body.with_message(&message),
        None => body,
    }
}

/// The policy of a scope: the room's own, or that of the reports of a post in the room.
fn of_scope(room: &Room, scope: &str) -> Result<BoundPolicy, QuotapassError> {
    let policy = room.bound_policy();
    if policy.values().name == scope {
        return Ok(policy.clone());
    }
    match scope.parse::<ReportScope>() {
        Ok(report) if report.scope == policy.values().name => Ok(report_policy(policy, report.nullifier)?),
        _ => Err(QuotapassError::bad_input("scope", "it is neither the room's scope nor that of a report in the room")),
    }
}

impl From<AuthorError> for QuotapassError {
    fn from(error: AuthorError) -> Self {
        match error {
            AuthorError::NotTheAuthor(error) => Self::NotTheAuthor { reason: error.to_string() },
            AuthorError::Action(error) => Self::bad_input("text", error),
            AuthorError::Prove(error) => error.into(),
            error => Self::Prove { reason: error.to_string() },
        }
    }
}

impl From<MakeReportError> for QuotapassError {
    fn from(error: MakeReportError) -> Self {
        match error {
            MakeReportError::Post(error) => error.into(),
            MakeReportError::Author(error) => error.into(),
            MakeReportError::Policy(error) => error.into(),
            error => Self::ReportRefused { reason: error.to_string() },
        }
    }
}

impl Circuit {
    /// The name, as in the files of keys.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Author => "author",
            Self::Record16 => "record16",
            Self::Record128 => "record128",
        }
    }
}
