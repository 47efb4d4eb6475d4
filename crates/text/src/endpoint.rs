//! URLs of endpoints, relays and proxies, which may contain secrets.

use core::{convert::Infallible, fmt, str::FromStr};

use zeroize::Zeroizing;

/// Stands for a part that is not shown.
const HIDDEN: &str = "…";
/// The shortest label of a host name that may be a provider's key.
const KEY_LABEL: usize = 24;
/// The shortest part of a URL that is hidden in the text of others. Shorter parts are words, such as `mainnet`.
const KEY_PART: usize = 10;

/// The URL of an endpoint, a relay or a proxy. It may contain a password or a provider's key.
///
/// `Display` and `Debug` show the scheme and the host alone, with `…` in place of user, password, path and query, so
/// that errors, logs and other output keep the secret. The path of a socket is shown. Any text is taken; a connection
/// finds out whether it is a URL.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl(Zeroizing<String>);

impl EndpointUrl {
    /// Takes a URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self(Zeroizing::new(url.into()))
    }

    /// Returns the whole URL, for a connection. Do not print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Replaces the parts of the URL that are not shown in a text of others, such as the answer of a server.
    pub fn hide_in(&self, text: &str) -> String {
        let shown = self.to_string();
        let is_separator = |letter: char| !letter.is_alphanumeric() && !"-_.~%".contains(letter);
        let secrets = self.0.split(is_separator).filter(|part| part.len() >= KEY_PART && !shown.contains(part));
        secrets.fold(text.into(), |text: String, secret| text.replace(secret, HIDDEN))
    }
}

impl From<&str> for EndpointUrl {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl FromStr for EndpointUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self::new(url))
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_scheme = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
        let (scheme, rest) = match self.0.split_once("://") {
            Some(("ipc" | "file", _)) => return f.write_str(&self.0),
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ if is_path(&self.0) => return f.write_str(&self.0),
            _ => (None, &**self.0),
        };
        if let Some(scheme) = scheme {
            write!(f, "{scheme}://")?;
        }
        // Parsers of URLs take a backslash for a slash.
        let is_end = |letter: char| matches!(letter, '/' | '?' | '#') || letter == '\\' && scheme.is_some();
        let (authority, tail) = rest.split_at(rest.find(is_end).unwrap_or(rest.len()));
        if tail.contains('@') {
            // A password with a slash, or a path with an `@`.
            return f.write_str(HIDDEN);
        }
        let host = match authority.rsplit_once('@') {
            Some((_, host)) => {
                write!(f, "{HIDDEN}@")?;
                host
            }
            None => authority,
        };
        let is_onion = host.contains(".onion");
        for (place, label) in host.split('.').enumerate() {
            let dot = if place == 0 { "" } else { "." };
            match label.get(..4) {
                Some(start) if !is_onion && is_key(label) => write!(f, "{dot}{start}{HIDDEN}")?,
                _ => write!(f, "{dot}{label}")?,
            }
        }
        f.write_str(if matches!(tail, "" | "/") { tail } else { "/…" })
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether text without a scheme is the path of a socket.
fn is_path(text: &str) -> bool {
    text.starts_with(['/', '.', '~', '\\']) || text.ends_with(".ipc")
}

/// Whether a label of a host name may be a key. Some providers have it there.
fn is_key(label: &str) -> bool {
    label.len() >= KEY_LABEL
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && label.bytes().any(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_passwords_and_keys() {
        for (url, shown) in [
            ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
            ("https://relay.example/", "https://relay.example/"),
            ("https://mainnet.infura.io/v3/0123456789abcdef", "https://mainnet.infura.io/…"),
            ("https://eth.example?apikey=0123456789", "https://eth.example/…"),
            ("https://eth.example/#0123456789", "https://eth.example/…"),
            ("wss://user:secret@host:8546/?key=1", "wss://…@host:8546/…"),
            ("https://user:sec@ret@host/", "https://…@host/"),
            ("https://user:sec/ret@host", "https://…"),
            ("https://user:sec?ret@host", "https://…"),
            ("https://user:sec#ret@host", "https://…"),
            ("https://user\\secret@host", "https://…"),
            ("https://host\\secret", "https://host/…"),
            ("http:user:secret@host", "…@host"),
            ("https:/user:secret@host", "…"),
            ("user:secret@host:8545/key", "…@host:8545/…"),
            ("host/v3/0123456789abcdef", "host/…"),
            ("0123456789abcdef@x://host", "…@x:/…"),
            ("https://0123456789abcdef0123456789abcdef.eth.rpc.example", "https://0123….eth.rpc.example"),
            ("http://0123456789abcdef0123456789abcdef.onion/", "http://0123456789abcdef0123456789abcdef.onion/"),
            ("socks5h://user:secret@127.0.0.1:9050", "socks5h://…@127.0.0.1:9050"),
            ("http://[::1]:8545/key", "http://[::1]:8545/…"),
            ("ftp://user:secret@host/key", "ftp://…@host/…"),
            ("localhost:8545", "localhost:8545"),
            ("/run/geth.ipc", "/run/geth.ipc"),
            ("data/geth.ipc", "data/geth.ipc"),
            ("ipc:///run/geth.ipc", "ipc:///run/geth.ipc"),
            ("\\\\.\\pipe\\geth.ipc", "\\\\.\\pipe\\geth.ipc"),
            ("", ""),
        ] {
            let endpoint = EndpointUrl::new(url);
            assert_eq!(endpoint.to_string(), shown, "{url}");
            assert_eq!(format!("{endpoint:?}"), shown, "{url}");
            assert_eq!(endpoint.expose(), url);
        }
    }

    #[test]
    fn a_key_is_hidden_in_the_words_of_others() {
        let endpoint: EndpointUrl =
            "https://user:a-long-password@mainnet.infura.io/v3/0123456789abcdef".parse().unwrap();
        for (text, hidden) in [
            ("Cannot POST /v3/0123456789abcdef", "Cannot POST /v3/…"),
            ("invalid project id 0123456789abcdef", "invalid project id …"),
            ("https://user:a-long-password@mainnet.infura.io", "https://user:…@mainnet.infura.io"),
            ("mainnet.infura.io refused the connection", "mainnet.infura.io refused the connection"),
        ] {
            assert_eq!(endpoint.hide_in(text), hidden);
        }
        assert_eq!(
            EndpointUrl::new("/run/user/ethereum.ipc").hide_in("no /run/user/ethereum.ipc"),
            "no /run/user/ethereum.ipc"
        );
    }
}
