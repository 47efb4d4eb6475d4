//! Passwords, passphrases and other text in files of any editor.

use std::{fs, io, path::Path};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The byte order mark, with which some editors begin a file.
const MARK: char = '\u{feff}';

/// Error: bytes are not text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is neither UTF-8 nor UTF-16 with a byte order mark; save it as UTF-8")]
pub struct NotText;

/// Decodes text in UTF-8, or in UTF-16 that begins with a byte order mark. The text is without the mark.
///
/// # Errors
/// [`NotText`].
pub fn decode(bytes: &[u8]) -> Result<Zeroizing<String>, NotText> {
    match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        bytes => {
            let text = core::str::from_utf8(bytes).map_err(|_| NotText)?;
            Ok(Zeroizing::new(without_mark(text).to_owned()))
        }
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<Zeroizing<String>, NotText> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return Err(NotText) };
    let units = Zeroizing::new(pairs.iter().copied().map(unit).collect::<Vec<u16>>());
    String::from_utf16(&units).map(Zeroizing::new).map_err(|_| NotText)
}

fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// Reads a password or a passphrase from a file, [decoded](decode). A line break at the end, which editors write, is no
/// part of it.
///
/// # Errors
/// File system errors, and [`io::ErrorKind::InvalidData`] if the file is not text.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(fs::read(path)?);
    let text = decode(&bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Returns a secret in the form that keys are derived from: without a byte order mark, and in the normal form NFKD. So
/// the same letters give the same key, whichever keyboard or editor wrote them.
pub fn normalized(secret: &str) -> Zeroizing<String> {
    Zeroizing::new(without_mark(secret).nfkd().collect())
}

/// Returns the texts that a program may have derived a key from, given this secret, each once: [`normalized`]; as it
/// is; in the normal form NFKC; and with a byte order mark, which a program may have counted to it.
pub fn spellings(secret: &str) -> Vec<Zeroizing<String>> {
    let secret = without_mark(secret);
    let (plain, composed, marked) = (secret.to_owned(), secret.nfkc().collect::<String>(), format!("{MARK}{secret}"));
    let mut spellings = vec![normalized(secret)];
    for spelling in [plain, composed, marked].map(Zeroizing::new) {
        if !spellings.contains(&spelling) {
            spellings.push(spelling);
        }
    }
    spellings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of text in UTF-16 with a byte order mark, in both orders.
    fn in_utf16(text: &str) -> [Vec<u8>; 2] {
        let units: Vec<u16> = format!("{MARK}{text}").encode_utf16().collect();
        [u16::to_le_bytes, u16::to_be_bytes].map(|bytes| units.iter().copied().flat_map(bytes).collect())
    }

    #[test]
    fn the_files_of_all_editors_hold_the_same_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let [little, big] = in_utf16("p\u{e4}ss w\u{1f600}rd\r\n");
        for bytes in [
            "p\u{e4}ss w\u{1f600}rd".as_bytes(),
            "p\u{e4}ss w\u{1f600}rd\n".as_bytes(),
            "\u{feff}p\u{e4}ss w\u{1f600}rd\r\n".as_bytes(),
            &little,
            &big,
        ] {
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_secret(&path).unwrap().as_str(), "p\u{e4}ss w\u{1f600}rd");
        }
        // Latin-1, half a unit, half a pair of surrogates.
        for bytes in [&b"p\xe4ss"[..], b"\xff\xfep", b"\xfe\xff\xd8\x3d"] {
            fs::write(&path, bytes).unwrap();
            let error = read_secret(&path).unwrap_err();
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::InvalidData, NotText.to_string()));
        }
    }

    #[test]
    fn a_secret_has_each_spelling_once() {
        let spelt = |secret| spellings(secret).iter().map(|spelling| spelling.to_string()).collect::<Vec<_>>();
        assert_eq!(spelt("secret"), ["secret", "\u{feff}secret"]);
        assert_eq!(spelt("\u{feff}secret"), ["secret", "\u{feff}secret"]);
        assert_eq!(spelt("\u{e9}"), ["e\u{301}", "\u{e9}", "\u{feff}\u{e9}"]);
        assert_eq!(spelt("e\u{301}"), ["e\u{301}", "\u{e9}", "\u{feff}e\u{301}"]);
        assert_eq!(spelt("\u{fb01}\u{e9}"), ["fie\u{301}", "\u{fb01}\u{e9}", "fi\u{e9}", "\u{feff}\u{fb01}\u{e9}"]);
    }
}
