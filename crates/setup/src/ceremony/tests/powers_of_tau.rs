//! A `.ptau` file made from known secrets, for tests only.

use ark_bn254::{Fq, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, PrimeGroup, ScalarMul};
use ark_ff::{BigInteger, Field, PrimeField, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_std::rand::{SeedableRng, rngs::StdRng};

pub(super) struct PowersOfTau {
    power: u32,
    pub(super) tau_g1: Vec<G1Affine>,
    pub(super) tau_g2: Vec<G2Affine>,
    pub(super) alpha_g1: Vec<G1Affine>,
    pub(super) beta_g1: Vec<G1Affine>,
    pub(super) beta_g2: G2Affine,
    /// One basis for each domain, smallest first.
    pub(super) lagrange_tau_g1: Vec<Vec<G1Affine>>,
    pub(super) lagrange_tau_g2: Vec<Vec<G2Affine>>,
    pub(super) lagrange_alpha_g1: Vec<Vec<G1Affine>>,
    pub(super) lagrange_beta_g1: Vec<Vec<G1Affine>>,
    /// Number of times that the last contribution is written.
    pub(super) contributions: u32,
    /// tau, alpha and beta of the last contribution.
    pub(super) last: (G1Affine, G2Affine, G1Affine, G1Affine, G2Affine),
}

impl PowersOfTau {
    pub(super) fn new(power: u32, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let [tau, alpha, beta] = [(); 3].map(|()| Fr::rand(&mut rng));
        let g1 = |scalars: &[Fr]| G1Projective::generator().batch_mul(scalars);
        let g2 = |scalars: &[Fr]| G2Projective::generator().batch_mul(scalars);
        let times = |scalars: &[Fr], factor: Fr| scalars.iter().map(|scalar| *scalar * factor).collect::<Vec<_>>();
        let n = 1 << power;
        let powers: Vec<Fr> = (0..2 * n - 1).map(|i| tau.pow([i as u64])).collect();
        let bases: Vec<Vec<Fr>> = (0..=power + 1).map(|p| lagrange(p, tau, p == power + 1)).collect();
        let each = |factor: Fr| bases[..=power as usize].iter().map(|basis| g1(&times(basis, factor))).collect();
        let (tau_g1, tau_g2) = (g1(&powers), g2(&powers[..n]));
        let (alpha_g1, beta_g1) = (g1(&times(&powers[..n], alpha)), g1(&times(&powers[..n], beta)));
        let beta_g2 = g2(&[beta])[0];
        Self {
            power,
            lagrange_tau_g1: bases.iter().map(|basis| g1(basis)).collect(),
            lagrange_tau_g2: bases[..=power as usize].iter().map(|basis| g2(basis)).collect(),
            lagrange_alpha_g1: each(alpha),
            lagrange_beta_g1: each(beta),
            contributions: 1,
            last: (tau_g1[1], tau_g2[1], alpha_g1[0], beta_g1[0], beta_g2),
            tau_g1,
            tau_g2,
            alpha_g1,
            beta_g1,
            beta_g2,
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut header = 32u32.to_le_bytes().to_vec();
        header.extend(Fq::MODULUS.to_bytes_le());
        header.extend([self.power, self.power].iter().flat_map(|power| power.to_le_bytes()));

        let mut contribution = Vec::new();
        let (tau_g1, tau_g2, alpha_g1, beta_g1, beta_g2) = self.last;
        contribution.extend(g1(&[tau_g1]));
        contribution.extend(g2(&[tau_g2]));
        contribution.extend(g1(&[alpha_g1, beta_g1]));
        contribution.extend(g2(&[beta_g2]));
        // Proofs of knowledge. The crate does not check them.
        contribution.extend(g1(&[G1Affine::generator(); 6]));
        contribution.extend(g2(&[G2Affine::generator(); 3]));
        contribution.extend([0; 216 + 64]);
        contribution.extend(0u32.to_le_bytes());
        contribution.extend(6u32.to_le_bytes());
        contribution.extend(b"\x01\x04test");
        let mut contributions = self.contributions.to_le_bytes().to_vec();
        (0..self.contributions).for_each(|_| contributions.extend(&contribution));

        let sections = [
            (1, header),
            (2, g1(&self.tau_g1)),
            (3, g2(&self.tau_g2)),
            (4, g1(&self.alpha_g1)),
            (5, g1(&self.beta_g1)),
            (6, g2(&[self.beta_g2])),
            (7, contributions),
            (12, g1(&self.lagrange_tau_g1.concat())),
            (13, g2(&self.lagrange_tau_g2.concat())),
            (14, g1(&self.lagrange_alpha_g1.concat())),
            (15, g1(&self.lagrange_beta_g1.concat())),
        ];
        let mut file = b"ptau".to_vec();
        file.extend([1, sections.len() as u32].iter().flat_map(|number| number.to_le_bytes()));
        for (number, content) in sections {
            file.extend(u32::to_le_bytes(number));
            file.extend((content.len() as u64).to_le_bytes());
            file.extend(content);
        }
        file
    }
}

/// Returns the Lagrange polynomials of a domain at tau, with or without their last power.
fn lagrange(power: u32, tau: Fr, without_last: bool) -> Vec<Fr> {
    let n = 1usize << power;
    let domain = Radix2EvaluationDomain::<Fr>::new(n).unwrap();
    let mut values = domain.evaluate_all_lagrange_coefficients(tau);
    if without_last {
        let last = tau.pow([n as u64 - 1]) * domain.size_inv;
        for (value, root) in values.iter_mut().zip(domain.elements()) {
            // The coefficient of the power n - 1 of L_i is w^-(n - 1)i / n = w^i / n.
            *value -= root * last;
        }
    }
    values
}

fn coordinates(coordinates: &[Fq]) -> impl Iterator<Item = u8> + '_ {
    coordinates.iter().flat_map(|coordinate| coordinate.0.to_bytes_le())
}

fn g1(points: &[G1Affine]) -> Vec<u8> {
    points.iter().flat_map(|point| coordinates(&[point.x, point.y]).collect::<Vec<_>>()).collect()
}

fn g2(points: &[G2Affine]) -> Vec<u8> {
    let bytes = |point: &G2Affine| coordinates(&[point.x.c0, point.x.c1, point.y.c0, point.y.c1]).collect::<Vec<_>>();
    points.iter().flat_map(bytes).collect()
}
