//! `quotapass identity list`.

use anyhow::Result;
use serde_json::json;

use crate::context::Context;

pub(super) fn run(context: &Context) -> Result<()> {
    let names = context.identities()?.names()?;
    if context.output().is_json() {
        return context.output().json(&json!({ "identities": names }));
    }
    if names.is_empty() {
        return context.output().line("There is no identity on this device yet; `quotapass identity new` creates one.");
    }
    let chosen = context.identity_name()?;
    for name in names {
        let mark = if name == chosen { "*" } else { " " };
        context.output().line(format!("{mark} {name}"))?;
    }
    Ok(())
}
