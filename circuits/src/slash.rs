//! The statement `slash`: the prover knows the secret behind a commitment, and names the receiver of the reward.
//!
//! Public inputs, in this order: `idc, receiver`. Private: the secret `a0`. `idc = H1(a0)`. `receiver` takes part in a
//! constraint, so that a copied transaction pays the same receiver.

use ark_bn254::Fr;
use zeroize::Zeroize;

use crate::{
    constraints::{Builder, Circuit, CircuitKind, Clause, Unsatisfied, bind},
    identity::{IdentityCommitment, IdentitySecret},
    poseidon::hash_gadget,
    signal::Receiver,
};

/// The clauses of `slash`.
pub mod clause {
    use super::Clause;

    /// `idc = H1(a0)`.
    pub const IDENTITY: Clause = "identity: idc = H1(a0)";
    /// The receiver takes part in a constraint.
    pub const RECEIVER: Clause = "receiver: its hash is bound";
}

/// The public inputs of `slash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlashPublic {
    /// The commitment of the member to slash.
    pub commitment: IdentityCommitment,
    /// The receiver of the reward.
    pub receiver: Receiver,
}

/// The private input of `slash`; zeroized on drop.
pub struct SlashWitness {
    pub(crate) secret: Fr,
}

impl Drop for SlashWitness {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// Returns the statement that a secret is known: public and private inputs, ready to be proved.
pub fn slash(secret: &IdentitySecret, receiver: Receiver) -> (SlashPublic, SlashWitness) {
    (SlashPublic { commitment: secret.commitment(), receiver }, SlashWitness { secret: secret.to_field() })
}

/// The circuit `slash`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slash;

/// The number of the only variant. Key files of `slash` have had it since the format began.
const VARIANT: u8 = 11;

impl Circuit for Slash {
    const KIND: CircuitKind = CircuitKind::Slash;
    const STANDARD: Self = Self;
    type Public = SlashPublic;
    type Witness = SlashWitness;

    fn public_inputs(public: &SlashPublic) -> Vec<Fr> {
        vec![public.commitment.to_field(), public.receiver.to_field()]
    }

    fn public_names() -> &'static [&'static str] {
        &["idc", "receiver"]
    }

    fn variant(self) -> u8 {
        VARIANT
    }

    fn of_variant(variant: u8) -> Option<Self> {
        (variant == VARIANT).then_some(Self)
    }

    fn constrain<B: Builder>(
        self,
        builder: &mut B,
        public: &[B::Num],
        witness: Option<&SlashWitness>,
    ) -> Result<(), Unsatisfied> {
        let [commitment, receiver] = public else {
            return Err(Unsatisfied { clause: "two public inputs" });
        };
        builder.clause("private inputs");
        let secret = builder.witness(|| witness.map(|w| w.secret).unwrap_or_default());
        builder.clause(clause::IDENTITY);
        let hashed = hash_gadget(builder, &[secret])?;
        builder.enforce_equal(&hashed, commitment)?;
        builder.clause(clause::RECEIVER);
        bind(builder, receiver)
    }
}
