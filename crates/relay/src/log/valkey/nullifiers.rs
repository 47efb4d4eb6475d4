//! The nullifiers, the convictions and the time until which epochs are expired.

use std::sync::atomic::Ordering;

use quotapass_circuits::share::Nullifier;
use quotapass_protocol::{LogError, UnixSeconds};
use redis::{Cmd, Value, cmd};

use super::{
    Keys, Log, ValkeyLog, bytes_of, ended, script,
    servers::{Kind, Request},
    vitals::EVICTED,
};
use crate::{
    Conviction, Entry, LogEpoch, LogStatistics, NullifierLog, Outcome, Recorded,
    log::{LogChoice, record::Record},
};

/// Seconds by which a server keeps nullifiers longer than it must, because its clock may be fast.
const GRACE: u64 = 60;
/// The last second of the year 9999: servers refuse times that are much later.
const LATEST: UnixSeconds = UnixSeconds(253_402_300_799);
/// Bytes of the token that ends the value of a nullifier.
const TOKEN_BYTES: usize = 16;
/// Raises a number, and returns it.
const RAISE: &str = "local known = tonumber(redis.call('GET', KEYS[1]) or '0')
if tonumber(ARGV[1]) <= known then return known end
redis.call('SET', KEYS[1], ARGV[1])
return tonumber(ARGV[1])";
/// Lowers a number to another one, but not below the time up to which the server has dropped nullifiers, and returns
/// it.
const LOWER: &str = "local known = tonumber(redis.call('GET', KEYS[1]) or '0')
local lowered = math.max(tonumber(ARGV[1]), tonumber(redis.call('TIME')[1]) - tonumber(ARGV[2]))
if lowered >= known then return known end
redis.call('SET', KEYS[1], string.format('%.0f', lowered))
return lowered";
/// Stores evidence unless there is some against the member; a repetition recognises its own write by its token.
const CONVICT: &str = "local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then return known == ARGV[2] and 1 or 0 end
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1";

fn nullifier_key(epoch: &LogEpoch, nullifier: Nullifier) -> Vec<u8> {
    let nullifier = nullifier.to_be_bytes();
    let shard = format!("quotapass:n:{{{:02x}}}:", nullifier[31]);
    [shard.as_bytes(), &epoch.external_nullifier().to_be_bytes(), &nullifier].concat()
}

impl Log {
    pub(super) fn next_token(&self) -> [u8; 16] {
        let mut token = [0; 16];
        token[..8].copy_from_slice(&self.token.to_be_bytes());
        token[8..].copy_from_slice(&self.tokens.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        token
    }

    fn check(&self, epoch: &LogEpoch) -> Result<(), LogError> {
        if epoch.keep_until().0 <= self.watermark.load(Ordering::Relaxed) { Err(LogError::Expired) } else { Ok(()) }
    }

    /// Sends commands about the items that are not expired.
    async fn run<T>(
        &self,
        items: &[T],
        kind: Kind,
        epoch: impl Fn(&T) -> &LogEpoch,
        command: impl Fn(&T) -> Request,
    ) -> Vec<Result<Value, LogError>> {
        let checked: Vec<_> = items.iter().map(|item| self.check(epoch(item)).map(|()| command(item))).collect();
        let requests = checked.iter().flatten().cloned().collect();
        let mut answers = self.send(requests, kind).await.into_iter();
        checked
            .into_iter()
            .map(|checked| checked.and_then(|_| answers.next().unwrap_or_else(|| Err(ended()))))
            .collect()
    }

    async fn record_all(&self, entries: Vec<Entry>) -> Vec<Result<Outcome, LogError>> {
        let entries: Vec<_> = entries.into_iter().map(|entry| (entry, self.next_token())).collect();
        let command = |(entry, token): &(Entry, [u8; 16])| {
            let key = nullifier_key(&entry.epoch, entry.nullifier);
            let expires = entry.epoch.keep_until().saturating_add(GRACE).min(LATEST);
            let mut set = cmd("SET");
            let value = [&entry.recorded().to_bytes()[..], token].concat();
            set.arg(&key).arg(value).arg("NX").arg("GET").arg("EXAT").arg(expires.0);
            Request::new(&key, set)
        };
        let answers = self.run(&entries, Kind::Write, |(entry, _)| &entry.epoch, command).await;
        let outcome = |(entry, token): &(Entry, [u8; 16]), answer: Result<Value, LogError>| {
            Ok(match bytes_of(answer?)? {
                None => Outcome::New,
                Some(value) => {
                    let (recorded, by) = recorded_from(&value)?;
                    if by == token { Outcome::New } else { Outcome::of(&recorded, entry) }
                }
            })
        };
        entries.iter().zip(answers).map(|(entry, answer)| outcome(entry, answer)).collect()
    }

    async fn lookup_all(&self, nullifiers: Vec<(LogEpoch, Nullifier)>) -> Vec<Result<Option<Recorded>, LogError>> {
        let command = |(epoch, nullifier): &(LogEpoch, Nullifier)| {
            let key = nullifier_key(epoch, *nullifier);
            Request::new(&key, cmd("GET").arg(&key).to_owned())
        };
        let answers = self.run(&nullifiers, Kind::Read, |(epoch, _)| epoch, command).await;
        let recorded = |value: Vec<u8>| recorded_from(&value).map(|(recorded, _)| recorded);
        answers.into_iter().map(|answer| bytes_of(answer?)?.map(recorded).transpose()).collect()
    }

    async fn convict_all(&self, convictions: Vec<Conviction>) -> Vec<Result<bool, LogError>> {
        let convict = |conviction: &Conviction| {
            let commitment = conviction.secret()?.commitment();
            let mut convict = script(CONVICT, &[&self.keys.convicted, &self.keys.convictions]);
            convict.arg(&commitment.to_be_bytes()[..]).arg(&self.next_token()[..]).arg(conviction.to_bytes());
            Some(Request::new(self.keys.convicted.as_bytes(), convict))
        };
        let requests: Vec<Option<Request>> = convictions.iter().map(convict).collect();
        let sent = requests.iter().flatten().cloned().collect();
        let mut answers = self.send(sent, Kind::Write).await.into_iter();
        let mut answer = || answers.next().unwrap_or_else(|| Err(ended()));
        requests
            .into_iter()
            .map(|request| request.map_or(Err(LogError::Damaged), |_| Ok(answer()? == Value::Int(1))))
            .collect()
    }

    /// Each batch of posts begins with this call, so that it also reads the log's identity and the watermark.
    pub(super) async fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        let Keys { store, expired, convictions, .. } = &self.keys;
        let from = i64::try_from(from).unwrap_or(i64::MAX);
        let commands = [
            (store, cmd("GET").arg(store).to_owned()),
            (expired, cmd("GET").arg(expired).to_owned()),
            (convictions, cmd("LRANGE").arg(convictions).arg(from).arg(-1).to_owned()),
        ];
        let requests = commands.into_iter().map(|(key, command)| Request::new(key.as_bytes(), command)).collect();
        let answers: Vec<Value> = self.send(requests, Kind::Read).await.into_iter().collect::<Result<_, _>>()?;
        let [store, expired, convictions] = <[Value; 3]>::try_from(answers).map_err(|_| ended())?;
        if self.is_volatile
            && bytes_of(store)?.as_deref() != self.identity().as_ref().map(|known| &known.as_bytes()[..])
        {
            self.take(LogChoice::New).await?;
        }
        if let Some(expired) = bytes_of(expired)? {
            let expired = String::from_utf8(expired).ok().and_then(|expired| expired.parse().ok());
            // The server's number replaces the known one, even if it is lower.
            self.watermark.store(expired.ok_or(LogError::Damaged)?, Ordering::Relaxed);
        }
        let Value::Array(convictions) = convictions else { return Err(LogError::Damaged) };
        let conviction = |value| Ok(Conviction::from_bytes(&bytes_of(value)?.ok_or(LogError::Damaged)?)?);
        convictions.into_iter().map(conviction).collect()
    }

    async fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        let mut raise = script(RAISE, &[&self.keys.expired]);
        raise.arg(now.min(LATEST).0);
        self.move_watermark(raise).await?;
        // By `now`, not by the watermark: a watermark that is ahead must not end restrictions that are in force.
        self.end_restrictions(now).await?;
        self.end_moderation(now).await
    }

    async fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
        let mut lower = script(LOWER, &[&self.keys.expired]);
        lower.arg(now.min(LATEST).0).arg(GRACE);
        self.move_watermark(lower).await
    }

    async fn move_watermark(&self, script: Cmd) -> Result<UnixSeconds, LogError> {
        let Value::Int(expired) = self.one(&self.keys.expired, script, Kind::Write).await? else {
            return Err(LogError::Damaged);
        };
        self.watermark.store(expired.unsigned_abs(), Ordering::Relaxed);
        Ok(UnixSeconds(expired.unsigned_abs()))
    }

    async fn statistics(&self) -> Result<LogStatistics, LogError> {
        let Keys { store, expired, convictions, convicted, cases, chat_keys, restrictions, restriction_ends, .. } =
            &self.keys;
        let Keys { moderation, moderation_keys, moderation_ends, .. } = &self.keys;
        let convicted_count = self.one(convictions, cmd("LLEN").arg(convictions).to_owned(), Kind::Read).await?;
        let badges = [chat_keys, restrictions, restriction_ends];
        let moderated = [moderation, moderation_keys, moderation_ends];
        let own = [&[store, expired, convictions, convicted, cases][..], &badges, &moderated].concat();
        let own = self.one(store, cmd("EXISTS").arg(&own[..]).to_owned(), Kind::Read).await?;
        let marks = self.keys.shards().count() as u64 + self.spread_keys().await?;
        // Some of these keys may be probes.
        let keys: u64 = self.servers.ask_all(&cmd("DBSIZE")).await?.iter().map(count_of).sum();
        let closed_until = bytes_of(self.one(expired, cmd("GET").arg(expired).to_owned(), Kind::Read).await?)?;
        let closed_until = closed_until.map(|text| String::from_utf8(text).ok().and_then(|text| text.parse().ok()));
        let time = self.one(store, cmd("TIME"), Kind::Read).await?;
        let (time, _): (u64, u64) = redis::from_redis_value(time).map_err(|_| LogError::Damaged)?;
        let memory = self.servers.ask_all(cmd("INFO").arg("memory")).await?;
        let bytes = memory.into_iter().filter_map(|answer| {
            let info = bytes_of(answer).ok().flatten()?;
            let info = String::from_utf8(info).ok()?;
            info.lines().find_map(|line| line.trim().strip_prefix("used_memory:")?.parse::<u64>().ok())
        });
        Ok(LogStatistics {
            nullifiers: keys.saturating_sub(count_of(&own) + marks),
            epochs: None,
            convictions: count_of(&convicted_count),
            bytes: Some(bytes.sum()),
            closed_until: UnixSeconds(closed_until.map_or(Ok(0), |time| time.ok_or(LogError::Damaged))?),
            time: Some(UnixSeconds(time)),
        })
    }

    async fn probe(&self) -> Result<(), LogError> {
        let probe = |mark: &[u8]| {
            let mut set = cmd("SET");
            set.arg([mark, b":probe"].concat()).arg("").arg("EX").arg(GRACE);
            set
        };
        let looked = self.servers.look(probe).await;
        if looked == Err(LogError::Lost(EVICTED)) {
            self.abandon().await;
        }
        looked
    }
}

/// Returns the record of a nullifier, and the token of the call that wrote it.
fn recorded_from(value: &[u8]) -> Result<(Recorded, &[u8; TOKEN_BYTES]), LogError> {
    let (recorded, token) = value.split_last_chunk().ok_or(LogError::Damaged)?;
    Ok((Recorded::from_bytes(recorded)?, token))
}

pub(super) fn count_of(value: &Value) -> u64 {
    match value {
        Value::Int(count) => count.unsigned_abs(),
        _ => 0,
    }
}

impl NullifierLog for ValkeyLog {
    fn record(&self, entry: &Entry) -> Result<Outcome, LogError> {
        self.record_all(core::slice::from_ref(entry)).pop().unwrap_or_else(|| Err(ended()))
    }

    fn record_all(&self, entries: &[Entry]) -> Vec<Result<Outcome, LogError>> {
        let owned = entries.to_vec();
        let answers = self.run(|log| async move { Ok(log.record_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); entries.len()])
    }

    fn lookup(&self, epoch: &LogEpoch, nullifier: Nullifier) -> Result<Option<Recorded>, LogError> {
        self.lookup_all(&[(*epoch, nullifier)]).pop().unwrap_or_else(|| Err(ended()))
    }

    fn lookup_all(&self, nullifiers: &[(LogEpoch, Nullifier)]) -> Vec<Result<Option<Recorded>, LogError>> {
        let owned = nullifiers.to_vec();
        let answers = self.run(|log| async move { Ok(log.lookup_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); nullifiers.len()])
    }

    fn convict(&self, conviction: &Conviction) -> Result<bool, LogError> {
        self.convict_all(core::slice::from_ref(conviction)).pop().unwrap_or_else(|| Err(ended()))
    }

    fn convict_all(&self, convictions: &[Conviction]) -> Vec<Result<bool, LogError>> {
        let owned = convictions.to_vec();
        let answers = self.run(|log| async move { Ok(log.convict_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); convictions.len()])
    }

    fn convictions(&self, from: u64) -> Result<Vec<Conviction>, LogError> {
        self.run(move |log| async move { log.convictions(from).await })
    }

    fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.run(move |log| async move { log.expire(now).await })
    }

    fn statistics(&self) -> Result<LogStatistics, LogError> {
        self.run(|log| async move { log.statistics().await })
    }

    fn reopen(&self, now: UnixSeconds) -> Result<UnixSeconds, LogError> {
        self.run(move |log| async move { log.reopen(now).await })
    }

    fn probe(&self) -> Result<(), LogError> {
        self.run(|log| async move { log.probe().await })
    }
}
