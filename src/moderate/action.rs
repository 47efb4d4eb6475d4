//! An entry that moderators sign, in a file that is handed around.
//!
//! **Attack.** A moderator lets a colleague sign a file that shows one message and lists another post. Each reader of a file
//! therefore computes the strike again: the pass must be that of the listed post, and x the hash of the shown message.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use quotapass_circuits::signal::{Epoch, Scope, SignalHash};
use quotapass_log::{
    LogName, SignedLeaf,
    moderation::{Because, Block, Body, Entry, GroundKind, Lift, LogPolicy, SaltedText, Strike, Until},
};
use quotapass_protocol::{moderation::EntryRequest, note::NoteKey};
use quotapass_wallet::files::{create_new, write_atomically};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::post::{PassHead, digits};
use crate::{failure::usage, text::plain, time::moment};

/// The longest file, in bytes: an entry, a statement of reasons and a message.
const MAX_FILE: usize = 1 << 20;

/// What the moderators saw of a struck post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// The message.
    Message(Vec<u8>),
    /// Nothing, for this reason.
    Withheld(String),
}

/// An entry with the signatures so far, and what is sent beside it.
#[derive(Clone, Debug)]
pub(super) struct Action {
    pub(super) log: LogName,
    leaf: SignedLeaf,
    pub(super) entry: Entry,
    /// The statement of reasons of a strike.
    text: Option<SaltedText>,
    shown: Option<Shown>,
}

/// The content of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    origin: String,
    root_key: String,
    /// What the relay gets.
    request: EntryRequest,
}

impl Action {
    /// Creates an action other than a strike.
    pub(super) fn new(log: LogName, entry: Entry) -> Result<Self> {
        let leaf = SignedLeaf::new(&entry.to_json()?)?;
        // The rules that no other entry matters for.
        Entry::from_json(leaf.json())?;
        Ok(Self { log, leaf, entry, text: None, shown: None })
    }

    /// Creates a strike.
    pub(super) fn strike(log: LogName, entry: Entry, text: SaltedText, shown: Shown) -> Result<Self> {
        let action = Self { text: Some(text), shown: Some(shown), ..Self::new(log, entry)? };
        action.check()?;
        Ok(action)
    }

    /// Reads a file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::from_bytes(&bytes).with_context(|| usage(format!("{} is not an entry to sign", path.display())))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_FILE {
            bail!("it has more than {MAX_FILE} bytes");
        }
        let Stated { origin, root_key, request } = serde_json::from_slice(bytes)?;
        let leaf = match request.leaf.strip_suffix('\n').filter(|json| !json.contains('\n')) {
            // A file that waits for its first signature.
            Some(json) => SignedLeaf::new(json)?,
            None => SignedLeaf::read(request.leaf.as_bytes())?,
        };
        let text = request.text.as_deref().map(SaltedText::from_bytes).transpose()?;
        let message = request.message_bytes()?.map(|message| Shown::Message(message.into_owned()));
        let shown = match (message, request.withheld) {
            (Some(_), Some(_)) => bail!("its message is both shown and withheld"),
            (message, withheld) => message.or(withheld.map(Shown::Withheld)),
        };
        let action = Self {
            log: LogName { origin: origin.parse()?, root_key: root_key.parse()? },
            entry: Entry::from_json(leaf.json())?,
            leaf,
            text,
            shown,
        };
        action.check()?;
        Ok(action)
    }

    /// Checks that what lies beside the entry belongs to it.
    fn check(&self) -> Result<()> {
        let (strike, text, shown) = match (&self.entry.body, &self.text, &self.shown) {
            (Body::Strike(strike), Some(text), Some(shown)) => (strike, text, shown),
            (Body::Strike(_), ..) => {
                bail!("a strike has a statement of reasons, and a message or the reason why it is withheld")
            }
            (Body::Active(_), ..) | (Body::Lift(Lift { because: Because::Expired, .. }), ..) => {
                bail!("only the log itself makes this entry")
            }
            (_, None, None) => return Ok(()),
            _ => bail!("only a strike has a statement of reasons and a message"),
        };
        if strike.text != text.digest() {
            bail!("the statement of reasons is not the one that the strike names");
        }
        let head = PassHead::read(&strike.pass).context("the pass of the strike")?;
        if (head.y, head.nullifier) != (strike.entry.y, strike.entry.nullifier)
            || head.epoch != Epoch::new(strike.epoch_seconds, strike.epoch)
        {
            bail!("the pass is not that of the listed post; do not sign it");
        }
        if let Shown::Message(message) = shown {
            let scope = Scope::new(&strike.registry, &strike.scope);
            if SignalHash::new(scope, head.epoch, message).ok() != Some(strike.entry.x) {
                bail!("the message is not that of the listed post; do not sign it");
            }
        }
        Ok(())
    }

    /// The number of signatures.
    pub(super) fn signatures(&self) -> usize {
        self.leaf.to_bytes().map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count().saturating_sub(1))
    }

    /// Adds the signature of a key.
    pub(super) fn sign(&mut self, key: &NoteKey) -> Result<()> {
        let line = self.leaf.signature_of(&self.log.origin, key)?;
        // A signature of Ed25519 is the same each time.
        let signed = self.leaf.to_bytes().unwrap_or_default();
        if String::from_utf8_lossy(&signed).lines().any(|known| known == line.trim_end()) {
            bail!(usage(format!("`{}` has signed this already; let another moderator sign it", key.public().name())));
        }
        self.leaf.add(&line)?;
        self.leaf.to_bytes()?;
        Ok(())
    }

    /// Returns what the relay gets.
    pub(super) fn request(&self) -> Result<EntryRequest> {
        let leaf = match self.signatures() {
            0 => format!("{}\n", self.leaf.json()),
            _ => String::from_utf8(self.leaf.to_bytes()?).context("an entry is UTF-8")?,
        };
        let text = self.text.as_ref().map(SaltedText::to_bytes);
        let mut request = EntryRequest { leaf, text, message: None, message_hex: None, withheld: None };
        match &self.shown {
            None => {}
            Some(Shown::Withheld(reason)) => request.withheld = Some(reason.clone()),
            Some(Shown::Message(message)) => match core::str::from_utf8(message) {
                Ok(text) => request.message = Some(text.into()),
                Err(_) => request.message_hex = Some(hex::encode(message)),
            },
        }
        Ok(request)
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let stated = Stated {
            origin: self.log.origin.to_string(),
            root_key: self.log.root_key.to_string(),
            request: self.request()?,
        };
        let mut bytes = serde_json::to_vec_pretty(&stated)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Writes a new file.
    pub(super) fn write_new(&self, path: &Path) -> Result<()> {
        create_new(path, &self.to_bytes()?)
            .with_context(|| format!("cannot write {} (an existing file is not overwritten)", path.display()))
    }

    /// Writes the file anew, with one more signature.
    pub(super) fn replace(&self, path: &Path) -> Result<()> {
        write_atomically(path, &self.to_bytes()?).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns the entry as JSON.
    pub(super) fn to_json(&self) -> Result<Value> {
        Ok(json!({
            "log": self.log.id().to_string(),
            "entry": serde_json::from_str::<Value>(self.leaf.json())?,
            "signatures": self.signatures(),
        }))
    }

    /// Describes for people what is signed, one fact a line.
    pub(super) fn describe(&self) -> String {
        let Entry { id, at, body } = &self.entry;
        let mut lines = vec![format!("{} {id}, made {}, for the log {}", body.kind(), moment(*at), self.log.origin)];
        match body {
            Body::Strike(strike) => self.describe_strike(strike, &mut lines),
            Body::Lift(lift) => {
                let because = match lift.because {
                    Because::Expired => "its time is over",
                    Because::Appeal => "the appeal was right",
                    Because::Error => "it was an error",
                };
                lines.push(format!("ends the strike {}: {because}", lift.strike));
            }
            Body::Block(block) => lines.push(describe_block("blocks", block)),
            Body::Unblock(block) => lines.push(describe_block("unblocks", block)),
            Body::Policy(policy) => describe_policy(policy, &mut lines),
            Body::Active(_) => {}
        }
        lines.push(format!("signatures so far: {}", self.signatures()));
        lines.join("\n  ")
    }

    fn describe_strike(&self, strike: &Strike, lines: &mut Vec<String>) {
        lines.push(format!("post {} in the scope `{}`", digits(strike.entry.nullifier), plain(&strike.scope)));
        match &self.shown {
            Some(Shown::Message(message)) => lines.push(match core::str::from_utf8(message) {
                Ok(text) => format!("message, which is the one of this post: {}", plain(text)),
                Err(_) => format!("message of {} bytes, which is the one of this post", message.len()),
            }),
            Some(Shown::Withheld(reason)) => lines.push(format!("the message is withheld: {}", plain(reason))),
            None => {}
        }
        lines.push(format!("reason {}, {}", strike.reason.name(), describe_ground(strike)));
        if let Some(text) = &self.text {
            lines.push(format!("statement of reasons: {}", plain(text.text())));
        }
        lines.push(match strike.until {
            Until::At(until) => format!("its author cannot write until {}", moment(until)),
            Until::Never => "its author can never write again, unless the strike is lifted".into(),
        });
        let program = match &strike.decided_by {
            Some(program) => format!(", with the program {} {}", plain(&program.name), plain(&program.version)),
            None => String::new(),
        };
        let by = |is_program| if is_program { "by a program" } else { "by people" };
        lines.push(format!(
            "found {}, decided {}{program}",
            by(strike.automated_detection),
            by(strike.automated_decision)
        ));
    }
}

fn describe_ground(strike: &Strike) -> String {
    let kind = match strike.ground.kind {
        GroundKind::Illegal => "against the law",
        GroundKind::Incompatible => "against the rules",
    };
    format!("{kind}: {}", plain(&strike.ground.reference))
}

fn describe_block(verb: &str, block: &Block) -> String {
    let Block { subject, reason, notice } = block;
    format!("{verb} what has the SHA-256 {subject}; reason {}; servers ask again after {} s", reason.name(), notice.ttl)
}

fn describe_policy(policy: &LogPolicy, lines: &mut Vec<String>) {
    let LogPolicy { working_keys, moderators, threshold, list_interval } = policy;
    lines.extend(working_keys.iter().map(|key| format!("checkpoints are signed with {key}")));
    lines.push(format!("{threshold} of {} moderators decide:", moderators.len()));
    lines.extend(moderators.iter().map(|key| format!("  {key}")));
    lines.push(format!("a checkpoint at most each {list_interval} s"));
}
