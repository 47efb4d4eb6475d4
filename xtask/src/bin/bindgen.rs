//! Writes the JavaScript of a WebAssembly module: `bindgen MODULE FOLDER`.
//!
//! It is a separate program because its dependencies take long to compile, and nothing else needs them.

use std::env::args_os;

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> Result<()> {
    let mut arguments = args_os().skip(1);
    let (module, folder) = arguments.next().zip(arguments.next()).context("usage: bindgen MODULE FOLDER")?;
    Bindgen::new()
        .input_path(module)
        .web(true)?
        .typescript(true)
        .omit_default_module_path(true)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(folder)
}
