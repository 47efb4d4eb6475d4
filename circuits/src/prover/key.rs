//! Proving keys.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::AffineRepr;

use super::{file, pin};
use crate::{
    constraints::{
        Circuit, CircuitKind,
        shape::{CircuitHash, CircuitInfo},
    },
    field::{FieldError, bytes_from_hex},
    membership::Levels,
    verifier::VerifyingKey,
};

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// A public seed: **insecure**, anybody can forge proofs.
    Development,
    /// A ceremony, whose result has this hash.
    Ceremony(CeremonyHash),
}

/// SHA-256 of the `.zkey` file that ended a ceremony: what a key is trusted by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CeremonyHash(pub [u8; 32]);

impl core::str::FromStr for CeremonyHash {
    type Err = FieldError;

    /// Reads 64 hexadecimal digits, as `sha256sum` prints them.
    fn from_str(text: &str) -> Result<Self, FieldError> {
        bytes_from_hex(text).map(Self)
    }
}

impl core::fmt::Display for CeremonyHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for CeremonyHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CeremonyHash({self})")
    }
}

impl core::fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Development => f.write_str("development (INSECURE: made from a public seed)"),
            Self::Ceremony(hash) => write!(f, "ceremony {hash}"),
        }
    }
}

/// A key file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a key file.
    #[error("not a quotapass key file")]
    NotAKey,
    /// A version this program does not know.
    #[error("key file version {0} is unknown; this program reads version {version}", version = file::VERSION)]
    Version(u16),
    /// A code in the header that stands for nothing.
    #[error("the key file's header is damaged")]
    Header,
    /// The key of another circuit.
    #[error("the key file is of the circuit `{found}`, not `{expected}`")]
    WrongCircuit {
        /// The file's circuit.
        found: CircuitKind,
        /// The circuit wanted.
        expected: CircuitKind,
    },
    /// The key of a tree with another number of levels.
    #[error("the key file is for a tree of {found} levels, not {expected}")]
    WrongLevels {
        /// The file's levels.
        found: usize,
        /// The levels wanted.
        expected: usize,
    },
    /// The circuit has changed since the key was made.
    #[error("the key was made for circuit {found}, this program has circuit {expected}")]
    CircuitChanged {
        /// Hash in the file.
        found: CircuitHash,
        /// Hash of the circuit as it is.
        expected: CircuitHash,
    },
    /// Bytes are missing or too many.
    #[error("the key file has {found} bytes, its circuit needs {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// The checksum does not fit.
    #[error("the key file is damaged: its checksum does not fit its content")]
    Checksum,
    /// A point that is none.
    #[error("the key file holds a point that is not on its curve")]
    Point,
}

/// Points that go with some of the variables: those whose column in the circuit's matrix is not zero.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query<G> {
    /// The variables, ascending.
    pub(super) variables: Vec<u32>,
    /// A point for each.
    pub(super) points: Vec<G>,
}

impl<G: AffineRepr> Query<G> {
    /// Leaves out the points at infinity of a list with one point a variable.
    fn dense(points: &[G]) -> Self {
        let finite = (0u32..).zip(points).filter(|(_, point)| !point.is_zero());
        let (variables, points) = finite.map(|(variable, point)| (variable, *point)).unzip();
        Self { variables, points }
    }
}

/// A Groth16 proving key.
///
/// It holds no constraints: the prover computes what they come to while it computes the assignment. Nor does it hold
/// the points of B in G1, which Groth16 uses to blind a proof, for proofs are blinded by rerandomisation (see
/// [`Prover::prove`](super::Prover::prove)).
#[derive(Clone)]
pub struct ProvingKey {
    pub(super) origin: KeyOrigin,
    pub(super) circuit: CircuitInfo,
    pub(super) verifying: ark_groth16::VerifyingKey<Bn254>,
    pub(super) a: Query<G1Affine>,
    pub(super) b: Query<G2Affine>,
    /// `(beta a_i + alpha b_i + c_i)(tau) / delta` of the private variables.
    pub(super) c: Query<G1Affine>,
    /// The Lagrange polynomials of the odd coset at tau, divided by delta.
    pub(super) quotient: Vec<G1Affine>,
    /// The checksum of its file.
    pub(super) fingerprint: [u8; 32],
}

impl ProvingKey {
    /// Takes a key of arkworks whose quotient points are in the basis of [`quotient`](super::quotient).
    pub(super) fn new(origin: KeyOrigin, circuit: CircuitInfo, key: ark_groth16::ProvingKey<Bn254>) -> Self {
        let mut c = Query::dense(&key.l_query);
        for variable in &mut c.variables {
            *variable += circuit.public as u32;
        }
        let mut key = Self {
            origin,
            circuit,
            a: Query::dense(&key.a_query),
            b: Query::dense(&key.b_g2_query),
            c,
            quotient: key.h_query,
            verifying: key.vk,
            fingerprint: [0; 32],
        };
        key.fingerprint = Self::checksum(&key.to_bytes()).unwrap_or_default();
        key
    }

    /// The checksum that its file ends with: what other files name the key by.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Where the key comes from.
    pub fn origin(&self) -> KeyOrigin {
        self.origin
    }

    /// The circuit.
    pub fn circuit(&self) -> &CircuitInfo {
        &self.circuit
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::new(self.verifying.clone())
    }

    /// How many variables occur on the A side of some constraint, and how many on the B side. The first cost an addition
    /// in G1 for each digit of a proof's scalars, the second one in G2.
    pub fn query_lengths(&self) -> (usize, usize) {
        (self.a.points.len(), self.b.points.len())
    }

    /// The key file: magic (8) | version u16 | circuit u8 | levels u8 | origin u8 | circuit hash (32) | counts of public
    /// variables, all variables, constraints, points of A, of B and of C (u32 each) | the variables of these points (u32
    /// each) | points | the ceremony's hash (32) if the origin is one | SHA-256 of all before (32).
    ///
    /// Integers are big-endian, points arkworks' uncompressed form: alpha, the points of the public inputs, A, C and the
    /// quotient in G1, then beta, gamma, delta and B in G2.
    pub fn to_bytes(&self) -> Vec<u8> {
        file::write(self)
    }

    /// Reads the key file of a circuit.
    ///
    /// The file's circuit hash must be that of the circuit as it is: at the standard number of levels the
    /// [pinned](super::pin) hash, which a test compares with the circuit; at another number it is computed, which takes
    /// some fifty milliseconds. The checksum finds damage, not malice: whoever could replace the file could replace its
    /// checksum too. A key is trusted by its checksum, or not at all.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong.
    pub fn from_bytes<C: Circuit>(levels: Levels, bytes: &[u8]) -> Result<Self, KeyError> {
        file::read(C::KIND, levels, || file::circuit_hash::<C>(levels), bytes)
    }

    /// [`from_bytes`](Self::from_bytes) for the standard tree, whose circuits' hashes are [pinned](super::pin): a program
    /// that reads no others is smaller, for it cannot compute hashes.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong.
    pub fn from_bytes_standard<C: Circuit>(bytes: &[u8]) -> Result<Self, KeyError> {
        file::read(C::KIND, Levels::STANDARD, || Ok(pin(C::KIND).circuit), bytes)
    }

    /// The SHA-256 that a key file ends with.
    pub fn checksum(file: &[u8]) -> Option<[u8; 32]> {
        file.last_chunk().copied()
    }
}

impl core::fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { origin, circuit, .. } = self;
        write!(f, "ProvingKey({}, {} levels, {origin})", circuit.kind, circuit.levels.get())
    }
}
