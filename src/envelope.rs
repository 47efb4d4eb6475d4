//! A message with its pass, as `post` writes it and `verify` reads it.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use quotapass_circuits::prover::KeyOrigin;
use quotapass_wallet::MessagePass;
use serde::{Deserialize, Serialize};

/// One post in the form that a chat network carries.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    /// The scope's name.
    pub(super) scope: String,
    /// The message, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// The bytes of the message in hexadecimal, if it is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_hex: Option<String>,
    /// The pass, base64url without padding.
    pub(super) pass: String,
    /// The origin of the keys, if they are not from a ceremony.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<String>,
}

impl Envelope {
    pub(super) fn new(scope: &str, message: &[u8], pass: &MessagePass, origin: KeyOrigin) -> Self {
        let (message, message_hex) = match std::str::from_utf8(message) {
            Ok(text) => (Some(text.into()), None),
            Err(_) => (None, Some(hex::encode(message))),
        };
        let keys = match origin {
            KeyOrigin::Ceremony(_) => None,
            origin => Some(origin.to_string()),
        };
        Self { scope: scope.into(), message, message_hex, pass: pass.to_text(), keys }
    }

    /// Returns the bytes of the message.
    pub(super) fn message(&self) -> Result<Vec<u8>> {
        match (&self.message, &self.message_hex) {
            (Some(text), None) => Ok(text.clone().into_bytes()),
            (None, Some(digits)) => hex::decode(digits).context("`message_hex` is not hexadecimal"),
            _ => bail!("a post has either `message` or `message_hex`"),
        }
    }
}

/// Reads all posts of a file, in order; `-` is standard input.
pub(super) fn read(path: &Path) -> Result<Vec<Envelope>> {
    let text = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(path)
    };
    let text = text.with_context(|| format!("cannot read {}", path.display()))?;
    let posts: Vec<Envelope> = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} holds no posts in the format of `quotapass post`", path.display()))?;
    if posts.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok(posts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_read_back() {
        for (field, message) in [("\"message\":\"hello\"", &b"hello"[..]), ("\"message_hex\":\"ff00\"", &[0xff, 0x00])]
        {
            let text = format!("{{\"scope\":\"lobby\",{field},\"pass\":\"x\"}}");
            let envelope: Envelope = serde_json::from_str(&text).unwrap();
            assert_eq!(envelope.message().unwrap(), message);
            assert_eq!(serde_json::to_string(&envelope).unwrap(), text);
        }
    }

    #[test]
    fn a_post_has_one_message() {
        for fields in ["", "\"message\":\"a\",\"message_hex\":\"00\",", "\"message_hex\":\"0\","] {
            let text = format!("{{\"scope\":\"lobby\",{fields}\"pass\":\"x\"}}");
            let envelope: Envelope = serde_json::from_str(&text).unwrap();
            assert!(envelope.message().is_err(), "{fields}");
        }
    }
}
