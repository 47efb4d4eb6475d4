//! `quotapass keys contribute` and `quotapass keys beacon`.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_setup::{
    ceremony::{Entropy, InitialKey, apply_beacon, contribute as contribute_to},
    iden3::{Ptau, TranscriptHash, Zkey},
};
use quotapass_wallet::files::create_new;
use rand::rngs::OsRng;
use serde_json::json;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    file::{circuit_of, read, read_zkey, shape},
    published::require_published,
};
use crate::{
    context::Context,
    failure::usage,
    output::{can_ask, note},
};

#[derive(Debug, Args)]
pub(crate) struct Contribute {
    /// Key from the previous contributor, a .zkey file
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// Key to pass on, a new file; the attestation is written next to it
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Name to record in the key, up to 64 characters
    #[arg(long)]
    name: Option<String>,
    /// Use only the system's randomness, without a prompt
    #[arg(long)]
    no_typing: bool,
    /// Powers of tau of the ceremony, to check the key before anything is added to it
    ///
    /// A contribution to an invalid key is lost. Without the powers only the transcript is checked, and the circuit hash
    /// if the key is the first one.
    #[arg(long, value_name = "FILE")]
    ptau: Option<PathBuf>,
    /// Published BLAKE2b hash of the powers of tau, in hexadecimal; not needed for the perpetual powers of tau
    #[arg(long, value_name = "HEX", requires = "ptau", hide_short_help = true)]
    ptau_hash: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Beacon {
    /// Key from the last contributor, a .zkey file
    #[arg(value_name = "FROM")]
    from: PathBuf,
    /// Final key, a new file
    #[arg(value_name = "TO")]
    to: PathBuf,
    /// Public value in hexadecimal, whose source was announced in advance
    ///
    /// It may begin with 0x. An example is the hash of a block.
    #[arg(long, value_name = "HEX")]
    value: String,
    /// Exponent of the number of hash iterations, which is a power of two, 10 to 32
    #[arg(long, value_name = "NUMBER", default_value_t = 10, hide_short_help = true)]
    iterations_exponent: u8,
    /// Name to record in the key, up to 64 characters
    #[arg(long)]
    name: Option<String>,
}

pub(super) fn contribute(arguments: &Contribute, context: &Context) -> Result<()> {
    let attestation = attestation_path(&arguments.to);
    refuse_existing(&arguments.to)?;
    refuse_existing(&attestation)?;
    let file = read(&arguments.from)?;
    let zkey = Zkey::from_bytes(&file).with_context(|| arguments.from.display().to_string())?;
    if let Some(path) = &arguments.ptau {
        check_so_far(&zkey, path, arguments.ptau_hash.as_deref())?;
    }
    let typed = if arguments.no_typing { Zeroizing::new(String::new()) } else { typed()? };
    let entropy = Entropy::new(&mut OsRng, typed.as_bytes());
    let (next, hash) = contribute_to(&zkey, arguments.name.as_deref(), &entropy)?;
    drop(entropy);
    let content = next.to_bytes();
    create_new(&arguments.to, &content).with_context(|| format!("cannot write {}", arguments.to.display()))?;
    let text = attest(&zkey, &next, hash, &file, &content)?;
    create_new(&attestation, text.as_bytes()).with_context(|| format!("cannot write {}", attestation.display()))?;
    context.output().result(
        &format!(
            "Contributed. The secret was never written to disk and is erased from memory.\nPass on {}, and publish \
             the attestation {}; the hash of your contribution is\n  {hash}",
            arguments.to.display(),
            attestation.display()
        ),
        json!({ "key": arguments.to, "attestation": attestation, "contribution": hash.to_string() }),
    )
}

pub(super) fn beacon(arguments: &Beacon, context: &Context) -> Result<()> {
    refuse_existing(&arguments.to)?;
    let digits = arguments.value.strip_prefix("0x").unwrap_or(&arguments.value);
    let value = hex::decode(digits).with_context(|| usage("--value is not hexadecimal"))?;
    let zkey = read_zkey(&arguments.from)?;
    let (last, hash) = apply_beacon(&zkey, arguments.name.as_deref(), &value, arguments.iterations_exponent)?;
    let content = last.to_bytes();
    create_new(&arguments.to, &content).with_context(|| format!("cannot write {}", arguments.to.display()))?;
    let sha256 = hex::encode(Sha256::digest(&content));
    context.output().result(
        &format!("The ceremony is complete. The final key is {}, SHA-256\n  {sha256}", arguments.to.display()),
        json!({ "key": arguments.to, "contribution": hash.to_string(), "sha256": sha256 }),
    )
}

/// Checks a key from its constraints and powers of tau to its latest contribution.
fn check_so_far(zkey: &Zkey, ptau: &Path, hash: Option<&str>) -> Result<()> {
    let powers = read(ptau)?;
    let powers = Ptau::from_bytes(&powers).with_context(|| ptau.display().to_string())?;
    require_published(&powers, hash)?;
    let circuit = circuit_of(zkey)?;
    note(format!("Computing the initial key of `{circuit}` from its constraints and the powers of tau ..."));
    InitialKey::new(&shape(circuit)?, &powers, &mut OsRng)?.check_so_far(zkey, &mut OsRng)?;
    note(format!("The key is valid so far; it has {} contributions.", zkey.contributions().len()));
    Ok(())
}

/// Refuses an existing file before the contributor types anything.
fn refuse_existing(path: &Path) -> Result<()> {
    if path.exists() {
        bail!("{} already exists; name a new file", path.display());
    }
    Ok(())
}

/// Reads what the contributor types, without echo.
fn typed() -> Result<Zeroizing<String>> {
    if can_ask() {
        let question =
            "Type random characters, then Enter (they are mixed with the system's randomness, and not shown): ";
        return Ok(Zeroizing::new(rpassword::prompt_password(question).context("cannot read from the terminal")?));
    }
    note("Reading additional randomness from standard input.");
    let mut typed = Zeroizing::new(String::new());
    io::stdin().lock().read_to_string(&mut typed).context("cannot read standard input as text")?;
    Ok(typed)
}

fn attestation_path(key: &Path) -> PathBuf {
    let mut name = key.as_os_str().to_owned();
    name.push(".attestation.txt");
    PathBuf::from(name)
}

fn attest(zkey: &Zkey, next: &Zkey, hash: TranscriptHash, before: &[u8], after: &[u8]) -> Result<String> {
    let name = next.contributions().last().and_then(|last| last.name()).unwrap_or("(no name)");
    Ok(format!(
        "I contributed to the key of the circuit `{}` of quotapass.\n\n\
         name                   {name}\n\
         contribution           {} of this key\n\
         circuit hash           {}\n\
         input key, SHA-256     {}\n\
         output key, SHA-256    {}\n\
         contribution hash      {hash}\n\n\
         My secret came from my system's random generator and from what I typed. It was used once, in memory, and I kept\n\
         no copy. A verification of the final key shows the contribution hash above.\n",
        circuit_of(zkey)?,
        next.contributions().len(),
        zkey.circuit_hash(),
        hex::encode(Sha256::digest(before)),
        hex::encode(Sha256::digest(after)),
    ))
}
