//! The chat keys bound to pseudonyms, and the restrictions of pseudonyms.

use quotapass_protocol::{LogError, UnixSeconds};
use redis::{Value, cmd};

use super::{
    Log, ValkeyLog, bytes_of, ended, script,
    servers::{Kind, Request},
};
use crate::{BadgeBook, BoundKey, Persona, PersonaRecord, Restriction, log::record::Record};

/// Binds a chat key if none is bound, or replaces the bound one, and returns the former one.
const BIND: &str = "local bound = redis.call('HGET', KEYS[1], ARGV[1])
if not bound or ARGV[3] == '1' then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
return bound";
/// Restricts a pseudonym, and updates the sorted set of ends.
const RESTRICT: &str = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
if ARGV[3] == '' then redis.call('ZREM', KEYS[2], ARGV[1]) else redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1]) end
return 1";
/// Lifts a restriction.
const LIFT: &str = "redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], ARGV[1])";
/// Drops ended restrictions, at most 1,000 at a time.
const END: &str = "local ended = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[1], 'LIMIT', 0, 1000)
if #ended == 0 then return 0 end
redis.call('HDEL', KEYS[1], unpack(ended))
redis.call('ZREM', KEYS[2], unpack(ended))
return #ended";

impl Log {
    async fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        let get = |key: &String| {
            let mut get = cmd("HGET");
            get.arg(key).arg(&persona.to_bytes()[..]);
            Request::new(key.as_bytes(), get)
        };
        let requests = vec![get(&self.keys.chat_keys), get(&self.keys.restrictions)];
        let answers: Vec<Value> = self.send(requests, Kind::Read).await.into_iter().collect::<Result<_, _>>()?;
        let [bound, restriction] = <[Value; 2]>::try_from(answers).map_err(|_| ended())?;
        let restriction = bytes_of(restriction)?.map(|bytes| Restriction::from_bytes(&bytes)).transpose()?;
        Ok(PersonaRecord { bound: bound_from(bound)?, restriction })
    }

    async fn bind(&self, persona: Persona, key: &BoundKey, replaces: bool) -> Result<Option<BoundKey>, LogError> {
        let mut bind = script(BIND, &[&self.keys.chat_keys]);
        bind.arg(&persona.to_bytes()[..]).arg(key.to_bytes()).arg(i32::from(replaces));
        bound_from(self.one(&self.keys.chat_keys, bind, Kind::Write).await?)
    }

    async fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        let mut restrict = script(RESTRICT, &[&self.keys.restrictions, &self.keys.restriction_ends]);
        let end = restriction.until.map_or_else(String::new, |until| until.to_string());
        restrict.arg(&persona.to_bytes()[..]).arg(restriction.to_bytes()).arg(end);
        self.one(&self.keys.restrictions, restrict, Kind::Write).await.map(drop)
    }

    async fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        let mut lift = script(LIFT, &[&self.keys.restrictions, &self.keys.restriction_ends]);
        lift.arg(&persona.to_bytes()[..]);
        Ok(self.one(&self.keys.restrictions, lift, Kind::Write).await? == Value::Int(1))
    }

    /// Drops ended restrictions of pseudonyms.
    pub(super) async fn end_restrictions(&self, now: UnixSeconds) -> Result<(), LogError> {
        let mut end = script(END, &[&self.keys.restrictions, &self.keys.restriction_ends]);
        end.arg(now.0);
        self.one(&self.keys.restrictions, end, Kind::Write).await.map(drop)
    }
}

fn bound_from(value: Value) -> Result<Option<BoundKey>, LogError> {
    Ok(bytes_of(value)?.map(|bytes| BoundKey::from_bytes(&bytes)).transpose()?)
}

impl BadgeBook for ValkeyLog {
    fn persona(&self, persona: Persona) -> Result<PersonaRecord, LogError> {
        self.run(move |log| async move { log.persona(persona).await })
    }

    fn bind_first(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        let key = key.clone();
        self.run(move |log| async move { log.bind(persona, &key, false).await })
    }

    fn rebind(&self, persona: Persona, key: &BoundKey) -> Result<Option<BoundKey>, LogError> {
        let key = key.clone();
        self.run(move |log| async move { log.bind(persona, &key, true).await })
    }

    fn restrict(&self, persona: Persona, restriction: &Restriction) -> Result<(), LogError> {
        let restriction = restriction.clone();
        self.run(move |log| async move { log.restrict(persona, &restriction).await })
    }

    fn lift(&self, persona: Persona) -> Result<bool, LogError> {
        self.run(move |log| async move { log.lift(persona).await })
    }
}
