//! Reading the files of keys, and detecting the circuit of a key.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, CircuitKind, shape::Shape},
    moderation::{author::Author, record::Record},
    post::Post,
    prover::{KeyError, ProvingKey},
    slash::Slash,
};
use quotapass_setup::{
    ZkeyError,
    iden3::{Contribution, ContributionKind, Zkey},
    proving_key,
};
use serde_json::{Value, json};

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(super) fn read_zkey(path: &Path) -> Result<Zkey> {
    Zkey::from_bytes(&read(path)?).with_context(|| path.display().to_string())
}

/// Returns the shape of a circuit for the standard tree.
pub(super) fn shape(kind: CircuitKind) -> Result<Shape> {
    Ok(match kind {
        CircuitKind::Post => Shape::of(Post::STANDARD),
        CircuitKind::Badge => Shape::of(Badge::STANDARD),
        CircuitKind::Slash => Shape::of(Slash),
        CircuitKind::Author => Shape::of(Author),
        CircuitKind::Record16 => Shape::of(Record::<16>),
        CircuitKind::Record128 => Shape::of(Record::<128>),
    }?)
}

/// Detects the circuit of a key by its number of public inputs, which differs between the circuits. This does not
/// verify the key.
pub(super) fn circuit_of(zkey: &Zkey) -> Result<CircuitKind> {
    let inputs = zkey.public_inputs();
    let names = |kind| match kind {
        CircuitKind::Post => Post::public_names(),
        CircuitKind::Badge => Badge::public_names(),
        CircuitKind::Slash => Slash::public_names(),
        CircuitKind::Author => Author::public_names(),
        CircuitKind::Record16 => Record::<16>::public_names(),
        CircuitKind::Record128 => Record::<128>::public_names(),
    };
    match CircuitKind::ALL.into_iter().find(|kind| names(*kind).len() == inputs) {
        Some(kind) => Ok(kind),
        None => bail!("a key with {inputs} public inputs belongs to none of the circuits {}", names_of_circuits()),
    }
}

/// Imports a circuit's key from the content of a `.zkey` file.
pub(super) fn import(circuit: CircuitKind, zkey: &[u8]) -> Result<ProvingKey, ZkeyError> {
    match circuit {
        CircuitKind::Post => proving_key(Post::STANDARD, zkey),
        CircuitKind::Badge => proving_key(Badge::STANDARD, zkey),
        CircuitKind::Slash => proving_key(Slash, zkey),
        CircuitKind::Author => proving_key(Author, zkey),
        CircuitKind::Record16 => proving_key(Record::<16>, zkey),
        CircuitKind::Record128 => proving_key(Record::<128>, zkey),
    }
}

/// Reads a key file of any circuit, in the format of apps.
pub(super) fn read_key_file(file: &[u8]) -> Result<ProvingKey, KeyError> {
    match ProvingKey::from_bytes_standard::<Post>(file) {
        Err(KeyError::WrongCircuit { found, .. }) => match found {
            CircuitKind::Post => ProvingKey::from_bytes_standard::<Post>(file),
            CircuitKind::Badge => ProvingKey::from_bytes_standard::<Badge>(file),
            CircuitKind::Slash => ProvingKey::from_bytes_standard::<Slash>(file),
            CircuitKind::Author => ProvingKey::from_bytes_standard::<Author>(file),
            CircuitKind::Record16 => ProvingKey::from_bytes_standard::<Record<16>>(file),
            CircuitKind::Record128 => ProvingKey::from_bytes_standard::<Record<128>>(file),
        },
        read => read,
    }
}

/// Returns the names of all circuits, for messages.
fn names_of_circuits() -> String {
    CircuitKind::ALL.map(CircuitKind::name).join(", ")
}

pub(super) fn parse_circuit(text: &str) -> Result<CircuitKind, String> {
    let found = CircuitKind::ALL.into_iter().find(|kind| kind.name() == text);
    found.ok_or_else(|| format!("the circuits are {}", names_of_circuits()))
}

/// Formats a contribution for people.
pub(super) fn sentence(number: usize, contribution: &Contribution) -> String {
    let name = match contribution.name() {
        // The name is untrusted input.
        Some(name) => format!("`{}`", name.escape_debug()),
        None => "without a name".into(),
    };
    let kind = match contribution.kind() {
        ContributionKind::Contributor => String::new(),
        ContributionKind::Beacon { value, iterations_exponent } => {
            format!(", the beacon {} hashed 2^{iterations_exponent} times", hex::encode(value))
        }
    };
    format!("contribution {number} {name}{kind}\n  {}", contribution.hash())
}

pub(super) fn object(contribution: &Contribution) -> Value {
    let beacon = match contribution.kind() {
        ContributionKind::Contributor => Value::Null,
        ContributionKind::Beacon { value, iterations_exponent } => {
            json!({ "value": hex::encode(value), "iterations_exponent": iterations_exponent })
        }
    };
    json!({ "name": contribution.name(), "hash": contribution.hash().to_string(), "beacon": beacon })
}
