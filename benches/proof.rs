//! Time of a proof with only keys prepared.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use common::{Run, ours::Ours, theirs::Theirs};
use quotapass_circuits::membership::Levels;

fn main() {
    let mut run = Run::new("proof");
    let (mut ours, mut plain, mut theirs) =
        (Ours::new(Levels::STANDARD, true), Ours::new(Levels::STANDARD, false), Theirs::new());
    run.compare(
        "full proof",
        1,
        &mut || {
            black_box(ours.prove());
        },
        &mut || {
            black_box(theirs.prove());
        },
    );
    run.compare(
        "full proof without tables",
        1,
        &mut || {
            black_box(plain.prove());
        },
        &mut || {
            black_box(theirs.prove());
        },
    );
    run.finish();
}
