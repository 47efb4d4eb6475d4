//! The registry contract behind [`RegistryReader`] and [`RegistryWriter`], on any chain.

use core::ops::{Range, RangeInclusive};

use alloy_primitives::{Address, B256, BlockNumber, Bytes, U256, keccak256};
use alloy_sol_types::{SolCall, SolValue};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Day, Levels, Member, MemberIndex},
    proof::Proof,
    registry_id::RegistryId,
    time::UnixSeconds,
    verifier::VerifyingKeyHash,
};

use super::{
    Block, Gate, Head, LoggedEvent, MemberRecord, MemberStatus, Permit, PermitDigest, Provenance, Receipt,
    RegistryError, RegistryEvent, RegistryInfo, RegistryReader, RegistryWriter, Tier, TierNumber, TokenInfo,
    UnexpectedAnswer,
    bindings::{RegistryAbi, SlashVerifierAbi, TokenAbi},
    convert,
    node::{Call, ChainLog, Node, NodeError, NodeReceipt},
    provenance::{ContractKind, contract_code},
};

/// Maximum number of memberships of one commitment per request.
const SLOTS_AT_ONCE: usize = 100;

/// The EIP-712 type that a token owner signs, defined by ERC-2612.
const PERMIT_TYPE: &[u8] = b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";

/// A registry contract on a chain.
#[derive(Clone, Debug)]
pub struct RegistryContract<N> {
    node: N,
    address: Address,
    token: Address,
}

impl<N: Node> RegistryContract<N> {
    /// Connects to the registry at an address.
    ///
    /// # Errors
    /// [`RegistryError`] if there is no registry at the address.
    pub fn connect(node: N, address: Address) -> Result<Self, RegistryError> {
        let mut contract = Self { node, address, token: Address::ZERO };
        contract.token = contract.view(RegistryAbi::tokenCall {})?;
        // A contract with a token is not always a registry; one with a root and a count in range is accepted.
        contract.head()?;
        Ok(contract)
    }

    /// The node of the registry's chain.
    pub fn node(&self) -> &N {
        &self.node
    }

    /// The token's contract.
    pub fn token(&self) -> Address {
        self.token
    }

    /// Makes several calls of the registry on the state of one block.
    fn views<C: SolCall>(&self, calls: impl IntoIterator<Item = C>) -> Result<Vec<C::Return>, RegistryError> {
        let calls: Vec<_> = calls.into_iter().map(|call| self.call(call)).collect();
        let (_, answers) = self.node.call(&calls)?;
        answers.iter().map(decode::<C>).collect()
    }

    fn view<C: SolCall>(&self, call: C) -> Result<C::Return, RegistryError> {
        view(&self.node, self.address, call)
    }

    fn view_token<C: SolCall>(&self, call: C) -> Result<C::Return, RegistryError> {
        view(&self.node, self.token, call)
    }

    /// Reads the EIP-712 type of the token's permits; `None` if the token does not state it, as most do not.
    fn permit_type(&self) -> Result<Option<B256>, RegistryError> {
        let selector = keccak256(b"PERMIT_TYPEHASH()")[..4].to_vec();
        match self.node.call(&[Call { to: self.token, data: selector.into() }]) {
            Ok((_, answers)) => Ok(answers.first().and_then(|answer| B256::try_from(&answer[..]).ok())),
            Err(NodeError::Reverted(_) | NodeError::Halted(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn call(&self, call: impl SolCall) -> Call {
        Call { to: self.address, data: call.abi_encode().into() }
    }

    fn send(&self, from: Address, call: impl SolCall) -> Result<Receipt, RegistryError> {
        self.receipt(self.node.send(from, &self.call(call))?)
    }

    fn receipt(&self, receipt: NodeReceipt) -> Result<Receipt, RegistryError> {
        let NodeReceipt { transaction, block, gas_used, logs } = receipt;
        let own = logs.iter().filter(|log| log.log.address == self.address);
        Ok(Receipt { transaction, block, gas_used, events: own.map(logged).collect::<Result<_, _>>()? })
    }
}

fn view<C: SolCall>(node: &impl Node, to: Address, call: C) -> Result<C::Return, RegistryError> {
    let (_, answers) = node.call(&[Call { to, data: call.abi_encode().into() }])?;
    decode::<C>(answer(&answers, 0)?)
}

fn answer(answers: &[Bytes], place: usize) -> Result<&Bytes, UnexpectedAnswer> {
    answers.get(place).ok_or_else(|| UnexpectedAnswer("fewer answers than it was asked".into()))
}

fn decode<C: SolCall>(data: &Bytes) -> Result<C::Return, RegistryError> {
    Ok(C::abi_decode_returns_validate(data)
        .map_err(|error| UnexpectedAnswer(format!("{data} to {}: {error}", C::SIGNATURE)))?)
}

fn logged(log: &ChainLog) -> Result<LoggedEvent, RegistryError> {
    let event = RegistryEvent::decode(&log.log)?;
    Ok(LoggedEvent { block: log.block, log_index: log.index, transaction: log.transaction, event })
}

impl<N: Node> RegistryReader for RegistryContract<N> {
    fn id(&self) -> RegistryId {
        RegistryId { chain_id: self.node.chain_id(), address: self.address.into_array() }
    }

    fn info(&self) -> Result<RegistryInfo, RegistryError> {
        let calls = [
            self.call(RegistryAbi::tierCountCall {}),
            self.call(RegistryAbi::exitDelayCall {}),
            self.call(RegistryAbi::rewardBpsCall {}),
            self.call(RegistryAbi::treasuryCall {}),
            self.call(RegistryAbi::verifierCall {}),
            self.call(RegistryAbi::memberCountCall {}),
            self.call(RegistryAbi::totalOwedCall {}),
            self.call(RegistryAbi::feeCall {}),
            self.call(RegistryAbi::gateCall {}),
            self.call(RegistryAbi::stakePriceCall {}),
            Call { to: self.token, data: TokenAbi::symbolCall {}.abi_encode().into() },
            Call { to: self.token, data: TokenAbi::decimalsCall {}.abi_encode().into() },
        ];
        let (_, answers) = self.node.call(&calls)?;
        let answer = |place| answer(&answers, place);
        let tier_count = decode::<RegistryAbi::tierCountCall>(answer(0)?)?;
        let tier_count = u8::try_from(tier_count).map_err(|_| UnexpectedAnswer(format!("{tier_count} tiers")))?;
        let tiers = self.views((0..tier_count).map(|number| RegistryAbi::tierCall { number: U256::from(number) }))?;
        let gate = decode::<RegistryAbi::gateCall>(answer(8)?)?;
        let stake_price = decode::<RegistryAbi::stakePriceCall>(answer(9)?)?;
        Ok(RegistryInfo {
            token: TokenInfo {
                address: self.token,
                symbol: decode::<TokenAbi::symbolCall>(answer(10)?)?,
                decimals: decode::<TokenAbi::decimalsCall>(answer(11)?)?,
            },
            tiers: tiers
                .into_iter()
                .map(|tier| Tier { amount: tier.amount, stake: tier.stake, message_limit: tier.messageLimit })
                .collect(),
            fee: decode::<RegistryAbi::feeCall>(answer(7)?)?,
            gate: (!gate.is_zero()).then_some(Gate { address: gate, stake_price }),
            exit_delay: decode::<RegistryAbi::exitDelayCall>(answer(1)?)?,
            reward_bps: decode::<RegistryAbi::rewardBpsCall>(answer(2)?)?,
            treasury: decode::<RegistryAbi::treasuryCall>(answer(3)?)?,
            verifier: decode::<RegistryAbi::verifierCall>(answer(4)?)?,
            member_count: convert::count(decode::<RegistryAbi::memberCountCall>(answer(5)?)?)?,
            total_owed: decode::<RegistryAbi::totalOwedCall>(answer(6)?)?,
        })
    }

    fn head(&self) -> Result<Head, RegistryError> {
        let calls = [self.call(RegistryAbi::rootCall {}), self.call(RegistryAbi::memberCountCall {})];
        let (block, answers) = self.node.call(&calls)?;
        let member_count = convert::count(decode::<RegistryAbi::memberCountCall>(answer(&answers, 1)?)?)?;
        if member_count > Levels::STANDARD.capacity() {
            return Err(UnexpectedAnswer(format!("{member_count} members, more than its tree holds")).into());
        }
        let root = convert::root(decode::<RegistryAbi::rootCall>(answer(&answers, 0)?)?)?;
        Ok(Head { block, root, member_count })
    }

    fn block(&self, number: BlockNumber) -> Result<Option<Block>, RegistryError> {
        Ok(self.node.block(number)?)
    }

    fn member_at(&self, index: MemberIndex) -> Result<Option<Member>, RegistryError> {
        let slot = self.view(RegistryAbi::memberAtCall { index: U256::from(index.0) })?;
        Ok(convert::member(slot.idc, slot.word)?)
    }

    fn members_in(&self, range: Range<MemberIndex>) -> Result<Vec<Option<Member>>, RegistryError> {
        let (from, to) = (U256::from(range.start.0), U256::from(range.end.0));
        let leaves = self.view(RegistryAbi::membersInCall { from, to })?;
        Ok(leaves.iter().map(|leaf| convert::member(leaf.idc, leaf.word)).collect::<Result<_, _>>()?)
    }

    fn record(&self, index: MemberIndex) -> Result<MemberRecord, RegistryError> {
        let member = self.view(RegistryAbi::memberCall { index: U256::from(index.0) })?;
        // The variants of the contract's enum, in order; its ABI has only their numbers.
        let status = match member.status {
            0 => MemberStatus::Active,
            1 => MemberStatus::Exiting { withdrawable_at: UnixSeconds(member.withdrawableAt.to()) },
            2 => MemberStatus::Withdrawn,
            3 => MemberStatus::Slashed,
            other => return Err(UnexpectedAnswer(format!("status {other} of a member")).into()),
        };
        Ok(MemberRecord {
            commitment: convert::commitment(member.idc)?,
            depositor: member.depositor,
            tier: TierNumber(member.tier),
            stake: member.stake,
            message_limit: member.messageLimit,
            since: Day(member.since),
            status,
        })
    }

    fn index_of(
        &self,
        commitment: IdentityCommitment,
        depositor: Address,
    ) -> Result<Option<MemberIndex>, RegistryError> {
        let place = self.view(RegistryAbi::indexOfCall { idc: convert::to_u256(commitment), depositor })?;
        Ok(if place.used { Some(convert::index(place.index)?) } else { None })
    }

    fn slots_of(&self, commitment: IdentityCommitment) -> Result<Vec<MemberIndex>, RegistryError> {
        let idc = convert::to_u256(commitment);
        let count = convert::count(self.view(RegistryAbi::slotCountCall { idc })?)?;
        if count > Levels::STANDARD.capacity() {
            return Err(UnexpectedAnswer(format!("{count} members of one commitment")).into());
        }
        let numbers: Vec<_> = (0..count).collect();
        let mut slots = Vec::with_capacity(numbers.len());
        for some in numbers.chunks(SLOTS_AT_ONCE) {
            let calls = some.iter().map(|number| RegistryAbi::slotAtCall { idc, number: U256::from(*number) });
            for index in self.views(calls)? {
                slots.push(convert::index(index)?);
            }
        }
        Ok(slots)
    }

    fn provenance(&self) -> Result<Provenance, RegistryError> {
        let calls = [self.call(RegistryAbi::hasherCall {}), self.call(RegistryAbi::verifierCall {})];
        let (_, answers) = self.node.call(&calls)?;
        let hasher = decode::<RegistryAbi::hasherCall>(answer(&answers, 0)?)?;
        let verifier = decode::<RegistryAbi::verifierCall>(answer(&answers, 1)?)?;
        let code = |kind, address| Ok::<_, NodeError>(contract_code(kind, address, &self.node.code(address)?));
        let contracts = [
            code(ContractKind::Registry, self.address)?,
            code(ContractKind::Hasher, hasher)?,
            code(ContractKind::Verifier, verifier)?,
        ];
        let key = match view(&self.node, verifier, SlashVerifierAbi::keyHashCall {}) {
            Ok(hash) => Some(VerifyingKeyHash(hash.0)),
            Err(RegistryError::Refused(_) | RegistryError::Unexpected(_)) => None,
            Err(error) => return Err(error),
        };
        Ok(Provenance { contracts, key })
    }

    fn events(&self, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<LoggedEvent>, RegistryError> {
        self.node.logs(self.address, blocks)?.iter().map(logged).collect()
    }

    fn balance_of(&self, account: Address) -> Result<U256, RegistryError> {
        self.view_token(TokenAbi::balanceOfCall { account })
    }

    fn allowance(&self, owner: Address) -> Result<U256, RegistryError> {
        self.view_token(TokenAbi::allowanceCall { owner, spender: self.address })
    }

    fn permit_digest(
        &self,
        owner: Address,
        amount: U256,
        deadline: UnixSeconds,
    ) -> Result<PermitDigest, RegistryError> {
        let permit_type = keccak256(PERMIT_TYPE);
        if self.permit_type()?.is_some_and(|stated| stated != permit_type) {
            return Err(RegistryError::OtherPermit(self.token));
        }
        let nonce = self.view_token(TokenAbi::noncesCall { owner })?;
        let domain: B256 = self.view_token(TokenAbi::DOMAIN_SEPARATORCall {})?;
        let fields = (permit_type, owner, self.address, amount, nonce, U256::from(deadline.0));
        let message = keccak256(fields.abi_encode());
        Ok(PermitDigest(keccak256([b"\x19\x01", &domain[..], &message[..]].concat())))
    }

    fn claimable(&self, account: Address) -> Result<U256, RegistryError> {
        self.view(RegistryAbi::claimableCall { account })
    }
}

impl<N: Node> RegistryWriter for RegistryContract<N> {
    fn approve(&self, from: Address, amount: U256) -> Result<Receipt, RegistryError> {
        let call = TokenAbi::approveCall { spender: self.address, value: amount };
        self.receipt(self.node.send(from, &Call { to: self.token, data: call.abi_encode().into() })?)
    }

    fn deposit(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        tier: TierNumber,
    ) -> Result<Receipt, RegistryError> {
        self.send(from, RegistryAbi::depositCall { idc: convert::to_u256(commitment), tierNumber: tier.0 })
    }

    fn deposit_with_permit(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        tier: TierNumber,
        permit: &Permit,
    ) -> Result<Receipt, RegistryError> {
        let call = RegistryAbi::depositWithPermitCall {
            idc: convert::to_u256(commitment),
            tierNumber: tier.0,
            deadline: U256::from(permit.deadline.0),
            v: 27 + u8::from(permit.signature.v()),
            r: permit.signature.r().into(),
            s: permit.signature.s().into(),
        };
        self.send(from, call)
    }

    fn deposit_gated(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        max_amount: U256,
        data: Bytes,
    ) -> Result<Receipt, RegistryError> {
        let idc = convert::to_u256(commitment);
        self.send(from, RegistryAbi::depositGatedCall { idc, maxAmount: max_amount, data })
    }

    fn request_exit(&self, from: Address, index: MemberIndex) -> Result<Receipt, RegistryError> {
        self.send(from, RegistryAbi::requestExitCall { index: U256::from(index.0) })
    }

    fn withdraw(&self, from: Address, index: MemberIndex, to: Address) -> Result<Receipt, RegistryError> {
        self.send(from, RegistryAbi::withdrawCall { index: U256::from(index.0), to })
    }

    fn slash(
        &self,
        from: Address,
        index: MemberIndex,
        receiver: Address,
        proof: &Proof,
    ) -> Result<Receipt, RegistryError> {
        let proof = proof.to_evm_words().map(U256::from_be_bytes);
        self.send(from, RegistryAbi::slashCall { index: U256::from(index.0), receiver, proof })
    }

    fn claim(&self, from: Address, account: Address, to: Address) -> Result<Receipt, RegistryError> {
        self.send(from, RegistryAbi::claimCall { account, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A token that states this type of its permits, or fails to.
    struct Token(Result<Bytes, NodeError>);

    impl Node for Token {
        fn chain_id(&self) -> u64 {
            1
        }

        fn call(&self, calls: &[Call]) -> Result<(Block, Vec<Bytes>), NodeError> {
            let answer = |call: &Call| match call.data[..4] == keccak256(b"PERMIT_TYPEHASH()")[..4] {
                true => self.0.clone(),
                false => Ok(vec![0u8; 32].into()),
            };
            let block = Block { number: 1, hash: B256::ZERO, timestamp: UnixSeconds(1) };
            Ok((block, calls.iter().map(answer).collect::<Result<_, _>>()?))
        }

        fn code(&self, contract: Address) -> Result<Bytes, NodeError> {
            Err(NodeError::NoContract(contract))
        }

        fn send(&self, from: Address, _: &Call) -> Result<NodeReceipt, NodeError> {
            Err(NodeError::NoKey(from))
        }

        fn logs(&self, _: Address, _: RangeInclusive<BlockNumber>) -> Result<Vec<ChainLog>, NodeError> {
            Ok(Vec::new())
        }

        fn block(&self, _: BlockNumber) -> Result<Option<Block>, NodeError> {
            Ok(None)
        }
    }

    #[test]
    fn a_permit_of_dais_form_is_told_from_that_of_the_standard() {
        let [token, owner] = [1, 2].map(Address::repeat_byte);
        let digest = |stated| {
            let registry = RegistryContract { node: Token(stated), address: Address::ZERO, token };
            registry.permit_digest(owner, U256::from(1), UnixSeconds(2))
        };
        let dai = b"Permit(address holder,address spender,uint256 nonce,uint256 expiry,bool allowed)";
        let refused = digest(Ok(keccak256(dai).to_vec().into())).unwrap_err();
        assert_eq!(refused, RegistryError::OtherPermit(token));
        assert!(refused.to_string().contains("--approve"), "{refused}");
        // Most tokens do not state the type. They revert, or answer with nothing.
        let expected = digest(Ok(keccak256(PERMIT_TYPE).to_vec().into())).unwrap();
        for silent in [Err(NodeError::Reverted(Bytes::new())), Err(NodeError::Halted("".into())), Ok(Bytes::new())] {
            assert_eq!(digest(silent), Ok(expected));
        }
        assert_eq!(digest(Err(NodeError::Unsteady)), Err(NodeError::Unsteady.into()));
    }
}
