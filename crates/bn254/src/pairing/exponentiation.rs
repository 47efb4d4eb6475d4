//! The final exponentiation.

use ark_bn254::{Config, Fq12};
use ark_ec::bn::BnConfig;
use ark_ff::Field;

use super::tower::{cyclotomic_square, mul_fq12};
use crate::{digits::power, powers::inverse_fq12};

/// Raises a value of Miller's function to the power that gives the pairing. Returns zero for zero.
///
/// The exponent is `(q^12 - 1) / r` times `2 x (6 x^2 + 3 x + 1)`, as in arkworks (Fuentes-Castañeda, Knapp,
/// Rodríguez-Henríquez: "Faster hashing to G2", SAC 2011, section 5).
pub(super) fn final_exponentiation(value: &Fq12) -> Fq12 {
    // The easy part, (q^6 - 1)(q^2 + 1), leads into the cyclotomic subgroup, where the conjugate is the inverse.
    let unitary = mul_fq12(&conjugate(value), &inverse_fq12(value));
    let f = mul_fq12(&frobenius(unitary, 2), &unitary);

    // The hard part. Its exponent is a sum of multiples of q^0, q, q^2 and q^3. Let z = -x.
    let z = |f: &Fq12| conjugate(&to_the_x(f));
    let y0 = z(&f);
    let y1 = cyclotomic_square(&y0);
    let y2 = cyclotomic_square(&y1);
    let y3 = mul_fq12(&y2, &y1);
    let y4 = z(&y3);
    let y5 = cyclotomic_square(&y4);
    let y6 = conjugate(&z(&y5));
    let y7 = mul_fq12(&y6, &y4);
    let y8 = mul_fq12(&y7, &conjugate(&y3));
    let y9 = mul_fq12(&y8, &y1);
    let y10 = mul_fq12(&y8, &y4);
    let y11 = mul_fq12(&y10, &f);
    let y13 = mul_fq12(&frobenius(y9, 1), &y11);
    let y14 = mul_fq12(&frobenius(y8, 2), &y13);
    let y15 = mul_fq12(&conjugate(&f), &y9);
    mul_fq12(&frobenius(y15, 3), &y14)
}

pub(super) fn conjugate(f: &Fq12) -> Fq12 {
    Fq12::new(f.c0, -f.c1)
}

fn frobenius(mut f: Fq12, power: usize) -> Fq12 {
    f.frobenius_map_in_place(power);
    f
}

/// Returns `f^x` for an element of the cyclotomic subgroup, with windows of odd powers.
fn to_the_x(f: &Fq12) -> Fq12 {
    let square = cyclotomic_square(f);
    let mut odd_powers = [*f; 8];
    for i in 1..odd_powers.len() {
        odd_powers[i] = mul_fq12(&odd_powers[i - 1], &square);
    }
    power(Config::X, &odd_powers, cyclotomic_square, mul_fq12).unwrap_or(Fq12::ONE)
}
