//! The real proof that the contracts' tests verify: `contracts/test/fixtures/slash.json`.

use std::{fs, path::Path};

use alloy_primitives::{Address, U256};
use quotapass_circuits::{identity::IdentitySecret, registry_id::RegistryId, signal::Receiver, slash::slash};
use quotapass_testkit::bench::prover;
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use serde_json::json;

/// Written by this test when `QUOTAPASS_WRITE_FIXTURES` is set; otherwise its content must equal what would be written.
#[test]
fn the_contracts_test_a_proof_of_the_circuit_as_it_is() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let id = RegistryId { chain_id: 31_337, address: [0x42; 20] };
    let receiver_address = Address::repeat_byte(0x99);
    let secret = IdentitySecret::generate(&mut rng);
    let (public, witness) = slash(&secret, Receiver::new(&id, &receiver_address.into_array()));
    let proof = prover().prove(&public, &witness, &mut rng).unwrap();

    let word = |bytes: &[u8; 32]| U256::from_be_bytes(*bytes).to_string();
    let fixture = json!({
        "vk": prover().verifying_key().to_evm_words().iter().map(word).collect::<Vec<_>>(),
        "proof": proof.to_evm_words().iter().map(word).collect::<Vec<_>>(),
        "idc": word(&public.commitment.to_be_bytes()),
        "receiver": word(&public.receiver.to_be_bytes()),
        "receiverAddress": receiver_address,
        "chainId": id.chain_id.to_string(),
        "registry": Address::from(id.address),
    });
    let content = format!("{fixture:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("contracts/test/fixtures/slash.json");
    if std::env::var_os("QUOTAPASS_WRITE_FIXTURES").is_some() {
        fs::write(&path, &content).unwrap();
    }
    assert_eq!(
        fs::read_to_string(&path).unwrap_or_default(),
        content,
        "the circuit or its keys have changed: run this test once with QUOTAPASS_WRITE_FIXTURES=1"
    );
}
