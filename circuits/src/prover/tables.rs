//! Tables of multiples of a key's points.

use ark_bn254::{Fq, G2Affine, g1, g2};
use ark_ec::short_weierstrass::Affine;
use ark_ff::{BigInt, Field, PrimeField};
use quotapass_bn254::msm::{Curve, FixedBases, Point};
use sha2::{Digest, Sha256};

use super::{ProvingKey, key::Query};
use crate::{constraints::CircuitKind, key_id::KeyId, moderation::record, post};

const MAGIC: &[u8; 8] = b"QUOTATAB";
const VERSION: u16 = 1;
const HEADER_BYTES: usize = 8 + 2 + 32;
const CHECKSUM_BYTES: usize = 32;
const LIMB_BYTES: usize = 8;

/// Bits of a window for sums over thousands of points. The number of additions is nearly the same from 12 to 15 bits: a
/// wider window has fewer digits but more buckets.
const WINDOW: usize = 13;
/// Bits of a window for the few hundred points of one message.
const MESSAGE_WINDOW: usize = 10;

/// Errors of decoding or using tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TablesError {
    /// The file is not a table file, or has another version.
    #[error("not a quotapass table file of version {VERSION}; build the tables again")]
    NotTables,
    /// The tables belong to another key.
    #[error("the tables belong to another proving key; build them again")]
    OtherKey,
    /// The file is truncated, too long or changed.
    #[error("the table file is damaged; build the tables again")]
    Damaged,
}

/// The variables of a query, and the multiples of their points.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct QueryTable<P: Curve> {
    pub(super) variables: Vec<u32>,
    pub(super) bases: FixedBases<P>,
}

/// Multiples of a proving key's points by the powers of two of all windows. With them, all windows share one set of
/// buckets. This saves three tenths of a proof's instructions on processors where additions are not computed eight at a
/// time.
///
/// Building the tables takes about a second on one core, so an application should store them in a file next to the key.
/// They contain no secret: they are computed from the key.
#[derive(Clone, PartialEq)]
pub struct Tables {
    key: KeyId,
    /// The points of A.
    pub(super) a: QueryTable<g1::Config>,
    /// The points of B, then delta.
    pub(super) b: QueryTable<g2::Config>,
    /// The points of the quotient, then the points of C.
    pub(super) c: QueryTable<g1::Config>,
    /// The points of A and B for the variables of one message; in B, then delta.
    pub(super) message_a: QueryTable<g1::Config>,
    pub(super) message_b: QueryTable<g2::Config>,
}

/// The input of each table: variables, points and window.
struct Plan {
    a: (Query<Affine<g1::Config>>, usize),
    b: (Query<G2Affine>, usize),
    c: (Query<Affine<g1::Config>>, usize),
    message_a: (Query<Affine<g1::Config>>, usize),
    message_b: (Query<G2Affine>, usize),
}

impl Plan {
    fn of(key: &ProvingKey) -> Self {
        let with_delta = |mut query: Query<G2Affine>| {
            query.points.push(key.verifying.delta_g2);
            query
        };
        let quotient_and_c = Query {
            variables: key.c.variables.clone(),
            points: key.quotient.iter().chain(&key.c.points).copied().collect(),
        };
        Self {
            a: (key.a.clone(), WINDOW),
            b: (with_delta(key.b.clone()), WINDOW),
            c: (quotient_and_c, WINDOW),
            message_a: (of_message(key, &key.a), MESSAGE_WINDOW),
            message_b: (with_delta(of_message(key, &key.b)), MESSAGE_WINDOW),
        }
    }
}

/// Returns the part of a query for the variables of one message. It is empty for circuits without a prepared prover.
fn of_message<G: Copy>(key: &ProvingKey, query: &Query<G>) -> Query<G> {
    let is_of_message: fn(usize, usize) -> bool = match key.circuit.kind {
        CircuitKind::Post => post::is_of_message,
        CircuitKind::Record16 | CircuitKind::Record128 => record::is_own,
        CircuitKind::Badge | CircuitKind::Slash | CircuitKind::Author => |_, _| false,
    };
    let pairs = query.variables.iter().zip(&query.points);
    let part = pairs.filter(|(variable, _)| is_of_message(**variable as usize, key.circuit.variables));
    let (variables, points) = part.map(|(variable, point)| (*variable, *point)).unzip();
    Query { variables, points }
}

impl Tables {
    /// Builds the tables of a key.
    pub fn build(key: &ProvingKey) -> Self {
        fn table<P: Curve>((query, window): (Query<Affine<P>>, usize)) -> QueryTable<P> {
            QueryTable { variables: query.variables, bases: FixedBases::new(&query.points, window) }
        }
        let plan = Plan::of(key);
        Self {
            key: key.id(),
            a: table(plan.a),
            b: table(plan.b),
            c: table(plan.c),
            message_a: table(plan.message_a),
            message_b: table(plan.message_b),
        }
    }

    /// Returns whether the tables belong to the key.
    pub(super) fn belong_to(&self, key: &ProvingKey) -> bool {
        self.key == key.id()
    }

    /// The table file: magic (8) | version u16, big-endian | the key's identifier (32) | points | SHA-256 of all previous
    /// bytes (32). A coordinate is four limbs of 64 bits, little-endian, in Montgomery form. The file is a cache of
    /// this program, and not an exchange format.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(MAGIC);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend(self.key.0);
        for table in [&self.a, &self.c, &self.message_a] {
            write(&mut bytes, &table.bases);
        }
        for table in [&self.b, &self.message_b] {
            write(&mut bytes, &table.bases);
        }
        bytes.extend(Sha256::digest(&bytes));
        bytes
    }

    /// Reads the tables of a key.
    ///
    /// The checksum detects damage but not tampering: an attacker who can replace the file controls the points that
    /// proofs are computed from, as with the key itself. Protect the file as you protect the program.
    ///
    /// # Errors
    /// [`TablesError`] if the file is damaged or belongs to another key. The tables can then be built again.
    pub fn from_bytes(key: &ProvingKey, bytes: &[u8]) -> Result<Self, TablesError> {
        let content = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TablesError::NotTables)?;
        let (content, checksum) = bytes.split_at(content);
        let (header, mut rest) = content.split_at_checked(HEADER_BYTES).ok_or(TablesError::NotTables)?;
        let header = header.strip_prefix(MAGIC).ok_or(TablesError::NotTables)?;
        let of_key = header.strip_prefix(&VERSION.to_be_bytes()).ok_or(TablesError::NotTables)?;
        if of_key != key.id().0 {
            return Err(TablesError::OtherKey);
        }
        if Sha256::digest(content)[..] != *checksum {
            return Err(TablesError::Damaged);
        }
        let plan = Plan::of(key);
        let [a, c, message_a] = [plan.a, plan.c, plan.message_a].map(|plan| read(&mut rest, plan));
        let [b, message_b] = [plan.b, plan.message_b].map(|plan| read(&mut rest, plan));
        if !rest.is_empty() {
            return Err(TablesError::Damaged);
        }
        Ok(Self { key: key.id(), a: a?, b: b?, c: c?, message_a: message_a?, message_b: message_b? })
    }
}

impl core::fmt::Debug for Tables {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tables(of key {})", self.key)
    }
}

fn write<P: Curve<BaseField: Field<BasePrimeField = Fq>>>(bytes: &mut Vec<u8>, bases: &FixedBases<P>) {
    for point in bases.as_multiples() {
        for coordinate in [point.x, point.y] {
            for element in coordinate.to_base_prime_field_elements() {
                bytes.extend(element.0.0.iter().flat_map(|limb| limb.to_le_bytes()));
            }
        }
    }
}

fn read<P: Curve<BaseField: Field<BasePrimeField = Fq>>>(
    rest: &mut &[u8],
    (query, window): (Query<Affine<P>>, usize),
) -> Result<QueryTable<P>, TablesError> {
    let degree = P::BaseField::extension_degree() as usize;
    let element_bytes = 4 * LIMB_BYTES;
    let count = query.points.len() * FixedBases::<P>::multiples_per_base(window);
    let (points, after) = rest.split_at_checked(count * 2 * degree * element_bytes).ok_or(TablesError::Damaged)?;
    *rest = after;
    let coordinate = |bytes: &[u8]| {
        let elements = bytes.chunks_exact(element_bytes).map(|bytes| {
            let mut limbs = [0; 4];
            for (limb, bytes) in limbs.iter_mut().zip(bytes.as_chunks().0) {
                *limb = u64::from_le_bytes(*bytes);
            }
            Fq::new_unchecked(BigInt(limbs))
        });
        if elements.clone().any(|element| element.0 >= Fq::MODULUS) {
            return None;
        }
        P::BaseField::from_base_prime_field_elems(elements)
    };
    let multiples = points
        .chunks_exact(2 * degree * element_bytes)
        .map(|bytes| {
            let (x, y) = bytes.split_at(degree * element_bytes);
            Some(Point { x: coordinate(x)?, y: coordinate(y)? })
        })
        .collect::<Option<_>>()
        .ok_or(TablesError::Damaged)?;
    Ok(QueryTable { variables: query.variables, bases: FixedBases::from_multiples(window, multiples) })
}
