//! The setup of proving keys: multi-party ceremonies, and the files of iden3's tools (circom, snarkjs).
//!
//! A proof is sound only if the secrets of its key's setup are unknown. In a [`ceremony`] many people make a key
//! together, and one honest contributor is enough. Its files are those of snarkjs, so each program continues and checks
//! the files of the other.
//!
//! | file | contains | here |
//! |---|---|---|
//! | `.ptau` | powers of tau, the first phase, the same for all circuits | [`iden3::Ptau`] |
//! | `.zkey` | a circuit's key in the second phase, with all contributions | [`iden3::Zkey`], [`proving_key`] |
//! | `.r1cs` | a circuit's constraints | [`Shape::to_r1cs`] |
//! | `.wtns` | a witness | [`iden3::wtns`] |
//! | `proof.json`, `public.json`, `verification_key.json` | a proof, its public inputs, a verifying key | [`iden3`] |
//!
//! Programs that prove and verify load keys in their own, shorter format
//! ([`ProvingKey::to_bytes`](quotapass_circuits::prover::ProvingKey::to_bytes)) and do not need this crate.
//!
//! # A ceremony
//!
//! ```no_run
//! use quotapass_circuits::{constraints::shape::Shape, slash::Slash};
//! use quotapass_setup::{
//!     ceremony::{Entropy, InitialKey, apply_beacon, contribute},
//!     iden3::Ptau,
//!     proving_key,
//! };
//! # use ark_std::rand::{SeedableRng, rngs::StdRng};
//! # let mut rng = StdRng::seed_from_u64(1); // use the system's generator instead
//!
//! // The coordinator makes the initial key from public powers of tau.
//! let file = std::fs::read("powersOfTau28_hez_final_08.ptau")?;
//! let powers = Ptau::from_bytes(&file)?;
//! let initial = InitialKey::new(&Shape::of(Slash)?, &powers, &mut rng)?;
//!
//! // Each contributor takes the newest key. A public value ends the ceremony.
//! let (key, published) = contribute(initial.zkey(), Some("Ann"), &Entropy::new(&mut rng, b"typed at random"))?;
//! println!("Ann's contribution: {published}");
//! let (key, _) = apply_beacon(&key, None, b"the hash of a block announced beforehand", 10)?;
//!
//! // Everyone can check the result, and import it.
//! initial.check(&key, &mut rng)?;
//! let key = proving_key(Slash, &key.to_bytes())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A proof for snarkjs
//!
//! ```
//! use quotapass_circuits::{
//!     constraints::Circuit,
//!     identity::IdentitySecret,
//!     prover::{Prover, development_setup},
//!     registry_id::RegistryId,
//!     signal::Receiver,
//!     slash::{Slash, slash},
//! };
//! use quotapass_setup::iden3::{proof_from_json, proof_json, public_json, verification_key_json};
//! # use ark_std::rand::{SeedableRng, rngs::StdRng};
//! # let mut rng = StdRng::seed_from_u64(1); // use the system's generator instead
//!
//! let secret = IdentitySecret::generate(&mut rng);
//! let registry = RegistryId { chain_id: 1, address: [0x11; 20] };
//! let (public, witness) = slash(&secret, Receiver::new(&registry, &[9; 20]));
//! let prover = Prover::<Slash>::new(development_setup(Slash)?)?;
//! let proof = prover.prove(&public, &witness, &mut rng)?;
//!
//! // `snarkjs groth16 verify` takes these three.
//! let key = verification_key_json(&prover.verifying_key());
//! let inputs = public_json(&Slash::public_inputs(&public));
//! let json = proof_json(&proof);
//! assert_eq!((key["nPublic"].as_u64(), inputs.as_array().map(Vec::len)), (Some(2), Some(2)));
//!
//! // A proof by snarkjs is read in the same form.
//! prover.verifier()?.verify(&public, &proof_from_json(&json)?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Shape::to_r1cs`]: quotapass_circuits::constraints::shape::Shape::to_r1cs

pub mod ceremony;
pub mod iden3;
mod import;

pub use import::{ZkeyError, proving_key};
