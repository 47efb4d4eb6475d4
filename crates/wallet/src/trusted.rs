//! Decides which proving keys are used.

use quotapass_circuits::{
    constraints::{Circuit, CircuitKind},
    key_id::KeyId,
    pins::pin,
    prover::{KeyError, KeyOrigin, ProvingKey},
};

/// Reason to refuse a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// The file is not a key file of the circuit.
    #[error("the key file cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The key is a development key, but not the one that this program pins.
    #[error("the key file is not the development key of the circuit `{0}` whose id this program pins")]
    NotPinned(CircuitKind),
    /// Only ceremony keys are trusted, and the key is a development key.
    #[error("only ceremony keys are trusted here, but the key of the circuit `{0}` is a development key")]
    Development(CircuitKind),
    /// The key's identifier is not among the trusted ones.
    #[error(
        "the key of the circuit `{circuit}` has the id {found}, which is not trusted; use a trusted key, or trust this id \
         if you have checked the key's ceremony"
    )]
    Untrusted {
        /// The circuit.
        circuit: CircuitKind,
        /// The key's identifier.
        found: KeyId,
    },
    /// The key is a ceremony key, and no ceremony keys are trusted.
    #[error(
        "this is a ceremony key, but no ceremony keys are trusted here; give its id if you have checked its ceremony"
    )]
    NothingTrusted,
}

/// Reads the proving key of a circuit of the standard tree from the bytes of its [key file](ProvingKey::to_bytes). If
/// `trusted` is empty, only the pinned **insecure** development key is accepted. Otherwise only a key file that was
/// made from the result of a ceremony is accepted, and its identifier must be in `trusted`.
///
/// # Errors
/// [`KeyRefusal`].
pub fn trusted_key<C: Circuit>(file: &[u8], trusted: &[KeyId]) -> Result<ProvingKey, KeyRefusal> {
    let key = ProvingKey::from_bytes_standard::<C>(file)?;
    let id = key.id();
    if !trusted.is_empty() && !trusted.contains(&id) {
        return Err(KeyRefusal::Untrusted { circuit: C::KIND, found: id });
    }
    match key.origin() {
        KeyOrigin::Ceremony(_) if trusted.is_empty() => Err(KeyRefusal::NothingTrusted),
        // The origin that the file states does not count.
        KeyOrigin::Ceremony(_) if key.verifying_key().is_development() => Err(KeyRefusal::Development(C::KIND)),
        KeyOrigin::Ceremony(_) => Ok(key),
        KeyOrigin::Development if !trusted.is_empty() => Err(KeyRefusal::Development(C::KIND)),
        KeyOrigin::Development if id == pin(C::KIND).development_key => Ok(key),
        _ => Err(KeyRefusal::NotPinned(C::KIND)),
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::{badge::Badge, prover::development_setup, slash::Slash};

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn development_keys_are_used_while_no_ceremony_is_trusted() {
        let file = development_setup(Slash).unwrap().to_bytes();
        assert_eq!(trusted_key::<Slash>(&file, &[]).unwrap().origin(), KeyOrigin::Development);
        assert!(matches!(trusted_key::<Slash>(&file, &[KeyId([1; 32])]), Err(KeyRefusal::Untrusted { .. })));
        // Trusting its id does not make a development key a ceremony key.
        let id = pin(CircuitKind::Slash).development_key;
        assert!(matches!(trusted_key::<Slash>(&file, &[id]), Err(KeyRefusal::Development(CircuitKind::Slash))));
        assert!(matches!(trusted_key::<Badge>(&file, &[]), Err(KeyRefusal::Key(KeyError::WrongCircuit { .. }))));
        assert!(matches!(trusted_key::<Slash>(b"", &[]), Err(KeyRefusal::Key(_))));
    }

    #[test]
    fn a_development_key_stays_one_whatever_its_file_says() {
        let mut file = development_setup(Slash).unwrap().to_bytes();
        // The origin byte of ceremony keys, some ceremony hash, and a checksum that matches.
        file[12] = 2;
        file.truncate(file.len() - 32);
        let id = KeyId(Sha256::digest(&file).into());
        file.extend([1; 32]);
        let checksum = Sha256::digest(&file);
        file.extend(checksum);
        assert!(matches!(trusted_key::<Slash>(&file, &[]), Err(KeyRefusal::NothingTrusted)));
        assert!(matches!(trusted_key::<Slash>(&file, &[id]), Err(KeyRefusal::Development(CircuitKind::Slash))));
    }

    #[test]
    fn a_key_that_is_whole_but_not_pinned_is_refused() {
        let mut file = development_setup(Slash).unwrap().to_bytes();
        // The same point in the places of alpha and of the first public input, and a checksum that matches.
        let variables: usize = file[57..69].chunks(4).map(|n| u32::from_be_bytes(n.try_into().unwrap()) as usize).sum();
        let alpha = 69 + 4 * variables;
        file.copy_within(alpha + 64..alpha + 128, alpha);
        let end = file.len() - 32;
        let checksum = Sha256::digest(&file[..end]);
        file[end..].copy_from_slice(&checksum);
        assert!(matches!(trusted_key::<Slash>(&file, &[]), Err(KeyRefusal::NotPinned(CircuitKind::Slash))));
    }
}
