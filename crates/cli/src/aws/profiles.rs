//! The profiles in the configuration files of the AWS CLI.

use std::{
    collections::{BTreeSet, HashMap},
    env,
    error::Error,
    path::PathBuf,
};

use aws_config::profile::{self, Profile, ProfileSet};
use aws_runtime::env_config::{
    EnvConfigValue,
    file::{EnvConfigFileKind, EnvConfigFiles},
    section::SsoSession,
};
use aws_types::os_shim_internal::{Env, Fs};

use super::{
    config_file::{ConfigFile, decode, encode},
    environment::EnvironmentVariables,
};
use crate::exit::UsageError;

/// The profiles, and the one that is selected. Their names are encoded as identifiers of the SDK.
#[derive(Debug)]
pub(super) struct Profiles {
    /// Both files. A property of the credentials file comes before that of the other.
    all: ProfileSet,
    /// The profiles of each file alone.
    config: ProfileSet,
    credentials: ProfileSet,
    /// The headings of the config file.
    headings: BTreeSet<String>,
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
        environment: &EnvironmentVariables,
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
        environment: &EnvironmentVariables,
    ) -> Result<Self, UsageError> {
        let file = |variable, default: &str| {
            let path = environment.get(variable).unwrap_or(default);
            let Some(path) = path.strip_prefix("~/") else { return PathBuf::from(path) };
            let home = environment.get("HOME").map(PathBuf::from).or_else(env::home_dir);
            // Never a file of the current directory, which another user may have written.
            home.filter(|home| home.is_absolute())
                .unwrap_or_else(|| "/nonexistent".into())
                .join(path)
        };
        let config = file(CONFIG_FILE, "~/.aws/config");
        let credentials = file(CREDENTIALS_FILE, "~/.aws/credentials");
        let config = ConfigFile::read(&config, EnvConfigFileKind::Config)?;
        let credentials = ConfigFile::read(&credentials, EnvConfigFileKind::Credentials)?;
        let name = encode(&selected.name);
        let profiles = Self {
            config: parse(&[&config], &name).await?,
            credentials: parse(&[&credentials], &name).await?,
            all: parse(&[&config, &credentials], &name).await?,
            headings: config.headings,
            selected,
        };
        let Selected { name, source } = profiles.selected();
        match source {
            Some(source) if profiles.get(name).is_none() => {
                Err(UsageError(format!("{source}: there is no profile {name:?}")))
            }
            _ => Ok(profiles),
        }
    }

    pub(super) fn selected(&self) -> &Selected {
        &self.selected
    }

    /// A profile by its name in the files.
    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.all.get_profile(&encode(name))
    }

    /// A profile as one of the files has it.
    pub(super) fn get_in(&self, file: EnvConfigFileKind, name: &str) -> Option<&Profile> {
        let profiles = match file {
            EnvConfigFileKind::Config => &self.config,
            EnvConfigFileKind::Credentials => &self.credentials,
        };
        profiles.get_profile(&encode(name))
    }

    /// A section `sso-session` by its name in the files.
    pub(super) fn sso_session(&self, name: &str) -> Option<&SsoSession> {
        self.all.sso_session(&encode(name))
    }

    /// A property of the selected profile. An empty one is not set.
    pub(super) fn property(&self, name: &str) -> Option<&str> {
        self.all.get(name).filter(|value| !value.is_empty())
    }

    /// The endpoint of a service in the selected profile or in its `services` section.
    pub(super) fn endpoint_url(&self, service: &str) -> Result<Option<String>, UsageError> {
        if let Some(section) = self.property("services")
            && !self.headings.contains(&format!("[services {section}]"))
        {
            let (profile, section) = (&self.selected.name, decode(section));
            let problem = format!("profile {profile:?}: there is no services section {section:?}");
            return Err(UsageError(problem));
        }
        let value = EnvConfigValue::new().profile("endpoint_url").service_id(service);
        let no_variables = Env::from_slice(&[]);
        let url = value.load(&no_variables, Some(&self.all)).map(|(url, _)| url.into_owned());
        Ok(url.filter(|url| !url.is_empty()))
    }
}

/// Parses files together. The error names the file and the line.
async fn parse(files: &[&ConfigFile], selected: &str) -> Result<ProfileSet, UsageError> {
    // Both variables can name the same file, which is then read in two ways. Each file alone has no error then.
    let name = |file: &ConfigFile| match files {
        [_] => file.path.clone(),
        _ => format!("{:?}", file.kind),
    };
    let contents = files.iter().map(|file| (name(file), file.text.clone()));
    let contents: HashMap<String, String> = contents.collect();
    let mut sources = EnvConfigFiles::builder();
    for file in files {
        sources = sources.with_file(file.kind, name(file));
    }
    let (sources, selected) = (sources.build(), Some(selected.to_owned().into()));
    let no_variables = Env::from_slice(&[]);
    profile::load(&Fs::from_map(contents), &no_variables, &sources, selected).await.map_err(
        |error| {
            // The message of the cause, which names the file and the line, has two lines.
            let problem = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            let problem: Vec<_> = problem.split_whitespace().collect();
            UsageError(problem.join(" "))
        },
    )
}

const OPTION: &str = "--profile";
const CONFIG_FILE: &str = "AWS_CONFIG_FILE";
const CREDENTIALS_FILE: &str = "AWS_SHARED_CREDENTIALS_FILE";
