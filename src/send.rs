//! Sending a post to a relay.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use quotapass_text::EndpointUrl;
use quotapass_wallet::members::ClientOptions;
use reqwest::{
    Client, Proxy, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect::Policy,
};
use serde::Serialize;
use serde_json::Value;

use super::{
    envelope::Envelope,
    exit_code::ExitKind,
    failure::{Failure, usage},
    output::note,
    text::plain,
};

/// The pause before a post is sent again. It doubles, up to the longest pause.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// A relay that posts are sent to.
pub(super) struct Recipient {
    name: String,
    url: String,
    client: Client,
}

/// A relay's final answer to a post.
pub(super) struct Delivery {
    /// The answer: a verdict, with its details.
    pub(super) answer: Value,
    /// Whether the relay has accepted the post, now or at an earlier attempt.
    pub(super) is_accepted: bool,
}

/// The outcome of one request.
enum Attempt {
    /// The relay will not answer otherwise.
    Final(Value),
    /// The same post may be accepted later.
    Again { answer: Option<Value>, reason: String, pause: Duration, may_be_recorded: bool },
}

impl Recipient {
    pub(super) fn new(relay: &EndpointUrl, options: &ClientOptions) -> Result<Self> {
        Self::of_route(relay, "/v1/verify", options)
    }

    fn of_route(relay: &EndpointUrl, route: &str, options: &ClientOptions) -> Result<Self> {
        let url = format!("{}{route}", relay.expose().trim_end_matches('/'));
        Ok(Self { name: relay.to_string(), url, client: http_client(options)? })
    }

    /// Sends a post, and sends the same post again while the relay may still accept it, for at most this time.
    ///
    /// # Errors
    /// If the relay refuses the request, or gives no answer in this time. The post may have been recorded.
    pub(super) fn deliver(&self, post: &Envelope, patience: Duration) -> Result<Delivery> {
        let body = serde_json::to_string(post)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let begun = Instant::now();
        let (mut pause, mut was_recorded) = (FIRST_PAUSE, false);
        loop {
            let (answer, reason, least) = match runtime.block_on(self.attempt(body.clone()))? {
                Attempt::Final(answer) => {
                    let is_accepted =
                        answer["verdict"] == "accepted" || (answer["verdict"] == "replay" && was_recorded);
                    return Ok(Delivery { answer, is_accepted });
                }
                Attempt::Again { answer, reason, pause, may_be_recorded } => {
                    was_recorded |= may_be_recorded;
                    (answer, reason, pause)
                }
            };
            let wait = pause.max(least);
            // The relay chooses its pause, which may be too long to add to a time.
            if begun.elapsed().saturating_add(wait) > patience {
                return match answer {
                    Some(answer) => Ok(Delivery { answer, is_accepted: false }),
                    None => Err(Failure::new(ExitKind::Endpoint, reason).into()),
                };
            }
            note(format!("{reason}; sending the same post again in {} s.", wait.as_secs()));
            thread::sleep(wait);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, body: String) -> Result<Attempt> {
        let again = |answer, reason, pause, may_be_recorded| Attempt::Again { answer, reason, pause, may_be_recorded };
        let (status, pause, content) = match self.ask(body).await {
            Ok(answered) => answered,
            Err(error) => {
                let reason = format!("{} does not answer ({})", self.name, innermost(&error));
                return Ok(again(None, reason, Duration::ZERO, true));
            }
        };
        let answer: Option<Value> = serde_json::from_slice(&content).ok();
        let text = |field: &str| answer.as_ref().and_then(|answer| answer[field].as_str()).unwrap_or("no reason");
        match (status, text("verdict")) {
            (StatusCode::OK, verdict @ ("overloaded" | "unknown_root")) => {
                let reason = format!("{} answers {verdict}", self.name);
                Ok(again(answer.clone(), reason, pause, verdict == "overloaded"))
            }
            (StatusCode::OK, "no reason") => {
                Err(Failure::new(ExitKind::Endpoint, format!("{} gives no verdict; is it a relay?", self.name)).into())
            }
            (StatusCode::OK, _) => Ok(Attempt::Final(answer.unwrap_or_default())),
            (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE, _) => {
                Ok(again(None, format!("{} is busy ({})", self.name, plain(text("error"))), pause, true))
            }
            _ => {
                let reason =
                    format!("{} answers with status {} ({})", self.name, status.as_u16(), plain(text("error")));
                Err(Failure::new(ExitKind::Endpoint, reason).into())
            }
        }
    }

    /// Sends one request. Returns the status, the pause that the relay asks for, and the body.
    async fn ask(&self, body: String) -> reqwest::Result<(StatusCode, Duration, Vec<u8>)> {
        let request = self.client.post(&self.url).header(CONTENT_TYPE, "application/json").body(body);
        let mut answer = request.send().await?;
        let seconds = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let pause = Duration::from_secs(seconds.unwrap_or(0));
        // No verdict is longer.
        let content = read_body(&mut answer, MAX_ANSWER).await?.unwrap_or_default();
        Ok((answer.status(), pause, content))
    }
}

/// Sends a deletion, an appeal or a report to a relay once, and returns its answer.
///
/// # Errors
/// If the relay does not answer, or refuses. The same request can be sent again.
pub(super) fn submit(
    relay: &EndpointUrl,
    route: &str,
    request: &impl Serialize,
    options: &ClientOptions,
) -> Result<Value> {
    let recipient = Recipient::of_route(relay, route, options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let endpoint = |reason: String| Failure::new(ExitKind::Endpoint, reason);
    let (status, _, content) = runtime
        .block_on(recipient.ask(serde_json::to_string(request)?))
        .map_err(|error| endpoint(format!("{relay} does not answer ({})", innermost(&error))))?;
    let answer: Option<Value> = serde_json::from_slice(&content).ok();
    match (status, answer.filter(|answer| answer["result"].is_string()), said(&content)) {
        (StatusCode::OK, Some(answer), _) => Ok(answer),
        (_, _, Some(said)) if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::new(ExitKind::NotAccepted, said).into())
        }
        (_, _, said) => {
            let said = said.unwrap_or_else(|| "no reason".into());
            Err(endpoint(format!("{relay} answers with status {} ({said}); is it a relay?", status.as_u16())).into())
        }
    }
}

/// Returns what a relay says in an error answer: what is wrong, and what to do. The text is a stranger's.
pub(super) fn said(answer: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(answer).ok()?;
    let parts: Vec<_> = ["error", "hint"].into_iter().filter_map(|field| body[field].as_str()).map(plain).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Returns a client that follows no redirects, with the settings of requests to relays.
pub(super) fn http_client(options: &ClientOptions) -> Result<Client> {
    let mut client = Client::builder().timeout(options.timeout).redirect(Policy::none()).referer(false);
    if let Some(proxy) = &options.proxy {
        client = client.proxy(Proxy::all(proxy.expose()).with_context(|| usage("`members_proxy` is not a proxy"))?);
    }
    client.build().context("cannot set up connections")
}

/// Reads the body of an answer; `None` if it has more than this number of bytes.
pub(super) async fn read_body(answer: &mut Response, limit: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        content.extend_from_slice(&chunk);
        if content.len() > limit {
            return Ok(None);
        }
    }
    Ok(Some(content))
}

impl Delivery {
    /// Formats the answer for people.
    pub(super) fn text(&self) -> String {
        let verdict = plain(self.answer["verdict"].as_str().unwrap_or_default());
        let more = ["detail", "shadow"].map(|field| match self.answer.get(field) {
            Some(value) => format!(", {field} {value}"),
            None => String::new(),
        });
        let earlier = if self.is_accepted && verdict == "replay" { ": an earlier attempt was accepted" } else { "" };
        format!("{verdict}{earlier}{}", more.concat())
    }
}

/// Returns the innermost cause, which says more than the outer ones.
pub(super) fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _, Write as _},
        net::TcpListener,
    };

    use serde_json::json;

    use super::*;

    #[test]
    fn a_relay_says_what_to_do_and_cannot_write_on_the_screen() {
        let answer = br#"{"error":"the post is unknown\u001b[2J","hint":"ask the relay that accepted it"}"#;
        let expected = "the post is unknown\\u{1b}[2J; ask the relay that accepted it";
        assert_eq!(said(answer).as_deref(), Some(expected));
        assert_eq!((said(b"{}"), said(b"<html>")), (None, None));
    }

    /// Answers each request with this header and an empty object. Returns the address.
    fn busy(header: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut reader = BufReader::new(connection.unwrap());
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                reader.read_exact(&mut vec![0; length]).unwrap();
                let answer =
                    format!("HTTP/1.1 503 Busy\r\n{header}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
                reader.get_mut().write_all(answer.as_bytes()).unwrap();
            }
        });
        url
    }

    #[test]
    fn a_pause_of_any_length_ends_in_a_refusal() {
        let post: Envelope =
            serde_json::from_value(json!({ "scope": "lobby", "message": "hi", "pass": "AA" })).unwrap();
        for (header, patience) in [
            ("retry-after: 18446744073709551615", Duration::from_secs(60)),
            ("retry-after: 18446744073709551615", Duration::from_secs(u64::MAX - 1)),
            ("retry-after: 99999999999999999999999", Duration::ZERO),
            ("retry-after: soon", Duration::ZERO),
        ] {
            let recipient = Recipient::new(&busy(header).as_str().into(), &ClientOptions::default()).unwrap();
            let Err(refused) = recipient.deliver(&post, patience) else { panic!("{header}: delivered") };
            assert!(refused.to_string().contains("is busy"), "{header}: {refused}");
        }
    }
}
