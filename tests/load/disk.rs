//! The disk is full for some time.

use std::{process::Command, thread, time::Duration};

use crate::stage::Stage;

/// Limits the size in bytes of the files that a process writes.
fn limit_files(process: u32, bytes: &str) {
    let status = Command::new("prlimit").args(["--pid", &process.to_string(), &format!("--fsize={bytes}")]).status();
    assert!(status.expect("install util-linux, which has prlimit").success());
}

#[test]
fn a_full_disk_is_overloaded_and_nothing_more() {
    let mut stage = Stage::new(&[]);
    stage.start();
    let load = stage.patient_load(&[]);
    thread::sleep(Duration::from_millis(700));
    // From now on the relay cannot write a byte to any file.
    limit_files(stage.process(), "0:unlimited");
    thread::sleep(Duration::from_millis(1_200));
    limit_files(stage.process(), "unlimited:unlimited");
    let first = load.wait().checked();
    println!("{}", first.report);
    stage.kill();
    stage.start();
    let second = stage.resend(&[]).checked();
    assert_eq!(second.count("accepted"), 0, "{}", second.report);
}
