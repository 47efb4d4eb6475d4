//! `quotapass moderate block` and `unblock`.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_log::moderation::{Block, Body, Digest, Entry, Notice, Reason};
use rand::rngs::OsRng;
use sha2::{Digest as _, Sha256};

use super::{action::Action, signing::Signing, statement::parse_reason};
use crate::{context::Context, failure::usage, time::now};

/// What happens to the subject.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Block,
    Unblock,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// Reason: spam, malware, harassment, hate, nudity, violence, csam, impersonation, illegal or other
    #[arg(long, value_parser = parse_reason)]
    reason: Reason,
    /// Seconds after which a server that has the notice asks again
    #[arg(long, value_name = "SECONDS", default_value = "86400", hide_short_help = true)]
    ttl: u32,
    #[command(flatten)]
    signing: Signing,
}

/// A file or a link. Only its hash leaves this machine.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Subject {
    /// File to hash; the log gets its SHA-256 alone
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Link to hash, exactly as messages contain it; the log gets its SHA-256 alone
    #[arg(long)]
    link: Option<String>,
    /// SHA-256 of the file or link, if it was computed elsewhere
    #[arg(long, value_name = "HEX")]
    sha256: Option<Digest>,
}

impl Subject {
    fn digest(&self) -> Result<Digest> {
        match (&self.file, &self.link, self.sha256) {
            (Some(path), ..) => hash_file(path).with_context(|| format!("cannot read {}", path.display())),
            (None, Some(link), _) => hash_link(link),
            (None, None, Some(digest)) => Ok(digest),
            (None, None, None) => bail!(usage("name a file, a link or a hash")),
        }
    }
}

fn hash_file(path: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut file = File::open(path)?;
    let mut part = vec![0; 64 << 10];
    loop {
        match file.read(&mut part) {
            Ok(0) => return Ok(Digest(hash.finalize().into())),
            Ok(length) => hash.update(&part[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hashes the bytes of a link. A link with spaces around it is another one, so these are refused.
fn hash_link(link: &str) -> Result<Digest> {
    if link.is_empty() || link.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        bail!(usage("a link is not empty, and has no spaces; give it exactly as messages contain it"));
    }
    Ok(Digest::of(link.as_bytes()))
}

pub(super) fn run(arguments: &Arguments, change: Change, context: &Context) -> Result<()> {
    let Arguments { subject, reason, ttl, signing } = arguments;
    let block = Block { subject: subject.digest()?, reason: *reason, notice: Notice { ttl: *ttl } };
    let body = match change {
        Change::Block => Body::Block(block),
        Change::Unblock => Body::Unblock(block),
    };
    let action = Action::new(signing.place.name()?, Entry::new(body, now()?, &mut OsRng))?;
    signing.finish(action, context)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_that_of_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"abc").unwrap();
        // FIPS 180-4, example of SHA-256.
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_file(&path).unwrap().to_string(), expected);
        assert_eq!(hash_link("abc").unwrap().to_string(), expected);
        for wrong in ["", " abc", "abc\n", "a b"] {
            assert!(hash_link(wrong).is_err(), "{wrong:?}");
        }
    }
}
