//! Growth of the cost of a proof with the levels of the tree.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use common::{Run, ours::Ours};
use quotapass_circuits::membership::Levels;

fn main() {
    let mut run = Run::new("scaling");
    if run.with_growth() {
        for levels in if run.is_short() { 8..=8 } else { 8..=16 } {
            let mut ours = Ours::new(Levels::new(levels).unwrap(), true);
            let x = levels as usize;
            run.curve("constraints", x, "", Some(ours.prover.key().circuit().constraints as f64), None);
            let mut full = || {
                black_box(ours.prove());
            };
            run.point("full proof", x, 1, Some(&mut full), None);
            let mut prepare = || {
                black_box(ours.prepare());
            };
            run.point("prepare", x, 1, Some(&mut prepare), None);
            let prepared = ours.prepare();
            let mut message = || {
                black_box(ours.finish(&prepared));
            };
            run.point("message", x, 1, Some(&mut message), None);
        }
    }
    run.finish();
}
