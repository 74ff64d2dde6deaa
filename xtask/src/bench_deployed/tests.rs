//! A whole run, with a script in place of the AWS CLI.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use clap::Parser;
use serde_json::{Value, json};

use super::{Arguments, measure};
use crate::aws::tests::Script;

#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

fn arguments(options: &[&str]) -> Arguments {
    CommandLine::parse_from(["bench-deployed"].iter().chain(options)).arguments
}

/// An API that responds to all requests of one connection with this status. The URL has its address.
fn api(status: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/whoami", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        // A request ends with an empty line.
        for _ in lines.map_while(Result::ok).filter(String::is_empty) {
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        }
    });
    url
}

/// AWS with a stack and its demo. Its issuer gives one token, and both functions have one log, of three invocations.
fn aws(name: &str, whoami_url: &str) -> Script {
    let arn = |function: &str| format!("arn:aws:lambda:eu-west-1:123456789012:function:{function}");
    let output = |name: &str, value: &str| json!({"OutputKey": name, "OutputValue": value});
    let outputs =
        [output("IssuerArn", &arn("issuer")), output("AuthorizerArn", &arn("authorizer"))];
    let stack = json!({"Stacks": [{"StackName": "orders", "Outputs": outputs}]});
    let demo = json!({"Stacks": [{"Outputs": [output("WhoamiUrl", whoami_url)]}]});
    let function = json!({"MemorySize": 256, "Architectures": ["arm64"]});
    // The payload is {"jti":"mine"}.
    let token = json!({"access_token": "e30.eyJqdGkiOiJtaW5lIn0.c2ln"});
    let row = |text: String| json!([{"field": "@message", "value": text}]);
    let rows: Vec<Value> = (0..3)
        .flat_map(|number| {
            let record =
                json!({"requestId": number.to_string(), "jti": "mine", "coldStart": number == 0});
            let report = format!(
                "REPORT RequestId: {number}\tDuration: 2.00 ms\tBilled Duration: 2 ms\t\
                    Max Memory Used: 21 MB\t"
            );
            [row(record.to_string()), row(report)]
        })
        .collect();
    let results = json!({"status": "Complete", "results": rows});
    let text = format!(
        "case $2 in
        describe-stacks)
            case $4 in orders) answer='{stack}';; orders-demo | other) answer='{demo}';; *) exit 254;; esac;;
        get-function-configuration) answer='{function}';;
        invoke) cat > /dev/null; printf '%s' '{token}'; answer='{{\"StatusCode\": 200}}';;
        start-query) answer='{{\"queryId\": \"q\"}}';;
        get-query-results) answer='{results}';;
        esac
        printf '%s\\n' \"$answer\""
    );
    Script::new(name, &text)
}

#[test]
fn stack_is_measured() {
    let script = aws("stack", &api("200 OK"));
    let options = ["--stack-name", "orders", "--requests", "3", "--tokens", "1", "--json"];
    let printed = measure(&script.aws, &arguments(&options)).unwrap();
    let report: Value = serde_json::from_str(&printed).unwrap();
    let at = |pointer: &str| report.pointer(pointer).unwrap().clone();
    assert_eq!((at("/stack"), at("/region")), (json!("orders"), json!("eu-west-1")));
    assert_eq!(at("/responses/200/count"), 3);
    assert_eq!(at("/authorizer/invocations"), json!({"found": 3, "expected": 3}));
    assert_eq!(at("/authorizer/cold_starts"), 1);
    assert_eq!(at("/issuer/duration_warm_ms"), json!({"p50": 2.0, "p90": 2.0, "p99": 2.0}));
}

#[test]
fn requests_that_are_all_refused_are_an_error() {
    let url = api("401 Unauthorized");
    let script = aws("refused", &url);
    let options = ["--stack-name", "orders", "--requests", "3", "--tokens", "1"];
    let error = measure(&script.aws, &arguments(&options)).unwrap_err();
    assert_eq!(error.to_string(), format!("{url}: no response is 200 or 403, but 3 × 401"));
}

#[test]
fn requests_go_to_the_url_of_the_demo_or_another() {
    let rows = [
        (&[][..], "http://127.0.0.1:1/demo"),
        (&["--demo-stack-name", "other"], "http://127.0.0.1:1/demo"),
        (&["--url", "http://127.0.0.1:1/mine"], "http://127.0.0.1:1/mine"),
        (&["--demo-stack-name", "missing"], "--url"),
    ];
    for (options, expected) in rows {
        let script = aws("url", "http://127.0.0.1:1/demo");
        let options = [&["--stack-name", "orders", "--requests", "1", "--tokens", "1"], options];
        let error = measure(&script.aws, &arguments(&options.concat())).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let both = ["bench-deployed", "--url", "http://127.0.0.1:1", "--demo-stack-name", "other"];
    assert!(CommandLine::try_parse_from(both).is_err());
}

#[test]
fn claims_that_are_not_an_object_are_refused() {
    let parse = |claims| CommandLine::try_parse_from(["bench-deployed", "--claims", claims]);
    assert!(parse(r#"{"sub": "a"}"#).is_ok());
    let error = parse("[]").err().unwrap().to_string();
    assert!(error.contains("invalid value '[]' for '--claims <JSON>'"), "{error}");
}
