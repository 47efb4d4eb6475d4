//! `quotapass completions` and `quotapass man`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;
use quotapass_wallet::files::write_atomically;
use serde_json::json;

use super::output::Output;

#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell to write the script for
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct Man {
    /// Write one page per command to this folder, instead of the main page to standard output
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions, output: Output) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::Arguments::command(), "quotapass", &mut script);
    let script = String::from_utf8(script)?;
    output.result(script.trim_end(), json!({ "shell": arguments.shell.to_string(), "script": script }))
}

pub(super) fn man(arguments: &Man, output: Output) -> Result<()> {
    let mut command = super::Arguments::command();
    let Some(folder) = &arguments.out else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        let page = String::from_utf8(page)?;
        return output.result(page.trim_end(), json!({ "page": page }));
    };
    command.build();
    let (mut pages, mut written) = (vec![(String::from("quotapass"), command)], Vec::new());
    while let Some((name, command)) = pages.pop() {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            pages.push((format!("{name}-{}", verb.get_name()), verb.clone()));
        }
        let mut page = Vec::new();
        // A page is named after its whole command, for example `quotapass-identity-new`.
        clap_mangen::Man::new(command).title(name.clone()).render(&mut page)?;
        let path = folder.join(format!("{name}.1"));
        write_atomically(&path, &page).with_context(|| format!("cannot write {}", path.display()))?;
        written.push(path);
    }
    output.result(&format!("wrote {} pages to {}", written.len(), folder.display()), json!({ "files": written }))
}
