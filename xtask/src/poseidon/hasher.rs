//! `H4` as a contract in EVM code: no jumps, memory only for the answer, every constant a PUSH.
//!
//! The Solidity compiler would spend an eighth of the gas on moving values. It cannot keep the constants of the partial
//! rounds on the stack, so they would not fit in a contract without a loop.
//!
//! Values stay below 2^256 without a reduction after each addition: a sum of five terms below r is below 2^256, and a
//! modular product takes factors that are not reduced.

use ark_bn254::Fr;
use ark_ff::One;

use super::coordinates::{DEGREE, Rounds, WIDTH};
use super::evm::{Name, Opcode, Program};

/// Bytes of calldata before the inputs: the selector of `hash4(uint256,uint256,uint256,uint256)`, which is not read.
const SELECTOR_BYTES: usize = 4;
const WORD_BYTES: usize = 32;

/// Names of the lanes of a full round, before the S-boxes and after.
const LANE: &str = "lane";
const SBOX: &str = "s-box";

/// Returns the contract's code. The inputs are calldata in the ABI's encoding; the answer is one word.
pub fn runtime(rounds: &Rounds) -> Program {
    let mut program = Program::default();
    first_round(&mut program, rounds);
    for (i, constants) in rounds.early.iter().enumerate() {
        program.part(format!("round {}", i + 2));
        full_round(&mut program, &rounds.full, constants);
    }
    partial_rounds(&mut program, rounds);
    let next = 2 + rounds.early.len() + 1 + rounds.partial.len();
    for (i, constants) in rounds.late.iter().enumerate() {
        program.part(format!("round {}", next + i));
        full_round(&mut program, &rounds.full, constants);
    }
    program.part(format!("round {}, and the answer", next + rounds.late.len()));
    answer(&mut program, rounds);
    program
}

/// Returns the code that deploys `runtime`.
pub fn deployment(runtime: &[u8]) -> Program {
    // PUSH2 and PUSH1 with the two numbers, and six more bytes.
    const SIZE: u64 = 10;
    let mut program = Program::default();
    program.push(runtime.len() as u64);
    program.dup_top();
    program.push(SIZE);
    program.push(0u64);
    program.run(Opcode::CodeCopy);
    program.push(0u64);
    program.run(Opcode::Return);
    assert_eq!(program.code().len() as u64, SIZE);
    program
}

/// Assembles the first round. Lane 0 is zero here, so its S-box is a constant, which is part of `entry_constants`.
fn first_round(program: &mut Program, rounds: &Rounds) {
    program.part("round 1");
    for (i, constant) in rounds.input.iter().enumerate() {
        program.push((SELECTOR_BYTES + WORD_BYTES * i) as u64);
        program.run(Opcode::CallDataLoad);
        add_constant(program, *constant);
        program.name((LANE, i + 1));
    }
    program.order();
    for i in 1..WIDTH {
        fifth_power(program, (LANE, i));
        program.name((SBOX, i));
    }
    for (i, row) in rounds.entry.iter().enumerate() {
        program.push(rounds.entry_constants[i]);
        add_products(program, row, &lanes(SBOX)[1..]);
        program.name((LANE, i));
    }
}

fn full_round(program: &mut Program, matrix: &[Vec<Fr>], constants: &[Fr]) {
    sboxes(program, constants);
    for (i, row) in matrix.iter().enumerate() {
        program.dup((SBOX, 0));
        add_products(program, &row[1..], &lanes(SBOX)[1..]);
        program.name((LANE, i));
    }
}

/// Assembles the S-boxes of a full round, and adds constants to their outputs.
fn sboxes(program: &mut Program, constants: &[Fr]) {
    program.order();
    for (i, constant) in constants.iter().enumerate() {
        if i == 0 {
            program.order();
        }
        fifth_power(program, (LANE, i));
        if i == 0 {
            program.push(*constant);
            program.run(Opcode::AddMod);
        } else {
            add_constant(program, *constant);
        }
        program.name((SBOX, i));
    }
}

/// Assembles round 4, which enters the recurrence, the partial rounds, and the exit from the recurrence.
fn partial_rounds(program: &mut Program, rounds: &Rounds) {
    let feedback: [Name; DEGREE] = std::array::from_fn(|i| ("feedback", i));
    let output: [Name; DEGREE] = std::array::from_fn(|i| ("output", i));
    let mut w: [Name; DEGREE] = std::array::from_fn(|i| ("w", i));
    let y = ("y", 0);

    program.part("round 4, into the recurrence");
    sboxes(program, &rounds.into_partial_constants);
    // y comes last, so that it is on top.
    let (y_row, w_rows) = rounds.into_partial.split_first().expect("the matrix has rows");
    for (row, name) in w_rows.iter().zip(w).chain([(y_row, y)]) {
        if row[0].is_one() {
            program.dup((SBOX, 0));
            add_products(program, &row[1..], &lanes(SBOX)[1..]);
        } else {
            sum_of_products(program, &row[1..], &lanes(SBOX)[1..]);
        }
        program.name(name);
    }
    // The eight coefficients and the modulus below the five values: just in reach.
    for (name, value) in feedback.iter().zip(&rounds.feedback).chain(output.iter().zip(&rounds.output)) {
        program.push(*value);
        program.name(*name);
    }
    program.order();
    for name in w.into_iter().chain([y]) {
        program.dup(name);
    }

    for (i, constant) in rounds.partial.iter().enumerate() {
        program.part(format!("round {}", 5 + i));
        program.order();
        program.order();
        program.swap(2);
        fifth_power_in_place(program, y);
        program.push(*constant);
        program.run(Opcode::AddMod);
        program.dup_top();
        add_products(program, &output, &w);
        program.name(y);
        program.swap(1);
        add_products(program, &feedback, &w);
        // The newest value replaces the oldest one, after both sums have used the oldest.
        program.replace(w[DEGREE - 1]);
        w.rotate_right(1);
    }

    program.part("out of the recurrence");
    program.order();
    program.swap(1);
    program.push(rounds.out_of_partial_constants[0]);
    program.run(Opcode::AddMod);
    program.name((LANE, 0));
    for (i, row) in rounds.out_of_partial.iter().enumerate() {
        program.order();
        program.push(rounds.out_of_partial_constants[i + 1]);
        program.dup(w[0]);
        program.run(Opcode::AddMod);
        add_products(program, &row[1..], &w[1..]);
        program.name((LANE, i + 1));
    }
}

fn answer(program: &mut Program, rounds: &Rounds) {
    program.order();
    for i in 0..WIDTH {
        fifth_power(program, (LANE, i));
        program.name((SBOX, i));
    }
    program.order();
    sum_of_products(program, &rounds.exit, &lanes(SBOX));
    program.run(Opcode::Mod);
    program.push(0u64);
    program.run(Opcode::MStore);
    program.push(WORD_BYTES as u64);
    program.push(0u64);
    program.run(Opcode::Return);
}

fn lanes(kind: &'static str) -> [Name; WIDTH] {
    std::array::from_fn(|i| (kind, i))
}

/// A factor of a product: a constant, or a value on the stack.
trait Coefficient {
    fn push_to(&self, program: &mut Program);
}

impl Coefficient for Fr {
    fn push_to(&self, program: &mut Program) {
        program.push(*self);
    }
}

impl Coefficient for Name {
    fn push_to(&self, program: &mut Program) {
        program.dup(*self);
    }
}

fn add_constant(program: &mut Program, constant: Fr) {
    program.push(constant);
    program.run(Opcode::Add);
}

fn product(program: &mut Program, coefficient: &impl Coefficient, value: Name) {
    program.order();
    coefficient.push_to(program);
    program.dup(value);
    program.run(Opcode::MulMod);
}

/// Adds products to the top.
fn add_products(program: &mut Program, coefficients: &[impl Coefficient], values: &[Name]) {
    assert_eq!(coefficients.len(), values.len());
    for (coefficient, value) in coefficients.iter().zip(values) {
        product(program, coefficient, *value);
        program.run(Opcode::Add);
    }
}

fn sum_of_products(program: &mut Program, coefficients: &[impl Coefficient], values: &[Name]) {
    product(program, &coefficients[0], values[0]);
    add_products(program, &coefficients[1..], &values[1..]);
}

/// Pushes `value`^5.
fn fifth_power(program: &mut Program, value: Name) {
    program.order();
    program.dup(value);
    fifth_power_in_place(program, value);
}

/// Raises the top to the fifth power. The top is `value`, with the modulus below it; both are consumed.
fn fifth_power_in_place(program: &mut Program, value: Name) {
    program.order();
    program.order();
    program.dup(value);
    program.dup_top();
    program.run(Opcode::MulMod);
    program.dup_top();
    program.run(Opcode::MulMod);
    program.run(Opcode::MulMod);
}
