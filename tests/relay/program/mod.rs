//! Tests of `quotapass relay`, run as an operator runs it.

mod configuration;
mod dashboards;
mod embedded;
mod evidence;
mod manager;
mod posts;
mod process;
mod redis;
mod reload;
mod resync;
mod rotation;
mod shared;
