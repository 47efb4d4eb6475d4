//! `quotapass moderate export`: statements of reasons.

mod csv;
mod schema;
mod statement;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use quotapass_circuits::share::Nullifier;
use quotapass_log::{
    Source as _, SourceError, Trust,
    moderation::{Body, Digest, Entry, EntryId, SaltedText, Strike},
};
use quotapass_protocol::{
    UnixSeconds,
    moderation::{EventKind, EventsAnswer, ModerationEvent, QueueItem},
};
use quotapass_wallet::files::create_new;
use serde_json::json;

use self::{
    schema::{ContentType, Source},
    statement::{Hidden, HiddenTime, Settings, Statement, Struck},
};
use super::{client::RelayClient, follow::follow, key_file, place::Place, post::digits, queue};
use crate::{context::Context, failure::usage, output::note, text::counted};

/// Statements in one request of the database's API.
const AT_ONCE: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Requests of the database's API, each with at most 100 statements, one a line
    Dsa,
    /// A table with the same columns
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Form of the output
    #[arg(long)]
    format: Format,
    #[command(flatten)]
    place: Place,
    /// File with a moderator's private key: hidden posts are exported too
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Rule against which hidden posts were; needed with --key if posts are hidden
    #[arg(long, value_name = "TEXT")]
    rule: Option<String>,
    /// First day of the decisions to export, in UTC [default: all]
    #[arg(long, value_name = "DAY", value_parser = day)]
    since: Option<UnixSeconds>,
    /// Countries in which the decisions hold: EU, EEA, or codes of two letters with commas
    #[arg(long, value_name = "CODES", default_value = "EU", value_parser = territory)]
    territory: Territory,
    /// Kind of the content; repeat it for more
    #[arg(long, value_name = "KIND", default_value = "text", hide_short_help = true)]
    content_type: Vec<ContentType>,
    /// Source of decisions about posts that no reports held [default: voluntary]
    #[arg(long, hide_short_help = true)]
    source: Option<Source>,
    /// Write to a new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The countries of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Territory(Vec<&'static str>);

fn territory(text: &str) -> Result<Territory> {
    schema::territory(text).map(Territory)
}

/// Reads a day: its first second.
fn day(text: &str) -> Result<UnixSeconds> {
    let time = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).context("write a day like 2027-05-19")?;
    Ok(time.try_into()?)
}

/// A strike of the log, and when it ended if it did.
struct Logged {
    id: EntryId,
    at: UnixSeconds,
    strike: Strike,
    lifted: Option<UnixSeconds>,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let Arguments { format, place, since, .. } = arguments;
    if *format == Format::Csv && arguments.out.is_none() && context.output().is_json() {
        bail!(usage("a table is not JSON; name a file with --out"));
    }
    let client = place.client(context)?;
    let name = place.name()?;
    let since = since.unwrap_or(UnixSeconds(0));
    let strikes = match follow(context, &client, Trust::of_witness(name))? {
        Some(followed) => {
            let mut found = BTreeMap::new();
            followed.each(|_, entry| {
                collect(&mut found, entry);
                Ok(())
            })?;
            found
        }
        None => BTreeMap::new(),
    };
    let events = Events::read(&client)?;
    let hidden = match &arguments.key {
        Some(path) => hidden(&events, &client, path, since)?,
        None => BTreeMap::new(),
    };
    if !hidden.is_empty() && arguments.rule.is_none() {
        bail!(usage(format!("posts were hidden ({}); state with --rule against which rule they were", hidden.len())));
    }
    let settings = Settings {
        territory: arguments.territory.0.clone(),
        content_types: arguments.content_type.clone(),
        source: arguments.source,
        rule: arguments.rule.clone().unwrap_or_default(),
    };
    let statements = statements(strikes, hidden, &events, &settings, &client, since)?;
    let text = match format {
        Format::Csv => csv::table(&statements)?,
        Format::Dsa => {
            let requests = statements.chunks(AT_ONCE).map(|some| json!({ "statements": some }).to_string() + "\n");
            requests.collect()
        }
    };
    note(format!(
        "{}. The database takes no personal data: read the texts before you send them.",
        counted(statements.len() as u64, "statement")
    ));
    let Some(path) = &arguments.out else {
        return context.output().line(text.trim_end_matches('\n'));
    };
    create_new(path, text.as_bytes())
        .with_context(|| format!("cannot write {} (an existing file is not overwritten)", path.display()))?;
    let count = statements.len();
    context.output().result(&format!("Wrote {}.", path.display()), json!({ "file": path, "statements": count }))
}

/// Takes an entry of the log into the strikes, by nullifier. The last strike of a post counts.
fn collect(found: &mut BTreeMap<Nullifier, Logged>, Entry { id, at, body }: &Entry) {
    match body {
        Body::Strike(strike) => {
            let logged = Logged { id: *id, at: *at, strike: (**strike).clone(), lifted: None };
            found.insert(strike.entry.nullifier, logged);
        }
        Body::Lift(lift) => {
            if let Some(logged) = found.values_mut().find(|logged| logged.id == lift.strike) {
                logged.lifted = Some(*at);
            }
        }
        _ => {}
    }
}

/// What the relay's events say of posts.
#[derive(Default)]
struct Events {
    /// When posts were hidden, and visible again.
    hidden: BTreeMap<Nullifier, HiddenTime>,
    /// Posts that were held because members reported them.
    held: BTreeSet<Nullifier>,
}

impl Events {
    fn read(client: &RelayClient) -> Result<Self> {
        let mut found = Self::default();
        let mut since = 0;
        loop {
            let EventsAnswer { events, next } = client.read_public(&format!("/v1/moderation/events?since={since}"))?;
            let is_last = events.is_empty() || next <= since;
            for ModerationEvent { at, kind, nullifier, .. } in events {
                match kind {
                    EventKind::Hidden => drop(found.hidden.insert(nullifier, HiddenTime { at, until: None })),
                    EventKind::Released => {
                        if let Some(time) = found.hidden.get_mut(&nullifier) {
                            time.until.get_or_insert(at);
                        }
                    }
                    EventKind::Held => drop(found.held.insert(nullifier)),
                    _ => {}
                }
            }
            if is_last {
                return Ok(found);
            }
            since = next;
        }
    }
}

/// Reads the posts that were hidden since a time. A post that the relay no longer knows is left out, with a note.
fn hidden(
    events: &Events,
    client: &RelayClient,
    key: &Path,
    since: UnixSeconds,
) -> Result<BTreeMap<Nullifier, (HiddenTime, QueueItem)>> {
    let key = key_file::read(key)?;
    let mut found = BTreeMap::new();
    for (nullifier, time) in events.hidden.iter().filter(|(_, time)| time.at >= since) {
        match queue::find(client, &key, *nullifier)? {
            Some(item) => drop(found.insert(*nullifier, (*time, item))),
            None => note(format!(
                "The relay no longer knows the hidden post {}: its report_days are over.",
                digits(*nullifier)
            )),
        }
    }
    Ok(found)
}

/// Returns one statement for each post: the database takes a `puid` once.
fn statements(
    strikes: BTreeMap<Nullifier, Logged>,
    mut hidden: BTreeMap<Nullifier, (HiddenTime, QueueItem)>,
    events: &Events,
    settings: &Settings,
    client: &RelayClient,
    since: UnixSeconds,
) -> Result<Vec<Statement>> {
    let mut statements = Vec::new();
    for (nullifier, Logged { at, strike, lifted, .. }) in strikes {
        if at < since {
            continue;
        }
        let struck = Struck {
            at,
            lifted,
            text: text(client, &strike.text)?,
            was_reported: events.held.contains(&nullifier),
            hidden: hidden.remove(&nullifier).map(|(time, _)| time),
            strike,
        };
        statements.push(struck.statement(settings));
    }
    for (nullifier, (time, item)) in &hidden {
        let was_reported = events.held.contains(nullifier) || !item.reports.is_empty();
        statements.push(Hidden { item, time: *time, was_reported }.statement(settings));
    }
    Ok(statements)
}

/// Fetches a statement of reasons; `None` if it was erased.
fn text(client: &RelayClient, digest: &Digest) -> Result<Option<String>> {
    let path = format!("text/{digest}");
    let bytes = match client.fetch(&path) {
        Ok(bytes) => bytes,
        Err(SourceError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let text = SaltedText::from_bytes(&bytes).ok().filter(|text| text.digest() == *digest);
    let Some(text) = text else { bail!("{} shows another statement of reasons than the log names", client.name()) };
    Ok(Some(text.text().into()))
}
