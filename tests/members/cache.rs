use std::fs;

use proptest::prelude::*;
use quotapass_wallet::members::CacheError;

use crate::*;

#[test]
fn a_restart_asks_for_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members");
    let own = OwnMembership { index: MemberIndex(8_200), commitment: member(8_200).commitment };
    let mut first = LightMembers::load(&path, Levels::STANDARD, own).unwrap();
    first.sync(&*TREE, &head(&TREE)).unwrap();
    first.save(&path).unwrap();
    let mut second = LightMembers::load(&path, Levels::STANDARD, own).unwrap();
    assert_eq!(second.group(), first.group());
    let source = Curious::new(&TREE);
    second.sync(&source, &head(&TREE)).unwrap();
    assert_eq!(source.asked(), []);
    assert_eq!(second.membership().unwrap(), first.membership().unwrap());
}

#[test]
fn damage_and_another_members_cache_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("members");
    let mut wallet = wallet(1);
    wallet.sync(&*TREE, &head(&TREE)).unwrap();
    wallet.save(&path).unwrap();
    let own = OwnMembership { index: MemberIndex(1), commitment: member(1).commitment };
    let other = OwnMembership { index: MemberIndex(2), ..own };
    assert!(matches!(LightMembers::load(&path, Levels::STANDARD, other), Err(CacheError::OtherMember(_))));
    let good = fs::read(&path).unwrap();
    for at in [0, 30, 5_000, good.len() - 1] {
        let mut content = good.clone();
        content[at] ^= 1;
        fs::write(&path, content).unwrap();
        assert!(matches!(LightMembers::load(&path, Levels::STANDARD, own), Err(CacheError::Damaged { .. })));
    }
}

proptest! {
    #[test]
    fn random_bytes_are_no_cache(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(LightMembers::from_bytes(&bytes, Levels::STANDARD).is_err());
        let named = [b"quotapass-members\x01", &bytes[..]].concat();
        prop_assert!(LightMembers::from_bytes(&named, Levels::STANDARD).is_err());
    }
}
