//! The entries of a moderation log.

use core::num::NonZeroU32;

use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::{
    UnixSeconds,
    note::{NoteKey, canonical_json},
};
use rand::{CryptoRng, RngCore};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::{Uuid, Variant, Version};

use super::{
    EntryError, LogPolicy,
    formats::{Digest, bytes, moment, registry, some_registry, text},
    listed::{ListedEntry, MAX_SCOPE},
};
use crate::{Origin, SignedLeaf};

/// How long a strike holds unless stated, in seconds: 180 days.
pub const STRIKE_SECONDS: u64 = 180 * 86_400;

/// The identity of an entry: a UUID of version 7, which no other entry of the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(Uuid);

/// Error: the text is not the identity of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a UUID of version 7 in lower-case digits with hyphens")]
pub struct NotAnEntryId(pub String);

impl EntryId {
    /// Generates the identity of a new entry.
    pub fn generate(now: UnixSeconds, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut random = [0; 10];
        rng.fill_bytes(&mut random);
        Self(uuid::Builder::from_unix_timestamp_millis(now.0.saturating_mul(1_000), &random).into_uuid())
    }
}

fn is_version_7(id: &Uuid) -> bool {
    id.get_version() == Some(Version::SortRand) && id.get_variant() == Variant::RFC4122
}

impl core::fmt::Display for EntryId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl core::str::FromStr for EntryId {
    type Err = NotAnEntryId;

    fn from_str(text: &str) -> Result<Self, NotAnEntryId> {
        let read = Uuid::try_parse(text).ok().filter(is_version_7).map(Self);
        read.filter(|id| id.to_string() == text).ok_or_else(|| NotAnEntryId(text.into()))
    }
}

pub use quotapass_protocol::moderation::Reason;

/// The rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ground {
    /// Whether it is a law or the operator's own rules.
    pub kind: GroundKind,
    /// The law, or the rule.
    pub reference: String,
}

/// Whether a rule is a law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroundKind {
    /// A law.
    Illegal,
    /// The operator's own rules.
    Incompatible,
}

/// The end of a strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It is lifted at this time. In JSON the time.
    At(UnixSeconds),
    /// It has no end. In JSON `never`.
    Never,
}

impl core::fmt::Display for Until {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::At(at) => f.write_str(&moment::write(*at)),
            Self::Never => f.write_str("never"),
        }
    }
}

impl core::str::FromStr for Until {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text == "never" {
            return Ok(Self::Never);
        }
        moment::read(text).map(Self::At).ok_or("expected `never`, or a time like 2026-11-27T20:00:00Z")
    }
}

/// A program that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A strike: the author of this post can no longer write in the scopes that take it.
///
/// Before a relay appends one, it verifies the pass against the registry's whole history, and compares x with the message
/// that the moderators saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Strike {
    /// The post.
    pub entry: ListedEntry,
    /// The registry of its author.
    #[serde(with = "registry")]
    pub registry: RegistryId,
    /// The name of its scope.
    pub scope: String,
    /// The length of its epoch in seconds.
    pub epoch_seconds: NonZeroU32,
    /// The number of its epoch.
    #[serde(with = "text")]
    pub epoch: u64,
    /// The pass, in bytes.
    #[serde(with = "bytes")]
    pub pass: Vec<u8>,
    /// The reason.
    pub reason: Reason,
    /// The rule that was broken.
    pub ground: Ground,
    /// The [hash](super::SaltedText::digest) of the statement of reasons, which lies beside the log and can be erased.
    pub text: Digest,
    /// The end.
    #[serde(with = "text")]
    pub until: Until,
    /// Whether a program found the post.
    pub automated_detection: bool,
    /// Whether a program decided.
    pub automated_decision: bool,
    /// The program that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<Program>,
}

/// The end of a strike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lift {
    /// The strike.
    #[serde(with = "text")]
    pub strike: EntryId,
    /// Why it ends.
    pub because: Because,
}

/// Why a strike ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// Its time is over. The log's own working key says so.
    Expired,
    /// An appeal was granted.
    Appeal,
    /// It was an error.
    Error,
}

/// What is in force in a list, for readers who do not read the history.
///
/// The *index* has no registry and an empty scope: `count` is then the number of lists that are not empty, and `sha256` the
/// hash of the canonical JSON of all of them ([`IndexedList`](super::IndexedList)), ordered by registry and scope. It is the
/// last entry before each checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Active {
    /// The registry of the members.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "some_registry")]
    pub registry: Option<RegistryId>,
    /// The name of the scope.
    pub scope: String,
    /// The number of entries of the log before this one.
    #[serde(with = "text")]
    pub size: u64,
    /// The number of entries of the list.
    pub count: u32,
    /// The hash of the list.
    pub sha256: Digest,
}

/// A file or a link that relays no longer serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// SHA-256 of the file, or of the link; never the link itself.
    pub subject: Digest,
    /// The reason.
    pub reason: Reason,
    /// How long relays may keep the notice.
    pub notice: Notice,
}

/// How a block is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The time after which a server asks again, in seconds.
    pub ttl: u32,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A strike.
    Strike(Box<Strike>),
    /// The end of a strike.
    Lift(Lift),
    /// What is in force.
    Active(Active),
    /// A blocked file or link.
    Block(Block),
    /// The end of a block.
    Unblock(Block),
    /// Who may sign what.
    Policy(LogPolicy),
}

impl Body {
    /// The name of the kind.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Strike(_) => "strike",
            Self::Lift(_) => "lift",
            Self::Active(_) => "active",
            Self::Block(_) => "block",
            Self::Unblock(_) => "unblock",
            Self::Policy(_) => "policy",
        }
    }

    fn to_value(&self) -> serde_json::Result<Value> {
        match self {
            Self::Strike(body) => serde_json::to_value(body),
            Self::Lift(body) => serde_json::to_value(body),
            Self::Active(body) => serde_json::to_value(body),
            Self::Block(body) | Self::Unblock(body) => serde_json::to_value(body),
            Self::Policy(body) => serde_json::to_value(body),
        }
    }

    fn read(kind: &str, fields: Value) -> Result<Self, EntryError> {
        let read = match kind {
            "strike" => serde_json::from_value(fields).map(|body| Self::Strike(Box::new(body))),
            "lift" => serde_json::from_value(fields).map(Self::Lift),
            "active" => serde_json::from_value(fields).map(Self::Active),
            "block" => serde_json::from_value(fields).map(Self::Block),
            "unblock" => serde_json::from_value(fields).map(Self::Unblock),
            "policy" => serde_json::from_value(fields).map(Self::Policy),
            _ => return Err(EntryError::Kind(kind.into())),
        };
        read.map_err(|error| EntryError::Form(error.to_string()))
    }
}

/// An entry without its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub id: EntryId,
    /// The time at which it was made.
    pub at: UnixSeconds,
    /// What it says.
    pub body: Body,
}

#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(with = "text")]
    id: EntryId,
    #[serde(with = "moment")]
    at: UnixSeconds,
    kind: String,
}

impl Entry {
    /// Creates an entry that is made now.
    pub fn new(body: Body, now: UnixSeconds, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        Self { id: EntryId::generate(now, rng), at: now, body }
    }

    /// Returns the canonical JSON.
    ///
    /// # Errors
    /// [`EntryError::Form`] if a value has no JSON form.
    pub fn to_json(&self) -> Result<String, EntryError> {
        let form = |error: &dyn core::fmt::Display| EntryError::Form(error.to_string());
        let mut value = self.body.to_value().map_err(|error| form(&error))?;
        let head = Head { id: self.id, at: self.at, kind: self.body.kind().into() };
        let head = serde_json::to_value(head).map_err(|error| form(&error))?;
        if let (Value::Object(fields), Value::Object(head)) = (&mut value, head) {
            fields.extend(head);
        }
        canonical_json(&value).map_err(|error| form(&error))
    }

    /// Reads an entry from its canonical JSON.
    ///
    /// # Errors
    /// [`EntryError`] if the JSON is not the one form of an entry.
    pub fn from_json(json: &str) -> Result<Self, EntryError> {
        let form = |error: serde_json::Error| EntryError::Form(error.to_string());
        let mut fields: Map<String, Value> = serde_json::from_str(json).map_err(form)?;
        let head: Map<_, _> = ["id", "at", "kind"].into_iter().filter_map(|name| fields.remove_entry(name)).collect();
        let Head { id, at, kind } = serde_json::from_value(Value::Object(head)).map_err(form)?;
        let entry = Self { id, at, body: Body::read(&kind, Value::Object(fields))? };
        if entry.to_json()? != json {
            return Err(EntryError::Form("a value is not in its canonical form".into()));
        }
        entry.check()?;
        Ok(entry)
    }

    /// Checks the values that no other entry matters for.
    fn check(&self) -> Result<(), EntryError> {
        let is_scope = |scope: &str| (1..=MAX_SCOPE).contains(&scope.len());
        match &self.body {
            Body::Strike(strike) => {
                if !is_scope(&strike.scope) {
                    return Err(EntryError::Form("the scope has 1 to 1,024 bytes".into()));
                }
                if strike.ground.reference.is_empty() {
                    return Err(EntryError::Form("the ground has no reference".into()));
                }
                match strike.until {
                    Until::At(until) if until <= self.at => Err(EntryError::Over),
                    _ => Ok(()),
                }
            }
            // The index alone has neither registry nor scope.
            Body::Active(active) if active.registry.is_some() != is_scope(&active.scope) => {
                Err(EntryError::Form("a list has a registry and a scope, and the index has none".into()))
            }
            Body::Policy(policy) => policy.check().map_err(EntryError::Policy),
            Body::Active(_) | Body::Lift(_) | Body::Block(_) | Body::Unblock(_) => Ok(()),
        }
    }

    /// Signs the entry for the log with this origin.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn sign(&self, origin: &Origin, keys: &[&NoteKey]) -> Result<SignedLeaf, EntryError> {
        Ok(SignedLeaf::new(&self.to_json()?)?.signed(origin, keys)?)
    }
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};
    use serde_json::json;

    use super::{super::samples, *};

    #[test]
    fn entries_are_as_they_are_documented() {
        let entry = samples::strike(1, UnixSeconds(1_795_176_000));
        let json = entry.to_json().unwrap();
        let value: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["at"], "2026-11-20T12:00:00Z");
        assert_eq!(value["until"], "2027-05-19T12:00:00Z");
        assert_eq!(value["kind"], "strike");
        assert_eq!(value["epoch"], "2991960");
        assert_eq!(value["registry"], json!({ "address": "07".repeat(20), "chain_id": "31337" }));
        assert_eq!(value["ground"], json!({ "kind": "incompatible", "reference": "rule 3" }));
        assert_eq!(value["entry"]["x"].as_str().unwrap().len(), 64);
        assert_eq!(Entry::from_json(&json), Ok(entry));
    }

    #[test]
    fn every_kind_returns() {
        for entry in samples::one_of_each() {
            let json = entry.to_json().unwrap();
            assert_eq!(Entry::from_json(&json).as_ref(), Ok(&entry), "{json}");
            let with_more = json.replacen('{', "{\"a\":\"more\",", 1);
            assert!(matches!(Entry::from_json(&with_more), Err(EntryError::Form(_))), "{with_more}");
            let other = json.replace(&format!("\"kind\":\"{}\"", entry.body.kind()), "\"kind\":\"praise\"");
            assert_eq!(Entry::from_json(&other), Err(EntryError::Kind("praise".into())));
        }
    }

    #[test]
    fn each_value_has_one_form() {
        let json = samples::strike(1, UnixSeconds(1_795_176_000)).to_json().unwrap();
        for (from, to) in [
            ("\"2991960\"", "2991960"),
            ("\"2991960\"", "\"02991960\""),
            ("2026-11-20T12:00:00Z", "2026-11-20T12:00:00.0Z"),
            ("\"chain_id\":\"31337\"", "\"chain_id\":31337"),
            ("\"pass\":\"0101", "\"pass\":\"0X01"),
            ("\"reason\":\"spam\"", "\"reason\":\"Spam\""),
            ("\"automated_decision\":false", "\"automated_decision\":null"),
            ("\"automated_decision\":false", "\"automated_decision\":false,\"decided_by\":null"),
            ("\"until\":\"2027-", "\"until\":\"Never-"),
        ] {
            let changed = json.replace(from, to);
            assert_ne!(changed, json, "{from}");
            assert!(matches!(Entry::from_json(&changed), Err(EntryError::Form(_))), "{from} {to}");
        }
    }

    #[test]
    fn strikes_that_are_over_are_refused() {
        let mut entry = samples::strike(1, UnixSeconds(1_795_176_000));
        for (until, result) in
            [(Until::At(entry.at), Err(EntryError::Over)), (Until::At(entry.at + 1), Ok(())), (Until::Never, Ok(()))]
        {
            let Body::Strike(strike) = &mut entry.body else { unreachable!() };
            strike.until = until;
            assert_eq!(Entry::from_json(&entry.to_json().unwrap()).map(drop), result);
        }
    }

    #[test]
    fn an_identity_is_a_uuid_of_version_7() {
        let id = EntryId::generate(UnixSeconds(1_795_176_000), &mut StdRng::seed_from_u64(1));
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in [
            "",
            "x",
            &id.to_string().to_uppercase(),
            &format!("{{{id}}}"),
            &id.to_string().replace('-', ""),
            "936da01f-9abd-4d9d-80c7-02af85c822a8",
            "00000000-0000-0000-0000-000000000000",
        ] {
            assert_eq!(wrong.parse::<EntryId>(), Err(NotAnEntryId(wrong.into())));
        }
    }
}
