//! A member posts: a ledger reserves a message id, and the proof consumes the reservation.

mod common;

use std::error::Error;

use quotapass_wallet::ledger::{Book, DeviceShare};
use rand::rngs::OsRng;

fn main() -> Result<(), Box<dyn Error>> {
    let scene = common::Scene::new()?;
    let mut poster = scene.poster()?;
    // `Ledger` keeps the same book in files, so that a crash never gives an id out again.
    let mut ledger = Book::new(poster.owner(), DeviceShare::SOLE);

    let reservation = ledger.reserve(common::NOW, &poster.quota())?;
    println!("message {} of this epoch, {} left", reservation.message_id() + 1, reservation.left());
    let pass = poster.prove(reservation, b"hello", &mut OsRng)?;
    println!("{}", pass.to_text());
    Ok(())
}
