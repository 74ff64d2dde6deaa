//! The template of a package, which names files relative to itself.

use regex_lite::{Captures, Regex};
use saphyr::{LoadableYamlNode, Scalar, Yaml};

use crate::{build::Architecture, error::Error};

/// The members whose files are elsewhere in a package: what `sam build` writes, and the path in the package.
const CHANGED: [(&str, &str, &str); 4] = [
    // `sam build` writes these relative to its folder.
    ("ContentUri", r"\S*layer/?", "layer"),
    ("LicenseUrl", r"\S*LICENSE", "LICENSE"),
    ("ReadmeUrl", r"\S*README\.md", "README.md"),
    // Both functions have the same program.
    ("CodeUri", "OAuthIssuer", "Issuer"),
];

/// The template of `sam build`, with the paths and the name that it has in a package.
pub(super) fn packed(built: &str, architecture: Architecture) -> Result<String, Error> {
    let mut text = built.to_owned();
    for (member, built, path) in CHANGED {
        text = replace_once(&text, &format!(r"(\n +{member}: ){built}\n"), path)?;
    }
    match application_suffix(architecture) {
        "" => Ok(text),
        suffix => {
            let name = r"(\n  AWS::ServerlessRepo::Application:\n    Name: \S+)\n";
            replace_once(&text, name, suffix)
        }
    }
}

/// The files and folders that a template names, relative to it.
pub(super) fn paths(template: &str) -> Result<Vec<String>, Error> {
    let documents =
        Yaml::load_from_str(template).map_err(|error| Error::Check(error.to_string()))?;
    let mut paths = Vec::new();
    for document in &documents {
        collect(document, "", &mut paths);
    }
    Ok(paths)
}

/// The end of the name under which the package is published in the Serverless Application Repository, where one version
/// of an application has one template. Its names have no underscores.
const fn application_suffix(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Arm64 => "",
        Architecture::X86_64 => "-x86-64",
    }
}

/// Replaces the one match of the pattern by its first group and this text.
fn replace_once(text: &str, pattern: &str, replacement: &str) -> Result<String, Error> {
    let regex = Regex::new(pattern).map_err(|error| Error::Check(error.to_string()))?;
    if regex.find_iter(text).count() != 1 {
        let problem = format!("the template of `sam build` does not have `{pattern}` once");
        return Err(Error::Check(problem));
    }
    let replaced = |found: &Captures<'_>| {
        let kept = found.get(1).map_or("", |group| group.as_str());
        format!("{kept}{replacement}\n")
    };
    Ok(regex.replace(text, replaced).into_owned())
}

fn collect(node: &Yaml<'_>, member: &str, paths: &mut Vec<String>) {
    match node {
        Yaml::Value(Scalar::String(text)) if is_path(member, text) => paths.push(text.to_string()),
        Yaml::Sequence(items) => items.iter().for_each(|item| collect(item, "", paths)),
        Yaml::Mapping(members) => {
            for (name, value) in members {
                collect(value, name.as_str().unwrap_or_default(), paths);
            }
        }
        _ => {}
    }
}

/// The members of SAM that name files end in `Uri` or `Url`.
fn is_path(member: &str, text: &str) -> bool {
    let is_reference = member.ends_with("Uri") || member.ends_with("Url");
    (is_reference && !text.contains(':')) || text.starts_with("./") || text.starts_with("../")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members with paths in the template of `sam build`.
    const BUILT: &str = "\
Metadata:
  AWS::ServerlessRepo::Application:
    Name: countersign
    LicenseUrl: ../../../LICENSE
    ReadmeUrl: ../../../README.md
Resources:
  ConfigLayer:
    Properties:
      ContentUri: ../../../layer
  Issuer:
    Properties:
      CodeUri: Issuer
      Uri:
        Fn::Sub: arn:${AWS::Partition}:lambda
  OAuthIssuer:
    Properties:
      CodeUri: OAuthIssuer
Outputs:
  ApiUrl:
    Value: https://example.com/
";

    #[test]
    fn packed_template_names_files_in_its_folder() {
        let packed = packed(BUILT, Architecture::Arm64).unwrap();
        let expected = BUILT.replace("../../../", "");
        assert_eq!(packed, expected.replace("CodeUri: OAuthIssuer", "CodeUri: Issuer"));
        assert_eq!(paths(&packed).unwrap(), ["LICENSE", "README.md", "layer", "Issuer", "Issuer"]);
    }

    #[test]
    fn each_processor_has_a_separate_application() {
        let arm64 = packed(BUILT, Architecture::Arm64).unwrap();
        let x86_64 = packed(BUILT, Architecture::X86_64).unwrap();
        assert_eq!(x86_64, arm64.replace("Name: countersign", "Name: countersign-x86-64"));
    }

    #[test]
    fn template_without_an_expected_path_is_refused() {
        for (text, other) in [
            ("layer\n", "other\n"),
            ("LICENSE", "COPYING"),
            ("README.md", "README.txt"),
            ("CodeUri: OAuthIssuer", "CodeUri: Other"),
            ("CodeUri: Issuer", "CodeUri: OAuthIssuer"),
        ] {
            let error = packed(&BUILT.replace(text, other), Architecture::Arm64);
            let error = error.unwrap_err().to_string();
            assert!(error.starts_with("the template of `sam build` does not have"), "{error}");
        }
    }

    #[test]
    fn paths_are_found_in_any_member_with_dots() {
        let rows: [(&str, &[&str]); 6] = [
            ("a: {CodeUri: Issuer}", &["Issuer"]),
            ("a: [{Location: ./other.yaml}]", &["./other.yaml"]),
            ("a: ../other", &["../other"]),
            ("CodeUri: s3://bucket/key", &[]),
            ("ContentUri: !Ref Layer", &[]),
            ("Description: the layer", &[]),
        ];
        for (template, expected) in rows {
            assert_eq!(paths(template).unwrap(), expected, "{template}");
        }
    }

    /// The limits of the API `CreateApplication` of the Serverless Application Repository.
    #[test]
    fn metadata_is_what_the_repository_accepts() {
        let template = include_str!("../../../template.yaml");
        let documents = Yaml::load_from_str(template).unwrap();
        let metadata = documents.first().and_then(|document| {
            document.as_mapping_get("Metadata")?.as_mapping_get("AWS::ServerlessRepo::Application")
        });
        let metadata = metadata.unwrap();
        let text = |name: &str| metadata.as_mapping_get(name).and_then(Yaml::as_str).unwrap();
        let rows = [
            // Single hyphens only, between other characters.
            ("Author", 127, r"^[a-z0-9]+(-[a-z0-9]+)*$"),
            ("Name", 140 - "-x86-64".len(), "^[a-zA-Z0-9-]+$"),
            ("Description", 256, "."),
            ("SpdxLicenseId", 127, r"^Apache-2\.0$"),
        ];
        for (name, longest, pattern) in rows {
            let (text, pattern) = (text(name), Regex::new(pattern).unwrap());
            assert!(pattern.is_match(text) && text.len() <= longest, "{name}: {text}");
        }
        assert_eq!(text("SemanticVersion"), env!("CARGO_PKG_VERSION"));
        let labels = metadata.as_mapping_get("Labels").and_then(Yaml::as_sequence).unwrap();
        assert!(labels.len() <= 10, "{labels:?}");
        let pattern = Regex::new(r"^[a-zA-Z0-9+\-_:/@]+$").unwrap();
        assert!(labels.iter().all(|label| label.as_str().is_some_and(|it| pattern.is_match(it))));
    }
}
