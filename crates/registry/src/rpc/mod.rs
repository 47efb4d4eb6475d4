//! Registries behind a JSON-RPC endpoint, and the wallet keys that pay there.
//!
//! ```no_run
//! use quotapass_registry::{
//!     Observer, RegistryContract, RegistryReader, RegistryWriter, TierNumber,
//!     rpc::{AccountKey, JsonRpcNode, RpcSettings},
//! };
//! # let commitment = quotapass_circuits::identity::IdentitySecret::from_seed(b"a seed", &quotapass_circuits::
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
mod keystore;
mod node;
mod outbox;
mod receipt;
mod runtime;
mod tls;
mod transaction;
mod transport;

use core::time::Duration;
use std::sync::Arc;

use alloy_primitives::{Address, BlockNumber, TxHash};

pub use account::{AccountError, AccountKey};
pub use node::JsonRpcNode;
pub use outbox::{Outbox, OutgoingTransaction, Settled, Standing};
pub use tls::RpcTls;

use super::Observer;

/// Settings of a connection to an endpoint.
#[derive(Clone, Debug)]
pub struct RpcSettings {
    /// Time limit of one request.
    pub timeout: Duration,
    /// The chain id (EIP-155) that the endpoint must have; `None` accepts any chain.
    pub expected_chain_id: Option<u64>,
    /// Number of times a read request that failed in transit is repeated, after a pause that doubles each time.
    pub retries: u32,
    /// Time after which a transaction that is not in a block is sent again with the same nonce and higher fees.
    pub replace_after: Duration,
    /// Maximum number of such replacements. Each raises the fees by an eighth, or to the current fees of the chain if
    /// those are higher.
    pub replacements: u32,
    /// Time after which waiting for a transaction ends.
    pub give_up_after: Duration,
    /// Number of blocks after which a transaction counts as final, its own block included. At least 1.
    pub confirmations: u64,
    /// Memory of sent transactions, which survives the process. Without one, an interrupted process forgets what it
    /// sent.
    pub outbox: Option<Arc<dyn Outbox>>,
    /// Certificates for an `https://` endpoint; `None` uses the system's.
    pub tls: Option<RpcTls>,
    /// Observer of transactions and repeated requests.
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
            confirmations: 1,
            outbox: None,
            tls: None,
            progress: Observer::default(),
        }
    }
}

/// Progress of an endpoint's work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeProgress {
    /// A transaction was sent.
    Sent {
        /// Its hash.
        transaction: TxHash,
        /// The paying account.
        from: Address,
        /// The account's nonce.
        nonce: u64,
        /// Maximum price of a unit of gas, in wei.
        max_fee_per_gas: u128,
    },
    /// A transaction of an earlier process was found, and is waited for.
    Resumed {
        /// Its hash.
        transaction: TxHash,
    },
    /// The transaction is not in a block yet.
    Waiting {
        /// Its hash.
        transaction: TxHash,
        /// The time since it was first sent.
        waited: Duration,
        /// Blocks since then.
        blocks: u64,
    },
    /// The transaction took too long and was sent again with higher fees.
    Replaced {
        /// The old hash.
        former: TxHash,
        /// The new hash.
        transaction: TxHash,
        /// Maximum price of a unit of gas now, in wei.
        max_fee_per_gas: u128,
    },
    /// The transaction is in a block, and more blocks have to follow.
    Confirming {
        /// The hash that was included.
        transaction: TxHash,
        /// The block.
        block: BlockNumber,
        /// Number of blocks from this block to the latest one.
        confirmations: u64,
        /// Number of blocks to wait for.
        wanted: u64,
    },
    /// The transaction is in a block, with enough confirmations.
    Included {
        /// The hash that was included: the first one or that of a replacement.
        transaction: TxHash,
        /// The block.
        block: BlockNumber,
        /// Gas used.
        gas_used: u64,
    },
    /// A request failed in transit and is repeated.
    Retrying {
        /// The cause.
        reason: String,
        /// The pause before it is repeated.
        after: Duration,
        /// Number of the repetition, from 1.
        attempt: u32,
    },
}
