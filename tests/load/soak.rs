//! The short form of contrib/soak.sh.

use std::{path::Path, process::Command};

use crate::stage::{data_folder, free_address};

#[test]
fn a_short_soak_comes_out_right() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/soak.sh");
    let output = Command::new(script)
        .args(["--duration", "4", "--every", "1", "--rate", "40", "--replays", "50%", "--listen"])
        .arg(free_address().to_string())
        .env("QUOTAPASS", env!("CARGO_BIN_EXE_quotapass"))
        .env("QUOTAPASS_DATA_DIR", data_folder())
        .output()
        .unwrap();
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("nothing was lost"), "{out}\n{errors}");
}
