#![cfg(unix)]

use std::{
    env,
    os::unix::{
        fs::{PermissionsExt, symlink},
        net::UnixListener,
    },
    process,
};

use super::*;

/// A folder with valid files, that is removed when it is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder =
            Self(env::temp_dir().join(format!("countersign-check-{name}-{}", process::id())));
        let _ = fs::remove_dir_all(&folder.0);
        fs::create_dir_all(&folder.0).unwrap();
        folder.set_mode("", 0o755);
        folder.write("access-rules.json", r#"[{"route": "* /*", "any": true}]"#);
        folder.write("issuance-policy.json", r#"[{"caller": "*"}, {"caller": "invoke"}]"#);
        folder.write("revocations.json", "[]");
        folder
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), text).unwrap();
        self.set_mode(name, 0o644);
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.0.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    fn check(&self) -> Report {
        check(&self.0, UnixTime::from_seconds(1_800_000_000)).unwrap()
    }

    /// Each problem without the path of the folder.
    fn problems(&self) -> Vec<String> {
        let root = format!("{}/", self.0.display());
        let mut problems: Vec<_> =
            self.check().problems.iter().map(|it| it.to_string().replace(&root, "")).collect();
        problems.sort();
        problems
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn valid_files_are_counted() {
    let folder = Folder::new("valid");
    let report = folder.check();
    assert!(report.problems.is_empty(), "{:?}", report.problems);
    let counts: Vec<_> = report.files.iter().map(|file| (file.content, file.elements)).collect();
    let (rules, policy) = (Content::AccessRules, Content::IssuanceRules);
    assert_eq!(counts, [(rules, 1), (policy, 2), (Content::Revocations, 0)]);
}

#[test]
fn examples_of_trusted_issuers_have_no_problem() {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/trusted-issuers");
    let examples: Vec<_> = fs::read_dir(examples).unwrap().map(|it| it.unwrap().path()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let name = example.file_name().unwrap().to_str().unwrap();
        let folder = Folder::new(name);
        for file in ["trusted-issuers.json", "issuance-policy.json"] {
            folder.write(file, fs::read(example.join(file)).unwrap());
        }
        assert_eq!(folder.problems(), [""; 0], "{name}");
        let report = folder.check();
        let counts: Vec<_> =
            report.files.iter().map(|file| (file.content, file.elements)).collect();
        assert!(counts.contains(&(Content::TrustedIssuers, 1)), "{name}: {counts:?}");
        assert!(counts.contains(&(Content::IssuanceRules, 1)), "{name}: {counts:?}");
    }
}

/// The name of the case, what it changes, and the beginning of each problem.
type Row = (&'static str, fn(&Folder), &'static [&'static str]);

fn assert_problems(rows: &[Row]) {
    for (name, change, expected) in rows {
        let folder = Folder::new(&name.replace(' ', "-"));
        change(&folder);
        let found = folder.problems();
        let fits = found.len() == expected.len()
            && found.iter().zip(*expected).all(|(found, expected)| found.starts_with(expected));
        assert!(fits, "{name}: {found:#?}");
    }
}

#[test]
fn each_problem_of_names_and_contents_is_reported() {
    assert_problems(&[
        (
            "missing file",
            |it| fs::remove_file(it.0.join("revocations.json")).unwrap(),
            &["revocations.json: is missing: the template reads the setting `REVOCATIONS` from it"],
        ),
        (
            "misspelled name",
            |it| it.write("access-rule.json", "[]"),
            &["access-rule.json: is not a file of a setting, did you mean `access-rules.json`?"],
        ),
        (
            "name of the setting",
            |it| it.write("ACCESS_RULES.json", "[]"),
            &["ACCESS_RULES.json: is not a file of a setting, did you mean `access-rules.json`?"],
        ),
        (
            "other ending",
            |it| it.write("revocations.jsonc", "[]"),
            &["revocations.jsonc: is not a file of a setting, did you mean `revocations.json`?"],
        ),
        (
            "file of a setting below",
            |it| {
                fs::create_dir(it.0.join("test")).unwrap();
                it.set_mode("test", 0o755);
                it.write("test/revocations.json", "[");
            },
            &[
                "test/revocations.json: is not a file of a setting, did you mean `revocations.json`?",
            ],
        ),
        (
            "other file",
            |it| it.write("README.md", "text"),
            &["README.md: warning: is not a file of a setting: nothing reads it"],
        ),
        (
            "setting without a file",
            |it| it.write("token-issuer.json", "us"),
            &["token-issuer.json: warning: is not a file of a setting: nothing reads it"],
        ),
        (
            "folder in place of a file",
            |it| {
                fs::remove_file(it.0.join("revocations.json")).unwrap();
                fs::create_dir(it.0.join("revocations.json")).unwrap();
                it.set_mode("revocations.json", 0o755);
            },
            &["revocations.json: is a folder"],
        ),
        (
            "text that is not UTF-8",
            |it| it.write("revocations.json", b"[\xff]"),
            &["revocations.json: is not UTF-8"],
        ),
        (
            "long file",
            |it| it.write("revocations.json", vec![b' '; 4 * 1024 * 1024 + 1]),
            &["revocations.json: has more than 4194304 bytes"],
        ),
        (
            "invalid content of two files",
            |it| {
                it.write("access-rules.json", "[\n  {}\n]");
                it.write("issuance-policy.json", "null");
            },
            &[
                "access-rules.json:2:3: rule 1: missing field `route`",
                "issuance-policy.json:1:1: has no value, write `[]`",
            ],
        ),
    ]);
}

#[test]
fn each_problem_of_trusted_issuers_is_reported() {
    assert_problems(&[
        (
            "trusted issuers",
            |it| it.write("trusted-issuers.json", r#"[{"issuer": "https://ci.example"}]"#),
            &[],
        ),
        (
            "invalid trusted issuer",
            |it| it.write("trusted-issuers.json", r#"[{"issuer": "http://ci.example"}]"#),
            &["trusted-issuers.json:1:2: trusted issuer 1: "],
        ),
        (
            "rule for an issuer that is not trusted",
            |it| {
                it.write("trusted-issuers.json", r#"[{"issuer": "https://ci.example"}]"#);
                it.write(
                    "issuance-policy.json",
                    r#"[{"caller": {"issuer": "https://other.example"}}]"#,
                );
            },
            &["issuance-policy.json:1:2: rule 1: the issuer of `caller` is not in TRUSTED_ISSUERS"],
        ),
        (
            "rule for every caller of a trusted issuer",
            |it| {
                it.write("trusted-issuers.json", r#"[{"issuer": "https://ci.example"}]"#);
                it.write(
                    "issuance-policy.json",
                    r#"[{"caller": {"issuer": "https://ci.example"}}]"#,
                );
            },
            &["issuance-policy.json:1:2: rule 1: `caller` must have `when`"],
        ),
        (
            "several rules that do not fit the trusted issuers",
            |it| {
                it.write("trusted-issuers.json", r#"[{"issuer": "https://ci.example"}]"#);
                it.write(
                    "issuance-policy.json",
                    "[\n  {\"caller\": {\"issuer\": \"https://other.example\"}},\n  \
                     {\"caller\": \"*\", \"subject\": \"ci\"},\n  \
                     {\"caller\": {\"issuer\": \"https://ci.example\", \"when\": \"true\"}, \"subject\": \"ci\"},\n  \
                     {\"caller\": {\"issuer\": \"https://ci.example\"}}\n]\n",
                );
            },
            &[
                "issuance-policy.json:2:3: rule 1: the issuer of `caller` is not in TRUSTED_ISSUERS",
                "issuance-policy.json:4:3: ",
                "issuance-policy.json:5:3: rule 4: `caller` must have `when`",
            ],
        ),
        (
            "any subject for callers of AWS, with a trusted issuer",
            |it| {
                it.write("trusted-issuers.json", r#"[{"issuer": "https://ci.example"}]"#);
                it.write(
                    "issuance-policy.json",
                    r#"[{"caller": "*"}, {"caller": "*", "subject": "*"}]"#,
                );
            },
            &["issuance-policy.json:1:19: warning: rule 2: with the `subject` `*`, its callers"],
        ),
    ]);
}

#[test]
fn each_problem_of_modes_and_links_is_reported() {
    assert_problems(&[
        (
            "unreadable file",
            |it| it.set_mode("revocations.json", 0o640),
            &["revocations.json: has the mode 0640: functions cannot read it, run `chmod 644 "],
        ),
        (
            "other mode",
            |it| it.set_mode("revocations.json", 0o664),
            &["revocations.json: warning: has the mode 0664 in place of 0644: run `chmod 644 "],
        ),
        (
            "unreadable folder",
            |it| {
                fs::create_dir(it.0.join("more")).unwrap();
                it.set_mode("more", 0o754);
            },
            &["more: has the mode 0754: functions cannot read it, run `chmod 755 "],
        ),
        (
            "link out of the folder",
            |it| symlink("/etc/passwd", it.0.join("link")).unwrap(),
            &["link: is a symbolic link out of the folder: put the file itself there"],
        ),
        (
            "link that cannot be followed",
            |it| symlink("none.json", it.0.join("link")).unwrap(),
            &["link: is a symbolic link that cannot be followed: "],
        ),
        (
            "link within the folder",
            |it| {
                fs::rename(it.0.join("revocations.json"), it.0.join("list")).unwrap();
                it.write("list", "[{}]");
                symlink("list", it.0.join("revocations.json")).unwrap();
            },
            &[
                "list: warning: is not a file of a setting: nothing reads it",
                "revocations.json:1:2: revocation 1: missing field `iss`",
            ],
        ),
    ]);
}

#[test]
fn socket_is_not_read() {
    let folder = Folder::new("socket");
    let socket = folder.0.join("revocations.json");
    fs::remove_file(&socket).unwrap();
    let _listener = UnixListener::bind(&socket).unwrap();
    let expected = "revocations.json: is neither a file nor a folder: remove it";
    assert_eq!(folder.problems(), [expected]);
}

#[test]
fn path_that_is_not_a_folder_is_an_invalid_argument() {
    let folder = Folder::new("none");
    for path in [folder.0.join("none"), folder.0.join("revocations.json")] {
        let error = check(&path, UnixTime::from_seconds(0)).unwrap_err();
        assert!(error.is::<UsageError>(), "{error}");
    }
}
