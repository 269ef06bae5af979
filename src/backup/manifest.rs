//! The manifest: what a backup says of itself, so that a directory carried to another machine needs no catalogue.
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::audit::AuditNote;
use crate::backend::{ArtefactFacts, BackupIdentity, InvalidBackup, ManifestFault};
use crate::catalog::backups::{BackupReason, StoredFacts};
use crate::catalog::{from_millis, to_millis};

/// The format this build writes, and the only one it reads.
const FORMAT: u32 = 1;

/// What a backup is, and what its database must look like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) id: Uuid,
    pub(crate) set: Option<Uuid>,
    pub(crate) reason: BackupReason,
    /// Unix milliseconds: when the copy was begun. What was committed before is in it.
    pub(crate) taken_at: i64,
    /// The version of this library.
    pub(crate) made_by: String,
    pub(crate) database: BackupIdentity,
    pub(crate) bytes: u64,
    #[serde(with = "hex")]
    pub(crate) sha256: [u8; 32],
    pub(crate) schema: Schema,
    pub(crate) rows: BTreeMap<String, u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Schema {
    pub(crate) version: Option<String>,
    pub(crate) fingerprint: String,
    pub(crate) migrations: Vec<AppliedMigration>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppliedMigration {
    pub(crate) version: String,
    pub(crate) name: String,
    #[serde(with = "hex")]
    pub(crate) sha256: [u8; 32],
}

/// What is in the file: the manifest behind its format and its own checksum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<'a> {
    format: u32,
    #[serde(with = "hex")]
    sha256: [u8; 32],
    #[serde(borrow)]
    manifest: &'a RawValue,
}

/// Only as much as every format has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u32,
}

impl Manifest {
    /// What is done with the backup, for the audit log.
    pub(crate) fn note(&self, action: &'static str) -> AuditNote {
        let note = AuditNote::of_library(action).subject(self.id);
        match self.database.tenant {
            Some(tenant) => note.about(tenant),
            None => note,
        }
    }

    pub(crate) fn new(
        id: Uuid,
        set: Option<Uuid>,
        reason: BackupReason,
        taken_at: std::time::SystemTime,
        facts: &ArtefactFacts,
    ) -> Self {
        let migrations = facts.ledger.iter().map(|row| AppliedMigration {
            version: row.version.clone(),
            name: row.name.clone(),
            sha256: row.checksum.as_slice().try_into().unwrap_or_default(),
        });
        Self {
            id,
            set,
            reason,
            taken_at: to_millis(taken_at),
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            database: facts.identity,
            bytes: facts.bytes,
            sha256: facts.sha256,
            schema: Schema {
                version: facts.ledger.iter().map(|row| row.version.clone()).max(),
                fingerprint: facts.fingerprint.clone(),
                migrations: migrations.collect(),
            },
            rows: facts.rows.clone(),
        }
    }

    /// The bytes of the file.
    pub(crate) fn write(&self) -> Vec<u8> {
        sealed(self)
    }

    /// Reads the bytes of the file of the backup at `path`.
    pub(crate) fn read(bytes: &[u8], path: &Path) -> Result<Self, InvalidBackup> {
        unsealed(bytes, path)
    }

    /// Whether the database beside the manifest is the one it describes.
    pub(crate) fn check(&self, found: &ArtefactFacts, path: &Path) -> Result<(), InvalidBackup> {
        let told = Self::new(
            self.id,
            self.set,
            self.reason,
            from_millis(self.taken_at),
            found,
        );
        let what = if told.database != self.database {
            "the identity"
        } else if told.schema != self.schema {
            "the schema"
        } else if told.rows != self.rows {
            "a number of rows"
        } else {
            return Ok(());
        };
        let path = path.to_owned();
        Err(InvalidBackup::WrongManifest { path, what })
    }

    pub(crate) fn facts(&self) -> StoredFacts {
        StoredFacts {
            taken_at: from_millis(self.taken_at),
            generation: self.database.generation,
            schema_version: self.schema.version.clone(),
            schema_fingerprint: self.schema.fingerprint.clone(),
            bytes: self.bytes,
            sha256: self.sha256,
        }
    }
}

/// Any manifest, as the bytes of its file.
pub(super) fn sealed(manifest: &impl Serialize) -> Vec<u8> {
    let manifest = serde_json::value::to_raw_value(manifest)
        .expect("a manifest has text for keys, and nothing that fails");
    let envelope = Envelope {
        format: FORMAT,
        sha256: Sha256::digest(manifest.get().as_bytes()).into(),
        manifest: &manifest,
    };
    let mut bytes = serde_json::to_vec(&envelope).expect("an envelope holds nothing that fails");
    bytes.push(b'\n');
    bytes
}

pub(super) fn unsealed<T: Serialize + for<'a> Deserialize<'a>>(
    bytes: &[u8],
    path: &Path,
) -> Result<T, InvalidBackup> {
    let bad = |reason| InvalidBackup::ManifestBad {
        path: path.to_owned(),
        reason,
    };
    let malformed = |_| bad(ManifestFault::Malformed);
    // Looked at first: of a newer format nothing else is known.
    let any = serde_json::from_slice::<AnyFormat>(bytes).map_err(malformed)?;
    if any.format != FORMAT {
        return Err(InvalidBackup::ManifestUnsupported {
            path: path.to_owned(),
            found: any.format,
            known: FORMAT,
        });
    }
    let envelope = serde_json::from_slice::<Envelope<'_>>(bytes).map_err(malformed)?;
    let digest: [u8; 32] = Sha256::digest(envelope.manifest.get().as_bytes()).into();
    if digest != envelope.sha256 {
        return Err(bad(ManifestFault::Checksum));
    }
    let manifest = serde_json::from_str::<T>(envelope.manifest.get()).map_err(malformed)?;
    // There is one way to write it, so what the checksum does not cover cannot have been touched either.
    match sealed(&manifest) == bytes {
        true => Ok(manifest),
        false => Err(bad(ManifestFault::Malformed)),
    }
}

/// A SHA-256 as 64 lower-case digits.
pub(super) mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn text(hash: &[u8; 32]) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    pub(crate) fn serialize<S: Serializer>(hash: &[u8; 32], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&text(hash))
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<[u8; 32], D::Error> {
        let digits = String::deserialize(from)?;
        let lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if digits.len() != 64 || !digits.bytes().all(lower) {
            return Err(D::Error::custom("not 64 lower-case hexadecimal digits"));
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(D::Error::custom)?;
            *byte = u8::from_str_radix(pair, 16).map_err(D::Error::custom)?;
        }
        Ok(hash)
    }
}
