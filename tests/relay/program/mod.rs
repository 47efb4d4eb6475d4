//! Tests of `quotapass relay`, run as an operator runs it.

mod check;
mod configuration;
mod dashboards;
mod embedded;
mod evidence;
mod logs;
mod manager;
mod moderation;
mod posts;
mod process;
mod redis;
mod reload;
mod resync;
mod rotation;
mod shared;
