//! Requests of authors about their own posts.

use quotapass_circuits::{
    moderation::{Action, ActionError, Appeal, Entry},
    proof::PROOF_BYTES,
    share::{Nullifier, ShareValue},
    signal::SignalHash,
    time::UnixSeconds,
};
use serde::{Deserialize, Serialize};

use crate::formats::{base64url, digits, moment};

/// The entry of an accepted post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    /// The signal hash; never zero.
    #[serde(with = "digits")]
    pub x: SignalHash,
    /// The ordinate of the share.
    #[serde(with = "digits")]
    pub y: ShareValue,
    /// The nullifier.
    #[serde(with = "digits")]
    pub nullifier: Nullifier,
}

impl From<Entry> for EntryBody {
    fn from(Entry { x, y, nullifier }: Entry) -> Self {
        Self { x, y, nullifier }
    }
}

impl From<EntryBody> for Entry {
    fn from(EntryBody { x, y, nullifier }: EntryBody) -> Self {
        Self { x, y, nullifier }
    }
}

/// What an author asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorKind {
    /// The deletion of the post.
    Delete,
    /// The end of the strike that lists the post.
    Appeal,
}

/// The body of `POST /v1/author`: the author of a post deletes it, or appeals against its strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorRequest {
    /// The name of the post's scope.
    pub scope: String,
    /// The post.
    pub entry: EntryBody,
    /// The author's time. It must exceed the time of the last action that was accepted for this post.
    #[serde(with = "moment")]
    pub time: UnixSeconds,
    /// What the author asks for.
    pub kind: AuthorKind,
    /// The text of an appeal; absent for a deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The proof of the statement `author`: base64url of 128 bytes.
    #[serde(with = "base64url")]
    pub proof: [u8; PROOF_BYTES],
}

/// Reasons why a request states no action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorRequestError {
    /// An appeal has no text.
    #[error("an appeal needs a text; say why the strike should end")]
    NoText,
    /// A deletion has a text.
    #[error("a deletion has no text; leave it out")]
    Text,
    /// The text is too long.
    #[error(transparent)]
    Action(#[from] ActionError),
}

impl AuthorRequest {
    /// Returns the action that the proof binds.
    ///
    /// # Errors
    /// [`AuthorRequestError`] if the text does not fit the kind.
    pub fn action(&self) -> Result<Action, AuthorRequestError> {
        match (self.kind, &self.text) {
            (AuthorKind::Delete, None) => Ok(Action::Delete),
            (AuthorKind::Delete, Some(_)) => Err(AuthorRequestError::Text),
            (AuthorKind::Appeal, Some(text)) => Ok(Action::Appeal(Appeal::new(text.as_str())?)),
            (AuthorKind::Appeal, None) => Err(AuthorRequestError::NoText),
        }
    }
}

/// The answer to a request that was carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionAnswer {
    /// What became of the request.
    pub result: ActionResult,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionResult {
    /// It was carried out.
    Accepted,
    /// It had been carried out before, and nothing changed.
    Repeated,
}
