//! Passes as JSON: the fields of the binary form. Numbers are JSON numbers; field elements, keys and proofs are hex
//! strings with `0x`; in the lists of a post with records, ids and roots are hex strings without `0x`, and sizes decimal
//! strings. Decoding refuses unknown and missing fields, and every value that the binary form refuses.

use core::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::{
    recorded::{ListRecords, ListVersion, RecordedPass},
    wire::{BadgePass, PostPass, VERSION},
};
use crate::{
    field::deserialize_hex,
    membership::{Day, Root},
    proof::{PROOF_BYTES, Proof},
    requirement::Requirement,
    share::{Nullifier, Pseudonym, ShareValue},
    signal::Epoch,
};

#[derive(Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "post")]
    Post,
    #[serde(rename = "badge")]
    Badge,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum RecordedKind {
    #[serde(rename = "recorded_post")]
    Recorded,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordedJson {
    version: u8,
    kind: RecordedKind,
    epoch_seconds: NonZeroU32,
    epoch: u64,
    min_stake: u32,
    since_max: Day,
    limit_cap: NonZeroU16,
    root: Root,
    y: ShareValue,
    nullifier: Nullifier,
    proof: Proof,
    lists: Vec<ListJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ListJson {
    log: Hex8,
    /// A decimal string: JavaScript's numbers do not hold 64 bits.
    size: Decimal,
    root: Hex8,
    proofs: Vec<Proof>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PostJson {
    version: u8,
    kind: Kind,
    epoch_seconds: NonZeroU32,
    epoch: u64,
    min_stake: u32,
    since_max: Day,
    limit_cap: NonZeroU16,
    root: Root,
    y: ShareValue,
    nullifier: Nullifier,
    proof: Proof,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BadgeJson {
    version: u8,
    kind: Kind,
    min_stake: u32,
    since_max: Day,
    root: Root,
    pseudonym: Pseudonym,
    chat_key: HexBytes,
    proof: Proof,
}

impl Serialize for PostPass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PostJson {
            version: VERSION,
            kind: Kind::Post,
            epoch_seconds: self.epoch.seconds(),
            epoch: self.epoch.number(),
            min_stake: self.requirement.min_stake,
            since_max: self.requirement.since_max,
            limit_cap: self.limit_cap,
            root: self.root,
            y: self.y,
            nullifier: self.nullifier,
            proof: self.proof.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PostPass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = PostJson::deserialize(deserializer)?;
        check_version(json.version)?;
        if !matches!(json.kind, Kind::Post) {
            return Err(D::Error::custom("expected a pass of the kind `post`"));
        }
        Ok(Self {
            epoch: Epoch::new(json.epoch_seconds, json.epoch),
            requirement: Requirement { min_stake: json.min_stake, since_max: json.since_max },
            limit_cap: json.limit_cap,
            root: json.root,
            y: json.y,
            nullifier: json.nullifier,
            proof: json.proof,
        })
    }
}

impl Serialize for RecordedPass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let list = |list: &ListRecords| ListJson {
            log: Hex8(list.version.log),
            size: Decimal(list.version.size),
            root: Hex8(list.version.root),
            proofs: list.proofs.clone(),
        };
        let post = &self.post;
        RecordedJson {
            version: VERSION,
            kind: RecordedKind::Recorded,
            epoch_seconds: post.epoch.seconds(),
            epoch: post.epoch.number(),
            min_stake: post.requirement.min_stake,
            since_max: post.requirement.since_max,
            limit_cap: post.limit_cap,
            root: post.root,
            y: post.y,
            nullifier: post.nullifier,
            proof: post.proof.clone(),
            lists: self.lists().iter().map(list).collect(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RecordedPass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = RecordedJson::deserialize(deserializer)?;
        check_version(json.version)?;
        let post = PostPass {
            epoch: Epoch::new(json.epoch_seconds, json.epoch),
            requirement: Requirement { min_stake: json.min_stake, since_max: json.since_max },
            limit_cap: json.limit_cap,
            root: json.root,
            y: json.y,
            nullifier: json.nullifier,
            proof: json.proof,
        };
        let list = |list: ListJson| ListRecords {
            version: ListVersion { log: list.log.0, size: list.size.0, root: list.root.0 },
            proofs: list.proofs,
        };
        Self::new(post, json.lists.into_iter().map(list).collect()).map_err(D::Error::custom)
    }
}

impl Serialize for BadgePass {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        BadgeJson {
            version: VERSION,
            kind: Kind::Badge,
            min_stake: self.requirement.min_stake,
            since_max: self.requirement.since_max,
            root: self.root,
            pseudonym: self.pseudonym,
            chat_key: HexBytes(self.chat_key().to_vec()),
            proof: self.proof.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BadgePass {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = BadgeJson::deserialize(deserializer)?;
        check_version(json.version)?;
        if !matches!(json.kind, Kind::Badge) {
            return Err(D::Error::custom("expected a pass of the kind `badge`"));
        }
        let requirement = Requirement { min_stake: json.min_stake, since_max: json.since_max };
        Self::from_parts(requirement, json.root, json.pseudonym, json.chat_key.0, json.proof).map_err(D::Error::custom)
    }
}

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(self.to_bytes())))
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = deserialize_hex(deserializer)?;
        let bytes = <[u8; PROOF_BYTES]>::try_from(bytes).map_err(|_| D::Error::custom("a proof has 128 bytes"))?;
        Self::from_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// Bytes of any length, written as `0x` and lower-case digits.
struct HexBytes(Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{}", hex::encode(&self.0)))
    }
}

impl<'de> Deserialize<'de> for HexBytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_hex(deserializer).map(Self)
    }
}

/// Eight bytes, written as 16 lower-case digits.
struct Hex8([u8; 8]);

impl Serialize for Hex8 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Hex8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 8];
        match hex::decode_to_slice(&text, &mut bytes) {
            Ok(()) if hex::encode(bytes) == text => Ok(Self(bytes)),
            _ => Err(D::Error::custom("expected 16 lower-case hexadecimal digits")),
        }
    }
}

/// A number of 64 bits, written as a decimal string.
struct Decimal(u64);

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse::<u64>() {
            Ok(number) if number.to_string() == text => Ok(Self(number)),
            _ => Err(D::Error::custom("expected a number of 64 bits as a decimal string")),
        }
    }
}

fn check_version<E: Error>(version: u8) -> Result<(), E> {
    if version == VERSION { Ok(()) } else { Err(E::custom(format_args!("version {version} is unknown"))) }
}
