//! The `.r1cs` binary format, version 1 (iden3/r1csfile, doc/r1cs_bin_format.md).

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};

use super::sections::{write, write_field};
use crate::constraints::shape::Shape;

const HEADER: u32 = 1;
const CONSTRAINTS: u32 = 2;
const WIRE_TO_LABEL: u32 = 3;

/// Returns the constraints of a circuit as an `.r1cs` file. Wire 0 is the constant 1, followed by the public inputs and
/// the private variables. There are no outputs. All integers are little-endian.
pub fn r1cs(shape: &Shape) -> Vec<u8> {
    let public = shape.public as u32 - 1;
    let wires = shape.variables as u32;
    let private = wires - 1 - public;

    let mut header = Vec::new();
    write_field::<Fr>(&mut header);
    for count in [wires, 0, public, private] {
        header.extend(count.to_le_bytes());
    }
    header.extend(u64::from(wires).to_le_bytes());
    header.extend((shape.constraints() as u32).to_le_bytes());

    let mut constraints = Vec::new();
    for row in 0..shape.constraints() {
        for matrix in &shape.matrices {
            let terms = &matrix[row];
            constraints.extend((terms.len() as u32).to_le_bytes());
            for (coefficient, wire) in terms {
                constraints.extend((*wire as u32).to_le_bytes());
                constraints.extend(coefficient.into_bigint().to_bytes_le());
            }
        }
    }
    let labels = (0..u64::from(wires)).flat_map(u64::to_le_bytes).collect();

    write("r1cs", 1, [(HEADER, header), (CONSTRAINTS, constraints), (WIRE_TO_LABEL, labels)])
}
