//! Poseidon as an implementation of the collision-resistant-hash traits of ark-crypto-primitives.
//!
//! [`Poseidon<N>`](Poseidon) hashes `N` field elements, one to four. [`PoseidonGadget`] is the same hash as constraints
//! on `FpVar`s. The hash has no parameters, so their type is the unit type.

use core::borrow::Borrow;

use ark_bn254::Fr;
use ark_crypto_primitives::{
    Error,
    crh::{CRHScheme, CRHSchemeGadget},
};
use ark_r1cs_std::{
    GR1CSVar,
    alloc::{AllocVar, AllocationMode},
    fields::fp::FpVar,
};
use ark_relations::gr1cs::{Namespace, SynthesisError};
use ark_std::rand::Rng;

use super::{Inputs, Width, hash, hash_gadget};
use crate::constraints::shape::{Constraints, Linear};

/// The native hash of `N` inputs.
#[derive(Clone, Copy, Debug)]
pub struct Poseidon<const N: usize>;

impl<const N: usize> CRHScheme for Poseidon<N>
where
    Inputs: Width<N>,
{
    type Input = [Fr; N];
    type Output = Fr;
    type Parameters = ();

    fn setup<R: Rng>(_: &mut R) -> Result<(), Error> {
        Ok(())
    }

    fn evaluate<T: Borrow<[Fr; N]>>(_: &(), input: T) -> Result<Fr, Error> {
        Ok(hash(input.borrow()))
    }
}

/// The empty variable of the parameters.
#[derive(Clone, Copy, Debug)]
pub struct NoParameters;

impl AllocVar<(), Fr> for NoParameters {
    fn new_variable<T: Borrow<()>>(
        _: impl Into<Namespace<Fr>>,
        _: impl FnOnce() -> Result<T, SynthesisError>,
        _: AllocationMode,
    ) -> Result<Self, SynthesisError> {
        Ok(Self)
    }
}

/// The hash of `N` inputs as constraints.
#[derive(Clone, Copy, Debug)]
pub struct PoseidonGadget<const N: usize>;

impl<const N: usize> CRHSchemeGadget<Poseidon<N>, Fr> for PoseidonGadget<N>
where
    Inputs: Width<N>,
{
    type InputVar = [FpVar<Fr>; N];
    type OutputVar = FpVar<Fr>;
    type ParametersVar = NoParameters;

    fn evaluate(_: &NoParameters, input: &[FpVar<Fr>; N]) -> Result<FpVar<Fr>, SynthesisError> {
        let mut builder = Constraints::new(input.cs());
        let output = hash_gadget(&mut builder, &input.clone().map(Linear));
        match (builder.failure(), output) {
            (None, Ok(Linear(output))) => Ok(output),
            (Some(error), _) => Err(error),
            (None, Err(_)) => Err(SynthesisError::Unsatisfiable),
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use ark_relations::gr1cs::ConstraintSystem;
    use ark_std::test_rng;

    use super::*;

    fn gadget_agrees<const N: usize>(constraints: usize)
    where
        Inputs: Width<N>,
    {
        let mut rng = test_rng();
        let system = ConstraintSystem::<Fr>::new_ref();
        let inputs: [Fr; N] = core::array::from_fn(|_| Fr::rand(&mut rng));
        let variables = inputs.map(|x| FpVar::new_witness(system.clone(), || Ok(x)).unwrap());
        let output = PoseidonGadget::<N>::evaluate(&NoParameters, &variables).unwrap();
        assert_eq!(output.value().unwrap(), Poseidon::<N>::evaluate(&(), inputs).unwrap());
        assert_eq!(system.num_constraints(), constraints);
        assert!(system.is_satisfied().unwrap());

        let constants = inputs.map(FpVar::Constant);
        assert_eq!(PoseidonGadget::<N>::evaluate(&NoParameters, &constants).unwrap().value(), output.value());
    }

    #[test]
    fn gadget_and_native_hash_agree() {
        gadget_agrees::<1>(213);
        gadget_agrees::<2>(240);
        gadget_agrees::<3>(261);
        gadget_agrees::<4>(297);
    }
}
