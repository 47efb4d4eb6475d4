//! The local copy of the registry, and where a member stands in its tree.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail};
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Member, MemberIndex, MemberPath},
    registry_id::RegistryId,
};

use super::{
    config::Key,
    context::{Context, not_a_member},
    progress,
    time::moment,
};
use crate::registry::{Follower, FollowerSettings, MemberStatus, Registry, Synced};

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
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
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

    /// Where the holder of a secret stands in the tree, as of the newest root.
    pub(super) fn locate(&self, secret: &IdentitySecret) -> Result<Located> {
        let registry = self.registry()?;
        let (copy, _) = self.synced_copy(&registry)?;
        let index = copy.index_of(secret.commitment())?.with_context(|| not_a_member(self.config()))?;
        let Some(member) = copy.member(index)? else {
            bail!("{}", has_left(index, registry.record(index)?.status));
        };
        Ok(Located { member, path: copy.path(index)? })
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
