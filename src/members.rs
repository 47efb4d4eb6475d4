//! The local copy of the registry, and a member's position in its tree.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Levels, Member, MemberIndex, MemberPath, MemberTree},
    registry_id::RegistryId,
    requirement::Requirement,
};
use quotapass_registry::{
    FollowError, Follower, FollowerSettings, MemberRecord, MemberStatus, RegistryReader, StoreError, SyncedMembers,
};
use quotapass_text::EndpointUrl;
use quotapass_wallet::{
    files::{create_private_folder, folder_of, write_atomically},
    ledger::LedgerOwner,
    members::{ChainHead, LightMembers, OwnMembership, RelayMembers, SyncError, meets},
};
use serde::Serialize;

use super::{
    config::{Config, Key},
    context::{Context, not_a_member},
    failure::{refused, usage},
    output::note,
    progress,
    time::moment,
};

/// How often a relay is asked if its tree differs from the chain's.
const RELAY_ATTEMPTS: u32 = 3;
/// The pause between two attempts.
const RELAY_PAUSE: Duration = Duration::from_secs(2);

/// How long a subcommand waits for another one to close the local copy.
const COPY_PATIENCE: Duration = Duration::from_secs(120);
/// How long it waits silently.
const COPY_SILENCE: Duration = Duration::from_secs(1);
/// The pause between two attempts to open the local copy.
const COPY_PAUSE: Duration = Duration::from_millis(50);

/// The shortest period before the latest block, in seconds, for which changes are reported one by one.
const TOLD: u32 = 3_600;

/// A member of the tree, with its Merkle path to the newest root that the chain confirms.
pub(super) struct Located {
    pub(super) member: Member,
    pub(super) path: MemberPath,
    pub(super) crowd: Crowd,
}

/// The anonymity set of a pass: the members who meet the requirement of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Crowd {
    /// Number of these members that this device knows.
    members: usize,
    /// Whether this number is exact. A light wallet knows only its own group, so its number is a lower bound.
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

    /// Warns on standard error if there are fewer members than the setting `min_anonymity`.
    pub(super) fn warn(&self, config: &Config, scope: &str) -> Result<()> {
        if self.members < config.min_anonymity()? {
            note(format!(
                "Warning: {self} what `{scope}` asks for, so a message is easily traced to its author. Ask the room \
                 to lower its requirement, or wait for more members. `min_anonymity` in the configuration sets the \
                 number below which this warning appears."
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
    /// Returns the path of the local copy.
    pub(super) fn copy_path(&self, registry: &RegistryId) -> Result<PathBuf> {
        let name = format!("{}-{}", registry.chain_id, Address::from(registry.address));
        Ok(self.config().data_folder()?.join("registries").join(name).join("members.redb"))
    }

    /// Opens the local copy and brings it up to date. Roots within the longest root window are reported one by one.
    pub(super) fn synced_copy(&self, registry: &dyn RegistryReader) -> Result<(Follower, SyncedMembers)> {
        let mut copy = self.copy(&registry.id())?;
        let synced = copy.sync(registry)?;
        if synced.behind > 0 {
            note(behind(synced.behind));
        }
        Ok((copy, synced))
    }

    /// Opens the local copy without a sync. Only one process can have it open at a time, so close it soon.
    pub(super) fn copy(&self, registry: &RegistryId) -> Result<Follower> {
        let path = self.copy_path(registry)?;
        create_folder_of(&path)?;
        let window = self.config().scopes().iter().map(|dated| dated.policy.root_window).fold(TOLD, u32::max);
        let settings = FollowerSettings {
            first_block: self.config().get(Key::FirstBlock)?,
            reorganisation_limit: self.config().require(Key::MaxReorgDepth)?,
            history: Duration::from_secs(window.into()),
            progress: progress::sync(),
        };
        Ok(when_free(|| Follower::open_or_create(&path, *registry, settings.clone()))?)
    }

    /// Finds the member of a secret in the tree of the newest root: in the local copy, or from a relay if one is set.
    /// `index` is the member's index, if it was given.
    ///
    /// Counts the members who meet `requirement`, which are the anonymity set.
    pub(super) fn locate(
        &self,
        secret: &IdentitySecret,
        index: Option<u32>,
        requirement: &Requirement,
    ) -> Result<Located> {
        let registry = self.registry()?;
        let owner = LedgerOwner { registry: registry.id(), commitment: secret.commitment() };
        if let Some(relay) = self.config().get::<EndpointUrl>(Key::MembersFrom)? {
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
            bail!(refused(has_left(index, registry.record(index)?.status)));
        };
        Ok(Located { member, path: copy.path(index)?, crowd: Crowd::of_tree(copy.tree()?, requirement) })
    }

    fn locate_by_relay(
        &self,
        registry: &dyn RegistryReader,
        owner: &LedgerOwner,
        relay: &EndpointUrl,
        index: Option<u32>,
        requirement: &Requirement,
    ) -> Result<Located> {
        let index = self.own_index(owner, index)?;
        let source = RelayMembers::new(relay.expose(), Levels::STANDARD, &self.relay_options()?)?;
        let path = self.own_file(owner, "members")?;
        let own = OwnMembership { index, commitment: owner.commitment };
        let mut light = LightMembers::load(&path, Levels::STANDARD, own)?;
        let mut attempt = 1;
        let synced = loop {
            let head = registry.head()?;
            match light.sync(&source, &ChainHead { root: head.root, member_count: head.member_count }) {
                Ok(synced) => break synced,
                // A new block may lie between the chain's answer and the relay's.
                Err(SyncError::NotTheChains(_) | SyncError::MemberCount { .. } | SyncError::Bucket(_))
                    if attempt < RELAY_ATTEMPTS =>
                {
                    attempt += 1;
                    thread::sleep(RELAY_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        };
        create_folder_of(&path)?;
        light.save(&path)?;
        if synced.asked.is_some() {
            note(format!("The relay knows that one of {} members asked.", synced.hidden_among));
        }
        let (member, path) = light.membership()?;
        Ok(Located { member, path, crowd: Crowd::of_group(&light, requirement) })
    }

    /// Returns the members who meet a requirement, from the files of this device alone; `None` if it has no files.
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

    /// Returns the index of a member that this device knows. The endpoint is not asked, because it would learn which
    /// member asks.
    fn own_index(&self, owner: &LedgerOwner, given: Option<u32>) -> Result<MemberIndex> {
        if let Some(index) = given {
            self.keep_index(owner, MemberIndex(index))?;
            return Ok(MemberIndex(index));
        }
        self.kept_index(owner)?.with_context(|| {
            usage(
                "this device does not know the member's index; pass it once with --index (`deposit` printed it; \
                 `status` asks the endpoint for it)",
            )
        })
    }

    /// Reads the index of a member that this device has stored, if any.
    pub(super) fn kept_index(&self, owner: &LedgerOwner) -> Result<Option<MemberIndex>> {
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

    /// Returns the index of the user's own membership among those of a commitment.
    ///
    /// A commitment is public, and anyone can deposit for it, in any tier, and withdraw that deposit later. The given
    /// index, or the index of this device's own deposit, selects the membership. Without either there must be exactly
    /// one.
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
            (_, []) => bail!(refused(not_a_member(self.config())?)),
            (Some(known), slots) if slots.iter().any(|(index, _)| *index == known) => Ok(known),
            (Some(known), _) => {
                bail!(usage(format!("member {known} is not this account of the identity; check the index")))
            }
            (None, [(index, _)]) => Ok(*index),
            (None, slots) => {
                let list: Vec<_> = slots.iter().map(|(index, depositor)| format!("{index} by {depositor}")).collect();
                bail!(usage(format!(
                    "there are several deposits for this commitment ({}), and this device does not know which one is \
                     yours: pass its index with --index",
                    list.join(", ")
                )))
            }
        }
    }

    /// Stores the index of a member on this device.
    pub(super) fn keep_index(&self, owner: &LedgerOwner, index: MemberIndex) -> Result<()> {
        let path = self.own_file(owner, "index")?;
        create_folder_of(&path)?;
        write_atomically(&path, format!("{index}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Returns the path of a file about one member, in the folder of the registry's copy.
    fn own_file(&self, owner: &LedgerOwner, extension: &str) -> Result<PathBuf> {
        Ok(self.copy_path(&owner.registry)?.with_file_name(format!("{}.{extension}", owner.file_name())))
    }
}

/// Repeats an operation on the local copy until no other program has it open.
pub(super) fn when_free<T>(mut attempt: impl FnMut() -> Result<T, FollowError>) -> Result<T, FollowError> {
    let begun = Instant::now();
    let mut is_told = false;
    loop {
        match attempt() {
            Err(FollowError::Store(StoreError::InUse(path))) if begun.elapsed() < COPY_PATIENCE => {
                if !is_told && begun.elapsed() > COPY_SILENCE {
                    note(format!("Waiting for another program that has {} open.", path.display()));
                    is_told = true;
                }
                thread::sleep(COPY_PAUSE);
            }
            done => return done,
        }
    }
}

/// The note about an endpoint that is behind the local copy.
pub(super) fn behind(blocks: u64) -> String {
    format!(
        "The endpoint is {blocks} blocks behind the local copy, which stays as it is until the endpoint has caught up. \
         If the chain was restarted, run `quotapass sync --from-scratch`."
    )
}

/// Creates the folder of a registry's files. The names of some tell which member is this device's.
fn create_folder_of(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    create_private_folder(folder).with_context(|| format!("cannot create {}", folder.display()))
}

fn has_left(index: MemberIndex, status: MemberStatus) -> String {
    let how = match status {
        MemberStatus::Active => "has just left the tree; try again".into(),
        MemberStatus::Exiting { withdrawable_at } => {
            format!("has requested its exit and can withdraw its deposit from {} on", moment(withdrawable_at))
        }
        MemberStatus::Withdrawn => "has withdrawn its deposit".into(),
        MemberStatus::Slashed => "was slashed: its secret is public, so create a new identity".into(),
    };
    format!("member {index} {how}; it cannot post any more")
}
