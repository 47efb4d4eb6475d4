//! Tests in child processes, and waits.

use std::{
    env,
    io::{BufRead, BufReader, Write, stdout},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use quotapass_protocol::UnixSeconds;

/// The timeout of waits, long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns a command that runs one ignored test of this suite.
pub fn child(test: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--test-threads=1"]);
    command
}

/// Returns a command that runs one ignored test of this suite, in which no file grows beyond a number of blocks of 512
/// bytes. The limit needs no privileges, and makes a write fail like a full disk, with another error number.
pub fn child_on_full_disk(test: &str, blocks: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), "sh"]);
    command.arg(env::current_exe().unwrap()).args(["--exact", test, "--ignored"]);
    command
}

/// Starts a child, and kills it a while after it [said](say) `begin`. Returns its later lines; the last one may be
/// incomplete.
pub fn kill_after_begin(mut child: Command, wait: Duration) -> Vec<String> {
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with("begin")));
    thread::sleep(wait);
    child.kill().unwrap();
    child.wait().unwrap();
    lines.collect()
}

/// Prints a line for the parent process, bypassing the capture of test output.
pub fn say(line: &str) {
    let mut stdout = stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}

/// Waits until a condition holds; otherwise panics with `what`.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the time of the system clock.
pub fn now() -> UnixSeconds {
    SystemTime::now().try_into().unwrap()
}
