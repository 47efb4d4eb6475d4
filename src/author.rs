//! `quotapass author`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use quotapass_circuits::{
    moderation::{Appeal, Entry, author::Author},
    share::Nullifier,
};
use quotapass_text::EndpointUrl;
use quotapass_wallet::{
    files::create_new,
    moderation::{AuthorAction, prove_author},
};
use rand::rngs::OsRng;
use serde_json::json;

use super::{
    context::Context,
    failure::{refused, usage},
    keys::{prover, require_test_chain, warn_of},
    lists::Lists,
    named_post::NamedPost,
    send::submit,
    time::now,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Delete one of your posts
    ///
    /// The relay that accepted it tells its readers. The deletion is final, and shows only that the author asks for it.
    Delete(Arguments),
    /// Appeal against a strike of one of your posts
    ///
    /// Without a post, the lists of --scope are read, and your own struck post is taken.
    Appeal(AppealArguments),
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    post: NamedPost,
    /// Send the request to this relay: the one that accepted the post [default: print the request]
    #[arg(long, value_name = "URL")]
    to: Option<EndpointUrl>,
    /// Write the request to a new file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct AppealArguments {
    #[command(flatten)]
    arguments: Arguments,
    /// Why the strike should end, at most 4,000 bytes
    #[arg(long, value_name = "TEXT", required_unless_present = "text_file")]
    text: Option<String>,
    /// Read the reasons from a file
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    text_file: Option<PathBuf>,
    /// Nullifier of the struck post, if several posts of yours are listed
    #[arg(long, value_name = "HEX", hide_short_help = true)]
    nullifier: Option<String>,
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Delete(arguments) => request(arguments, AuthorAction::Delete, None, context),
        Verb::Appeal(appeal) => {
            let text = match (&appeal.text, &appeal.text_file) {
                (Some(text), _) => text.clone(),
                (None, Some(path)) => fs::read_to_string(path)
                    .with_context(|| format!("cannot read the reasons from {}", path.display()))?,
                (None, None) => bail!(usage("an appeal needs --text")),
            };
            if text.trim().is_empty() {
                bail!(usage("an appeal needs reasons; write them with --text"));
            }
            let asked = AuthorAction::Appeal(Appeal::new(text).with_context(|| usage("the text is too long"))?);
            let nullifier = appeal.nullifier.as_deref().map(nullifier).transpose()?;
            request(&appeal.arguments, asked, nullifier, context)
        }
    }
}

/// Reads a nullifier.
pub(super) fn nullifier(digits: &str) -> Result<Nullifier> {
    let mut bytes = [0; 32];
    let read = hex::decode_to_slice(digits, &mut bytes).ok().and_then(|()| Nullifier::from_be_bytes(&bytes).ok());
    read.with_context(|| usage(format!("`{digits}` is not a nullifier, which has 64 hexadecimal digits")))
}

fn request(arguments: &Arguments, asked: AuthorAction, nullifier: Option<Nullifier>, context: &Context) -> Result<()> {
    let named = arguments.post.read()?;
    let scope = named.as_ref().map(|named| named.scope.as_str()).or(arguments.post.stated_scope());
    let scope = scope.with_context(|| usage("name a post, or its --scope"))?;
    let registry = context.registry_id()?;
    require_test_chain(context.config(), registry.chain_id)?;
    let bound = context.bound(registry, scope, now()?)?;
    let secret = context.open_secret(&registry)?;
    let (entry, server) = match (&named, &asked) {
        (Some(named), _) => (named.entry(bound.scope())?, None),
        (None, AuthorAction::Delete) => bail!(usage("name the post to delete: the file that `post` wrote, or --pass")),
        (None, AuthorAction::Appeal(_)) => {
            let mut lists = Lists::open(context, &bound)?;
            lists.read(now()?)?;
            let (entry, server) = struck(lists.posts_of(&secret), nullifier, scope)?;
            (entry, Some(EndpointUrl::new(server)))
        }
    };
    let prover = prover::<Author>(&context.keys()?)?;
    let request = prove_author(&prover, &secret, &bound, entry, asked, now()?, &mut OsRng)?;
    if let Some(path) = &arguments.out {
        let text = format!("{}\n", serde_json::to_string(&request)?);
        create_new(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let to = arguments.to.as_ref().or(server.as_ref());
    let answer = to.map(|relay| submit(relay, "/v1/author", &request, &context.relay_options()?)).transpose()?;
    warn_of(prover.origin());
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
            "keys": prover.origin().to_string(),
        }),
    )
}

/// Chooses the member's struck post.
fn struck(posts: Vec<(Entry, String)>, nullifier: Option<Nullifier>, scope: &str) -> Result<(Entry, String)> {
    let of = |post: &Entry| nullifier.is_none_or(|nullifier| nullifier == post.nullifier);
    let mut own: Vec<_> = posts.into_iter().filter(|(post, _)| of(post)).collect();
    match (own.pop(), &own[..]) {
        (Some(post), []) => Ok(post),
        (None, _) => bail!(refused(format!("no list of `{scope}` has a post of this identity"))),
        (Some(last), rest) => {
            let all = rest.iter().chain([&last]).map(|(post, _)| hex::encode(post.nullifier.to_be_bytes()));
            let all: Vec<_> = all.collect();
            bail!(usage(format!("several of your posts are struck; choose one with --nullifier: {}", all.join(", "))))
        }
    }
}
