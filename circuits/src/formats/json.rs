//! Passes as JSON: the fields of the binary form. Numbers are JSON numbers; field elements, keys and proofs are hex
//! strings with `0x`. Decoding refuses unknown and missing fields, and every value that the binary form refuses.

use core::num::{NonZeroU16, NonZeroU32};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use super::wire::{BadgePass, PostPass, VERSION};
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

fn check_version<E: Error>(version: u8) -> Result<(), E> {
    if version == VERSION { Ok(()) } else { Err(E::custom(format_args!("version {version} is unknown"))) }
}
