//! Builds whose result does not depend on the folders of this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::files;
use crate::{
    folders::{BETWEEN_FLAGS, flags, prefixes},
    process::{cargo_command, output, target},
    root,
};

/// A checkout, and how its packages are built.
pub struct Build {
    /// The version of the workspace.
    pub version: &'static str,
    /// The time of the commit in seconds since 1970, for the times in archives (`SOURCE_DATE_EPOCH`).
    pub epoch: String,
    /// Whether the checkout differs from its commit.
    pub is_changed: bool,
    /// The target triple of this machine.
    pub host: String,
    /// Folders of this machine, and what replaces them in the packages.
    prefixes: Vec<(PathBuf, &'static str)>,
}

impl Build {
    /// Reads the checkout and the toolchain.
    pub fn of_checkout() -> Result<Self> {
        let version = env!("CARGO_PKG_VERSION");
        let epoch = match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(epoch) => epoch,
            Err(_) => output(Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()))
                .context("a release needs a git checkout, or the time of its sources in SOURCE_DATE_EPOCH")?,
        };
        ensure!(epoch.parse::<u64>().is_ok(), "SOURCE_DATE_EPOCH is {epoch:?}; write seconds since 1970");
        let changes = output(Command::new("git").args(["status", "--porcelain"]).current_dir(root()));
        let rustc = output(Command::new("rustc").arg("-vV"))?;
        let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names no host")?;
        Ok(Self {
            version,
            epoch,
            is_changed: changes.map_or(true, |changes| !changes.is_empty()),
            host: host.to_owned(),
            prefixes: prefixes()?,
        })
    }

    /// Returns a cargo with the environment of a release.
    pub fn cargo(&self) -> Command {
        let mut cargo = cargo_command();
        self.prepare(&mut cargo);
        cargo
    }

    /// Sets the environment of a release: a target folder of its own, because other flags would compile everything again
    /// each time, and flags that replace the folders of this machine.
    pub fn prepare(&self, command: &mut Command) {
        // C compilers take one string, in which cc separates flags at spaces.
        let c = flags(&self.prefixes, "-ffile-prefix-map").join(" ");
        command
            .env("CARGO_TARGET_DIR", self.target())
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_ENCODED_RUSTFLAGS", flags(&self.prefixes, "--remap-path-prefix").join(BETWEEN_FLAGS))
            .env_remove("RUSTFLAGS")
            .env("CFLAGS", &c)
            .env("CXXFLAGS", &c)
            .env("SOURCE_DATE_EPOCH", &self.epoch)
            .env("TZ", "UTC");
    }

    /// The target folder of a release.
    pub fn target(&self) -> PathBuf {
        target().join("dist")
    }

    /// Returns an empty folder for what a part does not publish.
    pub fn work(&self, part: &str) -> Result<PathBuf> {
        files::empty(self.target().join("work").join(part))
    }

    /// Fails if a file, or a file below a folder, contains a folder of this machine.
    pub fn check_paths(&self, paths: &[PathBuf]) -> Result<()> {
        for path in paths {
            for file in files::below(path)? {
                let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
                if let Some(folder) = self.folder_in(&content) {
                    bail!("{} contains the path {}", file.display(), folder.display());
                }
            }
        }
        Ok(())
    }

    /// The folder of this machine that stands in a text.
    fn folder_in(&self, content: &[u8]) -> Option<&Path> {
        let mut folders = self.prefixes.iter().map(|(folder, _)| folder.as_path());
        folders.find(|folder| contains(content, folder.as_os_str().as_encoded_bytes()))
    }
}

/// Whether a text contains a path, and not only the beginning of a longer name.
fn contains(content: &[u8], path: &[u8]) -> bool {
    let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let ends = |rest: &[u8]| !rest.first().is_some_and(goes_on);
    // A search for the first byte is much faster than a comparison at each place.
    let mut starts = content.iter().enumerate().filter(|(_, byte)| path.first() == Some(*byte));
    starts.any(|(place, _)| content[place..].strip_prefix(path).is_some_and(ends))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    fn build() -> Build {
        Build {
            version: "1.2.3",
            epoch: "1800000000".into(),
            is_changed: false,
            host: "x86_64-unknown-linux-gnu".into(),
            prefixes: vec![("/home/ann/quotapass".into(), "/quotapass"), ("/home/ann/.cargo".into(), "/cargo")],
        }
    }

    #[test]
    fn a_path_of_the_machine_is_found() {
        let build = build();
        let found = |text: &str| build.folder_in(text.as_bytes()).map(|folder| folder.display().to_string());
        assert_eq!(found("\0/home/ann/quotapass/src/main.rs\0").as_deref(), Some("/home/ann/quotapass"));
        assert_eq!(found("in /home/ann/quotapass").as_deref(), Some("/home/ann/quotapass"));
        assert_eq!(found("/home/ann/.cargo/registry").as_deref(), Some("/home/ann/.cargo"));
        assert_eq!(found("/home/ann/quotapass-data and /home/ann/.cargo2 and /quotapass/src"), None);
    }

    #[test]
    fn compilers_replace_each_folder() {
        let mut command = Command::new("cargo");
        build().prepare(&mut command);
        let value = |name: &str| {
            let (_, value) = command.get_envs().find(|(variable, _)| *variable == name).unwrap();
            value.unwrap().to_str().unwrap().to_owned()
        };
        let flags = value("CARGO_ENCODED_RUSTFLAGS");
        let flags: Vec<&str> = flags.split(BETWEEN_FLAGS).collect();
        let first = "--remap-path-prefix=/home/ann/quotapass=/quotapass";
        assert_eq!(flags, [first, "--remap-path-prefix=/home/ann/.cargo=/cargo"]);
        assert!(value("CFLAGS").ends_with(" -ffile-prefix-map=/home/ann/.cargo=/cargo"));
        assert_eq!(value("SOURCE_DATE_EPOCH"), "1800000000");
    }

    #[test]
    fn the_file_with_a_path_is_named() {
        let folder = target().join("paths-test");
        let folder = files::empty(folder).unwrap();
        fs::create_dir(folder.join("below")).unwrap();
        fs::write(folder.join("below/clean"), "/quotapass/src/main.rs").unwrap();
        let build = build();
        build.check_paths(std::slice::from_ref(&folder)).unwrap();
        fs::write(folder.join("below/program"), b"\x7fELF /home/ann/.cargo/registry/src/x.rs\0").unwrap();
        let error = build.check_paths(std::slice::from_ref(&folder)).unwrap_err().to_string();
        assert!(error.ends_with("below/program contains the path /home/ann/.cargo"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
