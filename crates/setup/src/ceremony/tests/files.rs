//! Truncated, changed and invented files of a ceremony: decoding does not panic, and accepts only bytes that the
//! encoder writes.

use proptest::prelude::*;

use super::*;
use crate::iden3::{Iden3Error, SectionFault};

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| KEYS.1.to_bytes());

/// Returns the number, start and length of each section's content.
fn sections(file: &[u8]) -> Vec<(u32, usize, usize)> {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let mut at = 12;
    (0..number(8))
        .map(|_| {
            let length = u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap()) as usize;
            let section = (number(at), at + 12, length);
            at += 12 + length;
            section
        })
        .collect()
}

/// Decodes and checks a file; returns the first error.
fn judged(file: &[u8]) -> Result<(), String> {
    check(&Zkey::from_bytes(file).map_err(|error| error.to_string())?)
}

#[test]
fn a_bit_flipped_in_any_section_is_found() {
    judged(&FILE).unwrap();
    for (number, start, length) in sections(&FILE) {
        for (at, bit) in [(0, 0), (length / 2, 3), (length - 1, 0)] {
            let mut file = FILE.clone();
            file[start + at] ^= 1 << bit;
            // No hash covers a contributor's name; in this file only a beacon's value follows it.
            assert!(judged(&file).is_err(), "section {number}, byte {at} of {length}");
        }
    }
}

#[test]
fn each_fault_is_named_with_its_place() {
    let content: Vec<_> = sections(&FILE);
    let at = |section: u32, offset: usize, bytes: &[u8]| {
        let (_, start, _) = content[section as usize - 1];
        let mut file = FILE.clone();
        file[start + offset..start + offset + bytes.len()].copy_from_slice(bytes);
        Zkey::from_bytes(&file).unwrap_err()
    };
    let fault = |section, offset, fault| Iden3Error::Section { section, offset, fault };
    assert_eq!(Zkey::from_bytes(b"r1cs"), Err(Iden3Error::Format("zkey")));
    assert_eq!(at(1, 0, &[2]), fault(1, 0, SectionFault::WrongProtocol));
    assert_eq!(at(2, 4, &[0]), fault(2, 0, SectionFault::WrongField));
    // The two fields of 36 bytes each are followed by the numbers of variables and of public inputs, and the domain
    // size.
    assert_eq!(at(2, 76, &[255, 255]), fault(2, 76, SectionFault::OutOfRange(65_535)));
    assert_eq!(at(2, 80, &[255, 0]), fault(2, 80, SectionFault::OutOfRange(255)));
    assert_eq!(at(2, 84, &[0; 64]), fault(2, 84, SectionFault::Infinity));
    assert_eq!(at(3, 64, &[1; 32]), fault(3, 64, SectionFault::NotOnCurve));
    assert_eq!(at(3, 64, &[255; 32]), fault(3, 64, SectionFault::NotCanonical));
    assert_eq!(at(4, 4, &[2]), fault(4, 4, SectionFault::OutOfRange(2)));
    assert_eq!(at(4, 16, &[255; 32]), fault(4, 16, SectionFault::NotCanonical));
    assert_eq!(at(4, 0, &[0]), fault(4, 4, SectionFault::TrailingBytes));
    assert_eq!(at(10, 64, &[9]), fault(10, content[9].2, SectionFault::Truncated));
    let unordered = 68 + 3 * 64 + 128 + 64 + 8;
    assert_eq!(at(10, unordered, &[2]), fault(10, unordered, SectionFault::Parameters));

    let mut twice = FILE.clone();
    twice[content[4].1 - 12] = 4;
    assert_eq!(Zkey::from_bytes(&twice), Err(Iden3Error::DuplicateSection(4)));
    twice[content[4].1 - 12] = 11;
    assert_eq!(Zkey::from_bytes(&twice), Err(Iden3Error::UnknownSection(11)));
    let mut fewer = FILE[..content[9].1 - 12].to_vec();
    fewer[8] = 9;
    assert_eq!(Zkey::from_bytes(&fewer), Err(Iden3Error::MissingSection(10)));
    let mut longer = FILE.clone();
    longer.push(0);
    assert_eq!(Zkey::from_bytes(&longer), Err(Iden3Error::TrailingBytes(FILE.len())));
}

#[test]
fn sections_may_come_in_any_order() {
    let mut file = FILE[..12].to_vec();
    for (_, start, length) in sections(&FILE).into_iter().rev() {
        file.extend(&FILE[start - 12..start + length]);
    }
    assert_eq!(Zkey::from_bytes(&file).as_ref(), Ok(&KEYS.1));
}

#[test]
fn a_point_outside_the_subgroup_is_refused() {
    let outside = (1u64..)
        .find_map(|i| {
            let x = ark_bn254::Fq2::new(i.into(), 1.into());
            let point = G2Affine::get_point_from_x_unchecked(x, false)?;
            (!point.is_in_correct_subgroup_assuming_on_curve()).then_some(point)
        })
        .unwrap();
    let mut key = KEYS.1.clone();
    key.b_g2[3] = outside;
    let refused = Iden3Error::Section { section: 7, offset: 3 * 128, fault: SectionFault::NotInSubgroup };
    assert_eq!(Zkey::from_bytes(&key.to_bytes()), Err(refused));
}

#[test]
fn powers_of_tau_say_what_they_are() {
    let ptau = Ptau::from_bytes(&PTAU).unwrap();
    assert_eq!((ptau.power(), ptau.ceremony_power(), ptau.contributions().len()), (8, 8, 1));
    assert_eq!(ptau.contributions()[0].name.as_deref(), Some("test"));
    assert_eq!(ptau.hash().0[..], <blake2::Blake2b512 as blake2::Digest>::digest(&**PTAU)[..]);
    // Without the Lagrange bases it is not prepared.
    let start = sections(&PTAU)[7].1 - 12;
    let mut unprepared = PTAU[..start].to_vec();
    unprepared[8] = 7;
    assert_eq!(Ptau::from_bytes(&unprepared).unwrap_err(), Iden3Error::MissingSection(12));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_file_that_ends_early_is_refused(cut in 0..FILE.len()) {
        prop_assert!(Zkey::from_bytes(&FILE[..cut]).is_err());
    }

    #[test]
    fn powers_that_end_early_are_refused(cut in 0..PTAU.len()) {
        prop_assert!(Ptau::from_bytes(&PTAU[..cut]).is_err());
    }

    #[test]
    fn changed_files_are_read_only_as_written(changes in prop::collection::vec((0..FILE.len(), any::<u8>()), 1..4)) {
        let mut file = FILE.clone();
        for (at, value) in changes {
            file[at] = value;
        }
        if let Ok(key) = Zkey::from_bytes(&file) {
            prop_assert_eq!(key.to_bytes(), file);
        }
    }

    #[test]
    fn changed_powers_do_not_panic(changes in prop::collection::vec((0..2_000usize, any::<u8>()), 1..4)) {
        let mut file = PTAU.clone();
        for (at, value) in changes {
            file[at] = value;
        }
        if let Ok(ptau) = Ptau::from_bytes(&file) {
            let _ = InitialKey::new(&shape(), &ptau, &mut rng());
        }
    }

    #[test]
    fn random_bytes_are_no_files(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Zkey::from_bytes(&bytes).is_err());
        prop_assert!(Ptau::from_bytes(&bytes).is_err());
        let with_magic = [b"zkey\x01\0\0\0\x0a\0\0\0", &bytes[..]].concat();
        prop_assert!(Zkey::from_bytes(&with_magic).is_err());
    }
}
