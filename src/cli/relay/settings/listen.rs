//! `[listen]`.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::relay::http::HttpSettings;

/// `[listen]`: where HTTP is answered, and to whom.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenSection {
    pub(super) address: SocketAddr,
    pub(super) cors: bool,
    #[serde(deserialize_with = "networks")]
    pub(super) trusted_proxies: Vec<IpNet>,
    #[serde(deserialize_with = "networks")]
    pub(super) metrics_from: Vec<IpNet>,
}

impl Default for ListenSection {
    fn default() -> Self {
        let HttpSettings { cors, trusted_proxies, metrics_from, .. } = HttpSettings::default();
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8480)), cors, trusted_proxies, metrics_from }
    }
}

/// Networks such as `10.0.0.0/8`, and single addresses.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let read = |text: String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| {
            D::Error::custom(format!(
                "`{text}` is neither a network such as 10.0.0.0/8 nor an address such as 10.0.0.1"
            ))
        })
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}
