use std::{
    collections::BTreeMap,
    env,
    error::Error,
    io::{self, Write},
    iter,
    net::IpAddr,
    path::{Path, PathBuf, absolute},
    process::ExitCode,
};

use clap::Args;
use local::{
    ApiTemplate, Stack, StackOptions, gateway::CompletedRequest, kms::KmsOptions, lambda::LogLine,
    oidc_provider::OidcOptions,
};
use runtime::{SETTINGS, Settings};
use tokio::{
    fs,
    signal::unix::{SignalKind, signal},
    sync::broadcast::{Receiver, error::RecvError},
};

use crate::{
    block_on::block_on,
    exit::{self, UsageError},
    function, parameter_overrides, terminal,
};

/// Arguments of `countersign local`.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Port of the API; 0 selects a free port
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of KMS; 0 selects a free port
    #[arg(long, default_value_t = 4566)]
    kms_port: u16,
    /// Additional address for KMS, such as that of Docker's bridge. Every client that reaches it can use the
    /// keys
    #[arg(long, value_name = "ADDRESS")]
    kms_address: Option<IpAddr>,
    /// Port of an OIDC provider whose tokens have the claims that a request asks for, in the shape of GitHub
    /// Actions; 0 selects a free port. Without it, there is no provider
    #[arg(long, value_name = "PORT")]
    oidc_port: Option<u16>,
    /// Folder that stores the keys; without it, they exist until the command ends
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// SAM template to run. The API of deploy/demo.yaml (`GET /whoami`) is served at the same address, except for paths
    /// that the template has, if the template has the function `countersign-authorizer`
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// Executable to run as the authorizer instead of the template's. It must speak the Lambda Runtime API, as a
    /// bootstrap does, and gets the environment of this command except for variables that begin with AWS_
    #[arg(long, value_name = "PATH")]
    authorizer: Option<PathBuf>,
    /// Template of a REST, HTTP or WebSocket API that uses the authorizer, such as examples/http-api-iam.yaml; can be
    /// repeated. The API listens on the port after the last one. The parameter `AuthorizerArn` is set
    #[arg(long = "api", value_name = "FILE")]
    apis: Vec<PathBuf>,
    /// Parameters of all these templates, as for `sam deploy`: `NAME=VALUE`, `ParameterKey=NAME,ParameterValue=VALUE`, or
    /// `file://PATH` with a TOML or YAML file
    #[arg(long, value_name = "NAME=VALUE", num_args = 1..)]
    parameter_overrides: Vec<String>,
    /// AWS Region of the local services
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
}

pub(crate) const HELP: &str = "\
For development only: --state stores private keys in plain files, and SigV4 signatures are not checked.

Examples:
  Set a template parameter, or replace a setting of the functions:
    countersign local --parameter-overrides KeySpec=ECC_NIST_P256 SigningAlgorithm=ES256
    TOKEN_ISSUER=my-lambda countersign local

  Put an HTTP API in front of a backend on this machine:
    countersign local --api examples/http-api-simple.yaml --parameter-overrides Settings=HttpApiResponse=simple \\
      BackendUrl=http://127.0.0.1:8080

  Try an authorizer of your own:
    countersign local --authorizer ./target/debug/my-authorizer

  Use this KMS with the AWS CLI:
    export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
    aws kms list-aliases --region us-east-1 --endpoint-url http://127.0.0.1:4566

  Request a token of a CI job from an OpenID Connect provider, with claims of your own:
    countersign local --oidc-port 4567
    curl --json '{\"aud\":\"orders\",\"environment\":\"staging\"}' http://127.0.0.1:4567/token

  Request a token, and use it:
    curl --aws-sigv4 aws:amz:us-east-1:execute-api --user local:local --json \\
      '{\"claims\":{\"sub\":\"test-user\"}}' http://127.0.0.1:3000/token
    curl -H 'Authorization: Bearer …' http://127.0.0.1:3000/whoami

Exit codes: 0 stopped by a signal, 2 invalid input, 3 fault: the stack cannot start.";

/// Runs the stack until SIGINT or SIGTERM.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match block_on(serve(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => exit::report(false, &*error),
    }
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    // First, so that a Ctrl-C during the start leaves no process behind.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let templates = async {
        let template = read(&arguments.template, " (set --template)").await?;
        let mut apis = Vec::new();
        for file in &arguments.apis {
            let text = read(file, "").await?;
            apis.push(ApiTemplate { name: file.display().to_string(), text });
        }
        Ok::<_, UsageError>((template, apis))
    };
    let (template, apis) = tokio::select! {
        templates = templates => templates?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    if let Some(folder) = &arguments.state {
        fs::create_dir_all(folder)
            .await
            .map_err(|error| UsageError(format!("--state {}: {error}", folder.display())))?;
    }
    let mut settings = Settings::from_environment();
    let spelling = settings.reject_misspelled();
    settings.finish(spelling).map_err(|error| UsageError(error.to_string()))?;
    let parameters = parameter_overrides::read(&arguments.parameter_overrides)?;
    let authorizer = arguments.authorizer.as_ref().map(|file| {
        file.canonicalize()
            .map_err(|error| UsageError(format!("--authorizer {}: {error}", file.display())))
    });
    let authorizer = authorizer.transpose()?;
    let folder = arguments.template.parent().filter(|folder| !folder.as_os_str().is_empty());
    let options = StackOptions {
        folder: absolute(folder.unwrap_or(Path::new(".")))?,
        port: arguments.port,
        kms: KmsOptions {
            port: arguments.kms_port,
            address: arguments.kms_address,
            state: arguments.state,
        },
        oidc: arguments.oidc_port.map(|port| OidcOptions { port, ..OidcOptions::default() }),
        region: arguments.region,
        parameters,
        authorizer,
        apis,
        overrides: overrides(),
        ..StackOptions::new(function::bootstrap()?)
    };
    let stack = tokio::select! {
        stack = Stack::start(&template, &options) => stack.map_err(|error| {
            if error.is_invalid_input() {
                Box::<dyn Error>::from(UsageError(exit::with_causes(&error)))
            } else {
                error.into()
            }
        })?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let printed = async {
        print_addresses(&stack, &options.region)?;
        print_requests(stack.gateway.follow(), stack.logs.follow()).await
    };
    tokio::select! {
        printed = printed => printed?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // The reader of the output may have ended first.
    let _ = writeln!(terminal::stdout(), "stopped");
    Ok(())
}

/// The text of a template. The advice is part of the error message.
async fn read(file: &Path, advice: &str) -> Result<String, UsageError> {
    let text = fs::read_to_string(file).await;
    text.map_err(|error| UsageError(format!("{}: {error}{advice}", file.display())))
}

/// The settings of the functions in the environment. They replace those of the template.
fn overrides() -> BTreeMap<String, String> {
    let names = SETTINGS.into_iter().map(|setting| setting.name);
    let set = names.filter_map(|name| Some((name.to_owned(), env::var(name).ok()?)));
    set.collect()
}

fn print_addresses(stack: &Stack, region: &str) -> io::Result<()> {
    let mut out = terminal::stdout();
    for gateway in iter::once(&stack.gateway).chain(&stack.apis) {
        writeln!(out, "API  http://{}", gateway.address())?;
        for route in gateway.routes() {
            writeln!(out, "     {route}")?;
        }
    }
    writeln!(out, "KMS  http://{}  ({region})", stack.kms.address())?;
    if let Some(provider) = &stack.oidc_provider {
        writeln!(out, "OIDC {}  (GET or POST /token)", provider.issuer())?;
    }
    writeln!(out)?;
    writeln!(
        out,
        "Routes with IAM authorization need a SigV4 header. Its signature is not checked."
    )?;
    for notice in &stack.notices {
        writeln!(out, "\nNote: {notice}")?;
    }
    stack.logs.recent().iter().try_for_each(print_problem)?;
    writeln!(out, "\nPress Ctrl-C to stop.\n")
}

/// Prints a line for each request, and the log lines of functions that report a problem.
async fn print_requests(
    mut exchanges: Receiver<CompletedRequest>,
    mut lines: Receiver<LogLine>,
) -> io::Result<()> {
    loop {
        tokio::select! {
            exchange = exchanges.recv() => match exchange {
                Ok(CompletedRequest { method, path, status, reason, duration, .. }) => {
                    let milliseconds = duration.as_secs_f64() * 1000.0;
                    // The client wrote the path: it may contain control characters.
                    let path = path.escape_debug();
                    writeln!(terminal::stdout(), "{method:<4} {path}  {status}  {reason}  {milliseconds:.1} ms")?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            line = lines.recv() => match line {
                Ok(line) => print_problem(&line)?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// Prints a log line with a level other than INFO.
fn print_problem(line: &LogLine) -> io::Result<()> {
    if line.level().as_deref() == Some("INFO") {
        return Ok(());
    }
    writeln!(terminal::stdout(), "     {}: {}", line.function, printable(line))
}

/// The text of a log line, in one line.
fn printable(line: &LogLine) -> String {
    terminal::escape(&line.summary())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printable_text_has_no_control_characters() {
        let rows = [
            ("a \"quoted\" text, it's \\ plain é", "a \"quoted\" text, it's \\ plain é"),
            ("\u{1b}[2J\r\n", r"\u001b[2J\u000d\u000a"),
            ("\u{7f}\u{9b}", r"\u007f\u009b"),
            ("a\u{202e}b\u{2066}", r"a\u202eb\u2066"),
        ];
        for (text, expected) in rows {
            let line = LogLine { function: "Authorizer".to_owned(), text: text.to_owned() };
            assert_eq!(printable(&line), expected);
        }
    }
}
