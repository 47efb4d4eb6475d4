//! Files of pages: compressed once, and kept by browsers.

use std::io::Write as _;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest, Sha256};

/// Number of hexadecimal digits of a version.
const VERSION_DIGITS: usize = 16;
/// A compressed file is kept if its size is at most this part of the size of the file: nine tenths.
const WORTHWHILE: (usize, usize) = (9, 10);

/// How long a browser may use a file that it has without a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// Never: it asks each time, and gets status 304 if the file is unchanged.
    Revalidated,
    /// A year. Use it only for addresses that contain the file's [version](Asset::version).
    Immutable,
}

impl Freshness {
    const fn cache_control(self) -> &'static str {
        match self {
            Self::Revalidated => "no-cache",
            Self::Immutable => "public, max-age=31536000, immutable",
        }
    }
}

/// A file of a page, with its entity tag. It is compressed once, with gzip, if that makes it smaller.
#[derive(Clone, Debug)]
pub struct Asset {
    content_type: &'static str,
    content: Bytes,
    compressed: Option<Bytes>,
    version: String,
}

impl Asset {
    /// Creates a file, and compresses it.
    pub fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let asset = Self::incompressible(content_type, content);
        let (part, whole) = WORTHWHILE;
        let compressed = compress(&asset.content).filter(|it| it.len() * whole <= asset.content.len() * part);
        Self { compressed: compressed.map(Bytes::from), ..asset }
    }

    /// Creates a file that compression makes no smaller, for example a key.
    pub fn incompressible(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let mut version = hex::encode(Sha256::digest(&content));
        version.truncate(VERSION_DIGITS);
        Self { content_type, content, compressed: None, version }
    }

    /// The first 16 hexadecimal digits of the content's SHA-256.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the answer to a request with these headers: the file, compressed if the client accepts gzip, or status 304
    /// if the client has the file already.
    pub fn answer(&self, headers: &HeaderMap, freshness: Freshness) -> Response {
        let compressed = self.compressed.as_ref().filter(|_| accepts_gzip(headers));
        // The tags differ, because a strong tag names the bytes as they are sent.
        let tag = if compressed.is_some() { self.tag("-gzip") } else { self.tag("") };
        let common = [
            (header::ETAG, tag),
            (header::CACHE_CONTROL, freshness.cache_control().into()),
            (header::VARY, "accept-encoding".into()),
        ];
        if self.is_known(headers) {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let content = compressed.unwrap_or(&self.content).clone();
        let mut response = (common, [(header::CONTENT_TYPE, self.content_type)], content).into_response();
        if compressed.is_some() {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }

    fn tag(&self, ending: &str) -> String {
        format!("\"{}{ending}\"", self.version)
    }

    /// Whether the client has the file, in either form.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let tags = [self.tag(""), self.tag("-gzip")];
        elements(headers, &header::IF_NONE_MATCH).any(|known| {
            let known = known.strip_prefix("W/").unwrap_or(known);
            known == "*" || tags.iter().any(|tag| tag == known)
        })
    }
}

/// Returns the elements of a header that is a list separated by commas.
fn elements<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Whether a client accepts gzip (RFC 9110, section 12.5.3). A weight of zero refuses a coding, and `*` stands for all
/// codings that are not listed.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut others) = (None, None);
    for element in elements(headers, &header::ACCEPT_ENCODING) {
        let mut parts = element.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let is_accepted = weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0));
        if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
            gzip = Some(is_accepted);
        } else if coding == "*" {
            others = Some(is_accepted);
        }
    }
    gzip.or(others).unwrap_or(false)
}

/// Compresses with gzip. Writing to memory does not fail; if it did, the file would be sent as it is.
fn compress(content: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).and_then(|()| encoder.finish()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    const TEXT: &str = "A text that repeats itself. A text that repeats itself. A text that repeats itself.";

    fn headers(values: &[(header::HeaderName, &str)]) -> HeaderMap {
        values.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
    }

    fn value<'a>(response: &'a Response, name: &header::HeaderName) -> &'a str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn body(response: Response) -> Vec<u8> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(axum::body::to_bytes(response.into_body(), 1 << 20)).unwrap().into()
    }

    #[test]
    fn is_compressed_for_clients_that_accept_gzip() {
        let asset = Asset::new("text/plain", TEXT);
        for accepted in ["gzip", "br, gzip;q=0.5", "GZIP", "x-gzip", "*", "br;q=1.0, *;q=0.1"] {
            let answer = asset.answer(&headers(&[(header::ACCEPT_ENCODING, accepted)]), Freshness::Revalidated);
            assert_eq!(value(&answer, &header::CONTENT_ENCODING), "gzip", "{accepted}");
            assert_eq!(value(&answer, &header::VARY), "accept-encoding");
            let bytes = body(answer);
            assert!(bytes.len() < TEXT.len());
            let mut text = String::new();
            GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
            assert_eq!(text, TEXT);
        }
        for refused in ["", "br", "gzip;q=0", "gzip; q=0.000, *", "*;q=0", "gzip;q=x", "identity"] {
            let answer = asset.answer(&headers(&[(header::ACCEPT_ENCODING, refused)]), Freshness::Revalidated);
            assert_eq!(value(&answer, &header::CONTENT_ENCODING), "", "{refused}");
            assert_eq!(value(&answer, &header::VARY), "accept-encoding");
            assert_eq!(body(answer), TEXT.as_bytes());
        }
    }

    #[test]
    fn a_file_that_does_not_become_smaller_is_sent_as_it_is() {
        let gzip = headers(&[(header::ACCEPT_ENCODING, "gzip")]);
        for asset in [Asset::new("text/plain", "short"), Asset::incompressible("text/plain", TEXT)] {
            assert_eq!(value(&asset.answer(&gzip, Freshness::Revalidated), &header::CONTENT_ENCODING), "");
        }
    }

    #[test]
    fn a_client_that_has_the_file_gets_no_content() {
        let asset = Asset::new("text/plain", TEXT);
        let sent = asset.answer(&headers(&[(header::ACCEPT_ENCODING, "gzip")]), Freshness::Revalidated);
        let plain = asset.answer(&HeaderMap::new(), Freshness::Revalidated);
        let (tag, plain_tag) = (value(&sent, &header::ETAG), value(&plain, &header::ETAG));
        assert_ne!(tag, plain_tag);
        assert_eq!(plain_tag, format!("\"{}\"", asset.version()));
        for known in [tag, plain_tag, &format!("W/{tag}"), &format!("\"other\", {tag}"), "*"] {
            let answer = asset.answer(&headers(&[(header::IF_NONE_MATCH, known)]), Freshness::Revalidated);
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{known}");
            assert_eq!(value(&answer, &header::CACHE_CONTROL), "no-cache");
            assert!(body(answer).is_empty());
        }
        let other = Asset::new("text/plain", TEXT.to_uppercase());
        for unknown in [value(&other.answer(&HeaderMap::new(), Freshness::Revalidated), &header::ETAG), asset.version()]
        {
            let answer = asset.answer(&headers(&[(header::IF_NONE_MATCH, unknown)]), Freshness::Revalidated);
            assert_eq!(answer.status(), StatusCode::OK, "{unknown}");
        }
    }

    #[test]
    fn an_immutable_file_is_kept_for_a_year() {
        let asset = Asset::new("text/plain", TEXT);
        let answer = asset.answer(&HeaderMap::new(), Freshness::Immutable);
        assert_eq!(value(&answer, &header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(value(&answer, &header::CONTENT_TYPE), "text/plain");
        assert_eq!(asset.version().len(), VERSION_DIGITS);
    }
}
