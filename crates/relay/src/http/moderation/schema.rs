//! The OpenAPI schemas of requests and answers, whose types are in `quotapass_protocol::moderation`.
#![allow(dead_code, reason = "describes types of another crate")]

use utoipa::ToSchema;

/// The entry of an accepted post: 64 hexadecimal digits each.
#[derive(ToSchema)]
#[schema(as = PostEntry)]
pub(super) struct EntrySchema {
    /// The signal hash.
    x: String,
    /// The ordinate of the share.
    y: String,
    /// The nullifier.
    nullifier: String,
}

/// A report of a post.
#[derive(ToSchema)]
#[schema(as = ReportRequest)]
pub(super) struct ReportSchema {
    /// The name of the scope of the reported post.
    scope: String,
    /// The nullifier of the reported post, 64 hexadecimal digits.
    nullifier: String,
    /// The report's own pass in base64url without padding: a post in the scope `report/<scope>/<nullifier>`, whose message
    /// is the reported nullifier (32 bytes).
    pass: String,
    /// The reporter's time, such as `2026-11-27T20:00:00Z`.
    time: String,
    /// The body in base64url without padding, at most 64 KiB: the JSON of a report, encrypted with age to the scope's
    /// recipients, or in clear with a reason alone.
    body: String,
    /// The proof of the statement `author` about the entry of the report's own pass, for an action of kind 3 whose body is
    /// the SHA-256 of the body: 128 bytes in base64url without padding.
    proof: String,
}

/// An action of the author of a post.
#[derive(ToSchema)]
#[schema(as = AuthorRequest)]
pub(super) struct AuthorSchema {
    /// The name of the post's scope.
    scope: String,
    /// The post.
    entry: EntrySchema,
    /// The author's time, such as `2026-11-27T20:00:00Z`. It exceeds that of the post's last action.
    time: String,
    /// `delete` or `appeal`.
    kind: String,
    /// The text of an appeal, at most 4,000 bytes.
    #[schema(required = false)]
    text: String,
    /// The proof of the statement `author`: 128 bytes in base64url without padding.
    proof: String,
}

/// What became of a request.
#[derive(ToSchema)]
#[schema(as = ActionAnswer)]
pub(super) struct AnswerSchema {
    /// `accepted`, or `repeated` if it was carried out before.
    result: String,
}

/// An error, with the verdict on the report's pass if that is the reason.
#[derive(ToSchema)]
#[schema(as = RefusedBody)]
pub(super) struct RefusedSchema {
    /// What is wrong.
    error: String,
    /// What to do.
    hint: String,
    /// The verdict on the pass, as `/v1/verify` answers it.
    #[schema(required = false, value_type = Object)]
    verdict: (),
}

/// Something that happened to a post.
#[derive(ToSchema)]
#[schema(as = ModerationEvent)]
pub(super) struct EventSchema {
    /// The number in decimal: one more than that of the event before.
    number: String,
    /// The time.
    at: String,
    /// `held`, `released`, `hidden`, `deleted`, `struck`, `lifted`, `appealed` or `answered`.
    kind: String,
    /// The name of the post's scope.
    scope: String,
    /// The post's nullifier, 64 hexadecimal digits.
    nullifier: String,
    /// The id of the strike, for events about one.
    #[schema(required = false)]
    strike: String,
}

/// Events in the order of their numbers.
#[derive(ToSchema)]
#[schema(as = ModerationEvents)]
pub(super) struct EventsSchema {
    events: Vec<EventSchema>,
    /// The value of `since` for the next request, in decimal.
    next: String,
}

/// What became of an appeal.
#[derive(ToSchema)]
#[schema(as = AppealAnswer)]
pub(super) struct AppealSchema {
    /// `open`, `refused` or `granted`.
    state: String,
    /// The time of that.
    at: String,
    /// The moderators' words to a refusal.
    #[schema(required = false)]
    text: String,
}

/// A log that the relay serves.
#[derive(ToSchema)]
#[schema(as = ModerationLog)]
pub(super) struct LogSchema {
    /// The identity of the log, 64 hexadecimal digits.
    log: String,
    /// The log's origin.
    origin: String,
    /// The log's root key, as a C2SP verifier key.
    root_key: String,
    /// Whether the relay's operator writes the log.
    own: bool,
    /// The number of entries in the newest checkpoint, in decimal.
    size: String,
    /// The root there, 64 hexadecimal digits.
    root: String,
    /// The time of the newest checkpoint.
    at: String,
    /// The key with which this relay cosigns the log.
    #[schema(required = false)]
    witness_key: String,
}

/// The logs that the relay serves.
#[derive(ToSchema)]
#[schema(as = ModerationLogs)]
pub(super) struct LogsSchema {
    logs: Vec<LogSchema>,
}

/// An entry for the relay's own log.
#[derive(ToSchema)]
#[schema(as = ModerationEntry)]
pub(super) struct EntryRequestSchema {
    /// The signed entry: canonical JSON, a line feed, and signature lines.
    leaf: String,
    /// The statement of reasons of a strike: 32 bytes of salt and the text, in base64url without padding.
    #[schema(required = false)]
    text: String,
    /// The message that the moderators saw.
    #[schema(required = false)]
    message: String,
    /// The message in hexadecimal digits, if it is not UTF-8.
    #[schema(required = false)]
    message_hex: String,
    /// Why the message is withheld.
    #[schema(required = false)]
    withheld: String,
}

/// The place of an entry that was appended.
#[derive(ToSchema)]
#[schema(as = ModerationEntryPlace)]
pub(super) struct EntryAnswerSchema {
    /// The place, in decimal.
    index: String,
}

/// A report that a moderator sees.
#[derive(ToSchema)]
#[schema(as = QueuedReport)]
pub(super) struct QueuedReportSchema {
    /// The time at which the relay accepted it.
    at: String,
    /// The body as it was sent, in base64url without padding.
    body: String,
    /// The reason, if the body is in clear.
    #[schema(required = false)]
    reason: String,
}

/// An open appeal.
#[derive(ToSchema)]
#[schema(as = QueuedAppeal)]
pub(super) struct QueuedAppealSchema {
    /// The time at which the relay accepted it.
    at: String,
    /// The author's words.
    text: String,
}

/// A post that waits for a moderator.
#[derive(ToSchema)]
#[schema(as = QueueItem)]
pub(super) struct QueueItemSchema {
    /// The post's nullifier, 64 hexadecimal digits.
    nullifier: String,
    /// The name of the post's scope.
    scope: String,
    /// Length of its epoch in seconds.
    epoch_seconds: u32,
    /// Number of its epoch, in decimal.
    epoch: String,
    /// The signal hash, 64 hexadecimal digits.
    x: String,
    /// The ordinate of the share, 64 hexadecimal digits.
    y: String,
    /// The pass in base64url without padding.
    pass: String,
    /// The time at which the relay accepted it.
    accepted_at: String,
    /// `visible`, `held`, `hidden` or `deleted`.
    state: String,
    /// The reports, earliest first.
    reports: Vec<QueuedReportSchema>,
    /// The id of the strike in force.
    #[schema(required = false)]
    strike: String,
    /// The open appeal against it.
    #[schema(required = false)]
    appeal: QueuedAppealSchema,
}

/// Posts that wait for a moderator.
#[derive(ToSchema)]
#[schema(as = Queue)]
pub(super) struct QueueSchema {
    items: Vec<QueueItemSchema>,
    /// The value of `after` for the next request; absent if there are no more.
    #[schema(required = false)]
    next: String,
}

/// A decision about a post.
#[derive(ToSchema)]
#[schema(as = Decision)]
pub(super) struct DecisionSchema {
    /// The post's nullifier, 64 hexadecimal digits.
    nullifier: String,
    /// `keep` or `hide`.
    decision: String,
}

/// The refusal of an appeal.
#[derive(ToSchema)]
#[schema(as = AppealRefusal)]
pub(super) struct RefusalSchema {
    /// The id of the strike.
    strike: String,
    /// Why it stays, at most 4,000 bytes.
    text: String,
}
