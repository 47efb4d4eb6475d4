//! The PROXY protocol, versions 1 and 2: the client's address on a connection from a proxy that does not speak HTTP.

use core::net::IpAddr;
use std::io;

use bytes::{Bytes, BytesMut};
use proxy_header::{Error, ParseConfig, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Maximum size of a header in bytes. Addresses take at most 232 bytes; the rest is for fields that proxies add in
/// version 2.
const MAX_BYTES: usize = 4_096;

/// Errors of reading a header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IntroductionError {
    /// The bytes are not a header of either version, or the header is too long.
    #[error("the connection does not begin with a PROXY protocol header; configure the proxy to send it")]
    Missing,
    /// The connection ended within the header.
    #[error("the connection ended within the PROXY protocol header: {0}; connect again")]
    Broken(#[from] io::Error),
}

/// The content of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// The client's address; `None` if the proxy connects for itself, or does not know the client.
    pub client: Option<IpAddr>,
    /// Length of the header in bytes.
    pub length: usize,
}

/// Reads a header from the beginning of the bytes. Returns `None` if the header may be incomplete.
///
/// # Errors
/// [`IntroductionError::Missing`] if the bytes cannot be the beginning of a header.
pub fn parse(bytes: &[u8]) -> Result<Option<Introduction>, IntroductionError> {
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, length)) => {
            let client = header.proxied_address().map(|addresses| addresses.source.ip().to_canonical());
            Ok(Some(Introduction { client, length }))
        }
        Err(Error::BufferTooShort) if bytes.len() < MAX_BYTES => Ok(None),
        Err(_) => Err(IntroductionError::Missing),
    }
}

/// Receives a header. Returns the client, and the bytes received after the header. There is no timeout.
///
/// # Errors
/// If there is no header, or the connection ends within it.
pub(super) async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<(Option<IpAddr>, Bytes), IntroductionError> {
    let mut received = BytesMut::with_capacity(512);
    loop {
        if let Some(Introduction { client, length }) = parse(&received)? {
            let rest = received.split_off(length);
            return Ok((client, rest.freeze()));
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use proptest::prelude::*;
    use proxy_header::{ProxiedAddress, Tlv};

    use super::*;

    fn read(bytes: &[u8]) -> Option<Introduction> {
        parse(bytes).unwrap()
    }

    #[test]
    fn both_versions_are_read_and_nothing_else() {
        let client = |text: &str| Some(text.parse().unwrap());
        let line = "PROXY TCP4 192.0.2.1 10.0.0.1 4000 80\r\n";
        let expected = Introduction { client: client("192.0.2.1"), length: line.len() };
        assert_eq!(read(format!("{line}GET / HTTP/1.1\r\n").as_bytes()), Some(expected));
        let line = "PROXY TCP6 ::ffff:192.0.2.1 ::1 4000 80\r\n";
        assert_eq!(read(line.as_bytes()).unwrap().client, client("192.0.2.1"));
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), Some(Introduction { client: None, length: 15 }));
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        assert_eq!(read(local), Some(Introduction { client: None, length: 16 }));
        for other in [
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
            "POST /v1/verify HTTP/1.1\r\nhost: relay\r\n\r\n",
            "PROXY TCP4 192.0.2.256 10.0.0.1 4000 80\r\n",
            "PROXY TCP5 192.0.2.1 10.0.0.1 4000 80\r\n",
            "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n",
        ] {
            assert!(parse(other.as_bytes()).is_err(), "{other}");
        }
        assert!(parse(format!("PROXY TCP4 {}", "1".repeat(200)).as_bytes()).is_err());
        let long = [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"[..], &[0; MAX_BYTES]].concat();
        assert!(parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(source: SocketAddr, to: SocketAddr, id: Vec<u8>, body in "[ -~]{0,20}") {
            // Both addresses of a header are of one family.
            let destination = SocketAddr::new(if source.is_ipv4() { [10, 0, 0, 1].into() } else { IpAddr::from([1; 16]) }, to.port());
            let mut header = ProxyHeader::with_address(ProxiedAddress::stream(source, destination));
            let (mut first, mut second) = (Vec::new(), Vec::new());
            header.encode_v1(&mut first).unwrap();
            header.append_tlv(Tlv::UniqueId(id.into()));
            header.encode_v2(&mut second).unwrap();
            for header in [first, second] {
                let expected = Introduction { client: Some(source.ip().to_canonical()), length: header.len() };
                let sent = [&header, body.as_bytes()].concat();
                prop_assert_eq!(read(&sent), Some(expected));
                for end in 0..header.len() {
                    prop_assert_eq!(read(&header[..end]), None);
                }
                let mut stream = &sent[..];
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let (client, rest) = runtime.block_on(receive(&mut stream)).unwrap();
                prop_assert_eq!((client, &*rest, stream.len()), (expected.client, body.as_bytes(), 0));
            }
        }

        #[test]
        fn no_bytes_are_too_much(bytes: Vec<u8>, version: u8) {
            let begin: &[u8] = match version % 3 { 0 => b"", 1 => b"PROXY TCP4 ", _ => b"\r\n\r\n\0\r\nQUIT\n" };
            let bytes = [begin, &bytes].concat();
            if let Ok(Some(introduction)) = parse(&bytes) {
                prop_assert!(introduction.length <= bytes.len());
            }
        }
    }
}
