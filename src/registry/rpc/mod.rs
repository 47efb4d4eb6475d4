//! Registries on chains behind a JSON-RPC endpoint, and the wallet keys that pay there.
//!
//! ```no_run
//! use quotapass::registry::{
//!     Observer, Registry, RegistryContract, TierNumber,
//!     rpc::{AccountKey, JsonRpcNode, RpcSettings},
//! };
//! # let commitment = quotapass::circuits::identity::IdentitySecret::from_seed(b"a seed", &quotapass::circuits::
//! #     registry_id::RegistryId { chain_id: 1, address: [0; 20] }, 0)?.commitment();
//!
//! let key = AccountKey::from_private_key(&std::env::var("WALLET_KEY")?)?;
//! let settings = RpcSettings {
//!     expected_chain_id: Some(100),
//!     progress: Observer::new(|progress| eprintln!("{progress:?}")),
//!     ..RpcSettings::default()
//! };
//! let depositor = key.address();
//! let node = JsonRpcNode::connect("https://rpc.gnosischain.com", settings)?.with_account(key);
//! let registry = RegistryContract::connect(node, "0x5fbdb2315678afecb367f032d93f642f64180aa3".parse()?)?;
//! let price = registry.info()?.tiers[0].amount;
//! registry.approve(depositor, price)?;
//! let index = registry.deposit(depositor, commitment, TierNumber(0))?.added();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod client;
mod error;
mod node;
mod runtime;
mod tls;
mod transaction;

use core::time::Duration;

use alloy_primitives::{Address, BlockNumber, TxHash};

pub use account::{AccountError, AccountKey};
pub use node::JsonRpcNode;
pub use tls::RpcTls;

use super::Observer;

/// How an endpoint is used.
#[derive(Clone, Debug)]
pub struct RpcSettings {
    /// How long one request may take.
    pub timeout: Duration,
    /// The chain that the endpoint must belong to (EIP-155); any chain if none.
    pub expected_chain_id: Option<u64>,
    /// How often a request that reads and failed on the way is repeated, after a pause that doubles each time.
    pub retries: u32,
    /// After what time a transaction that is in no block is sent again with the same nonce and higher fees.
    pub replace_after: Duration,
    /// How often that is done at most. Each time, the fees rise by an eighth or to what the chain asks now.
    pub replacements: u32,
    /// After what time a transaction is no longer waited for.
    pub give_up_after: Duration,
    /// Certificates for an `https://` endpoint, if not those of the system.
    pub tls: Option<RpcTls>,
    /// Who is told of transactions and repeated requests.
    pub progress: Observer<NodeProgress>,
}

impl Default for RpcSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            expected_chain_id: None,
            retries: 5,
            replace_after: Duration::from_secs(120),
            replacements: 4,
            give_up_after: Duration::from_secs(1_800),
            tls: None,
            progress: Observer::default(),
        }
    }
}

/// What an endpoint is busy with.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeProgress {
    /// A transaction was sent.
    Sent {
        /// Its hash.
        transaction: TxHash,
        /// Who pays for it.
        from: Address,
        /// The account's nonce.
        nonce: u64,
        /// What a unit of gas may cost at most, in wei.
        max_fee_per_gas: u128,
    },
    /// It is in no block yet.
    Waiting {
        /// Its hash.
        transaction: TxHash,
        /// The time since it was first sent.
        waited: Duration,
        /// Blocks since then.
        blocks: u64,
    },
    /// It took too long and was sent again with higher fees.
    Replaced {
        /// The hash before.
        former: TxHash,
        /// The hash now.
        transaction: TxHash,
        /// What a unit of gas may cost at most now, in wei.
        max_fee_per_gas: u128,
    },
    /// It is in a block.
    Included {
        /// The hash that was included; one of those sent.
        transaction: TxHash,
        /// The block.
        block: BlockNumber,
        /// Gas used.
        gas_used: u64,
    },
    /// A request failed on the way and is repeated.
    Retrying {
        /// What went wrong.
        reason: String,
        /// The pause before it is repeated.
        after: Duration,
        /// Which repetition it is, from 1.
        attempt: u32,
    },
}
