//! The text formats of metrics, and the choice of one by `Accept`.

use core::{cmp::Ordering, fmt};

use axum::http::{HeaderMap, header};
use prometheus_client::{encoding::text, registry::Registry};

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exposition {
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
    /// Prometheus's own text format, version 0.0.4.
    PrometheusText,
}

impl Exposition {
    /// Returns the format with the higher weight. With equal weights, that is OpenMetrics if the request names it, and
    /// otherwise Prometheus's format.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let ranges = || {
            let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).filter_map(Range::read)
        };
        // The most specific range that matches a format gives its weight.
        let weight = |kind: &str, name: &str, version: &str| {
            let matching = ranges().filter_map(|range| Some((range.specificity(kind, name, version)?, range.weight)));
            matching.max_by_key(|(specificity, weight)| (*specificity, *weight)).map_or(0, |(_, weight)| weight)
        };
        let open = weight("application", "openmetrics-text", "1.0.0");
        match open.cmp(&weight("text", "plain", "0.0.4")) {
            Ordering::Greater => Self::OpenMetrics,
            Ordering::Equal if open > 0 && ranges().any(|range| range.name == "openmetrics-text") => Self::OpenMetrics,
            _ => Self::PrometheusText,
        }
    }

    pub(super) const fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::PrometheusText => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Encodes all metrics of a registry.
    ///
    /// # Errors
    /// If a metric cannot be written.
    pub(super) fn encode(self, registry: &Registry) -> Result<String, fmt::Error> {
        let mut open = String::new();
        text::encode(&mut open, registry)?;
        Ok(match self {
            Self::OpenMetrics => open,
            Self::PrometheusText => prometheus_text(&open),
        })
    }
}

/// A media range of `Accept`.
struct Range<'a> {
    kind: &'a str,
    name: &'a str,
    version: Option<&'a str>,
    /// The `q` value in thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    /// Parses a media range; returns `None` if it is invalid.
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, name) = parts.next()?.split_once('/')?;
        let mut range = Self { kind, name, version: None, weight: 1_000 };
        for parameter in parts {
            let (name, value) = parameter.split_once('=')?;
            match name {
                "q" => {
                    range.weight =
                        value.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)).map(|q| (q * 1e3) as u16)?
                }
                "version" => range.version = Some(value.trim_matches('"')),
                _ => {}
            }
        }
        Some(range)
    }

    /// Returns how specifically the range names a type; `None` if it does not match.
    fn specificity(&self, kind: &str, name: &str, version: &str) -> Option<u8> {
        let is = |own: &str, given: &str| own == "*" || own.eq_ignore_ascii_case(given);
        let matches = is(self.kind, kind) && is(self.name, name) && self.version.is_none_or(|own| own == version);
        let named = [self.kind != "*", self.name != "*", self.version.is_some()];
        matches.then(|| named.into_iter().map(u8::from).sum())
    }
}

/// Converts OpenMetrics text to Prometheus's format. There, a counter's family has the name of its samples, an info is
/// a gauge, an unknown type is `untyped`, and units and the end marker do not exist.
fn prometheus_text(open: &str) -> String {
    let mut lines = String::with_capacity(open.len());
    let mut help = None;
    for line in open.lines() {
        if let Some(of) = line.strip_prefix("# HELP ") {
            // The name in this line depends on the type, which follows in the next line.
            help = of.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|of| of.split_once(' ')) {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                _ => ("", kind),
            };
            if let Some((_, help)) = help.take() {
                lines += &format!("# HELP {name}{suffix} {help}\n");
            }
            lines += &format!("# TYPE {name}{suffix} {kind}\n");
        } else if !line.starts_with('#') {
            lines += line;
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        metrics::{counter::Counter, gauge::Gauge, histogram::Histogram, info::Info},
        registry::Unit,
    };

    use super::*;

    fn of(accept: &[&str]) -> Exposition {
        Exposition::of(&accept.iter().map(|value| (header::ACCEPT, value.parse().unwrap())).collect())
    }

    #[test]
    fn the_format_is_what_is_asked_for() {
        use Exposition::{OpenMetrics, PrometheusText};
        // Prometheus 2 and 3, curl, a browser.
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                          text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(of(&[prometheus]), OpenMetrics);
        let escaping = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                        text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(of(&[escaping]), OpenMetrics);
        assert_eq!(of(&["*/*"]), PrometheusText);
        assert_eq!(of(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]), PrometheusText);
        assert_eq!(of(&[]), PrometheusText);
        assert_eq!(of(&["text/plain;version=0.0.4"]), PrometheusText);
        assert_eq!(of(&["text/plain", "application/openmetrics-text"]), OpenMetrics);
        assert_eq!(of(&["application/openmetrics-text; version=1.0.0; q=0.1, text/plain; q=0.2"]), PrometheusText);
        assert_eq!(of(&["application/openmetrics-text; q=0, */*"]), PrometheusText);
        assert_eq!(of(&["application/openmetrics-text; version=\"1.0.0\""]), OpenMetrics);
        for garbage in
            ["", ";", "a/b;q=2", "application/openmetrics-text;q=x", "application/openmetrics-text;version=2.0.0"]
        {
            assert_eq!(of(&[garbage]), PrometheusText, "{garbage}");
        }
    }

    #[test]
    fn both_formats_say_the_same_in_their_own_words() {
        let mut registry = Registry::with_prefix("quotapass");
        registry.register("posts", "Posts", Counter::<u64>::default());
        registry.register_with_unit("wait", "Waiting", Unit::Seconds, Histogram::new([1.0]));
        registry.register("members", "Members", Gauge::<i64>::default());
        registry.register("build", "The program", Info::new([("version", "1.2.3")]));
        let open = Exposition::OpenMetrics.encode(&registry).unwrap();
        assert!(open.contains("# TYPE quotapass_posts counter\n") && open.ends_with("# EOF\n"), "{open}");
        assert_eq!(
            Exposition::PrometheusText.encode(&registry).unwrap(),
            "# HELP quotapass_posts_total Posts.\n# TYPE quotapass_posts_total counter\nquotapass_posts_total 0\n\
             # HELP quotapass_wait_seconds Waiting.\n# TYPE quotapass_wait_seconds histogram\n\
             quotapass_wait_seconds_sum 0.0\nquotapass_wait_seconds_count 0\n\
             quotapass_wait_seconds_bucket{le=\"1.0\"} 0\nquotapass_wait_seconds_bucket{le=\"+Inf\"} 0\n\
             # HELP quotapass_members Members.\n# TYPE quotapass_members gauge\nquotapass_members 0\n\
             # HELP quotapass_build_info The program.\n# TYPE quotapass_build_info gauge\n\
             quotapass_build_info{version=\"1.2.3\"} 1\n"
        );
    }
}
