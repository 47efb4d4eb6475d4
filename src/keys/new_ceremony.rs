//! `quotapass keys new-ceremony`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::constraints::CircuitKind;
use quotapass_setup::{ceremony::InitialKey, iden3::Ptau};
use quotapass_wallet::files::create_new;
use rand::rngs::OsRng;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    file::{parse_circuit, read, shape},
    published::{PUBLISHED_AT, Published, require_published, smallest},
};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Circuit to make keys for; repeat it for more [default: all]
    #[arg(long = "circuit", value_parser = parse_circuit)]
    circuits: Vec<CircuitKind>,
    /// Powers of tau, a .ptau file prepared for phase 2, to make the initial keys as well
    #[arg(long, value_name = "FILE")]
    ptau: Option<PathBuf>,
    /// Published BLAKE2b hash of the powers of tau, in hexadecimal; not needed for the perpetual powers of tau
    #[arg(long, value_name = "HEX", requires = "ptau", hide_short_help = true)]
    ptau_hash: Option<String>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let circuits = if arguments.circuits.is_empty() { CircuitKind::ALL.to_vec() } else { arguments.circuits.clone() };
    let powers = arguments.ptau.as_deref().map(read).transpose()?;
    let ptau = powers.as_deref().map(Ptau::from_bytes).transpose().context("the powers of tau cannot be read")?;
    if let Some(ptau) = &ptau {
        require_published(ptau, arguments.ptau_hash.as_deref())?;
    }
    let mut written = Vec::new();
    let mut sums = String::new();
    let mut needed = 0;
    for kind in &circuits {
        let shape = shape(*kind)?;
        needed = needed.max(InitialKey::powers_needed(&shape));
        let mut files = vec![(format!("{kind}.r1cs"), shape.to_r1cs())];
        if let Some(ptau) = &ptau {
            let initial = InitialKey::new(&shape, ptau, &mut OsRng)?;
            files.push((format!("{kind}_0000.zkey"), initial.zkey().to_bytes()));
        }
        for (name, content) in files {
            // The format of `sha256sum --check`.
            writeln!(sums, "{}  {name}", hex::encode(Sha256::digest(&content)))?;
            written.push(write(&arguments.out, &name, &content)?);
        }
    }
    let Published { name, hash } = smallest(needed)?;
    written.push(write(&arguments.out, "SHA256SUMS", sums.as_bytes())?);
    written.push(write(&arguments.out, "README.md", readme(&circuits, name, hash).as_bytes())?);
    written.push(write(&arguments.out, "begin.sh", begin(&circuits, name, hash).as_bytes())?);
    let names: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
    context.output().result(&names.join("\n"), json!({ "files": written, "ptau": name, "ptau_hash": hash }))
}

fn write(folder: &Path, name: &str, content: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    create_new(&path, content).with_context(|| {
        format!("cannot write {} (an existing file is not overwritten; name a new folder)", path.display())
    })?;
    Ok(path)
}

/// Returns the script that the coordinator begins with, which needs only snarkjs.
fn begin(circuits: &[CircuitKind], name: &str, hash: &str) -> String {
    let circuits: Vec<_> = circuits.iter().map(|kind| kind.name()).collect();
    format!(
        "#!/bin/sh\n\
         # Fetches the powers of tau, checks their published hash, and makes the initial key of each circuit.\n\
         # Needs curl, b2sum and snarkjs 0.7.0 or later (npm install --global snarkjs).\n\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
         # Before 0.7.0 snarkjs writes another circuit hash, which no check of the final key accepts. It prints its version\n\
         # in the first line of its help, which ends with an error code.\n\
         version=$(snarkjs --help 2>&1 | sed -n 's/^snarkjs@\\([0-9.]*\\).*/\\1/p' || true)\n\
         case $version in\n\
         \x20 0.[0-6].*|'') echo \"snarkjs 0.7.0 or later is needed, found ${{version:-none}}\" >&2; exit 1;;\n\
         esac\n\
         sha256sum --check SHA256SUMS\n\
         [ -e {name} ] || curl --fail --location --output {name} {PUBLISHED_AT}{name}\n\
         echo '{hash}  {name}' | b2sum --check\n\
         for circuit in {}; do\n\
         \x20 [ -e ${{circuit}}_0000.zkey ] || snarkjs groth16 setup $circuit.r1cs {name} ${{circuit}}_0000.zkey\n\
         done\n",
        circuits.join(" ")
    )
}

fn readme(circuits: &[CircuitKind], name: &str, hash: &str) -> String {
    let mut list = String::new();
    for kind in circuits {
        list += &format!("- `{kind}.r1cs`, the constraints of `{kind}`\n");
    }
    format!(
        "# A ceremony for quotapass\n\n\
         It makes proving keys whose secret remains unknown unless all participants collude. `docs/setup.md` of quotapass\n\
         explains what that secures. Version of the program: {version}.\n\n\
         {list}- `SHA256SUMS`, their hashes. They are the circuit hashes that `quotapass circuit info` shows; anyone can\n  \
         regenerate the files from the sources with `quotapass circuit export --out DIR`.\n\n\
         ## Begin (coordinator)\n\n\
         `sh begin.sh` fetches the powers of tau `{name}`, checks their hash, and makes `CIRCUIT_0000.zkey`. The published\n\
         hash (BLAKE2b-512) is\n\n    {hash}\n\n\
         Announce the source of the final beacon before its value can be known, for example \"the hash of the first\n\
         Ethereum block after 18:00 UTC on Sunday\".\n\n\
         ## Contribute (one after the other, for each circuit)\n\n\
         Get the newest key, and run either\n\n    \
         quotapass keys contribute CIRCUIT_0000.zkey CIRCUIT_0001.zkey --name \"your name\"\n    \
         snarkjs zkey contribute CIRCUIT_0000.zkey CIRCUIT_0001.zkey --name=\"your name\"\n\n\
         with the current numbers (snarkjs 0.7.0 or later; a key that former versions began is refused). Both ask you to type random characters. Pass the new key on, and publish the\n\
         contribution hash where others recognise you; look for it in the final key later.\n\n\
         ## End (coordinator)\n\n    \
         snarkjs zkey beacon CIRCUIT_0007.zkey CIRCUIT_final.zkey VALUE 10\n\n\
         with the announced value, in hexadecimal without 0x; or `quotapass keys beacon CIRCUIT_0007.zkey\n\
         CIRCUIT_final.zkey --value VALUE`. Publish the final keys, their SHA-256, their ids, and all attestations.\n\n\
         ## Check (everyone)\n\n    \
         snarkjs zkey verify CIRCUIT.r1cs {name} CIRCUIT_final.zkey\n    \
         quotapass keys check CIRCUIT_final.zkey --ptau {name}\n\n\
         The second regenerates the constraints itself. `quotapass keys show CIRCUIT_final.zkey` lists the contributions.\n\n\
         ## Use\n\n    \
         quotapass keys install CIRCUIT_final.zkey\n\n\
         and add the id that it prints to the setting `trusted_keys`.\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}
