//! The folder itself: its files, their names, modes and links.

use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
};

use jwt::UnixTime;
use runtime::{MAX_FILE_BYTES, closest_setting};

use super::{
    CheckedFile, ConfigurationFile, ConfigurationProblem, Content, FILES, Severity, check_list,
    comparison::compare,
};
use crate::{exit::UsageError, input::with_path};

/// The result of a check of the folder.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<ConfigurationProblem>,
    /// The files that were read.
    pub(crate) files: Vec<CheckedFile>,
}

/// Checks a folder and everything below it.
///
/// # Errors
/// If it is not a folder, or cannot be listed.
pub(crate) fn check(folder: &Path, now: UnixTime) -> Result<Report, Box<dyn std::error::Error>> {
    let named = |error: io::Error| with_path(folder, &error);
    let root = fs::canonicalize(folder).map_err(|error| UsageError(named(error)))?;
    let metadata = fs::metadata(&root).map_err(named)?;
    if !metadata.is_dir() {
        return Err(UsageError(format!("{}: not a folder", folder.display())).into());
    }
    let mut walk = Walk { root, now, report: Report::default() };
    walk.check_mode(folder, &metadata);
    for ConfigurationFile { name, setting, .. } in FILES.iter().filter(|file| file.is_required) {
        if fs::symlink_metadata(folder.join(name)).is_err() {
            let problem =
                format!("is missing: the template reads the setting `{}` from it", setting.name);
            walk.add(&folder.join(name), Severity::Error, problem);
        }
    }
    walk.check_folder(folder, true)?;
    walk.compare();
    Ok(walk.report)
}

struct Walk {
    /// The folder without symbolic links.
    root: PathBuf,
    now: UnixTime,
    report: Report,
}

impl Walk {
    fn check_folder(&mut self, folder: &Path, is_root: bool) -> Result<(), String> {
        let named = |error: io::Error| with_path(folder, &error);
        let entries = fs::read_dir(folder).map_err(named)?;
        let mut paths: Vec<_> =
            entries.map(|entry| Ok(entry?.path())).collect::<Result<_, _>>().map_err(named)?;
        paths.sort();
        for path in paths {
            self.check_entry(&path, is_root)?;
        }
        Ok(())
    }

    fn check_entry(&mut self, path: &Path, is_in_root: bool) -> Result<(), String> {
        let metadata = fs::symlink_metadata(path).map_err(|error| with_path(path, &error))?;
        let is_link = metadata.is_symlink();
        let metadata = if is_link {
            let Some(target) = self.target(path) else { return Ok(()) };
            target
        } else {
            metadata
        };
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let file = FILES.iter().find(|file| is_in_root && file.name == name);
        if metadata.is_dir() {
            self.check_mode(path, &metadata);
            if file.is_some() {
                self.add(path, Severity::Error, "is a folder, but must be a file".into());
            }
            // The target of a link within the folder is checked at its own path.
            return if is_link { Ok(()) } else { self.check_folder(path, false) };
        }
        if !metadata.is_file() {
            self.add(path, Severity::Error, "is neither a file nor a folder: remove it".into());
            return Ok(());
        }
        self.check_mode(path, &metadata);
        match file {
            Some(file) => self.check_content(path, file.content),
            None => self.report_unknown(path, &name),
        }
        Ok(())
    }

    /// The target of a symbolic link, if the layer contains it.
    fn target(&mut self, link: &Path) -> Option<Metadata> {
        let problem = match fs::canonicalize(link) {
            Ok(target) if target.starts_with(&self.root) => match fs::metadata(link) {
                Ok(metadata) => return Some(metadata),
                Err(error) => format!("cannot be read: {error}"),
            },
            Ok(_) => "is a symbolic link out of the folder: put the file itself there".to_owned(),
            Err(error) => format!("is a symbolic link that cannot be followed: {error}"),
        };
        self.add(link, Severity::Error, problem);
        None
    }

    fn check_content(&mut self, path: &Path, content: Content) {
        let text = match read(path) {
            Ok(text) => text,
            Err(problem) => return self.add(path, Severity::Error, problem),
        };
        let checked = check_list(content, &text, self.now);
        let problems = checked.problems.into_iter();
        let problems = problems.map(|it| ConfigurationProblem::new(path.to_owned(), it));
        self.report.problems.extend(problems);
        let (path, elements) = (path.to_owned(), checked.elements);
        self.report.files.push(CheckedFile { path, content, text, elements });
    }

    /// Compares the files with each other.
    fn compare(&mut self) {
        let problems = compare(&self.report.files).into_iter();
        let problems = problems.map(|(file, it)| ConfigurationProblem::new(file.path.clone(), it));
        self.report.problems.extend(problems);
    }

    fn report_unknown(&mut self, path: &Path, name: &str) {
        let stem = name.split('.').next().unwrap_or_default().replace(['-', ' '], "_");
        let stem = stem.to_ascii_uppercase();
        let closest = closest_setting(&stem).unwrap_or(&stem);
        if let Some(file) = FILES.iter().find(|file| file.setting.name == closest) {
            let problem = format!("is not a file of a setting, did you mean `{}`?", file.name);
            self.add(path, Severity::Error, problem);
        } else {
            let warning = "is not a file of a setting: nothing reads it".to_owned();
            self.add(path, Severity::Warning, warning);
        }
    }

    /// Lambda runs a function as another user than the owner of its files.
    #[cfg(unix)]
    fn check_mode(&mut self, path: &Path, metadata: &Metadata) {
        use std::os::unix::fs::PermissionsExt;
        let mode = metadata.permissions().mode() & 0o7777;
        let (expected, needed) = if metadata.is_dir() { (0o755, 0o5) } else { (0o644, 0o4) };
        let advice = format!("run `chmod {expected:o} {}`", path.display());
        if mode & needed != needed {
            let problem = format!("has the mode {mode:04o}: functions cannot read it, {advice}");
            self.add(path, Severity::Error, problem);
        } else if mode != expected {
            let warning = format!("has the mode {mode:04o} in place of {expected:04o}: {advice}");
            self.add(path, Severity::Warning, warning);
        }
    }

    #[cfg(not(unix))]
    fn check_mode(&mut self, _: &Path, _: &Metadata) {}

    fn add(&mut self, file: &Path, severity: Severity, text: String) {
        self.report.problems.push(ConfigurationProblem::of_file(file.to_owned(), severity, text));
    }
}

/// The text of a file, if it can be the value of a setting.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let bytes = fs::read(path).map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("has more than {MAX_FILE_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests;
