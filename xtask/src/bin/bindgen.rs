//! Writes the JavaScript that goes with a WebAssembly module: `bindgen MODULE FOLDER`.
//!
//! A program of its own because what it is made of takes long to compile, and nothing else needs it.

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
