//! An assembler for straight-line EVM code with named stack slots.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};

/// Name of the value in a stack slot: kind, and number within the kind.
pub type Name = (&'static str, usize);

/// Name of the modulus of all arithmetic.
pub const ORDER: Name = ("order", 0);

/// Depth that DUP and SWAP reach.
const REACH: usize = 16;

#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Opcode {
    Add = 0x01,
    Mod = 0x06,
    AddMod = 0x08,
    MulMod = 0x09,
    CallDataLoad = 0x35,
    CodeCopy = 0x39,
    Pop = 0x50,
    MStore = 0x52,
    Push0 = 0x5f,
    Push1 = 0x60,
    Dup1 = 0x80,
    Swap1 = 0x90,
    Return = 0xf3,
}

impl Opcode {
    /// Returns the number of values that the instruction takes, and whether it leaves one.
    fn effect(self) -> (usize, bool) {
        match self {
            Self::Add | Self::Mod => (2, true),
            Self::AddMod | Self::MulMod => (3, true),
            Self::CallDataLoad => (1, true),
            Self::CodeCopy => (3, false),
            Self::Pop => (1, false),
            Self::MStore | Self::Return => (2, false),
            Self::Push0 => (0, true),
            Self::Push1 | Self::Dup1 | Self::Swap1 => unreachable!("pushes, copies and swaps have separate methods"),
        }
    }
}

/// Code without jumps. Unneeded values stay on the stack, because removing them costs gas.
#[derive(Default)]
pub struct Program {
    code: Vec<u8>,
    stack: Vec<Option<Name>>,
    /// Title and start of each part.
    parts: Vec<(String, usize)>,
}

impl Program {
    /// Returns all code so far.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    /// Returns title and code of each part.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let ends = self.parts.iter().skip(1).map(|(_, start)| *start).chain([self.code.len()]);
        self.parts.iter().zip(ends).map(|((title, start), end)| (title.as_str(), &self.code[*start..end]))
    }

    pub fn part(&mut self, title: impl Into<String>) {
        self.parts.push((title.into(), self.code.len()));
    }

    /// Pushes a constant with the shortest PUSH.
    pub fn push(&mut self, value: impl Into<Fr>) {
        self.push_bytes(&value.into().into_bigint().to_bytes_be());
    }

    fn push_bytes(&mut self, value: &[u8]) {
        let leading = value.iter().take_while(|byte| **byte == 0).count();
        let value = &value[leading..];
        if value.is_empty() {
            return self.run(Opcode::Push0);
        }
        self.code.push(Opcode::Push1 as u8 + (value.len() - 1) as u8);
        self.code.extend_from_slice(value);
        self.stack.push(None);
    }

    /// Pushes a copy of the value that was last named `name`.
    pub fn dup(&mut self, name: Name) {
        let depth = self.depth(name);
        assert!(depth <= REACH, "{name:?} is out of reach");
        self.code.push(Opcode::Dup1 as u8 + (depth - 1) as u8);
        self.stack.push(Some(name));
    }

    /// Pushes a copy of the top.
    pub fn dup_top(&mut self) {
        self.code.push(Opcode::Dup1 as u8);
        self.stack.push(*self.stack.last().expect("the stack holds a value"));
    }

    /// Pushes the modulus: a copy if one is in reach, because the copy is shorter and costs the same.
    pub fn order(&mut self) {
        let known = self.stack.contains(&Some(ORDER));
        if known && self.depth(ORDER) <= REACH {
            self.dup(ORDER);
        } else {
            self.push_bytes(&Fr::MODULUS.to_bytes_be());
            self.name(ORDER);
        }
    }

    /// Runs an instruction on the topmost values.
    pub fn run(&mut self, opcode: Opcode) {
        let (takes, leaves) = opcode.effect();
        self.code.push(opcode as u8);
        self.stack.truncate(self.stack.len().checked_sub(takes).expect("the stack holds the operands"));
        if leaves {
            self.stack.push(None);
        }
    }

    /// Exchanges the top and the value `below` slots under it.
    pub fn swap(&mut self, below: usize) {
        assert!((1..=REACH).contains(&below));
        self.code.push(Opcode::Swap1 as u8 + (below - 1) as u8);
        let top = self.stack.len() - 1;
        self.stack.swap(top, top - below);
    }

    /// Names the top.
    pub fn name(&mut self, name: Name) {
        *self.stack.last_mut().expect("the stack holds a value") = Some(name);
    }

    /// Moves the top into the slot of `name`, and drops the former value of the slot.
    pub fn replace(&mut self, name: Name) {
        let depth = self.depth(name);
        self.name(name);
        self.swap(depth - 1);
        self.run(Opcode::Pop);
    }

    /// Returns the depth of `name`, 1 for the top.
    fn depth(&self, name: Name) -> usize {
        let position = self.stack.iter().rposition(|slot| *slot == Some(name));
        self.stack.len() - position.expect("no value has this name")
    }
}
