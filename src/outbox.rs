//! Transactions whose outcome is not known yet, in the data folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use alloy_primitives::{Address, U256};
use quotapass_registry::{
    bindings::{RegistryAbi::RegistryAbiCalls, TokenAbi::TokenAbiCalls, sol_types::SolInterface as _},
    rpc::{Outbox, OutgoingTransaction},
};
use quotapass_wallet::files::write_atomically;

use super::interrupt;

/// A folder with one file for each transaction.
#[derive(Debug)]
pub(super) struct OutboxFolder(PathBuf);

impl OutboxFolder {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    fn path(&self, transaction: &OutgoingTransaction) -> PathBuf {
        let OutgoingTransaction { chain_id, from, nonce, hash, .. } = transaction;
        self.0.join(format!("{chain_id}-{from}-{nonce}-{hash}.json"))
    }

    /// Returns the transactions of all accounts on a chain, those of one account and nonce in a row.
    pub(super) fn on_chain(&self, chain_id: u64) -> io::Result<Vec<OutgoingTransaction>> {
        let files = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(|error| at(&self.0, &error))?,
        };
        let mut transactions = Vec::new();
        for file in files {
            let path = file?.path();
            // The draft of a file has another ending.
            if path.extension().is_some_and(|end| end == "json")
                && let Some(transaction) = read(&path)?
            {
                transactions.push(transaction);
            }
        }
        transactions.retain(|transaction| transaction.chain_id == chain_id);
        transactions.sort_by_key(|sent| (sent.from, sent.nonce, sent.max_fee_per_gas));
        Ok(transactions)
    }
}

impl Outbox for OutboxFolder {
    fn remember(&self, transaction: &OutgoingTransaction) -> io::Result<()> {
        let path = self.path(transaction);
        write_atomically(&path, &serde_json::to_vec(transaction)?).map_err(|error| at(&path, &error))?;
        interrupt::may_be_mined(transaction.hash);
        Ok(())
    }

    fn of_account(&self, chain_id: u64, from: Address) -> io::Result<Vec<OutgoingTransaction>> {
        let mut transactions = self.on_chain(chain_id)?;
        transactions.retain(|transaction| transaction.from == from);
        Ok(transactions)
    }

    fn forget(&self, transaction: &OutgoingTransaction) -> io::Result<()> {
        interrupt::is_over(transaction.hash);
        let path = self.path(transaction);
        fs::remove_file(&path).map_err(|error| at(&path, &error))
    }
}

/// Reads a transaction; `None` if another process has just removed it.
fn read(path: &Path) -> io::Result<Option<OutgoingTransaction>> {
    let content = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        content => content.map_err(|error| at(path, &error))?,
    };
    serde_json::from_slice(&content).map(Some).map_err(|error| {
        let reason = format!(
            "{} is damaged ({error}); its name ends with the hash of a transaction that may still be mined: look that \
             up, then remove the file",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, reason)
    })
}

/// Adds the path to an error.
fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Returns what a transaction does, for people.
pub(super) fn purpose(transaction: &OutgoingTransaction) -> String {
    use RegistryAbiCalls as Call;
    if transaction.to.is_none() {
        return "deployment of a contract".into();
    }
    match RegistryAbiCalls::abi_decode(&transaction.data) {
        Ok(Call::deposit(_) | Call::depositWithPermit(_) | Call::depositGated(_)) => "deposit".into(),
        Ok(Call::requestExit(call)) => format!("exit of member {}", call.index),
        Ok(Call::withdraw(call)) => format!("withdrawal of member {}", call.index),
        Ok(Call::slash(call)) => format!("slash of member {}", call.index),
        Ok(Call::claim(call)) => format!("claim for {}", call.account),
        _ => match TokenAbiCalls::abi_decode(&transaction.data) {
            Ok(TokenAbiCalls::approve(_)) => "approval of tokens".into(),
            _ => "call of a contract".into(),
        },
    }
}

/// Returns the commitment that a transaction deposits for at a registry, as the contract's number.
pub(super) fn deposited(transaction: &OutgoingTransaction, registry: Address) -> Option<U256> {
    use RegistryAbiCalls as Call;
    if transaction.to != Some(registry) {
        return None;
    }
    match RegistryAbiCalls::abi_decode(&transaction.data) {
        Ok(Call::deposit(call)) => Some(call.idc),
        Ok(Call::depositWithPermit(call)) => Some(call.idc),
        Ok(Call::depositGated(call)) => Some(call.idc),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, TxHash};
    use quotapass_registry::bindings::{RegistryAbi, TokenAbi, sol_types::SolCall as _};

    use super::*;

    fn transaction(nonce: u64, to: Option<Address>, data: Vec<u8>) -> OutgoingTransaction {
        OutgoingTransaction {
            hash: TxHash::repeat_byte(nonce as u8),
            chain_id: 5,
            from: Address::repeat_byte(0xa1),
            nonce,
            to,
            data: Bytes::from(data),
            gas_limit: 100_000,
            // Above the numbers of 64 bits.
            max_fee_per_gas: u128::MAX,
            max_priority_fee_per_gas: 1,
        }
    }

    #[test]
    fn transactions_are_remembered_until_they_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = OutboxFolder::new(folder.path().join("transactions"));
        let (one, two) = (transaction(1, None, vec![]), transaction(2, Some(Address::ZERO), vec![1, 2, 3]));
        assert!(outbox.of_account(5, one.from).unwrap().is_empty());
        outbox.remember(&two).unwrap();
        outbox.remember(&one).unwrap();
        assert_eq!(outbox.of_account(5, one.from).unwrap(), [one.clone(), two.clone()]);
        assert!(outbox.of_account(5, Address::ZERO).unwrap().is_empty());
        assert!(outbox.on_chain(6).unwrap().is_empty());
        outbox.forget(&one).unwrap();
        assert_eq!(outbox.on_chain(5).unwrap(), std::slice::from_ref(&two));
        assert_eq!(outbox.forget(&one).unwrap_err().kind(), io::ErrorKind::NotFound);

        fs::write(outbox.path(&two), b"{").unwrap();
        let error = outbox.on_chain(5).unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains(&two.hash.to_string()), "{error}");
    }

    #[test]
    fn the_purpose_of_a_transaction_is_read_from_its_call() {
        let registry = Address::repeat_byte(0x51);
        let idc = U256::from(7);
        let deposit = transaction(1, Some(registry), RegistryAbi::depositCall { idc, tierNumber: 0 }.abi_encode());
        assert_eq!((purpose(&deposit), deposited(&deposit, registry)), ("deposit".into(), Some(idc)));
        assert_eq!(deposited(&deposit, Address::ZERO), None);
        let exit = transaction(2, Some(registry), RegistryAbi::requestExitCall { index: idc }.abi_encode());
        assert_eq!((purpose(&exit), deposited(&exit, registry)), ("exit of member 7".into(), None));
        let approval = TokenAbi::approveCall { spender: registry, value: idc }.abi_encode();
        assert_eq!(purpose(&transaction(3, Some(registry), approval)), "approval of tokens");
        assert_eq!(purpose(&transaction(4, None, vec![])), "deployment of a contract");
        assert_eq!(purpose(&transaction(5, Some(registry), vec![1, 2])), "call of a contract");
    }
}
