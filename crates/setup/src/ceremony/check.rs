//! Checks that a key follows from a circuit's initial key and its contributions.

use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_std::rand::{CryptoRng, RngCore};

use super::{CeremonyError, InitialKey, powers, same_ratio, verify_whole_transcript};
use crate::iden3::Zkey;

impl InitialKey {
    /// Checks a final key: its transcript, from the hash of this initial key to the beacon, and each of its sections.
    /// Sections that contributions do not change must equal the initial ones. The two lists that contributions divide
    /// are compared with the initial ones by random linear combinations, which detect a difference with probability
    /// `1 - 1/r`.
    ///
    /// # Errors
    /// [`CeremonyError`] names the check that fails.
    pub fn check(&self, key: &Zkey, rng: &mut (impl RngCore + CryptoRng)) -> Result<(), CeremonyError> {
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
            ("its circuit hash differs", key.circuit_hash == initial.circuit_hash),
        ] {
            if !same {
                return fault(what);
            }
        }
        verify_whole_transcript(key)?;
        for (what, points, initial_points) in [
            ("the points of the private variables were not divided by delta", &key.c, &initial.c),
            ("the points of the quotient were not divided by delta", &key.h, &initial.h),
        ] {
            let scalars = powers::random(initial_points.len(), rng);
            let sum = |points: &[G1Affine]| G1Projective::msm_unchecked(points, &scalars).into_affine();
            // The new points times delta are the old points.
            if !same_ratio((sum(points), sum(initial_points)), (initial.delta_g2, key.delta_g2)) {
                return fault(what);
            }
        }
        Ok(())
    }
}
