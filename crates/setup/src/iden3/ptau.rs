//! The `.ptau` binary format, version 1 (iden3/snarkjs, `powersoftau_utils.js`): powers of tau, shared by many
//! circuits.

use ark_bn254::{Fq, G1Affine, G2Affine};
use blake2::{Blake2b512, Digest};

use super::{
    sections::{G1_BYTES, G2_BYTES, Iden3Error, Section, SectionFault, sections},
    zkey::{ContributionKind, TranscriptHash, read_parameters},
};

const FORMAT: &str = "ptau";
const VERSION: u32 = 1;
/// Larger powers make files of more than a gigabyte. Circuits need much less.
pub(crate) const MOST_POWER: u32 = 20;
/// The largest domain that BN254 has.
const MOST_CEREMONY_POWER: u32 = 28;
/// Size of the state of an unfinished BLAKE2b hash.
const PARTIAL_HASH_BYTES: usize = 216;

/// A file of powers of tau, prepared for phase 2: sections 2 to 6 hold the powers, sections 12 to 15 hold them in the
/// Lagrange bases of all domains.
///
/// Decoding checks the header, the lengths and the contributions. Points are decoded and checked when they are needed.
/// [`InitialKey`](crate::ceremony::InitialKey) checks that the points that a circuit needs are powers of one number.
/// Only the transcript of the powers-of-tau ceremony shows that this number is unknown to everyone. This crate does not
/// verify that transcript: snarkjs does, and the published hash of a file identifies one that was verified.
#[derive(Clone)]
pub struct Ptau<'a> {
    power: u32,
    ceremony_power: u32,
    hash: TranscriptHash,
    contributions: Vec<PtauContribution>,
    tau_g1: Section<'a>,
    tau_g2: Section<'a>,
    alpha_g1: Section<'a>,
    beta_g1: Section<'a>,
    beta_g2: G2Affine,
    lagrange: [Section<'a>; 4],
}

/// A contribution to powers of tau.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PtauContribution {
    /// The name that the contributor gave, if any.
    pub name: Option<String>,
    /// Source of its secrets.
    pub kind: ContributionKind,
    /// tau, alpha and beta after this contribution.
    pub(crate) tau_g1: G1Affine,
    pub(crate) tau_g2: G2Affine,
    pub(crate) alpha_g1: G1Affine,
    pub(crate) beta_g1: G1Affine,
    pub(crate) beta_g2: G2Affine,
}

/// The powers that a domain of size n needs.
pub(crate) struct Powers {
    /// 1, tau, tau^2, ...: 2n powers, or 2n - 1 if the file has no more.
    pub(crate) tau_g1: Vec<G1Affine>,
    /// n points in each of these three lists.
    pub(crate) tau_g2: Vec<G2Affine>,
    pub(crate) alpha_g1: Vec<G1Affine>,
    pub(crate) beta_g1: Vec<G1Affine>,
    pub(crate) beta_g2: G2Affine,
}

/// The powers in the Lagrange basis of the domain of size n.
pub(crate) struct Lagrange {
    pub(crate) tau_g1: Vec<G1Affine>,
    pub(crate) tau_g2: Vec<G2Affine>,
    pub(crate) alpha_g1: Vec<G1Affine>,
    pub(crate) beta_g1: Vec<G1Affine>,
    /// The Lagrange basis of the domain of size 2n, without the power 2n - 1 if the file lacks it.
    pub(crate) double_tau_g1: Vec<G1Affine>,
}

impl<'a> Ptau<'a> {
    /// Reads a `.ptau` file that is prepared for phase 2.
    ///
    /// # Errors
    /// [`Iden3Error`] names the fault and its position. A file that is not prepared lacks sections 12 to 15;
    /// `snarkjs powersoftau prepare phase2` adds them.
    pub fn from_bytes(file: &'a [u8]) -> Result<Self, Iden3Error> {
        let numbers = [1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15];
        let [mut header, tau_g1, tau_g2, alpha_g1, beta_g1, mut beta_g2, mut contributions, l12, l13, l14, l15] =
            sections(file, FORMAT, VERSION, numbers)?;
        header.field::<Fq>()?;
        let power = header.u32_below(MOST_POWER + 1)?;
        let ceremony_power = header.u32_below(MOST_CEREMONY_POWER + 1)?;
        header.remain(0)?;
        if ceremony_power < power {
            return Err(header.fault(4, SectionFault::OutOfRange(ceremony_power)));
        }
        let n = 1usize << power;
        for (section, bytes) in [
            (&tau_g1, (2 * n - 1) * G1_BYTES),
            (&tau_g2, n * G2_BYTES),
            (&alpha_g1, n * G1_BYTES),
            (&beta_g1, n * G1_BYTES),
            (&beta_g2, G2_BYTES),
            (&l12, (4 * n - 1) * G1_BYTES),
            (&l13, (2 * n - 1) * G2_BYTES),
            (&l14, (2 * n - 1) * G1_BYTES),
            (&l15, (2 * n - 1) * G1_BYTES),
        ] {
            section.remain(bytes)?;
        }
        let count = contributions.u32()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read_contribution(&mut contributions)?);
        }
        contributions.remain(0)?;
        Ok(Self {
            power,
            ceremony_power,
            hash: TranscriptHash(Blake2b512::digest(file).into()),
            contributions: list,
            tau_g1,
            tau_g2,
            alpha_g1,
            beta_g1,
            beta_g2: beta_g2.g2()?,
            lagrange: [l12, l13, l14, l15],
        })
    }

    /// Binary logarithm of the largest domain that the file supports.
    pub fn power(&self) -> u32 {
        self.power
    }

    /// Binary logarithm of the largest domain of the ceremony. The file may hold only a part of the ceremony's powers.
    pub fn ceremony_power(&self) -> u32 {
        self.ceremony_power
    }

    /// BLAKE2b-512 of the whole file, as `b2sum` prints it and as it is published for the well-known files.
    pub fn hash(&self) -> TranscriptHash {
        self.hash
    }

    /// The contributions, first to last.
    pub fn contributions(&self) -> &[PtauContribution] {
        &self.contributions
    }

    /// Reads the powers that a domain of 2^`power` needs. `power` must not exceed the file's power.
    pub(crate) fn powers(&self, power: u32) -> Result<Powers, Iden3Error> {
        let n = 1usize << power;
        let tau = if power == self.power { 2 * n - 1 } else { 2 * n };
        Ok(Powers {
            tau_g1: self.tau_g1.clone().list(tau, Section::g1)?,
            tau_g2: self.tau_g2.clone().list(n, Section::g2)?,
            alpha_g1: self.alpha_g1.clone().list(n, Section::g1)?,
            beta_g1: self.beta_g1.clone().list(n, Section::g1)?,
            beta_g2: self.beta_g2,
        })
    }

    /// Reads the Lagrange bases that a domain of 2^`power` needs.
    pub(crate) fn lagrange(&self, power: u32) -> Result<Lagrange, Iden3Error> {
        let g1 = |section: &Section<'a>, power: u32| {
            let mut section = section.clone();
            section.skip(((1 << power) - 1) * G1_BYTES)?;
            section.list(1 << power, Section::g1_or_infinity)
        };
        let [tau_g1, tau_g2, alpha_g1, beta_g1] = &self.lagrange;
        let mut tau_g2 = tau_g2.clone();
        tau_g2.skip(((1 << power) - 1) * G2_BYTES)?;
        Ok(Lagrange {
            tau_g1: g1(tau_g1, power)?,
            tau_g2: tau_g2.list(1 << power, Section::g2_or_infinity)?,
            alpha_g1: g1(alpha_g1, power)?,
            beta_g1: g1(beta_g1, power)?,
            double_tau_g1: g1(tau_g1, power + 1)?,
        })
    }
}

impl core::fmt::Debug for Ptau<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Ptau(power {}, {} contributions)", self.power, self.contributions.len())
    }
}

fn read_contribution(section: &mut Section<'_>) -> Result<PtauContribution, Iden3Error> {
    let (tau_g1, tau_g2) = (section.g1()?, section.g2()?);
    let (alpha_g1, beta_g1, beta_g2) = (section.g1()?, section.g1()?, section.g2()?);
    // The proofs of knowledge: two points of G1 and one of G2 for each secret. The published hash covers them, and
    // snarkjs verifies them.
    for _ in 0..6 {
        let _ = section.g1()?;
    }
    for _ in 0..3 {
        let _ = section.g2()?;
    }
    section.skip(PARTIAL_HASH_BYTES + 64)?;
    let (kind, name) = read_parameters(section)?;
    Ok(PtauContribution { name, kind, tau_g1, tau_g2, alpha_g1, beta_g1, beta_g2 })
}
