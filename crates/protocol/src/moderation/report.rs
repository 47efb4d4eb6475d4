//! Reports of posts.

use std::borrow::Cow;

use quotapass_circuits::{moderation::Action, proof::PROOF_BYTES, share::Nullifier, time::UnixSeconds};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    ReportScope,
    formats::{base64url, digits, moment, some_base64url},
};

/// The longest body of a report in bytes: 64 KiB.
pub const MAX_REPORT_BODY: usize = 64 * 1024;

/// Why something was reported or moderated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 10] = [
        Self::Spam,
        Self::Malware,
        Self::Harassment,
        Self::Hate,
        Self::Nudity,
        Self::Violence,
        Self::Csam,
        Self::Impersonation,
        Self::Illegal,
        Self::Other,
    ];

    /// Returns the stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Malware => "malware",
            Self::Harassment => "harassment",
            Self::Hate => "hate",
            Self::Nudity => "nudity",
            Self::Violence => "violence",
            Self::Csam => "csam",
            Self::Impersonation => "impersonation",
            Self::Illegal => "illegal",
            Self::Other => "other",
        }
    }

    /// Returns the reason of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

/// The body of `POST /v1/report`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportRequest {
    /// The name of the scope of the reported post.
    pub scope: String,
    /// The nullifier of the reported post.
    #[serde(with = "digits")]
    pub nullifier: Nullifier,
    /// The report's own pass, in the scope of the [reports](ReportScope) of that post.
    #[serde(with = "base64url")]
    pub pass: Vec<u8>,
    /// The reporter's time, which the proof binds.
    #[serde(with = "moment")]
    pub time: UnixSeconds,
    /// The body: the JSON of a [`ReportBody`], encrypted with age to the scope's recipients, or in clear and without
    /// comment, message and pass where the scope has no recipients. At most [`MAX_REPORT_BODY`] bytes.
    #[serde(with = "base64url")]
    pub body: Vec<u8>,
    /// The proof of the statement `author` about the entry of the report's own pass, which binds the body to the pass:
    /// base64url of 128 bytes.
    #[serde(with = "base64url")]
    pub proof: [u8; PROOF_BYTES],
}

/// Reasons why a report is refused before anything is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The body is too long.
    #[error("the body of a report has at most {MAX_REPORT_BODY} bytes, this one has {0}; shorten the comment")]
    Long(usize),
    /// The message is stated twice.
    #[error("a report states its message as text or as digits, not both; leave one out")]
    TwoMessages,
    /// The digits of the message are not hexadecimal.
    #[error("message_hex has an odd number of digits, or text that is not lower-case hexadecimal")]
    NotHex,
}

impl ReportRequest {
    /// Returns the scope of the report.
    pub fn report_scope(&self) -> ReportScope {
        ReportScope { scope: self.scope.clone(), nullifier: self.nullifier }
    }

    /// Returns the action that the proof binds: the SHA-256 of the body.
    ///
    /// # Errors
    /// [`ReportError::Long`].
    pub fn action(&self) -> Result<Action, ReportError> {
        if self.body.len() > MAX_REPORT_BODY {
            return Err(ReportError::Long(self.body.len()));
        }
        Ok(Action::Report(Sha256::digest(&self.body).into()))
    }
}

/// What a report says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportBody {
    /// The reason.
    pub reason: Reason,
    /// Words to the moderators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The reported message, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The reported message as hexadecimal digits, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hex: Option<String>,
    /// The reported pass.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_base64url")]
    pub pass: Option<Vec<u8>>,
}

impl ReportBody {
    /// Returns a report with a reason alone, which needs no encryption.
    pub fn of(reason: Reason) -> Self {
        Self { reason, comment: None, message: None, message_hex: None, pass: None }
    }

    /// Returns the same report with the reported message.
    #[must_use]
    pub fn with_message(self, message: &[u8]) -> Self {
        match core::str::from_utf8(message) {
            Ok(text) => Self { message: Some(text.into()), message_hex: None, ..self },
            Err(_) => Self { message: None, message_hex: Some(hex::encode(message)), ..self },
        }
    }

    /// Returns whether the report has a reason alone. Everything else is for moderators' eyes, and is encrypted.
    pub fn is_reason_alone(&self) -> bool {
        *self == Self::of(self.reason)
    }

    /// Returns the bytes of the reported message, if the report has it.
    ///
    /// # Errors
    /// [`ReportError`] if it is stated twice, or its digits are not hexadecimal.
    pub fn message_bytes(&self) -> Result<Option<Cow<'_, [u8]>>, ReportError> {
        message_bytes(self.message.as_deref(), self.message_hex.as_deref())
    }
}

/// Returns the bytes of a message that is stated as text or as digits.
pub(super) fn message_bytes<'a>(
    text: Option<&'a str>,
    digits: Option<&str>,
) -> Result<Option<Cow<'a, [u8]>>, ReportError> {
    match (text, digits) {
        (Some(_), Some(_)) => Err(ReportError::TwoMessages),
        (Some(text), None) => Ok(Some(Cow::Borrowed(text.as_bytes()))),
        (None, Some(digits)) => {
            let bytes = hex::decode(digits).ok().filter(|bytes| hex::encode(bytes) == digits);
            bytes.map(|bytes| Some(Cow::Owned(bytes))).ok_or(ReportError::NotHex)
        }
        (None, None) => Ok(None),
    }
}
