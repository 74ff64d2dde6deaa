//! The operations on keys and aliases, and the reading of every operation's input.

use std::{ops::RangeInclusive, sync::Mutex};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    error::KmsError,
    lock, signing,
    spec::Spec,
    store::{ACCOUNT, Alias, Key, State, Store, Usage, now},
};

/// Performs the operation of this name.
pub(super) fn perform(
    store: &Mutex<Store>,
    operation: &str,
    body: &[u8],
) -> Result<Value, KmsError> {
    let input = Input::read(body)?;
    match operation {
        "Sign" => return signing::sign(store, &input),
        "Verify" => return signing::verify(store, &input),
        "GetPublicKey" => return signing::public_key(store, &input),
        // Made before the lock is taken: an RSA key takes its time.
        "CreateKey" => return create_key(store, &input),
        _ => {}
    }
    let store = &mut *lock(store);
    match operation {
        "DescribeKey" => {
            let key = store.find(input.required("KeyId")?)?;
            Ok(json!({"KeyMetadata": metadata(store, key)}))
        }
        "ListKeys" => {
            let rows = store.keys.keys();
            let rows = rows.map(|id| (&**id, json!({"KeyId": id, "KeyArn": store.key_arn(id)})));
            input.page("Keys", rows)
        }
        "EnableKey" => set_state(store, &input, State::Enabled),
        "DisableKey" => set_state(store, &input, State::Disabled),
        "ScheduleKeyDeletion" => schedule_deletion(store, &input),
        "CancelKeyDeletion" => cancel_deletion(store, &input),
        "CreateAlias" => create_alias(store, &input),
        "UpdateAlias" => update_alias(store, &input),
        "DeleteAlias" => {
            let name = alias_name(&input)?;
            let missing = store.no_alias(name);
            store.aliases.remove(name).map(|_| Value::Null).ok_or(missing)
        }
        "ListAliases" => list_aliases(store, &input),
        "TagResource" => tag(store, &input),
        "ListResourceTags" => {
            let tags = &store.find_key(input.required("KeyId")?)?.tags;
            let row = |(name, value)| json!({"TagKey": name, "TagValue": value});
            Ok(json!({"Tags": tags.iter().map(row).collect::<Vec<_>>(), "Truncated": false}))
        }
        "GetKeyPolicy" => {
            let key = store.find_key(input.required("KeyId")?)?;
            Ok(json!({"Policy": key.policy, "PolicyName": "default"}))
        }
        "PutKeyPolicy" => {
            let policy =
                policy(&input)?.ok_or_else(|| KmsError::constraint("policy", "not be null"))?;
            store.find_key_mut(input.required("KeyId")?)?.policy = policy;
            Ok(Value::Null)
        }
        _ => Err(KmsError::new("UnknownOperationException", "")),
    }
}

/// Whether an operation of this name leaves the store other than it was.
pub(super) fn changes(operation: &str) -> bool {
    !["Sign", "Verify", "Get", "Describe", "List"].iter().any(|read| operation.starts_with(read))
}

fn create_key(store: &Mutex<Store>, input: &Input) -> Result<Value, KmsError> {
    let spec = input.text("KeySpec")?.or(input.text("CustomerMasterKeySpec")?);
    let spec = spec.unwrap_or(Spec::SymmetricDefault.name());
    let spec = match Spec::from_name(spec) {
        Some(spec) => spec,
        // Known to KMS, and of no use for tokens.
        None if ELSEWHERE.contains(&spec) => {
            let message = format!("KeySpec {spec} is not supported on this machine");
            return Err(KmsError::new("UnsupportedOperationException", message));
        }
        None => return Err(KmsError::constraint("keySpec", "satisfy enum value set")),
    };
    if input.is_true("MultiRegion") {
        let message = "multi-Region keys are not supported on this machine";
        return Err(KmsError::new("UnsupportedOperationException", message));
    }
    let usage = match input.text("KeyUsage")? {
        Some(usage) => usage,
        None if spec == Spec::SymmetricDefault => Usage::EncryptDecrypt.name(),
        None => {
            return Err(KmsError::validation(
                "You must specify a KeyUsage value for an asymmetric key.",
            ));
        }
    };
    let usage = Usage::from_name(usage)
        .ok_or_else(|| KmsError::constraint("keyUsage", "satisfy enum value set"))?;
    let compatible = match usage {
        Usage::SignVerify => !spec.signing_algorithms().is_empty(),
        Usage::EncryptDecrypt => spec.encrypts(),
    };
    if !compatible {
        let (usage, spec) = (usage.name(), spec.name());
        let message = format!("KeyUsage {usage} is not compatible with KeySpec {spec}");
        return Err(KmsError::validation(message));
    }
    let mut key = Key::new(spec, usage)?;
    input.text("Description")?.unwrap_or_default().clone_into(&mut key.description);
    if let Some(policy) = policy(input)? {
        key.policy = policy;
    }
    key.tags.extend(input.tags()?);
    let mut store = lock(store);
    let metadata = metadata(&store, &key);
    store.insert(key);
    Ok(json!({"KeyMetadata": metadata}))
}

fn metadata(store: &Store, key: &Key) -> Value {
    let deletion = match key.state {
        State::PendingDeletion { date } => Some(date),
        State::Enabled | State::Disabled => None,
    };
    let algorithms: Option<Vec<_>> = (key.usage == Usage::SignVerify)
        .then(|| key.spec.signing_algorithms().iter().map(|algorithm| algorithm.name()).collect());
    let metadata = json!({
        "AWSAccountId": ACCOUNT,
        "KeyId": key.id,
        "Arn": store.key_arn(&key.id),
        "CreationDate": key.created,
        "Enabled": key.state == State::Enabled,
        "Description": key.description,
        "KeyUsage": key.usage.name(),
        "KeyState": key.state.name(),
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": key.spec.name(),
        "KeySpec": key.spec.name(),
        "MultiRegion": false,
    });
    with(metadata, [("DeletionDate", json!(deletion)), ("SigningAlgorithms", json!(algorithms))])
}

fn set_state(store: &mut Store, input: &Input, state: State) -> Result<Value, KmsError> {
    let key = deletable(store, input)?;
    key.state = state;
    Ok(Value::Null)
}

fn schedule_deletion(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let days = match input.0.get("PendingWindowInDays") {
        None | Some(Value::Null) => 30,
        Some(days) => days.as_u64().filter(|days| (7..=30).contains(days)).ok_or_else(|| {
            KmsError::constraint("pendingWindowInDays", "have value between 7 and 30")
        })?,
    };
    let key = deletable(store, input)?;
    let date = now() + f64::from(u32::try_from(days).unwrap_or_default()) * 86_400.0;
    key.state = State::PendingDeletion { date };
    let (id, state) = (key.id.clone(), key.state.name());
    Ok(json!({
        "KeyId": store.key_arn(&id),
        "DeletionDate": date,
        "KeyState": state,
        "PendingWindowInDays": days,
    }))
}

fn cancel_deletion(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let arn = store.key_arn(&store.find_key(input.required("KeyId")?)?.id);
    let key = store.find_key_mut(input.required("KeyId")?)?;
    if !matches!(key.state, State::PendingDeletion { .. }) {
        let message = format!("{arn} is not pending deletion.");
        return Err(KmsError::new("KMSInvalidStateException", message));
    }
    key.state = State::Disabled;
    Ok(json!({"KeyId": arn}))
}

/// The key that the request names, if it is not on its way to deletion already.
fn deletable<'a>(store: &'a mut Store, input: &Input) -> Result<&'a mut Key, KmsError> {
    let name = input.required("KeyId")?;
    let arn = store.key_arn(&store.find_key(name)?.id);
    let key = store.find_key_mut(name)?;
    if matches!(key.state, State::PendingDeletion { .. }) {
        let message = format!("{arn} is pending deletion.");
        return Err(KmsError::new("KMSInvalidStateException", message));
    }
    Ok(key)
}

fn create_alias(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = alias_name(input)?;
    let key = deletable(store, &input.target()?)?.id.clone();
    if store.aliases.contains_key(name) {
        let message = format!("An alias with the name {} already exists", store.arn(name));
        return Err(KmsError::new("AlreadyExistsException", message));
    }
    let created = now();
    store.aliases.insert(name.to_owned(), Alias { key, created, updated: created });
    Ok(Value::Null)
}

/// The new key must be of the old one's type and usage; its spec may be another.
fn update_alias(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let name = alias_name(input)?;
    let target = deletable(store, &input.target()?)?.clone();
    let missing = store.no_alias(name);
    let alias = store.aliases.get_mut(name).ok_or(missing)?;
    if let Some(old) = store.keys.get(&alias.key) {
        let symmetric = |key: &Key| key.spec == Spec::SymmetricDefault;
        if symmetric(old) != symmetric(&target) || old.usage != target.usage {
            return Err(KmsError::validation(
                "The current and new KMS keys must be the same type and have the same key usage",
            ));
        }
    }
    alias.key = target.id;
    alias.updated = now();
    Ok(Value::Null)
}

fn alias_name(input: &Input) -> Result<&str, KmsError> {
    let name = input.required("AliasName")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "/_-".contains(c);
    match name.strip_prefix("alias/") {
        Some(rest) if rest.starts_with("aws/") => Err(KmsError::new(
            "NotAuthorizedException",
            "Aliases that begin with alias/aws/ are reserved for AWS managed keys",
        )),
        Some(rest) if !rest.is_empty() && name.len() <= 256 && rest.chars().all(fits) => Ok(name),
        _ => {
            Err(KmsError::validation("Alias must start with the prefix \"alias/\" and have a name"))
        }
    }
}

fn list_aliases(store: &Store, input: &Input) -> Result<Value, KmsError> {
    let only = match input.text("KeyId")? {
        Some(key) => Some(&*store.find_key(key)?.id),
        None => None,
    };
    let rows = store.aliases.iter().filter(|(_, alias)| only.is_none_or(|key| alias.key == key));
    input.page(
        "Aliases",
        rows.map(|(name, alias)| {
            (
                &**name,
                json!({
                    "AliasName": name,
                    "AliasArn": store.arn(name),
                    "TargetKeyId": alias.key,
                    "CreationDate": alias.created,
                    "LastUpdatedDate": alias.updated,
                }),
            )
        }),
    )
}

fn tag(store: &mut Store, input: &Input) -> Result<Value, KmsError> {
    let tags = input.tags()?;
    deletable(store, input)?.tags.extend(tags);
    Ok(Value::Null)
}

fn policy(input: &Input) -> Result<Option<String>, KmsError> {
    let Some(policy) = input.text("Policy")? else { return Ok(None) };
    match serde_json::from_str::<Map<String, Value>>(policy) {
        Ok(_) => Ok(Some(policy.to_owned())),
        Err(_) => Err(KmsError::new("MalformedPolicyDocumentException", "not a JSON object")),
    }
}

const ELSEWHERE: [&str; 5] = ["SM2", "HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"];

/// The members of a request.
pub(super) struct Input(Map<String, Value>);

impl Input {
    fn read(body: &[u8]) -> Result<Self, KmsError> {
        let body = if body.is_empty() { b"{}" } else { body };
        let members = serde_json::from_slice(body);
        members.map(Self).map_err(|_| KmsError::new("SerializationException", "not a JSON object"))
    }

    pub(super) fn text(&self, member: &str) -> Result<Option<&str>, KmsError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => {
                Err(KmsError::new("SerializationException", format!("{member} is not a string")))
            }
        }
    }

    pub(super) fn required(&self, member: &str) -> Result<&str, KmsError> {
        self.text(member)?.ok_or_else(|| KmsError::constraint(member, "not be null"))
    }

    pub(super) fn bytes(
        &self,
        member: &str,
        lengths: RangeInclusive<usize>,
    ) -> Result<Vec<u8>, KmsError> {
        let bytes = STANDARD.decode(self.required(member)?);
        let bytes = bytes.map_err(|_| {
            KmsError::new("SerializationException", format!("{member} is not base64"))
        })?;
        if bytes.len() < *lengths.start() {
            let least = format!("have length greater than or equal to {}", lengths.start());
            return Err(KmsError::constraint(member, &least));
        }
        if bytes.len() > *lengths.end() {
            let most = format!("have length less than or equal to {}", lengths.end());
            return Err(KmsError::constraint(member, &most));
        }
        Ok(bytes)
    }

    /// Asked after every other check: the answer says that all of them passed.
    pub(super) fn dry_run(&self) -> Result<(), KmsError> {
        if self.is_true("DryRun") {
            let message = "The request would have succeeded, but the DryRun option is set.";
            return Err(KmsError::new("DryRunOperationException", message));
        }
        Ok(())
    }

    fn is_true(&self, member: &str) -> bool {
        self.0.get(member) == Some(&Value::Bool(true))
    }

    fn tags(&self) -> Result<Vec<(String, String)>, KmsError> {
        let malformed = || KmsError::new("TagException", "a tag needs TagKey and TagValue");
        let tags = self.0.get("Tags").and_then(Value::as_array);
        let tag = |tag: &Value| {
            let member = |name| tag.get(name).and_then(Value::as_str).map(str::to_owned);
            Some((member("TagKey")?, member("TagValue")?))
        };
        tags.into_iter().flatten().map(|each| tag(each).ok_or_else(malformed)).collect()
    }

    /// The same request about its `TargetKeyId`.
    fn target(&self) -> Result<Self, KmsError> {
        let key = self.required("TargetKeyId")?;
        Ok(Self([("KeyId".to_owned(), key.into())].into_iter().collect()))
    }

    /// One page of rows that come in the order of their names.
    fn page<'a>(
        &self,
        member: &str,
        rows: impl Iterator<Item = (&'a str, Value)>,
    ) -> Result<Value, KmsError> {
        let limit = match self.0.get("Limit") {
            None | Some(Value::Null) => 100,
            Some(limit) => limit
                .as_u64()
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| (1..=1000).contains(limit))
                .ok_or_else(|| KmsError::constraint("limit", "have value between 1 and 1000"))?,
        };
        let marker = self.text("Marker")?;
        let mut rows = rows.skip_while(|(name, _)| marker.is_some_and(|marker| *name <= marker));
        let page: Vec<_> = rows.by_ref().take(limit).collect();
        let truncated = rows.next().is_some();
        let next = page.last().filter(|_| truncated).map(|(name, _)| (*name).to_owned());
        let rows: Vec<_> = page.into_iter().map(|(_, row)| row).collect();
        let answer = json!({member: rows, "Truncated": truncated});
        Ok(with(answer, [("NextMarker", json!(next))]))
    }
}

/// The object with these members too, but for those that are null: KMS leaves them out.
fn with<const N: usize>(mut object: Value, members: [(&str, Value); N]) -> Value {
    if let Some(object) = object.as_object_mut() {
        let members = members.into_iter().filter(|(_, value)| !value.is_null());
        object.extend(members.map(|(name, value)| (name.to_owned(), value)));
    }
    object
}

pub(super) fn blob(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}
