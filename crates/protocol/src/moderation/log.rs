//! Requests about the logs that a relay hosts and follows.

use std::borrow::Cow;

use quotapass_circuits::time::UnixSeconds;
use serde::{Deserialize, Serialize};

use super::{ReportError, report::message_bytes};
use crate::{
    LogIdentity,
    formats::{decimal, digits, moment, some_base64url},
};

/// The answer to `GET /v1/moderation`: the logs that a relay serves. It is for discovery, and nothing in it is to be
/// trusted: the keys of logs and witnesses come with the address of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogsAnswer {
    /// The logs.
    pub logs: Vec<LogBody>,
}

/// A log that a relay serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogBody {
    /// The log's identity.
    pub log: LogIdentity,
    /// The log's origin.
    pub origin: String,
    /// The log's root key, as a C2SP verifier key.
    pub root_key: String,
    /// Whether the relay's operator writes the log; otherwise it is a mirror.
    pub own: bool,
    /// The number of entries in the newest checkpoint.
    #[serde(with = "decimal")]
    pub size: u64,
    /// The tree's root in the newest checkpoint.
    #[serde(with = "digits")]
    pub root: [u8; 32],
    /// The time of the newest checkpoint.
    #[serde(with = "moment")]
    pub at: UnixSeconds,
    /// The key with which this relay cosigns the log; absent if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness_key: Option<String>,
}

/// The body of `POST /v1/moderation/<log>/entries`. The leaf authenticates itself by its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryRequest {
    /// The signed leaf.
    pub leaf: String,
    /// The text of a strike with its salt, which lies beside the log: base64url.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_base64url")]
    pub text: Option<Vec<u8>>,
    /// The message that the moderators saw, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The message that the moderators saw as hexadecimal digits, if it is not UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_hex: Option<String>,
    /// Why the message is withheld, for example because the law forbids to hold it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
}

impl EntryRequest {
    /// Returns the bytes of the message that the moderators saw, if it is stated.
    ///
    /// # Errors
    /// [`ReportError`] if it is stated twice, or its digits are not hexadecimal.
    pub fn message_bytes(&self) -> Result<Option<Cow<'_, [u8]>>, ReportError> {
        message_bytes(self.message.as_deref(), self.message_hex.as_deref())
    }
}

/// The answer to an entry that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryAnswer {
    /// The entry's index in the log.
    #[serde(with = "decimal")]
    pub index: u64,
}
