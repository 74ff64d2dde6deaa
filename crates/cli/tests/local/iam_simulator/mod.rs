//! An independent IAM simulator makes the same decisions as the local IAM: on each role of the template and on other
//! principals, for each operation of KMS, on each kind of key and alias.

mod principals;
mod requests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use local::{Stack, kms::Kms};
use serde_json::{Value, json};

use self::{
    principals::{Caller, callers_with_conditions, callers_with_roles, other_callers},
    requests::{OF_OTHER_RING, Ring, requests},
};
use crate::{
    TEMPLATE,
    interop::{is_installed, run_program},
    principals::token_endpoint_settings,
    public_keys::Signer,
    to_text, with_parameters,
};

const ADMINISTRATORS: &str =
    "arn:aws:iam::000000000000:role/teams/security,arn:aws:iam::000000000000:user/ops/ann";

/// The `KeySpec` of the ring, with the parameters of the template.
const STACKS: [(&str, &[(&str, &str)]); 2] = [
    ("RSA_2048", &[("RotationDays", "90")]),
    (
        "ECC_NIST_P256",
        &[
            ("RotationDays", "90"),
            ("KeyAdministrators", ADMINISTRATORS),
            ("CopiedTagKeys", "team,cost center"),
            ("KeySpec", "ECC_NIST_P256"),
            ("SigningAlgorithm", "ES256"),
            ("NextSigningAlgorithm", "ML-DSA-65"),
            ("ApiGatewayLogsRole", "create"),
            ("TokenEndpoint", "yes"),
        ],
    ),
];

/// The distinct decisions of the local IAM, with the policies that they depend on.
#[derive(Default)]
struct Decisions {
    identity_policies: Vec<Value>,
    key_policies: Vec<String>,
    rows: Vec<Value>,
    /// The rows without their request.
    known: BTreeSet<String>,
    /// The numbers of denied and allowed rows by action.
    counts: BTreeMap<String, [usize; 2]>,
}

impl Decisions {
    /// Adds the decisions on every request of a caller.
    fn add(&mut self, kms: &Kms, caller: &Caller, ring: &Ring) {
        for operation in Kms::operations() {
            self.add_operation(kms, caller, operation, ring);
        }
    }

    /// Adds the decisions on every request of an operation.
    fn add_operation(&mut self, kms: &Kms, caller: &Caller, operation: &str, ring: &Ring) {
        let policies = caller.policies.iter();
        let identity: Vec<_> =
            policies.map(|policy| index(&mut self.identity_policies, policy)).collect();
        for request in requests(operation, ring) {
            let decisions = kms.access_decisions(&caller.name, operation, &request).unwrap();
            for decision in decisions {
                let key_policy = decision.key_policy.as_ref();
                let mut row = json!({
                    "principal": decision.principal,
                    "identity": identity,
                    "keyPolicy": key_policy.map(|policy| index(&mut self.key_policies, policy)),
                    "action": decision.action,
                    "resource": decision.resource,
                    "context": decision.context,
                    "isAllowed": decision.is_allowed,
                });
                if self.known.insert(row.to_string()) {
                    let counts = self.counts.entry(decision.action).or_default();
                    counts[usize::from(decision.is_allowed)] += 1;
                    row["request"] = json!(format!("{}: {operation} {request}", caller.name));
                    self.rows.push(row);
                }
            }
        }
    }

    /// The input of the simulator.
    fn to_input(&self) -> Value {
        let key_policies = self.key_policies.iter();
        let key_policies: Vec<Value> =
            key_policies.map(|policy| serde_json::from_str(policy).unwrap()).collect();
        json!({
            "identityPolicies": self.identity_policies,
            "keyPolicies": key_policies,
            "rows": self.rows,
        })
    }
}

/// The index of a policy, which is added if it is new.
fn index<T: Clone + PartialEq>(policies: &mut Vec<T>, policy: &T) -> usize {
    policies.iter().position(|known| known == policy).unwrap_or_else(|| {
        policies.push(policy.clone());
        policies.len() - 1
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn independent_simulator_decides_like_the_local_iam() {
    let import = ["--input-type=module", "-e", "import '@cloud-copilot/iam-simulate'"];
    if !is_installed("node", &import) {
        return;
    }
    let template = fs::read_to_string(TEMPLATE).unwrap();
    let mut decisions = Decisions::default();
    for (number, (spec, parameters)) in STACKS.into_iter().enumerate() {
        let settings = token_endpoint_settings(&Signer::new());
        let settings = settings.each_ref().map(|(name, value)| (*name, &**value));
        let options = with_parameters(parameters, &settings);
        let stack = Stack::start(&template, &options).await.unwrap();
        let kms = &stack.kms;
        let roles = callers_with_roles(&stack);
        let ring = Ring::new(kms, spec);
        // At rest, then with other keys under the names.
        for targets in [[0, 0, OF_OTHER_RING], [1, 1, 1], [1, 2, OF_OTHER_RING]] {
            ring.point(kms, targets);
            for caller in &roles {
                decisions.add(kms, caller, &ring);
            }
        }
        // The policies of the other callers do not depend on aliases.
        for caller in other_callers(kms) {
            decisions.add(kms, &caller, &ring);
        }
        if number == 0 {
            for (operation, caller) in callers_with_conditions(kms) {
                decisions.add_operation(kms, &caller, operation, &ring);
            }
        }
    }
    for operation in Kms::operations() {
        let counts = decisions.counts.get(&format!("kms:{operation}"));
        let has_both = counts.is_some_and(|counts| counts.iter().all(|count| *count > 0));
        assert!(has_both, "{operation}: denied and allowed: {counts:?}");
    }
    let input = decisions.to_input().to_string();
    let output = run_program("node", &["iam-simulate.js"], input.as_bytes());
    let report = to_text(&output.stdout);
    println!("{report}");
    assert!(output.status.success(), "{report}{}", to_text(&output.stderr));
    assert!(report.starts_with(&format!("{} rows: ", decisions.rows.len())), "{report}");
}
