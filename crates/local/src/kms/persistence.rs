//! Saves the store to a file, so that keys outlive the process. The file holds private keys unencrypted,
//! as the local KMS is for development only.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{
    crypto::{KeyMaterial, KeySpec},
    store::{Grant, KeyUsage, Store, StoredAlias, StoredKey, StoredKeyState},
};

#[derive(Serialize, Deserialize)]
struct StoreFile {
    keys: Vec<KeyRecord>,
    aliases: BTreeMap<String, StoredAlias>,
}

#[derive(Serialize, Deserialize)]
struct KeyRecord {
    id: String,
    spec: String,
    usage: String,
    private: String,
    state: StoredKeyState,
    created: f64,
    description: String,
    policy: String,
    tags: BTreeMap<String, String>,
    #[serde(default)]
    grants: BTreeMap<String, Grant>,
}

/// Writes the store to the file. The replacement is atomic and durable: after a crash, readers see the old or the
/// new contents.
pub(crate) fn save(store: &Store, file: &Path) -> io::Result<()> {
    let keys = store.keys.values().map(|key| {
        Ok(KeyRecord {
            id: key.id.clone(),
            spec: key.spec.name().into(),
            usage: key.usage.name().into(),
            private: STANDARD.encode(key.material.to_private().map_err(|_| unreadable_key())?),
            state: key.state,
            created: key.created,
            description: key.description.clone(),
            policy: key.policy.clone(),
            tags: key.tags.current().clone(),
            grants: key.grants.clone(),
        })
    });
    let image = StoreFile {
        keys: keys.collect::<io::Result<_>>()?,
        aliases: store.aliases.all_current().clone(),
    };
    let next = file.with_extension("next");
    // Readable by its owner only, as it holds private keys.
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next);
    let mut written = opened?;
    written.write_all(&serde_json::to_vec_pretty(&image)?)?;
    // Without it, the new name could refer to an empty file after a crash.
    written.sync_all()?;
    fs::rename(next, file)?;
    match file.parent() {
        // The rename is a change of the folder.
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Loads the keys and aliases of the file. If it does not exist, the store stays empty.
pub(crate) fn load(store: &mut Store, file: &Path) -> io::Result<()> {
    let image = match fs::read(file) {
        Ok(image) => serde_json::from_slice::<StoreFile>(&image)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for key in image.keys {
        let spec = KeySpec::from_name(&key.spec).ok_or_else(unreadable_key)?;
        let private = STANDARD.decode(key.private).map_err(|_| unreadable_key())?;
        store.insert(StoredKey {
            id: key.id,
            spec,
            usage: KeyUsage::from_name(&key.usage).ok_or_else(unreadable_key)?,
            material: Arc::new(KeyMaterial::restore(spec, &private).map_err(|_| unreadable_key())?),
            state: key.state,
            created: key.created,
            description: key.description,
            policy: key.policy,
            tags: key.tags.into(),
            grants: key.grants,
        });
    }
    store.aliases.restore(image.aliases);
    Ok(())
}

/// Locks the file against other processes until the result is dropped.
pub(crate) fn lock_file(file: &Path) -> io::Result<File> {
    let lock = File::create(file.with_extension("lock"))?;
    lock.try_lock().map_err(|_| {
        io::Error::new(io::ErrorKind::ResourceBusy, "another process uses this file")
    })?;
    Ok(lock)
}

fn unreadable_key() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file contains a key that cannot be read")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::kms::{
        fixture::{service, sign_request},
        service::KmsService,
    };

    #[test]
    fn a_saved_store_is_restored() {
        let folder = std::env::temp_dir().join(format!("countersign-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let file = folder.join("kms.json");
        let service = KmsService { file: Some(file.clone()), ..service() };
        let key = service.create("RSA_2048", "SIGN_VERIFY");
        let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
        service.call("CreateAlias", &alias).unwrap();
        let tags = json!([{"TagKey": "a", "TagValue": "b"}]);
        service.call("TagResource", &json!({"KeyId": key, "Tags": tags})).unwrap();
        let grantee = "arn:aws:iam::000000000000:role/a";
        let grant = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Sign"]});
        service.call("CreateGrant", &grant).unwrap();
        let key = json!({"KeyId": key});
        let lists = |service: &KmsService| {
            ["ListGrants", "ListResourceTags"].map(|list| service.call(list, &key).unwrap())
        };
        let saved = lists(&service);
        let mut verify = sign_request("alias/a", json!({}));
        verify["Signature"] = service.call("Sign", &verify).unwrap()["Signature"].clone();
        let mut store = Store::new("us-east-1");
        load(&mut store, &file).unwrap();
        let restored = KmsService { store: Mutex::new(store), file: None, ..service };
        assert_eq!(restored.call("Verify", &verify).unwrap()["SignatureValid"], true);
        assert_eq!(lists(&restored), saved);
        let mode = fs::metadata(&file).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        let first = lock_file(&file).unwrap();
        assert!(lock_file(&file).is_err());
        drop(first);
        fs::write(&file, "{").unwrap();
        assert!(load(&mut Store::new("us-east-1"), &file).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
