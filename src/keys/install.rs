//! `quotapass keys install`.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    badge::Badge,
    constraints::CircuitKind,
    moderation::{author::Author, record::Record},
    post::Post,
    slash::Slash,
};
use quotapass_setup::iden3::Zkey;
use serde_json::json;

use super::file::{circuit_of, read};
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Final key of a ceremony, a .zkey file
    #[arg(value_name = "KEY")]
    key: PathBuf,
    /// Replace another key that is already installed for the circuit
    #[arg(long)]
    force: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let file = read(&arguments.key)?;
    let zkey = Zkey::from_bytes(&file).with_context(|| arguments.key.display().to_string())?;
    let circuit = circuit_of(&zkey)?;
    let store = context.keys()?;
    let (path, id) = match circuit {
        CircuitKind::Post => store.install::<Post>(&file, arguments.force),
        CircuitKind::Badge => store.install::<Badge>(&file, arguments.force),
        CircuitKind::Slash => store.install::<Slash>(&file, arguments.force),
        CircuitKind::Author => store.install::<Author>(&file, arguments.force),
        CircuitKind::Record16 => store.install::<Record<16>>(&file, arguments.force),
        CircuitKind::Record128 => store.install::<Record<128>>(&file, arguments.force),
    }
    .with_context(|| arguments.key.display().to_string())?;
    let trusted = store.trusted().contains(&id);
    let next = match trusted {
        true => "It is trusted: the settings list it.".into(),
        false => format!(
            "It is not used until it is trusted: check its ceremony (`quotapass keys check`), then add \"{id}\" to \
             the setting `trusted_keys`."
        ),
    };
    context.output().result(
        &format!("Installed the key of `{circuit}` as {}.\nid {id}\n{next}", path.display()),
        json!({ "circuit": circuit.name(), "file": path, "id": id, "trusted": trusted }),
    )
}
