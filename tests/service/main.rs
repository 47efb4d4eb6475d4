//! The relay's HTTP service over loopback TCP, with real proofs: each route, its limits, and clients that violate them.
#![allow(clippy::unwrap_used, clippy::panic)]

#[cfg(unix)]
mod admin;
mod documents;
mod events;
mod garbage;
mod limits;
mod logs;
mod moderation;
#[cfg(target_os = "linux")]
mod nginx;
mod pages;
mod patterns;
mod policy;
mod proxies;
mod records;
mod routes;
mod server;
mod shadow;
#[cfg(target_os = "linux")]
mod shares;
mod sources;
mod stop;
mod world;
