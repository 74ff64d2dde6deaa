//! The workspace's folder, and the tools and commands that run in it.

use std::{
    env,
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::error::Error;

/// Names a folder of tools in place of `target/ci-tools`.
const TOOLS_VARIABLE: &str = "CI_TOOLS";

/// The virtual environments that `.ci/tools` makes, in the order in which programs are looked up. The SAM CLI brings
/// further programs that the checks do not run.
const ENVIRONMENTS: [&str; 4] = ["checks", "sam", "checkov", "deploy"];

/// The workspace that this program belongs to.
#[derive(Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    tools: PathBuf,
    /// More folders with programs.
    folders: Vec<PathBuf>,
}

impl Workspace {
    /// Finds the folder by the variable that `cargo run` sets.
    pub(crate) fn find() -> Result<Self, Error> {
        let own = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let root = own.as_deref().and_then(Path::parent).ok_or_else(|| {
            Error::Check("CARGO_MANIFEST_DIR is not set; run this program as `cargo xtask`".into())
        })?;
        let tools = env::var_os(TOOLS_VARIABLE).filter(|folder| !folder.is_empty());
        let tools = tools.map_or_else(|| root.join("target/ci-tools"), PathBuf::from);
        Ok(Self { root: root.to_owned(), tools, folders: Vec::new() })
    }

    /// The same, with one more folder in which programs are found.
    pub(crate) fn with_folder(&self, folder: &Path) -> Self {
        let mut more = self.clone();
        more.folders.push(folder.to_owned());
        more
    }

    /// A path below the root.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path as it is written below the root.
    pub(crate) fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// The YAML files in a folder, as they are written below the root, in alphabetical order.
    pub(crate) fn yaml_files(&self, folder: &str) -> Result<Vec<String>, Error> {
        let folder = self.path(folder);
        let entries = fs::read_dir(&folder).map_err(Error::file(&folder))?;
        let mut files = Vec::new();
        for entry in entries {
            let file = entry.map_err(Error::file(&folder))?.path();
            if file.extension().is_some_and(|extension| extension == "yaml") {
                files.push(self.relative(&file).display().to_string());
            }
        }
        files.sort();
        Ok(files)
    }

    /// The path of a program: in its virtual environment, or on `PATH`.
    pub(crate) fn program(&self, program: &'static str) -> Result<PathBuf, Error> {
        let path = self.search_path(program);
        let found = env::split_paths(&path).map(|folder| folder.join(program));
        found.into_iter().find(|file| file.is_file()).ok_or(Error::MissingTool { program })
    }

    /// A command that runs a program in the workspace's folder. `cargo-NAME` is run as `cargo NAME`.
    pub(crate) fn command(&self, program: &'static str) -> Result<CommandStep, Error> {
        let found = self.program(program)?;
        let (mut command, text) = match program.strip_prefix("cargo-") {
            Some(name) => {
                let mut command = Command::new(self.program("cargo")?);
                command.arg(name);
                (command, format!("cargo {name}"))
            }
            None => (Command::new(found), program.to_owned()),
        };
        command.current_dir(&self.root).env("PATH", self.search_path(program));
        Ok(CommandStep { command, text })
    }

    /// A command that runs the program in a file.
    pub(crate) fn command_at(&self, file: &Path) -> CommandStep {
        let mut command = Command::new(file);
        command.current_dir(&self.root).env("PATH", self.search_path(""));
        CommandStep { command, text: self.relative(file).display().to_string() }
    }

    /// `PATH`, with the folders of the tools before it, and before these the virtual environment that has this
    /// program.
    pub(crate) fn search_path(&self, program: &str) -> OsString {
        let own = ENVIRONMENTS.map(|environment| self.tools.join(environment).join("bin"));
        let own = own.into_iter().find(|folder| folder.join(program).is_file());
        let inherited = env::var_os("PATH").unwrap_or_default();
        let folders = own.into_iter().chain([self.tools.join("bin")]).chain(self.folders.clone());
        let folders = folders.filter(|folder| folder.is_dir()).chain(env::split_paths(&inherited));
        // Only a folder with a colon in its name cannot be joined.
        env::join_paths(folders).unwrap_or(inherited)
    }
}

/// A command with the text that stands for it in the output.
pub(crate) struct CommandStep {
    command: Command,
    text: String,
}

impl CommandStep {
    /// Adds arguments.
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        for argument in arguments {
            self.text.push(' ');
            self.text.push_str(&argument.as_ref().to_string_lossy());
            self.command.arg(argument);
        }
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes a variable.
    pub(crate) fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in another folder.
    pub(crate) fn in_folder(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Prints the command line and runs it.
    pub(crate) fn run(self) -> Result<(), Error> {
        announce(&self.text);
        self.run_quietly()
    }

    /// Runs without the command line in the output.
    pub(crate) fn run_quietly(mut self) -> Result<(), Error> {
        match self.command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Command { command: self.text, status }),
            Err(source) => Err(Error::Run { command: self.text, source }),
        }
    }

    /// Prints the command line, and runs it with its output both here and in a file.
    pub(crate) fn run_into(mut self, file: &Path) -> Result<(), Error> {
        announce(&self.text);
        let run = |source| Error::Run { command: self.text.clone(), source };
        let log = File::create(file).map_err(Error::file(file))?;
        let (output, input) = io::pipe().map_err(run)?;
        self.command.stdout(input.try_clone().map_err(run)?).stderr(input);
        let mut child = self.command.spawn().map_err(run)?;
        // The command holds the ends to write to: the copy ends when all of its processes have ended.
        self.command.stdout(io::stdout()).stderr(io::stderr());
        copy(output, io::stdout(), log).map_err(run)?;
        let status = child.wait().map_err(run)?;
        if status.success() { Ok(()) } else { Err(Error::Command { command: self.text, status }) }
    }

    /// Runs with its output collected. The status is checked, and standard error is shared.
    pub(crate) fn stdout(mut self) -> Result<Vec<u8>, Error> {
        self.command.stderr(io::stderr());
        match self.command.output() {
            Ok(Output { status, stdout, .. }) if status.success() => Ok(stdout),
            Ok(Output { status, .. }) => Err(Error::Command { command: self.text, status }),
            Err(source) => Err(Error::Run { command: self.text, source }),
        }
    }

    /// The command itself, to be started by the caller.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }
}

impl fmt::Display for CommandStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Prints the command line of a step.
pub(crate) fn announce(command: &str) {
    println!("\n== {command}");
}

/// Copies what a command writes to two places, as it comes.
fn copy(mut output: impl Read, mut screen: impl Write, mut log: impl Write) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        let length = output.read(&mut buffer)?;
        let Some(read) = buffer.get(..length).filter(|read| !read.is_empty()) else {
            return Ok(());
        };
        screen.write_all(read)?;
        screen.flush()?;
        log.write_all(read)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace { root: "/nowhere".into(), tools: "/nowhere/tools".into(), folders: Vec::new() }
    }

    #[test]
    fn missing_tool_is_reported_with_its_installer() {
        let error = workspace().program("no-such-tool").unwrap_err().to_string();
        assert_eq!(error, "`no-such-tool` is not installed; `.ci/run` installs it");
    }

    #[test]
    fn yaml_files_of_a_folder_are_those_with_the_extension() {
        let files = Workspace::find().unwrap().yaml_files(".github/ISSUE_TEMPLATE").unwrap();
        // In the same folder is config.yml, which follows another schema.
        let forms = [".github/ISSUE_TEMPLATE/bug.yaml", ".github/ISSUE_TEMPLATE/feature.yaml"];
        assert_eq!(files, forms);
    }

    #[test]
    fn program_is_found_in_the_first_environment_that_has_it() {
        let tools = env::temp_dir().join(format!("xtask-tools-{}", std::process::id()));
        for (environment, program) in
            [("sam", "linter"), ("sam", "sam"), ("checks", "linter"), ("other", "sam")]
        {
            let folder = tools.join(environment).join("bin");
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(program), "").unwrap();
        }
        let workspace = Workspace { tools: tools.clone(), ..workspace() };
        for (program, environment) in [("linter", "checks"), ("sam", "sam")] {
            let expected = tools.join(environment).join("bin").join(program);
            assert_eq!(workspace.program(program).unwrap(), expected);
        }
        // The programs of one environment do not shadow those of the system for a program of another.
        let path = workspace.search_path("sam");
        assert!(env::split_paths(&path).all(|folder| folder != tools.join("checks/bin")));
        fs::remove_dir_all(tools).unwrap();
    }

    #[test]
    fn output_is_copied_to_the_log() {
        let (mut screen, mut log) = (Vec::new(), Vec::new());
        copy("a line\n".as_bytes(), &mut screen, &mut log).unwrap();
        assert_eq!((screen, log), (b"a line\n".to_vec(), b"a line\n".to_vec()));
    }
}
