//! `quotapass post`.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use quotapass_circuits::{membership::Membership, post::Post};
use quotapass_protocol::PolicyHash;
use quotapass_text::EndpointUrl;
use quotapass_wallet::{
    MessagePass, Poster,
    files::{create_new, write_atomically},
    ledger::LedgerError,
};
use rand::rngs::OsRng;
use serde_json::json;

use super::{
    config::Key,
    context::Context,
    envelope::Envelope,
    exit_code::ExitKind,
    failure::{Failure, usage},
    keys::{prover, require_test_chain, warn_of},
    ledger::in_words,
    lists::{Lists, record_provers, show},
    output::note,
    policy,
    send::{Delivery, Recipient},
    time::{duration, moment, now, parse_duration},
};

/// How often a message is proved if the lists of its scope move on.
const LIST_ATTEMPTS: u32 = 3;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The message [default: standard input]
    message: Option<String>,
    /// Read the message from a file, byte for byte
    #[arg(long, value_name = "FILE", conflicts_with = "message")]
    file: Option<PathBuf>,
    /// Scope to post in, by its name in the configuration
    #[arg(long)]
    scope: String,
    /// Stake level of the scope to prove [default: the lowest]
    ///
    /// Readers may hide posts of low levels. A higher level is shared by fewer members, and the output says by how many.
    #[arg(long, value_name = "STAKE")]
    stake_level: Option<u32>,
    /// Index of the member, if this device does not know it: with --members-from, after a deposit on another device
    #[arg(long, hide_short_help = true)]
    index: Option<u32>,
    /// Write to a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Envelope, hide_short_help = true)]
    format: Format,
    /// Send the post to this relay, and print its verdict
    ///
    /// Before a message id is used, the relay must answer and have the policy of the configuration. The requests use
    /// --members-proxy.
    #[arg(long, value_name = "URL")]
    to: Option<EndpointUrl>,
    /// With --to: send the same post again for this time, if the relay does not answer, is overloaded, or has not seen
    /// the newest members yet
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = parse_duration, hide_short_help = true)]
    wait: u64,
    /// Trust that the ledger is up to date, although it may be stale
    ///
    /// If messages were sent that the ledger does not contain, a message id is used twice and the deposit is lost.
    #[arg(long, hide_short_help = true)]
    trust_ledger: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// JSON with scope, message and pass
    Envelope,
    /// The pass alone, base64url
    Text,
    /// The pass alone, in binary: 246 bytes, and more with records
    Binary,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let dated = context.config().scope(&arguments.scope, now()?)?;
    let options = context.relay_options()?;
    let recipient = arguments.to.as_ref().map(|relay| Recipient::new(relay, &options)).transpose()?;
    if let Some(path) = arguments.out.as_ref().filter(|path| path.exists()) {
        bail!("{} already exists; no message id was used", path.display());
    }
    // What is typed is composed after the wallet's test of the scope's lists.
    let is_typed = arguments.message.is_none() && arguments.file.is_none() && io::stdin().is_terminal();
    let read = || message(arguments, context.config().require(Key::MaxMessageBytes)?);
    let message = if is_typed { None } else { Some(read()?) };
    let registry = context.registry_id()?;
    require_test_chain(context.config(), registry.chain_id)?;
    let identity = context.open_identity(&context.identity_name()?)?;
    let secret = identity.seed.secret(&registry, context.account()?)?;
    let bound = context.bound(registry, &arguments.scope, now()?)?;
    let bound = match arguments.stake_level {
        Some(level) => bound.at_level(level).with_context(|| usage("--stake-level"))?,
        None => bound,
    };
    let policy = &bound.values().clone();
    let requirement = bound.requirement_at(now()?);
    let mut lists = Lists::open(context, &bound)?;
    let mut current = lists.read(now()?)?;
    lists.test(&secret)?;
    let message = message.map_or_else(read, Ok)?;
    let keys = context.keys()?;
    let prover = prover::<Post>(&keys)?;
    let located = context.locate(&secret, arguments.index, &requirement)?;
    let membership = Membership { secret: &secret, member: &located.member, path: &located.path };

    // All steps that can fail come before a message id is used up.
    requirement.check(membership)?;
    if let Some(relay) = &arguments.to {
        policy::require_same(context, &registry, relay, &dated.policy.name)?;
    }
    let mut poster = Poster::new(&prover, bound, membership, now()?)?;
    if !current.is_empty() {
        poster.set_lists(&record_provers(&keys, &current)?, &current, show)?;
    }
    located.crowd.warn(context.config(), &policy.name)?;
    if let Some(level) = arguments.stake_level.filter(|level| *level > policy.min_stake) {
        note(format!(
            "{} the stake level {level}; the lowest level of `{}` is {}.",
            located.crowd, policy.name, policy.min_stake
        ));
    }
    let mut ledger = context.ledger(&poster.owner(), identity.device)?;
    if arguments.trust_ledger {
        ledger.confirm_current()?;
    }
    let patience = Duration::from_secs(arguments.wait);
    let (mut attempt, begun) = (1, Instant::now());
    let (envelope, content, left_ids, is_again, epoch, sent) = loop {
        poster.ready(now()?)?;
        let reservation = ledger.reserve_message(now()?, &poster.quota(), &message).map_err(not_now)?;
        let (epoch, left_ids, is_again) = (reservation.epoch(), reservation.left(), reservation.is_again());
        let pass = poster.prove(reservation, &message, &mut OsRng)?;
        let envelope = Envelope::new(&policy.name, &message, &pass, prover.origin());
        let content = encode(arguments.format, &envelope, &pass)?;
        if let Some(path) = &arguments.out {
            write(path, &content, attempt > 1)?;
        }
        let left = patience.saturating_sub(begun.elapsed());
        let sent = recipient.as_ref().map(|recipient| recipient.deliver(&envelope, left));
        // The lists have moved on since they were read. The same message keeps its message id, so that this is no second
        // post.
        let is_behind = matches!(&sent, Some(Ok(delivery)) if delivery.answer["verdict"] == "list_mismatch");
        if is_behind && attempt < LIST_ATTEMPTS {
            let newest = lists.read(now()?)?;
            if newest != current {
                note("The lists of the scope have moved on; proving the same message again.");
                lists.test(&secret)?;
                poster.set_lists(&record_provers(&keys, &newest)?, &newest, show)?;
                current = newest;
                attempt += 1;
                continue;
            }
        }
        break (envelope, content, left_ids, is_again && attempt == 1, epoch, sent);
    };
    let left = format!(
        "{} messages left in this epoch of `{}`, which ends at {} (in {}).",
        left_ids,
        arguments.scope,
        moment(epoch.ends()),
        duration(epoch.ends().since(now()?)),
    );
    let answer = sent.as_ref().and_then(|sent| sent.as_ref().ok());
    if context.output().is_json() {
        context.output().json(&json!({
            "post": envelope,
            "file": arguments.out,
            "left": left_ids,
            "is_again": is_again,
            "epoch_ends": epoch.ends(),
            "policy_hash": PolicyHash::of(&registry, dated)?.to_string(),
            "anonymity": located.crowd,
            "keys": prover.origin().to_string(),
            "answer": answer.map(|delivery| &delivery.answer),
        }))?;
    } else {
        match answer {
            Some(delivery) => context.output().line(delivery.text())?,
            // A post that could not be sent is not lost either.
            None if arguments.out.is_none() => io::stdout().lock().write_all(&content)?,
            None => {}
        }
        warn_of(prover.origin());
        if is_again {
            note(
                "This message has a pass of this epoch, and keeps its message id: a relay that has it answers replay.",
            );
        }
        note(left);
    }
    match sent {
        None | Some(Ok(Delivery { is_accepted: true, .. })) => Ok(()),
        Some(Ok(delivery)) => Err(Failure::new(ExitKind::NotAccepted, delivery.text()).into()),
        Some(Err(error)) => Err(error.context(
            "the relay may not have the post, which is in the output: send it again as it is, to /v1/verify, or run the \
             same `post` again in this epoch: the same message keeps its message id",
        )),
    }
}

/// Returns the failure for a ledger that gives no message id.
fn not_now(error: LedgerError) -> anyhow::Error {
    let LedgerError::Refused(refusal) = &error else { return error.into() };
    Failure::new(ExitKind::NotNow, in_words(refusal)).into()
}

fn encode(format: Format, envelope: &Envelope, pass: &MessagePass) -> Result<Vec<u8>> {
    Ok(match format {
        Format::Envelope => format!("{}\n", serde_json::to_string(envelope)?).into_bytes(),
        Format::Text => format!("{}\n", pass.to_text()).into_bytes(),
        Format::Binary => pass.to_bytes(),
    })
}

/// Writes the post to a new file, or in the place of the one that this call has written.
fn write(path: &Path, content: &[u8], is_written: bool) -> Result<()> {
    let written = if is_written { write_atomically(path, content) } else { create_new(path, content) };
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads the message, which must not be empty, nor longer than this number of bytes.
fn message(arguments: &Arguments, limit: u64) -> Result<Vec<u8>> {
    // One byte more shows that there is more.
    let most = limit.saturating_add(1);
    let mut message = Vec::new();
    if let Some(text) = &arguments.message {
        message.extend_from_slice(text.as_bytes());
    } else if let Some(path) = &arguments.file {
        File::open(path)
            .and_then(|file| file.take(most).read_to_end(&mut message))
            .with_context(|| format!("cannot read the message from {}", path.display()))?;
    } else {
        let input = io::stdin().lock();
        if input.is_terminal() {
            note("Reading the message from the terminal; end it with Ctrl-D on an empty line.");
        }
        input.take(most).read_to_end(&mut message).context("cannot read the message from standard input")?;
    }
    if message.is_empty() {
        bail!(usage("the message is empty; no message id was used"));
    }
    if message.len() as u64 > limit {
        bail!(usage(format!(
            "the message has more than the {limit} bytes of the setting `max_message_bytes`; shorten it, or raise the \
             setting if the chat network takes longer messages. No message id was used"
        )));
    }
    Ok(message)
}
