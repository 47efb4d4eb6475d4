//! `quotapass moderate lift`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use quotapass_log::moderation::{Because, Body, Entry, EntryId, Lift};
use rand::rngs::OsRng;

use super::{action::Action, signing::Signing};
use crate::{context::Context, time::now};

/// Why a strike ends. The log itself ends strikes whose time is over.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Why {
    /// Its author appealed, and is right
    Appeal,
    /// It was an error
    Error,
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Id of the strike, as `queue` and `log verify` show it
    strike: EntryId,
    /// Why it ends
    #[arg(long)]
    because: Why,
    #[command(flatten)]
    signing: Signing,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let because = match arguments.because {
        Why::Appeal => Because::Appeal,
        Why::Error => Because::Error,
    };
    let body = Body::Lift(Lift { strike: arguments.strike, because });
    let action = Action::new(arguments.signing.place.name()?, Entry::new(body, now()?, &mut OsRng))?;
    arguments.signing.finish(action, context)
}
