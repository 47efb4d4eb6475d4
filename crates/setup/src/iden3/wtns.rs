//! The `.wtns` binary format, version 2 (iden3/snarkjs, `wtns_utils.js`).

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};
use quotapass_circuits::constraints::assignment::Assignment;
use zeroize::Zeroizing;

use super::sections::write_field;

/// Returns the values of all variables as a `.wtns` file, from which snarkjs can make a proof. The file contains the
/// identity secret in plain text.
pub fn wtns(assignment: &Assignment) -> Zeroizing<Vec<u8>> {
    const HEADER: u32 = 1;
    const VALUES: u32 = 2;
    let values = assignment.values();

    let mut header = Vec::new();
    write_field::<Fr>(&mut header);
    header.extend((values.len() as u32).to_le_bytes());

    // Allocated at its final size: a vector that grows leaves copies of secrets in memory.
    let mut file = Zeroizing::new(Vec::with_capacity(36 + header.len() + 32 * values.len()));
    file.extend(b"wtns");
    file.extend([2, 2].into_iter().flat_map(u32::to_le_bytes));
    for (number, length) in [(HEADER, header.len()), (VALUES, 32 * values.len())] {
        file.extend(number.to_le_bytes());
        file.extend((length as u64).to_le_bytes());
        if number == HEADER {
            file.extend(&header);
        }
    }
    for value in values {
        let number = Zeroizing::new(value.into_bigint().to_bytes_le());
        file.extend_from_slice(&number);
    }
    file
}
