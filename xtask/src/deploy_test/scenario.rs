//! The deployments of this tree.

use serde_json::Value;

use super::{
    callers,
    conditions::{Conditions, own_tag_keys},
    custom_domain, demo,
    deployment::{Context, Deployment},
    layer,
    observability::Observability,
    packages::Packages,
    released_package, requests,
    stack::{KEY_REFRESH_SECONDS, ROTATION_SETTINGS, Stack},
    steps::{accepted, issued, keys, outcome, published, step},
    table::Table,
    token_endpoint,
    users::User,
};
use crate::error::Error;

/// Deployments of the packages of this tree.
pub(super) struct Scenario<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) packages: &'a Packages,
}

/// The effects of the defaults of the template.
pub(super) const DEFAULTS: Conditions<'_> = Conditions {
    key_policy: Some("Administer Read Sign"),
    algorithm: "",
    algorithms: "RSASSA_PKCS1_V1_5_SHA_256",
    authorizer: "Verify ReadTheRing",
    copied_tags: None,
    tracing: ("Active", "Log Trace"),
    sets_logs_role: false,
    boundary: "",
    other_callers: "",
};

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/boundary";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alarms";

impl<'a> Scenario<'a> {
    pub(super) fn run(&self, table: &mut Table) -> Result<(), Error> {
        let Some((defaults, deployment)) = self.defaults(table)? else { return Ok(()) };
        released_package::check(self.context, table)?;
        self.other_values(table, &defaults)?;
        self.long_name(table)?;
        self.algorithms(table)?;
        token_endpoint::check(self.context, self.packages, table)?;
        callers::check(self.context, self.packages, table)?;
        self.refused(table)?;
        self.again(table, defaults, &deployment)
    }

    /// Without parameters.
    fn defaults(&self, table: &mut Table) -> Result<Option<(Stack<'a>, Deployment)>, Error> {
        table.part("Defaults");
        let deployment = Deployment::new("defaults");
        let Some(mut stack) = self.deploy(table, &deployment)? else { return Ok(None) };
        table.check("the ring", "A A A", stack.ring()?);
        DEFAULTS.check(self.context, table, "defaults", &stack)?;
        table.check("NamesAlias: KeyAlias", "alias/defaults", stack.output("KeyAlias")?);
        let observability =
            Observability { of: &deployment, topic: "", rotates: false, token_endpoint: false };
        observability.check(self.context, self.packages, table)?;
        table.check(
            "IssuerIsOwnUrl: the issuer",
            stack.output("ApiUrl")?,
            stack.output("TokenIssuer")?,
        );
        requests::check(self.context, table, &stack)?;

        let token = issued(table, &stack, "the key that signs", 'A')?;
        let changed = deployment
            .clone()
            .tagged("environment", "test")
            .with("Settings", "LogRetentionDays=30");
        self.update(table, &mut stack, &changed)?;
        table.check("the ring after a changed tag and parameter", "A A A", stack.ring()?);
        let retention = log_retention(self.context, "/aws/lambda/defaults-issuer")?;
        table.check("Settings: LogRetentionDays", 30, retention);
        accepted(table, &stack, "the token from before", &token, 200)?;
        Ok(Some((stack, changed)))
    }

    /// Each condition of the template with the other value, next to the stack with the defaults.
    fn other_values(&self, table: &mut Table, defaults: &Stack<'_>) -> Result<(), Error> {
        table.part("Other values, next to the stack with the defaults");
        let administrator = User::create(self.context, "administrator", &["*"], "*")?;
        let operator = User::create(self.context, "operator-2", &["*"], "*")?;
        let role = "arn:aws:iam::123456789012:role/deployer";
        let everything = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}"#;
        let create = ["iam", "create-policy", "--policy-name", "boundary", "--policy-document"];
        self.context.aws.call(&[&create[..], &[everything]].concat())?;
        let settings = format!(
            "{ROTATION_SETTINGS},Tracing=PassThrough,PermissionsBoundary={BOUNDARY},\
             CallerAccounts=111122223333+444455556666,CallerOrganization=o-a1b2c3d4e5"
        );
        let deployment = Deployment::new("other")
            .with("KeyAlias", "alias/another/ring")
            .with("KeyAdministrators", &format!("{},{role}", administrator.arn))
            .with("NextSigningAlgorithm", "ES256")
            .with("TokenIssuer", "https://issuer.example")
            .with("Verification", "local")
            .with("RotationDays", "30")
            .with("Settings", &settings)
            .with("CopiedTagKeys", "environment,team")
            .with("ApiGatewayLogsRole", "create")
            .tagged("environment", "test")
            .tagged("team", "a");
        let Some(mut stack) = self.deploy(table, &deployment)? else { return Ok(()) };
        table.check("the ring", "A A A", stack.ring()?);
        let conditions = Conditions {
            key_policy: Some("Administer Rotate Read Sign"),
            algorithms: "RSASSA_PKCS1_V1_5_SHA_256 ECDSA_SHA_256",
            authorizer: "ReadTheRing",
            copied_tags: Some(&["environment", "team"]),
            tracing: ("PassThrough", "Log"),
            sets_logs_role: true,
            boundary: BOUNDARY,
            other_callers: "OtherRoutes CallersOfAccounts CallersOfOrganization",
            ..DEFAULTS
        };
        conditions.check(self.context, table, "other", &stack)?;
        table.check("NamesAlias: KeyAlias", "alias/another/ring", stack.output("KeyAlias")?);
        let observability =
            Observability { of: &deployment, topic: TOPIC, rotates: true, token_endpoint: false };
        observability.check(self.context, self.packages, table)?;
        custom_domain::check(self.context, self.packages, table, &stack)?;
        table.check(
            "IssuerIsOwnUrl: the issuer",
            "https://issuer.example",
            stack.output("TokenIssuer")?,
        );
        let old = issued(table, &stack, "the key that signs", 'A')?;
        accepted(table, &stack, "its token, verified without KMS", &old, 200)?;
        accepted(table, defaults, "that token at the other stack", &old, 401)?;
        let other = issued(table, defaults, "the key of the other stack", 'A')?;
        accepted(table, &stack, "the token of the other stack", &other, 401)?;

        let alias = format!("{}-previous", deployment.alias());
        let update = ["kms", "update-alias", "--alias-name", &alias, "--target-key-id"];
        let update = [&update[..], &[stack.output("KeyArn")?]].concat();
        let found = operator.call(self.context, &update)?;
        table.check("an alias moved by a user with every permission", "AccessDenied", found);
        let found = administrator.call(self.context, &update)?;
        table.check("an alias moved by a key administrator", "allowed", found);
        table.not_evaluated(
            "sam deploy by a principal that is not a key administrator",
            "an error",
            "CloudFormation creates keys without the permissions of a principal",
        );
        self.rotate(table, &mut stack, &deployment, &administrator)
    }

    /// A rotation with a changed tag in it, and one to another algorithm.
    fn rotate(
        &self,
        table: &mut Table,
        stack: &mut Stack<'_>,
        deployment: &Deployment,
        administrator: &User,
    ) -> Result<(), Error> {
        let old = issued(table, stack, "the key that signs", 'A')?;
        step(table, stack, "prepare", "A B A")?;
        let tags = ["countersign:ring=alias/another/ring", "environment=test", "team=a"];
        let own = own_tag_keys(self.context.workspace)?;
        let is_own = |tag: &str| own.iter().any(|key| tag.split('=').next() == Some(key));
        let mut found = stack.key('B')?.1;
        // The values of the other tags that the rotator sets are not known here.
        found.retain(|tag| tags.contains(&&**tag) || !is_own(tag));
        found.sort();
        table.check("tags of the next key", tags.join(" "), found.join(" "));
        published(table, stack, "A B")?;
        step(table, stack, "promote", "B B A")?;
        let new = issued(table, stack, "the key that signs after promote", 'B')?;
        let changed = deployment.clone().tagged("environment", "production");
        self.update(table, stack, &changed)?;
        table.check("the ring after a changed tag", "B B A", stack.ring()?);
        keys(table, stack, &[('A', "Enabled"), ('B', "Enabled")])?;
        accepted(table, stack, "a token of the new key", &new, 200)?;
        accepted(table, stack, "a token of the old key", &old, 200)?;
        step(table, stack, "retire", "B B B")?;
        keys(table, stack, &[('A', "Disabled"), ('B', "Enabled")])?;
        accepted(table, stack, "a token of the retired key", &old, 401)?;

        let rotated = self.rotate_to_p256(stack, &deployment.alias(), administrator)?;
        table.check("countersign key rotate --spec ECC_NIST_P256", "done", rotated);
        table.check("the ring after key rotate", "B C B", stack.ring()?);
        step(table, stack, "promote", "C C B")?;
        let (_, found) = stack.token_by("C")?;
        table.check("the key that signs after promote", "C", found);
        let token = stack.new_token()?;
        table.check(
            "alg",
            "ES256",
            token.as_ref().map_or("no token", |token| token.algorithm.as_str()),
        );
        accepted(table, stack, "its token", &('C', token.ok()), 200)?;
        accepted(table, stack, "a token of the key before", &new, 200)
    }

    /// The command of the documentation.
    fn rotate_to_p256(
        &self,
        stack: &Stack<'_>,
        alias: &str,
        administrator: &User,
    ) -> Result<String, Error> {
        let workspace = self.context.workspace;
        let command = workspace.command_at(&workspace.path("target/debug/countersign"));
        let command = command.args(["key", "rotate", alias, "--yes", "--spec", "ECC_NIST_P256"]);
        let command = command.args(["--retained-key", stack.output("KeyArn")?]);
        let command =
            command.args(["--publication-wait", "1260", "--key-refresh", KEY_REFRESH_SECONDS]);
        let mut command = command.into_command();
        command.envs(self.context.engine.variables(&administrator.credentials));
        let output = command.output();
        let output =
            output.map_err(|source| Error::Run { command: "countersign".into(), source })?;
        let problem = String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ");
        Ok(if output.status.success() { "done".into() } else { problem })
    }

    /// The longest name of a stack, an algorithm that is not the default of its key, and a tag that may not be copied.
    fn long_name(&self, table: &mut Table) -> Result<(), Error> {
        table.part("A stack name of 53 characters, and PS256");
        let rules = r#"[{"route": "GET /whoami", "scope": "read"}]"#;
        let name = long_name(53);
        let deployment = Deployment::new(&name)
            .with("SigningAlgorithm", "PS256")
            .with("RotationDays", "30")
            .with(
                "ConfigLayerArn",
                &layer::publish(self.context, "rules", &[("access-rules.json", rules)])?,
            )
            .tagged("environment", "test");
        let Some(stack) = self.deploy(table, &deployment)? else { return Ok(()) };
        let conditions = Conditions {
            algorithm: "PS256",
            algorithms: "RSASSA_PSS_SHA_256",
            copied_tags: Some(&[]),
            ..DEFAULTS
        };
        conditions.check(self.context, table, &name, &stack)?;
        requests::check_rules(table, &stack, "PS256")?;
        let found = stack.rotate()?;
        let found = if found.contains("AccessDenied") { "AccessDenied" } else { found.as_str() };
        table.check("prepare, with a tag that is not in CopiedTagKeys", "AccessDenied", found);
        table.check("the ring", "A A A", stack.ring()?);
        Ok(())
    }

    /// Kinds of keys with one algorithm.
    fn algorithms(&self, table: &mut Table) -> Result<(), Error> {
        table.part("Other kinds of keys");
        for (spec, algorithm) in [("ECC_NIST_EDWARDS25519", "Ed25519"), ("ML_DSA_44", "ML-DSA-44")]
        {
            let name = algorithm.to_ascii_lowercase();
            let deployment = Deployment::new(&name).with("KeySpec", spec);
            let deployment = deployment.with("SigningAlgorithm", algorithm);
            match deployment.run(self.context, self.packages)? {
                Err(reason) if reason.contains("is not supported in this emulator") => {
                    table.not_evaluated(format!("sam deploy, {spec}"), "done", reason);
                }
                deployed => {
                    table.check(format!("sam deploy, {spec}"), "done", outcome(&deployed));
                    let Ok(outputs) = deployed else { continue };
                    let mut stack = Stack::new(self.context, &deployment, outputs);
                    demo::deploy(self.context, self.packages, table, &mut stack)?;
                    token(table, &stack, algorithm)?;
                }
            }
        }
        Ok(())
    }

    /// Parameters and names that do not fit.
    fn refused(&self, table: &mut Table) -> Result<(), Error> {
        table.part("Deployments that are refused");
        let rows = [
            ("KeySpec", "ECC_NIST_P256", "A key of this KeySpec does not support SigningAlgorithm"),
            ("KeyAlias", "alias/aws/kms", "not alias/aws/"),
            ("Settings", "PublicationWaitSeconds=60", "none, or NAME=VALUE"),
            ("Settings", "TokenLifetimeSecond=60", "none, or NAME=VALUE"),
            ("KeyAlias", "alias/refused", "With KeyAlias, Settings must be none or a list"),
        ];
        for (name, value, reason) in rows {
            let deployment = Deployment::new("refused").with(name, value);
            self.refuse(table, &format!("{name}={value}"), &deployment, reason)?;
        }
        let (reason, name) = ("has more than 64 characters", long_name(54));
        let row = "a stack name of 54 characters";
        self.refuse(table, row, &Deployment::new(&name), reason)?;
        let row = "TokenEndpoint=yes, a stack name of 52 characters";
        let deployment = Deployment::new(&long_name(52)).with("TokenEndpoint", "yes");
        self.refuse(table, row, &deployment, reason)
    }

    fn refuse(
        &self,
        table: &mut Table,
        row: &str,
        deployment: &Deployment,
        reason: &str,
    ) -> Result<(), Error> {
        let deployed = deployment.run(self.context, self.packages)?;
        let found = outcome(&deployed);
        let found = if found.contains(reason) { reason } else { found };
        table.check(row, reason, found);
        Ok(())
    }

    /// The stack, and its demo.
    fn deploy(
        &self,
        table: &mut Table,
        deployment: &Deployment,
    ) -> Result<Option<Stack<'a>>, Error> {
        let deployed = deployment.run(self.context, self.packages)?;
        table.check("sam deploy", "done", outcome(&deployed));
        let Ok(outputs) = deployed else { return Ok(None) };
        let mut stack = Stack::new(self.context, deployment, outputs);
        demo::deploy(self.context, self.packages, table, &mut stack)?;
        Ok(Some(stack))
    }

    pub(super) fn update(
        &self,
        table: &mut Table,
        stack: &mut Stack<'_>,
        deployment: &Deployment,
    ) -> Result<(), Error> {
        let deployed = deployment.run(self.context, self.packages)?;
        table.check("sam deploy", "done", outcome(&deployed));
        if let Ok(outputs) = deployed {
            stack.set_outputs(outputs);
        }
        Ok(())
    }
}

/// The name of a stack with so many characters.
fn long_name(characters: usize) -> String {
    "a-name-".repeat(10).chars().take(characters).collect()
}

/// The retention of a log group, in days.
fn log_retention(context: &Context<'_>, group: &str) -> Result<String, Error> {
    let describe = ["logs", "describe-log-groups", "--log-group-name-prefix", group];
    let described = context.aws.call(&describe)?;
    let retention = described.pointer("/logGroups/0/retentionInDays");
    Ok(retention.map_or_else(|| "none".into(), Value::to_string))
}

/// A token, its algorithm, and whether the authorizer accepts it.
fn token(table: &mut Table, stack: &Stack<'_>, algorithm: &str) -> Result<(), Error> {
    let token = stack.new_token()?;
    let found = match &token {
        Ok(token) => token.algorithm.clone(),
        Err(status) => format!("status {status}"),
    };
    table.check("alg of a token", algorithm, found);
    accepted(table, stack, "the token", &('A', token.ok()), 200)
}
