//! The `.zkey` binary format, version 1, of Groth16 (iden3/snarkjs, `zkey_utils.js`).

use ark_bn254::{Fq, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, Field, PrimeField};
use blake2::{Blake2b512, Digest};

use super::sections::{Iden3Error, Section, SectionFault, sections, write, write_field, write_g1, write_g2};

const FORMAT: &str = "zkey";
const VERSION: u32 = 1;
const GROTH16: u32 = 1;
/// Upper bound of the header's numbers. No circuit comes near it; it prevents overflows of sizes computed from a
/// damaged header.
const MOST: u32 = 1 << 24;
/// Bytes of a coefficient: matrix, row, variable and value.
const COEFFICIENT_BYTES: usize = 4 + 4 + 4 + 32;

/// A BLAKE2b hash in a ceremony: of a circuit and its powers of tau, or of a contribution.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TranscriptHash(pub [u8; 64]);

impl core::fmt::Display for TranscriptHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for TranscriptHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "TranscriptHash({self})")
    }
}

impl From<Blake2b512> for TranscriptHash {
    fn from(hasher: Blake2b512) -> Self {
        Self(hasher.finalize().into())
    }
}

/// A proving key of snarkjs, with the transcript of the ceremony that made it.
///
/// Decoding checks that the bytes are as snarkjs writes them: each section occurs once and has the exact length,
/// numbers are in range and canonical, points are on their curves and in their subgroups. Decoding does not check that
/// the key belongs to a circuit, nor that the transcript is valid: see [`proving_key`](crate::proving_key) and
/// [`ceremony`](crate::ceremony).
#[derive(Clone, Debug, PartialEq)]
pub struct Zkey {
    /// Number of all variables, the constant 1 included.
    pub(crate) variables: u32,
    /// Number of public inputs, without the constant 1.
    pub(crate) public: u32,
    /// Size of the QAP domain.
    pub(crate) domain: u32,
    pub(crate) alpha_g1: G1Affine,
    pub(crate) beta_g1: G1Affine,
    pub(crate) beta_g2: G2Affine,
    pub(crate) gamma_g2: G2Affine,
    pub(crate) delta_g1: G1Affine,
    pub(crate) delta_g2: G2Affine,
    /// The points of the public inputs. The point of the constant 1 comes first.
    pub(crate) ic: Vec<G1Affine>,
    /// The entries of the matrices A and B.
    pub(crate) coefficients: Vec<Coefficient>,
    pub(crate) a: Vec<G1Affine>,
    pub(crate) b_g1: Vec<G1Affine>,
    pub(crate) b_g2: Vec<G2Affine>,
    /// The points of the private variables.
    pub(crate) c: Vec<G1Affine>,
    pub(crate) h: Vec<G1Affine>,
    /// The hash of the key before the first contribution.
    pub(crate) circuit_hash: TranscriptHash,
    pub(crate) contributions: Vec<Contribution>,
}

/// An entry of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coefficient {
    /// 0 for A, 1 for B.
    pub(crate) matrix: u32,
    pub(crate) row: u32,
    pub(crate) variable: u32,
    pub(crate) value: Fr,
}

/// A contribution to a key: points that commit to the secret factor of delta.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contribution {
    /// Delta after this contribution.
    pub(crate) delta_after: G1Affine,
    /// A random point, and this point times the secret factor.
    pub(crate) g1_s: G1Affine,
    pub(crate) g1_sx: G1Affine,
    /// The point that the transcript hashes to, times the secret factor.
    pub(crate) g2_spx: G2Affine,
    /// The hash of all previous contributions and of the two points of G1.
    pub(crate) transcript: TranscriptHash,
    pub(crate) name: Option<String>,
    pub(crate) kind: ContributionKind,
}

/// The source of a contribution's secret factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContributionKind {
    /// A contributor, who should have deleted it.
    Contributor,
    /// A public value that was unpredictable beforehand, hashed many times.
    Beacon {
        /// The public value, 1 to 255 bytes.
        value: Vec<u8>,
        /// The binary logarithm of the number of hashes, 10 to 63.
        iterations_exponent: u8,
    },
}

impl Contribution {
    /// The name that the contributor gave, if any. It is not part of any hash.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The source of the secret factor.
    pub fn kind(&self) -> &ContributionKind {
        &self.kind
    }

    /// The hash that snarkjs shows to the contributor, who can look for it in the final key.
    pub fn hash(&self) -> TranscriptHash {
        let mut hasher = Blake2b512::new();
        self.hash_into(&mut hasher);
        hasher.into()
    }

    /// Adds the contribution to the hash of a transcript.
    pub(crate) fn hash_into(&self, hasher: &mut Blake2b512) {
        for point in [&self.delta_after, &self.g1_s, &self.g1_sx] {
            hasher.update(uncompressed_g1(point));
        }
        hasher.update(uncompressed_g2(&self.g2_spx));
        hasher.update(self.transcript.0);
    }
}

/// Encodes a point for hashing: big-endian coordinates, zeros for infinity.
pub(crate) fn uncompressed_g1(point: &G1Affine) -> [u8; 64] {
    uncompressed(&[point.x, point.y], point.is_zero())
}

/// Encodes a point of G2 for hashing: big-endian coordinates, c1 before c0, zeros for infinity.
pub(crate) fn uncompressed_g2(point: &G2Affine) -> [u8; 128] {
    uncompressed(&[point.x.c1, point.x.c0, point.y.c1, point.y.c0], point.is_zero())
}

fn uncompressed<const N: usize>(coordinates: &[Fq], infinity: bool) -> [u8; N] {
    let mut bytes = [0; N];
    if !infinity {
        for (chunk, coordinate) in bytes.chunks_exact_mut(32).zip(coordinates) {
            chunk.copy_from_slice(&coordinate.into_bigint().to_bytes_be());
        }
    }
    bytes
}

impl Zkey {
    /// Reads a `.zkey` file.
    ///
    /// # Errors
    /// [`Iden3Error`] names the fault and its position.
    pub fn from_bytes(file: &[u8]) -> Result<Self, Iden3Error> {
        let [mut protocol, mut header, mut ic, coefficients, mut a, mut b_g1, mut b_g2, mut c, mut h, contributions] =
            sections(file, FORMAT, VERSION, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])?;
        protocol.remain(4)?;
        if protocol.u32()? != GROTH16 {
            return Err(protocol.fault(4, SectionFault::WrongProtocol));
        }
        header.field::<Fq>()?;
        header.field::<Fr>()?;
        let variables = header.u32_below(MOST)?;
        let public = header.u32_below(variables)?;
        let domain = header.u32_below(MOST)?;
        if !domain.is_power_of_two() {
            return Err(header.fault(4, SectionFault::OutOfRange(domain)));
        }
        let (alpha_g1, beta_g1) = (header.g1()?, header.g1()?);
        let (beta_g2, gamma_g2) = (header.g2()?, header.g2()?);
        let (delta_g1, delta_g2) = (header.g1()?, header.g2()?);
        header.remain(0)?;

        // The lengths are checked first, so that a section of wrong length costs no time.
        let (all, outer) = (variables as usize, public as usize + 1);
        for (section, bytes) in [
            (&ic, 64 * outer),
            (&a, 64 * all),
            (&b_g1, 64 * all),
            (&b_g2, 128 * all),
            (&c, 64 * (all - outer)),
            (&h, 64 * domain as usize),
        ] {
            section.remain(bytes)?;
        }
        let coefficients = read_coefficients(coefficients, domain, variables)?;
        let (circuit_hash, contributions) = read_contributions(contributions)?;
        Ok(Self {
            variables,
            public,
            domain,
            alpha_g1,
            beta_g1,
            beta_g2,
            gamma_g2,
            delta_g1,
            delta_g2,
            ic: ic.list(outer, Section::g1_or_infinity)?,
            coefficients,
            a: a.list(all, Section::g1_or_infinity)?,
            b_g1: b_g1.list(all, Section::g1_or_infinity)?,
            b_g2: b_g2.list(all, Section::g2_or_infinity)?,
            c: c.list(all - outer, Section::g1_or_infinity)?,
            h: h.list(domain as usize, Section::g1_or_infinity)?,
            circuit_hash,
            contributions,
        })
    }

    /// Returns the file, with its sections in ascending order, as snarkjs writes them after a contribution.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut header = Vec::new();
        write_field::<Fq>(&mut header);
        write_field::<Fr>(&mut header);
        for number in [self.variables, self.public, self.domain] {
            header.extend(number.to_le_bytes());
        }
        write_g1(&mut header, &self.alpha_g1);
        write_g1(&mut header, &self.beta_g1);
        write_g2(&mut header, &self.beta_g2);
        write_g2(&mut header, &self.gamma_g2);
        write_g1(&mut header, &self.delta_g1);
        write_g2(&mut header, &self.delta_g2);

        let g1 = |points: &[G1Affine]| {
            let mut bytes = Vec::with_capacity(64 * points.len());
            points.iter().for_each(|point| write_g1(&mut bytes, point));
            bytes
        };
        let mut b_g2 = Vec::with_capacity(128 * self.b_g2.len());
        self.b_g2.iter().for_each(|point| write_g2(&mut b_g2, point));
        let sections = [
            (1, GROTH16.to_le_bytes().to_vec()),
            (2, header),
            (3, g1(&self.ic)),
            (4, write_coefficients(&self.coefficients)),
            (5, g1(&self.a)),
            (6, g1(&self.b_g1)),
            (7, b_g2),
            (8, g1(&self.c)),
            (9, g1(&self.h)),
            (10, write_contributions(self.circuit_hash, &self.contributions)),
        ];
        write(FORMAT, VERSION, sections)
    }

    /// Number of all variables, the constant 1 included.
    pub fn variables(&self) -> usize {
        self.variables as usize
    }

    /// Number of public inputs, without the constant 1.
    pub fn public_inputs(&self) -> usize {
        self.public as usize
    }

    /// Size of the QAP domain.
    pub fn domain(&self) -> usize {
        self.domain as usize
    }

    /// The hash of the key before the first contribution, which snarkjs calls the circuit hash. It depends on the
    /// circuit and on the powers of tau.
    pub fn circuit_hash(&self) -> TranscriptHash {
        self.circuit_hash
    }

    /// The contributions, first to last.
    pub fn contributions(&self) -> &[Contribution] {
        &self.contributions
    }
}

/// Returns R^2, where R = 2^256 is the factor of the Montgomery form. snarkjs stores each value times R^2, as its
/// arithmetic requires.
fn montgomery_factor() -> Fr {
    Fr::new(Fr::R).square()
}

fn read_coefficients(mut section: Section<'_>, domain: u32, variables: u32) -> Result<Vec<Coefficient>, Iden3Error> {
    let count = section.u32()? as usize;
    section.remain(count.saturating_mul(COEFFICIENT_BYTES))?;
    // The Montgomery form of 1/R is 1.
    let unscale = Fr::new_unchecked(BigInt::one()).square();
    section.list(count, |section| {
        Ok(Coefficient {
            matrix: section.u32_below(2)?,
            row: section.u32_below(domain)?,
            variable: section.u32_below(variables)?,
            value: section.fr()? * unscale,
        })
    })
}

fn write_coefficients(coefficients: &[Coefficient]) -> Vec<u8> {
    let scale = montgomery_factor();
    let mut bytes = Vec::with_capacity(4 + COEFFICIENT_BYTES * coefficients.len());
    bytes.extend((coefficients.len() as u32).to_le_bytes());
    for Coefficient { matrix, row, variable, value } in coefficients {
        for number in [matrix, row, variable] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((*value * scale).into_bigint().to_bytes_le());
    }
    bytes
}

// Kinds of contributions, and tags of their parameters.
const CONTRIBUTOR: u32 = 0;
const BEACON: u32 = 1;
const NAME: u8 = 1;
const ITERATIONS: u8 = 2;
const VALUE: u8 = 3;

fn read_contributions(mut section: Section<'_>) -> Result<(TranscriptHash, Vec<Contribution>), Iden3Error> {
    let circuit_hash = TranscriptHash(section.array()?);
    let count = section.u32()?;
    let mut contributions = Vec::new();
    for _ in 0..count {
        contributions.push(read_contribution(&mut section)?);
    }
    section.remain(0)?;
    Ok((circuit_hash, contributions))
}

fn read_contribution(section: &mut Section<'_>) -> Result<Contribution, Iden3Error> {
    let (delta_after, g1_s, g1_sx, g2_spx) = (section.g1()?, section.g1()?, section.g1()?, section.g2()?);
    let transcript = TranscriptHash(section.array()?);
    let (kind, name) = read_parameters(section)?;
    Ok(Contribution { delta_after, g1_s, g1_sx, g2_spx, transcript, name, kind })
}

/// Reads the kind and the parameters of a contribution. A `.ptau` file has them too.
pub(super) fn read_parameters(section: &mut Section<'_>) -> Result<(ContributionKind, Option<String>), Iden3Error> {
    let kind = section.u32_below(BEACON + 1)?;
    let length = section.u32()? as usize;
    let mut rest = section.bytes(length)?;
    let fault = section.fault(length, SectionFault::Parameters);
    let mut parameter = |tag: u8| -> Option<&[u8]> {
        let after = rest.strip_prefix(&[tag])?;
        // The number of iterations has no length prefix; the other parameters have one.
        let (value, after) = match (tag, after) {
            (ITERATIONS, _) => after.split_at_checked(1)?,
            (_, [length, after @ ..]) => after.split_at_checked(usize::from(*length))?,
            _ => return None,
        };
        rest = after;
        Some(value)
    };
    let name = parameter(NAME);
    let (iterations, value) = (parameter(ITERATIONS), parameter(VALUE));
    let name = name.map(|name| String::from_utf8(name.to_vec()));
    let kind = match (kind, iterations, value) {
        (CONTRIBUTOR, None, None) => Some(ContributionKind::Contributor),
        (BEACON, Some(&[iterations_exponent @ 10..=63]), Some(value)) if !value.is_empty() => {
            Some(ContributionKind::Beacon { value: value.to_vec(), iterations_exponent })
        }
        _ => None,
    };
    match (kind, name.transpose()) {
        (Some(kind), Ok(name)) if rest.is_empty() && name.as_deref() != Some("") => Ok((kind, name)),
        _ => Err(fault),
    }
}

fn write_contributions(circuit_hash: TranscriptHash, contributions: &[Contribution]) -> Vec<u8> {
    let mut bytes = circuit_hash.0.to_vec();
    bytes.extend((contributions.len() as u32).to_le_bytes());
    for contribution in contributions {
        for point in [&contribution.delta_after, &contribution.g1_s, &contribution.g1_sx] {
            write_g1(&mut bytes, point);
        }
        write_g2(&mut bytes, &contribution.g2_spx);
        bytes.extend(contribution.transcript.0);

        let mut parameters = Vec::new();
        if let Some(name) = &contribution.name {
            // The length fits: neither decoding nor `contribute` allows more than 255 bytes.
            parameters.extend([NAME, name.len() as u8]);
            parameters.extend(name.as_bytes());
        }
        let kind = match &contribution.kind {
            ContributionKind::Contributor => CONTRIBUTOR,
            ContributionKind::Beacon { value, iterations_exponent } => {
                parameters.extend([ITERATIONS, *iterations_exponent, VALUE, value.len() as u8]);
                parameters.extend(value);
                BEACON
            }
        };
        bytes.extend(kind.to_le_bytes());
        bytes.extend((parameters.len() as u32).to_le_bytes());
        bytes.extend(parameters);
    }
    bytes
}
