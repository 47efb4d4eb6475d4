//! Small gadgets that the circuits share.

use ark_bn254::Fr;
use ark_ff::{BigInteger, MontFp, One, PrimeField, Zero};

use super::{Builder, Unsatisfied};

/// 1/2.
const HALF: Fr = MontFp!("10944121435919637611123202872628637544274182200208017171849102093287904247809");

/// Constrains `bit` to 0 or 1, with one constraint.
pub(crate) fn enforce_boolean<B: Builder>(builder: &mut B, bit: &B::Num) -> Result<(), Unsatisfied> {
    let one = B::constant(Fr::one());
    builder.enforce(bit, &(one - bit.clone()), &B::constant(Fr::zero()))
}

/// Constrains `value` to [0, 2^bits), with one constraint per bit. The top bit is not a variable: it is the value minus
/// the other bits, so no further constraint has to link the bits to the value.
pub(crate) fn enforce_bits<B: Builder>(builder: &mut B, value: &B::Num, bits: usize) -> Result<(), Unsatisfied> {
    let mut rest = value.clone();
    let (mut weight, mut inverse) = (Fr::one(), Fr::one());
    for i in 0..bits - 1 {
        let bit = builder.hint(value, |value| Fr::from(value.into_bigint().get_bit(i)));
        enforce_boolean(builder, &bit)?;
        rest = rest - bit * weight;
        weight += weight;
        inverse *= HALF;
    }
    enforce_boolean(builder, &(rest * inverse))
}

/// Constrains `value` to one of four values, with three constraints. A proof does not reveal which one.
pub(crate) fn enforce_one_of<B: Builder>(
    builder: &mut B,
    value: &B::Num,
    [c0, c1, c2, c3]: &[B::Num; 4],
) -> Result<(), Unsatisfied> {
    let difference = |child: &B::Num| value.clone() - child.clone();
    let u = builder.product(&difference(c0), &difference(c1))?;
    let v = builder.product(&difference(c2), &difference(c3))?;
    builder.enforce(&u, &v, &B::constant(Fr::zero()))
}

/// Returns `(a, b)` if `swap` is 0, and `(b, a)` if it is 1, with one constraint.
pub(crate) fn select_pair<B: Builder>(
    builder: &mut B,
    swap: &B::Num,
    a: &B::Num,
    b: &B::Num,
) -> Result<(B::Num, B::Num), Unsatisfied> {
    let moved = builder.product(swap, &(b.clone() - a.clone()))?;
    Ok((a.clone() + moved.clone(), b.clone() - moved))
}

/// Adds a constraint on a public input, so that a proof is not valid for another value of it.
pub(crate) fn bind<B: Builder>(builder: &mut B, public: &B::Num) -> Result<(), Unsatisfied> {
    builder.product(public, public).map(|_| ())
}
