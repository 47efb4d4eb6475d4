//! The records of moderation.
//!
//! Most records are in one hash, whose keys are also in a sorted set, so that they can be read in order. Records that
//! are [spread](SPREAD) are in 256 hashes without an order, beside the nullifiers of the same last byte.
//!
//! A value begins with the token of the call that wrote it: a call that is repeated because its answer was lost
//! recognises its own write.

use quotapass_protocol::{LogError, UnixSeconds};
use redis::{Value, cmd};

use super::{
    Keys, Log, ValkeyLog, bytes_of, ended,
    nullifiers::count_of,
    script,
    servers::{Kind, Request},
};
use crate::{
    ModerationStore, SPREAD, Swap,
    moderation::{
        StoredRecord,
        store::{after_prefix, check_scan},
    },
};

/// Bytes of the token that begins a value.
const TOKEN_BYTES: usize = 16;
/// Maximum number of records that one scan reads from the server at a time.
const SCANNED_AT_ONCE: usize = 1_024;

/// Replaces a record if it has the expected value. Arguments: key, token, whether a value is expected, that value,
/// whether there is a new value, the new value, the time until which it is kept or an empty string.
const SWAP: &str = "local known = redis.call('HGET', KEYS[1], ARGV[1])
if known then
  if ARGV[5] == '1' and string.sub(known, 1, 16) == ARGV[2] then return 1 end
  if ARGV[3] == '0' or string.sub(known, 17) ~= ARGV[4] then return 0 end
elseif ARGV[3] == '1' then return 0 end
if ARGV[5] == '0' then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[1]) end
  return 1
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ARGV[6])
if ARGV[7] == '' then redis.call('ZREM', KEYS[2], ARGV[1]) else redis.call('ZADD', KEYS[2], ARGV[7], ARGV[1]) end
if KEYS[3] then redis.call('ZADD', KEYS[3], 0, ARGV[1]) end
return 1";
/// Returns keys and values between two bounds, in the order of the keys.
const SCAN: &str = "local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
if #keys == 0 then return {{}, {}} end
return {keys, redis.call('HMGET', KEYS[1], unpack(keys))}";
/// Drops records whose time is over, at most 1,000 at a time.
const END: &str = "local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1], 'LIMIT', 0, 1000)
if #ended == 0 then return 0 end
redis.call('HDEL', KEYS[1], unpack(ended))
redis.call('ZREM', KEYS[2], unpack(ended))
if KEYS[3] then redis.call('ZREM', KEYS[3], unpack(ended)) end
return #ended";

impl Keys {
    /// Returns the keys on the server that hold a record: the hash, the ends, and the order if there is one.
    fn of_record(&self, key: &[u8]) -> Vec<String> {
        match (key.first(), key.last()) {
            (Some(&SPREAD), Some(shard)) => self.spread(*shard).into(),
            _ => self.ordered().into(),
        }
    }

    fn ordered(&self) -> [String; 3] {
        [self.moderation.clone(), self.moderation_ends.clone(), self.moderation_keys.clone()]
    }

    fn spread(&self, shard: u8) -> [String; 2] {
        let hash = format!("quotapass:p:{{{shard:02x}}}:{}", self.registry);
        [hash.clone(), format!("{hash}:ends")]
    }
}

/// Returns the request of a script about the keys that hold records.
fn request(text: &str, keys: &[String], arguments: &[&[u8]]) -> Request {
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let mut command = script(text, &names);
    for argument in arguments {
        command.arg(*argument);
    }
    Request::new(names.first().map_or(&[][..], |key| key.as_bytes()), command)
}

fn value_of(stored: &[u8]) -> Result<Vec<u8>, LogError> {
    stored.get(TOKEN_BYTES..).map(<[u8]>::to_vec).ok_or(LogError::Damaged)
}

impl Log {
    async fn read_all(&self, keys: Vec<Vec<u8>>) -> Vec<Result<Option<Vec<u8>>, LogError>> {
        let get = |key: &Vec<u8>| {
            let [hash, ..] = &self.keys.of_record(key)[..] else { return Request::new(key, cmd("PING")) };
            Request::new(hash.as_bytes(), cmd("HGET").arg(hash).arg(key).to_owned())
        };
        let answers = self.send(keys.iter().map(get).collect(), Kind::Read).await;
        answers.into_iter().map(|answer| bytes_of(answer?)?.map(|stored| value_of(&stored)).transpose()).collect()
    }

    async fn swap_all(&self, swaps: Vec<Swap>) -> Vec<Result<bool, LogError>> {
        let request = |Swap { key, expected, new, keep_until }: &Swap| {
            let flag = |is_set: bool| if is_set { &b"1"[..] } else { b"0" };
            let end = keep_until.map_or_else(String::new, |until| until.to_string());
            let token = self.next_token();
            let arguments = [
                key.as_slice(),
                &token[..],
                flag(expected.is_some()),
                expected.as_deref().unwrap_or_default(),
                flag(new.is_some()),
                new.as_deref().unwrap_or_default(),
                end.as_bytes(),
            ];
            request(SWAP, &self.keys.of_record(key), &arguments)
        };
        let answers = self.send(swaps.iter().map(request).collect(), Kind::Write).await;
        answers.into_iter().map(|answer| Ok(answer? == Value::Int(1))).collect()
    }

    async fn scan(&self, prefix: Vec<u8>, after: Option<Vec<u8>>, limit: usize) -> Result<Vec<StoredRecord>, LogError> {
        let end = after_prefix(&prefix).map_or_else(|| b"+".to_vec(), |end| [&b"("[..], &end].concat());
        let mut from = match after {
            Some(after) if after >= prefix => [&b"("[..], &after].concat(),
            _ => [&b"["[..], &prefix].concat(),
        };
        let mut found = Vec::new();
        loop {
            let count = (limit - found.len()).min(SCANNED_AT_ONCE);
            let ordered = [self.keys.moderation.clone(), self.keys.moderation_keys.clone()];
            let scan = request(SCAN, &ordered, &[&from, &end, count.to_string().as_bytes()]);
            let answer = self.send(vec![scan], Kind::Read).await.pop().unwrap_or_else(|| Err(ended()))?;
            let page: (Vec<Vec<u8>>, Vec<Vec<u8>>) = redis::from_redis_value(answer).map_err(|_| LogError::Damaged)?;
            let (keys, values) = page;
            if keys.len() != values.len() {
                return Err(LogError::Damaged);
            }
            let read = keys.len();
            for (key, value) in keys.into_iter().zip(values) {
                found.push((key, value_of(&value)?));
            }
            match found.last() {
                Some((last, _)) if read == count && found.len() < limit => from = [&b"("[..], last].concat(),
                _ => return Ok(found),
            }
        }
    }

    /// Drops records whose time is over.
    pub(super) async fn end_moderation(&self, now: UnixSeconds) -> Result<(), LogError> {
        let now = now.to_string();
        let spread = (0..=u8::MAX).map(|shard| request(END, &self.keys.spread(shard), &[now.as_bytes()]));
        let ordered = request(END, &self.keys.ordered(), &[now.as_bytes()]);
        let answers = self.send(core::iter::once(ordered).chain(spread).collect(), Kind::Write).await;
        answers.into_iter().try_for_each(|answer| answer.map(drop))
    }

    /// Returns how many keys on the servers hold records that are spread.
    pub(super) async fn spread_keys(&self) -> Result<u64, LogError> {
        let exists = |shard: u8| {
            let keys = self.keys.spread(shard);
            Request::new(keys[0].as_bytes(), cmd("EXISTS").arg(&keys).to_owned())
        };
        let answers = self.send((0..=u8::MAX).map(exists).collect(), Kind::Read).await;
        answers.into_iter().map(|answer| Ok(count_of(&answer?))).sum()
    }
}

impl ModerationStore for ValkeyLog {
    fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>, LogError> {
        self.read_all(&[key.to_vec()]).pop().unwrap_or_else(|| Err(ended()))
    }

    fn read_all(&self, keys: &[Vec<u8>]) -> Vec<Result<Option<Vec<u8>>, LogError>> {
        let owned = keys.to_vec();
        let answers = self.run(|log| async move { Ok(log.read_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); keys.len()])
    }

    fn swap(&self, swap: &Swap) -> Result<bool, LogError> {
        self.swap_all(core::slice::from_ref(swap)).pop().unwrap_or_else(|| Err(ended()))
    }

    fn swap_all(&self, swaps: &[Swap]) -> Vec<Result<bool, LogError>> {
        let owned = swaps.to_vec();
        let answers = self.run(|log| async move { Ok(log.swap_all(owned).await) });
        answers.unwrap_or_else(|error| vec![Err(error); swaps.len()])
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<StoredRecord>, LogError> {
        check_scan(prefix)?;
        let (prefix, after) = (prefix.to_vec(), after.map(<[u8]>::to_vec));
        self.run(move |log| async move { log.scan(prefix, after, limit).await })
    }
}
