//! Settings whose value is in a file: `file:PATH`.

use std::{
    fs::File,
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

/// Why a setting's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileProblem {
    #[error("must name a file below /opt/ or the task root: file:/opt/config/NAME.json")]
    Place,
    #[error("names a file that does not exist: {0}")]
    Missing(String),
    #[error("names a file that cannot be read: {0}: {1}")]
    Unreadable(String, io::Error),
    #[error("names a file with more than {MAX_FILE_BYTES} bytes: {0}")]
    TooLong(String),
    #[error("names a file that is not UTF-8: {0}")]
    NotText(String),
    /// An empty file is a mistake, and must not count as not set.
    #[error("names a file without a value: {0}")]
    Empty(String),
}

/// The path in the value of a setting, if the value is in a file.
pub(super) fn path(value: &str) -> Option<&str> {
    value.strip_prefix(PREFIX)
}

/// Reads the value of a setting from a file of a layer or of the function's package.
pub(super) fn read(path: &str, task_root: Option<&str>) -> Result<String, FileProblem> {
    let file = Path::new(path);
    let roots = [Some(LAYERS), task_root.filter(|root| !root.is_empty())].into_iter().flatten();
    let is_plain = file.components().all(|part| !matches!(part, Component::ParentDir));
    if !is_plain || !roots.map(Path::new).any(|root| file.starts_with(root) && file != root) {
        return Err(FileProblem::Place);
    }
    let named = || path.to_owned();
    let mut bytes = Vec::new();
    let read = File::open(PathBuf::from(file))
        .and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(FileProblem::Missing(named()));
        }
        Err(error) => return Err(FileProblem::Unreadable(named(), error)),
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(FileProblem::TooLong(named()));
    }
    let text = String::from_utf8(bytes).map_err(|_| FileProblem::NotText(named()))?;
    match text.trim() {
        "" | "null" => Err(FileProblem::Empty(named())),
        _ => Ok(text),
    }
}

const PREFIX: &str = "file:";
/// The folder into which Lambda unpacks layers.
const LAYERS: &str = "/opt";
/// The maximum length of such a file in bytes: more than 10,000 revocations.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    #[test]
    fn only_a_file_with_a_value_below_a_root_is_read() {
        let folder = env::temp_dir().join(format!("countersign-settings-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let root = folder.to_str().unwrap().to_owned();
        let name = |name: &str| format!("{root}/{name}");
        for (file, bytes) in [
            ("rules.json", &b"[1]\n"[..]),
            ("empty.json", b""),
            ("blank.json", b" \n"),
            ("null.json", b"null\n"),
            ("binary.json", b"[\xff]"),
        ] {
            fs::write(name(file), bytes).unwrap();
        }
        fs::write(name("long.json"), vec![b' '; 4 * 1024 * 1024 + 1]).unwrap();
        fs::create_dir_all(name("folder")).unwrap();
        let place = "must name a file below /opt/ or the task root: file:/opt/config/NAME.json";
        let rows = [
            (name("rules.json"), Ok("[1]\n")),
            (name("none.json"), Err("names a file that does not exist: ")),
            ("/opt/countersign/none.json".into(), Err("names a file that does not exist: ")),
            (name("empty.json"), Err("names a file without a value: ")),
            (name("blank.json"), Err("names a file without a value: ")),
            (name("null.json"), Err("names a file without a value: ")),
            (name("binary.json"), Err("names a file that is not UTF-8: ")),
            (name("long.json"), Err("names a file with more than 4194304 bytes: ")),
            (name("folder"), Err("names a file that cannot be read: ")),
            (name("folder/../rules.json"), Err(place)),
            (root.clone(), Err(place)),
            (format!("{root}x/rules.json"), Err(place)),
            ("/etc/passwd".into(), Err(place)),
            ("/opt".into(), Err(place)),
            ("/options/rules.json".into(), Err(place)),
            ("rules.json".into(), Err(place)),
            (String::new(), Err(place)),
        ];
        for (path, expected) in rows {
            let read = read(&path, Some(&root)).map_err(|problem| problem.to_string());
            match expected {
                Ok(text) => assert_eq!(read.as_deref(), Ok(text), "{path}"),
                Err(problem) => assert!(read.unwrap_err().starts_with(problem), "{path}"),
            }
        }
        assert!(read(&name("rules.json"), None).is_err(), "no task root");
        assert!(read(&name("rules.json"), Some("")).is_err(), "an empty task root");
        fs::remove_dir_all(folder).unwrap();
    }
}
