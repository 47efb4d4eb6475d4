//! Errors of TOML files.

/// Returns the number of the line that contains a byte.
pub(crate) fn line_of(text: &str, byte: usize) -> usize {
    text.bytes().take(byte).filter(|byte| *byte == b'\n').count() + 1
}

/// Formats an error with its line and setting. The library's own text shows the whole line, which may contain a
/// password.
pub(crate) fn say(text: &str, error: &toml::de::Error) -> String {
    let Some(place) = error.span() else { return error.message().into() };
    let before = text.get(..place.start).unwrap_or(text);
    let line = before.rfind('\n').map_or(before, |end| &before[end + 1..]);
    let number = line_of(text, place.start);
    match line.split_once('=') {
        Some((setting, _)) => format!("line {number}, `{}`: {}", setting.trim(), error.message()),
        None => format!("line {number}: {}", error.message()),
    }
}
