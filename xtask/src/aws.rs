//! The AWS CLI.

use std::{
    io::{self, Write},
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use crate::error::Error;

/// The program `aws`. It has the profile, the Region and the endpoint of the user's environment.
pub(crate) struct Aws {
    command: Box<dyn Fn() -> Command + Send + Sync>,
}

impl Aws {
    /// The program on `PATH`.
    pub(crate) fn on_path() -> Self {
        Self::new(|| Command::new("aws"))
    }

    /// The program as this function makes it.
    pub(crate) fn new(command: impl Fn() -> Command + Send + Sync + 'static) -> Self {
        Self { command: Box::new(command) }
    }

    /// Calls an operation, such as `["logs", "start-query", …]`, and returns its response. It is null if the operation
    /// has none.
    pub(crate) fn call(&self, arguments: &[&str]) -> Result<Value, Error> {
        let name = operation(arguments);
        let output = self.run(&name, arguments, b"")?;
        if output.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&output).map_err(|source| Error::Json { command: name, source })
    }

    /// Invokes a function directly and returns its response. Neither the response nor a part of it is in an error.
    pub(crate) fn invoke(&self, function: &str, event: &Value) -> Result<Value, Error> {
        // Through pipes, because the response has a token: it must not be left in a file.
        let arguments = ["lambda", "invoke", "--function-name", function];
        let files = ["--payload", "fileb:///dev/stdin", "/dev/stdout"];
        let name = operation(&arguments);
        let output =
            self.run(&name, &[&arguments[..], &files].concat(), event.to_string().as_bytes())?;
        let json = |source| Error::Json { command: name.clone(), source };
        // The response of the function, and after it that of Lambda.
        let values: Vec<Value> = serde_json::Deserializer::from_slice(&output)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(json)?;
        let [response, status] = <[Value; 2]>::try_from(values)
            .map_err(|_| Error::Check(format!("`{name}` has not printed two JSON values")))?;
        if status.get("FunctionError").is_some() {
            let member = |name| response.get(name).and_then(Value::as_str).unwrap_or_default();
            let (kind, message) = (member("errorType"), member("errorMessage"));
            return Err(Error::Check(format!("{function} failed: {kind}: {message}")));
        }
        Ok(response)
    }

    fn run(&self, name: &str, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, Error> {
        let run = || -> io::Result<Output> {
            let mut child = (self.command)()
                .args(arguments)
                .args(["--output", "json"])
                // Version 2 shows long output in a pager.
                .env("AWS_PAGER", "")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                match stdin.write_all(input) {
                    // The program has ended before it read its input: its message says why.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
                    written => written?,
                }
            }
            child.wait_with_output()
        };
        let output = match run() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::Check(
                    "`aws` is not installed; see https://aws.amazon.com/cli".into(),
                ));
            }
            output => output.map_err(|source| Error::Run { command: name.to_owned(), source })?,
        };
        if output.status.success() {
            return Ok(output.stdout);
        }
        let text = String::from_utf8_lossy(&output.stderr);
        let problem = text.lines().map(str::trim).rfind(|line| !line.is_empty());
        let problem = problem.map_or_else(|| output.status.to_string(), str::to_owned);
        Err(Error::Check(format!("`{name}` failed: {problem}")))
    }
}

/// The command line up to the name of the operation.
fn operation(arguments: &[&str]) -> String {
    let words = arguments.iter().take(2).copied();
    ["aws"].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        env, fs,
        path::{Path, PathBuf},
        process,
    };

    use serde_json::json;

    use super::*;

    /// A program in place of the AWS CLI: a shell script. `$0` is in a separate folder.
    pub(crate) struct Script {
        folder: PathBuf,
        pub(crate) aws: Aws,
    }

    impl Script {
        pub(crate) fn new(name: &str, text: &str) -> Self {
            let folder = env::temp_dir().join(format!("xtask-{name}-{}", process::id()));
            fs::create_dir_all(&folder).unwrap();
            let (text, name) = (text.to_owned(), folder.join("aws"));
            let command = move || {
                let mut command = Command::new("/bin/sh");
                command.arg("-c").arg(&text).arg(&name);
                command
            };
            Self { folder, aws: Aws { command: Box::new(command) } }
        }

        pub(crate) fn folder(&self) -> &Path {
            &self.folder
        }
    }

    impl Drop for Script {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }

    #[test]
    fn response_is_read() {
        let script = Script::new("call", r#"echo "{\"arguments\": \"$*\"}""#);
        let response = script.aws.call(&["logs", "start-query", "--limit", "1"]).unwrap();
        assert_eq!(response, json!({"arguments": "logs start-query --limit 1 --output json"}));
        let silent = Script::new("no-response", "echo");
        assert_eq!(silent.aws.call(&["kms", "disable-key"]).unwrap(), Value::Null);
    }

    #[test]
    fn errors_name_the_operation_and_the_problem() {
        let script = Script::new(
            "fail",
            "echo; echo 'An error occurred (ValidationError): no such stack' >&2; echo >&2; exit 254",
        );
        let error = script.aws.call(&["cloudformation", "describe-stacks"]).unwrap_err();
        let expected = "`aws cloudformation describe-stacks` failed: \
            An error occurred (ValidationError): no such stack";
        assert_eq!(error.to_string(), expected);
        let silent = Script::new("silent", "exit 3");
        let error = silent.aws.call(&["logs", "start-query"]).unwrap_err();
        assert_eq!(error.to_string(), "`aws logs start-query` failed: exit status: 3");
        let missing = Aws { command: Box::new(|| Command::new("/nowhere/aws")) };
        let error = missing.call(&["logs", "start-query"]).unwrap_err();
        assert_eq!(error.to_string(), "`aws` is not installed; see https://aws.amazon.com/cli");
    }

    #[test]
    fn event_and_response_of_an_invocation_go_through_pipes() {
        let script = Script::new(
            "invoke",
            r#"printf '{"arguments": "%s", "event": %s}' "$*" "$(cat)"; echo '{"StatusCode": 200}'"#,
        );
        let response = script.aws.invoke("f", &json!({"a": 1})).unwrap();
        let arguments = "lambda invoke --function-name f --payload fileb:///dev/stdin /dev/stdout \
            --output json";
        assert_eq!(response, json!({"arguments": arguments, "event": {"a": 1}}));
    }

    #[test]
    fn error_of_a_function_is_an_error() {
        let script = Script::new(
            "function-error",
            r#"echo '{"errorType": "invalid_scope", "errorMessage": "not granted"}'
            echo '{"StatusCode": 200, "FunctionError": "Unhandled"}'"#,
        );
        let error = script.aws.invoke("f", &json!({})).unwrap_err();
        assert_eq!(error.to_string(), "f failed: invalid_scope: not granted");
    }
}
