//! `quotapass post`.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use quotapass_circuits::{formats::wire::PostPass, membership::Membership, post::Post};
use quotapass_protocol::PolicyHash;
use quotapass_text::EndpointUrl;
use quotapass_wallet::{BoundPolicy, Poster, files::create_new, ledger::LedgerError};
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
    output::note,
    policy,
    send::{Delivery, Recipient},
    time::{duration, moment, now, parse_duration},
};

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
    /// The pass alone, 246 bytes
    Binary,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let dated = context.config().scope(&arguments.scope, now()?)?;
    let policy = &dated.policy;
    let options = context.relay_options()?;
    let recipient = arguments.to.as_ref().map(|relay| Recipient::new(relay, &options)).transpose()?;
    if let Some(path) = arguments.out.as_ref().filter(|path| path.exists()) {
        bail!("{} already exists; no message id was used", path.display());
    }
    let message = message(arguments, context.config().require(Key::MaxMessageBytes)?)?;
    let registry = context.registry_id()?;
    require_test_chain(context.config(), registry.chain_id)?;
    let identity = context.open_identity(&context.identity_name()?)?;
    let secret = identity.seed.secret(&registry, context.account()?)?;
    let prover = prover::<Post>(&context.keys()?)?;
    let requirement = policy.requirement(policy.epoch_at(now()?));
    let located = context.locate(&secret, arguments.index, &requirement)?;
    let membership = Membership { secret: &secret, member: &located.member, path: &located.path };

    // All steps that can fail come before a message id is used up.
    requirement.check(membership)?;
    if let Some(relay) = &arguments.to {
        policy::require_same(context, &registry, relay, &policy.name)?;
    }
    let bound = BoundPolicy::new(registry, dated.clone())?;
    let mut poster = Poster::new(&prover, bound, membership, now()?)?;
    located.crowd.warn(context.config(), &policy.name)?;
    let mut ledger = context.ledger(&poster.owner(), identity.device)?;
    if arguments.trust_ledger {
        ledger.confirm_current()?;
    }
    let reservation = ledger.reserve(now()?, &poster.quota()).map_err(not_now)?;

    let (epoch, left_ids) = (reservation.epoch(), reservation.left());
    let pass = poster.prove(reservation, &message, &mut OsRng)?;
    let envelope = Envelope::new(&policy.name, &message, &pass, prover.origin());
    let left = format!(
        "{} messages left in this epoch of `{}`, which ends at {} (in {}).",
        left_ids,
        policy.name,
        moment(epoch.ends()),
        duration(epoch.ends().since(now()?)),
    );
    let content = encode(arguments.format, &envelope, &pass)?;
    if let Some(path) = &arguments.out {
        write(path, &content)?;
    }
    let sent = recipient.map(|recipient| recipient.deliver(&envelope, Duration::from_secs(arguments.wait)));
    let answer = sent.as_ref().and_then(|sent| sent.as_ref().ok());
    if context.output().is_json() {
        context.output().json(&json!({
            "post": envelope,
            "file": arguments.out,
            "left": left_ids,
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
        note(left);
    }
    match sent {
        None | Some(Ok(Delivery { is_accepted: true, .. })) => Ok(()),
        Some(Ok(delivery)) => Err(Failure::new(ExitKind::NotAccepted, delivery.text()).into()),
        Some(Err(error)) => Err(error.context(
            "the relay may not have the post, which is in the output: send it again as it is, to /v1/verify. Another \
             `post` takes another message id",
        )),
    }
}

/// Returns the failure for a ledger that gives no message id.
fn not_now(error: LedgerError) -> anyhow::Error {
    let LedgerError::Refused(refusal) = &error else { return error.into() };
    Failure::new(ExitKind::NotNow, in_words(refusal)).into()
}

fn encode(format: Format, envelope: &Envelope, pass: &PostPass) -> Result<Vec<u8>> {
    Ok(match format {
        Format::Envelope => format!("{}\n", serde_json::to_string(envelope)?).into_bytes(),
        Format::Text => format!("{}\n", pass.to_text()).into_bytes(),
        Format::Binary => pass.to_bytes().to_vec(),
    })
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    create_new(path, content).with_context(|| format!("cannot write {}", path.display()))
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
