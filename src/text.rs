//! Text on a terminal: text of strangers, and numbers of things.

use core::fmt::Write as _;

/// Returns a text on one line that a terminal shows as it is: control characters, breaks of lines and marks of direction are
/// escaped.
///
/// Comments, messages and appeals are written by strangers. Unescaped, an escape sequence can erase what the program
/// printed before it, a line break can imitate a line of the program, and a mark of direction can reverse what is read: a
/// moderator would sign something else than what the screen shows.
pub(super) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            _ if letter.is_control() || is_mark(letter) => {
                // Writing to a string does not fail.
                let _ = write!(shown, "{}", letter.escape_unicode());
            }
            _ => shown.push(letter),
        }
    }
    shown
}

/// Whether a letter changes the direction or the lines of text, and is not seen itself.
fn is_mark(letter: char) -> bool {
    matches!(
        letter,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Returns a number of things whose plural ends with s: `1 post`, `2 posts`.
pub(super) fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

/// Returns the first characters of a text, with `…` in place of the rest, at most this number of characters in all.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.into();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_cannot_write_on_the_screen() {
        assert_eq!(plain("hello, wörld 👍"), "hello, wörld 👍");
        assert_eq!(plain("a\r\n\u{1b}[2Jb\tc"), "a\\u{d}\\n\\u{1b}[2Jb\\tc");
        assert_eq!(plain("abc\u{202e}fed\u{9b}2J\u{2028}"), "abc\\u{202e}fed\\u{9b}2J\\u{2028}");
        for code in (0..0x20).chain(0x7f..0xa0) {
            let letter = char::from_u32(code).unwrap();
            assert!(plain(&letter.to_string()).chars().all(|shown| !shown.is_control()), "{code:x}");
        }
    }

    #[test]
    fn one_thing_is_not_many() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "post")), ["0 posts", "1 post", "2 posts"]);
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("größe", 5), "größe");
        assert_eq!(shortened("größer", 5), "größ…");
    }
}
