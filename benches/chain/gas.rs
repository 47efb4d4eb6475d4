//! Gas from receipts.

use quotapass_circuits::{membership::MemberIndex, signal::Receiver, slash::slash};
use quotapass_registry::{
    RegistryReader,
    alloy_primitives::{B256, U256},
    bindings::RegistryAbi,
};
use quotapass_testkit::{
    anvil::post,
    bench::{EXIT_DELAY, prover},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use crate::stage::Stage;

/// Gas of operations at a given number of members.
pub struct Costs {
    pub members: u64,
    pub sample: u64,
    pub deposit_average: u64,
    pub deposit_99th: u64,
    pub deposit_highest: u64,
    pub exit: u64,
    pub slash: u64,
    pub withdraw: u64,
}

/// Measures, and restores the registry.
pub fn measure(stage: &mut Stage, sample: u64) -> Costs {
    let members = stage.members();
    let undone = |stage: &mut Stage, work: &mut dyn FnMut(&mut Stage) -> Vec<u64>| {
        let (snapshot, count) = (stage.anvil.snapshot(), stage.crowd.count);
        let gas = work(stage);
        stage.anvil.revert(&snapshot);
        stage.crowd.count = count;
        gas
    };
    let mut deposits = undone(stage, &mut |stage| {
        let hashes = stage.crowd.deposit(sample, 64);
        gas_of(stage, &hashes)
    });
    deposits.sort_unstable();
    // The first, the middle and the last member: the highest gas of them counts.
    let mut chosen = vec![0, members / 2, members - 1];
    chosen.dedup();
    let (mut exit, mut withdraw) = (0, 0);
    for index in chosen {
        let gas = undone(stage, &mut |stage| {
            stage.anvil.rpc("evm_setAutomine", json!([true]));
            let index = U256::from(index);
            let exit = stage.send(RegistryAbi::requestExitCall { index });
            stage.anvil.advance(EXIT_DELAY.into());
            let withdraw = stage.send(RegistryAbi::withdrawCall { index, to: stage.crowd.account });
            gas_of(stage, &[exit, withdraw])
        });
        exit = exit.max(gas[0]);
        withdraw = withdraw.max(gas[1]);
    }
    let slashed = undone(stage, &mut |stage| {
        let receiver = stage.crowd.account;
        let (public, witness) = slash(&stage.secret, Receiver::new(&stage.registry.id(), &receiver.into_array()));
        let proof = prover().prove(&public, &witness, &mut StdRng::seed_from_u64(1)).unwrap();
        let proof = proof.to_evm_words().map(U256::from_be_bytes);
        let hash = stage.send(RegistryAbi::slashCall { index: U256::ZERO, receiver, proof });
        assert_eq!(stage.registry.member_at(MemberIndex(0)).unwrap(), None);
        gas_of(stage, &[hash])
    });
    Costs {
        members,
        sample,
        deposit_average: deposits.iter().sum::<u64>() / deposits.len() as u64,
        deposit_99th: deposits[(deposits.len() * 99).div_ceil(100) - 1],
        deposit_highest: deposits[deposits.len() - 1],
        exit,
        slash: slashed[0],
        withdraw,
    }
}

/// Returns the gas of transactions, all of which must have succeeded.
fn gas_of(stage: &Stage, hashes: &[B256]) -> Vec<u64> {
    let request = |(id, hash): (usize, &B256)| json!({ "jsonrpc": "2.0", "id": id, "method": "eth_getTransactionReceipt", "params": [hash] });
    let requests: Vec<Value> = hashes.iter().enumerate().map(request).collect();
    let answers = post(stage.anvil.port(), &serde_json::to_vec(&requests).unwrap());
    let answers: Vec<Value> = serde_json::from_slice(&answers).unwrap();
    let gas = |answer: &Value| {
        let receipt = &answer["result"];
        assert_eq!(receipt["status"], "0x1", "{answer}");
        u64::from_str_radix(&receipt["gasUsed"].as_str().unwrap()[2..], 16).unwrap()
    };
    answers.iter().map(gas).collect()
}
