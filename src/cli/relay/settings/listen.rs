//! `[listen]`.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderName, uri::Authority};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::relay::http::{ForwardedHeader, HttpSettings};

/// `[listen]`: where HTTP is answered, and to whom.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenSection {
    pub(super) address: SocketAddr,
    pub(super) cors: bool,
    #[serde(deserialize_with = "networks")]
    pub(super) trusted_proxies: Vec<IpNet>,
    pub(super) forwarded_header: ForwardedHeader,
    #[serde(deserialize_with = "header")]
    pub(super) source_header: Option<HeaderName>,
    pub(super) proxy_protocol: bool,
    #[serde(deserialize_with = "hosts")]
    pub(super) hosts: Vec<String>,
    #[serde(deserialize_with = "networks")]
    pub(super) metrics_from: Vec<IpNet>,
}

impl Default for ListenSection {
    fn default() -> Self {
        let HttpSettings {
            cors, trusted_proxies, forwarded, source_header, proxy_protocol, hosts, metrics_from, ..
        } = HttpSettings::default();
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8480)),
            cors,
            trusted_proxies,
            forwarded_header: forwarded,
            source_header,
            proxy_protocol,
            hosts,
            metrics_from,
        }
    }
}

impl ListenSection {
    /// What is wrong. What only proxies may say is refused where none is trusted, for it would never count.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        let of_proxies = [
            (self.proxy_protocol, "proxy_protocol"),
            (self.source_header.is_some(), "source_header"),
            (self.forwarded_header != ForwardedHeader::default(), "forwarded_header"),
        ];
        match of_proxies.into_iter().find(|(is_set, _)| *is_set) {
            Some((_, name)) if self.trusted_proxies.is_empty() => anyhow::bail!(
                "[listen] has `{name}` and no `trusted_proxies` that are believed; list the proxies, or leave it out"
            ),
            _ => Ok(()),
        }
    }
}

/// The name of a header that is for nothing else.
fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let name = text.parse::<HeaderName>();
    let name = name.map_err(|_| {
        D::Error::custom(format!("`{text}` is no name of a header; write one such as Quotapass-Source"))
    })?;
    if ["forwarded", "x-forwarded-for", "host", "cookie", "authorization", "accept", "content-type", "content-length"]
        .contains(&name.as_str())
    {
        return Err(D::Error::custom(format!(
            "the header `{text}` is for something else; write one of your own, such as Quotapass-Source"
        )));
    }
    Ok(Some(name))
}

/// Names of hosts, without ports; or `*`.
fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let read = |text: String| {
        let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
        let is_name =
            name.parse::<Authority>().is_ok_and(|authority| authority.host() == name && !name.starts_with('['));
        if is_name {
            return Ok(name);
        }
        Err(D::Error::custom(format!(
            "`{text}` is no name of a host; write one such as relay.example, without a port, or \"*\" for any"
        )))
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// A network such as `10.0.0.0/8`, or a single address.
pub(super) fn network_of(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| format!("`{text}` is neither a network such as 10.0.0.0/8 nor an address such as 10.0.0.1"))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| network_of(text).map_err(D::Error::custom)).collect()
}
