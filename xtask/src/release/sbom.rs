//! Lists of dependencies, with their versions, licences and hashes, in CycloneDX's format.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Made, build::Build, files, tools};
use crate::{process::check, root};

/// What users install: the crate, the folder of its manifest, and the target if it is not this machine's.
const LISTED: [(&str, &str, Option<&str>); 3] = [
    ("quotapass", "", None),
    ("quotapass-mobile", "bindings/mobile", None),
    ("quotapass-web", "bindings/web", Some("wasm32-unknown-unknown")),
];
/// Ending of the names that cargo-cyclonedx gives.
const ENDING: &str = "cdx.json";
/// A dependency of each of them.
const KNOWN: &str = "ark-bn254";

/// Lists the dependencies of the program, of the library for phones, and of the npm package's module.
pub fn make(build: &Build, out: &Path) -> Result<Made> {
    let program = tools::cyclonedx()?;
    // The program writes a list beside each manifest of a workspace, so it runs in a copy of the tracked files.
    let copy = build.work("sbom")?;
    let mut checkout = Command::new("git");
    checkout.args(["checkout-index", "--all"]).arg(format!("--prefix={}/", copy.display())).current_dir(root());
    check(&mut checkout, "git checkout-index")?;
    let mut made = Made::default();
    for (name, folder, target) in LISTED {
        let folder = copy.join(folder);
        let mut list = Command::new(&program);
        list.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--all", "--quiet", "--target"]);
        list.arg(target.unwrap_or(&build.host)).arg("--manifest-path").arg(folder.join("Cargo.toml"));
        check(list.current_dir(&copy).env("SOURCE_DATE_EPOCH", &build.epoch), "cargo cyclonedx")?;
        let text = files::read(&folder.join(format!("{name}.{ENDING}")))?;
        let written = out.join(format!("{name}-{}.{ENDING}", build.version));
        files::write(&written, without_folder(&text, &copy))?;
        made.paths.push(written);
    }
    Ok(made)
}

/// Reads the lists: each names its dependencies, and where each comes from.
pub fn test(made: &Made, clean: &Path) -> Result<Vec<PathBuf>> {
    for path in &made.paths {
        let name = path.file_name().context("a list without a name")?;
        let copied = clean.join(name);
        files::copy(path, &copied)?;
        let list: Value = serde_json::from_str(&files::read(&copied)?).context("a list is not JSON")?;
        check_list(&list).with_context(|| format!("{} is incomplete", copied.display()))?;
    }
    ensure!(made.paths.len() == LISTED.len(), "{} lists, expected {}", made.paths.len(), LISTED.len());
    Ok(Vec::new())
}

fn check_list(list: &Value) -> Result<()> {
    ensure!(list["bomFormat"] == "CycloneDX", "it is not in CycloneDX's format");
    let components = list["components"].as_array().context("it has no components")?;
    ensure!(components.len() > 50, "it has {} components", components.len());
    ensure!(components.iter().any(|component| component["name"] == KNOWN), "{KNOWN} is missing");
    for component in components {
        let name = &component["name"];
        ensure!(component["version"].is_string() && component["purl"].is_string(), "{name} has no version or purl");
        ensure!(component["licenses"].is_array(), "{name} has no licence");
    }
    Ok(())
}

/// The list with the root of a repository in place of a folder.
fn without_folder(list: &str, folder: &Path) -> String {
    list.replace(&*folder.to_string_lossy(), "/quotapass")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_incomplete_list_is_refused() {
        let component = |name: &str| {
            json!({
                "name": name,
                "version": "1.0.0",
                "purl": format!("pkg:cargo/{name}@1.0.0"),
                "licenses": [{ "expression": "MIT" }],
            })
        };
        let components: Vec<Value> =
            (0..60).map(|number| component(&format!("crate-{number}"))).chain([component(KNOWN)]).collect();
        let list = json!({ "bomFormat": "CycloneDX", "components": components });
        check_list(&list).unwrap();
        let mut other = list.clone();
        other["components"][60]["name"] = "other".into();
        assert_eq!(check_list(&other).unwrap_err().to_string(), "ark-bn254 is missing");
        let mut other = list.clone();
        other["components"][7]["licenses"] = Value::Null;
        assert_eq!(check_list(&other).unwrap_err().to_string(), "\"crate-7\" has no licence");
        let mut other = list;
        other["components"] = json!([component(KNOWN)]);
        assert!(check_list(&other).is_err());
    }

    #[test]
    fn a_list_does_not_name_the_folder() {
        let list = r#"{ "bom-ref": "path+file:///home/ann/q/crates/wallet#0.1.0" }"#;
        let written = without_folder(list, Path::new("/home/ann/q"));
        assert_eq!(written, r#"{ "bom-ref": "path+file:///quotapass/crates/wallet#0.1.0" }"#);
    }
}
