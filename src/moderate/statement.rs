//! Reasons, grounds and ends of strikes, as people write them.

use anyhow::{Context as _, Result, bail};
use quotapass_log::moderation::{GroundKind, Program, Reason, STRIKE_SECONDS, Until};
use quotapass_protocol::UnixSeconds;

use crate::time::parse_duration;

/// Reads a reason.
pub(super) fn parse_reason(text: &str) -> Result<Reason> {
    Reason::from_name(text).with_context(|| format!("name one of {}", Reason::ALL.map(Reason::name).join(", ")))
}

/// Reads the kind of a ground.
pub(super) fn parse_ground(text: &str) -> Result<GroundKind> {
    match text {
        "illegal" => Ok(GroundKind::Illegal),
        "incompatible" => Ok(GroundKind::Incompatible),
        _ => bail!("name `illegal` (a law) or `incompatible` (the operator's rules)"),
    }
}

/// Reads a program: its name and version.
pub(super) fn parse_program(text: &str) -> Result<Program> {
    let (name, version) = text.rsplit_once('/').context("write name and version, such as filter/1.2")?;
    if name.is_empty() || version.is_empty() {
        bail!("write name and version, such as filter/1.2");
    }
    Ok(Program { name: name.into(), version: version.into() })
}

/// The end of a strike, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At a time, or never.
    Stated(Until),
    /// After this many seconds.
    After(u64),
}

impl End {
    /// The end unless another is stated.
    pub(super) const USUAL: Self = Self::After(STRIKE_SECONDS);

    /// Returns the end of a strike that is made now.
    pub(super) fn from(self, now: UnixSeconds) -> Until {
        match self {
            Self::Stated(until) => until,
            Self::After(seconds) => Until::At(now.saturating_add(seconds)),
        }
    }
}

/// Reads the end of a strike: `never`, a day, a time, or a duration.
pub(super) fn parse_end(text: &str) -> Result<End> {
    if let Ok(until) = text.parse() {
        return Ok(End::Stated(until));
    }
    if let Ok(until) = format!("{text}T00:00:00Z").parse() {
        return Ok(End::Stated(until));
    }
    let duration = parse_duration(text);
    Ok(End::After(
        duration
            .ok()
            .filter(|seconds| *seconds > 0)
            .context("write a day like 2027-05-19, a time like 2027-05-19T12:00:00Z, a duration like 90d, or never")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_day_a_time_a_duration_or_never() {
        let now = UnixSeconds(1_795_176_000);
        let until = |text: &str| parse_end(text).unwrap().from(now).to_string();
        assert_eq!(until("2027-05-19"), "2027-05-19T00:00:00Z");
        assert_eq!(until("2027-05-19T12:30:00Z"), "2027-05-19T12:30:00Z");
        assert_eq!(until("90d"), "2027-02-18T12:00:00Z");
        assert_eq!(until("never"), "never");
        assert_eq!(End::USUAL.from(now).to_string(), "2027-05-19T12:00:00Z");
        for wrong in ["", "soon", "0", "0d", "2027-13-01", "19.05.2027", "Never"] {
            assert!(parse_end(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_are_those_of_the_log() {
        assert_eq!(parse_reason("csam").unwrap(), Reason::Csam);
        assert!(parse_reason("Spam").is_err() && parse_reason("").is_err());
        assert_eq!(parse_ground("illegal").unwrap(), GroundKind::Illegal);
        assert!(parse_ground("law").is_err());
        let program = parse_program("a/filter/1.2").unwrap();
        assert_eq!((program.name.as_str(), program.version.as_str()), ("a/filter", "1.2"));
        for wrong in ["filter", "/1", "filter/"] {
            assert!(parse_program(wrong).is_err(), "{wrong}");
        }
    }
}
