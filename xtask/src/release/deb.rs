//! The Debian package: the program, its manual and completions, and the relay's unit. `dpkg-deb` packs it: the package has
//! one program and four small scripts, so that a tool over dpkg would save nothing.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{Made, build::Build, files, program};
use crate::{
    process::{check, install, output},
    root,
};

/// Scripts that dpkg runs.
const SCRIPTS: [&str; 3] = ["postinst", "postrm", "prerm"];
const UNIT: &str = "usr/lib/systemd/system/quotapass-relay.service";
const PROGRAM: &str = "usr/bin/quotapass";
const DOCUMENTS: &str = "usr/share/doc/quotapass";
/// Places of the completions that `program::COMPLETIONS` lists, in the same order.
const COMPLETIONS: [&str; 3] = [
    "usr/share/bash-completion/completions/quotapass",
    "usr/share/zsh/vendor-completions/_quotapass",
    "usr/share/fish/vendor_completions.d/quotapass.fish",
];

/// Packs the package, or says that this system has no dpkg.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    if !Command::new("dpkg-deb").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(Made::nothing("dpkg-deb is missing; Debian's packages are made on Debian or Ubuntu"));
    }
    install("dpkg-shlibdeps", &["--version"], "dpkg-dev", "install dpkg-dev")?;
    let work = build.work("deb")?;
    let built = program::build(build, &work)?;
    let tree = work.join("tree");
    files::copy(&built.program, &tree.join(PROGRAM))?;
    files::make_executable(&tree.join(PROGRAM))?;
    let unit = files::read(&root().join("contrib/systemd/quotapass-relay.service"))?;
    files::write(&tree.join(UNIT), packaged_unit(&unit)?)?;
    for ((_, name), place) in program::COMPLETIONS.iter().zip(COMPLETIONS) {
        files::copy(&built.completions.join(name), &tree.join(place))?;
    }
    let manual = tree.join("usr/share/man/man1");
    program::copy_below(&built.manual, &manual)?;
    check(Command::new("gzip").args(["-9n", "--recursive"]).arg(&manual), "gzip")?;
    let contrib = root().join("contrib/debian");
    let documents = tree.join(DOCUMENTS);
    files::copy(&contrib.join("copyright"), &documents.join("copyright"))?;
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "docs/operators.md", "docs/depositors.md"] {
        let name = Path::new(file).file_name().context("a file without a name")?;
        files::copy(&root().join(file), &documents.join(name))?;
    }
    program::copy_below(&root().join("contrib/relay"), &documents.join("examples"))?;
    let changes = documents.join("changelog");
    files::copy(&root().join("CHANGELOG.md"), &changes)?;
    check(Command::new("gzip").arg("-9n").arg(&changes), "gzip")?;

    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let version = version(build.version);
    let control = files::read(&contrib.join("control"))?
        .replace("@VERSION@", &version)
        .replace("@ARCHITECTURE@", &architecture)
        .replace("@DEPENDS@", &depends(&work, &tree.join(PROGRAM))?);
    files::write(&tree.join("DEBIAN/control"), control)?;
    files::normalise(build, &tree)?;
    for script in SCRIPTS {
        let copied = tree.join("DEBIAN").join(script);
        files::copy(&contrib.join(script), &copied)?;
        files::make_executable(&copied)?;
    }
    let package = out.join(format!("quotapass_{version}_{architecture}.deb"));
    let mut pack = Command::new("dpkg-deb");
    pack.args(["--root-owner-group", "-Zxz", "--build"]).arg(&tree).arg(&package);
    check(pack.env("SOURCE_DATE_EPOCH", &build.epoch), "dpkg-deb --build")?;
    Ok(Made::file(package))
}

/// Installs the package below a folder with its scripts, runs the program, checks the unit, and removes the package.
pub fn test(build: &Build, made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    let package = made.paths.first().context("no package was made")?;
    let system = clean.join("system");
    for folder in ["info", "updates"] {
        files::create(&system.join("var/lib/dpkg").join(folder))?;
    }
    files::write(&system.join("var/lib/dpkg/status"), "")?;
    let dpkg = |action: &[&str]| {
        let mut dpkg = Command::new("dpkg");
        // Without a chroot, because the folder has no shell; the scripts see DPKG_ROOT. Dependencies are the system's.
        dpkg.arg(format!("--root={}", system.display()));
        dpkg.args(["--force-script-chrootless", "--force-depends", "--force-not-root", "--force-bad-path"]);
        dpkg.args(action);
        dpkg
    };
    check(dpkg(&["--install"]).arg(package), "dpkg --install")?;
    program::check_version(build, &system.join(PROGRAM))?;
    let depends = output(Command::new("dpkg-deb").args(["--field"]).arg(package).arg("Depends"))?;
    ensure!(depends.contains("libc6 (>= "), "the package depends on {depends:?}, without a version of libc6");
    for file in COMPLETIONS.iter().copied().chain(["usr/share/man/man1/quotapass.1.gz"]) {
        ensure!(system.join(file).is_file(), "the package lacks {file}");
    }
    for file in ["copyright", "LICENSE-APACHE", "LICENSE-MIT", "changelog.gz", "examples/valkey.toml"] {
        ensure!(system.join(DOCUMENTS).join(file).is_file(), "the package lacks {DOCUMENTS}/{file}");
    }
    // The unit names the program by its path, which is below the folder here.
    let unit = files::read(&system.join(UNIT))?;
    ensure!(unit.contains("ExecStart=/usr/bin/quotapass "), "the unit does not start the packaged program");
    let here = clean.join("quotapass-relay.service");
    files::write(&here, unit.replace("/usr/bin/quotapass", &system.join(PROGRAM).to_string_lossy()))?;
    install("systemd-analyze", &["--version"], "systemd", "install systemd")?;
    let mut analyze = Command::new("systemd-analyze");
    let found = analyze.args(["verify", "--man=no"]).arg(&here).env("SYSTEMD_PAGER", "").output();
    let found = found.context("cannot run systemd-analyze")?;
    let said = [found.stdout, found.stderr].concat();
    // It warns on standard error, and succeeds.
    ensure!(found.status.success() && said.is_empty(), "systemd-analyze verify: {}", String::from_utf8_lossy(&said));

    let unpacked = clean.join("unpacked");
    check(Command::new("dpkg-deb").arg("--raw-extract").arg(package).arg(&unpacked), "dpkg-deb --raw-extract")?;
    check(&mut dpkg(&["--purge", "quotapass"]), "dpkg --purge")?;
    let left = files::below(&system.join("usr"));
    ensure!(left.map_or(true, |files| files.is_empty()), "the package leaves files when it is removed");
    Ok(vec![unpacked])
}

/// The version in Debian's form, in which a pre-release precedes the release.
fn version(version: &str) -> String {
    version.replacen('-', "~", 1)
}

/// The unit for a program of the distribution.
fn packaged_unit(unit: &str) -> Result<String> {
    let packaged = unit.replace("/usr/local/bin/quotapass", "/usr/bin/quotapass");
    ensure!(packaged != unit, "the unit does not start /usr/local/bin/quotapass");
    Ok(packaged)
}

/// The packages with the libraries that the program is linked to, and their lowest versions.
fn depends(work: &Path, program: &Path) -> Result<String> {
    // dpkg-shlibdeps runs in a folder of a source package.
    let source = work.join("source");
    files::write(&source.join("debian/control"), "Source: quotapass\n\nPackage: quotapass\nArchitecture: any\n")?;
    let mut command = Command::new("dpkg-shlibdeps");
    let found = output(command.arg("-O").arg(format!("-e{}", program.display())).current_dir(&source))?;
    fs::remove_dir_all(&source).context("cannot remove the source package")?;
    let depends = found.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
    depends.map(str::to_owned).with_context(|| format!("dpkg-shlibdeps printed {found:?}"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pre_release_precedes_the_release() {
        assert_eq!(version("0.1.0"), "0.1.0");
        assert_eq!(version("0.2.0-rc.1"), "0.2.0~rc.1");
    }

    #[test]
    fn the_unit_starts_the_packaged_program() {
        let unit = files::read(&root().join("contrib/systemd/quotapass-relay.service")).unwrap();
        let packaged = packaged_unit(&unit).unwrap();
        assert!(packaged.contains("\nExecStart=/usr/bin/quotapass relay "));
        assert!(!packaged.contains("/usr/local/"));
        assert!(packaged_unit(&packaged).is_err());
    }
}
