//! Sources of posts.

use core::{
    fmt, iter,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};
use std::sync::Arc;

/// Prefix lengths at which an IPv4 address is judged: the host, and the block around it.
const V4_BITS: [u8; 2] = [32, 24];
/// Prefix lengths at which an IPv6 address is judged: one link, whose addresses may all belong to one host; one
/// customer; one site or a small provider.
const V6_BITS: [u8; 3] = [64, 56, 48];

/// A source of posts. `Debug` does not reveal it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Source(Kind);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Kind {
    /// The addresses that begin with the first `bits` bits of this one; the other bits are zero.
    Block {
        first: IpAddr,
        bits: u8,
    },
    Name(Arc<str>),
}

impl Source {
    /// Returns the source of a network address: the whole address for IPv4, the first 64 bits for IPv6, because one
    /// host has the rest.
    pub fn address(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self::block(address, lengths(address)[0])
    }

    /// Returns the source for a name from a trusted caller, for example the peer of a gossip node.
    pub fn name(name: impl Into<Arc<str>>) -> Self {
        Self(Kind::Name(name.into()))
    }

    fn block(address: IpAddr, bits: u8) -> Self {
        let first = match address {
            IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() & (u32::MAX << (32 - bits))).into(),
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))).into(),
        };
        Self(Kind::Block { first, bits })
    }

    /// Returns the source itself and the blocks of addresses around it, narrowest first: /64, /56 and /48 for IPv6, the
    /// address and its /24 for IPv4. A name has no block.
    pub(super) fn levels(&self) -> impl Iterator<Item = Self> + use<> {
        let wider: Vec<Self> = match self.0 {
            Kind::Block { first, bits } => {
                let wider = lengths(first).iter().filter(|length| **length < bits);
                wider.map(|length| Self::block(first, *length)).collect()
            }
            Kind::Name(_) => Vec::new(),
        };
        iter::once(self.clone()).chain(wider)
    }

    /// Returns the widest of its [levels](Self::levels).
    pub(super) fn widest(&self) -> Self {
        self.levels().last().unwrap_or_else(|| self.clone())
    }
}

fn lengths(address: IpAddr) -> &'static [u8] {
    match address {
        IpAddr::V4(_) => &V4_BITS,
        IpAddr::V6(_) => &V6_BITS,
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Source {
        Source::address(text.parse().unwrap())
    }

    #[test]
    fn one_host_is_one_source() {
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
        assert_ne!(address("192.0.2.1"), Source::name("192.0.2.1"));
        assert_eq!(format!("{:?}", address("192.0.2.1")), "Source(..)");
    }

    #[test]
    fn neighbours_share_their_wider_blocks() {
        let shared = |a: &str, b: &str| {
            let (a, b) = (address(a).levels().collect::<Vec<_>>(), address(b).levels().collect::<Vec<_>>());
            a.iter().zip(&b).map(|(a, b)| a == b).collect::<Vec<_>>()
        };
        assert_eq!(shared("2001:db8:1:100::1", "2001:db8:1:1ff::1"), [false, true, true]);
        assert_eq!(shared("2001:db8:1:100::1", "2001:db8:1:200::1"), [false, false, true]);
        assert_eq!(shared("2001:db8:1:100::1", "2001:db8:2:100::1"), [false, false, false]);
        assert_eq!(shared("192.0.2.1", "192.0.2.200"), [false, true]);
        assert_eq!(shared("192.0.2.1", "192.0.3.1"), [false, false]);
        assert_eq!(address("192.0.2.1").widest(), address("192.0.2.9").widest());
        assert_eq!(Source::name("a").levels().collect::<Vec<_>>(), [Source::name("a")]);
    }
}
