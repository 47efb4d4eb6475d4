//! Measurement in turns: the sides of a comparison run one after the other in each round, so that a change of the
//! machine's speed affects all of them.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

/// Time after which no further round begins, unless there are too few.
const PATIENCE: Duration = Duration::from_secs(6);
const ROUNDS: RangeInclusive<usize> = 3..=101;

/// Work of one side in one round.
pub type Work<'a> = &'a mut dyn FnMut();

/// Returns the medians in milliseconds. A short measurement has one round.
pub fn alternate<const N: usize>(short: bool, mut sides: [Work<'_>; N]) -> [f64; N] {
    let mut times = [(); N].map(|()| Vec::new());
    let begun = Instant::now();
    let rounds = if short { 1..=1 } else { ROUNDS };
    for round in 1..=*rounds.end() {
        for (side, times) in sides.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            side();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        if round >= *rounds.start() && begun.elapsed() > PATIENCE {
            break;
        }
    }
    times.map(median)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}
