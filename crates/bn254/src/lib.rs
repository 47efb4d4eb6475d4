//! Fast arithmetic over BN254, on the types of [`ark_bn254`]: sums of multiples of points, pairings, transforms, square
//! roots and subgroup checks.
//!
//! The functions return what arkworks returns, and their tests compare them with arkworks. Nothing here is
//! constant-time: the time depends on the scalars. The crate forbids `unsafe`.
//!
//! # Sums of multiples
//!
//! ```
//! use ark_bn254::{Fr, G1Affine};
//! use ark_ec::{AffineRepr, CurveGroup};
//! use quotapass_bn254::msm::{self, FixedBases};
//!
//! let generator = G1Affine::generator();
//! let bases = [generator, (generator * Fr::from(2)).into_affine()];
//! // Each term is the number of a base and its scalar: 3 G + 5 (2 G).
//! let terms = [(0, Fr::from(3)), (1, Fr::from(5))];
//! assert_eq!(msm::sum(|base| bases[base], &terms), generator * Fr::from(13));
//! // A table makes sums over the same bases faster.
//! assert_eq!(FixedBases::new(&bases, 8).sum(&terms), generator * Fr::from(13));
//! ```
//!
//! # Products of pairings
//!
//! ```
//! use ark_bn254::{Fr, G1Projective, G2Affine};
//! use ark_ec::{AffineRepr, PrimeGroup};
//! use quotapass_bn254::pairing::{Lines, Target, miller_loop};
//!
//! let (p, q) = (G1Projective::generator(), G2Affine::generator());
//! let (a, b) = (Fr::from(3), Fr::from(5));
//! let [lines, multiple] = [q, (q * b).into()].map(|point| Lines::of(&point));
//! // e(a P, b Q) = e(a b P, Q): the product of one side and the inverse of the other is one.
//! let product = miller_loop(&[(&multiple, p * a), (&lines, -p * (a * b))]);
//! assert_eq!(Target::of(&product), Target::ONE);
//! ```
//!
//! # Points from their x coordinates
//!
//! ```
//! use ark_bn254::{Fq2, G2Affine, g2};
//! use ark_ec::{AffineRepr, short_weierstrass::SWCurveConfig};
//! use ark_ff::Field;
//! use quotapass_bn254::{powers::sqrt_fq2, subgroup::is_in_g2};
//!
//! let x = G2Affine::generator().x;
//! let y = sqrt_fq2(&(x.square() * x + g2::Config::COEFF_B)).ok_or("no point has this x")?;
//! assert!(is_in_g2(&G2Affine::new_unchecked(x, y)));
//! # Ok::<(), &str>(())
//! ```
//!
//! # Modules and their sources
//!
//! | module | construction | source |
//! |---|---|---|
//! | [`msm`] | tables of fixed bases | Brickell, Gordon, McCurley, Wilson: "Fast exponentiation with precomputation", EUROCRYPT '92 |
//! | | buckets | Pippenger: "On the evaluation of powers and monomials", SIAM Journal on Computing 9, 1980 |
//! | | affine additions that share an inversion | Montgomery: "Speeding the Pollard and elliptic curve methods of factorization", 1987 |
//! | [`pairing`] | optimal ate pairing | Vercauteren: [2008/096](https://eprint.iacr.org/2008/096) |
//! | | points of the twist in affine coordinates | Lauter, Montgomery, Naehrig: [2010/363](https://eprint.iacr.org/2010/363) |
//! | | squarings shared by all pairs | Granger, Smart: [2006/172](https://eprint.iacr.org/2006/172) |
//! | | final exponentiation | Fuentes-Castañeda, Knapp, Rodríguez-Henríquez: "Faster hashing to G2", SAC 2011 |
//! | | cyclotomic squares | Granger, Scott: [2009/565](https://eprint.iacr.org/2009/565) |
//! | | one reduction for a sum of products | Aranha and others: [2010/526](https://eprint.iacr.org/2010/526); Longa: [2022/367](https://eprint.iacr.org/2022/367) |
//! | [`subgroup`] | membership in G2 by an endomorphism | Dai, Lin, Zhao, Zhou: [2022/348](https://eprint.iacr.org/2022/348) |
//! | [`powers`] | square roots in the extension | Adj, Rodríguez-Henríquez: [2012/685](https://eprint.iacr.org/2012/685) |
//! | [`transform`] | transforms without a reordering | Gentleman, Sande, 1966; Cooley, Tukey, 1965 |
//! | [`glv`] | multiples by short coefficients | Gallant, Lambert, Vanstone: CRYPTO 2001; Straus, 1964 |
//! | [`combination`] | multiples by public scalars | Brickell and others, as above |
//! | `lanes` | eight elements at a time | Gueron, Krasnov: "Accelerating big integer arithmetic using Intel IFMA extensions", ARITH 2016 |
//!
//! [`arithmetic`] has field operations for inner loops, and [`threads`] distributes work to cores.
//!
//! # Backends
//!
//! [`backend`] chooses the code once for a process: plain arkworks as the reference, the portable code of this crate, or
//! AVX-512 IFMA. The environment variable `QUOTAPASS_BACKEND` overrides the choice.
//!
//! # Features
//!
//! - `threads`: all cores, with rayon.
//! - `simd` (default): AVX-512 IFMA, on processors that have it.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod arithmetic;
#[cfg(not(target_arch = "wasm32"))]
mod arkworks;
pub mod backend;
pub mod combination;
mod digits;
pub mod glv;
#[cfg(all(feature = "simd", target_arch = "x86_64"))]
pub mod lanes;
pub mod msm;
#[cfg(any(test, target_arch = "wasm32"))]
mod narrow;
pub mod pairing;
pub mod powers;
pub mod subgroup;
pub mod threads;
pub mod transform;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
