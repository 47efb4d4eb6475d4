//! `quotapass registry deploy`.

use alloy_primitives::{Address, U256, keccak256};
use anyhow::{Context as _, Result, bail};
use clap::{ArgGroup, Args};
use quotapass_circuits::slash::Slash;
use quotapass_protocol::{HEAD_SECONDS, SLASH_SECONDS};
use quotapass_registry::{
    Gate, RegistryContract, RegistryReader, Tier, TokenInfo,
    bindings::{TokenAbi, sol_types::SolCall},
    deployment::{RegistryConfig, development_token_init_code, slash_verifier_init_code},
    node::{Call, Node},
};
use serde_json::json;

use super::unfinished::Deployment;
use crate::{
    address, amount,
    context::Context,
    failure::usage,
    keys::{prover, require_test_chain, warn_of},
    output::note,
    prompt::confirm,
    time::{duration, parse_duration},
};

/// Number of tokens that are minted for the deployer of a development token.
const MINTED: u64 = 1_000_000;

/// The default fee is the price of the cheapest tier divided by this number.
const FEE_PART: u64 = 100;

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("what").required(true).args(["token", "dev_token"]))]
#[command(group = ArgGroup::new("who").required(true).args(["tiers", "gate"]))]
pub(crate) struct Arguments {
    /// ERC-20 token of the deposits
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    token: Option<Address>,
    /// Also deploy a worthless token that anyone can mint, and mint a million for the deployer
    #[arg(long)]
    dev_token: bool,
    /// Amount in tokens, stake units, messages per epoch and scope: 10:10:100; repeat it for more
    #[arg(long = "tier", value_name = "TERMS")]
    tiers: Vec<String>,
    /// Contract that decides who may join, and with which stake and limit, instead of tiers
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse, hide_short_help = true)]
    gate: Option<Address>,
    /// Price of a unit of stake in a registry with a gate, in tokens
    #[arg(long, value_name = "AMOUNT", requires = "gate", default_value = "0", hide_short_help = true)]
    stake_price: String,
    /// Fee of every deposit, in tokens [default: a hundredth of the cheapest tier, or 0 with a gate]
    ///
    /// It goes to the treasury and is not paid back: it is the price of one of the 2,097,152 places, which a deposit
    /// takes up permanently.
    #[arg(long, value_name = "AMOUNT")]
    fee: Option<String>,
    /// Time between the exit request and the withdrawal
    ///
    /// Relays refuse a registry whose exit delay is shorter than the sum of a scope's root window, epoch and clock skew
    /// plus 70 minutes: an hour for a slash, and ten minutes for the age of a block.
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = parse_duration)]
    exit_delay: u64,
    /// Percentage of a slashed deposit that the slasher receives, at most 90
    #[arg(long, value_name = "PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u16).range(..=90))]
    reward: u16,
    /// Account that receives the fees and the rest of slashed deposits [default: they are burnt]
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse, hide_short_help = true)]
    treasury: Option<Address>,
    /// Do not ask for confirmation
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<()> {
    let (node, from) = context.paying_node()?;
    // With development keys, anyone can forge slash proofs.
    require_test_chain(context.config(), node.chain_id())?;
    let prover = prover::<Slash>(&context.keys()?)?;
    let (symbol, decimals) = match arguments.token {
        Some(token) => describe(&node, token).with_context(|| format!("{token} is not an ERC-20 token"))?,
        None => ("DEV".into(), 18),
    };
    let tiers = arguments.tiers.iter().map(|text| tier(text, decimals)).collect::<Result<Vec<_>>>()?;
    let gate = match arguments.gate {
        None => None,
        Some(address) => Some(Gate { address, stake_price: amount::parse(&arguments.stake_price, decimals)? }),
    };
    let fee = match &arguments.fee {
        Some(fee) => amount::parse(fee, decimals)?,
        None => tiers.iter().map(|tier| tier.amount).min().unwrap_or_default() / U256::from(FEE_PART),
    };
    let exit_delay =
        u32::try_from(arguments.exit_delay).with_context(|| usage("--exit-delay is longer than 136 years"))?;
    let left = exit_delay.checked_sub(SLASH_SECONDS + HEAD_SECONDS).filter(|left| *left > 0).with_context(|| {
        usage(format!(
            "relays refuse a registry with an exit delay of {}: a slash alone takes up to an hour, and the newest \
             block may be ten minutes old; choose a longer delay, for example 7d",
            duration(exit_delay.into())
        ))
    })?;
    note(format!(
        "On chain {}, from {from}: {} in {symbol}, a fee of {} per deposit, exit delay {}, which leaves relays {} for \
         the sum of root window, epoch and clock skew.",
        node.chain_id(),
        arguments.gate.map_or_else(|| format!("{} tiers", tiers.len()), |gate| format!("members admitted by {gate}")),
        amount::show(fee, &TokenInfo { address: Address::ZERO, symbol: symbol.clone(), decimals }),
        duration(exit_delay.into()),
        duration(left.into())
    ));
    confirm("Deploy? These terms cannot be changed afterwards.", arguments.yes)?;

    let verifier_code = slash_verifier_init_code(&prover.verifying_key())?;
    let mut config = RegistryConfig {
        token: arguments.token.unwrap_or_default(),
        tiers,
        fee,
        exit_delay,
        reward_bps: arguments.reward * 100,
        treasury: arguments.treasury,
        verifier: Address::ZERO,
        gate,
    };
    let terms = keccak256([&config.init_code()[..], &verifier_code[..]].concat());
    let mut deployment = Deployment::open(context.deployment_path(node.chain_id(), from)?, terms, &node)?;
    let token = match arguments.token.or(deployment.steps.token) {
        Some(token) => token,
        None => {
            let (token, _) = node.deploy(from, development_token_init_code())?;
            deployment.steps.token = Some(token);
            deployment.save()?;
            token
        }
    };
    if arguments.dev_token && !deployment.steps.is_minted {
        let amount = U256::from(MINTED) * U256::from(10).pow(U256::from(decimals));
        let data = TokenAbi::mintCall { to: from, amount }.abi_encode().into();
        node.send(from, &Call { to: token, data })?;
        deployment.steps.is_minted = true;
        deployment.save()?;
    }
    let verifier = match deployment.steps.verifier {
        Some(verifier) => verifier,
        None => {
            let (verifier, _) = node.deploy(from, verifier_code)?;
            deployment.steps.verifier = Some(verifier);
            deployment.save()?;
            verifier
        }
    };
    (config.token, config.verifier) = (token, verifier);
    let (address, block) = match deployment.steps.registry {
        Some(registry) => registry,
        None => {
            let (address, receipt) = node.deploy(from, config.init_code())?;
            deployment.steps.registry = Some((address, receipt.block));
            deployment.save()?;
            (address, receipt.block)
        }
    };
    let registry = RegistryContract::connect(node.clone(), address)?;
    let info = registry.info()?;
    warn_of(prover.origin());
    context.output().result(
        &format!(
            "registry  {address} (block {block})\nverifier  {verifier}\ntoken     {token} ({})\n\
             Next: `quotapass config init --rpc-url {} --chain-id {} --registry {address}`",
            amount::show(registry.balance_of(from)?, &info.token),
            context.rpc_url()?,
            node.chain_id(),
        ),
        json!({
            "chain_id": node.chain_id(),
            "registry": address,
            "verifier": verifier,
            "token": token,
            "block": block,
            "keys": prover.origin().to_string(),
        }),
    )?;
    deployment.end()
}

/// Reads a token's symbol and decimals.
fn describe(node: &impl Node, token: Address) -> Result<(String, u8)> {
    let calls = [TokenAbi::symbolCall {}.abi_encode(), TokenAbi::decimalsCall {}.abi_encode()]
        .map(|data| Call { to: token, data: data.into() });
    let (_, answers) = node.call(&calls)?;
    let [symbol, decimals] = &answers[..] else { bail!("it does not answer") };
    let no_token = || usage("its answers are not those of a token");
    Ok((
        TokenAbi::symbolCall::abi_decode_returns_validate(symbol).with_context(no_token)?,
        TokenAbi::decimalsCall::abi_decode_returns_validate(decimals).with_context(no_token)?,
    ))
}

fn tier(text: &str, decimals: u8) -> Result<Tier> {
    let parts: Vec<_> = text.split(':').collect();
    let [amount, stake, limit] = parts[..] else {
        bail!(usage(format!(
            "tier `{text}`: write amount, stake and message limit, separated by colons, for example 10:10:100"
        )));
    };
    let number = |what, text: &str| usage(format!("tier `{what}`: `{text}` is not a number in range"));
    Ok(Tier {
        amount: amount::parse(amount, decimals).with_context(|| format!("tier `{text}`"))?,
        stake: stake.parse().with_context(|| number(text, stake))?,
        message_limit: limit.parse().with_context(|| number(text, limit))?,
    })
}
