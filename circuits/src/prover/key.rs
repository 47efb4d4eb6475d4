//! Proving keys and their files.

use ark_bn254::{Bn254, g1, g2};
use ark_ec::short_weierstrass::{Affine, SWCurveConfig};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use sha2::{Digest, Sha256};

use crate::{
    constraints::{
        Circuit, CircuitKind,
        shape::{CircuitHash, Shape},
    },
    membership::Levels,
    verifier::VerifyingKey,
};

const MAGIC: &[u8; 8] = b"QUOTAKEY";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 1 + 1 + 1 + 32;
const CHECKSUM_BYTES: usize = 32;
const G1_BYTES: usize = 64;
const G2_BYTES: usize = 128;

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOrigin {
    /// A public seed: **insecure**, anybody can forge proofs.
    Development,
}

impl KeyOrigin {
    const fn code(self) -> u8 {
        match self {
            Self::Development => 1,
        }
    }
}

impl core::fmt::Display for KeyOrigin {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Development => f.write_str("development (INSECURE: made from a public seed)"),
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
    #[error("key file version {0} is unknown; this program reads version {VERSION}")]
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

/// A Groth16 proving key with the constraints of its circuit.
#[derive(Clone)]
pub struct ProvingKey {
    origin: KeyOrigin,
    shape: Shape,
    key: ark_groth16::ProvingKey<Bn254>,
}

impl ProvingKey {
    pub(crate) fn new(origin: KeyOrigin, shape: Shape, key: ark_groth16::ProvingKey<Bn254>) -> Self {
        Self { origin, shape, key }
    }

    /// Where the key comes from.
    pub fn origin(&self) -> KeyOrigin {
        self.origin
    }

    /// The circuit.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The verifying key.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey::new(self.key.vk.clone())
    }

    pub(crate) fn as_groth16(&self) -> &ark_groth16::ProvingKey<Bn254> {
        &self.key
    }

    /// The key file: magic (8) | version u16 | circuit u8 | levels u8 | origin u8 | circuit hash (32) | points | SHA-256
    /// of all before (32). Integers are big-endian, points arkworks' uncompressed form; how many points there are
    /// follows from the circuit.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Layout::of(&self.shape).bytes());
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend([self.shape.kind as u8 + 1, self.shape.levels.get() as u8, self.origin.code()]);
        bytes.extend(self.shape.hash().0);
        let ark_groth16::ProvingKey { vk, beta_g1, delta_g1, a_query, b_g1_query, b_g2_query, h_query, l_query } =
            &self.key;
        let singles = [vk.alpha_g1, *beta_g1, *delta_g1];
        for point in
            singles.iter().chain(&vk.gamma_abc_g1).chain(a_query).chain(b_g1_query).chain(h_query).chain(l_query)
        {
            write_point(&mut bytes, point);
        }
        for point in [vk.beta_g2, vk.gamma_g2, vk.delta_g2].iter().chain(b_g2_query) {
            write_point(&mut bytes, point);
        }
        bytes.extend(Sha256::digest(&bytes));
        bytes
    }

    /// Reads the key file of a circuit.
    ///
    /// The checksum finds damage, not malice: whoever could replace the file could replace its checksum too.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong.
    pub fn from_bytes<C: Circuit>(levels: Levels, bytes: &[u8]) -> Result<Self, KeyError> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES).ok_or(KeyError::NotAKey)?;
        let header = header.strip_prefix(MAGIC).ok_or(KeyError::NotAKey)?;
        let &[version_high, version_low, circuit, file_levels, origin, ref hash @ ..] = header else {
            return Err(KeyError::Header);
        };
        let version = u16::from_be_bytes([version_high, version_low]);
        if version != VERSION {
            return Err(KeyError::Version(version));
        }
        let kind = CircuitKind::ALL.into_iter().find(|kind| *kind as u8 + 1 == circuit).ok_or(KeyError::Header)?;
        if kind != C::KIND {
            return Err(KeyError::WrongCircuit { found: kind, expected: C::KIND });
        }
        if usize::from(file_levels) != levels.get() {
            return Err(KeyError::WrongLevels { found: file_levels.into(), expected: levels.get() });
        }
        let origin = if origin == KeyOrigin::Development.code() {
            KeyOrigin::Development
        } else {
            return Err(KeyError::Header);
        };
        let shape = Shape::of::<C>(levels).map_err(|_| KeyError::Header)?;
        let found = CircuitHash(hash.try_into().map_err(|_| KeyError::Header)?);
        let expected = shape.hash();
        if found != expected {
            return Err(KeyError::CircuitChanged { found, expected });
        }
        let layout = Layout::of(&shape);
        if bytes.len() != layout.bytes() {
            return Err(KeyError::Length { found: bytes.len(), expected: layout.bytes() });
        }
        let (points, _) = rest.split_at(rest.len() - CHECKSUM_BYTES);
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if Sha256::digest(content)[..] != *checksum {
            return Err(KeyError::Checksum);
        }
        Ok(Self { origin, shape, key: layout.read(points)? })
    }

    /// The SHA-256 that a key file ends with.
    pub fn checksum(file: &[u8]) -> Option<[u8; 32]> {
        file.last_chunk::<CHECKSUM_BYTES>().copied()
    }
}

impl core::fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { origin, shape, .. } = self;
        write!(f, "ProvingKey({}, {} levels, {origin})", shape.kind, shape.levels.get())
    }
}

fn write_point(bytes: &mut Vec<u8>, point: &impl CanonicalSerialize) {
    // Writing to a Vec cannot fail.
    let _ = point.serialize_uncompressed(bytes);
}

/// How many points of each kind the circuit's key has.
struct Layout {
    public: usize,
    variables: usize,
    quotient: usize,
}

impl Layout {
    fn of(shape: &Shape) -> Self {
        Self { public: shape.public, variables: shape.variables, quotient: shape.domain() - 1 }
    }

    fn bytes(&self) -> usize {
        let g1 = 3 + self.public + 2 * self.variables + self.quotient + (self.variables - self.public);
        let g2 = 3 + self.variables;
        HEADER_BYTES + g1 * G1_BYTES + g2 * G2_BYTES + CHECKSUM_BYTES
    }

    fn read(&self, points: &[u8]) -> Result<ark_groth16::ProvingKey<Bn254>, KeyError> {
        let mut rest = points;
        let mut g1 = |count| read_points::<g1::Config>(&mut rest, count, G1_BYTES);
        let singles = g1(3)?;
        let gamma_abc_g1 = g1(self.public)?;
        let a_query = g1(self.variables)?;
        let b_g1_query = g1(self.variables)?;
        let h_query = g1(self.quotient)?;
        let l_query = g1(self.variables - self.public)?;
        let g2_singles = read_points::<g2::Config>(&mut rest, 3, G2_BYTES)?;
        let b_g2_query = read_points(&mut rest, self.variables, G2_BYTES)?;
        let ([alpha_g1, beta_g1, delta_g1], [beta_g2, gamma_g2, delta_g2]) = (&singles[..], &g2_singles[..]) else {
            return Err(KeyError::Point);
        };
        let vk = ark_groth16::VerifyingKey {
            alpha_g1: *alpha_g1,
            beta_g2: *beta_g2,
            gamma_g2: *gamma_g2,
            delta_g2: *delta_g2,
            gamma_abc_g1,
        };
        Ok(ark_groth16::ProvingKey {
            vk,
            beta_g1: *beta_g1,
            delta_g1: *delta_g1,
            a_query,
            b_g1_query,
            b_g2_query,
            h_query,
            l_query,
        })
    }
}

/// Reads points that must lie on their curve. Subgroups are not checked: it would take a second, and a key is trusted
/// by its hash or not at all.
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
