//! `quotapass bench device`: the time of posting and verifying on this device, and a description of the device.

use std::{
    collections::BTreeMap,
    fs,
    hint::black_box,
    num::{NonZeroU16, NonZeroU32},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use clap::Args;
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberPath, MemberTree, Membership, Terms},
    post::{Post, post},
    prover::Prover,
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::UnixSeconds;
use rand::rngs::OsRng;
use serde_json::{Value, json};

use crate::{
    context::Context,
    keys::{development_prover, development_prover_with_tables},
};

/// Each operation is repeated at least this number of times.
const ROUNDS: usize = 3;
const MESSAGE: &[u8] = b"hello";
/// Number of members besides the poster. It does not affect the time of a proof.
const OTHERS: usize = 100;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Seconds to repeat each operation for; each runs at least three times
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    seconds: u64,
}

/// A member of a tree, and the statement that it proves.
struct Poster {
    secret: IdentitySecret,
    member: Member,
    tree: MemberTree,
    path: MemberPath,
    scope: Scope,
    epoch: Epoch,
    requirement: Requirement,
    limit_cap: NonZeroU16,
}

/// Medians in milliseconds by operation, on a number of threads.
struct Figures {
    threads: usize,
    medians: Vec<(&'static str, f64)>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let keys = context.development_keys()?;
    let plain = development_prover(&keys, Post::STANDARD)?;
    let tables = development_prover_with_tables(&keys, Post::STANDARD)?;
    let cores = std::thread::available_parallelism()?.get();
    let mut figures = Vec::new();
    for threads in if cores == 1 { vec![1] } else { vec![1, cores] } {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let patience = Duration::from_secs(arguments.seconds);
        let medians = pool.install(|| measure(&plain, &tables, patience))?;
        figures.push(Figures { threads, medians });
    }
    let report = json!({
        "quotapass": env!("CARGO_PKG_VERSION"),
        "optimised": !cfg!(debug_assertions),
        "processor": processor(),
        "cores": cores,
        "os": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "device": property("ro.soc.model"),
        "memory_mib": high_water(),
        "medians_ms": figures.iter().map(Figures::json).collect::<Vec<_>>(),
    });
    if context.output().is_json() {
        return context.output().json(&report);
    }
    context.output().line(text(&report, &figures))
}

/// Measures the medians on the threads of the current pool.
fn measure(plain: &Prover<Post>, tables: &Prover<Post>, patience: Duration) -> Result<Vec<(&'static str, f64)>> {
    let mut poster = Poster::new()?;
    let prepared = tables.prepare(poster.membership(), poster.requirement, poster.limit_cap)?;
    let (external, x) = (ExternalNullifier::new(poster.scope, poster.epoch), poster.signal()?);
    let (public, proof) = prepared.prove(external, x, 0, &mut OsRng)?;
    let verifier = tables.verifier()?;
    let full = |prover: &Prover<Post>| -> Result<()> {
        let (public, witness) = post(poster.membership(), external, x, poster.requirement, poster.limit_cap, 0)
            .map_err(anyhow::Error::from)?;
        black_box(prover.prove(&public, &witness, &mut OsRng)?);
        Ok(())
    };
    let mut medians = vec![
        ("full proof", median(patience, || full(tables))?),
        ("full proof without tables", median(patience, || full(plain))?),
        (
            "prepare",
            median(patience, || {
                black_box(tables.prepare(poster.membership(), poster.requirement, poster.limit_cap)?);
                Ok(())
            })?,
        ),
        (
            "message",
            median(patience, || {
                black_box(prepared.prove(external, x, 0, &mut OsRng)?);
                Ok(())
            })?,
        ),
        ("verify", median(patience, || Ok(verifier.verify(&public, &proof)?))?),
    ];
    let insert = median(patience, || {
        poster
            .tree
            .append(Member { commitment: IdentitySecret::generate(&mut OsRng).commitment(), ..poster.member })?;
        Ok(())
    })?;
    medians.push(("insert a member", insert));
    Ok(medians)
}

/// Measures the median time of an operation in milliseconds.
fn median(patience: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let begun = Instant::now();
    let mut times = Vec::new();
    while times.len() < ROUNDS || begun.elapsed() < patience {
        let begun = Instant::now();
        work()?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

impl Poster {
    fn new() -> Result<Self> {
        let terms = Terms::new(100, 100, Day(20_000))?;
        let member = |secret: &IdentitySecret| Member { commitment: secret.commitment(), terms };
        let secret = IdentitySecret::generate(&mut OsRng);
        let mut tree = MemberTree::new(Levels::STANDARD);
        for _ in 0..OTHERS {
            tree.append(member(&IdentitySecret::generate(&mut OsRng)))?;
        }
        let index = tree.append(member(&secret))?.index;
        let epoch_seconds = NonZeroU32::new(600).context("an epoch has zero seconds")?;
        Ok(Self {
            member: member(&secret),
            path: tree.path(index)?,
            secret,
            tree,
            scope: Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, "bench"),
            epoch: Epoch::at(epoch_seconds, UnixSeconds(1_800_000_000)),
            requirement: Requirement { min_stake: 1, since_max: Day(20_001) },
            limit_cap: NonZeroU16::MAX,
        })
    }

    fn membership(&self) -> Membership<'_> {
        Membership { secret: &self.secret, member: &self.member, path: &self.path }
    }

    fn signal(&self) -> Result<SignalHash> {
        Ok(SignalHash::new(self.scope, self.epoch, MESSAGE)?)
    }
}

impl Figures {
    fn json(&self) -> Value {
        let medians: BTreeMap<_, _> = self.medians.iter().map(|(what, time)| (what.replace(' ', "_"), *time)).collect();
        json!({ "threads": self.threads, "medians": medians })
    }
}

/// Formats the report for people, and the line to send.
fn text(report: &Value, figures: &[Figures]) -> String {
    let known = |value: &Value| value.as_str().unwrap_or("an unknown processor").to_owned();
    let mut text = format!(
        "quotapass {} on {} {}, {} cores: {}\n\n{:<26}",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH,
        report["cores"],
        known(&report["processor"]),
        "median of"
    );
    for Figures { threads, .. } in figures {
        let threads = if *threads == 1 { "1 thread".into() } else { format!("{threads} threads") };
        text += &format!("{threads:>14}");
    }
    text.push('\n');
    let rows = figures.first().map_or(0, |figures| figures.medians.len());
    for row in 0..rows {
        text += &format!("{:<26}", figures[0].medians[row].0);
        for Figures { medians, .. } in figures {
            text += &format!("{:>14}", format!("{:.2} ms", medians[row].1));
        }
        text.push('\n');
    }
    if let Some(memory) = report["memory_mib"].as_u64() {
        text += &format!("{:<26}{memory:>10} MiB\n", "peak memory");
    }
    if cfg!(debug_assertions) {
        text += "\nThis program was built without optimisation; build it with --release for meaningful figures.\n";
    }
    text += "\nThis report does not identify you. If you like, send us this line, with the name of the device:\n";
    text + &report.to_string()
}

/// Returns the processor as the system reports it: its name, or on ARM the codes of its kinds of cores.
fn processor() -> Option<String> {
    if let Some(name) = output("sysctl", &["-n", "machdep.cpu.brand_string"]) {
        return Some(name);
    }
    let info = fs::read_to_string("/proc/cpuinfo").ok()?;
    let values = |name: &str| -> Vec<String> {
        let lines = info.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).collect()
    };
    if let Some(name) = values("model name").into_iter().next() {
        return Some(name);
    }
    let mut kinds = BTreeMap::<_, usize>::new();
    for kind in values("CPU implementer").into_iter().zip(values("CPU part")) {
        *kinds.entry(kind).or_default() += 1;
    }
    let kinds: Vec<_> =
        kinds.iter().map(|((maker, part), count)| format!("{count} of implementer {maker} part {part}")).collect();
    (!kinds.is_empty()).then(|| kinds.join(", "))
}

/// Returns a property of an Android system.
fn property(name: &str) -> Option<String> {
    output("getprop", &[name])
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// Returns the peak memory of this process in MiB, if the system reports it.
fn high_water() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib / 1024)
}
