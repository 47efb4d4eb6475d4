//! The local copy of the registry, and where a member stands in its tree.

use std::{fs, io, path::PathBuf, thread, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Levels, Member, MemberIndex, MemberPath},
    registry_id::RegistryId,
};

use super::{
    config::Key,
    context::{Context, not_a_member},
    output::note,
    progress,
    time::moment,
};
use crate::{
    files::write_atomically,
    registry::{Follower, FollowerSettings, MemberStatus, Registry, Synced},
    wallet::{
        ledger::LedgerOwner,
        members::{ChainHead, ClientOptions, LightMembers, OwnMembership, RelayMembers, SyncError},
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
        let window = self.config().scopes().iter().map(|policy| policy.root_window).fold(TOLD, u32::max);
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
    pub(super) fn locate(&self, secret: &IdentitySecret, index: Option<u32>) -> Result<Located> {
        let registry = self.registry()?;
        let owner = LedgerOwner { registry: registry.id(), commitment: secret.commitment() };
        if let Some(relay) = self.config().get::<String>(Key::MembersFrom)? {
            return self.locate_by_relay(&registry, &owner, &relay, index);
        }
        let (copy, _) = self.synced_copy(&registry)?;
        let index = copy.index_of(owner.commitment)?.with_context(|| not_a_member(self.config()))?;
        let Some(member) = copy.member(index)? else {
            bail!("{}", has_left(index, registry.record(index)?.status));
        };
        Ok(Located { member, path: copy.path(index)? })
    }

    fn locate_by_relay(
        &self,
        registry: &dyn Registry,
        owner: &LedgerOwner,
        relay: &str,
        index: Option<u32>,
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
        Ok(Located { member, path })
    }

    /// The index of a member as this device knows it; the endpoint is not asked, for it would learn who asks.
    fn own_index(&self, owner: &LedgerOwner, given: Option<u32>) -> Result<MemberIndex> {
        if let Some(index) = given {
            self.keep_index(owner, MemberIndex(index))?;
            return Ok(MemberIndex(index));
        }
        let path = self.own_file(owner, "index")?;
        match fs::read_to_string(&path) {
            Ok(text) => {
                let index = text.trim().parse();
                Ok(MemberIndex(index.with_context(|| format!("{} holds no index; delete it", path.display()))?))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => bail!(
                "this device does not know the member's index; pass it once with --index (`deposit` printed it, and \
                 `status` asks the endpoint for it)"
            ),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
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
