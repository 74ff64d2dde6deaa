//! The local KMS differs from the documentation of KMS only as `interop/kms_differences.py` explains.

use std::process::Command;

use local::kms::Kms;
use tokio::{net::TcpListener, task::spawn_blocking};

use crate::{
    interop::{folder, is_installed},
    to_text,
};

#[tokio::test(flavor = "multi_thread")]
async fn local_kms_behaves_as_documented() {
    let has_boto3 = is_installed("python3", &["-c", "import boto3"]);
    if !has_boto3 || !is_installed("aws", &["--version"]) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kms = Kms::start(listener, "us-east-1", None).unwrap();
    let mut script = Command::new("python3");
    script.arg(folder().join("kms_differences.py")).arg(format!("http://{}", kms.address()));
    let output = spawn_blocking(move || script.output().unwrap()).await.unwrap();
    let table = to_text(&output.stdout);
    // With --nocapture, the differences and their explanations.
    println!("{table}");
    assert!(output.status.success(), "{table}{}", to_text(&output.stderr));
    // An early end of the script would compare little.
    let (_, summary) = table.trim_end().rsplit_once('\n').unwrap();
    let comparisons: u32 = summary.split(' ').next().unwrap().parse().unwrap();
    assert!(comparisons > 500, "{summary}");
}
