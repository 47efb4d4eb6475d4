//! A reader checks a pass by itself.

mod common;

use std::error::Error;

use quotapass_protocol::Verdict;
use quotapass_wallet::verify_post;

fn main() -> Result<(), Box<dyn Error>> {
    let scene = common::Scene::new()?;
    let [pass] = scene.passes(["hello"])?;

    // A reader has the scope's policy, the verifying key, and the roots of the registry that are accepted now.
    let (policy, verifier, roots) = (scene.bound_policy()?, scene.posts.verifier()?, [scene.tree.root()]);
    let verified = verify_post(&verifier, &policy, b"hello", &pass, &roots[..], common::NOW)
        .map_err(|verdict| verdict.to_string())?;
    println!("accepted, nullifier {}", verified.public.nullifier);

    let other = verify_post(&verifier, &policy, b"another message", &pass, &roots[..], common::NOW);
    assert_eq!(other.err(), Some(Verdict::InvalidProof));
    Ok(())
}
