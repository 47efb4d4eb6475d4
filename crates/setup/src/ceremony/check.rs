//! Checks that a key follows from a circuit's initial key and its contributions.

use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_std::rand::{CryptoRng, RngCore};

use super::{
    CeremonyError, InitialKey, initial::Infinity, powers, quotient, same_ratio, verify_transcript,
    verify_whole_transcript,
};
use crate::iden3::Zkey;

impl InitialKey {
    /// Checks a final key: its transcript, from the hash of this initial key to the beacon, and each of its sections.
    /// Sections that contributions do not change must equal the initial ones. The two lists that contributions divide
    /// are compared with the initial ones by random linear combinations, which detect a difference with probability
    /// `1 - 1/r`. As in snarkjs, a component of the points of the quotient that enters no proof is not compared: keys
    /// whose contributions went through bellman's format differ in it.
    ///
    /// # Errors
    /// [`CeremonyError`] names the check that fails.
    pub fn check(&self, key: &Zkey, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), CeremonyError> {
        self.compare_unchanged(key)?;
        verify_whole_transcript(key)?;
        self.compare_divided(key, rng)
    }

    /// Checks the key of a ceremony that has not ended, in the same way: for contributors, before they add to it.
    ///
    /// # Errors
    /// [`CeremonyError`] names the check that fails.
    pub fn check_so_far(&self, key: &Zkey, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), CeremonyError> {
        self.compare_unchanged(key)?;
        verify_transcript(key)?;
        self.compare_divided(key, rng)
    }

    /// Compares the sections that contributions do not change.
    fn compare_unchanged(&self, key: &Zkey) -> Result<(), CeremonyError> {
        let initial = &self.zkey;
        let fault = |what| Err(CeremonyError::KeyDoesNotFit(what));
        if (key.variables, key.public, key.domain) != (initial.variables, initial.public, initial.domain) {
            return fault("it belongs to a circuit of another size");
        }
        if key.coefficients != initial.coefficients {
            return fault("it belongs to another circuit");
        }
        for (what, same) in [
            ("alpha differs", key.alpha_g1 == initial.alpha_g1),
            ("beta differs", key.beta_g1 == initial.beta_g1 && key.beta_g2 == initial.beta_g2),
            ("gamma differs", key.gamma_g2 == initial.gamma_g2),
            ("the points of the public inputs differ", key.ic == initial.ic),
            ("the points of A differ", key.a == initial.a),
            ("the points of B in G1 differ", key.b_g1 == initial.b_g1),
            ("the points of B in G2 differ", key.b_g2 == initial.b_g2),
        ] {
            if !same {
                return fault(what);
            }
        }
        if key.circuit_hash == initial.circuit_hash {
            return Ok(());
        }
        match key.circuit_hash == initial.computed_hash(Infinity::Flagged)? {
            true => Err(CeremonyError::FormerCircuitHash),
            false => fault("its circuit hash differs"),
        }
    }

    /// Compares the two lists that contributions divide.
    fn compare_divided(&self, key: &Zkey, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), CeremonyError> {
        let initial = &self.zkey;
        let private = powers::random(initial.c.len(), rng);
        let quotient = quotient::random_combination(initial.h.len(), rng)?;
        for (what, points, initial_points, scalars) in [
            ("the points of the private variables were not divided by delta", &key.c, &initial.c, private),
            ("the points of the quotient were not divided by delta", &key.h, &initial.h, quotient),
        ] {
            let sum = |points: &[G1Affine]| G1Projective::msm_unchecked(points, &scalars).into_affine();
            // The new points times delta are the old points.
            if !same_ratio((sum(points), sum(initial_points)), (initial.delta_g2, key.delta_g2)) {
                return Err(CeremonyError::KeyDoesNotFit(what));
            }
        }
        Ok(())
    }
}
