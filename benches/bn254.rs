//! The arithmetic alone, beside arkworks and halo2curves, on one thread.
//!
//! `cargo bench --package quotapass-bn254` measures each of our backends in a process of its own, all sides in turns,
//! and writes the tables of docs/benchmarks.md. With `--short`, or without `--bench` as under `cargo test`, it runs
//! everything once and writes nothing. If `QUOTAPASS_BACKEND` is set, it prints the rows of this backend alone.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod page;
mod turns;

use std::{env, hint::black_box, process::Command};

use ark_bn254::{Bn254, Fq, Fq2, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{pairing::Pairing, scalar_mul::variable_base::VariableBaseMSM};
use ark_ff::{FftField, Field, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use halo2curves::{
    bn256,
    ff::{Field as _, PrimeField as _},
    fft::best_fft,
    group::{Curve as _, Group as _, cofactor::CofactorGroup as _},
    msm::msm_best,
    pairing::MillerLoopResult as _,
};
use page::grouped;
use quotapass_bn254::{
    backend::{self, Backend},
    msm::{self, FixedBases},
    pairing::{Lines, Target, miller_loop, miller_products},
    powers::{sqrt_all, sqrt_fq2_all},
    subgroup::are_in_g2,
    transform::OddCoset,
};
use turns::{Work, alternate};

/// Number of elements of which each is measured.
const MANY: usize = 64;
/// Bits of a window of the table, as in a prover.
const WINDOW: usize = 13;

fn main() {
    let arguments: Vec<_> = env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let short = !has("--bench") || has("--short");
    if env::var_os(backend::VARIABLE).is_some() {
        print!("{}", Table::measured(short).text);
        return;
    }
    let mut tables = format!("{}, of which one is used.\n", page::circumstances());
    for backend in [Backend::Vectors, Backend::Portable] {
        if backend.is_available() {
            let mut rows = Command::new(env::current_exe().unwrap());
            rows.args(&arguments[1..]).env(backend::VARIABLE, backend.name());
            let output = rows.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            tables += &format!("\n### The backend `{}`\n\n", backend.name());
            tables += &String::from_utf8_lossy(&output.stdout);
        }
    }
    println!("{tables}");
    if !short {
        page::write("benchmarks.md", "bn254", &tables);
    }
}

/// Ends a computation, so that the compiler does not leave it out.
fn finish<T>(result: T) {
    black_box(result);
}

/// The rows of one backend.
struct Table {
    text: String,
    short: bool,
    rng: StdRng,
}

impl Table {
    fn measured(short: bool) -> Self {
        let text = "| | quotapass | arkworks | ratio | halo2curves | ratio |\n|---|--:|--:|--:|--:|--:|\n";
        let mut table = Self { text: text.to_owned(), short, rng: StdRng::seed_from_u64(1) };
        table.sums();
        table.pairings();
        table.transforms();
        table.roots();
        table.subgroups();
        table
    }

    /// Adds a row: ours, arkworks and halo2curves, in microseconds for each of `parts` equal parts of the work.
    fn row(&mut self, what: &str, parts: usize, sides: [Work<'_>; 3]) {
        let [ours, arkworks, halo2curves] = alternate(self.short, sides).map(|time| time * 1e3 / parts as f64);
        let peer = |time: f64| format!("{time:.1} µs | **{:.1}**", time / ours);
        self.text += &format!("| {what} | {ours:.1} µs | {} | {} |\n", peer(arkworks), peer(halo2curves));
    }

    /// Returns the larger number, and the smaller one in short mode.
    fn size(&self, long: usize, short: usize) -> usize {
        if self.short { short } else { long }
    }

    fn sums(&mut self) {
        let size = self.size(4096, 16);
        let rng = &mut self.rng;
        let bases: Vec<_> = (0..size).map(|_| G1Affine::rand(rng)).collect();
        let scalars: Vec<_> = (0..size).map(|_| Fr::rand(rng)).collect();
        let terms: Vec<_> = (0..).zip(scalars.iter().copied()).collect();
        let twist: Vec<_> = (0..size / 4).map(|_| G2Affine::rand(rng)).collect();
        let their_bases: Vec<_> = (0..size).map(|_| bn256::G1::random(&mut *rng).to_affine()).collect();
        let their_twist: Vec<_> = (0..size / 4).map(|_| bn256::G2::random(&mut *rng).to_affine()).collect();
        let their_scalars: Vec<_> = (0..size).map(|_| bn256::Fr::random(&mut *rng)).collect();
        let table = FixedBases::new(&bases, WINDOW);

        let mut arkworks = || finish(G1Projective::msm_unchecked(&bases, &scalars));
        let mut halo2curves = || finish(msm_best(&their_scalars, &their_bases));
        let what = format!("sum of {} multiples in G1", grouped(size as u64));
        let mut ours = || finish(msm::sum(|base| bases[base], &terms));
        self.row(&what, 1, [&mut ours, &mut arkworks, &mut halo2curves]);
        let mut ours = || finish(table.sum(&terms));
        self.row(&format!("{what}, ours with a table"), 1, [&mut ours, &mut arkworks, &mut halo2curves]);
        self.row(
            &format!("sum of {} multiples in G2", grouped(size as u64 / 4)),
            1,
            [
                &mut || finish(msm::sum(|base| twist[base], &terms[..size / 4])),
                &mut || finish(G2Projective::msm_unchecked(&twist, &scalars[..size / 4])),
                &mut || finish(msm_best(&their_scalars[..size / 4], &their_twist)),
            ],
        );
    }

    fn pairings(&mut self) {
        let size = self.size(MANY, 4);
        let rng = &mut self.rng;
        let a: Vec<_> = (0..size).map(|_| G1Projective::rand(rng)).collect();
        let b: Vec<_> = (0..size).map(|_| G2Affine::rand(rng)).collect();
        let their_a: Vec<_> = (0..size).map(|_| bn256::G1::random(&mut *rng).to_affine()).collect();
        let their_b: Vec<_> = (0..size).map(|_| bn256::G2::random(&mut *rng).to_affine()).collect();
        let theirs: Vec<_> = their_a.iter().zip(&their_b).collect();
        let halo2curves = |count: usize| {
            black_box(bn256::multi_miller_loop(&theirs[..count]).final_exponentiation());
        };
        self.row(
            "product of 4 pairings",
            1,
            [
                &mut || {
                    let lines: Vec<_> = b[..4].iter().map(Lines::of).collect();
                    let pairs: Vec<_> = lines.iter().zip(a.iter().copied()).collect();
                    black_box(Target::of(&miller_loop(&pairs)));
                },
                &mut || finish(Bn254::multi_pairing(&a[..4], &b[..4])),
                &mut || halo2curves(4),
            ],
        );
        self.row(
            &format!("product of {size} pairings"),
            1,
            [
                &mut || finish(Target::of(&miller_products(&b, &a, MANY.ilog2())[0])),
                &mut || finish(Bn254::multi_pairing(&a, &b)),
                &mut || halo2curves(size),
            ],
        );
    }

    fn transforms(&mut self) {
        let size = self.size(4096, 16);
        let mut values: Vec<_> = (0..size).map(|_| Fr::rand(&mut self.rng)).collect();
        let mut their_values: Vec<_> = (0..size).map(|_| bn256::Fr::random(&mut self.rng)).collect();
        let ours = OddCoset::new(size).unwrap();
        let domain = Radix2EvaluationDomain::<Fr>::new(size).unwrap();
        let coset = domain.get_coset(Fr::get_root_of_unity(2 * size as u64).unwrap()).unwrap();
        let bits = size.ilog2();
        let double_root = bn256::Fr::ROOT_OF_UNITY.pow_vartime([1u64 << (bn256::Fr::S - bits - 1)]);
        let root = double_root.square();
        let (inverse_root, inverse_size) = (root.invert().unwrap(), bn256::Fr::from(size as u64).invert().unwrap());
        let mut arkworks_values = values.clone();
        self.row(
            &format!("evaluation on the odd coset of {}", grouped(size as u64)),
            1,
            [
                &mut || ours.evaluate(&mut values, 0),
                &mut || {
                    domain.ifft_in_place(&mut arkworks_values);
                    coset.fft_in_place(&mut arkworks_values);
                },
                &mut || {
                    best_fft(&mut their_values, inverse_root, bits);
                    let mut shift = inverse_size;
                    for value in &mut their_values {
                        *value *= shift;
                        shift *= double_root;
                    }
                    best_fft(&mut their_values, root, bits);
                },
            ],
        );
    }

    fn roots(&mut self) {
        let rng = &mut self.rng;
        let squares: Vec<_> = (0..MANY).map(|_| Fq::rand(rng).square()).collect();
        let extended: Vec<_> = (0..MANY).map(|_| Fq2::rand(rng).square()).collect();
        let theirs: Vec<_> = (0..MANY).map(|_| bn256::Fq::random(&mut *rng).square()).collect();
        let their_extended: Vec<_> = (0..MANY).map(|_| bn256::Fq2::random(&mut *rng).square()).collect();
        self.row(
            &format!("square root in Fq, of {MANY}"),
            MANY,
            [&mut || finish(sqrt_all(&squares)), &mut || squares.iter().for_each(|x| finish(x.sqrt())), &mut || {
                theirs.iter().for_each(|x| finish(x.sqrt()))
            }],
        );
        self.row(
            &format!("square root in Fq2, of {MANY}"),
            MANY,
            [
                &mut || finish(sqrt_fq2_all(&extended)),
                &mut || extended.iter().for_each(|x| finish(x.sqrt())),
                &mut || their_extended.iter().for_each(|x| finish(x.sqrt())),
            ],
        );
    }

    fn subgroups(&mut self) {
        let rng = &mut self.rng;
        let points: Vec<_> = (0..MANY).map(|_| G2Affine::rand(rng)).collect();
        let theirs: Vec<_> = (0..MANY).map(|_| bn256::G2::random(&mut *rng)).collect();
        self.row(
            &format!("subgroup check in G2, of {MANY}"),
            MANY,
            [
                &mut || assert!(black_box(are_in_g2(&points)).iter().all(|inside| *inside)),
                &mut || assert!(points.iter().all(|point| point.is_in_correct_subgroup_assuming_on_curve())),
                &mut || assert!(theirs.iter().all(|point| bool::from(point.is_torsion_free()))),
            ],
        );
    }
}
