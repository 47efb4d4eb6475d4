//! The state of an embedded chain: accounts, code, blocks and a clock.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, BlockNumber, Bytes, Log, TxHash, U256, keccak256, map::AddressMap};
use quotapass_circuits::time::UnixSeconds;
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    database_interface::DBErrorMarker,
    primitives::KECCAK_EMPTY,
    state::{Account as EvmAccount, AccountInfo},
};
use serde::{Deserialize, Serialize};

use super::ChainSettings;
use crate::{Block, node::ChainLog};

/// An account and its storage.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Account {
    balance: U256,
    nonce: u64,
    code_hash: B256,
    storage: BTreeMap<U256, U256>,
}

/// A log and the transaction that wrote it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct TransactionLog {
    transaction: TxHash,
    log: Log,
}

/// A block and its logs.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct FullBlock {
    block: Block,
    transactions: Vec<TxHash>,
    logs: Vec<TransactionLog>,
}

/// The whole state of a chain. All its maps are ordered, so equal chains have equal files.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct ChainState {
    chain_id: u64,
    /// The time of the next block.
    clock: UnixSeconds,
    accounts: BTreeMap<Address, Account>,
    code: BTreeMap<B256, Bytes>,
    /// From block 0, the genesis block, without gaps.
    blocks: Vec<FullBlock>,
}

impl ChainState {
    pub(super) fn new(settings: ChainSettings) -> Self {
        let mut state = Self {
            chain_id: settings.chain_id,
            clock: settings.timestamp,
            accounts: BTreeMap::new(),
            code: BTreeMap::new(),
            blocks: Vec::new(),
        };
        state.push_block();
        state
    }

    pub(super) fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub(super) fn clock(&self) -> UnixSeconds {
        self.clock
    }

    pub(super) fn advance(&mut self, seconds: u64) {
        self.clock = self.clock.saturating_add(seconds);
    }

    pub(super) fn nonce(&self, address: Address) -> u64 {
        self.accounts.get(&address).map_or(0, |account| account.nonce)
    }

    pub(super) fn contract_code(&self, address: Address) -> Option<Bytes> {
        self.accounts.get(&address).and_then(|account| self.code.get(&account.code_hash)).cloned()
    }

    pub(super) fn has_code(&self, address: Address) -> bool {
        self.accounts.get(&address).is_some_and(|account| account.code_hash != KECCAK_EMPTY)
    }

    /// The latest block.
    pub(super) fn latest(&self) -> Block {
        self.blocks.last().map_or(Block { number: 0, hash: B256::ZERO, timestamp: self.clock }, |full| full.block)
    }

    pub(super) fn block(&self, number: BlockNumber) -> Option<Block> {
        usize::try_from(number).ok().and_then(|place| self.blocks.get(place)).map(|full| full.block)
    }

    /// Number and time of the next block.
    pub(super) fn next(&self) -> (BlockNumber, UnixSeconds) {
        (self.blocks.len() as u64, self.clock)
    }

    /// Appends an empty block at the clock's time.
    pub(super) fn push_block(&mut self) -> Block {
        let (number, timestamp) = self.next();
        let mut full = FullBlock {
            block: Block { number, hash: B256::ZERO, timestamp },
            transactions: Vec::new(),
            logs: Vec::new(),
        };
        full.block.hash = self.hash(&full);
        let block = full.block;
        self.blocks.push(full);
        block
    }

    /// Adds a transaction to the latest block; returns its logs with their positions.
    pub(super) fn push_transaction(&mut self, transaction: TxHash, logs: Vec<Log>) -> Vec<ChainLog> {
        let Some(mut full) = self.blocks.pop() else { return Vec::new() };
        let first = full.logs.len();
        full.transactions.push(transaction);
        full.logs.extend(logs.into_iter().map(|log| TransactionLog { transaction, log }));
        full.block.hash = self.hash(&full);
        let placed = full.placed().skip(first).collect();
        self.blocks.push(full);
        placed
    }

    /// Returns the hash of a block on top of the earlier blocks. It depends only on its time and transactions.
    fn hash(&self, full: &FullBlock) -> B256 {
        let parent = self.blocks.last().map_or(B256::ZERO, |parent| parent.block.hash);
        let mut preimage = Vec::with_capacity(56 + 32 * full.transactions.len());
        preimage.extend(self.chain_id.to_be_bytes());
        preimage.extend(parent);
        preimage.extend(full.block.number.to_be_bytes());
        preimage.extend(full.block.timestamp.0.to_be_bytes());
        full.transactions.iter().for_each(|transaction| preimage.extend(transaction));
        keccak256(preimage)
    }

    pub(super) fn logs(&self, contract: Address, from: BlockNumber, to: BlockNumber) -> Vec<ChainLog> {
        let first = usize::try_from(from).unwrap_or(usize::MAX).min(self.blocks.len());
        let blocks = self.blocks[first..].iter().take_while(|full| full.block.number <= to);
        blocks.flat_map(FullBlock::placed).filter(|log| log.log.address == contract).collect()
    }

    /// Stores the accounts that a transaction changed.
    pub(super) fn commit(&mut self, changes: AddressMap<EvmAccount>) {
        for (address, change) in changes {
            if !change.is_touched() {
                continue;
            }
            if change.is_selfdestructed() || change.is_empty() {
                self.accounts.remove(&address);
                continue;
            }
            let EvmAccount { info, storage, .. } = &change;
            if let Some(code) = info.code.as_ref().filter(|code| !code.is_empty()) {
                self.code.entry(info.code_hash).or_insert_with(|| code.original_bytes());
            }
            let account = self.accounts.entry(address).or_insert_with(|| Account {
                balance: U256::ZERO,
                nonce: 0,
                code_hash: KECCAK_EMPTY,
                storage: BTreeMap::new(),
            });
            if change.is_created() {
                account.storage.clear();
            }
            (account.balance, account.nonce, account.code_hash) = (info.balance, info.nonce, info.code_hash);
            for (place, slot) in storage.iter().filter(|(_, slot)| slot.is_changed()) {
                if slot.present_value.is_zero() {
                    account.storage.remove(place);
                } else {
                    account.storage.insert(*place, slot.present_value);
                }
            }
        }
    }
}

impl FullBlock {
    fn placed(&self) -> impl Iterator<Item = ChainLog> + '_ {
        self.logs.iter().enumerate().map(|(index, TransactionLog { transaction, log })| ChainLog {
            block: self.block.number,
            index: index as u64,
            transaction: *transaction,
            log: log.clone(),
        })
    }
}

/// Error: the chain does not hold the code of an account. Only a file that was made by hand lacks it.
#[derive(Debug, thiserror::Error)]
#[error("the chain has no code with the hash {0}; restore its file")]
pub(super) struct MissingCode(B256);

impl DBErrorMarker for MissingCode {}

impl DatabaseRef for ChainState {
    type Error = MissingCode;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, MissingCode> {
        Ok(self.accounts.get(&address).map(|account| AccountInfo {
            balance: account.balance,
            nonce: account.nonce,
            code_hash: account.code_hash,
            code: None,
            ..AccountInfo::default()
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, MissingCode> {
        let code = self.code.get(&code_hash).ok_or(MissingCode(code_hash))?;
        Ok(Bytecode::new_legacy(code.clone()))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, MissingCode> {
        // A slot that was never written is zero.
        Ok(self.accounts.get(&address).and_then(|account| account.storage.get(&index)).copied().unwrap_or_default())
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, MissingCode> {
        // The EVM's answer for a block that does not exist.
        Ok(self.block(number).map_or(B256::ZERO, |block| block.hash))
    }
}
