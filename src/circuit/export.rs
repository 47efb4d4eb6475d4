//! `quotapass circuit export`.

use std::{
    num::{NonZeroU16, NonZeroU32},
    path::Path,
};

use anyhow::{Context as _, Result};
use quotapass_circuits::{
    badge::{Badge, badge},
    constraints::{Circuit, assignment::Assignment, shape::Shape},
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Terms},
    moderation::{
        Action, Entry, Segment,
        author::{Author, author},
        record::{Record, record},
    },
    post::{Post, post},
    prover::KeyOrigin,
    registry_id::RegistryId,
    requirement::Requirement,
    share::Line,
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Receiver, Scope, SignalHash},
    slash::{Slash, slash},
};
use quotapass_protocol::UnixSeconds;
use quotapass_setup::iden3;
use quotapass_wallet::files::write_atomically;
use rand::rngs::OsRng;
use serde_json::json;

use super::{super::keys::warn_of, prover};
use crate::context::Context;

pub(super) fn run(context: &Context, levels: Levels, out: &Path) -> Result<()> {
    let secret = IdentitySecret::generate(&mut OsRng);
    let registry = RegistryId { chain_id: 31_337, address: [0; 20] };
    let scope = Scope::new(&registry, "export");
    let since = Day(20_000);
    let requirement = Requirement { min_stake: 1, since_max: since };
    let member = Member { commitment: secret.commitment(), terms: Terms::new(10, 20, since)? };
    let mut tree = MemberTree::new(levels);
    tree.append(member)?;
    let path = tree.path(MemberIndex(0))?;
    let membership = Membership { secret: &secret, member: &member, path: &path };

    let epoch = Epoch::at(NonZeroU32::MIN, UnixSeconds(0));
    let x = SignalHash::new(scope, epoch, b"a message")?;
    let external = ExternalNullifier::new(scope, epoch);
    let statement = post(membership, external, x, requirement, NonZeroU16::MAX, 0)?;
    let entry = Entry::of(&statement.0);
    write(context, Post { levels }, levels, out, &statement)?;
    let statement = badge(membership, scope, ChatKeyHash::new(b"a chat key"), requirement)?;
    write(context, Badge { levels }, levels, out, &statement)?;
    let statement = slash(&secret, Receiver::new(&registry, &[1; 20]));
    write(context, Slash, levels, out, &statement)?;
    let statement = author(&secret, entry, Action::Delete.hash(scope, UnixSeconds(0)))?;
    write(context, Author, levels, out, &statement)?;
    // A list that is not full, with posts of another member.
    let listed = (0..10).map(|number| listed_post(scope, number)).collect::<Result<Vec<_>>>()?;
    let statement = record::<16>(&secret, entry, Segment::new(&listed)?)?;
    write(context, Record::<16>, levels, out, &statement)?;
    let statement = record::<128>(&secret, entry, Segment::new(&listed)?)?;
    warn_of(write(context, Record::<128>, levels, out, &statement)?);
    Ok(())
}

/// Returns the entry of a post of a new member.
fn listed_post(scope: Scope, number: u64) -> Result<Entry> {
    let epoch = Epoch::new(NonZeroU32::MIN, number);
    let line = Line::new(&IdentitySecret::generate(&mut OsRng), ExternalNullifier::new(scope, epoch), 0);
    let x = SignalHash::new(scope, epoch, b"a listed message")?;
    Ok(Entry { x, y: line.share(x).y, nullifier: line.nullifier() })
}

/// Proves the statement and writes the circuit's files. Returns the origin of the key.
fn write<C: Circuit>(
    context: &Context,
    circuit: C,
    levels: Levels,
    out: &Path,
    (public, witness): &(C::Public, C::Witness),
) -> Result<KeyOrigin> {
    let prover = prover(context, circuit, levels)?;
    let proof = prover.prove(public, witness, &mut OsRng)?;
    let pretty = |value: serde_json::Value| serde_json::to_vec_pretty(&value);
    let assignment = Assignment::compute(circuit, public, witness)?;
    let files = [
        (format!("{}.r1cs", C::KIND), Shape::of(circuit)?.to_r1cs()),
        // The secret in the witness was generated for this statement only.
        ("witness.wtns".into(), iden3::wtns(&assignment).to_vec()),
        ("verification_key.json".into(), pretty(iden3::verification_key_json(&prover.verifying_key()))?),
        ("proof.json".into(), pretty(iden3::proof_json(&proof))?),
        ("public.json".into(), pretty(iden3::public_json(&C::public_inputs(public)))?),
    ];
    for (name, content) in files {
        let path = out.join(C::KIND.name()).join(name);
        write_atomically(&path, &content).with_context(|| format!("cannot write {}", path.display()))?;
        let written = json!({ "circuit": C::KIND.name(), "file": path });
        context.output().result(&path.display().to_string(), written)?;
    }
    Ok(prover.origin())
}
