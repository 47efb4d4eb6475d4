//! The relay's container image, where an engine runs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use super::{Made, build::Build, files};
use crate::{
    process::{check, output},
    root,
};

/// Engines, of which the first that runs is used.
const ENGINES: [&str; 2] = ["podman", "docker"];

/// Builds the image and saves it, or says that no engine runs.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    let Some(engine) = engine() else {
        return Ok(Made::nothing(format!("no engine runs ({})", ENGINES.join(", "))));
    };
    let mut command = Command::new(engine);
    command.args(["build", "--file", "contrib/container/Containerfile", "--tag", &tag(build), "."]);
    check(command.current_dir(root()), &format!("{engine} build"))?;
    files::create(out)?;
    let archive = out.join(format!("quotapass-relay-{}.tar", build.version));
    check(Command::new(engine).args(["save", "--output"]).arg(&archive).arg(tag(build)), &format!("{engine} save"))?;
    check(Command::new("gzip").arg("-9n").arg(&archive), "gzip")?;
    Ok(Made::file(archive.with_extension("tar.gz")))
}

/// Removes the image, loads it from its archive, and runs the program in it.
pub fn test(build: &Build, made: &Made) -> Result<Vec<PathBuf>> {
    let engine = engine().context("the engine that built the image no longer runs")?;
    let archive = made.paths.first().context("no image was made")?;
    check(Command::new(engine).args(["rmi", &tag(build)]).stdout(Stdio::null()), &format!("{engine} rmi"))?;
    check(Command::new(engine).args(["load", "--input"]).arg(archive), &format!("{engine} load"))?;
    let mut run = Command::new(engine);
    run.args(["run", "--rm", "--network", "none", "--entrypoint", "quotapass", &tag(build), "--version"]);
    let said = output(&mut run)?;
    let expected = format!("quotapass {}", build.version);
    ensure!(said == expected, "the program in the image says {said:?}, expected {expected:?}");
    Ok(Vec::new())
}

fn engine() -> Option<&'static str> {
    let runs = |engine: &&str| {
        let info = Command::new(engine).arg("info").stdout(Stdio::null()).stderr(Stdio::null()).status();
        info.is_ok_and(|status| status.success())
    };
    ENGINES.into_iter().find(runs)
}

fn tag(build: &Build) -> String {
    format!("quotapass-relay:{}", build.version)
}
