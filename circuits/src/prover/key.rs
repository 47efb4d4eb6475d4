//! Proving keys.

use ark_bn254::{Bn254, G1Affine, G2Affine};
use ark_ec::AffineRepr;

use super::file;
use crate::{
    constraints::{
        Circuit, CircuitKind,
        shape::{CircuitHash, CircuitInfo},
    },
    key_id::KeyId,
    pins::pin,
    verifier::VerifyingKey,
};

/// The origin of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// A public seed: **insecure**, because anyone can forge proofs.
    Development,
    /// A ceremony, whose result is the key with this identifier.
    Ceremony(KeyId),
}

/// SHA-256 of the final `.zkey` file of a ceremony, as `sha256sum` prints it. A key that was imported from the file
/// names it by this hash. A key is identified and trusted by its [`KeyId`], which does not cover the hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CeremonyHash(pub [u8; 32]);

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
            Self::Ceremony(id) => write!(f, "ceremony {id}"),
        }
    }
}

/// Errors of decoding a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file is not a key file.
    #[error("not a quotapass key file")]
    NotAKey,
    /// This program does not support the version.
    #[error("key file version {0} is unknown; this program reads version {version}", version = file::VERSION)]
    Version(u16),
    /// The header has an invalid value.
    #[error("the key file's header is damaged")]
    Header,
    /// The key is for another circuit.
    #[error("the key file is for the circuit `{found}`, not `{expected}`")]
    WrongCircuit {
        /// The file's circuit.
        found: CircuitKind,
        /// The expected circuit.
        expected: CircuitKind,
    },
    /// The key is for a tree with another number of levels.
    #[error("the key file is for a tree of {found} levels, not {expected}")]
    WrongLevels {
        /// The file's levels.
        found: usize,
        /// The expected levels.
        expected: usize,
    },
    /// The circuit has changed since the key was made.
    #[error("the key was made for circuit {found}, but this program has circuit {expected}")]
    CircuitChanged {
        /// Hash in the file.
        found: CircuitHash,
        /// Hash of the current circuit.
        expected: CircuitHash,
    },
    /// The file has too few or too many bytes.
    #[error("the key file has {found} bytes, expected {expected}")]
    Length {
        /// Bytes found.
        found: usize,
        /// Bytes needed.
        expected: usize,
    },
    /// The checksum does not match.
    #[error("the key file is damaged: its checksum does not match its content")]
    Checksum,
    /// A point is invalid.
    #[error("the key file contains a point that is not on its curve")]
    Point,
}

/// The numbers of points do not match the circuit's numbers of variables and constraints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the numbers of points are not those of a key of the circuit `{0}`")]
pub struct WrongPoints(pub CircuitKind);

/// The points of a query. Only variables whose column in the circuit's matrix is not zero have a point.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Query<G> {
    /// The variables, ascending.
    pub(super) variables: Vec<u32>,
    /// One point for each of these variables.
    pub(super) points: Vec<G>,
}

impl<G: AffineRepr> Query<G> {
    /// Creates a query from a list with one point for each variable, without the points at infinity.
    fn dense(points: &[G]) -> Self {
        let finite = (0u32..).zip(points).filter(|(_, point)| !point.is_zero());
        let (variables, points) = finite.map(|(variable, point)| (variable, *point)).unzip();
        Self { variables, points }
    }
}

/// A Groth16 proving key.
///
/// It contains no constraints: the prover computes their values while it computes the assignment. It does not contain
/// the points of B in G1, which Groth16 uses to blind a proof, because proofs are blinded by rerandomisation (see
/// [`Prover::prove`](super::Prover::prove)).
#[derive(Clone)]
pub struct ProvingKey {
    /// The `.zkey` file that the key was imported from; `None` for a development key.
    pub(super) ceremony: Option<CeremonyHash>,
    pub(super) circuit: CircuitInfo,
    pub(super) verifying: ark_groth16::VerifyingKey<Bn254>,
    pub(super) a: Query<G1Affine>,
    pub(super) b: Query<G2Affine>,
    /// `(beta a_i + alpha b_i + c_i)(tau) / delta` of the private variables.
    pub(super) c: Query<G1Affine>,
    /// The Lagrange polynomials of the odd coset at tau, divided by delta.
    pub(super) quotient: Vec<G1Affine>,
    pub(super) id: KeyId,
}

impl ProvingKey {
    /// Makes a circuit's key from the points of a ceremony's result and the hash of its final file. The quotient points
    /// (`h_query`) are in the basis of a `.zkey` file: the Lagrange polynomials of the odd coset at tau, divided by
    /// delta.
    ///
    /// The function compares the numbers of points with the circuit. It does not check that the points follow from a
    /// ceremony for this circuit; the crate `quotapass-setup` imports and checks the files of ceremonies.
    ///
    /// # Errors
    /// [`WrongPoints`] if the key needs other numbers of points.
    pub fn of_ceremony(
        file: CeremonyHash,
        circuit: CircuitInfo,
        key: ark_groth16::ProvingKey<Bn254>,
    ) -> Result<Self, WrongPoints> {
        let CircuitInfo { public, variables, .. } = circuit;
        let found = [key.vk.gamma_abc_g1.len(), key.a_query.len(), key.b_g2_query.len(), key.h_query.len()];
        if found != [public, variables, variables, circuit.domain()] || public + key.l_query.len() != variables {
            return Err(WrongPoints(circuit.kind));
        }
        Ok(Self::new(Some(file), circuit, key))
    }

    /// Converts a key of arkworks whose quotient points are in the basis of [`quotient`](super::quotient).
    pub(super) fn new(
        ceremony: Option<CeremonyHash>,
        circuit: CircuitInfo,
        key: ark_groth16::ProvingKey<Bn254>,
    ) -> Self {
        let mut c = Query::dense(&key.l_query);
        for variable in &mut c.variables {
            *variable += circuit.public as u32;
        }
        let mut key = Self {
            ceremony,
            circuit,
            a: Query::dense(&key.a_query),
            b: Query::dense(&key.b_g2_query),
            c,
            quotient: key.h_query,
            verifying: key.vk,
            id: KeyId([0; 32]),
        };
        key.id = file::id(&key);
        key
    }

    /// The key's identifier.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The key's origin.
    pub fn origin(&self) -> KeyOrigin {
        match self.ceremony {
            Some(_) => KeyOrigin::Ceremony(self.id),
            None => KeyOrigin::Development,
        }
    }

    /// The `.zkey` file that the key was imported from, for a key of a ceremony. A key that was read from a key file
    /// repeats what the file says.
    pub fn ceremony(&self) -> Option<CeremonyHash> {
        self.ceremony
    }

    /// The circuit.
    pub fn circuit(&self) -> &CircuitInfo {
        &self.circuit
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::new(self.verifying.clone())
    }

    /// Number of variables that occur on the A side of a constraint, and number of variables that occur on the B side.
    /// For each digit of its value, a variable of the first kind costs an addition in G1, and a variable of the second
    /// kind an addition in G2.
    pub fn query_lengths(&self) -> (usize, usize) {
        (self.a.points.len(), self.b.points.len())
    }

    /// The key file: magic (8) | version u16 | circuit u8 | variant u8 | origin u8 | circuit hash (32) | counts of
    /// public variables, all variables, constraints, points of A, of B and of C (u32 each) | the variables of these
    /// points (u32 each) | points | SHA-256 of the ceremony's `.zkey` file (32) if the origin is a ceremony | SHA-256 of
    /// all previous bytes (32). The [`KeyId`] is the SHA-256 of everything before these hashes.
    ///
    /// Integers are big-endian. The variant is the number of levels of the member tree; `slash` has no tree and the
    /// variant 11. Points are in the uncompressed form of arkworks: alpha, the points of the public
    /// inputs, A, C and the quotient in G1, then beta, gamma, delta and B in G2.
    pub fn to_bytes(&self) -> Vec<u8> {
        file::write(self)
    }

    /// Reads the key file of a circuit.
    ///
    /// The file's circuit hash must equal the hash of the current circuit. For the [standard](Circuit::STANDARD) circuit
    /// this is the [pinned](crate::pins) hash, which a test compares with the circuit. For another one the hash is
    /// computed, which takes about fifty milliseconds. The checksum detects damage but not tampering: an attacker who can replace
    /// the file can replace its checksum too. Trust a key only by its [identifier](Self::id).
    ///
    /// # Errors
    /// [`KeyError`] names the fault.
    pub fn from_bytes<C: Circuit>(circuit: C, bytes: &[u8]) -> Result<Self, KeyError> {
        file::read(C::KIND, circuit.variant(), || file::circuit_hash(circuit), bytes)
    }

    /// Reads a key file of the [standard](Circuit::STANDARD) circuit, as [`from_bytes`](Self::from_bytes) does. The
    /// hashes of these circuits are [pinned](crate::pins). A program that reads only these keys is smaller, because it
    /// contains no code that computes the hashes.
    ///
    /// # Errors
    /// [`KeyError`] names the fault.
    pub fn from_bytes_standard<C: Circuit>(bytes: &[u8]) -> Result<Self, KeyError> {
        file::read(C::KIND, C::STANDARD.variant(), || Ok(pin(C::KIND).circuit), bytes)
    }
}

impl core::fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let circuit = &self.circuit;
        write!(f, "ProvingKey({}, variant {}, {})", circuit.kind, circuit.variant, self.origin())
    }
}
