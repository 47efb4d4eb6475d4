//! `quotapass demo --web`: a chat room in a browser, with a relay and an embedded chain.
//!
//! The page proves in the browser with the package `bindings/web`. Besides the relay's own routes, this module serves
//! the part of a chat network, which distributes messages, and the part of a wallet, which deposits.

mod chat;
mod files;
mod lines;

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use axum::Router;
use serde_json::json;

use crate::{
    context::Context,
    keys::KeyFile,
    relay::{Folders, LogFormat, LogLevel, MakeRoutes, Program, Stage, TemplateScope, start_logging},
};
use chat::Chat;

pub(super) fn run(listen: SocketAddr, members: u16, context: &Context) -> Result<()> {
    start_logging(LogFormat::Text, LogLevel::Warn);
    let store = context.development_keys()?;
    let keys = KeyFile::development(&store)?;
    let folder = tempfile::tempdir().context("cannot create a folder for the chain and the relay's log")?;
    let stage = Stage::set(folder.path(), &store, TemplateScope::Demo)?;
    stage.fill(members.into())?;
    let (configuration, settings) = stage.close();
    let folders = Folders::apart(folder.path(), &context.config().data_folder()?.join("keys"));
    let routes: MakeRoutes = Box::new(move |_, engine, registry, stopping| {
        Router::new().merge(files::routes(keys)).merge(chat::routes(Arc::new(Chat::new(engine, registry, stopping))))
    });
    Program::open(configuration, settings, &folders, true)?.with_chat("/demo/", routes).run(
        Some(listen),
        |address, registry| {
            let url = format!("http://{address}/demo/");
            context.output().result(
            &format!(
                "Open {url} in one or two browsers. The relay's own page is http://{address}/. Everything here is for \
                 trials only: development keys, an embedded chain, {members} made-up members. Ctrl-C stops the demo \
                 and deletes its chain."
            ),
            json!({ "event": "listening", "url": url, "address": address, "registry": registry }),
        )
        },
    )
}
