//! Passes of messages, with or without records.

use quotapass_circuits::formats::{
    recorded::{ListRecords, RecordedPass, RecordsError},
    wire::{DecodeError, PassKind, PostPass, decode_text},
};

/// The pass of a message: a post, and in a scope with lists the records of its author.
#[derive(Clone, Debug, PartialEq)]
pub enum MessagePass {
    /// A post alone (kind 1), in scopes without lists.
    Post(PostPass),
    /// A post with records (kind 3), in scopes with lists.
    Recorded(RecordedPass),
}

impl MessagePass {
    /// Returns the pass of a post with the records for each list of its scope, in their order. Without lists it is the
    /// post alone.
    ///
    /// # Errors
    /// [`RecordsError`] if there are more records than a pass has room for.
    pub fn new(post: PostPass, lists: Vec<ListRecords>) -> Result<Self, RecordsError> {
        if lists.is_empty() { Ok(Self::Post(post)) } else { RecordedPass::new(post, lists).map(Self::Recorded) }
    }

    /// The post.
    pub fn post(&self) -> &PostPass {
        match self {
            Self::Post(post) => post,
            Self::Recorded(pass) => &pass.post,
        }
    }

    /// The records for each list, in the order of the scope's policy.
    pub fn records(&self) -> &[ListRecords] {
        match self {
            Self::Post(_) => &[],
            Self::Recorded(pass) => pass.lists(),
        }
    }

    /// The bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Post(post) => post.to_bytes().to_vec(),
            Self::Recorded(pass) => pass.to_bytes(),
        }
    }

    /// Reads the bytes of a post with or without records.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        match PassKind::of(bytes)? {
            PassKind::Recorded => RecordedPass::from_bytes(bytes).map(Self::Recorded),
            _ => PostPass::from_bytes(bytes).map(Self::Post),
        }
    }

    /// The text form: base64url without padding.
    pub fn to_text(&self) -> String {
        match self {
            Self::Post(post) => post.to_text(),
            Self::Recorded(pass) => pass.to_text(),
        }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn from_text(text: &str) -> Result<Self, DecodeError> {
        Self::from_bytes(&decode_text(text)?)
    }
}

impl From<PostPass> for MessagePass {
    fn from(post: PostPass) -> Self {
        Self::Post(post)
    }
}
