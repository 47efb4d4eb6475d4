//! The XCFramework for iOS, and the Swift package that names its checksum. Neither needs a Mac: static libraries are not
//! linked, and an XCFramework is a folder with a list of its libraries.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::{Made, build::Build, files, sums};
use crate::{
    debian::Toolchain,
    mobile,
    process::{check, install_package, output},
    root,
};

/// Rust's targets, with the identifier of the library in the XCFramework, and its variant of the platform.
const LIBRARIES: [(&str, &str, Option<&str>); 2] =
    [("aarch64-apple-ios", "ios-arm64", None), ("aarch64-apple-ios-sim", "ios-arm64-simulator", Some("simulator"))];
/// Lowest version of iOS.
const IOS: &str = "15.0";
const FRAMEWORK: &str = "QuotapassFFI.xcframework";
const LIBRARY: &str = "libquotapass_mobile.a";
const ADVICE: &str = "this toolchain cannot compile for iOS; run `rustup target add aarch64-apple-ios \
                      aarch64-apple-ios-sim`";
/// Package that Debian's cargo needs installed, and a file of it.
const LIBGIT2: (&str, &str) = ("libgit2-1.5", "/usr/lib/x86_64-linux-gnu/libgit2.so.1.5");

/// Builds the XCFramework, and writes the package, whose folder is the content of a repository.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    let toolchain = match toolchain() {
        Ok(toolchain) => toolchain,
        Err(error) => return Ok(Made::nothing(format!("{error:#}"))),
    };
    let work = build.work("swift")?;
    let sources = work.join("sources");
    mobile::bindings(&sources)?;
    let framework = work.join(FRAMEWORK);
    for (target, identifier, _) in LIBRARIES {
        let folder = framework.join(identifier);
        files::copy(&compile(build, toolchain.as_ref(), target)?, &folder.join(LIBRARY))?;
        for (source, name) in [("QuotapassFFI.h", "QuotapassFFI.h"), ("QuotapassFFI.modulemap", "module.modulemap")] {
            files::copy(&sources.join("swift").join(source), &folder.join("Headers").join(name))?;
        }
    }
    files::write(&framework.join("Info.plist"), property_list())?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        files::copy(&root().join(licence), &framework.join(licence))?;
        files::copy(&root().join(licence), &out.join(licence))?;
    }
    let archive = out.join(format!("{FRAMEWORK}.zip"));
    files::zip_folder(build, &framework, &archive)?;
    files::write(&out.join("Package.swift"), manifest(build.version, &sums::of(&archive)?))?;
    for file in files::below(&sources.join("swift"))? {
        if file.extension().is_some_and(|ending| ending == "swift") {
            let name = file.file_name().context("a source without a name")?;
            files::copy(&file, &out.join("Sources/Quotapass").join(name))?;
        }
    }
    Ok(Made::file(out.to_owned()))
}

/// Unpacks the XCFramework, and compares it with its list, with its headers and with the package. Only a Mac can link it.
pub fn test(build: &Build, made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    let out = made.paths.first().context("no package was made")?;
    let archive = out.join(format!("{FRAMEWORK}.zip"));
    let package = files::read(&out.join("Package.swift"))?;
    ensure!(package == manifest(build.version, &sums::of(&archive)?), "Package.swift names another archive");
    ensure!(out.join("Sources/Quotapass/Quotapass.swift").is_file(), "the package has no source");
    let mut unzip = Command::new("python3");
    check(unzip.args(["-m", "zipfile", "--extract"]).arg(&archive).arg(clean), "python3 -m zipfile")?;
    let framework = clean.join(FRAMEWORK);
    let listed = "import plistlib, sys\nfor each in plistlib.load(open(sys.argv[1], 'rb'))['AvailableLibraries']:\n  \
                  print(each['LibraryIdentifier'] + '/' + each['LibraryPath'])";
    let mut read = Command::new("python3");
    let listed = output(read.args(["-c", listed]).arg(framework.join("Info.plist")))?;
    let found: Vec<String> = listed.lines().map(str::to_owned).collect();
    let expected = LIBRARIES.map(|(_, identifier, _)| format!("{identifier}/{LIBRARY}"));
    ensure!(found == expected, "the XCFramework lists {found:?}, expected {expected:?}");
    for (target, identifier, _) in LIBRARIES {
        let folder = framework.join(identifier);
        let header = files::read(&folder.join("Headers/QuotapassFFI.h"))?;
        let library = fs::read(folder.join(LIBRARY)).context("cannot read a library")?;
        ensure!(library.starts_with(b"!<arch>\n"), "the library for {target} is no archive");
        let symbols = symbols(&library);
        let functions = functions(&header);
        ensure!(functions.len() > 40, "the header declares {} functions", functions.len());
        for function in functions {
            ensure!(symbols.contains(function), "the library for {target} lacks {function}");
        }
    }
    Ok(vec![framework, out.join("Sources")])
}

/// Returns nothing if the toolchain in use has the targets, and Debian's toolchain otherwise.
fn toolchain() -> Result<Option<Toolchain>> {
    let has = |target: &str| {
        let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", target]));
        libraries.is_ok_and(|folder| Path::new(&folder).exists())
    };
    if LIBRARIES.iter().all(|(target, _, _)| has(target)) {
        return Ok(None);
    }
    let toolchain = Toolchain::fetch(ADVICE)?;
    let (package, file) = LIBGIT2;
    if !Path::new(file).exists() {
        install_package(package, ADVICE)?;
    }
    Ok(Some(toolchain))
}

/// Compiles the static library for a target, and returns its path.
fn compile(build: &Build, toolchain: Option<&Toolchain>, target: &str) -> Result<PathBuf> {
    // A separate target folder: two compilers that share one would compile everything again each time.
    let folder = build.target().join("swift");
    let mut cargo = match toolchain {
        None => build.cargo(),
        Some(toolchain) => {
            let mut cargo = toolchain.cargo()?;
            build.prepare(&mut cargo);
            cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_UNSTABLE_BUILD_STD", "std,panic_unwind");
            cargo
        }
    };
    cargo.args(["rustc", "--package", "quotapass-mobile", "--lib", "--crate-type", "staticlib"]);
    cargo.args(["--profile", "mobile", "--target", target]).current_dir(root());
    cargo.env("CARGO_TARGET_DIR", &folder).env("IPHONEOS_DEPLOYMENT_TARGET", IOS);
    check(&mut cargo, &format!("cargo rustc for {target}"))?;
    Ok(folder.join(target).join("mobile").join(LIBRARY))
}

/// The list of the XCFramework's libraries.
fn property_list() -> String {
    let mut libraries = String::new();
    for (_, identifier, variant) in LIBRARIES {
        let variant = variant.map_or_else(String::new, |variant| {
            format!("\n      <key>SupportedPlatformVariant</key><string>{variant}</string>")
        });
        libraries += &format!(
            "    <dict>
      <key>BinaryPath</key><string>{LIBRARY}</string>
      <key>HeadersPath</key><string>Headers</string>
      <key>LibraryIdentifier</key><string>{identifier}</string>
      <key>LibraryPath</key><string>{LIBRARY}</string>
      <key>SupportedArchitectures</key><array><string>arm64</string></array>
      <key>SupportedPlatform</key><string>ios</string>{variant}
    </dict>
"
        );
    }
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>AvailableLibraries</key>
  <array>
{libraries}  </array>
  <key>CFBundlePackageType</key><string>XFWK</string>
  <key>XCFrameworkFormatVersion</key><string>1.0</string>
</dict>
</plist>
"#
    )
}

/// The manifest of the Swift package. The XCFramework is attached to the release of the same version.
fn manifest(version: &str, checksum: &str) -> String {
    format!(
        r#"// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "Quotapass",
    platforms: [.iOS(.v15)],
    products: [.library(name: "Quotapass", targets: ["Quotapass"])],
    targets: [
        .binaryTarget(
            name: "QuotapassFFI",
            url: "https://github.com/quotapass/quotapass/releases/download/v{version}/{FRAMEWORK}.zip",
            checksum: "{checksum}"
        ),
        .target(name: "Quotapass", dependencies: ["QuotapassFFI"]),
    ]
)
"#
    )
}

/// The functions that a header of UniFFI declares.
fn functions(header: &str) -> BTreeSet<&str> {
    let names = header.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    names.filter(|name| name.starts_with("uniffi_quotapass") || name.starts_with("ffi_quotapass")).collect()
}

/// The symbols of UniFFI in a library for an Apple system, without the underscore that each has there.
fn symbols(library: &[u8]) -> BTreeSet<&str> {
    let names = library.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let names = names.filter_map(|name| std::str::from_utf8(name.strip_prefix(b"_")?).ok());
    names.filter(|name| name.starts_with("uniffi_quotapass") || name.starts_with("ffi_quotapass")).collect()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_compared_with_declarations() {
        let header = "uint64_t uniffi_quotapass_mobile_fn_clone_room(uint64_t handle);\nvoid ffi_quotapass_mobile_free(int x\n);";
        let expected = ["ffi_quotapass_mobile_free", "uniffi_quotapass_mobile_fn_clone_room"];
        assert_eq!(functions(header).into_iter().collect::<Vec<_>>(), expected);
        let library = b"!<arch>\n\0_uniffi_quotapass_mobile_fn_clone_room\0_ffi_quotapass_mobile_free\0other\0";
        assert_eq!(symbols(library), functions(header));
    }

    #[test]
    fn the_package_names_the_archive_of_its_version() {
        let manifest = manifest("1.2.3", "abc");
        assert!(manifest.contains("/download/v1.2.3/QuotapassFFI.xcframework.zip\",\n            checksum: \"abc\""));
    }

    #[test]
    fn the_list_has_each_library_once() {
        let list = property_list();
        assert_eq!(list.matches("<key>LibraryIdentifier</key>").count(), LIBRARIES.len());
        assert_eq!(list.matches("<string>simulator</string>").count(), 1);
    }
}
