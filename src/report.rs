//! `quotapass report`.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_circuits::{membership::Membership, moderation::author::Author, post::Post};
use quotapass_protocol::moderation::{Reason, ReportBody};
use quotapass_text::EndpointUrl;
use quotapass_wallet::{
    files::create_new,
    moderation::{ReportBytes, ReportProvers, make_report, report_policy},
};
use rand::rngs::OsRng;
use serde_json::json;

use super::{
    context::Context,
    failure::usage,
    keys::{prover, require_test_chain, warn_of},
    lists::{Lists, record_provers},
    named_post::NamedPost,
    output::note,
    send::submit,
    time::now,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    post: NamedPost,
    /// Nullifier of the post, instead of the post itself
    #[arg(long, value_name = "HEX", conflicts_with_all = ["post", "pass"], requires = "scope", hide_short_help = true)]
    nullifier: Option<String>,
    /// Reason: spam, malware, harassment, hate, nudity, violence, csam, impersonation, illegal or other
    #[arg(long, value_name = "REASON", value_parser = reason)]
    reason: Reason,
    /// Words to the moderators, for rooms that encrypt reports to them
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Do not send the message on
    #[arg(long, hide_short_help = true)]
    without_message: bool,
    /// Index of the member, if this device does not know it: with --members-from, after a deposit on another device
    #[arg(long, hide_short_help = true)]
    index: Option<u32>,
    /// Send the report to this relay: the one that accepted the post [default: print the request]
    #[arg(long, value_name = "URL")]
    to: Option<EndpointUrl>,
    /// Write the request to a new file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    out: Option<PathBuf>,
}

fn reason(name: &str) -> Result<Reason, String> {
    let names = Reason::ALL.map(Reason::name).join(", ");
    Reason::from_name(name).ok_or_else(|| format!("the reasons are {names}"))
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let named = arguments.post.read()?;
    let scope = named.as_ref().map(|named| named.scope.as_str()).or(arguments.post.stated_scope());
    let (Some(scope), true) = (scope, named.is_some() || arguments.nullifier.is_some()) else {
        bail!(usage("name the post to report: its file, its --pass, or its --nullifier and --scope"));
    };
    let reported = match (&named, &arguments.nullifier) {
        (Some(named), _) => named.pass.post().nullifier,
        (None, digits) => super::author::nullifier(digits.as_deref().unwrap_or_default())?,
    };
    let registry = context.registry_id()?;
    require_test_chain(context.config(), registry.chain_id)?;
    let bound = context.bound(registry, scope, now()?)?;
    let requirement = report_policy(&bound, reported)?.requirement_at(now()?);
    let has_recipients =
        bound.values().moderation.as_ref().is_some_and(|moderation| !moderation.report_recipients.is_empty());
    let mut body = ReportBody { comment: arguments.comment.clone(), ..ReportBody::of(arguments.reason) };
    if let (Some(named), true) = (&named, has_recipients) {
        body.pass = Some(named.pass.to_bytes());
        let is_sent_on = !arguments.without_message && arguments.reason != Reason::Csam;
        if let Some(message) = named.message.as_ref().filter(|_| is_sent_on) {
            body = body.with_message(message);
        }
    }
    let body = ReportBytes::of(&bound, &body)?;

    let secret = context.open_secret(&registry)?;
    let mut lists = Lists::open(context, &bound)?;
    let current = lists.read(now()?)?;
    lists.test(&secret)?;
    let keys = context.keys()?;
    let (posts, authors) = (prover::<Post>(&keys)?, prover::<Author>(&keys)?);
    let records = if current.is_empty() { None } else { Some(record_provers(&keys, &current)?) };
    let located = context.locate(&secret, arguments.index, &requirement)?;
    let membership = Membership { secret: &secret, member: &located.member, path: &located.path };
    requirement.check(membership)?;
    located.crowd.warn(context.config(), scope)?;
    let provers = ReportProvers { posts: &posts, authors: &authors, records: records.as_ref() };
    let request = make_report(provers, &bound, membership, &current, reported, &body, now()?, &mut OsRng)?;

    if let Some(path) = &arguments.out {
        let text = format!("{}\n", serde_json::to_string(&request)?);
        create_new(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let options = context.relay_options()?;
    let to = arguments.to.as_ref();
    let answer = to.map(|relay| submit(relay, "/v1/report", &request, &options)).transpose()?;
    if arguments.reason == Reason::Csam {
        note("Report it to the authority of your country too, and do not send the message on.");
    }
    warn_of(posts.origin());
    let text = match (&answer, to) {
        (Some(answer), Some(relay)) => format!("{}: {relay}", answer["result"].as_str().unwrap_or_default()),
        _ => serde_json::to_string(&request)?,
    };
    context.output().result(
        &text,
        json!({
            "request": request,
            "file": arguments.out,
            "to": to.map(ToString::to_string),
            "answer": answer,
            "anonymity": located.crowd,
            "keys": posts.origin().to_string(),
        }),
    )
}
