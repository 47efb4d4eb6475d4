//! Messages of one member in one room.

use js_sys::Function;
use quotapass_circuits::moderation::Entry;
use quotapass_protocol::moderation::EntryBody;
use quotapass_wallet::{Poster, PosterError, moderation::RecordProgress};
use rand::rngs::OsRng;
use serde_json::json;
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

use crate::{Lists, Membership, Prover, Reserved, argument, error::Failure, to_json};

/// A prover that is prepared for the messages of one member in one room.
#[wasm_bindgen]
pub struct PreparedProver {
    pub(crate) poster: Poster,
}

#[wasm_bindgen]
impl PreparedProver {
    /// The root that messages are proved against.
    pub fn root(&self) -> String {
        self.poster.root().to_string()
    }

    /// Moves to the root of a synced membership.
    ///
    /// # Errors
    /// Those of a sync, or `other_member`.
    pub fn update(&mut self, membership: &Membership) -> Result<(), Failure> {
        let (member, path) = membership.located()?;
        Ok(self.poster.update(&member, &path)?)
    }

    /// Prepares the records for the lists of the room, as they were read last. `progress` is called with the number of the
    /// list that is prepared next, the number of lists, and the number of its entries.
    ///
    /// # Errors
    /// `struck` if the member wrote a listed post, `no_key`, `lists_missing`. There are no posts then.
    #[wasm_bindgen(js_name = setLists)]
    pub fn set_lists(&mut self, prover: &Prover, lists: &Lists, progress: &Function) -> Result<(), Failure> {
        let provers = prover.records()?;
        let report = |RecordProgress { list, lists, entries }| {
            let [list, lists, entries] = [list, lists, entries].map(|number| JsValue::from_f64(number as f64));
            // A page that fails to show progress does not stop the preparation.
            let _shown = progress.call3(&JsValue::NULL, &list, &lists, &entries);
        };
        Ok(self.poster.set_lists(&provers, lists.lists()?, report)?)
    }

    /// Prepares again if the day requires it.
    ///
    /// # Errors
    /// `ineligible`, or `lists_missing`.
    pub fn ready(&mut self, now: f64) -> Result<(), Failure> {
        Ok(self.poster.ready(argument::moment(now)?)?)
    }

    /// Proves a message with a message id whose reservation is already stored. Returns the post as JSON, its pass as
    /// text.
    ///
    /// # Errors
    /// `ledger_of_another` if the id belongs to another account or room; `lists_missing`; `prove_failed`.
    pub fn prove(&mut self, reserved: Reserved, message: &[u8]) -> Result<String, Failure> {
        let Reserved { owner, scope, reservation } = reserved;
        if (owner, scope) != (self.poster.owner(), self.poster.policy().scope()) {
            return Err(Failure::OtherLedger);
        }
        let left = reservation.left();
        let pass = self.poster.prove(reservation, message, &mut OsRng)?;
        let post = pass.post();
        let public = post.public(scope, message).map_err(PosterError::from)?;
        Ok(to_json(&json!({
            "text": pass.to_text(),
            "nullifier": post.nullifier,
            "entry": EntryBody::from(Entry::of(&public)),
            "root": post.root,
            "epoch": post.epoch.number(),
            "epochSeconds": post.epoch.seconds(),
            "left": left,
        })))
    }
}
