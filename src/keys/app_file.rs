//! Proving keys in the files that apps load, and the routes that serve them.

use axum::{Router, body::Bytes, extract::Query, http::HeaderMap, routing::get};
use quotapass_circuits::{
    badge::Badge,
    constraints::CircuitKind,
    key_id::KeyId,
    moderation::{author::Author, record::Record},
    post::Post,
    prover::ProvingKey,
};
use quotapass_relay::http::Asset;
use quotapass_wallet::keys::KeyStore;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::development_prover;
use crate::versioned::{Version, versioned};

/// A proving key in the format of apps.
#[derive(Clone)]
pub(crate) struct KeyFile {
    circuit: CircuitKind,
    id: KeyId,
    content: Bytes,
    asset: Asset,
    /// SHA-256 in hexadecimal.
    sha256: String,
}

impl KeyFile {
    pub(crate) fn new(circuit: CircuitKind, key: &ProvingKey) -> Self {
        let content = Bytes::from(key.to_bytes());
        let sha256 = hex::encode(Sha256::digest(&content));
        // Its bytes look random.
        let asset = Asset::incompressible("application/octet-stream", content.clone());
        Self { circuit, id: key.id(), content, asset, sha256 }
    }

    /// Returns the development keys that an app needs: for posts and for badges.
    pub(crate) fn development(store: &KeyStore) -> anyhow::Result<Vec<Self>> {
        Ok(vec![
            Self::new(CircuitKind::Post, development_prover(store, Post::STANDARD)?.key()),
            Self::new(CircuitKind::Badge, development_prover(store, Badge::STANDARD)?.key()),
        ])
    }

    /// Returns the development keys that an app also needs in scopes with moderation.
    pub(crate) fn development_of_moderation(store: &KeyStore) -> anyhow::Result<Vec<Self>> {
        Ok(vec![
            Self::new(CircuitKind::Author, development_prover(store, Author)?.key()),
            Self::new(CircuitKind::Record16, development_prover(store, Record::<16>)?.key()),
            Self::new(CircuitKind::Record128, development_prover(store, Record::<128>)?.key()),
        ])
    }

    pub(super) fn id(&self) -> KeyId {
        self.id
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.content
    }

    pub(super) fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Returns the list of keys that `Prover.load` of the npm package takes: for each circuit the address of its file, which
/// begins with `folder`, and the file's SHA-256.
pub(crate) fn list(keys: &[KeyFile], folder: &str) -> Value {
    let listed = keys.iter().map(|KeyFile { circuit, id, asset, sha256, .. }| {
        let name = circuit.name();
        let url = versioned(&format!("{folder}/{name}"), asset);
        (name.to_owned(), json!({ "url": url, "sha256": sha256, "id": id }))
    });
    Value::Object(listed.collect::<Map<_, _>>())
}

/// Returns the routes of a folder with the files of keys.
pub(crate) fn routes(keys: Vec<KeyFile>, folder: &str) -> Router {
    keys.into_iter().fold(Router::new(), |router, KeyFile { circuit, asset, .. }| {
        let key = |Query(version): Query<Version>, headers: HeaderMap| async move {
            asset.answer(&headers, version.freshness(&asset))
        };
        router.route(&format!("{folder}/{}", circuit.name()), get(key))
    })
}
