//! An in-process EVM chain, for demonstrations, tests and registries without an endpoint.
//!
//! It runs the contracts' real bytecode on revm, with the gas and the precompiles of Ethereum's main network. Accounts
//! need no keys and no ether: the caller states the sender. Time and blocks advance only when the caller says so, so a
//! run can be repeated exactly.
//!
//! The [front page of this crate](crate#a-member-from-the-deposit-to-the-withdrawal) has an example.

mod file;
mod state;

use core::ops::RangeInclusive;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard},
};

use alloy_primitives::{Address, BlockNumber, Bytes, TxHash, TxKind, U256, keccak256};
use alloy_sol_types::SolCall;
use quotapass_circuits::{
    time::UnixSeconds,
    verifier::{VerifyingKey, WrongKey},
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, TxEnv,
        result::{ExecutionResult, Output, ResultAndState},
    },
    database_interface::WrapDatabaseRef,
    primitives::hardfork::SpecId,
};

use file::StateFile;

pub use file::StateFileError;
use state::ChainState;

use super::{
    Block, RegistryContract, RegistryError,
    bindings::TokenAbi,
    deployment::{self, RegistryConfig},
    node::{Call, Node, NodeError, NodeReceipt},
};

/// Gas limit of a block and of each transaction: EIP-7825's cap on a transaction.
const GAS_LIMIT: u64 = 1 << 24;

/// A registry on an embedded chain.
pub type EmbeddedRegistry = RegistryContract<EmbeddedChain>;

/// Settings of a new chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainSettings {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The time of the first block.
    pub timestamp: UnixSeconds,
}

/// An in-process chain. Clones are handles of the same chain.
#[derive(Clone, Debug)]
pub struct EmbeddedChain {
    inner: Arc<Mutex<Inner>>,
    chain_id: u64,
}

#[derive(Debug)]
struct Inner {
    state: ChainState,
    /// Whether the latest block takes more transactions.
    open: bool,
    file: Option<StateFile>,
}

/// A saved state of a chain, which the chain can return to.
#[derive(Clone, Debug)]
pub struct Snapshot(ChainState);

/// Guard of an open block: while it lives, all transactions go into one block.
#[derive(Debug)]
#[must_use = "the block closes when this is dropped"]
pub struct OpenBlock(EmbeddedChain);

impl Drop for OpenBlock {
    fn drop(&mut self) {
        if let Ok(mut inner) = self.0.lock() {
            inner.open = false;
        }
    }
}

impl EmbeddedChain {
    /// A new chain that exists only in memory.
    pub fn in_memory(settings: ChainSettings) -> Self {
        Self::new(ChainState::new(settings), None)
    }

    /// A new chain that is stored in a file. A second, empty file `<path>.lock` is created beside it and is not
    /// removed.
    ///
    /// # Errors
    /// [`StateFileError::Exists`] if the file exists, and others if it cannot be written.
    pub fn create(path: &Path, settings: ChainSettings) -> Result<Self, StateFileError> {
        let file = StateFile::create(path)?;
        let state = ChainState::new(settings);
        file.write(&state)?;
        Ok(Self::new(state, Some(file)))
    }

    /// Opens the file of a chain and locks it: nothing else can open it at the same time.
    ///
    /// # Errors
    /// [`StateFileError`] if the file is missing, in use, of another kind or version, or damaged; the file is not
    /// changed.
    pub fn open(path: &Path) -> Result<Self, StateFileError> {
        let (file, state) = StateFile::open(path)?;
        Ok(Self::new(state, Some(file)))
    }

    fn new(state: ChainState, file: Option<StateFile>) -> Self {
        Self { chain_id: state.chain_id(), inner: Arc::new(Mutex::new(Inner { state, open: false, file })) }
    }

    /// Writes the chain to its file atomically. Does nothing for a chain in memory.
    ///
    /// # Errors
    /// [`EmbeddedError`] if the file cannot be written; it then keeps its old content.
    pub fn save(&self) -> Result<(), EmbeddedError> {
        let inner = self.lock()?;
        if let Some(file) = &inner.file {
            file.write(&inner.state)?;
        }
        Ok(())
    }

    /// The chain's time. The next block gets this time.
    ///
    /// # Errors
    /// [`NodeError::Failed`] if an earlier operation on the chain panicked.
    pub fn now(&self) -> Result<UnixSeconds, NodeError> {
        Ok(self.lock()?.state.clock())
    }

    /// Advances the chain's time. Nothing else advances it; the next block is the first with the new time.
    ///
    /// # Errors
    /// [`NodeError::Failed`] if an earlier operation on the chain panicked.
    pub fn advance(&self, seconds: u64) -> Result<(), NodeError> {
        self.lock()?.state.advance(seconds);
        Ok(())
    }

    /// Makes an empty block.
    ///
    /// # Errors
    /// [`NodeError::Failed`] if an earlier operation on the chain panicked.
    pub fn mine(&self) -> Result<Block, NodeError> {
        Ok(self.lock()?.state.push_block())
    }

    /// Opens a block that takes all transactions until the returned value is dropped; otherwise each transaction gets
    /// its own block. The open block is the latest block, and its hash changes with each transaction.
    ///
    /// # Errors
    /// [`NodeError::Failed`] if an earlier operation on the chain panicked.
    pub fn open_block(&self) -> Result<OpenBlock, NodeError> {
        let mut inner = self.lock()?;
        inner.state.push_block();
        inner.open = true;
        Ok(OpenBlock(self.clone()))
    }

    /// Saves the current state, for [`revert`](Self::revert).
    ///
    /// # Errors
    /// [`NodeError::Failed`] if an earlier operation on the chain panicked.
    pub fn snapshot(&self) -> Result<Snapshot, NodeError> {
        Ok(Snapshot(self.lock()?.state.clone()))
    }

    /// Returns to an earlier state of this chain, blocks and time included. Blocks that others have read since are then
    /// no longer in the chain, so this simulates a reorganisation.
    ///
    /// # Errors
    /// [`NodeError::Failed`] if an earlier operation on the chain panicked.
    pub fn revert(&self, snapshot: &Snapshot) -> Result<(), NodeError> {
        self.lock()?.state.clone_from(&snapshot.0);
        Ok(())
    }

    /// Deploys a contract and returns its address.
    ///
    /// # Errors
    /// [`NodeError::Reverted`] if its constructor reverts.
    pub fn deploy(&self, from: Address, init_code: Bytes) -> Result<Address, NodeError> {
        let address = from.create(self.lock()?.state.nonce(from));
        self.transact(from, TxKind::Create, init_code)?;
        Ok(address)
    }

    /// Deploys a development token, which anyone may mint.
    ///
    /// # Errors
    /// [`NodeError`] if the chain rejects the transaction.
    pub fn deploy_token(&self, from: Address) -> Result<Address, NodeError> {
        self.deploy(from, deployment::development_token_init_code())
    }

    /// Deploys the verifier of slash proofs for a verifying key of the circuit `slash`.
    ///
    /// # Errors
    /// [`EmbeddedError::WrongKey`] if it is another circuit's key.
    pub fn deploy_slash_verifier(&self, from: Address, key: &VerifyingKey) -> Result<Address, EmbeddedError> {
        Ok(self.deploy(from, deployment::slash_verifier_init_code(key)?)?)
    }

    /// Deploys a registry.
    ///
    /// # Errors
    /// [`RegistryError::Refused`] with the term that the contract does not accept.
    pub fn deploy_registry(&self, from: Address, config: &RegistryConfig) -> Result<EmbeddedRegistry, RegistryError> {
        let address = self.deploy(from, config.init_code())?;
        self.registry(address)
    }

    /// The registry at an address.
    ///
    /// # Errors
    /// [`RegistryError`] if there is no registry at the address.
    pub fn registry(&self, address: Address) -> Result<EmbeddedRegistry, RegistryError> {
        RegistryContract::connect(self.clone(), address)
    }

    /// Mints development tokens; the amount is in the smallest unit.
    ///
    /// # Errors
    /// [`RegistryError`] if the contract is not a development token.
    pub fn mint(&self, token: Address, to: Address, amount: U256) -> Result<(), RegistryError> {
        let data = TokenAbi::mintCall { to, amount }.abi_encode().into();
        self.send(to, &Call { to: token, data })?;
        Ok(())
    }

    /// Locks the chain. A panic during a change may leave the state inconsistent: after it, the chain refuses every
    /// operation.
    fn lock(&self) -> Result<MutexGuard<'_, Inner>, NodeError> {
        self.inner.lock().map_err(|_| NodeError::Failed)
    }

    fn transact(&self, from: Address, to: TxKind, data: Bytes) -> Result<NodeReceipt, NodeError> {
        let mut inner = self.lock()?;
        let Inner { state, open, .. } = &mut *inner;
        let latest = state.latest();
        let (number, timestamp) = if *open { (latest.number, latest.timestamp) } else { state.next() };
        let nonce = state.nonce(from);
        let transaction = transaction_hash(self.chain_id, from, nonce, to, &data);
        let ResultAndState { result, state: changes } = execute(state, number, timestamp, from, to, data)?;
        let (gas_used, logs, _) = outcome(result)?;
        state.commit(changes);
        if !*open {
            state.push_block();
        }
        Ok(NodeReceipt { transaction, block: number, gas_used, logs: state.push_transaction(transaction, logs) })
    }
}

impl Node for EmbeddedChain {
    fn chain_id(&self) -> u64 {
        self.chain_id
    }

    fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
        let inner = self.lock()?;
        let block = inner.state.latest();
        let answers = calls.iter().map(|call| {
            if !inner.state.has_code(call.to) {
                return Err(NodeError::NoContract(call.to));
            }
            let (to, data) = (TxKind::Call(call.to), call.data.clone());
            let executed = execute(&inner.state, block.number, block.timestamp, Address::ZERO, to, data)?;
            Ok(outcome(executed.result)?.2)
        });
        Ok((block, answers.collect::<Result<_, _>>()?))
    }

    fn code(&self, contract: Address) -> Result<Bytes, NodeError> {
        self.lock()?.state.contract_code(contract).ok_or(NodeError::NoContract(contract))
    }

    fn send(&self, from: Address, call: &Call) -> Result<NodeReceipt, NodeError> {
        if !self.lock()?.state.has_code(call.to) {
            return Err(NodeError::NoContract(call.to));
        }
        self.transact(from, TxKind::Call(call.to), call.data.clone())
    }

    fn logs(
        &self,
        contract: Address,
        blocks: RangeInclusive<BlockNumber>,
    ) -> Result<Vec<super::node::ChainLog>, NodeError> {
        Ok(self.lock()?.state.logs(contract, *blocks.start(), *blocks.end()))
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Block>, NodeError> {
        Ok(self.lock()?.state.block(number))
    }
}

/// Runs a transaction on the state without changing it.
fn execute(
    state: &ChainState,
    number: BlockNumber,
    timestamp: UnixSeconds,
    from: Address,
    to: TxKind,
    data: Bytes,
) -> Result<ResultAndState, NodeError> {
    let block = BlockEnv {
        number: U256::from(number),
        timestamp: U256::from(timestamp.0),
        gas_limit: GAS_LIMIT,
        basefee: 0,
        ..BlockEnv::default()
    };
    let mut evm = Context::mainnet()
        .with_db(WrapDatabaseRef(state))
        .with_block(block)
        .modify_cfg_chained(|config| {
            config.set_spec_and_mainnet_gas_params(SpecId::OSAKA);
            config.chain_id = state.chain_id();
        })
        .build_mainnet();
    let transaction = TxEnv {
        caller: from,
        kind: to,
        data,
        nonce: state.nonce(from),
        gas_limit: GAS_LIMIT,
        gas_price: 0,
        chain_id: Some(state.chain_id()),
        ..TxEnv::default()
    };
    evm.transact(transaction).map_err(|error| NodeError::Rejected(error.to_string()))
}

/// Returns gas used, logs and output of a successful transaction.
fn outcome(result: ExecutionResult) -> Result<(u64, Vec<alloy_primitives::Log>, Bytes), NodeError> {
    match result {
        ExecutionResult::Success { gas, logs, output: Output::Call(data), .. }
        | ExecutionResult::Success { gas, logs, output: Output::Create(data, _), .. } => {
            Ok((gas.tx_gas_used(), logs, data))
        }
        ExecutionResult::Revert { output, .. } => Err(NodeError::Reverted(output)),
        ExecutionResult::Halt { reason, .. } => Err(NodeError::Halted(format!("{reason:?}"))),
    }
}

/// Returns a hash that is unique on the chain, because each nonce of an account is used once.
fn transaction_hash(chain_id: u64, from: Address, nonce: u64, to: TxKind, data: &Bytes) -> TxHash {
    let to = to.to().map_or(&[][..], |to| to.as_slice());
    keccak256([&chain_id.to_be_bytes()[..], from.as_slice(), &nonce.to_be_bytes(), to, &keccak256(data)[..]].concat())
}

/// Errors of an embedded chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// The chain's file could not be written.
    #[error(transparent)]
    File(#[from] StateFileError),
    /// The chain refused.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The verifying key belongs to another circuit.
    #[error(transparent)]
    WrongKey(#[from] WrongKey),
}
