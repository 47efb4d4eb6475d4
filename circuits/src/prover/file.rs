//! The key file; [`ProvingKey::to_bytes`] describes it.

use ark_bn254::{g1, g2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use sha2::{Digest, Sha256};

use super::{CeremonyHash, KeyError, ProvingKey, key::Query};
use crate::{
    constraints::{
        Circuit, CircuitKind,
        shape::{CircuitHash, CircuitInfo, Shape},
    },
    key_id::KeyId,
    pins::pin,
};

const MAGIC: &[u8; 8] = b"QUOTAKEY";
/// Version of the key files that this program writes and reads.
pub const VERSION: u16 = 2;
const HASH_END: usize = 8 + 2 + 1 + 1 + 1 + 32;
const COUNTS: usize = 6;
const HEADER_BYTES: usize = HASH_END + 4 * COUNTS;
const CEREMONY_HASH_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 32;
// Codes of origins.
const DEVELOPMENT: u8 = 1;
const CEREMONY: u8 = 2;
const G1_BYTES: usize = 64;
const G2_BYTES: usize = 128;
/// Upper bound of the header's counts. No circuit comes near it; it prevents overflows of sizes computed from a damaged
/// header.
const MOST: u32 = 1 << 24;

/// Returns the identifier of a key.
pub(super) fn id(key: &ProvingKey) -> KeyId {
    KeyId(Sha256::digest(canonical(key)).into())
}

pub(super) fn write(key: &ProvingKey) -> Vec<u8> {
    let mut bytes = canonical(key);
    bytes.extend(key.ceremony.iter().flat_map(|file| file.0));
    bytes.extend(Sha256::digest(&bytes));
    bytes
}

/// Returns the key file without the hashes at its end.
fn canonical(key: &ProvingKey) -> Vec<u8> {
    let CircuitInfo { kind, variant, hash, public, variables, constraints } = key.circuit;
    let mut bytes = Vec::with_capacity(2 << 20);
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_be_bytes());
    let origin = if key.ceremony.is_some() { CEREMONY } else { DEVELOPMENT };
    bytes.extend([kind as u8 + 1, variant, origin]);
    bytes.extend(hash.0);
    let lists = [&key.a.variables, &key.b.variables, &key.c.variables];
    let [a, b, c] = lists.map(Vec::len);
    for count in [public, variables, constraints, a, b, c] {
        bytes.extend((count as u32).to_be_bytes());
    }
    for variable in lists.into_iter().flatten() {
        bytes.extend(variable.to_be_bytes());
    }
    let verifying = &key.verifying;
    let first = [verifying.alpha_g1];
    for point in
        first.iter().chain(&verifying.gamma_abc_g1).chain(&key.a.points).chain(&key.c.points).chain(&key.quotient)
    {
        write_point(&mut bytes, point);
    }
    for point in [verifying.beta_g2, verifying.gamma_g2, verifying.delta_g2].iter().chain(&key.b.points) {
        write_point(&mut bytes, point);
    }
    bytes
}

/// Reads the key file of a circuit with the expected hash.
pub(super) fn read(
    kind: CircuitKind,
    variant: u8,
    expected: impl FnOnce() -> Result<CircuitHash, KeyError>,
    bytes: &[u8],
) -> Result<ProvingKey, KeyError> {
    let (header, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(KeyError::NotAKey)?;
    let header = header.strip_prefix(MAGIC).ok_or(KeyError::NotAKey)?;
    let &[version_high, version_low, circuit, found_variant, origin, ref header @ ..] = header else {
        return Err(KeyError::Header);
    };
    let version = u16::from_be_bytes([version_high, version_low]);
    if version != VERSION {
        return Err(KeyError::Version(version));
    }
    let found = CircuitKind::ALL.into_iter().find(|kind| *kind as u8 + 1 == circuit).ok_or(KeyError::Header)?;
    if found != kind {
        return Err(KeyError::WrongCircuit { found, expected: kind });
    }
    if found_variant != variant {
        return Err(KeyError::WrongLevels { found: found_variant.into(), expected: variant.into() });
    }
    let ceremony_bytes = match origin {
        DEVELOPMENT => 0,
        CEREMONY => CEREMONY_HASH_BYTES,
        _ => return Err(KeyError::Header),
    };
    let (hash, counts) = header.split_first_chunk().ok_or(KeyError::Header)?;
    let (found, expected) = (CircuitHash(*hash), expected()?);
    if found != expected {
        return Err(KeyError::CircuitChanged { found, expected });
    }
    let layout = Layout::read(counts)?;
    let length = layout.bytes() + ceremony_bytes;
    if bytes.len() != length {
        return Err(KeyError::Length { found: bytes.len(), expected: length });
    }
    let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
    let (canonical, ceremony) = content.split_at(content.len() - ceremony_bytes);
    let mut hasher = Sha256::new_with_prefix(canonical);
    let id = KeyId(hasher.clone().finalize().into());
    hasher.update(ceremony);
    if hasher.finalize()[..] != *checksum {
        return Err(KeyError::Checksum);
    }
    let ceremony = ceremony.first_chunk().copied().map(CeremonyHash);
    layout.key(KeyHead { kind, variant, hash: found, ceremony, id }, rest)
}

/// The metadata of a key file.
struct KeyHead {
    kind: CircuitKind,
    variant: u8,
    hash: CircuitHash,
    ceremony: Option<CeremonyHash>,
    id: KeyId,
}

/// Returns the hash of the current circuit.
pub(super) fn circuit_hash<C: Circuit>(circuit: C) -> Result<CircuitHash, KeyError> {
    if circuit == C::STANDARD {
        return Ok(pin(C::KIND).circuit);
    }
    Ok(Shape::of(circuit).map_err(|_| KeyError::Header)?.hash())
}

fn write_point(bytes: &mut Vec<u8>, point: &impl CanonicalSerialize) {
    // Writing to a Vec cannot fail.
    let _ = point.serialize_uncompressed(bytes);
}

/// Numbers of variables, points and constraints.
struct Layout {
    public: usize,
    variables: usize,
    constraints: usize,
    a: usize,
    b: usize,
    c: usize,
}

impl Layout {
    fn read(counts: &[u8]) -> Result<Self, KeyError> {
        let mut numbers = [0; COUNTS];
        for (number, bytes) in numbers.iter_mut().zip(counts.as_chunks().0) {
            let count = u32::from_be_bytes(*bytes);
            if count > MOST {
                return Err(KeyError::Header);
            }
            *number = count as usize;
        }
        let [public, variables, constraints, a, b, c] = numbers;
        if public == 0 || public > variables || [a, b, c].iter().any(|count| *count > variables) {
            return Err(KeyError::Header);
        }
        Ok(Self { public, variables, constraints, a, b, c })
    }

    fn domain(&self) -> usize {
        (self.constraints + self.public).next_power_of_two()
    }

    fn bytes(&self) -> usize {
        let g1 = 1 + self.public + self.a + self.c + self.domain();
        let g2 = 3 + self.b;
        HEADER_BYTES + 4 * (self.a + self.b + self.c) + g1 * G1_BYTES + g2 * G2_BYTES + CHECKSUM_BYTES
    }

    fn key(&self, head: KeyHead, mut rest: &[u8]) -> Result<ProvingKey, KeyError> {
        let KeyHead { kind, variant, hash, ceremony, id } = head;
        let mut variables = |count| read_variables(&mut rest, count, self.variables);
        let (a, b, c) = (variables(self.a)?, variables(self.b)?, variables(self.c)?);
        if c.first().is_some_and(|first| (*first as usize) < self.public) {
            return Err(KeyError::Header);
        }
        let mut g1 = |count| read_points::<g1::Config>(&mut rest, count, G1_BYTES);
        let alpha = g1(1)?;
        let gamma_abc_g1 = g1(self.public)?;
        let a = Query { variables: a, points: g1(self.a)? };
        let c = Query { variables: c, points: g1(self.c)? };
        let quotient = g1(self.domain())?;
        let singles = read_points::<g2::Config>(&mut rest, 3, G2_BYTES)?;
        let b = Query { variables: b, points: read_points(&mut rest, self.b, G2_BYTES)? };
        let (&[alpha_g1], &[beta_g2, gamma_g2, delta_g2]) = (&alpha[..], &singles[..]) else {
            return Err(KeyError::Point);
        };
        let circuit = CircuitInfo {
            kind,
            variant,
            hash,
            public: self.public,
            variables: self.variables,
            constraints: self.constraints,
        };
        let verifying = ark_groth16::VerifyingKey { alpha_g1, beta_g2, gamma_g2, delta_g2, gamma_abc_g1 };
        Ok(ProvingKey { ceremony, circuit, verifying, a, b, c, quotient, id })
    }
}

/// Reads indices of variables. They must be ascending and below `limit`.
fn read_variables(rest: &mut &[u8], count: usize, limit: usize) -> Result<Vec<u32>, KeyError> {
    let (bytes, after) = rest.split_at_checked(4 * count).ok_or(KeyError::Header)?;
    *rest = after;
    let variables: Vec<_> = bytes.as_chunks().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
    let ascend = variables.is_sorted_by(|a, b| a < b);
    let exist = variables.last().is_none_or(|last| (*last as usize) < limit);
    if ascend && exist { Ok(variables) } else { Err(KeyError::Header) }
}

/// Reads points, which must be on their curve. It does not check the subgroups: this would take a second, and a key is
/// trusted only by its identifier.
fn read_points<P: SWCurveConfig>(rest: &mut &[u8], count: usize, bytes: usize) -> Result<Vec<Affine<P>>, KeyError> {
    let (points, after) = rest.split_at_checked(count * bytes).ok_or(KeyError::Point)?;
    *rest = after;
    points
        .chunks_exact(bytes)
        .map(|chunk| {
            let point = Affine::<P>::deserialize_uncompressed_unchecked(chunk).map_err(|_| KeyError::Point)?;
            if point.is_on_curve() { Ok(point) } else { Err(KeyError::Point) }
        })
        .collect()
}
