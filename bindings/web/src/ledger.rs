//! The used message ids. The package's JavaScript stores the bytes, and ensures that they are stored before a proof is
//! made.

use core::num::NonZeroU16;

use quotapass_circuits::signal::Scope;
use quotapass_wallet::ledger::{Book, DeviceShare, LedgerOwner, QuotaStatus, Reservation};
use serde_json::json;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::{Account, Membership, PreparedProver, argument, error::Failure, to_json};

/// The book of an account, between its reading and its writing.
#[wasm_bindgen]
pub struct Ledger {
    book: Book,
}

#[wasm_bindgen]
impl Ledger {
    /// Creates a book without entries, for device `device` of `devices`. Epochs up to the one after the epoch of the
    /// Unix second `suspect_until` are refused.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn create(account: &Account, suspect_until: Option<f64>, device: f64, devices: f64) -> Result<Self, Failure> {
        let devices = argument::whole::<u16>("number of devices", devices)?;
        let devices = NonZeroU16::new(devices).ok_or_else(|| Failure::argument("there is at least one device"))?;
        let share = DeviceShare::new(argument::whole("number of the device", device)?, devices)?;
        let mut book = Book::new(account.owner(), share);
        if let Some(until) = suspect_until {
            book.suspect(argument::moment(until)?);
        }
        Ok(Self { book })
    }

    /// Creates a book for device `device` of `devices` that replaces another one of this account, given as bytes.
    /// Epochs up to the one after the epoch of the Unix second `now` are refused, or of the last use of the old book if
    /// that was later. Bytes that are not a valid book are ignored.
    ///
    /// # Errors
    /// `invalid_argument`.
    pub fn replace(former: &[u8], account: &Account, now: f64, device: f64, devices: f64) -> Result<Self, Failure> {
        let fresh = Self::create(account, Some(now), device, devices)?;
        match Book::from_bytes(former) {
            Ok(former) if *former.owner() == account.owner() => {
                Ok(Self { book: former.replaced(fresh.book.share(), argument::moment(now)?) })
            }
            _ => Ok(fresh),
        }
    }

    /// Reads the book of an account.
    ///
    /// # Errors
    /// `ledger_damaged`, or `ledger_of_another`.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8], account: &Account) -> Result<Self, Failure> {
        let book = Book::from_bytes(bytes).map_err(Failure::Ledger)?;
        if *book.owner() == account.owner() { Ok(Self { book }) } else { Err(Failure::OtherLedger) }
    }

    /// The bytes to store.
    #[wasm_bindgen(js_name = toBytes)]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.book.to_bytes()
    }

    /// Reserves a message id for a message of a prover: the next one, or the id that the same message has in this epoch
    /// already. Store the bytes before it is used.
    ///
    /// # Errors
    /// The refusals: `quota_used`, `nothing_for_device`, `epoch_left`, `may_be_stale`; `ledger_of_another` for a prover
    /// of another account.
    pub fn reserve(&mut self, prepared: &PreparedProver, message: &[u8], now: f64) -> Result<Reserved, Failure> {
        let owner = prepared.poster.owner();
        if *self.book.owner() != owner {
            return Err(Failure::OtherLedger);
        }
        let quota = prepared.poster.quota();
        let reservation = self.book.reserve_message(argument::moment(now)?, &quota, message)?;
        Ok(Reserved { owner, scope: quota.scope, reservation })
    }

    /// Returns the status of a member's quota in a room, as JSON.
    ///
    /// # Errors
    /// `invalid_argument`, or those of a sync.
    #[wasm_bindgen(js_name = quotaLeft)]
    pub fn quota_left(&self, room: &str, membership: &Membership, now: f64) -> Result<String, Failure> {
        let (member, _) = membership.located()?;
        let quota = argument::policy(room)?.quota(&member.terms);
        let QuotaStatus { epoch, used, left, next_begins } = self.book.status(argument::moment(now)?, &quota);
        Ok(to_json(&json!({
            "epoch": epoch.number(),
            "epochSeconds": epoch.seconds(),
            "used": used,
            "left": left,
            "nextBegins": next_begins,
        })))
    }

    /// Undoes an unknown history.
    #[wasm_bindgen(js_name = confirmCurrent)]
    pub fn confirm_current(&mut self) {
        self.book.confirm_current();
    }
}

/// A message id of an account in a scope, for one message. Only [`Ledger::reserve`] makes one, and a proof uses it up.
#[wasm_bindgen]
pub struct Reserved {
    pub(crate) owner: LedgerOwner,
    pub(crate) scope: Scope,
    pub(crate) reservation: Reservation,
}
