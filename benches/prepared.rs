//! Time of a message after its member and root are prepared, and time of preparing.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use common::{Run, ours::Ours, theirs::Theirs};
use quotapass_circuits::membership::Levels;

fn main() {
    let mut run = Run::new("prepared");
    let (mut ours, mut theirs) = (Ours::new(Levels::STANDARD, true), Theirs::new());
    let (prepared, partial) = (ours.prepare(), theirs.prepare());
    run.compare(
        "message",
        1,
        &mut || {
            black_box(ours.finish(&prepared));
        },
        &mut || {
            black_box(theirs.finish(&partial));
        },
    );
    run.compare(
        "prepare",
        1,
        &mut || {
            black_box(ours.prepare());
        },
        &mut || {
            black_box(theirs.prepare());
        },
    );
    // `rln` has no step that follows a root, so it prepares again.
    let mut following = ours.prepare();
    let mut paths = ours.two_paths().into_iter().cycle().skip(1);
    run.compare(
        "follow another root",
        1,
        &mut || {
            if let Some(path) = paths.next() {
                following.update(&path).unwrap();
            }
        },
        &mut || {
            black_box(theirs.prepare());
        },
    );
    run.finish();
}
