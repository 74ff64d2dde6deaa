//! The store as a file, so that keys outlive the process. Private keys lie in it as they are: this
//! is a machine for development.

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
    grants::Grant,
    material::Material,
    propagation::History,
    spec::Spec,
    store::{Alias, Key, State, Store, Usage},
};

#[derive(Serialize, Deserialize)]
struct Image {
    keys: Vec<KeyImage>,
    aliases: BTreeMap<String, Alias>,
}

#[derive(Serialize, Deserialize)]
struct KeyImage {
    id: String,
    spec: String,
    usage: String,
    private: String,
    state: State,
    created: f64,
    description: String,
    policy: String,
    tags: BTreeMap<String, String>,
    #[serde(default)]
    grants: BTreeMap<String, Grant>,
}

/// Writes the store whole: whoever reads the file sees it before or after, never in between.
pub(super) fn save(store: &Store, file: &Path) -> io::Result<()> {
    let keys = store.keys.values().map(|key| {
        Ok(KeyImage {
            id: key.id.clone(),
            spec: key.spec.name().into(),
            usage: key.usage.name().into(),
            private: STANDARD.encode(key.material.to_private().map_err(|_| broken())?),
            state: key.state,
            created: key.created,
            description: key.description.clone(),
            policy: key.policy.clone(),
            tags: key.tags.all().clone(),
            grants: key.grants.clone(),
        })
    });
    let image =
        Image { keys: keys.collect::<io::Result<_>>()?, aliases: store.aliases.all().clone() };
    let next = file.with_extension("next");
    // For its owner alone: there are private keys in it.
    let options =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next);
    options?.write_all(&serde_json::to_vec_pretty(&image)?)?;
    fs::rename(next, file)
}

/// Puts back what was saved; a file that is not there yet is an empty store.
pub(super) fn load(store: &mut Store, file: &Path) -> io::Result<()> {
    let image = match fs::read(file) {
        Ok(image) => serde_json::from_slice::<Image>(&image)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for key in image.keys {
        let spec = Spec::from_name(&key.spec).ok_or_else(broken)?;
        let private = STANDARD.decode(key.private).map_err(|_| broken())?;
        let mut tags = History::default();
        tags.restore(key.tags);
        store.insert(Key {
            id: key.id,
            spec,
            usage: Usage::from_name(&key.usage).ok_or_else(broken)?,
            material: Arc::new(Material::restore(spec, &private).map_err(|_| broken())?),
            state: key.state,
            created: key.created,
            description: key.description,
            policy: key.policy,
            tags,
            grants: key.grants,
        });
    }
    store.aliases.restore(image.aliases);
    Ok(())
}

/// Keeps every other process from the file for as long as this is held.
pub(super) fn lock(file: &Path) -> io::Result<File> {
    let lock = File::create(file.with_extension("lock"))?;
    lock.try_lock().map_err(|_| {
        io::Error::new(io::ErrorKind::ResourceBusy, "another process keeps its keys there")
    })?;
    Ok(lock)
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the file holds a key that cannot be read")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;
    use uuid::Uuid;

    use super::{
        super::{
            State,
            fixture::{signing, state},
        },
        *,
    };

    #[test]
    fn what_is_kept_on_disk_comes_back() {
        let folder = std::env::temp_dir().join(format!("countersign-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let file = folder.join("kms.json");
        let state = State { file: Some(file.clone()), ..state() };
        let key = state.create("RSA_2048", "SIGN_VERIFY");
        let alias = json!({"AliasName": "alias/a", "TargetKeyId": key});
        state.call("CreateAlias", &alias).unwrap();
        let tags = json!([{"TagKey": "a", "TagValue": "b"}]);
        state.call("TagResource", &json!({"KeyId": key, "Tags": tags})).unwrap();
        let grantee = "arn:aws:iam::000000000000:role/a";
        let grant = json!({"KeyId": key, "GranteePrincipal": grantee, "Operations": ["Sign"]});
        state.call("CreateGrant", &grant).unwrap();
        let key = json!({"KeyId": key});
        let lists = |state: &State| {
            ["ListGrants", "ListResourceTags"].map(|list| state.call(list, &key).unwrap())
        };
        let kept = lists(&state);
        let mut verify = signing("alias/a", json!({}));
        verify["Signature"] = state.call("Sign", &verify).unwrap()["Signature"].clone();
        let mut store = Store::new("us-east-1");
        load(&mut store, &file).unwrap();
        let again = State { store: Mutex::new(store), file: None, ..state };
        assert_eq!(again.call("Verify", &verify).unwrap()["SignatureValid"], true);
        assert_eq!(lists(&again), kept);
        let mode = fs::metadata(&file).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
        let first = lock(&file).unwrap();
        assert!(lock(&file).is_err());
        drop(first);
        fs::write(&file, "{").unwrap();
        assert!(load(&mut Store::new("us-east-1"), &file).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
