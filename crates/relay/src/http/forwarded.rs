//! Client addresses in the proxy headers `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! A client may send these headers too, and a proxy appends to the value that it receives. Therefore only the last node
//! of a header comes from the proxy itself. An attacker who sends `Forwarded: for="` tries to turn the proxy's part
//! into a piece of the attacker's quoted string. A value with a syntax error anywhere is read as one unknown node, so
//! that this attack gains no address.

use core::net::{IpAddr, Ipv6Addr};
use std::borrow::Cow;

/// A node of a header, as the next proxy saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// An address, without its port. An IPv4 address that is written as IPv6 is the IPv4 address.
    Address(IpAddr),
    /// No address: `unknown`, an obfuscated identifier, or invalid text.
    Unknown,
}

impl Node {
    /// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
    fn read(text: &str) -> Self {
        Self::try_read(text).map_or(Self::Unknown, |address| Self::Address(address.to_canonical()))
    }

    fn try_read(text: &str) -> Option<IpAddr> {
        if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            is_port(port).then_some(())?;
            return address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
        }
        if let Ok(address) = text.parse() {
            return Some(address);
        }
        let (address, _) = text.split_once(':')?;
        is_port(&text[address.len()..]).then_some(())?;
        address.parse().ok().map(IpAddr::V4)
    }
}

/// Returns whether a text is empty, or a colon with a port: a number, or an obfuscated one (RFC 7239, section 6).
fn is_port(text: &str) -> bool {
    let Some(port) = text.strip_prefix(':') else { return text.is_empty() };
    match port.strip_prefix('_') {
        Some(name) => {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        }
        None => port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok(),
    }
}

/// Returns the nodes of a value of `X-Forwarded-For`, in its order.
pub fn x_forwarded_for(value: &str) -> Vec<Node> {
    value.split(',').map(|node| Node::read(node.trim())).collect()
}

/// Returns the nodes of a value of `Forwarded`, in its order. An element without `for` is unknown.
pub fn forwarded(value: &str) -> Vec<Node> {
    elements(value).unwrap_or_else(|| vec![Node::Unknown])
}

/// Returns `None` if the value has a syntax error.
fn elements(value: &str) -> Option<Vec<Node>> {
    let mut nodes = Vec::new();
    let mut rest = value;
    loop {
        let (node, after) = element(rest)?;
        nodes.push(node);
        if after.is_empty() {
            return Some(nodes);
        }
        rest = after.strip_prefix(',')?;
    }
}

/// Reads `name=value;name=value`, and returns its `for` with the rest of the text.
fn element(text: &str) -> Option<(Node, &str)> {
    let (mut node, mut rest) = (None, text);
    loop {
        let (name, after) = token(rest.trim_start_matches(BLANK))?;
        let (value, after) = value(after.strip_prefix('=')?)?;
        if name.eq_ignore_ascii_case("for") && node.replace(Node::read(&value)).is_some() {
            return None;
        }
        rest = after.trim_start_matches(BLANK);
        let Some(next) = rest.strip_prefix(';') else { return Some((node.unwrap_or(Node::Unknown), rest)) };
        rest = next;
    }
}

const BLANK: [char; 2] = [' ', '\t'];

/// Splits off a token of RFC 9110. Colons and brackets, which tokens do not contain, are also accepted: some proxies
/// write addresses without quotes.
fn token(text: &str) -> Option<(&str, &str)> {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~:[]".contains(&byte);
    let length = text.bytes().take_while(|byte| is_of_token(*byte)).count();
    (length > 0).then(|| text.split_at(length))
}

/// Splits off a token or a quoted string.
fn value(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, rest) = token(text)?;
        return Some((token.into(), rest));
    };
    let (mut content, mut characters) = (String::new(), quoted.char_indices());
    loop {
        match characters.next()? {
            (at, '"') => return Some((content.into(), &quoted[at + 1..])),
            (_, '\\') => content.push(characters.next()?.1),
            (_, character) => content.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(text: &str) -> Node {
        Node::Address(text.parse().unwrap())
    }

    #[test]
    fn nodes_have_ports_and_brackets() {
        for text in
            ["192.0.2.1", "192.0.2.1:0", "192.0.2.1:65535", "192.0.2.1:_x", "::ffff:192.0.2.1", "[::ffff:192.0.2.1]:7"]
        {
            assert_eq!(x_forwarded_for(text), [node("192.0.2.1")], "{text}");
        }
        for text in ["2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:443", "\t[2001:db8::1]:443 "] {
            assert_eq!(x_forwarded_for(text), [node("2001:db8::1")], "{text}");
        }
        for text in [
            "",
            "unknown",
            "_hidden",
            "192.0.2.1:",
            "192.0.2.1:65536",
            "192.0.2.1:+1",
            "192.0.2.1:1:2",
            "192.0.2",
            "[192.0.2.1]",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]443",
            "[2001:db8::1]:_",
            "fe80::1%eth0",
            "192.0.2.1 198.51.100.7",
        ] {
            assert_eq!(x_forwarded_for(text), [Node::Unknown], "{text}");
        }
        assert_eq!(x_forwarded_for("a, 192.0.2.1:80,::1"), [Node::Unknown, node("192.0.2.1"), node("::1")]);
    }

    #[test]
    fn forwarded_is_read_as_its_specification_says() {
        // The examples of RFC 7239.
        assert_eq!(forwarded("for=\"_gazonk\""), [Node::Unknown]);
        assert_eq!(forwarded("For=\"[2001:db8:cafe::17]:4711\""), [node("2001:db8:cafe::17")]);
        assert_eq!(forwarded("for=192.0.2.60;proto=http;by=203.0.113.43"), [node("192.0.2.60")]);
        assert_eq!(forwarded("for=192.0.2.43, for=198.51.100.17"), [node("192.0.2.43"), node("198.51.100.17")]);
        assert_eq!(
            forwarded("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown"),
            [node("192.0.2.43"), node("2001:db8:cafe::17"), Node::Unknown]
        );
        assert_eq!(forwarded("proto=http;by=203.0.113.43"), [Node::Unknown]);
        assert_eq!(forwarded("host=\"a,b;for=1.2.3.4\"; FOR=\"192\\.0.2.1:_p\""), [node("192.0.2.1")]);
        for broken in
            ["", "for", "for=", "for=1.2.3.4;", "for=1.2.3.4,", "for=1.2.3.4 for=5.6.7.8", "for=1.2.3.4;for=5.6.7.8"]
        {
            assert_eq!(forwarded(broken), [Node::Unknown], "{broken}");
        }
    }

    #[test]
    fn an_open_quote_of_the_client_gains_no_address() {
        for client in ["for=\"", "for=\"9.9.9.9", "for=9.9.9.9;x=\"", "for=\"9.9.9.9\\", "for=\"9.9.9.9\";x=\"\\\""] {
            for proxy in ["for=192.0.2.1", "for=\"[2001:db8::1]:443\"", "for=\"[2001:db8::1]\";proto=\"https\""] {
                assert_eq!(forwarded(&format!("{client}, {proxy}")), [Node::Unknown], "{client} {proxy}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(addresses in prop::collection::vec(any::<IpAddr>(), 1..5), port: Option<u16>) {
            let write = |address: &IpAddr| match (address, port) {
                (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
                (IpAddr::V6(address), None) => format!("[{address}]"),
                (address, Some(port)) => format!("{address}:{port}"),
                (address, None) => address.to_string(),
            };
            let expected: Vec<_> = addresses.iter().map(|address| Node::Address(address.to_canonical())).collect();
            let plain: Vec<_> = addresses.iter().map(write).collect();
            prop_assert_eq!(x_forwarded_for(&plain.join(", ")), expected.clone());
            let elements: Vec<_> = plain.iter().map(|node| format!("proto=https;for=\"{node}\"")).collect();
            prop_assert_eq!(forwarded(&elements.join(" , ")), expected);
        }

        /// For any text that a client sends: the last node is the proxy's own, or it is unknown.
        #[test]
        fn the_last_node_is_the_proxys(client in "[ -~]{0,40}", quoted: bool) {
            let own = if quoted { "for=\"[2001:db8::1]:443\"" } else { "for=192.0.2.1" };
            let expected = if quoted { node("2001:db8::1") } else { node("192.0.2.1") };
            let last = forwarded(&format!("{client}, {own}")).pop();
            prop_assert!(last == Some(expected) || last == Some(Node::Unknown), "{last:?}");
            prop_assert_eq!(x_forwarded_for(&format!("{client}, 192.0.2.1:7")).pop(), Some(node("192.0.2.1")));
        }
    }
}
