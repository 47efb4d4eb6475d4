//! Amounts of a token, with its decimals.

use alloy_primitives::{
    U256,
    utils::{ParseUnits, format_units, parse_units},
};
use anyhow::Result;
use quotapass_registry::{MemberRecord, RegistryInfo, TokenInfo};

use super::failure::usage;

/// Formats an amount, for example `12.5 TOK`. Trailing zeros are left out.
pub(super) fn show(amount: U256, token: &TokenInfo) -> String {
    format!("{} {}", digits(amount, token.decimals), token.symbol)
}

/// Formats the deposit of a member.
pub(super) fn of_deposit(info: &RegistryInfo, record: &MemberRecord) -> String {
    info.deposit_of(record).map_or_else(|| "a deposit".into(), |amount| show(amount, &info.token))
}

fn digits(amount: U256, decimals: u8) -> String {
    // One token with more than 77 decimals does not fit into 256 bits; such amounts are shown in the smallest unit.
    let Ok(text) = format_units(amount, decimals) else { return amount.to_string() };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Reads an amount in tokens, for example `12.5`, into the token's smallest unit.
pub(super) fn parse(text: &str, decimals: u8) -> Result<U256> {
    let fraction = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let is_valid = plain && fraction <= usize::from(decimals);
    match is_valid.then(|| parse_units(text, decimals)) {
        Some(Ok(ParseUnits::U256(amount))) => Ok(amount),
        _ => Err(usage(format!(
            "`{text}` is not an amount of this token: write digits, with at most {decimals} after the decimal point"
        ))
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_show_alike() {
        for (text, decimals, amount) in [
            ("12.5", 18, 12_500_000_000_000_000_000u128),
            ("0", 6, 0),
            ("7", 0, 7),
            ("0.000001", 6, 1),
            ("100", 2, 10_000),
        ] {
            assert_eq!(parse(text, decimals).unwrap(), U256::from(amount));
            assert_eq!(digits(U256::from(amount), decimals), text);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "-1", "1e3", "1.2.3", "1,5", "0.0000001", " 1", "1_000", &"9".repeat(90)] {
            assert!(parse(text, 6).is_err(), "{text}");
        }
    }
}
