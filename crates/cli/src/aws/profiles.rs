//! The profiles in the configuration files of the AWS CLI.

use std::{
    collections::HashMap,
    env,
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use aws_config::profile::{self, Profile, ProfileSet};
use aws_runtime::env_config::{
    EnvConfigValue,
    file::{EnvConfigFileKind, EnvConfigFiles},
};
use aws_types::os_shim_internal::{Env, Fs};

use super::environment::Environment;
use crate::exit::UsageError;

/// The profiles, and the one that is selected.
///
/// The SDK ignores profiles whose names have characters such as blanks. The AWS CLI has no such limit, so the names are
/// encoded as identifiers of the SDK before it reads the files.
#[derive(Debug)]
pub(super) struct Profiles {
    all: ProfileSet,
    /// The profiles of the credentials file alone.
    credentials: ProfileSet,
    /// The content of both files, with encoded names.
    pub(super) files: EnvConfigFiles,
    selected: Selected,
}

/// The selected profile, by its name in the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    pub(super) name: String,
    /// The option or variable that names the profile. `None`: it is the default one, which need not exist.
    pub(super) source: Option<&'static str>,
}

impl Selected {
    /// The order of the AWS CLI.
    pub(super) fn read(
        option: Option<&str>,
        environment: &Environment,
    ) -> Result<Self, UsageError> {
        let named = |name: &str, source| Self { name: name.to_owned(), source: Some(source) };
        match option {
            Some("") => return Err(UsageError("--profile must not be empty".into())),
            Some(name) => return Ok(named(name, OPTION)),
            None => {}
        }
        let variables = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
        let variable =
            variables.into_iter().find_map(|source| Some(named(environment.get(source)?, source)));
        Ok(variable.unwrap_or(Self { name: "default".into(), source: None }))
    }

    /// Whether the command line names the profile.
    pub(super) fn is_option(&self) -> bool {
        self.source == Some(OPTION)
    }
}

impl Profiles {
    /// Reads the files, and checks that the selected profile exists.
    pub(super) async fn load(
        selected: Selected,
        environment: &Environment,
    ) -> Result<Self, UsageError> {
        let file = |variable, default: &str| {
            let path = environment.get(variable).unwrap_or(default);
            let Some(path) = path.strip_prefix("~/") else { return PathBuf::from(path) };
            let home = environment.get("HOME").map(PathBuf::from).or_else(env::home_dir);
            // Never a file of the current directory, which can be anybody's.
            home.filter(|home| home.is_absolute())
                .unwrap_or_else(|| "/nonexistent".into())
                .join(path)
        };
        let config = file(CONFIG_FILE, "~/.aws/config");
        let credentials = file(CREDENTIALS_FILE, "~/.aws/credentials");
        let config = File::read(&config, EnvConfigFileKind::Config)?;
        let credentials = File::read(&credentials, EnvConfigFileKind::Credentials)?;
        let name = encode(&selected.name);
        let all = parse(&[&config, &credentials], &name).await?;
        if let (None, Some(source)) = (all.get_profile(&name), selected.source) {
            let problem = format!("{source}: there is no profile {:?}", selected.name);
            return Err(UsageError(problem));
        }
        let files = EnvConfigFiles::builder()
            .with_contents(config.kind, &*config.text)
            .with_contents(credentials.kind, &*credentials.text)
            .build();
        let credentials = parse(&[&credentials], &name).await?;
        Ok(Self { all, credentials, files, selected })
    }

    pub(super) fn selected(&self) -> &Selected {
        &self.selected
    }

    /// A profile by its name in the files.
    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.all.get_profile(&encode(name))
    }

    /// Whether the credentials file has access keys for the profile. The AWS CLI prefers them to a
    /// `credential_process` in the other file.
    pub(super) fn has_keys_in_credentials_file(&self, name: &str) -> bool {
        let profile = self.credentials.get_profile(&encode(name));
        profile.is_some_and(|profile| profile.get("aws_access_key_id").is_some())
    }

    /// A property of the selected profile. An empty one is not set.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.all.get(name).filter(|value| !value.is_empty())
    }

    /// The endpoint of a service in the selected profile or in its `services` section.
    pub(super) fn endpoint_url(&self, service: &str) -> Option<String> {
        let value = EnvConfigValue::new().profile("endpoint_url").service_id(service);
        let no_variables = Env::from_slice(&[]);
        let (url, _) = value.load(&no_variables, Some(&self.all))?;
        Some(url.into_owned()).filter(|url| !url.is_empty())
    }
}

/// A configuration file with encoded names of profiles.
struct File {
    kind: EnvConfigFileKind,
    path: String,
    text: String,
}

impl File {
    /// A file that does not exist is empty, as in the AWS CLI.
    fn read(path: &Path, kind: EnvConfigFileKind) -> Result<Self, UsageError> {
        let path = path.display().to_string();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(UsageError(format!("{path}: {error}"))),
        };
        let text: Vec<_> = text.lines().map(|line| encode_line(line, kind)).collect();
        Ok(Self { kind, path, text: text.join("\n") })
    }
}

async fn parse(files: &[&File], selected: &str) -> Result<ProfileSet, UsageError> {
    let contents = files.iter().map(|file| (file.path.clone(), file.text.clone()));
    let contents: HashMap<String, String> = contents.collect();
    let (mut config, mut credentials) = ("/dev/null", "/dev/null");
    for file in files {
        match file.kind {
            EnvConfigFileKind::Credentials => credentials = &file.path,
            EnvConfigFileKind::Config => config = &file.path,
        }
    }
    let environment = Env::from_slice(&[(CONFIG_FILE, config), (CREDENTIALS_FILE, credentials)]);
    let (files, selected) = (EnvConfigFiles::default(), Some(selected.to_owned().into()));
    profile::load(&Fs::from_map(contents), &environment, &files, selected).await.map_err(|error| {
        // The message of the cause, which names the file and the line, has two lines.
        let problem = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let problem: Vec<_> = problem.split_whitespace().collect();
        UsageError(problem.join(" "))
    })
}

/// Encodes the names of profiles in a line: in a heading, and after `source_profile`.
fn encode_line(line: &str, kind: EnvConfigFileKind) -> String {
    if let Some((heading, _)) = line.strip_prefix('[').and_then(|line| line.rsplit_once(']')) {
        let name = match kind {
            EnvConfigFileKind::Credentials => Some(heading.trim().to_owned()),
            EnvConfigFileKind::Config => match &*split_words(heading) {
                [profile, name] if profile == "profile" => Some(name.clone()),
                _ => None,
            },
        };
        return match (name, kind) {
            (Some(name), EnvConfigFileKind::Credentials) => format!("[{}]", encode(&name)),
            (Some(name), _) => format!("[profile {}]", encode(&name)),
            (None, _) => line.to_owned(),
        };
    }
    match line.split_once('=') {
        Some((property, name)) if property.trim_end().eq_ignore_ascii_case("source_profile") => {
            let comment = [" #", " ;", "\t#", "\t;"];
            let end = comment.into_iter().filter_map(|start| name.find(start)).min();
            let name = end.and_then(|end| name.get(..end)).unwrap_or(name);
            format!("source_profile = {}", encode(name.trim()))
        }
        _ => line.to_owned(),
    }
}

/// Splits a heading at blanks that are not in quotation marks, as the AWS CLI does.
fn split_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut in_word = false;
    for c in text.chars() {
        match (quote, c) {
            (Some(mark), c) if mark == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                if !in_word {
                    words.push(String::new());
                    in_word = true;
                }
            }
            (None, ' ' | '\t') => in_word = false,
            _ => {
                if !in_word {
                    words.push(String::new());
                    in_word = true;
                }
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words
}

/// An identifier of the SDK for the name of a profile: `%` and two digits for each byte of other characters.
pub(super) fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-/.@:+".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The inverse of [`encode`].
pub(super) fn decode(identifier: &str) -> String {
    let mut bytes = Vec::new();
    let mut parts = identifier.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        bytes.extend(u8::from_str_radix(digits, 16));
        bytes.extend(rest.bytes());
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

const OPTION: &str = "--profile";
const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_profiles_are_encoded() {
        let rows = [
            ("[profile prod]", EnvConfigFileKind::Config, "[profile prod]"),
            ("[profile \"my prod\"]", EnvConfigFileKind::Config, "[profile my%20prod]"),
            ("[ profile 'my prod' ]", EnvConfigFileKind::Config, "[profile my%20prod]"),
            ("[profile my prod]", EnvConfigFileKind::Config, "[profile my prod]"),
            ("[default]", EnvConfigFileKind::Config, "[default]"),
            ("[sso-session \"a b\"]", EnvConfigFileKind::Config, "[sso-session \"a b\"]"),
            ("[my prod]", EnvConfigFileKind::Credentials, "[my%20prod]"),
            ("[100%]", EnvConfigFileKind::Credentials, "[100%25]"),
            ("[default] # ours", EnvConfigFileKind::Credentials, "[default]"),
            ("Source_Profile=my prod # x", EnvConfigFileKind::Config, "source_profile = my%20prod"),
            ("source_profile = dev", EnvConfigFileKind::Config, "source_profile = dev"),
            ("role_arn = a b", EnvConfigFileKind::Config, "role_arn = a b"),
        ];
        for (line, kind, expected) in rows {
            assert_eq!(encode_line(line, kind), expected, "{line}");
        }
        for name in ["prod", "my prod", "100%", "%41", "über"] {
            assert_eq!(decode(&encode(name)), name);
        }
    }
}
