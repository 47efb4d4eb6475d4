//! `[badges]`.

use serde::Deserialize;

/// `[badges]`: requirements for badges.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BadgesSection {
    pub(super) ask_for_chat_key: bool,
}
