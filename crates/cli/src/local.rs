use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use local::{Options, Stack, gateway::Exchange, lambda::Line};
use runtime::{SETTINGS, Settings};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::broadcast::{Receiver, error::RecvError},
};

use crate::function;

/// Where everything listens, and what is run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The port of the API; 0 takes any that is free
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The port of KMS; 0 takes any that is free
    #[arg(long, default_value_t = 4566)]
    kms_port: u16,
    /// Where else KMS listens, as on Docker's bridge; whoever reaches it may use the keys
    #[arg(long, value_name = "ADDRESS")]
    kms_address: Option<IpAddr>,
    /// A folder in which the keys are kept; without it they are gone at the end
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// What is to be run
    #[arg(long, value_name = "FILE", default_value = "template.yaml")]
    template: PathBuf,
    /// Parameters of the template, as `sam deploy` takes them
    #[arg(long, value_name = "NAME=VALUE", num_args = 1.., value_parser = parameter)]
    parameter_overrides: Vec<(String, String)>,
    /// The AWS Region that everything says it is in
    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,
}

pub(crate) const HELP: &str = "\
A setting of the functions in the environment takes the place of the template's:
  TOKEN_ISSUER=my-lambda countersign local
Or name a parameter of the template:
  countersign local --parameter-overrides KeySpec=ECC_NIST_P256 SigningAlgorithm=ES256

The AWS CLI talks to this KMS:
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local
  aws kms list-aliases --region us-east-1 --endpoint-url http://127.0.0.1:4566

A token, and what it opens:
  curl --aws-sigv4 aws:amz:us-east-1:execute-api --user local:local --json \\
    '{\"claims\":{\"sub\":\"test-user\"}}' http://127.0.0.1:3000/token
  curl -H 'Authorization: Bearer …' http://127.0.0.1:3000/whoami";

/// Runs until it is told to stop.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    match crate::block_on(serve(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => crate::fault(&*error),
    }
}

async fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    // Before anything is started, so that nothing is left behind by an early Ctrl-C.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let template = fs::read_to_string(&arguments.template).map_err(|error| {
        let name = arguments.template.display();
        io::Error::new(error.kind(), format!("{name}: {error}; name another with --template"))
    })?;
    if let Some(folder) = &arguments.state {
        fs::create_dir_all(folder).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", folder.display()))
        })?;
    }
    let mut settings = Settings::from_environment();
    let spelling = settings.reject_misspelled();
    settings.finish(spelling)?;
    let options = Options {
        port: arguments.port,
        kms_port: arguments.kms_port,
        kms_address: arguments.kms_address,
        region: arguments.region,
        bootstrap: function::bootstrap()?,
        state: arguments.state,
        parameters: arguments.parameter_overrides.into_iter().collect(),
        overrides: overrides(),
    };
    let stack = tokio::select! {
        stack = Stack::start(&template, &options) => stack?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let told = async {
        introduce(&stack, &options.region)?;
        report(stack.gateway.follow(), stack.journal.follow()).await
    };
    tokio::select! {
        told = told => told?,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // Nobody may be left to read it.
    let _ = writeln!(io::stdout(), "stopped");
    Ok(())
}

/// The settings of the functions that this process was given for them.
fn overrides() -> BTreeMap<String, String> {
    let names = SETTINGS.into_iter().map(|setting| setting.name);
    let set = names.filter_map(|name| Some((name.to_owned(), env::var(name).ok()?)));
    set.collect()
}

fn introduce(stack: &Stack, region: &str) -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "API  http://{}", stack.gateway.address())?;
    for route in stack.gateway.routes() {
        writeln!(out, "     {route}")?;
    }
    writeln!(out, "KMS  http://{}  ({region})\n", stack.kms.address())?;
    writeln!(out, "An AWS_IAM route wants the form of a SigV4 signature, which is not checked.")?;
    writeln!(out, "Ctrl-C stops everything.\n")?;
    stack.journal.recent().iter().try_for_each(complain)
}

/// One line for each request, and what a function says when something is wrong with it.
async fn report(mut exchanges: Receiver<Exchange>, mut lines: Receiver<Line>) -> io::Result<()> {
    loop {
        tokio::select! {
            exchange = exchanges.recv() => match exchange {
                Ok(Exchange { method, path, status, why, took, .. }) => {
                    let took = took.as_secs_f64() * 1000.0;
                    // The client wrote the path: it must not command the terminal.
                    let path = path.escape_debug();
                    writeln!(io::stdout(), "{method:<4} {path}  {status}  {why}  {took:.1} ms")?;
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
            line = lines.recv() => match line {
                Ok(line) => complain(&line)?,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

fn complain(line: &Line) -> io::Result<()> {
    if line.level().as_deref() == Some("INFO") {
        return Ok(());
    }
    writeln!(io::stdout(), "     {}: {}", line.function, line.text.escape_debug())
}

fn parameter(argument: &str) -> Result<(String, String), &'static str> {
    let (name, value) = argument.split_once('=').ok_or("a parameter is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
