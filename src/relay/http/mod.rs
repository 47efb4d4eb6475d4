//! What a relay answers over HTTP.

mod members;

pub use members::{Members, members_routes};
