//! What verbs print: sentences for people, or JSON for scripts.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use serde_json::Value;

/// Where answers go. Progress, questions and warnings go to standard error and never here.
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

    /// One line for people.
    pub(super) fn line(&self, text: impl AsRef<str>) -> Result<()> {
        Ok(writeln!(io::stdout().lock(), "{}", text.as_ref())?)
    }

    /// One object for scripts, on a line of its own.
    pub(super) fn json(&self, value: &Value) -> Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{value}")?;
        Ok(out.flush()?)
    }

    /// The same as a sentence or as an object, whichever was asked for.
    pub(super) fn result(&self, text: &str, value: Value) -> Result<()> {
        if self.json { self.json(&value) } else { self.line(text) }
    }
}

/// Something that people should know while they wait, on standard error.
pub(super) fn note(text: impl AsRef<str>) {
    // A note that cannot be shown is no reason to stop.
    let _ = writeln!(io::stderr(), "{}", text.as_ref());
}

/// Whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}
