//! The output of subcommands: sentences for people, or JSON for scripts.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use serde_json::Value;

/// Standard output, which receives results only. Progress, questions and warnings go to standard error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints one line for people.
    pub(super) fn line(&self, text: impl AsRef<str>) -> Result<()> {
        Ok(writeln!(io::stdout().lock(), "{}", text.as_ref())?)
    }

    /// Prints one JSON object for scripts, on its own line.
    pub(super) fn json(&self, value: &Value) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{value}")?;
        Ok(out.flush()?)
    }

    /// Prints a result: the JSON object with `--json`, otherwise the sentence.
    pub(super) fn result(&self, text: &str, value: Value) -> Result<()> {
        if self.json { self.json(&value) } else { self.line(text) }
    }
}

/// Prints a note for people on standard error.
pub(super) fn note(text: impl AsRef<str>) {
    // A failure to print a note does not stop the subcommand.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Whether there is a terminal to ask questions at.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
