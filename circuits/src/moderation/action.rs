//! Actions of the author of a post.

use crate::{
    field::field_type,
    signal::{Scope, hash_to_field},
    time::UnixSeconds,
};

/// Maximum bytes of an appeal's text.
pub const MAX_APPEAL_BYTES: usize = 4_000;

field_type! {
    /// The hash of an action. A proof of [`author`](super::author) is valid for one action.
    ActionHash
}

/// The kinds of actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ActionKind {
    /// Deletes the post.
    Delete = 1,
    /// Appeals against a strike of the post.
    Appeal = 2,
    /// Binds the body of a report, which is itself a post.
    Report = 3,
}

impl ActionKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Delete, Self::Appeal, Self::Report];

    /// The kind's number in the hash of an action.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Appeal => "appeal",
            Self::Report => "report",
        }
    }
}

/// Reasons why bytes are not an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// The kind is unknown.
    #[error("the kind {0} of an action is unknown; the kinds are 1 (delete), 2 (appeal) and 3 (report)")]
    UnknownKind(u8),
    /// A deletion has a body.
    #[error("a deletion has an empty body, this one has {0} bytes")]
    NotEmpty(usize),
    /// The text of an appeal is too long.
    #[error("the text of an appeal has at most {MAX_APPEAL_BYTES} bytes, this one has {0}")]
    AppealTooLong(usize),
    /// The text of an appeal is not UTF-8.
    #[error("the text of an appeal is not UTF-8")]
    NotUtf8,
    /// The body of a report is not a SHA-256 digest.
    #[error("the body of a report's action is a SHA-256 digest of 32 bytes, this one has {0} bytes")]
    NotADigest(usize),
}

/// The text of an appeal: at most 4,000 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appeal(String);

impl Appeal {
    /// Creates an appeal.
    ///
    /// # Errors
    /// [`ActionError::AppealTooLong`].
    pub fn new(text: impl Into<String>) -> Result<Self, ActionError> {
        let text = text.into();
        if text.len() > MAX_APPEAL_BYTES { Err(ActionError::AppealTooLong(text.len())) } else { Ok(Self(text)) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What the author of a post says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// The post is deleted.
    Delete,
    /// A strike of the post is contested, for a reason in words.
    Appeal(Appeal),
    /// The post is a report with this body, given by its SHA-256.
    Report([u8; 32]),
}

impl Action {
    /// Reads an action's kind and body.
    ///
    /// # Errors
    /// [`ActionError`] for an unknown kind, and for a body that the kind does not have.
    pub fn from_parts(kind: u8, body: &[u8]) -> Result<Self, ActionError> {
        match ActionKind::ALL.into_iter().find(|known| known.number() == kind) {
            Some(ActionKind::Delete) if body.is_empty() => Ok(Self::Delete),
            Some(ActionKind::Delete) => Err(ActionError::NotEmpty(body.len())),
            Some(ActionKind::Appeal) if body.len() > MAX_APPEAL_BYTES => Err(ActionError::AppealTooLong(body.len())),
            Some(ActionKind::Appeal) => {
                let text = core::str::from_utf8(body).map_err(|_| ActionError::NotUtf8)?;
                Appeal::new(text).map(Self::Appeal)
            }
            Some(ActionKind::Report) => {
                let digest = body.try_into().map_err(|_| ActionError::NotADigest(body.len()))?;
                Ok(Self::Report(digest))
            }
            None => Err(ActionError::UnknownKind(kind)),
        }
    }

    /// The kind.
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::Delete => ActionKind::Delete,
            Self::Appeal(_) => ActionKind::Appeal,
            Self::Report(_) => ActionKind::Report,
        }
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        match self {
            Self::Delete => &[],
            Self::Appeal(appeal) => appeal.as_str().as_bytes(),
            Self::Report(digest) => digest,
        }
    }

    /// Hashes the action, as the author of a post in a scope states it at a time.
    pub fn hash(&self, scope: Scope, time: UnixSeconds) -> ActionHash {
        ActionHash::from_field(hash_to_field(
            "quotapass.action.v1",
            &[&scope.to_be_bytes(), &time.0.to_be_bytes(), &[self.kind().number()], self.body()],
        ))
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::Fr;

    use super::*;

    #[test]
    fn kind_and_body_return_and_each_fault_is_named() {
        let appeal = Action::Appeal(Appeal::new("é").unwrap());
        for action in [Action::Delete, appeal, Action::Report([7; 32])] {
            assert_eq!(Action::from_parts(action.kind().number(), action.body()), Ok(action));
        }
        for (kind, body, error) in [
            (0, &[][..], ActionError::UnknownKind(0)),
            (4, &[], ActionError::UnknownKind(4)),
            (1, &[0], ActionError::NotEmpty(1)),
            (2, &[b'a'; 4_001], ActionError::AppealTooLong(4_001)),
            (2, &[0xff], ActionError::NotUtf8),
            (3, &[0; 31], ActionError::NotADigest(31)),
            (3, &[0; 33], ActionError::NotADigest(33)),
        ] {
            assert_eq!(Action::from_parts(kind, body), Err(error));
        }
        assert!(Action::from_parts(2, &[b'a'; MAX_APPEAL_BYTES]).is_ok());
        assert_eq!(Appeal::new("a".repeat(4_001)), Err(ActionError::AppealTooLong(4_001)));
    }

    #[test]
    fn every_part_of_an_action_changes_its_hash() {
        let [first, second] = [1, 2].map(|scope| Scope::from_field(Fr::from(scope)));
        let (early, late) = (UnixSeconds(1_795_000_000), UnixSeconds(1_795_000_001));
        let appeal = |text: &str| Action::Appeal(Appeal::new(text).unwrap());
        let hashes = [
            Action::Delete.hash(first, early),
            Action::Delete.hash(second, early),
            Action::Delete.hash(first, late),
            appeal("").hash(first, early),
            appeal("a").hash(first, early),
            Action::Report([0; 32]).hash(first, early),
            Action::Report([1; 32]).hash(first, early),
        ];
        let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
        assert_eq!(distinct.len(), hashes.len());
    }
}
