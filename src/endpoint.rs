//! Addresses of endpoints.

use quotapass_text::EndpointUrl;

/// Returns the address with a scheme, if it is a host and a port without one. Anything else without a scheme is the path
/// of a socket, which has no port.
pub(crate) fn with_scheme(address: &EndpointUrl) -> Option<EndpointUrl> {
    let text = address.expose();
    let has_port = text.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    (has_port && !text.contains('/')).then(|| EndpointUrl::new(format!("http://{text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_with_a_port_lacks_a_scheme() {
        for address in ["127.0.0.1:8545", "localhost:8545", "[::1]:8545"] {
            assert_eq!(with_scheme(&address.into()), Some(EndpointUrl::new(format!("http://{address}"))));
        }
        for address in ["http://127.0.0.1:8545", "/run/geth.ipc", "geth.ipc", "./a:1", "C:\\pipe", "host:99999", ""] {
            assert_eq!(with_scheme(&address.into()), None, "{address}");
        }
    }
}
