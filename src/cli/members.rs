//! The local copy of the registry, and where a member stands in its tree.

use std::{fmt, fs, io, path::PathBuf, thread, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Levels, Member, MemberIndex, MemberPath, MemberTree},
    registry_id::RegistryId,
    requirement::Requirement,
};
use serde::Serialize;

use super::{
    config::{Config, Key},
    context::{Context, not_a_member},
    output::note,
    progress,
    time::moment,
};
use crate::{
    files::write_atomically,
    registry::{Follower, FollowerSettings, MemberRecord, MemberStatus, Registry, Synced},
    wallet::{
        ledger::LedgerOwner,
        members::{ChainHead, ClientOptions, LightMembers, OwnMembership, RelayMembers, SyncError, meets},
    },
};

/// How often a relay is asked whose tree is not the chain's.
const RELAY_ATTEMPTS: u32 = 3;
/// The pause before it is asked again.
const RELAY_PAUSE: Duration = Duration::from_secs(2);

/// Seconds before the latest block in which events are told one by one, at least.
const TOLD: u32 = 3_600;

/// A member of the tree, with its path to the newest root that the chain confirms.
pub(super) struct Located {
    pub(super) member: Member,
    pub(super) path: MemberPath,
    pub(super) crowd: Crowd,
}

/// The members among whom a pass hides its sender: those who meet what a scope asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Crowd {
    /// How many are known.
    members: usize,
    /// Whether these are all. A light wallet knows those of its own group, so that there are at least so many.
    is_exact: bool,
}

impl Crowd {
    fn of_tree(tree: &MemberTree, requirement: &Requirement) -> Self {
        let all = (0..tree.len()).filter_map(|index| tree.member(MemberIndex(u32::try_from(index).ok()?)));
        Self { members: all.filter(|member| meets(requirement, member)).count(), is_exact: true }
    }

    fn of_group(light: &LightMembers, requirement: &Requirement) -> Self {
        Self { members: light.meeting(requirement), is_exact: false }
    }

    /// Says on standard error that there are few, if there are fewer than the settings ask for.
    pub(super) fn warn(&self, config: &Config, scope: &str) -> Result<()> {
        if self.members < config.min_anonymity()? {
            note(format!(
                "Warning: {self} what `{scope}` asks for, so that a message is easily traced to its author. Ask the room \
                 to ask for less, or wait for more members. `min_anonymity` in the configuration sets the number below \
                 which this is said."
            ));
        }
        Ok(())
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (known, verb) =
            (if self.is_exact { "" } else { " known" }, if self.members == 1 { "meets" } else { "meet" });
        write!(f, "{}{known} {} {verb}", self.members, if self.members == 1 { "member" } else { "members" })
    }
}

impl Context {
    /// The file of the local copy.
    pub(super) fn copy_path(&self, registry: &RegistryId) -> Result<PathBuf> {
        let name = format!("{}-{}", registry.chain_id, Address::from(registry.address));
        Ok(self.config().data_folder()?.join("registries").join(name).join("members.redb"))
    }

    /// Opens the local copy and brings it up to date. Roots since the longest root window are told one by one.
    pub(super) fn synced_copy(&self, registry: &dyn Registry) -> Result<(Follower, Synced)> {
        let mut copy = self.copy(&registry.id())?;
        let synced = copy.sync(registry)?;
        Ok((copy, synced))
    }

    /// Opens the local copy as it is.
    pub(super) fn copy(&self, registry: &RegistryId) -> Result<Follower> {
        let path = self.copy_path(registry)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let window = self.config().scopes().iter().map(|dated| dated.policy.root_window).fold(TOLD, u32::max);
        let settings = FollowerSettings {
            reorganisation_limit: self.config().require(Key::MaxReorgDepth)?,
            history: Duration::from_secs(window.into()),
            progress: progress::sync(),
            ..FollowerSettings::default()
        };
        Ok(Follower::open_or_create(&path, *registry, settings)?)
    }

    /// Where the holder of a secret stands in the tree, as of the newest root: from the local copy, or from a relay if one
    /// is set. `index` is the member's, if it was given.
    ///
    /// Counts the members who meet `requirement`, among whom the holder hides.
    pub(super) fn locate(
        &self,
        secret: &IdentitySecret,
        index: Option<u32>,
        requirement: &Requirement,
    ) -> Result<Located> {
        let registry = self.registry()?;
        let owner = LedgerOwner { registry: registry.id(), commitment: secret.commitment() };
        if let Some(relay) = self.config().get::<String>(Key::MembersFrom)? {
            return self.locate_by_relay(&registry, &owner, &relay, index, requirement);
        }
        let (copy, _) = self.synced_copy(&registry)?;
        let known = index.map(MemberIndex).or(self.kept_index(&owner)?);
        let is_own = |record: &MemberRecord| record.commitment == owner.commitment;
        let index = match known {
            Some(known) if copy.record(known)?.as_ref().is_some_and(is_own) => {
                self.keep_index(&owner, known)?;
                known
            }
            _ => self.own_slot(&owner, index, &copy.slots_of(owner.commitment)?)?,
        };
        let Some(member) = copy.member(index)? else {
            bail!("{}", has_left(index, registry.record(index)?.status));
        };
        Ok(Located { member, path: copy.path(index)?, crowd: Crowd::of_tree(copy.tree()?, requirement) })
    }

    fn locate_by_relay(
        &self,
        registry: &dyn Registry,
        owner: &LedgerOwner,
        relay: &str,
        index: Option<u32>,
        requirement: &Requirement,
    ) -> Result<Located> {
        let index = self.own_index(owner, index)?;
        let options = ClientOptions {
            timeout: Duration::from_secs(self.config().require(Key::RpcTimeout)?),
            proxy: self.config().get(Key::MembersProxy)?,
        };
        let source = RelayMembers::new(relay, Levels::STANDARD, &options)?;
        let path = self.own_file(owner, "members")?;
        let own = OwnMembership { index, commitment: owner.commitment };
        let mut light = LightMembers::load(&path, Levels::STANDARD, own)?;
        let mut attempt = 1;
        let synced = loop {
            let head = registry.head()?;
            match light.sync(&source, &ChainHead { root: head.root, member_count: head.member_count }) {
                Ok(synced) => break synced,
                // A block may have come between the chain's answer and the relay's.
                Err(SyncError::NotTheChains(_) | SyncError::MemberCount { .. } | SyncError::Bucket(_))
                    if attempt < RELAY_ATTEMPTS =>
                {
                    attempt += 1;
                    thread::sleep(RELAY_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        };
        light.save(&path)?;
        if synced.asked.is_some() {
            note(format!("The relay knows that one of {} members asked.", synced.hidden_among));
        }
        let (member, path) = light.membership()?;
        Ok(Located { member, path, crowd: Crowd::of_group(&light, requirement) })
    }

    /// The members who meet a requirement as this device knows them, without asking anybody; none if it knows none.
    pub(super) fn known_crowd(
        &self,
        owner: &LedgerOwner,
        index: MemberIndex,
        requirement: &Requirement,
    ) -> Result<Option<Crowd>> {
        if self.config().get::<String>(Key::MembersFrom)?.is_some() {
            let own = OwnMembership { index, commitment: owner.commitment };
            let light = LightMembers::load(&self.own_file(owner, "members")?, Levels::STANDARD, own)?;
            return Ok(light.root().map(|_| Crowd::of_group(&light, requirement)));
        }
        if !self.copy_path(&owner.registry)?.exists() {
            return Ok(None);
        }
        let copy = self.copy(&owner.registry)?;
        Ok(copy.head().is_some().then(|| copy.tree()).transpose()?.map(|tree| Crowd::of_tree(tree, requirement)))
    }

    /// The index of a member as this device knows it; the endpoint is not asked, for it would learn who asks.
    fn own_index(&self, owner: &LedgerOwner, given: Option<u32>) -> Result<MemberIndex> {
        if let Some(index) = given {
            self.keep_index(owner, MemberIndex(index))?;
            return Ok(MemberIndex(index));
        }
        self.kept_index(owner)?.context(
            "this device does not know the member's index; pass it once with --index (`deposit` printed it, and `status` asks \
             the endpoint for it)",
        )
    }

    /// The index that this device keeps of a member, if it does.
    fn kept_index(&self, owner: &LedgerOwner) -> Result<Option<MemberIndex>> {
        let path = self.own_file(owner, "index")?;
        match fs::read_to_string(&path) {
            Ok(text) => {
                let index = text.trim().parse();
                let index = index.with_context(|| format!("{} holds no index; delete it", path.display()))?;
                Ok(Some(MemberIndex(index)))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Which of the memberships of a commitment is one's own.
    ///
    /// A commitment is public, and anybody can deposit for it: in a tier of his choice, and until he takes his deposit
    /// back. The index that was given, or that of this device's own deposit, says which membership is meant. Without either
    /// there must be one alone.
    pub(super) fn own_slot(
        &self,
        owner: &LedgerOwner,
        given: Option<u32>,
        slots: &[(MemberIndex, Address)],
    ) -> Result<MemberIndex> {
        let known = match given {
            Some(index) => Some(MemberIndex(index)),
            None => self.kept_index(owner)?,
        };
        match (known, slots) {
            (_, []) => bail!("{}", not_a_member(self.config())),
            (Some(known), slots) if slots.iter().any(|(index, _)| *index == known) => Ok(known),
            (Some(known), _) => bail!("member {known} is not this account of the identity; check the index"),
            (None, [(index, _)]) => Ok(*index),
            (None, slots) => {
                let list: Vec<_> = slots.iter().map(|(index, depositor)| format!("{index} by {depositor}")).collect();
                bail!(
                    "others have deposited for this commitment as well ({}), and this device does not know which deposit is \
                     yours: pass its index with --index",
                    list.join(", ")
                )
            }
        }
    }

    /// Remembers the index of a member.
    pub(super) fn keep_index(&self, owner: &LedgerOwner, index: MemberIndex) -> Result<()> {
        let path = self.own_file(owner, "index")?;
        write_atomically(&path, format!("{index}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// A file about one member, beside the copy of the registry.
    fn own_file(&self, owner: &LedgerOwner, extension: &str) -> Result<PathBuf> {
        Ok(self.copy_path(&owner.registry)?.with_file_name(format!("{}.{extension}", owner.file_name())))
    }
}

fn has_left(index: MemberIndex, status: MemberStatus) -> String {
    let how = match status {
        MemberStatus::Active => "has just left the tree; try again".into(),
        MemberStatus::Exiting { withdrawable_at } => {
            format!("has asked for its deposit back, which it can have from {} on", moment(withdrawable_at))
        }
        MemberStatus::Withdrawn => "has withdrawn its deposit".into(),
        MemberStatus::Slashed => "was slashed: its secret is known, so make a new identity".into(),
    };
    format!("member {index} {how}; it cannot post any more")
}
