//! `cargo xtask release`: what registries, and the page of a release, serve. With `--test`, each package is installed
//! from its archive into a clean folder and used there.

mod build;
mod container;
mod crates;
mod deb;
mod files;
mod maven;
mod npm;
mod program;
mod sbom;
mod sums;
mod swift;
mod tools;
mod wheel;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::{process::target, root};
use build::Build;

#[derive(Args)]
pub struct Arguments {
    /// Parts to make [default: all]
    #[arg(value_name = "PART")]
    parts: Vec<Part>,
    /// Folder to write into [default: `packages` in the target folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Then install each part from its archive into a clean folder, and use it; takes long
    #[arg(long)]
    test: bool,
}

/// Part of a release. Each has a folder of its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
enum Part {
    /// The npm package
    Npm,
    /// The Python wheel
    Wheel,
    /// A Maven repository with the JVM's jar, and with the AAR if the Android NDK is installed
    Maven,
    /// The XCFramework and the Swift package that names its checksum
    Swift,
    /// The libraries, for a registry of crates
    Crates,
    /// The program with the relay's unit, as a Debian package
    Deb,
    /// The program as a tar archive
    Archive,
    /// The relay's container image
    Container,
    /// Lists of the dependencies in CycloneDX's format
    Sbom,
}

/// What a part has made.
#[derive(Default)]
struct Made {
    /// Files, or folders of files.
    paths: Vec<PathBuf>,
    /// What is missing, each with the reason.
    left_out: Vec<String>,
}

impl Made {
    fn file(path: PathBuf) -> Self {
        Self { paths: vec![path], left_out: Vec::new() }
    }

    fn nothing(reason: impl Into<String>) -> Self {
        Self { paths: Vec::new(), left_out: vec![reason.into()] }
    }
}

impl Part {
    /// The name of the part, and of its folder.
    fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Wheel => "wheel",
            Self::Maven => "maven",
            Self::Swift => "swift",
            Self::Crates => "crates",
            Self::Deb => "deb",
            Self::Archive => "archive",
            Self::Container => "container",
            Self::Sbom => "sbom",
        }
    }

    /// Makes the part in an empty folder.
    fn make(self, build: &Build, out: &Path) -> Result<Made> {
        match self {
            Self::Npm => npm::make(out),
            Self::Wheel => wheel::make(build, out),
            Self::Maven => maven::make(build, out),
            Self::Swift => swift::make(build, out),
            Self::Crates => crates::make(build, out),
            Self::Deb => deb::make(build, out),
            Self::Archive => program::make(build, out),
            Self::Container => container::make(build, out),
            Self::Sbom => sbom::make(build, out),
        }
    }

    /// Installs what the part has made into an empty folder, and uses it. Returns what was unpacked from archives, in
    /// which compression no longer hides paths.
    fn test(self, build: &Build, made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
        match self {
            Self::Npm => npm::test(made, clean),
            Self::Wheel => wheel::test(made, clean),
            Self::Maven => maven::test(build, made, clean),
            Self::Swift => swift::test(build, made, clean),
            Self::Crates => crates::test(build, made, clean),
            Self::Deb => deb::test(build, made, clean),
            Self::Archive => program::test(build, made, clean),
            Self::Container => container::test(build, made),
            Self::Sbom => sbom::test(made, clean),
        }
    }
}

/// Makes the parts, tests them if asked to, and prints what each has made and what is left out.
pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(cfg!(target_os = "linux"), "releases are made on Linux; run this task there, or in a container");
    let out = arguments.out.clone().unwrap_or_else(|| target().join("packages"));
    let out = std::path::absolute(&out).with_context(|| format!("{} is no folder", out.display()))?;
    let build = Build::of_checkout()?;
    let chosen: BTreeSet<Part> = if arguments.parts.is_empty() {
        Part::value_variants().iter().copied().collect()
    } else {
        arguments.parts.iter().copied().collect()
    };
    let mut report = Vec::new();
    for part in chosen {
        let name = part.name();
        println!("\n== {name}");
        let made = part.make(&build, &files::empty(out.join(name))?).with_context(|| format!("cannot make {name}"))?;
        build.check_paths(&made.paths).with_context(|| format!("{name} is not reproducible"))?;
        let verdict = if !arguments.test {
            ""
        } else if made.paths.is_empty() {
            "not tested"
        } else {
            let clean = files::empty(target().join("installed").join(name))?;
            let unpacked = part.test(&build, &made, &clean).with_context(|| format!("the test of {name} failed"))?;
            build.check_paths(&unpacked).with_context(|| format!("{name} is not reproducible"))?;
            "installed and used"
        };
        report.push((name, made, verdict));
    }
    let sums = sums::write(&out)?;
    if arguments.test {
        sums::check(&sums)?;
    }
    println!("\n{}", describe(&out, &report));
    println!("{}", sums.display());
    if build.is_changed {
        println!("Not for publication: the checkout has changes that are not committed.");
    }
    let tested = report.iter().filter(|(_, _, verdict)| *verdict == "installed and used").count();
    if arguments.test {
        println!("{tested} passed, 0 failed");
    }
    Ok(())
}

/// The lines of the report: a line for each file, and for each thing that is left out.
fn describe(out: &Path, report: &[(&str, Made, &str)]) -> String {
    let mut lines = Vec::new();
    for (name, made, verdict) in report {
        let mark = if verdict.is_empty() { String::new() } else { format!("  ({verdict})") };
        for path in &made.paths {
            lines.push(format!("{name:<10} {}{mark}", path.strip_prefix(out).unwrap_or(path).display()));
        }
        lines.extend(made.left_out.iter().map(|reason| format!("{name:<10} left out: {reason}")));
    }
    lines.join("\n")
}

/// Returns the folder of the programs that the tests compile against the packages.
fn consumers() -> PathBuf {
    root().join("tests/packages")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_names_files_and_what_is_left_out() {
        let made = Made { paths: vec!["/out/deb/a.deb".into()], left_out: vec!["the AAR: no NDK".into()] };
        let report = [("deb", made, "installed and used"), ("container", Made::nothing("no engine"), "")];
        let expected = "\
deb        deb/a.deb  (installed and used)
deb        left out: the AAR: no NDK
container  left out: no engine";
        assert_eq!(describe(Path::new("/out"), &report), expected);
    }

    #[test]
    fn names_of_parts_are_those_of_the_command_line() {
        for part in Part::value_variants() {
            assert_eq!(part.to_possible_value().unwrap().get_name(), part.name());
        }
    }
}
