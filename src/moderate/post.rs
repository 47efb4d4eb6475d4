//! The post that a decision is about: a file of `quotapass post`, or a nullifier of the queue.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{
    formats::{
        recorded::RecordedHead,
        wire::{DecodeError, PassKind, PostHead, decode_text},
    },
    registry_id::RegistryId,
    share::Nullifier,
    signal::{Scope, SignalHash},
};
use quotapass_log::moderation::{Digest, ListedEntry};

use crate::{envelope, failure::usage};

/// The part of a pass that says of which post it is.
pub(super) struct PassHead;

impl PassHead {
    /// Reads the head of a post, or of a post with records. Its proof is not verified: the relay does that.
    pub(super) fn read(pass: &[u8]) -> Result<PostHead, DecodeError> {
        match PassKind::of(pass)? {
            PassKind::Recorded => Ok(RecordedHead::from_bytes(pass)?.post),
            // Says for a badge that it is no post.
            _ => Ok(PostHead::from_bytes(pass)?.0),
        }
    }
}

/// Which post a person names.
#[derive(Clone, Debug)]
pub(super) enum Named {
    /// A post of the queue.
    Nullifier(Nullifier),
    /// A file, or standard input.
    File(PathBuf),
}

/// Reads an argument: 64 hexadecimal digits are a nullifier.
pub(super) fn named(text: &str) -> Result<Named> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    if digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Named::Nullifier(nullifier(text)?));
    }
    Ok(Named::File(text.into()))
}

/// Returns the digits of a nullifier, without `0x`: the form of addresses, logs and exports.
pub(super) fn digits(nullifier: Nullifier) -> String {
    hex::encode(nullifier.to_be_bytes())
}

/// Reads a nullifier.
pub(super) fn nullifier(text: &str) -> Result<Nullifier> {
    let Digest(bytes) =
        text.strip_prefix("0x").unwrap_or(text).parse().context("a nullifier has 64 lower-case hexadecimal digits")?;
    Nullifier::from_be_bytes(&bytes).context("the number is not a nullifier")
}

/// A post, with what is needed to list it.
pub(super) struct Post {
    pub(super) scope: String,
    pub(super) entry: ListedEntry,
    pub(super) head: PostHead,
    pub(super) pass: Vec<u8>,
    /// The message, if it is known.
    pub(super) message: Option<Vec<u8>>,
}

impl Post {
    /// Reads the file of one post.
    pub(super) fn from_file(path: &Path, registry: &RegistryId) -> Result<Self> {
        let mut posts = envelope::read(path)?;
        let (Some(post), true) = (posts.pop(), posts.is_empty()) else {
            bail!(usage(format!("{} has several posts; name a file with the one post", path.display())));
        };
        let pass = decode_text(&post.pass).context("the pass of the post")?;
        let head = PassHead::read(&pass).context("the pass of the post")?;
        let message = post.message()?;
        let x = SignalHash::new(Scope::new(registry, &post.scope), head.epoch, &message)?;
        let entry = ListedEntry { x, y: head.y, nullifier: head.nullifier };
        Ok(Self { scope: post.scope, entry, head, pass, message: Some(message) })
    }

    /// Takes a post of the queue; its pass must be that of its entry.
    pub(super) fn new(scope: String, entry: ListedEntry, pass: Vec<u8>) -> Result<Self> {
        let head = PassHead::read(&pass).context("the pass of the post")?;
        if (head.y, head.nullifier) != (entry.y, entry.nullifier) {
            bail!("the relay shows a pass that is not of this post; do not decide on what it shows");
        }
        Ok(Self { scope, entry, head, pass, message: None })
    }

    /// Whether a message is the one of this post. A reporter can claim another.
    pub(super) fn has_message(&self, registry: &RegistryId, message: &[u8]) -> bool {
        let scope = Scope::new(registry, &self.scope);
        SignalHash::new(scope, self.head.epoch, message).is_ok_and(|x| x == self.entry.x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nullifier_is_told_from_a_file() {
        let digits = format!("{:064x}", 7);
        let Ok(Named::Nullifier(read)) = named(&digits) else { panic!("a file") };
        assert_eq!(super::digits(read), digits);
        assert!(matches!(named(&format!("0x{digits}")), Ok(Named::Nullifier(same)) if same == read));
        assert!(matches!(named("post.json"), Ok(Named::File(_))));
        assert!(matches!(named("-"), Ok(Named::File(_))));
        // Above the field's order, and in upper case.
        assert!(named(&"f".repeat(64)).is_err());
        assert!(named(&format!("{:064X}", 0xab)).is_err());
    }
}
