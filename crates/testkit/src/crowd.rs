//! Many depositors at once: one unlocked account of anvil deposits for whole blocks of commitments.

use quotapass_registry::{
    alloy_primitives::{Address, B256, U256, hex},
    bindings::{RegistryAbi, TokenAbi, sol_types::SolCall},
};
use serde_json::{Value, json};

use crate::anvil::{Anvil, post};

/// Gas limit of a transaction; a slash uses much less.
const GAS: u64 = 1_000_000;

/// A depositing account, and the number of its deposits.
pub struct Crowd<'a> {
    anvil: &'a Anvil,
    registry: Address,
    pub account: Address,
    pub count: u64,
}

impl<'a> Crowd<'a> {
    /// Gives an account all it needs for many deposits.
    pub fn new(anvil: &'a Anvil, registry: Address, token: Address) -> Self {
        let account = Address::repeat_byte(0xc0);
        anvil.rpc("anvil_impersonateAccount", json!([account]));
        anvil.rpc("anvil_setBalance", json!([account, "0xffffffffffffffffffffffff"]));
        let crowd = Self { anvil, registry, account, count: 0 };
        let mint = TokenAbi::mintCall { to: account, amount: U256::MAX >> 1 };
        let approve = TokenAbi::approveCall { spender: registry, value: U256::MAX };
        crowd.send(&[(token, mint.abi_encode()), (token, approve.abi_encode())]);
        anvil.mine(1);
        crowd
    }

    /// The commitment of the n-th deposit: the registry accepts any number.
    pub fn commitment(n: u64) -> U256 {
        U256::from(0x1111_1111_1111_1111_u64) << 128 | U256::from(n) << 64 | U256::from(n + 1)
    }

    /// Makes `count` deposits, `per_block` in every block. Returns the hashes of the transactions.
    pub fn deposit(&mut self, count: u64, per_block: u64) -> Vec<B256> {
        self.anvil.stop_mining();
        let (mut hashes, end) = (Vec::new(), self.count + count);
        while self.count < end {
            let block = per_block.min(end - self.count);
            let calls: Vec<_> = (self.count..self.count + block)
                .map(|n| RegistryAbi::depositCall { idc: Self::commitment(n), tierNumber: (n % 3) as u8 })
                .map(|call| (self.registry, call.abi_encode()))
                .collect();
            hashes.extend(self.send(&calls));
            self.anvil.mine(1);
            self.count += block;
        }
        self.anvil.rpc("evm_setAutomine", json!([true]));
        hashes
    }

    /// Sends transactions in one batch.
    pub fn send(&self, calls: &[(Address, Vec<u8>)]) -> Vec<B256> {
        // anvil executes the calls of a batch in any order.
        let nonce = self.anvil.rpc("eth_getTransactionCount", json!([self.account, "pending"]));
        let nonce = u64::from_str_radix(&nonce.as_str().unwrap()[2..], 16).unwrap();
        let requests: Vec<Value> = (nonce..)
            .zip(calls)
            .map(|(id, (to, data))| {
                let (data, gas, nonce) = (hex::encode_prefixed(data), format!("{GAS:#x}"), format!("{id:#x}"));
                let call = json!({ "from": self.account, "to": to, "data": data, "gas": gas, "nonce": nonce });
                json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendTransaction", "params": [call] })
            })
            .collect();
        let answers = post(self.anvil.port(), &serde_json::to_vec(&requests).unwrap());
        let answers: Vec<Value> = serde_json::from_slice(&answers).unwrap();
        let hash = |answer: &Value| {
            let hash = answer["result"].as_str().unwrap_or_else(|| panic!("a transaction was refused: {answer}"));
            hash.parse().unwrap()
        };
        let mut answers: Vec<_> = answers.iter().collect();
        answers.sort_by_key(|answer| answer["id"].as_u64());
        answers.into_iter().map(hash).collect()
    }
}
