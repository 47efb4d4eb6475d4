//! Posts that a verb is about: from the file that `post` wrote, or from their parts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{moderation::Entry, signal::Scope};
use quotapass_wallet::MessagePass;

use super::{
    envelope::{self, Envelope},
    failure::usage,
};

/// The parts of a post.
#[derive(Debug, Args)]
pub(super) struct NamedPost {
    /// File with the post, written by `quotapass post`; `-` is standard input
    #[arg(value_name = "POST", conflicts_with_all = ["pass", "message", "message_file"])]
    post: Option<PathBuf>,
    /// The pass, instead of a file with the post
    #[arg(long, value_name = "BASE64URL", requires = "scope")]
    pass: Option<String>,
    /// The message of the pass
    #[arg(long, value_name = "TEXT", requires = "pass")]
    message: Option<String>,
    /// Read the message of the pass from a file, byte for byte
    #[arg(long, value_name = "FILE", requires = "pass", conflicts_with = "message")]
    message_file: Option<PathBuf>,
    /// Scope of the post, by its name in the configuration
    #[arg(long)]
    scope: Option<String>,
}

/// A post that was named.
pub(super) struct Named {
    /// The name of its scope.
    pub(super) scope: String,
    /// The message, if it is known.
    pub(super) message: Option<Vec<u8>>,
    /// The pass.
    pub(super) pass: MessagePass,
}

impl NamedPost {
    /// Returns the scope that was stated.
    pub(super) fn stated_scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// Reads the post; `None` if none was named.
    pub(super) fn read(&self) -> Result<Option<Named>> {
        let (scope, message, pass) = match (&self.post, &self.pass) {
            (Some(path), _) => {
                let post = one(path)?;
                (post.scope.clone(), Some(post.message()?), post.pass)
            }
            (None, Some(pass)) => {
                let scope = self.scope.clone().unwrap_or_default();
                (scope, self.message()?, pass.clone())
            }
            (None, None) => return Ok(None),
        };
        if self.scope.as_ref().is_some_and(|stated| *stated != scope) {
            bail!(usage(format!("the post is of the scope `{scope}`; leave --scope out")));
        }
        let pass = MessagePass::from_text(pass.trim()).with_context(|| usage("the pass is not a post's"))?;
        Ok(Some(Named { scope, message, pass }))
    }

    fn message(&self) -> Result<Option<Vec<u8>>> {
        match (&self.message, &self.message_file) {
            (Some(text), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(path)) => {
                let read = std::fs::read(path);
                read.map(Some).with_context(|| format!("cannot read the message from {}", path.display()))
            }
            (None, None) => Ok(None),
        }
    }
}

impl Named {
    /// Returns the entry of the post, which depends on its message.
    pub(super) fn entry(&self, scope: Scope) -> Result<Entry> {
        let Some(message) = &self.message else {
            bail!(usage("the entry of a post depends on its message: pass it with --message or --message-file"));
        };
        Ok(Entry::of(&self.pass.post().public(scope, message)?))
    }
}

/// Reads a file with exactly one post.
fn one(path: &Path) -> Result<Envelope> {
    let [post] = <[Envelope; 1]>::try_from(envelope::read(path)?)
        .map_err(|posts| usage(format!("{} has {} posts; name one", path.display(), posts.len())))?;
    Ok(post)
}
