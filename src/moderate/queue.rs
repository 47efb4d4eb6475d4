//! `quotapass moderate queue`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use quotapass_circuits::{registry_id::RegistryId, share::Nullifier};
use quotapass_log::moderation::ListedEntry;
use quotapass_protocol::{
    moderation::{PostState, QueueAnswer, QueueItem, QueuedReport, ReportBody},
    note::NoteKey,
};
use serde_json::{Value, json};

use super::{
    client::RelayClient,
    key_file,
    place::Place,
    post::{Post, digits, nullifier},
    report::{Opened, Openers},
};
use crate::{context::Context, failure::refused, output::note, text::plain, time::moment};

/// Which posts are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// Posts that readers see
    Visible,
    /// Posts that enough members reported
    Held,
    /// Posts that a moderator hid
    Hidden,
    /// Posts that their authors deleted
    Deleted,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Nullifier of one post to show, also if it does not wait for a moderator
    nullifier: Option<String>,
    #[command(flatten)]
    place: Place,
    /// File with your private key, which the relay knows you by
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// File with the age identity that opens encrypted reports; repeat it for more
    #[arg(long, value_name = "FILE")]
    age_identity: Vec<PathBuf>,
    /// Show only posts in this state
    #[arg(long)]
    state: Option<Which>,
    /// Show only posts with an open appeal
    #[arg(long)]
    appeals: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { nullifier: one, place, key, age_identity, state, appeals } = arguments;
    let openers = Openers::read(age_identity)?;
    let key = key_file::read(key)?;
    let client = place.client(context)?;
    let registry = context.registry_id_if_known()?;
    if registry.is_none() {
        note("Reported messages are not compared with their posts, because `registry` and `chain_id` are not set.");
    }
    let mut shown = 0_usize;
    let mut show = |item: QueueItem| {
        let is_wanted = state.is_none_or(|state| item.state == state_of(state)) && (!appeals || item.appeal.is_some());
        if !is_wanted {
            return Ok(());
        }
        shown += 1;
        let item = Shown::new(item, &openers, registry.as_ref());
        context.output().result(&item.text(), item.json()?)
    };
    match one {
        Some(one) => show(item(&client, &key, nullifier(one)?)?)?,
        None => each(&client, &key, &mut show)?,
    }
    if shown == 0 {
        note("There is nothing to decide.");
    }
    Ok(())
}

fn state_of(which: Which) -> PostState {
    match which {
        Which::Visible => PostState::Visible,
        Which::Held => PostState::Held,
        Which::Hidden => PostState::Hidden,
        Which::Deleted => PostState::Deleted,
    }
}

/// Reads one post, whether or not it waits for a moderator; `None` if the relay does not know it.
pub(super) fn find(client: &RelayClient, key: &NoteKey, nullifier: Nullifier) -> Result<Option<QueueItem>> {
    let found: Option<QueueItem> = client.find(&format!("queue/{}", digits(nullifier)), key)?;
    if found.as_ref().is_some_and(|item| item.nullifier != nullifier) {
        bail!("{} shows another post than {}; do not decide on it", client.name(), digits(nullifier));
    }
    Ok(found)
}

/// Reads one post.
pub(super) fn item(client: &RelayClient, key: &NoteKey, nullifier: Nullifier) -> Result<QueueItem> {
    find(client, key, nullifier)?.with_context(|| {
        let post = digits(nullifier);
        refused(format!("{} does not know the post {post}, or no longer; strike it by its file", client.name()))
    })
}

/// Calls a function with each post of the queue.
pub(super) fn each(client: &RelayClient, key: &NoteKey, show: &mut impl FnMut(QueueItem) -> Result<()>) -> Result<()> {
    let mut route = "queue".to_owned();
    let mut former = None;
    loop {
        let QueueAnswer { items, next } = client.read(&route, key)?;
        items.into_iter().try_for_each(&mut *show)?;
        // A relay that names the same page again would keep the program running without end.
        let Some(next) = next.filter(|next| former.as_ref() != Some(next)) else { return Ok(()) };
        let after = percent_encoding::utf8_percent_encode(&next, percent_encoding::NON_ALPHANUMERIC);
        route = format!("queue?after={after}");
        former = Some(next);
    }
}

/// Whether the message of a report is the one of the post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It is.
    True,
    /// The reporter shows another message, which the author did not write.
    False,
    /// It was not compared, because the registry is not known.
    Unknown,
}

/// A post of the queue, with its reports opened.
pub(super) struct Shown {
    item: QueueItem,
    reports: Vec<(QueuedReport, Opened)>,
    post: Result<Post>,
    registry: Option<RegistryId>,
}

impl Shown {
    pub(super) fn new(mut item: QueueItem, openers: &Openers, registry: Option<&RegistryId>) -> Self {
        let reports = std::mem::take(&mut item.reports);
        let reports = reports.into_iter().map(|report| {
            let opened = openers.open(&report.body);
            (report, opened)
        });
        let entry = ListedEntry { x: item.x, y: item.y, nullifier: item.nullifier };
        let post = Post::new(item.scope.clone(), entry, item.pass.clone());
        Self { reports: reports.collect(), post, item, registry: registry.copied() }
    }

    /// Returns the post, with the message that a report shows if it is the post's own.
    pub(super) fn into_post(self) -> Result<Post> {
        let messages = self.reports.iter().filter_map(|(_, opened)| match opened {
            Opened::Body(body) if self.claim(body) == Some(Claim::True) => message_of(body),
            _ => None,
        });
        let message = messages.into_iter().next();
        let mut post = self.post?;
        post.message = message;
        Ok(post)
    }

    /// Compares the message of a report with the post; `None` if the report has no message.
    fn claim(&self, body: &ReportBody) -> Option<Claim> {
        let message = message_of(body)?;
        Some(match (&self.registry, &self.post) {
            (Some(registry), Ok(post)) if post.has_message(registry, &message) => Claim::True,
            (Some(_), _) => Claim::False,
            (None, _) => Claim::Unknown,
        })
    }

    fn text(&self) -> String {
        let QueueItem { nullifier, scope, accepted_at, state, strike, appeal, .. } = &self.item;
        let name = name_of(*state);
        let mut lines =
            vec![format!("{}: {name}, in `{}`, accepted {}", digits(*nullifier), plain(scope), moment(*accepted_at))];
        if let Err(error) = &self.post {
            lines.push(format!("  WARNING: {error:#}"));
        }
        for (report, opened) in &self.reports {
            let at = moment(report.at);
            match opened {
                Opened::Encrypted => {
                    lines.push(format!("  report of {at}: encrypted; open it with --age-identity"));
                }
                Opened::Unreadable(reason) => lines.push(format!("  report of {at}: {reason}")),
                Opened::Body(body) => {
                    lines.push(format!("  report of {at}: {}", body.reason.name()));
                    lines.extend(body.comment.iter().map(|comment| format!("    comment: {}", plain(comment))));
                    lines.extend(self.claim(body).map(|claim| describe_claim(claim, body)));
                }
            }
        }
        lines.extend(strike.iter().map(|strike| format!("  strike {}", plain(strike))));
        if let Some(appeal) = appeal {
            lines.push(format!("  appeal of {}: {}", moment(appeal.at), plain(&appeal.text)));
        }
        lines.join("\n")
    }

    fn json(&self) -> Result<Value> {
        let mut value = serde_json::to_value(&self.item)?;
        let reports = self.reports.iter().map(|(report, opened)| {
            let mut value = serde_json::to_value(report)?;
            match opened {
                Opened::Body(body) => {
                    value["content"] = serde_json::to_value(body)?;
                    if let Some(claim) = self.claim(body).filter(|claim| *claim != Claim::Unknown) {
                        value["is_message_of_post"] = json!(claim == Claim::True);
                    }
                }
                Opened::Encrypted => value["encrypted"] = json!(true),
                Opened::Unreadable(reason) => value["unreadable"] = json!(reason),
            }
            Ok(value)
        });
        value["reports"] = Value::Array(reports.collect::<Result<_>>()?);
        value["is_pass_of_post"] = json!(self.post.is_ok());
        Ok(value)
    }
}

fn message_of(body: &ReportBody) -> Option<Vec<u8>> {
    body.message_bytes().ok().flatten().map(|message| message.into_owned())
}

fn describe_claim(claim: Claim, body: &ReportBody) -> String {
    let message = match (&body.message, message_of(body)) {
        (Some(text), _) => plain(text),
        (None, bytes) => format!("{} bytes that are not text", bytes.map_or(0, |bytes| bytes.len())),
    };
    match claim {
        Claim::True => format!("    message: {message}"),
        Claim::False => format!("    NOT the message of this post, but another that the reporter shows: {message}"),
        Claim::Unknown => format!("    message, not compared with the post: {message}"),
    }
}

fn name_of(state: PostState) -> &'static str {
    match state {
        PostState::Visible => "visible",
        PostState::Held => "held",
        PostState::Hidden => "hidden",
        PostState::Deleted => "deleted",
    }
}
