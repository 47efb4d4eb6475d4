//! `quotapass moderate strike`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::registry_id::RegistryId;
use quotapass_log::moderation::{Body, Entry, Ground, GroundKind, Program, Reason, SaltedText, Strike};
use rand::rngs::OsRng;

use super::{
    action::{Action, Shown},
    key_file,
    post::{Named, Post, named},
    queue,
    report::Openers,
    signing::Signing,
    statement::{End, parse_end, parse_ground, parse_program, parse_reason},
};
use crate::{context::Context, failure::usage, time::now};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// File of the post, as `quotapass post` writes it, or the nullifier of a post of the queue
    post: String,
    /// Reason: spam, malware, harassment, hate, nudity, violence, csam, impersonation, illegal or other
    #[arg(long, value_parser = parse_reason)]
    reason: Reason,
    /// What was broken: illegal (a law) or incompatible (your rules)
    #[arg(long, value_parser = parse_ground)]
    ground: GroundKind,
    /// The law or the rule
    #[arg(long, value_name = "TEXT")]
    reference: String,
    #[command(flatten)]
    reasons: Reasons,
    /// End: a day, a time, a duration such as 90d, or never [default: 180d]
    #[arg(long, value_name = "END", value_parser = parse_end)]
    until: Option<End>,
    #[command(flatten)]
    seen: Seen,
    /// A program found the post
    #[arg(long, hide_short_help = true)]
    automated_detection: bool,
    /// A program decided
    #[arg(long, hide_short_help = true)]
    automated_decision: bool,
    /// Program that decided, or helped to: its name and version
    #[arg(long, value_name = "NAME/VERSION", value_parser = parse_program, hide_short_help = true)]
    decided_by: Option<Program>,
    /// File with the age identity that opens encrypted reports of the queue; repeat it for more
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    age_identity: Vec<PathBuf>,
    #[command(flatten)]
    signing: Signing,
}

/// The statement of reasons, which the struck member reads. It lies beside the log, and can be erased.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Reasons {
    /// Statement of reasons: what the author did, and why that is against the law or the rule
    #[arg(long)]
    text: Option<String>,
    /// File with the statement of reasons
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    text_file: Option<PathBuf>,
}

/// What the moderators saw.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Seen {
    /// Message of the post [default: that of the file, or of a report]
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// File with the message of the post
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    message_file: Option<PathBuf>,
    /// Do not pass the message on, for this reason; always for csam
    #[arg(long, value_name = "WHY")]
    withheld: Option<String>,
}

impl Seen {
    /// Returns the message or why it is withheld. The relay compares the message with the post.
    fn shown(&self, reason: Reason, post: &mut Post, registry: &RegistryId) -> Result<Shown> {
        if let Some(why) = &self.withheld {
            if why.is_empty() {
                bail!(usage("state with --withheld why the message is not shown"));
            }
            return Ok(Shown::Withheld(why.clone()));
        }
        if reason == Reason::Csam {
            bail!(usage(
                "the content of a csam post is not passed on; state --withheld, and report it to the authority that \
                 the law of your country names"
            ));
        }
        let stated = match (&self.message, &self.message_file) {
            (Some(text), _) => Some(text.clone().into_bytes()),
            (None, Some(path)) => Some(fs::read(path).with_context(|| format!("cannot read {}", path.display()))?),
            (None, None) => post.message.take(),
        };
        let Some(message) = stated else {
            bail!(usage("no report shows the message of this post; state --message, or why it is --withheld"));
        };
        if !post.has_message(registry, &message) {
            bail!(usage(
                "this is not the message of the post: a post is struck for what its author wrote; check the message, \
                 the post, and the settings `registry` and `chain_id`"
            ));
        }
        Ok(Shown::Message(message))
    }
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { reason, ground, reference, signing, .. } = arguments;
    let registry = context.registry_id()?;
    let mut post = find(arguments, &registry, context)?;
    let shown = arguments.seen.shown(*reason, &mut post, &registry)?;
    let text = match (&arguments.reasons.text, &arguments.reasons.text_file) {
        (Some(text), _) => text.clone(),
        (None, Some(path)) => fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        (None, None) => bail!(usage("state the reasons with --text")),
    };
    if text.trim().is_empty() {
        bail!(usage("the statement of reasons is empty; the struck member has a right to one"));
    }
    let text = SaltedText::new(&text, &mut OsRng)?;
    let now = now()?;
    let strike = Strike {
        entry: post.entry,
        registry,
        scope: post.scope,
        epoch_seconds: post.head.epoch.seconds(),
        epoch: post.head.epoch.number(),
        pass: post.pass,
        reason: *reason,
        ground: Ground { kind: *ground, reference: reference.clone() },
        text: text.digest(),
        until: arguments.until.unwrap_or(End::USUAL).from(now),
        automated_detection: arguments.automated_detection,
        automated_decision: arguments.automated_decision,
        decided_by: arguments.decided_by.clone(),
    };
    let entry = Entry::new(Body::Strike(Box::new(strike)), now, &mut OsRng);
    let action = Action::strike(signing.place.name()?, entry, text, shown)?;
    signing.finish(action, context)
}

/// Returns the post of a file, or of the queue.
fn find(arguments: &Arguments, registry: &RegistryId, context: &Context) -> Result<Post> {
    match named(&arguments.post)? {
        Named::File(path) => Post::from_file(&path, registry),
        Named::Nullifier(nullifier) => {
            let Some(key) = &arguments.signing.key else {
                bail!(usage("the queue is for moderators: state your key with --key"));
            };
            let openers = Openers::read(&arguments.age_identity)?;
            let client = arguments.signing.place.client(context)?;
            let item = queue::item(&client, &key_file::read(key)?, nullifier)?;
            queue::Shown::new(item, &openers, Some(registry)).into_post()
        }
    }
}
