//! Tests every decoder with random and mutated bytes: it does not panic, and accepts only bytes that the encoder
//! writes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::LazyLock;

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInteger, Field, PrimeField};
use common::*;
use proptest::prelude::*;
use quotapass_circuits::{
    field::FieldError,
    formats::recorded::{
        LIST_BYTES, ListRecords, ListVersion, MAX_RECORDED_BYTES, RecordedHead, RecordedPass, RecordsError,
        stated_length,
    },
    formats::wire::{
        BADGE_BYTES, BadgePass, DecodeError, DecodeErrorKind, EncodedProof, POST_BYTES, PassKind, PostHead, PostPass,
    },
    proof::{PROOF_BYTES, Proof, ProofError},
    prover::{KeyError, ProvingKey, development_setup},
    slash::Slash,
};

static POST_PASS: LazyLock<PostPass> = LazyLock::new(post_pass);
static BADGE_PASS: LazyLock<BadgePass> = LazyLock::new(badge_pass);
static RECORDED: LazyLock<RecordedPass> = LazyLock::new(|| recorded(&[2, 0, 1]));
static SLASH_KEY: LazyLock<Vec<u8>> = LazyLock::new(|| development_setup(Slash).unwrap().to_bytes());

#[test]
fn passes_return_from_every_form() {
    let bytes = POST_PASS.to_bytes();
    assert_eq!(bytes.len(), POST_BYTES);
    assert_eq!(bytes[..2], [1, 1]);
    assert_eq!(PostPass::from_bytes(&bytes).unwrap(), *POST_PASS);
    assert_eq!(PostPass::from_text(&POST_PASS.to_text()).unwrap(), *POST_PASS);
    let many = PostPass::from_bytes_many(&[&bytes, &bytes[1..], &bytes]);
    assert_eq!(many, [Ok(POST_PASS.clone()), PostPass::from_bytes(&bytes[1..]), Ok(POST_PASS.clone())]);
    assert!(many[1].is_err() && PostPass::from_bytes_many(&[]).is_empty());
    let json = serde_json::to_string(&*POST_PASS).unwrap();
    assert_eq!(serde_json::from_str::<PostPass>(&json).unwrap(), *POST_PASS);

    let bytes = BADGE_PASS.to_bytes();
    assert_eq!(bytes.len(), BADGE_BYTES + CHAT_KEY.len());
    assert_eq!(bytes[..2], [1, 2]);
    assert_eq!(BadgePass::from_bytes(&bytes).unwrap(), *BADGE_PASS);
    assert_eq!(BadgePass::from_text(&BADGE_PASS.to_text()).unwrap(), *BADGE_PASS);
    let json = serde_json::to_string(&*BADGE_PASS).unwrap();
    assert_eq!(serde_json::from_str::<BadgePass>(&json).unwrap(), *BADGE_PASS);
}

#[test]
fn the_layout_is_the_protocols() {
    let (pass, bytes) = (&*POST_PASS, POST_PASS.to_bytes());
    assert_eq!(bytes[2..6], 600u32.to_be_bytes());
    assert_eq!(bytes[6..14], 3_000_000u64.to_be_bytes());
    assert_eq!(bytes[14..18], 10u32.to_be_bytes());
    assert_eq!(bytes[18..20], 20_800u16.to_be_bytes());
    assert_eq!(bytes[20..22], 15u16.to_be_bytes());
    assert_eq!(bytes[22..54], pass.root.to_be_bytes());
    assert_eq!(bytes[54..86], pass.y.to_be_bytes());
    assert_eq!(bytes[86..118], pass.nullifier.to_be_bytes());
    assert_eq!(bytes[118..], pass.proof.to_bytes());
}

/// Returns a post with records about as many lists as there are numbers of proofs. The decoders do not verify proofs, so
/// each one is the post's.
fn recorded(proofs: &[usize]) -> RecordedPass {
    let list = |(number, proofs): (usize, &usize)| ListRecords {
        version: ListVersion { log: [number as u8; 8], size: 1_000 + number as u64, root: [7; 8] },
        proofs: vec![POST_PASS.proof.clone(); *proofs],
    };
    RecordedPass::new(POST_PASS.clone(), proofs.iter().enumerate().map(list).collect()).unwrap()
}

#[test]
fn posts_with_records_return_from_every_form() {
    for proofs in [&[0][..], &[1], &[8], &[2, 0, 1], &[0; 4], &[2; 4]] {
        let pass = recorded(proofs);
        let bytes = pass.to_bytes();
        let total: usize = proofs.iter().sum();
        assert_eq!(bytes.len(), POST_BYTES + 1 + LIST_BYTES * proofs.len() + PROOF_BYTES * total);
        assert!(bytes.len() <= MAX_RECORDED_BYTES);
        // Others follow it, or its end is missing: the length is known from the last number on.
        assert_eq!(stated_length(&[&bytes[..], &[255; 300]].concat()), Some(bytes.len()));
        let known = bytes.len() - proofs.last().map_or(0, |last| last * PROOF_BYTES);
        assert_eq!(stated_length(&bytes[..known]), Some(bytes.len()));
        assert_eq!(stated_length(&bytes[..known - 1]), None);
        assert_eq!(RecordedPass::from_bytes(&bytes).unwrap(), pass);
        assert_eq!(RecordedPass::from_text(&pass.to_text()).unwrap(), pass);
        let json = serde_json::to_string(&pass).unwrap();
        assert_eq!(serde_json::from_str::<RecordedPass>(&json).unwrap(), pass);
        let head = RecordedHead::from_bytes(&bytes).unwrap();
        assert_eq!(head.post, pass.post.head());
        let proofs: Vec<_> = head.lists.iter().flat_map(|list| &list.proofs).copied().collect();
        assert_eq!(EncodedProof::decode_many(&proofs), vec![Ok(POST_PASS.proof.clone()); total]);
    }
}

#[test]
fn the_kind_of_a_pass_is_read_before_the_pass() {
    assert_eq!(PassKind::of(&POST_PASS.to_bytes()), Ok(PassKind::Post));
    assert_eq!(PassKind::of(&BADGE_PASS.to_bytes()), Ok(PassKind::Badge));
    assert_eq!(PassKind::of(&RECORDED.to_bytes()), Ok(PassKind::Recorded));
    let error = |offset, kind| Err(DecodeError { offset, kind });
    assert_eq!(PassKind::of(&[1, 4]), error(1, DecodeErrorKind::UnexpectedKind(4)));
    assert_eq!(PassKind::of(&[2, 1]), error(0, DecodeErrorKind::UnknownVersion(2)));
    assert_eq!(PassKind::of(&[1]), error(1, DecodeErrorKind::Truncated));
}

#[test]
fn the_layout_of_records_is_the_protocols() {
    let (post, bytes) = (POST_PASS.to_bytes(), RECORDED.to_bytes());
    assert_eq!((bytes[..2].to_vec(), &bytes[2..246]), (vec![1, 3], &post[2..]));
    assert_eq!(bytes[246], 3);
    let first = &bytes[247..];
    assert_eq!((&first[..8], &first[8..16], &first[16..24]), (&[0; 8][..], &1_000u64.to_be_bytes()[..], &[7; 8][..]));
    assert_eq!((first[24], &first[25..153]), (2, &POST_PASS.proof.to_bytes()[..]));
    let second = &first[25 + 2 * 128..];
    assert_eq!((&second[..8], second[24], &second[25..33]), (&[1; 8][..], 0, &[2; 8][..]));
}

#[test]
fn each_fault_of_records_is_named_with_its_place() {
    use DecodeErrorKind as Kind;
    let read = |bytes: &[u8]| RecordedPass::from_bytes(bytes).unwrap_err();
    let good = RECORDED.to_bytes();
    let change = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        read(&bytes)
    };
    let error = |offset, kind| DecodeError { offset, kind };
    assert_eq!(change(0, 2), error(0, Kind::UnknownVersion(2)));
    assert_eq!(change(1, 1), error(1, Kind::UnexpectedKind(1)));
    assert_eq!(change(118, 0), error(118, Kind::Proof(ProofError::Flags)));
    assert_eq!(change(246, 0), error(246, Kind::Lists(0)));
    assert_eq!(change(246, 5), error(246, Kind::Lists(5)));
    assert_eq!(change(246, 2).kind, Kind::TrailingBytes);
    assert_eq!(change(246, 4), error(good.len(), Kind::Truncated));
    assert_eq!(change(271, 9), error(271, Kind::TooManyRecords));
    assert_eq!(change(272, 0), error(272, Kind::Proof(ProofError::Flags)));
    assert_eq!(change(400, 0), error(400, Kind::Proof(ProofError::Flags)));
    // The second list has a fault, because the first one takes all places.
    let mut full = recorded(&[8, 0]).to_bytes();
    let at = full.len() - 1;
    full[at] = 1;
    assert_eq!(read(&full), error(at, Kind::TooManyRecords));
    assert_eq!(read(&good[..good.len() - 1]), error(good.len() - 1, Kind::Truncated));
    assert_eq!(read(&[&good[..], &[0]].concat()), error(good.len(), Kind::TrailingBytes));
    // The kinds are not read as each other.
    assert!(PostPass::from_bytes(&good).is_err() && RecordedPass::from_bytes(&POST_PASS.to_bytes()).is_err());

    let post = || POST_PASS.clone();
    let list = |proofs: usize| ListRecords { proofs: vec![post().proof; proofs], ..RECORDED.lists()[0].clone() };
    assert_eq!(RecordedPass::new(post(), vec![]), Err(RecordsError::Lists(0)));
    assert_eq!(RecordedPass::new(post(), vec![list(0); 5]), Err(RecordsError::Lists(5)));
    assert_eq!(RecordedPass::new(post(), vec![list(4), list(5)]), Err(RecordsError::TooManyRecords(9)));
}

#[test]
fn json_of_records_refuses_what_the_bytes_refuse() {
    let good = serde_json::to_value(&*RECORDED).unwrap();
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut json = good.clone();
        change(&mut json);
        serde_json::from_value::<RecordedPass>(json).unwrap_err().to_string()
    };
    assert!(refused(&|json| json["kind"] = "post".into()).contains("recorded_post"));
    assert!(refused(&|json| json["version"] = 2.into()).contains("version 2 is unknown"));
    assert!(refused(&|json| json["lists"] = serde_json::json!([])).contains("1 to 4 lists"));
    assert!(refused(&|json| json["lists"][0]["size"] = 5.into()).contains("string"));
    assert!(refused(&|json| json["lists"][0]["size"] = "05".into()).contains("decimal"));
    assert!(refused(&|json| json["lists"][0]["size"] = "18446744073709551616".into()).contains("64 bits"));
    assert!(refused(&|json| json["lists"][0]["log"] = "0X00000000000000".into()).contains("16 lower-case"));
    assert!(refused(&|json| json["lists"][0]["root"] = "AA".repeat(8).into()).contains("16 lower-case"));
    assert!(refused(&|json| json["lists"][0]["more"] = 1.into()).contains("unknown field"));
    let nine = vec![good["proof"].clone(); 9];
    assert!(refused(&|json| json["lists"][0]["proofs"] = nine.clone().into()).contains("at most 8 records"));
}

fn refused(offset: usize, kind: DecodeErrorKind) -> Result<PostPass, DecodeError> {
    Err(DecodeError { offset, kind })
}

#[test]
fn each_fault_is_named_with_its_place() {
    use DecodeErrorKind as Kind;
    let change = |range: std::ops::Range<usize>, value: u8| {
        let mut bytes = POST_PASS.to_bytes();
        bytes[range].fill(value);
        PostPass::from_bytes(&bytes)
    };
    assert_eq!(change(0..1, 2), refused(0, Kind::UnknownVersion(2)));
    assert_eq!(change(1..2, 2), refused(1, Kind::UnexpectedKind(2)));
    assert_eq!(change(2..6, 0), refused(2, Kind::ZeroEpochLength));
    assert_eq!(change(20..22, 0), refused(20, Kind::ZeroLimitCap));
    assert_eq!(change(22..54, 255), refused(22, Kind::Field(FieldError::NotCanonical)));
    assert_eq!(change(54..86, 255), refused(54, Kind::Field(FieldError::NotCanonical)));
    assert_eq!(change(86..118, 255), refused(86, Kind::Field(FieldError::NotCanonical)));
    assert_eq!(change(118..150, 0), refused(118, Kind::Proof(ProofError::Flags)));
    assert_eq!(change(118..150, 255), refused(118, Kind::Proof(ProofError::NotCanonical)));
    assert_eq!(change(150..214, 255), refused(150, Kind::Proof(ProofError::NotCanonical)));
    let bytes = POST_PASS.to_bytes();
    assert_eq!(PostPass::from_bytes(&bytes[..245]), refused(245, Kind::Truncated));
    assert_eq!(PostPass::from_bytes(&[]), refused(0, Kind::Truncated));
    assert_eq!(PostPass::from_bytes(&[&bytes[..], &[0]].concat()), refused(246, Kind::TrailingBytes));
    assert_eq!(PostPass::from_text("AQ*A"), refused(2, Kind::NotBase64));
}

/// Returns the 64 bytes of a point of the twist that is not in the subgroup of order r.
fn outside_the_subgroup() -> [u8; 64] {
    for i in 1u64.. {
        let x = Fq2::new(Fq::from(i), Fq::from(1));
        let Some(point) = G2Affine::get_point_from_x_unchecked(x, false) else { continue };
        if point.is_in_correct_subgroup_assuming_on_curve() {
            continue;
        }
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&x.c1.into_bigint().to_bytes_be());
        bytes[32..].copy_from_slice(&x.c0.into_bigint().to_bytes_be());
        bytes[0] |= 0x80;
        return bytes;
    }
    unreachable!()
}

#[test]
fn many_are_read_as_one_by_one() {
    let good = POST_PASS.to_bytes();
    let [a, b, c] = [POST_BYTES - 128, POST_BYTES - 96, POST_BYTES - 32];
    let pass = |number: usize| {
        let mut bytes = good.to_vec();
        match number % 11 {
            1 => bytes[a] ^= 0x80,
            2 => bytes[c + 31] ^= 1,
            3 => bytes[b + 63] ^= 1,
            4 => bytes[b..b + 64].copy_from_slice(&outside_the_subgroup()),
            5 => bytes[a..a + 32].fill(0xbf),
            6 => bytes.truncate(200),
            7 => bytes[0] = 9,
            _ => {}
        }
        bytes
    };
    for count in [0, 1, 2, 3, 8, 9, 40] {
        let passes: Vec<_> = (0..count).map(pass).collect();
        let each: Vec<_> = passes.iter().map(|bytes| PostPass::from_bytes(bytes)).collect();
        assert_eq!(PostPass::from_bytes_many(&passes.iter().map(Vec::as_slice).collect::<Vec<_>>()), each);
        assert!(count < 8 || each[..8].iter().filter(|read| read.is_err()).count() >= 5);
    }
}

#[test]
fn points_off_the_curve_outside_the_subgroup_and_at_infinity_are_refused() {
    let good = POST_PASS.proof.to_bytes();
    let error = |change: &dyn Fn(&mut [u8; PROOF_BYTES])| {
        let mut bytes = good;
        change(&mut bytes);
        let error = Proof::from_bytes(&bytes).unwrap_err();
        (error.offset, error.error)
    };
    let outside = outside_the_subgroup();
    assert_eq!(error(&|b| b[32..96].copy_from_slice(&outside)), (32, ProofError::NotInSubgroup));
    // The flag for infinity in gnark-crypto and in arkworks.
    assert_eq!(error(&|b| b[..32].copy_from_slice(&[&[0x40][..], &[0; 31]].concat())), (0, ProofError::Flags));
    let off_curve = (0u8..).find(|&x| {
        let x = Fq::from(x);
        (x.square() * x + Fq::from(3)).sqrt().is_none()
    });
    let off_curve = off_curve.unwrap();
    let not_a_point = [&[0x80][..], &[0; 30], &[off_curve]].concat();
    assert_eq!(error(&|b| b[96..].copy_from_slice(&not_a_point)), (96, ProofError::NotOnCurve));

    let mut proof = POST_PASS.proof.as_groth16().clone();
    proof.a = G1Affine::zero();
    assert_eq!(Proof::new(proof), Err(ProofError::Infinity));
    let mut proof = POST_PASS.proof.as_groth16().clone();
    proof.b = G2Affine::get_point_from_x_unchecked(
        Fq2::new(
            Fq::from_be_bytes_mod_order(&outside[32..]),
            Fq::from_be_bytes_mod_order(&[&[outside[0] & 0x3f][..], &outside[1..32]].concat()),
        ),
        false,
    )
    .unwrap();
    assert_eq!(Proof::new(proof), Err(ProofError::NotInSubgroup));
}

#[test]
fn json_refuses_what_the_bytes_refuse() {
    let good = serde_json::to_value(&*POST_PASS).unwrap();
    let refused = |field: &str, value: serde_json::Value| {
        let mut json = good.clone();
        json[field] = value;
        serde_json::from_value::<PostPass>(json).unwrap_err().to_string()
    };
    assert!(refused("version", 2.into()).contains("version 2 is unknown"));
    assert!(refused("kind", "badge".into()).contains("expected a pass of the kind `post`"));
    assert!(refused("epoch_seconds", 0.into()).contains("nonzero"));
    assert!(refused("limit_cap", 0.into()).contains("nonzero"));
    assert!(refused("limit_cap", 65_536.into()).contains("65536"));
    assert!(refused("root", format!("0x{}", "f".repeat(64)).into()).contains("canonical"));
    let upper_case = good["root"].as_str().unwrap().to_uppercase();
    assert!(refused("root", upper_case.into()).contains("lower-case"));
    assert!(refused("proof", "0x00".into()).contains("128 bytes"));
    assert!(refused("more", 1.into()).contains("unknown field"));
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("y");
    assert!(serde_json::from_value::<PostPass>(missing).unwrap_err().to_string().contains("missing field"));
}

#[test]
fn key_files_return_and_each_fault_is_named() {
    let file = &*SLASH_KEY;
    let read = |bytes: &[u8]| ProvingKey::from_bytes(Slash, bytes);
    assert_eq!(read(file).unwrap().to_bytes(), *file);

    let change = |at: usize| {
        let mut bytes = file.clone();
        bytes[at] ^= 0xff;
        read(&bytes).unwrap_err()
    };
    assert_eq!(change(0), KeyError::NotAKey);
    assert!(matches!(change(9), KeyError::Version(_)));
    assert_eq!(change(10), KeyError::Header);
    assert!(matches!(change(11), KeyError::WrongLevels { .. }));
    assert_eq!(change(12), KeyError::Header);
    assert!(matches!(change(13), KeyError::CircuitChanged { .. }));
    assert_eq!(change(100), KeyError::Checksum);
    assert_eq!(change(file.len() - 1), KeyError::Checksum);
    assert_eq!(read(&file[..20]).unwrap_err(), KeyError::NotAKey);
    assert!(matches!(read(&file[..file.len() - 1]).unwrap_err(), KeyError::Length { .. }));
    assert!(matches!(read(&[&file[..], &[0]].concat()).unwrap_err(), KeyError::Length { .. }));
    let other = ProvingKey::from_bytes(quotapass_circuits::badge::Badge::STANDARD, file).unwrap_err();
    assert!(matches!(other, KeyError::WrongCircuit { .. }));
}

/// Generates bytes that are changed at a few places, truncated, or followed by other bytes.
fn mutated(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..4);
    (changes, 0..=length, prop::collection::vec(any::<u8>(), 0..4), prop::bool::weighted(0.8)).prop_map(
        move |(changes, cut, tail, whole)| {
            let mut bytes = good.clone();
            for (at, value) in changes {
                bytes[at] = value;
            }
            if !whole {
                bytes.truncate(cut);
                bytes.extend(tail);
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_read_only_as_written(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(PostPass::from_bytes(&bytes).is_err() && PostHead::from_bytes(&bytes).is_err());
        prop_assert!(BadgePass::from_bytes(&bytes).is_err());
        prop_assert!(RecordedPass::from_bytes(&bytes).is_err() && RecordedHead::from_bytes(&bytes).is_err());
        prop_assert!(ProvingKey::from_bytes(Slash, &bytes).is_err());
        if let Ok(array) = <[u8; PROOF_BYTES]>::try_from(&bytes[..bytes.len().min(PROOF_BYTES)])
            && let Ok(proof) = Proof::from_bytes(&array)
        {
            prop_assert_eq!(proof.to_bytes(), array);
        }
    }

    #[test]
    fn mutated_posts_are_read_only_as_written(bytes in mutated(POST_PASS.to_bytes().to_vec())) {
        if let Ok(pass) = PostPass::from_bytes(&bytes) {
            prop_assert_eq!(&pass.to_bytes()[..], &bytes[..]);
        }
    }

    #[test]
    fn heads_are_read_as_whole_posts_are(bytes in mutated(POST_PASS.to_bytes().to_vec())) {
        match (PostHead::from_bytes(&bytes), PostPass::from_bytes(&bytes)) {
            (Ok((head, proof)), Ok(pass)) => {
                prop_assert_eq!((head, proof.decode()), (pass.head(), Ok(pass.proof)));
            }
            // The proof is invalid, and the error's offset is inside it.
            (Ok((_, proof)), Err(error)) => {
                prop_assert!(error.offset >= POST_BYTES - PROOF_BYTES && matches!(error.kind, DecodeErrorKind::Proof(_)));
                prop_assert_eq!(EncodedProof::decode_many(&[proof]), vec![Err(error)]);
            }
            (Err(error), read) => prop_assert_eq!(read, Err(error)),
        }
    }

    #[test]
    fn mutated_badges_are_read_only_as_written(bytes in mutated(BADGE_PASS.to_bytes())) {
        if let Ok(pass) = BadgePass::from_bytes(&bytes) {
            prop_assert_eq!(pass.to_bytes(), bytes);
        }
    }

    #[test]
    fn mutated_posts_with_records_are_read_only_as_written(bytes in mutated(RECORDED.to_bytes())) {
        match (RecordedHead::from_bytes(&bytes), RecordedPass::from_bytes(&bytes)) {
            (Ok(head), Ok(pass)) => {
                prop_assert_eq!(head.post, pass.post.head());
                prop_assert_eq!(pass.to_bytes(), bytes);
            }
            (Ok(_), Err(error)) => prop_assert!(matches!(error.kind, DecodeErrorKind::Proof(_))),
            (Err(error), read) => prop_assert_eq!(read, Err(error)),
        }
    }

    #[test]
    fn mutated_texts_are_read_only_as_written(bytes in mutated(POST_PASS.to_text().into_bytes())) {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(pass) = PostPass::from_text(&text) {
            prop_assert_eq!(pass.to_text(), text.as_ref());
        }
        let _ = BadgePass::from_text(&text);
    }

    #[test]
    fn mutated_json_does_not_panic(bytes in mutated(serde_json::to_vec(&*POST_PASS).unwrap())) {
        if let Ok(pass) = serde_json::from_slice::<PostPass>(&bytes) {
            prop_assert_eq!(PostPass::from_bytes(&pass.to_bytes()), Ok(pass));
        }
        let _ = serde_json::from_slice::<BadgePass>(&bytes);
    }

    #[test]
    fn mutated_json_of_records_does_not_panic(bytes in mutated(serde_json::to_vec(&*RECORDED).unwrap())) {
        if let Ok(pass) = serde_json::from_slice::<RecordedPass>(&bytes) {
            prop_assert_eq!(RecordedPass::from_bytes(&pass.to_bytes()), Ok(pass));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn mutated_keys_are_read_only_as_written(bytes in mutated(SLASH_KEY.clone())) {
        if let Ok(key) = ProvingKey::from_bytes(Slash, &bytes) {
            prop_assert_eq!(key.to_bytes(), bytes);
        }
    }
}
