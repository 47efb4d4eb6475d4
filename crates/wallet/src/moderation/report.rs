//! Reports of posts.

use quotapass_circuits::{
    membership::Membership,
    moderation::{Action, Entry, author::Author},
    post::Post,
    prover::{Prover, RecordProvers},
    share::Nullifier,
    signal::{SignalHash, ZeroSignal},
};
use quotapass_protocol::{
    ReportScope, UnixSeconds,
    moderation::{MAX_REPORT_BODY, Reason, ReportBody, ReportRequest},
};
use rand::{CryptoRng, RngCore};
use sha2::{Digest, Sha256};

use super::{AuthorError, CurrentList, author::prove_action};
use crate::{BoundPolicy, BoundPolicyError, Poster, PosterError, ledger::Reservation};

/// Errors of reports.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MakeReportError {
    /// The post is itself a report.
    #[error("a report cannot be reported; moderators can strike its author")]
    OfReport,
    /// The scope has no recipients, so that nothing but a reason may be said.
    #[error("`{0}` has no recipients for reports, so a comment would be public; report with a reason alone")]
    NoRecipients(String),
    /// The scope has recipients, and the body is not encrypted.
    #[error("reports in `{0}` are encrypted to its recipients; encrypt the body with age")]
    NotEncrypted(String),
    /// The message would be sent on.
    #[error(
        "a report of this reason has the pass and no content: do not send the message on, and report it to the authority \
         of your country too"
    )]
    Content,
    /// The body is too long.
    #[error("the body of a report has at most {MAX_REPORT_BODY} bytes, this one has {0}; shorten the comment")]
    Long(usize),
    /// A recipient of the scope cannot be encrypted to.
    #[error("`{recipient}`, to whom reports in this scope are encrypted, is not a recipient of age: {reason}")]
    Recipient {
        /// The recipient.
        recipient: String,
        /// What is wrong.
        reason: String,
    },
    /// The body cannot be encrypted.
    #[error("the body of the report cannot be encrypted: {0}")]
    Encrypt(String),
    /// The scope takes no reports, or the policy is not valid.
    #[error(transparent)]
    Policy(#[from] BoundPolicyError),
    /// The report's pass cannot be made.
    #[error(transparent)]
    Post(#[from] PosterError),
    /// The report's scope has no signal.
    #[error(transparent)]
    Signal(#[from] ZeroSignal),
    /// The proof that binds the body cannot be made.
    #[error(transparent)]
    Author(#[from] AuthorError),
}

/// The body of a report in the form in which it is sent to a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportBytes {
    scope: String,
    bytes: Vec<u8>,
}

/// Checks what a scope takes. Returns whether it has recipients.
fn check(policy: &BoundPolicy, body: &ReportBody) -> Result<bool, MakeReportError> {
    let name = || policy.values().name.clone();
    // The attack: a member who is asked to report such material is made to possess and to send it.
    if body.reason == Reason::Csam && (body.message.is_some() || body.message_hex.is_some()) {
        return Err(MakeReportError::Content);
    }
    let has_recipients =
        policy.values().moderation.as_ref().is_some_and(|moderation| !moderation.report_recipients.is_empty());
    if has_recipients || body.is_reason_alone() {
        Ok(has_recipients)
    } else {
        Err(MakeReportError::NoRecipients(name()))
    }
}

/// Writes a body as JSON.
fn json(body: &ReportBody) -> Result<Vec<u8>, MakeReportError> {
    serde_json::to_vec(body).map_err(|error| MakeReportError::Encrypt(error.to_string()))
}

impl ReportBytes {
    fn new(policy: &BoundPolicy, bytes: Vec<u8>) -> Result<Self, MakeReportError> {
        if bytes.len() > MAX_REPORT_BODY {
            return Err(MakeReportError::Long(bytes.len()));
        }
        Ok(Self { scope: policy.values().name.clone(), bytes })
    }

    /// Returns a reason alone, for a scope without recipients.
    ///
    /// # Errors
    /// [`MakeReportError::NoRecipients`] if the body has more than a reason, [`MakeReportError::NotEncrypted`] if the scope
    /// has recipients.
    pub fn clear(policy: &BoundPolicy, body: &ReportBody) -> Result<Self, MakeReportError> {
        match check(policy, body)? {
            true => Err(MakeReportError::NotEncrypted(policy.values().name.clone())),
            false => Self::new(policy, json(body)?),
        }
    }

    /// Takes a body that another library has encrypted with age to all recipients of the scope. Its content is not seen
    /// here, so that the caller must keep the rule about the reason `csam`.
    ///
    /// # Errors
    /// [`MakeReportError::NotEncrypted`] if the bytes are not in age's binary form, or the scope has no recipients.
    pub fn encrypted(policy: &BoundPolicy, bytes: Vec<u8>) -> Result<Self, MakeReportError> {
        let has_recipients = check(policy, &ReportBody::of(Reason::Other))?;
        match has_recipients && bytes.starts_with(b"age-encryption.org/v1\n") {
            true => Self::new(policy, bytes),
            false => Err(MakeReportError::NotEncrypted(policy.values().name.clone())),
        }
    }

    /// Returns a body for a scope: encrypted to its recipients, or a reason alone where it has none.
    ///
    /// # Errors
    /// [`MakeReportError`].
    #[cfg(feature = "reports")]
    pub fn of(policy: &BoundPolicy, body: &ReportBody) -> Result<Self, MakeReportError> {
        if !check(policy, body)? {
            return Self::clear(policy, body);
        }
        let recipients = policy.values().moderation.iter().flat_map(|moderation| &moderation.report_recipients);
        Self::new(policy, encrypt(&json(body)?, recipients)?)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Encrypts to all recipients, in age's binary form.
#[cfg(feature = "reports")]
fn encrypt<'a>(body: &[u8], recipients: impl Iterator<Item = &'a String>) -> Result<Vec<u8>, MakeReportError> {
    use std::io::Write;

    let parse = |text: &String| {
        text.parse::<age::x25519::Recipient>()
            .map_err(|reason| MakeReportError::Recipient { recipient: text.clone(), reason: reason.into() })
    };
    let recipients = recipients.map(parse).collect::<Result<Vec<_>, _>>()?;
    let failed = |error: &dyn core::fmt::Display| MakeReportError::Encrypt(error.to_string());
    let encryptor =
        age::Encryptor::with_recipients(recipients.iter().map(|recipient| recipient as &dyn age::Recipient))
            .map_err(|error| failed(&error))?;
    let mut sealed = Vec::new();
    let mut writer = encryptor.wrap_output(&mut sealed).map_err(|error| failed(&error))?;
    writer.write_all(body).map_err(|error| failed(&error))?;
    writer.finish().map_err(|error| failed(&error))?;
    Ok(sealed)
}

/// The provers of a report.
#[derive(Clone, Copy)]
pub struct ReportProvers<'a> {
    /// The report is a post.
    pub posts: &'a Prover<Post>,
    /// Its author binds the body to it.
    pub authors: &'a Prover<Author>,
    /// Its author is not struck; needed if the scope has lists.
    pub records: Option<&'a RecordProvers>,
}

/// Makes a report of a post: a post in the scope of its reports, and a proof that its author says this.
///
/// It needs no ledger. The message of a report is the reported nullifier, and the message id is 0 on every device, so that
/// a second report of one member has the share of the first: it is a replay, whatever it says. The body is not in the
/// share: in it a second, other body would be an offence that costs the deposit.
///
/// `policy` is that of the reported post's scope. The requirement is its lowest stake level, and the lists are its own.
///
/// # Errors
/// [`MakeReportError`].
#[allow(clippy::too_many_arguments, reason = "one for each part of the statement")]
pub fn make_report(
    provers: ReportProvers<'_>,
    policy: &BoundPolicy,
    membership: Membership<'_>,
    lists: &[CurrentList],
    reported: Nullifier,
    body: &ReportBytes,
    now: UnixSeconds,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<ReportRequest, MakeReportError> {
    let bound = report_policy(policy, reported)?;
    let name = &policy.values().name;
    if body.scope != *name {
        return Err(MakeReportError::NotEncrypted(name.clone()));
    }
    let secret = membership.secret;
    let report = ReportScope { scope: name.clone(), nullifier: reported };
    let scope = bound.scope();
    let mut poster = Poster::new(provers.posts, bound, membership, now)?;
    if let Some(records) = provers.records {
        poster.set_lists(records, lists, |_| {})?;
    }
    poster.ready(now)?;
    let epoch = poster.policy().values().epoch_at(now);
    let message = report.message();
    let reservation = Reservation::of_report(epoch, SignalHash::new(scope, epoch, &message)?);
    let pass = poster.prove(reservation, &message, rng)?;
    let entry = Entry::of(&pass.post().public(scope, &message)?);
    let action = Action::Report(Sha256::digest(&body.bytes).into()).hash(scope, now);
    let proof = prove_action(provers.authors, secret, entry, action, rng)?;
    Ok(ReportRequest {
        scope: name.clone(),
        nullifier: reported,
        pass: pass.to_bytes(),
        time: now,
        body: body.bytes.clone(),
        proof,
    })
}

/// Returns the policy of the reports of a post of this scope.
///
/// # Errors
/// [`BoundPolicyError::NoReports`] if the scope takes none, [`MakeReportError::OfReport`].
pub fn report_policy(policy: &BoundPolicy, reported: Nullifier) -> Result<BoundPolicy, MakeReportError> {
    match policy.values().is_for_reports() {
        true => Err(MakeReportError::OfReport),
        false => Ok(policy.for_report(reported)?),
    }
}
