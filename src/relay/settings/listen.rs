//! `[listen]`.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderName, uri::Authority};
use ipnet::IpNet;
use quotapass_relay::http::{ForwardedHeader, HttpSettings};
use serde::{Deserialize, Deserializer, de::Error as _};

/// `[listen]`: the address of the HTTP service, and its clients.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenSection {
    pub(super) address: SocketAddr,
    cors: bool,
    #[serde(deserialize_with = "networks")]
    trusted_proxies: Vec<IpNet>,
    forwarded_header: ForwardedHeader,
    #[serde(deserialize_with = "header")]
    source_header: Option<HeaderName>,
    proxy_protocol: bool,
    #[serde(deserialize_with = "hosts")]
    hosts: Vec<String>,
    #[serde(deserialize_with = "networks")]
    metrics_from: Vec<IpNet>,
    #[serde(deserialize_with = "networks")]
    pattern_scopes_from: Vec<IpNet>,
}

impl Default for ListenSection {
    fn default() -> Self {
        let HttpSettings {
            cors,
            trusted_proxies,
            forwarded,
            source_header,
            proxy_protocol,
            hosts,
            metrics_from,
            pattern_scopes_from,
            ..
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
            pattern_scopes_from,
        }
    }
}

impl ListenSection {
    /// Adds these settings to the limits.
    pub(super) fn http(self, limits: HttpSettings) -> HttpSettings {
        HttpSettings {
            cors: self.cors,
            trusted_proxies: self.trusted_proxies,
            forwarded: self.forwarded_header,
            source_header: self.source_header,
            proxy_protocol: self.proxy_protocol,
            hosts: self.hosts,
            metrics_from: self.metrics_from,
            pattern_scopes_from: self.pattern_scopes_from,
            ..limits
        }
    }

    /// Checks that the settings are consistent. Settings for proxies are refused without trusted proxies, because they
    /// would have no effect.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        let of_proxies = [
            (self.proxy_protocol, "proxy_protocol"),
            (self.source_header.is_some(), "source_header"),
            (self.forwarded_header != ForwardedHeader::default(), "forwarded_header"),
        ];
        match of_proxies.into_iter().find(|(is_set, _)| *is_set) {
            Some((_, name)) if self.trusted_proxies.is_empty() => {
                anyhow::bail!("[listen] has `{name}` but no `trusted_proxies`; list the proxies, or leave `{name}` out")
            }
            _ => Ok(()),
        }
    }
}

/// Reads the name of a header that has no other purpose.
fn header<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let name = text.parse::<HeaderName>();
    let name = name.map_err(|_| {
        D::Error::custom(format!("`{text}` is not the name of a header; write one such as Quotapass-Source"))
    })?;
    if ["forwarded", "x-forwarded-for", "host", "cookie", "authorization", "accept", "content-type", "content-length"]
        .contains(&name.as_str())
    {
        return Err(D::Error::custom(format!(
            "the header `{text}` has another purpose; write a separate one, such as Quotapass-Source"
        )));
    }
    Ok(Some(name))
}

/// Reads host names without ports, or `*`.
fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let read = |text: String| {
        let name = text.strip_suffix('.').unwrap_or(&text).to_ascii_lowercase();
        let is_name =
            name.parse::<Authority>().is_ok_and(|authority| authority.host() == name && !name.starts_with('['));
        if is_name {
            return Ok(name);
        }
        Err(D::Error::custom(format!(
            "`{text}` is not a host name; write one such as relay.example, without a port, or \"*\" for any"
        )))
    };
    Vec::<String>::deserialize(deserializer)?.into_iter().map(read).collect()
}

/// Parses a network such as `10.0.0.0/8`, or a single address.
pub(super) fn network_of(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    network.map_err(|_| format!("`{text}` is neither a network such as 10.0.0.0/8 nor an address such as 10.0.0.1"))
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| network_of(text).map_err(D::Error::custom)).collect()
}
