//! The npm package, as `npm publish` would send it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use super::{Made, consumers, files};
use crate::{process::check, web};

/// Builds the package as for publication, and packs it.
pub fn make(out: &Path) -> Result<Made> {
    web::build(true)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--pack-destination"]).arg(out).current_dir(web::package());
    check(&mut npm, "npm pack in bindings/web")?;
    Ok(Made::file(files::only(out, ".tgz")?))
}

/// Installs the archive into a new project, and runs a program that imports the package.
pub fn test(made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    files::write(&clean.join("package.json"), r#"{ "private": true, "type": "module" }"#)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).args(&made.paths).current_dir(clean);
    check(&mut npm, "npm install of the archive")?;
    files::copy(&consumers().join("npm/use.js"), &clean.join("use.js"))?;
    check(Command::new("node").arg("use.js").current_dir(clean), "the program with the npm package")?;
    Ok(vec![clean.join("node_modules/@quotapass/web")])
}
