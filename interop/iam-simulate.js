// Compares decisions of the local IAM with those of another implementation of IAM.
//
// Standard input: {"identityPolicies": [document, ...], "keyPolicies": [document, ...], "rows": [row, ...]}.
// A row is {principal, identity: [index, ...], keyPolicy: index or null, action, resource,
// context: {condition key: [value, ...]}, isAllowed, request}.
//
// The simulator is licensed under the AGPL. It runs in this program only, and this program only in tests.
import { createValidatedPolicy, validateIdentityPolicy, validateResourcePolicy } from "@cloud-copilot/iam-policy";
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { text } from "node:stream/consumers";

const input = JSON.parse(await text(process.stdin));
const identityPolicies = input.identityPolicies.map((policy) => createValidatedPolicy(policy, validateIdentityPolicy));
const keyPolicies = input.keyPolicies.map((policy) => createValidatedPolicy(policy, validateResourcePolicy));

const account = (principal) => principal.split(":")[4];

// The caller's policies alone decide on RetireGrant ("Retiring and revoking grants" in the KMS developer guide),
// and on TagResource of a key that CreateKey is about to create. For the simulator, a key always has a policy.
const delegatingPolicy = (principal) => ({
  Version: "2012-10-17",
  Statement: {
    Effect: "Allow",
    Principal: { AWS: `arn:aws:iam::${account(principal)}:root` },
    Action: "kms:*",
    Resource: "*",
  },
});

function resourcePolicy({ principal, keyPolicy, resource }) {
  if (keyPolicy !== null) return keyPolicies[keyPolicy];
  return resource.includes(":key/") ? delegatingPolicy(principal) : undefined;
}

async function findDifference(row) {
  const { principal, action } = row;
  // The resource is the retiring principal ("ListRetirableGrants" in the KMS API reference). The simulator
  // accepts no resource for this action.
  const resource = action === "kms:ListRetirableGrants" ? "*" : row.resource;
  const context = Object.entries(row.context).filter(([, values]) => values.length > 0);
  const simulation = {
    request: {
      principal,
      action,
      resource: { resource, accountId: account(principal) },
      contextVariables: Object.fromEntries(context),
    },
    identityPolicies: row.identity.map((index) => ({ name: `${index}`, policy: identityPolicies[index] })),
    resourcePolicy: resourcePolicy(row),
    serviceControlPolicies: [],
    resourceControlPolicies: [],
  };
  const response = await runSimulation(simulation, {});
  if (response.resultType !== "single") return JSON.stringify(response);
  const { ignoredContextKeys } = response.result;
  if (ignoredContextKeys.length > 0) return `IAM does not define ${ignoredContextKeys} for ${action}`;
  const isAllowed = response.overallResult === "Allowed";
  return isAllowed === row.isAllowed ? undefined : `the simulator decides ${response.overallResult}`;
}

const differences = [];
for (const row of input.rows) {
  const difference = await findDifference(row);
  if (difference) differences.push(`${difference}: ${JSON.stringify(row)}`);
}
const allowed = input.rows.filter((row) => row.isAllowed).length;
console.log(
  `${input.rows.length} rows: ${allowed} allowed, ${input.rows.length - allowed} denied, ${differences.length} differences`,
);
for (const difference of differences.slice(0, 20)) console.log(difference);
process.exitCode = differences.length > 0 ? 1 : 0;
