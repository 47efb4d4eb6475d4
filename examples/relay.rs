//! A relay in process: each pass gets a verdict, and a double post gives away its author's secret.

mod common;

use std::{error::Error, sync::Arc};

use quotapass_protocol::{RootHistory, Verdict};
use quotapass_relay::{MemoryLog, PostRequest, Relay};

fn main() -> Result<(), Box<dyn Error>> {
    let scene = common::Scene::new()?;
    let (posts, badges) = (scene.posts.verifier()?, scene.badges()?.verifier()?);
    let roots = RootHistory::starting_at(scene.tree.root());
    // `EmbeddedLog` and `ValkeyLog` keep nullifiers when the process ends.
    let relay = Relay::new(posts, badges, scene.policies()?, roots, Arc::new(MemoryLog::new()));
    let judge = |message: &str, pass: &[u8]| {
        relay.verify_post(PostRequest { scope: "lobby", message: message.as_bytes(), pass }, common::NOW)
    };

    let [pass] = scene.passes(["hello"])?;
    assert_eq!(judge("hello", &pass), Verdict::Accepted);
    assert_eq!(judge("hello", &pass), Verdict::Replay);

    // A second ledger of the same member gives out the same message id.
    let [second] = scene.passes(["buy my coin"])?;
    let Verdict::QuotaExceeded(exceeded) = judge("buy my coin", &second) else { return Err("not caught".into()) };
    println!("caught the member with the commitment {}", exceeded.commitment());
    Ok(())
}
