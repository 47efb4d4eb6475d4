//! The relay is killed at random moments and restarted.

use std::{thread, time::Duration};

use crate::stage::Stage;

#[test]
fn a_killed_relay_loses_nothing_and_accepts_nothing_twice() {
    let mut stage = Stage::new(&[]);
    stage.start();
    let load = stage.patient_load(&[]);
    for pause in [900, 300, 700] {
        thread::sleep(Duration::from_millis(pause));
        stage.kill();
        stage.start();
    }
    let first = load.wait().checked();
    // A last kill, so that the answers now come from the disk.
    stage.kill();
    stage.start();
    let second = stage.resend(&[]).checked();
    assert_eq!(second.count("accepted"), 0, "every post was decided before: {}", second.report);
    assert!(second.count("replay") > 0 && second.count("slashed_member") > 0, "{}", second.report);
    assert!(first.count("invalid_proof") > 0, "{}", first.report);
}

#[test]
fn a_load_over_json_comes_out_the_same() {
    let mut stage = Stage::new(&[]);
    stage.start();
    let load = |format| stage.patient_load(&["--format", format, "--posts-per-request", "5"]).wait().checked();
    let (json, binary) = (load("json"), load("binary"));
    assert!(json.count("accepted") > 0);
    assert_eq!(binary.count("accepted"), 0, "{}", binary.report);
    assert_eq!(json.count("invalid_proof"), binary.count("invalid_proof"));
}
