//! The source addresses of posts.
//!
//! All requests come from this machine, but a relay distinguishes senders by address. So each request states a source
//! address in `X-Forwarded-For`, which the relay trusts if this machine is one of its trusted proxies. The relays that
//! the benchmark starts or prepares have this setting.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The source addresses of forgeries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgers {
    /// This number of addresses in turn, each in a different /24.
    Addresses(u32),
    /// The 256 prefixes of 64 bits of one home line's /56.
    Home,
    /// The addresses of the honest posts.
    Within,
}

impl FromStr for Forgers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "home" => Ok(Self::Home),
            "within" => Ok(Self::Within),
            number => match number.parse() {
                Ok(count) if (1..=MOST_FORGERS).contains(&count) => Ok(Self::Addresses(count)),
                _ => Err(format!("write `home`, `within`, or a number of addresses from 1 to {MOST_FORGERS}")),
            },
        }
    }
}

/// The number of /24 networks in the reserved block 240.0.0.0/4.
const MOST_FORGERS: u32 = 1 << 20;
const FORGERS: Ipv4Addr = Ipv4Addr::new(240, 0, 0, 1);
const HONEST: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// The first address of 2001:db8:1:100::/56, a prefix for documentation.
const HOME: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0x100, 0, 0, 0, 1);

/// The source addresses of all posts.
#[derive(Clone, Copy, Debug)]
pub struct Sources {
    /// The number of addresses of honest posts, each in a different /24.
    pub honest: u16,
    /// The addresses of forgeries.
    pub forgers: Forgers,
}

impl Sources {
    /// Returns the address of the honest request of this number.
    pub(crate) fn honest(&self, number: u32) -> IpAddr {
        network(HONEST, number % u32::from(self.honest.max(1)))
    }

    /// Returns the address of the forged request of this number.
    pub(crate) fn forged(&self, number: u32) -> IpAddr {
        match self.forgers {
            Forgers::Addresses(count) => network(FORGERS, number % count.max(1)),
            Forgers::Home => Ipv6Addr::from_bits(HOME.to_bits() + (u128::from(number % 256) << 64)).into(),
            Forgers::Within => self.honest(number),
        }
    }
}

/// Returns the same host address in the /24 of this number.
fn network(first: Ipv4Addr, number: u32) -> IpAddr {
    Ipv4Addr::from_bits(first.to_bits().wrapping_add(number << 8)).into()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sources(forgers: &str) -> Sources {
        Sources { honest: 64, forgers: forgers.parse().unwrap() }
    }

    #[test]
    fn forgers_read() {
        assert_eq!("16".parse(), Ok(Forgers::Addresses(16)));
        assert_eq!("home".parse(), Ok(Forgers::Home));
        for text in ["0", "-1", "2000000", "house", ""] {
            assert!(text.parse::<Forgers>().is_err(), "{text}");
        }
    }

    #[test]
    fn there_are_as_many_addresses_as_asked() {
        let count = |of: &dyn Fn(u32) -> IpAddr| (0..200_000).map(of).collect::<HashSet<_>>().len();
        assert_eq!(count(&|number| sources("1").honest(number)), 64);
        assert_eq!(count(&|number| sources("70000").forged(number)), 70_000);
        assert_eq!(count(&|number| sources("home").forged(number)), 256);
        assert_eq!(sources("home").forged(255).to_string(), "2001:db8:1:1ff::1");
        assert_eq!(sources("within").forged(3), sources("1").honest(3));
        assert_eq!(sources("70000").forged(69_999).to_string(), "241.17.111.1");
    }
}
