//! Provenance of the contracts: whether they run the code of this version, and which key they verify slash proofs with.
//!
//! There are two attacks. A false registry can answer every query correctly, and still pay out the deposits to its
//! author. Or a genuine registry can use a verifier for a key whose secrets its author knows, so the author can slash
//! any member. The contract's answers reveal neither attack. So the code is compared with the compiler's output for
//! this version's sources, and the hash of the key is computed by code that was compared.
//!
//! The code does not show what a constructor wrote to storage. An attacker who deploys this code with a changed
//! constructor can start with members and debts that no event reports: read the transaction that deployed a registry
//! before you trust it with more than you can lose.

mod known;

use alloy_primitives::{Address, Bytes};
use quotapass_circuits::verifier::VerifyingKeyHash;
use sha2::{Digest, Sha256};

/// Size of an immutable in code, in bytes.
const WORD: usize = 32;

/// SHA-256 of a contract's code on the chain, including the values of its immutables.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(into = "String")]
pub struct CodeHash(pub [u8; 32]);

impl From<CodeHash> for String {
    fn from(hash: CodeHash) -> Self {
        hash.to_string()
    }
}

impl core::str::FromStr for CodeHash {
    type Err = hex::FromHexError;

    /// Reads 64 hexadecimal digits.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map(|()| Self(hash))
    }
}

impl core::fmt::Display for CodeHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "CodeHash({self})")
    }
}

/// Kinds of contracts that deposits depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ContractKind {
    /// The registry.
    Registry,
    /// The hash of its tree.
    Hasher,
    /// The verifier of slash proofs.
    Verifier,
}

impl core::fmt::Display for ContractKind {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Registry => "registry",
            Self::Hasher => "hash of the registry's tree",
            Self::Verifier => "verifier of slashes",
        })
    }
}

/// A contract and its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ContractCode {
    /// Its role.
    pub kind: ContractKind,
    /// Its address.
    pub address: Address,
    /// The hash of its code.
    pub hash: CodeHash,
    /// Whether this is the code of this version.
    pub is_known: bool,
}

/// Provenance of a registry's contracts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Provenance {
    /// The registry, the hash of its tree and the verifier of slashes.
    pub contracts: [ContractCode; 3],
    /// The hash of its key that the verifier states. It is only as trustworthy as the verifier's code. `None` if the
    /// verifier does not state it, as verifiers before version 0.2.
    pub key: Option<VerifyingKeyHash>,
}

/// Reason not to trust a registry with a deposit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// A contract runs other code.
    #[error(
        "the {} at {} does not run the code of this version of quotapass; check the address, or use the version that \
         deployed it. If you have checked that code by other means, list its SHA-256 {} in `trusted_code`",
        .0.kind, .0.address, .0.hash
    )]
    OtherCode(ContractCode),
    /// The verifier checks slash proofs with another key.
    #[error(
        "the verifier at {verifier} checks slashes with the verifying key {}, and the one in force here is {expected}: the maker \
         of that key may forge slashes. Use a registry with a key that you trust, or install its key with `quotapass \
         keys install` and list it in `trusted_keys`",
        found.map_or_else(|| "that it does not name".into(), |found| found.to_string())
    )]
    OtherKey {
        /// The verifier.
        verifier: Address,
        /// The hash of its key, if it states one.
        found: Option<VerifyingKeyHash>,
        /// The hash of the key that it should have.
        expected: VerifyingKeyHash,
    },
}

impl Provenance {
    /// Refuses contracts whose code is neither the code of this version nor in `trusted_code`, and a verifier whose key
    /// is not `expected`.
    ///
    /// # Errors
    /// [`Distrust`] names the contract and says what to do.
    pub fn require(&self, expected: VerifyingKeyHash, trusted_code: &[CodeHash]) -> Result<(), Distrust> {
        let strange = self.contracts.iter().find(|code| !code.is_known && !trusted_code.contains(&code.hash));
        if let Some(code) = strange {
            return Err(Distrust::OtherCode(*code));
        }
        if self.key != Some(expected) {
            let [.., verifier] = self.contracts;
            return Err(Distrust::OtherKey { verifier: verifier.address, found: self.key, expected });
        }
        Ok(())
    }
}

/// Description of a contract's code of this version on a chain.
struct KnownCode {
    /// Its length in bytes.
    length: usize,
    /// Its SHA-256 with all immutables set to zero.
    sha256: [u8; 32],
    /// For each immutable, the offsets of its words in the code.
    immutables: &'static [&'static [usize]],
}

impl KnownCode {
    /// Whether `code` is this code, with any values of the immutables. Each immutable must have the same value at all
    /// its offsets, so that the value one function returns is the value another function uses.
    fn is(&self, code: &[u8]) -> bool {
        if code.len() != self.length {
            return false;
        }
        let mut masked = code.to_vec();
        for places in self.immutables {
            let mut value = None;
            for place in *places {
                let Some(word) = masked.get_mut(*place..*place + WORD) else { return false };
                if *value.get_or_insert_with(|| word.to_vec()) != word {
                    return false;
                }
                word.fill(0);
            }
        }
        self.sha256 == <[u8; 32]>::from(Sha256::digest(&masked))
    }
}

/// Compares a contract's code with the known code.
pub(super) fn contract_code(kind: ContractKind, address: Address, code: &Bytes) -> ContractCode {
    let known = match kind {
        ContractKind::Registry => &known::REGISTRY,
        ContractKind::Hasher => &known::HASHER,
        ContractKind::Verifier => &known::SLASH_VERIFIER,
    };
    ContractCode { kind, address, hash: CodeHash(Sha256::digest(code).into()), is_known: known.is(code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &[u8] = &[7; 100];
    const KNOWN: KnownCode = KnownCode { length: 100, sha256: [0; 32], immutables: &[&[1, 60]] };

    fn known() -> KnownCode {
        let mut masked = CODE.to_vec();
        masked[1..33].fill(0);
        masked[60..92].fill(0);
        KnownCode { sha256: Sha256::digest(&masked).into(), ..KNOWN }
    }

    #[test]
    fn code_is_known_whatever_its_immutables_are() {
        assert!(known().is(CODE));
        let mut other = CODE.to_vec();
        other[1..33].fill(9);
        other[60..92].fill(9);
        assert!(known().is(&other));
    }

    #[test]
    fn an_immutable_with_two_values_is_other_code() {
        let mut other = CODE.to_vec();
        other[5] = 9;
        assert!(!known().is(&other));
        other[64] = 9;
        assert!(known().is(&other));
    }

    #[test]
    fn any_other_byte_is_other_code() {
        for place in [0, 33, 59, 92, 99] {
            let mut other = CODE.to_vec();
            other[place] ^= 1;
            assert!(!known().is(&other), "{place}");
        }
        assert!(!known().is(&CODE[..99]));
        assert!(!known().is(&[]));
    }

    #[test]
    fn hashes_of_code_read_back() {
        let hash = CodeHash([0xab; 32]);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("ab".parse::<CodeHash>().is_err());
    }
}
