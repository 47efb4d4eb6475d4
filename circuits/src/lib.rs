//! Anonymous rate limiting with deposits: the circuits, prover, verifier and membership tree of quotapass.
//!
//! A depositor locks a deposit for an [identity commitment](identity::IdentityCommitment). From then on, the member
//! with the [secret](identity::IdentitySecret) behind this commitment can prove the following statements, without
//! revealing which deposit is theirs:
//!
//! | statement | meaning |
//! |---|---|
//! | [`post`] | this message comes from a member with at least this stake and age, within quota |
//! | [`badge`] | this chat key belongs to such a member, and this is the member's only pseudonym in the scope |
//! | [`slash`] | the prover knows the secret behind this commitment, and this receiver gets the reward |
//! | [`author`](moderation::author) | the prover wrote this post, and takes this action: a deletion, an appeal |
//! | [`record`](moderation::record) | the author of this post wrote none of the posts on this list |
//!
//! A member who posts two messages under one message id reveals the secret: see [`share::recover`]. The construction is
//! RLN-V2 (Rate-Limiting Nullifier). In addition it proves the stake and the age of the deposit, and its tree has four
//! children per node. The proofs are Groth16 ([2016/260](https://eprint.iacr.org/2016/260)) over BN254.
//!
//! This crate uses no clock, no files, no sockets and no chain. It forbids `unsafe`, and decodes untrusted bytes
//! without panicking. Proving and verifying are not constant-time.
//!
//! # From a deposit to a verified post
//!
//! A member consists of a commitment and the terms of its deposit. The tree of all members comes from the registry:
//!
//! ```
//! use quotapass_circuits::identity::IdentitySecret;
//! use quotapass_circuits::membership::{Day, Levels, Member, MemberTree, Membership, Terms};
//! # use ark_std::rand::{SeedableRng, rngs::StdRng};
//! # let mut rng = StdRng::seed_from_u64(1); // use the system's generator instead
//!
//! let secret = IdentitySecret::generate(&mut rng);
//! let terms = Terms::new(100, 20, Day(20_700))?; // stake, messages per epoch, day of the deposit
//! let member = Member { commitment: secret.commitment(), terms };
//! let mut tree = MemberTree::new(Levels::STANDARD);
//! let index = tree.append(member)?.index;
//! let path = tree.path(index)?;
//!
//! // A scope at a registry, and the epoch of ten minutes that the quota applies to.
//! use quotapass_circuits::registry_id::RegistryId;
//! use quotapass_circuits::signal::{Epoch, ExternalNullifier, Scope, SignalHash};
//! use quotapass_circuits::time::UnixSeconds;
//! let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! let scope = Scope::new(&registry, "lobby");
//! let epoch = Epoch::at(600.try_into()?, UnixSeconds(1_800_000_000));
//! let message = b"hello";
//!
//! // The scope's requirement, and the number of this message in the epoch. Never use a number twice: the second message
//! // would reveal the secret.
//! use quotapass_circuits::{post::{Post, post}, requirement::Requirement};
//! let requirement = Requirement { min_stake: 10, since_max: Day(20_800) };
//! let (limit_cap, message_id) = (5.try_into()?, 0);
//! let (public, witness) = post(
//!     Membership { secret: &secret, member: &member, path: &path },
//!     ExternalNullifier::new(scope, epoch),
//!     SignalHash::new(scope, epoch, message)?,
//!     requirement,
//!     limit_cap,
//!     message_id,
//! )?;
//!
//! // Development keys are for experiments only. They are INSECURE: anyone can make them and forge proofs.
//! use quotapass_circuits::{formats::wire::PostPass, prover::{Prover, development_setup}};
//! let prover = Prover::<Post>::new(development_setup(Post::STANDARD)?)?;
//! let proof = prover.prove(&public, &witness, &mut rng)?;
//! let pass = PostPass::new(epoch, &public, proof).to_bytes();
//! assert_eq!(pass.len(), 246);
//!
//! // The verifier has the message and the scope. It checks the pass's epoch, root and requirement before it verifies
//! // the proof.
//! let verifier = prover.verifier()?;
//! let pass = PostPass::from_bytes(&pass)?;
//! assert_eq!((pass.root, pass.requirement), (tree.root(), requirement));
//! verifier.verify(&pass.public(scope, message)?, &pass.proof)?;
//! assert!(verifier.verify(&pass.public(scope, b"another message")?, &pass.proof).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! - [`identity`], [`membership`], [`signal`], [`share`], [`requirement`], [`time`]: types of the protocol's values.
//! - [`moderation`]: entries of posts, actions of authors, lists, and the statements about them.
//! - [`poseidon`]: the hash function, native and as constraints.
//! - [`constraints`]: circuits, described once and run for setup and for proving.
//! - [`prover`] and [`verifier`]: keys, proofs, single and batch verification.
//! - [`key_id`]: what identifies a proving key.
//! - [`pins`]: the current circuits and their development keys.
//! - [`formats`]: passes in bytes, text and JSON.
//!
//! Ceremonies and the files of iden3's tools are in the crate `quotapass-setup`.
//!
//! # Features
//!
//! - `threads`: proves, verifies and builds trees on all cores with rayon.
//! - `parallel` (default): `threads`, and arkworks' setup on all cores.
//! - `simd` (default): computes proofs, decodes batches of passes and builds trees with AVX-512 IFMA, on processors
//!   that have it.
//!
//! # Backends
//!
//! [`backend`] chooses the arithmetic once for a process. With `QUOTAPASS_BACKEND=arkworks` the sums, pairings,
//! transforms, roots and hashes of this crate are those of plain arkworks, the reference for the other backends.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod badge;
pub mod constraints;
pub mod field;
pub mod formats;
pub mod identity;
pub mod key_id;
pub mod membership;
pub mod moderation;
pub mod pins;
pub mod poseidon;
pub mod post;
pub mod proof;
pub mod prover;
pub mod registry_id;
pub mod requirement;
pub mod share;
pub mod signal;
pub mod slash;
#[cfg(test)]
mod soundness;
pub mod time;
pub mod verifier;

pub use quotapass_bn254::backend;

#[cfg(test)]
mod tests {
    use crate::backend;

    /// Fails in a suite that runs with an invalid variable.
    #[test]
    fn the_selected_backend_computes() {
        assert_eq!(backend::selected(), Ok(backend::current()));
    }
}
