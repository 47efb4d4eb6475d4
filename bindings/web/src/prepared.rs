//! Messages of one member in one room.

use quotapass_wallet::Poster;
use rand::rngs::OsRng;
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Membership, Reserved, argument, error::Failure, to_json};

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

    /// Prepares again if the day requires it.
    ///
    /// # Errors
    /// `ineligible`.
    pub fn ready(&mut self, now: f64) -> Result<(), Failure> {
        Ok(self.poster.ready(argument::moment(now)?)?)
    }

    /// Proves a message with a message id whose reservation is already stored. Returns the post as JSON, its pass as
    /// text.
    ///
    /// # Errors
    /// `ledger_of_another` if the id belongs to another account or room; `prove_failed`.
    pub fn prove(&mut self, reserved: Reserved, message: &[u8]) -> Result<String, Failure> {
        let Reserved { owner, scope, reservation } = reserved;
        if (owner, scope) != (self.poster.owner(), self.poster.policy().scope()) {
            return Err(Failure::OtherLedger);
        }
        let left = reservation.left();
        let pass = self.poster.prove(reservation, message, &mut OsRng)?;
        Ok(to_json(&json!({
            "text": pass.to_text(),
            "nullifier": pass.nullifier,
            "root": pass.root,
            "epoch": pass.epoch.number(),
            "epochSeconds": pass.epoch.seconds(),
            "left": left,
        })))
    }
}
