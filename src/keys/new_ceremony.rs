//! `quotapass keys new-ceremony`.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::constraints::CircuitKind;
use quotapass_setup::{ceremony::InitialKey, iden3::Ptau};
use quotapass_wallet::files::create_new;
use rand::rngs::OsRng;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::file::{parse_circuit, read, shape};
use crate::context::Context;

/// The published files of the perpetual powers of tau, prepared for phase 2: power, name and BLAKE2b-512 (snarkjs,
/// README.md, section 7). 54 people contributed, and a beacon completed them.
const PUBLISHED: [(u32, &str, &str); 5] = [
    (
        8,
        "powersOfTau28_hez_final_08.ptau",
        "d6a8fb3a04feb600096c3b791f936a578c4e664d262e4aa24beed1b7a9a96aa5eb72864d628db247e9293384b74b36ffb52ca8d148d6e1b8b51e279fdf57b583",
    ),
    (
        12,
        "powersOfTau28_hez_final_12.ptau",
        "ded2694169b7b08e898f736d5de95af87c3f1a64594013351b1a796dbee393bd825f88f9468c84505ddd11eb0b1465ac9b43b9064aa8ec97f2b73e04758b8a4a",
    ),
    (
        13,
        "powersOfTau28_hez_final_13.ptau",
        "58efc8bf2834d04768a3d7ffcd8e1e23d461561729beaac4e3e7a47829a1c9066d5320241e124a1a8e8aa6c75be0ba66f65bc8239a0542ed38e11276f6fdb4d9",
    ),
    (
        14,
        "powersOfTau28_hez_final_14.ptau",
        "eeefbcf7c3803b523c94112023c7ff89558f9b8e0cf5d6cdcba3ade60f168af4a181c9c21774b94fbae6c90411995f7d854d02ebd93fb66043dbb06f17a831c1",
    ),
    (
        15,
        "powersOfTau28_hez_final_15.ptau",
        "982372c867d229c236091f767e703253249a9b432c1710b4f326306bfa2428a17b06240359606cfe4d580b10a5a1f63fbed499527069c18ae17060472969ae6e",
    ),
];
/// The URL of the folder that they are published in.
const PUBLISHED_AT: &str = "https://storage.googleapis.com/zkevm/ptau/";

/// Returns the published file name of the powers of tau with this hash, if it is known.
pub(super) fn published_name(hash: &str) -> Option<&'static str> {
    PUBLISHED.iter().find(|(_, _, known)| *known == hash).map(|(_, name, _)| *name)
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Circuit to make keys for; repeat it for more [default: all three]
    #[arg(long = "circuit", value_parser = parse_circuit)]
    circuits: Vec<CircuitKind>,
    /// Powers of tau, a .ptau file prepared for phase 2, to make the initial keys as well
    #[arg(long, value_name = "FILE")]
    ptau: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let circuits = if arguments.circuits.is_empty() { CircuitKind::ALL.to_vec() } else { arguments.circuits.clone() };
    let powers = arguments.ptau.as_deref().map(read).transpose()?;
    let ptau = powers.as_deref().map(Ptau::from_bytes).transpose().context("the powers of tau cannot be read")?;
    let mut written = Vec::new();
    let mut sums = String::new();
    let mut needed = 0;
    for kind in &circuits {
        let shape = shape(*kind)?;
        needed = needed.max(shape.domain().trailing_zeros());
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
    let Some((_, name, hash)) = PUBLISHED.iter().find(|(power, _, _)| *power >= needed) else {
        bail!("this program knows no published powers of tau of power {needed} or more");
    };
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
         # Needs curl, b2sum and snarkjs (npm install --global snarkjs).\n\
         set -eu\n\
         cd \"$(dirname \"$0\")\"\n\
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
         with the current numbers. Both ask you to type random characters. Pass the new key on, and publish the\n\
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
