//! Times and durations as text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use quotapass_protocol::UnixSeconds;

/// Returns the time of the system clock.
pub(super) fn now() -> Result<UnixSeconds> {
    SystemTime::now().try_into().context("the system clock is before 1970; set it")
}

/// Formats a time in UTC, for example `2026-11-20 12:00:00Z`.
pub(super) fn moment(time: UnixSeconds) -> String {
    // The formatter does not support years with five digits.
    const LAST: UnixSeconds = UnixSeconds(253_402_300_799);
    let time = UNIX_EPOCH + Duration::from_secs(time.min(LAST).0);
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ")
}

/// Formats a number of seconds, for example `1h 30m`.
pub(super) fn duration(seconds: u64) -> String {
    humantime::format_duration(Duration::from_secs(seconds)).to_string()
}

/// Reads a duration such as `7d` or `90m`, or a plain number of seconds.
pub(super) fn parse_duration(text: &str) -> Result<u64> {
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    Ok(humantime::parse_duration(text).context("write it as 7d, 90m or 30s")?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        assert_eq!(moment(UnixSeconds(1_795_176_000)), "2026-11-20 12:00:00Z");
        assert_eq!(moment(UnixSeconds::MAX), "9999-12-31 23:59:59Z");
        assert_eq!(duration(5_400), "1h 30m");
        assert_eq!(parse_duration("7d").unwrap(), 604_800);
        assert_eq!(parse_duration("90").unwrap(), 90);
        assert!(parse_duration("soon").is_err());
    }
}
