//! `quotapass keys export-verifier`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, CircuitKind},
    moderation::{author::Author, record::Record},
    post::Post,
    slash::Slash,
};
use quotapass_setup::{
    iden3::{Zkey, verification_key_json},
    proving_key,
};
use quotapass_wallet::files::create_new;
use serde_json::json;

use super::{
    file::{circuit_of, read},
    solidity,
};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Final key of a ceremony, a .zkey file
    #[arg(value_name = "KEY")]
    key: PathBuf,
    /// Folder to write to: a contract (not for records, whose inputs are too many), constructor_words.json,
    /// verification_key.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let file = read(&arguments.key)?;
    let circuit = circuit_of(&Zkey::from_bytes(&file).with_context(|| arguments.key.display().to_string())?)?;
    match circuit {
        CircuitKind::Post => export::<Post>(&file, arguments, context),
        CircuitKind::Badge => export::<Badge>(&file, arguments, context),
        CircuitKind::Slash => export::<Slash>(&file, arguments, context),
        CircuitKind::Author => export::<Author>(&file, arguments, context),
        CircuitKind::Record16 => export::<Record<16>>(&file, arguments, context),
        CircuitKind::Record128 => export::<Record<128>>(&file, arguments, context),
    }
}

fn export<C: Circuit>(file: &[u8], arguments: &Arguments, context: &Context) -> Result<()> {
    let key = proving_key(C::STANDARD, file).with_context(|| arguments.key.display().to_string())?;
    let verifying = key.verifying_key();
    // The words in the form that `SlashVerifier` takes: points in the order of EIP-197.
    let words: Vec<_> = verifying.to_evm_words().iter().map(|word| format!("0x{}", hex::encode(word))).collect();
    let mut files = vec![
        ("constructor_words.json".into(), serde_json::to_vec_pretty(&words)?),
        ("verification_key.json".into(), serde_json::to_vec_pretty(&verification_key_json(&verifying))?),
    ];
    // A contract with a step for each listed post would be larger than a chain accepts.
    if C::SHARED_INPUTS == 0 {
        let source = solidity::verifier(C::KIND, C::public_names(), &verifying, &key.origin().to_string())?;
        files.insert(0, (format!("{}.sol", solidity::contract_name(C::KIND)), source.into_bytes()));
    }
    let mut written = Vec::new();
    for (name, content) in files {
        let path = arguments.out.join(name);
        create_new(&path, &content).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    let names: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
    let hash = verifying.hash();
    context.output().result(
        &format!("{}\nhash of the verifying key {hash}", names.join("\n")),
        json!({ "circuit": C::KIND.name(), "files": written, "words": words, "key_hash": hash }),
    )
}
