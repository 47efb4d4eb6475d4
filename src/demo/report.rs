//! The output of the demo: sentences for people, or one JSON object per step.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use anyhow::Result;
use quotapass_protocol::{Verdict, VerdictKind};
use serde_json::{Value, json};

/// Prints steps and keeps the figures of the summary.
pub(super) struct Report {
    json: bool,
    begun: Instant,
    /// The time when progress was last shown.
    shown: Instant,
    prove: Vec<Duration>,
    verify: Vec<Duration>,
    /// Verdicts on posts, by name.
    verdicts: BTreeMap<&'static str, u64>,
}

/// Figures of the summary that the story keeps.
pub(super) struct Totals {
    pub(super) members: usize,
    pub(super) slashed: u64,
    /// Reward paid to the slasher, in stake units of one token.
    pub(super) reward_units: u64,
    pub(super) withdrawn: u64,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let now = Instant::now();
        Self { json, begun: now, shown: now, prove: Vec::new(), verify: Vec::new(), verdicts: BTreeMap::new() }
    }

    /// Prints one step: a sentence, or the same content as JSON fields.
    pub(super) fn step(&mut self, name: &str, sentence: &str, fields: Value) -> Result<()> {
        let mut out = io::stdout().lock();
        if self.json {
            let mut object = json!({ "step": name });
            if let (Some(object), Value::Object(fields)) = (object.as_object_mut(), fields) {
                object.extend(fields);
            }
            writeln!(out, "{object}")?;
        } else {
            writeln!(out, "{:6.2} s  {sentence}", self.begun.elapsed().as_secs_f64())?;
        }
        Ok(())
    }

    /// Shows the progress of a long step about once a second, on a line that the next step overwrites.
    pub(super) fn progress(&mut self, what: &str, done: usize, of: usize) {
        let mut out = io::stderr();
        if self.json || !out.is_terminal() || self.shown.elapsed() < Duration::from_secs(1) {
            return;
        }
        self.shown = Instant::now();
        // A failure to show progress does not stop the demo.
        let _ = write!(out, "\r          {done} of {of} {what}\r").and_then(|()| out.flush());
    }

    /// Records how long a proof took.
    pub(super) fn proved(&mut self, elapsed: Duration) {
        self.prove.push(elapsed);
    }

    /// Records a verdict on a post, and how long it took if the post was accepted.
    pub(super) fn judged(&mut self, verdict: &Verdict, elapsed: Duration) {
        *self.verdicts.entry(verdict.name()).or_default() += 1;
        if matches!(verdict, Verdict::Accepted) {
            self.verify.push(elapsed);
        }
    }

    pub(super) fn prove_ms(&self) -> f64 {
        median_ms(&self.prove)
    }

    pub(super) fn verify_ms(&self) -> f64 {
        median_ms(&self.verify)
    }

    /// Prints the summary: the last JSON object, or a small table.
    pub(super) fn summary(&self, totals: &Totals) -> Result<()> {
        let count = |kind: VerdictKind| self.verdicts.get(kind.name()).copied().unwrap_or(0);
        let Totals { members, slashed, reward_units, withdrawn } = totals;
        let (prove, verify) = (self.prove_ms(), self.verify_ms());
        let mut out = io::stdout().lock();
        if self.json {
            let summary = json!({
                "step": "summary",
                "members": members,
                "accepted": count(VerdictKind::Accepted),
                "replay": count(VerdictKind::Replay),
                "quota_exceeded": count(VerdictKind::QuotaExceeded),
                "slashed": slashed,
                "reward_units": reward_units,
                "withdrawn": withdrawn,
                "prove_ms_median": round(prove),
                "verify_ms_median": round(verify),
            });
            writeln!(out, "{summary}")?;
            return Ok(());
        }
        writeln!(out, "\n  {:<26}{:>10}", "members", members)?;
        for (name, count) in &self.verdicts {
            writeln!(out, "  {:<26}{count:>10}", format!("posts {name}"))?;
        }
        writeln!(out, "  {:<26}{slashed:>10}", "members slashed")?;
        writeln!(out, "  {:<26}{reward_units:>10}", "reward paid, tokens")?;
        writeln!(out, "  {:<26}{withdrawn:>10}", "deposits withdrawn")?;
        writeln!(out, "  {:<26}{prove:>7.1} ms", "proving, median")?;
        writeln!(out, "  {:<26}{verify:>7.2} ms", "a verdict, median")?;
        Ok(())
    }
}

fn median_ms(durations: &[Duration]) -> f64 {
    let mut sorted = durations.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).map_or(0.0, |median| median.as_secs_f64() * 1e3)
}

fn round(milliseconds: f64) -> f64 {
    (milliseconds * 1e3).round() / 1e3
}
