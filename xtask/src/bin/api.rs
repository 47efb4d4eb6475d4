//! Prints the public interface of a library, one item a line, from the JSON that rustdoc writes about it: `api FILE`.
//!
//! It is a separate program because nothing else needs its dependencies.

use std::env::args_os;

use anyhow::{Context, Result};
use public_api::Builder;

fn main() -> Result<()> {
    let file = args_os().nth(1).context("usage: api FILE")?;
    let interface = Builder::from_rustdoc_json(file)
        // Implementations that follow from the others would make the list several times as long.
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .context("cannot read rustdoc's JSON; run this with the compiler of `rust-version` in Cargo.toml")?;
    print!("{interface}");
    Ok(())
}
