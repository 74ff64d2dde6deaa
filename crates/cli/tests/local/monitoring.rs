//! The alarms and the dashboard of deploy/observability.yaml use metrics that the functions publish.

use std::{collections::BTreeSet, fs};

use local::{Bytes, Request, Stack, http, template::Template};
use serde_json::{Value, json};
use testing::{InjectFaults, InjectedFault};

use crate::{ALIAS, SIGV4, TEMPLATE, log_lines, with_parameters};

const OBSERVABILITY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/observability.yaml");

/// The name of a metric, and its dimensions with their values.
type Series = (String, Vec<(String, String)>);

async fn send(stack: &Stack, path: &str, authorization: &str, body: &str) -> Value {
    let request = if body.is_empty() { Request::get(path) } else { Request::post(path) };
    let request = request
        .header("content-type", "application/json")
        .header("x-amz-date", "20261123T000000Z")
        .header("authorization", authorization)
        .body(Bytes::from(body.to_owned()));
    let answer = http::send(stack.gateway.address(), request.unwrap()).await.unwrap();
    serde_json::from_slice(answer.body()).unwrap_or_default()
}

/// The metrics of a log line (embedded metric format).
fn series(line: &Value) -> Vec<Series> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut all = Vec::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        assert_eq!(directive["Namespace"], "Countersign");
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{line}");
            for set in directive["Dimensions"].as_array().unwrap() {
                let value = |name: String| {
                    let value = line[&name].as_str().unwrap().to_owned();
                    (name, value)
                };
                all.push((name.to_owned(), texts(set).into_iter().map(value).collect()));
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn alarms_and_dashboard_name_published_metrics() {
    let text = fs::read_to_string(TEMPLATE).unwrap();
    let rules = r#"[{"route": "GET /whoami", "scope": "read"}]"#;
    let parameters = [("RotationDays", "90"), ("Settings", "SignatureCacheSeconds=60")];
    let options = with_parameters(&parameters, &[("ACCESS_RULES", rules)]);
    let stack = Stack::start(&text, &options).await.unwrap();
    for scope in ["read", "write"] {
        let claims = json!({"claims": {"sub": "a", "scope": scope}}).to_string();
        let answer = send(&stack, "/token", SIGV4, &claims).await;
        let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
        // Before the signature is cached.
        stack.kms.inject(Some(InjectedFault::Error("ThrottlingException")));
        send(&stack, "/whoami", &bearer, "").await;
        stack.kms.inject(None);
        send(&stack, "/whoami", &bearer, "").await;
    }
    send(&stack, "/whoami", "Bearer x", "").await;
    stack.functions["Rotator"].invoke(&json!({})).await.result.unwrap();
    let mut lines = Vec::new();
    for (function, count) in [("Issuer", 2), ("Authorizer", 5), ("Rotator", 1)] {
        lines.extend(log_lines(&stack, function, count).await);
    }
    assert_eq!(lines.len(), 8, "one line per request: {lines:#?}");
    let published: BTreeSet<Series> = lines.iter().flat_map(series).collect();
    let names: BTreeSet<&str> = published.iter().map(|(name, _)| &**name).collect();

    let text = fs::read_to_string(OBSERVABILITY).unwrap();
    let template = Template::parse(&text).unwrap();
    let given = [("RotatedAlias".to_owned(), ALIAS.to_owned())];
    let resolver = template.resolver("us-east-1", &given.into()).unwrap();
    let mut metrics = 0;
    for (id, alarm) in template.resources("AWS::CloudWatch::Alarm") {
        let alarm = resolver.resolve(&alarm["Properties"]).unwrap();
        let own = |metric: &&Value| metric["Namespace"] == "Countersign";
        let in_math = alarm["Metrics"].as_array().into_iter().flatten();
        let in_math = in_math.map(|metric| &metric["MetricStat"]["Metric"]);
        for metric in in_math.chain([&alarm]).filter(own) {
            let dimension = |dimension: &Value| {
                let text = |name: &str| dimension[name].as_str().unwrap().to_owned();
                (text("Name"), text("Value"))
            };
            let dimensions = metric["Dimensions"].as_array().into_iter().flatten().map(dimension);
            let watched = (metric["MetricName"].as_str().unwrap().to_owned(), dimensions.collect());
            assert!(published.contains(&watched), "{id}: {watched:?} is not in {published:#?}");
            metrics += 1;
        }
    }
    // Every metric of the file was checked.
    assert_eq!(metrics, text.matches("Namespace: Countersign\n").count());

    let (_, dashboard) = template.resources("AWS::CloudWatch::Dashboard").next().unwrap();
    let body = resolver.resolve(&dashboard["Properties"]["DashboardBody"]).unwrap();
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let mut shown = Vec::new();
    for widget in body["widgets"].as_array().unwrap() {
        let properties = &widget["properties"];
        for metric in properties["metrics"].as_array().into_iter().flatten() {
            if metric[0] == "Countersign" {
                shown.push(metric[1].as_str().unwrap());
            }
        }
        if let Some(query) = properties["query"].as_str() {
            let outcomes: BTreeSet<_> =
                lines.iter().filter_map(|line| line["outcome"].as_str()).collect();
            let wanted = ["Rejected", "Forbidden", "Fault"];
            assert!(wanted.iter().all(|name| outcomes.contains(name)), "{outcomes:?}");
            assert!(query.contains(&format!("outcome in ['{}']", wanted.join("', '"))), "{query}");
        }
    }
    assert!(shown.iter().all(|name| names.contains(name)), "{shown:?} {names:?}");
    assert_eq!(shown.len(), text.matches(r#"["Countersign", "#).count());
}

#[test]
fn dashboard_url_leads_to_the_console_of_the_partition() {
    let template = Template::parse(&fs::read_to_string(OBSERVABILITY).unwrap()).unwrap();
    for (region, console) in [
        ("us-east-1", Some("console.aws.amazon.com")),
        ("cn-north-1", Some("console.amazonaws.cn")),
        ("us-gov-west-1", Some("console.amazonaws-us-gov.com")),
        ("eusc-de-east-1", Some("console.amazonaws-eusc.eu")),
        ("us-iso-east-1", None),
        ("us-isob-east-1", None),
        ("eu-isoe-west-1", None),
        ("us-isof-south-1", None),
    ] {
        let mut resolver = template.resolver(region, &[].into()).unwrap();
        resolver.define("Dashboard", json!("name"));
        let output = template.section("Outputs").find(|(name, _)| *name == "DashboardUrl");
        let (_, output) = output.unwrap();
        let exists = resolver.resolve(&json!({"Fn::If": [output["Condition"], true, false]}));
        assert_eq!(exists.unwrap(), console.is_some(), "{region}");
        if let Some(console) = console {
            let url = resolver.resolve(&output["Value"]).unwrap();
            let path = format!("cloudwatch/home?region={region}#dashboards/dashboard/name");
            assert_eq!(url, format!("https://{region}.{console}/{path}"));
        }
    }
}
