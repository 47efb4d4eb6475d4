//! `quotapass demo --web`: a chat room in a browser, with a relay and an embedded chain.
//!
//! The page proves in the browser with the package `bindings/web`. Besides the relay's own routes, this module serves
//! the part of a chat network, which distributes messages, and the part of a wallet, which deposits. The relay hosts a
//! moderation log, whose witness and moderator belong to the demo too.

mod chat;
mod files;
mod lines;
mod moderation;

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
    let mut keys = KeyFile::development(&store)?;
    keys.extend(KeyFile::development_of_moderation(&store)?);
    let folder = tempfile::tempdir().context("cannot create a folder for the chain and the relay's log")?;
    let log_keys = moderation::Keys::generate()?;
    let stage = Stage::set(folder.path(), &store, TemplateScope::Demo(&log_keys.template()))?;
    stage.fill(members.into())?;
    let (configuration, settings) = stage.close();
    let folders = Folders::apart(folder.path(), &context.config().data_folder()?.join("keys"));
    let program = Program::open(configuration, settings, &folders, true)?;
    let log_routes = log_keys.routes();
    let witness = log_keys.begin(program.moderation().context("the relay hosts no moderation log")?)?;
    let routes: MakeRoutes = Box::new(move |_, engine, registry, stopping| {
        tokio::spawn(witness.run(stopping.clone()));
        let chat = Arc::new(Chat::new(engine, registry, stopping));
        tokio::spawn(Arc::clone(&chat).follow_moderation());
        Router::new().merge(files::routes(keys)).merge(log_routes).merge(chat::routes(chat))
    });
    program.with_chat("/demo/", routes).run(
        Some(listen),
        |address, registry| {
            let url = format!("http://{address}/demo/");
            let moderation = format!("http://{address}/moderation");
            context.output().result(
            &format!(
                "Open {url} in one or two browsers. The relay's own page is http://{address}/, and moderators decide at \
                 {moderation} with the key that the room's page shows. Everything here is for trials only: development \
                 keys, an embedded chain, {members} made-up members, and a moderator's key that each visitor can read. \
                 Ctrl-C stops the demo and deletes its chain."
            ),
            json!({
                "event": "listening",
                "url": url,
                "moderation": moderation,
                "address": address,
                "registry": registry,
            }),
        )
        },
    )
}
