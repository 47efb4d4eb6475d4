//! The posts of a request in JSON.

use std::borrow::Cow;

use axum::body::Bytes;
use quotapass_circuits::formats::wire::decode_text;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::OwnedPost;

/// A post as `quotapass post` writes it. It has either `message` or `message_hex`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostBody {
    /// The scope's name.
    scope: String,
    /// The message, if it is text.
    message: Option<String>,
    /// The message's bytes in hexadecimal, if the message is not text.
    message_hex: Option<String>,
    /// The pass in base64url without padding: 246 bytes, or with records at most 1,371.
    pass: String,
    /// The author's note about the keys, for people; the relay ignores it.
    #[allow(dead_code, reason = "is accepted and ignored")]
    keys: Option<String>,
}

/// One post, or many.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "describes the requests that `Posts` reads")]
pub(super) enum VerifyBody {
    /// One post.
    One(PostBody),
    /// Many posts.
    Many {
        /// The posts, verified in this order. One that cannot be read gets the verdict `malformed`, and does not affect
        /// the others.
        posts: Vec<PostBody>,
    },
}

/// The posts of a request. Many posts are read one by one.
#[derive(Deserialize)]
#[serde(try_from = "VerifyFields")]
pub(super) enum Posts {
    One(PostBody),
    Many(Vec<Box<RawValue>>),
}

/// The fields of both forms. A derived untagged enum would not report the position of an error.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyFields {
    posts: Option<Vec<Box<RawValue>>>,
    scope: Option<String>,
    message: Option<String>,
    message_hex: Option<String>,
    pass: Option<String>,
    keys: Option<String>,
}

impl TryFrom<VerifyFields> for Posts {
    type Error = &'static str;

    fn try_from(fields: VerifyFields) -> Result<Self, &'static str> {
        match fields {
            VerifyFields {
                posts: Some(posts),
                scope: None,
                message: None,
                message_hex: None,
                pass: None,
                keys: None,
            } => Ok(Self::Many(posts)),
            VerifyFields { posts: None, scope: Some(scope), message, message_hex, pass: Some(pass), keys } => {
                Ok(Self::One(PostBody { scope, message, message_hex, pass, keys }))
            }
            _ => Err("expected either `posts`, or the `scope`, `message` and `pass` of one post"),
        }
    }
}

impl PostBody {
    /// # Errors
    /// The reason if it has no message, or two, or invalid hexadecimal. An invalid pass is not an error here: the verdict
    /// reports it.
    pub(super) fn into_post(self) -> Result<OwnedPost, &'static str> {
        let message = match (self.message, self.message_hex) {
            (Some(text), None) => Bytes::from(text),
            (None, Some(digits)) => {
                hex::decode(digits).map(Bytes::from).map_err(|_| "`message_hex` is not hexadecimal")?
            }
            (None, None) => return Err("the post has no message: give `message`, or `message_hex` if it is not text"),
            (Some(_), Some(_)) => return Err("the post has two messages: give either `message` or `message_hex`"),
        };
        let pass = decode_text(&self.pass).map(Bytes::from).map_err(Into::into);
        Ok(OwnedPost { scope: self.scope, message, pass })
    }
}

/// The field of a post by which an unreadable one is counted.
#[derive(Deserialize)]
struct ScopeField {
    scope: String,
}

/// Reads one of many posts. One that cannot be read gets its own verdict.
pub(super) fn read_item(item: &RawValue) -> OwnedPost {
    let read = serde_json::from_str::<PostBody>(item.get()).map_err(|error| match error.is_syntax() {
        true => "a string of the post is not Unicode text; send a message that is not text as `message_hex`",
        false => "the item is not a post; see /openapi.json",
    });
    read.and_then(PostBody::into_post).unwrap_or_else(|reason| {
        let scope = serde_json::from_str::<ScopeField>(item.get()).map_or_else(|_| String::new(), |field| field.scope);
        OwnedPost::unreadable(scope, reason)
    })
}

/// Replaces bytes that are not UTF-8 by half of a surrogate pair, which is no text either. Without this, the JSON of a
/// whole request could not be read because one post has such bytes.
pub(super) fn as_text(bytes: &[u8]) -> Cow<'_, [u8]> {
    if core::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut text = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            text.extend_from_slice(b"\\ud800");
        }
    }
    Cow::Owned(text)
}
