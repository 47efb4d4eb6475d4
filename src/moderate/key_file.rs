//! Files with the private keys of a moderation log.
//!
//! A moderator's key and a root key are one line of the form `PRIVATE+KEY+name+hash+key`, as Go's `golang.org/x/mod/sumdb/note`
//! writes the keys of signed notes: the name belongs to the key. A relay's own keys (working key, witness) are the 64
//! hexadecimal digits of their seed, as the relay writes them: their names are in the relay's settings.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use quotapass_protocol::note::NoteKey;
use quotapass_wallet::files::create_new;
use zeroize::Zeroizing;

use crate::failure::usage;

/// What the line of a private key begins with.
const PRIVATE: &str = "PRIVATE+KEY+";
/// The algorithm number of Ed25519 in the keys of notes.
const ED25519: u8 = 1;
/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 1_024;

/// Returns the line of a private key.
pub(super) fn line(key: &NoteKey) -> Zeroizing<String> {
    let public = key.public().to_string();
    // The third part is base64, which may contain `+` too.
    let head: Vec<_> = public.splitn(3, '+').take(2).collect();
    let mut bytes = Zeroizing::new([ED25519; 33]);
    bytes[1..].copy_from_slice(&*key.seed());
    let encoded = Zeroizing::new(BASE64_STANDARD.encode(*bytes));
    Zeroizing::new([PRIVATE, &head.join("+"), "+", &encoded, "\n"].concat())
}

/// Returns the digits of a relay's own key.
pub(crate) fn digits(seed: &[u8; 32]) -> Zeroizing<String> {
    let digits = Zeroizing::new(hex::encode(seed));
    Zeroizing::new([&digits, "\n"].concat())
}

/// Writes a new file that only its owner can read.
pub(super) fn write(path: &Path, content: &str) -> Result<()> {
    create_new(path, content.as_bytes())
        .with_context(|| format!("cannot write {} (an existing file is not overwritten)", path.display()))
}

/// Reads the key of a moderator, or a root key. A file that all users can read is refused.
pub(super) fn read(path: &Path) -> Result<NoteKey> {
    let cannot = || format!("cannot read the key {}", path.display());
    let about = fs::metadata(path).with_context(cannot)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if about.permissions().mode() & 0o007 != 0 {
            bail!(usage(format!("all users can access the key {}: chmod 600 it", path.display())));
        }
    }
    if about.len() > MAX_FILE {
        bail!(not_a_key(path));
    }
    let text = Zeroizing::new(fs::read_to_string(path).with_context(cannot)?);
    parse(&text).with_context(|| not_a_key(path))
}

fn not_a_key(path: &Path) -> crate::failure::Failure {
    usage(format!(
        "{} is not the private key of a moderator or a root key; `quotapass moderate keygen` makes one",
        path.display()
    ))
}

/// Reads the line of a private key.
fn parse(text: &str) -> Option<NoteKey> {
    let line = text.strip_suffix('\n').unwrap_or(text);
    let (name, rest) = line.strip_prefix(PRIVATE)?.split_once('+')?;
    let (_, encoded) = rest.split_once('+')?;
    let bytes = Zeroizing::new(BASE64_STANDARD.decode(encoded).ok()?);
    let (&algorithm, seed) = bytes.split_first()?;
    let seed: &[u8; 32] = seed.try_into().ok()?;
    let key = NoteKey::from_seed(name, seed).ok().filter(|_| algorithm == ED25519)?;
    // The hash is of name and key.
    let written = self::line(&key);
    (written.trim_end() == line).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_returns() {
        // Many of these have a `+` in base64, in the public or the private part.
        for seed in 0..=255 {
            let key = NoteKey::from_seed("alice", &[seed; 32]).unwrap();
            assert_eq!(parse(&line(&key)).unwrap().public(), key.public());
        }
    }

    #[test]
    fn a_key_returns_with_its_name_and_other_lines_are_refused() {
        let key = NoteKey::from_seed("alice", &[7; 32]).unwrap();
        let line = line(&key);
        assert!(line.starts_with("PRIVATE+KEY+alice+"), "the form of Go's notes");
        let read = parse(&line).unwrap();
        assert_eq!((read.public(), *read.seed()), (key.public(), [7; 32]));
        for wrong in [
            "",
            "\n",
            &key.public().to_string(),
            &line.replace("alice", "alicf"),
            &line.replace("alice", "two words"),
            &line[..line.len() - 3],
            &format!("{}\n", line.as_str()),
            &line.replace("PRIVATE", "PUBLIC"),
            &digits(&[7; 32]),
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn files_are_private_and_new() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("alice.key");
        let key = NoteKey::from_seed("alice", &[7; 32]).unwrap();
        write(&path, &line(&key)).unwrap();
        assert!(write(&path, "other").unwrap_err().to_string().contains("not overwritten"));
        assert_eq!(read(&path).unwrap().public(), key.public());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
            assert!(read(&path).unwrap_err().to_string().contains("chmod 600"));
        }
        assert!(format!("{:#}", read(&folder.path().join("none")).unwrap_err()).contains("cannot read the key"));
    }
}
