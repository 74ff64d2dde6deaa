use aws_lambda_events::{
    apigw::ApiGatewayCustomAuthorizerPolicy,
    iam::{IamPolicyEffect, IamPolicyStatement},
};

use super::{Access, AccessRules, Api, ForbidReason, Route, Stage};

/// The request that a policy answers.
#[derive(Debug, Clone, Copy)]
pub struct PolicyRequest<'a> {
    /// The kind of API that asks.
    pub api: Api,
    /// The stage that the policy is for.
    pub stage: &'a Stage,
    /// The route that is asked about.
    pub route: &'a Route,
}

/// The IAM policy for a token: what the rules let it do; without rules, everything.
///
/// It depends on the token and the rules alone and covers every route of the stage: API Gateway may
/// keep it and use it for another route than it was asked about. A path that is closed for its spelling is
/// denied beside that, as no policy can say all of its spellings.
#[must_use]
pub fn policy(
    request: PolicyRequest<'_>,
    rules: Option<(&AccessRules, &Access)>,
    reason: Option<ForbidReason>,
) -> ApiGatewayCustomAuthorizerPolicy {
    let (named, everything) = (named(request), everything(request));
    let (allow, mut deny) = match rules {
        Some((rules, access)) => {
            let has_paths = request.api != Api::WebSocket;
            let (mut allow, deny) =
                if has_paths { rules.resources(access) } else { Default::default() };
            let keys = rules.open_keys(access).into_iter();
            let is_wanted = |key: &String| request.api == Api::Http || Some(key) == named.as_ref();
            allow.extend(keys.filter(is_wanted));
            (allow, deny)
        }
        None => (everything.clone(), Vec::new()),
    };
    if let Some(ForbidReason::AmbiguousPath | ForbidReason::ClosedSpelling) = reason
        && let Route::Http { method, path } = request.route
    {
        deny.push(exactly(request, method, path));
    }
    // A policy that allows nothing still has to say something.
    let deny = if allow.is_empty() { everything } else { deny };
    document(request, [(IamPolicyEffect::Allow, allow), (IamPolicyEffect::Deny, deny)])
}

/// The policy that denies every route of the stage.
#[must_use]
pub fn deny_all(request: PolicyRequest<'_>) -> ApiGatewayCustomAuthorizerPolicy {
    document(request, [(IamPolicyEffect::Deny, everything(request))])
}

/// The name of the route, if that is all it has.
fn named(request: PolicyRequest<'_>) -> Option<String> {
    match request.route {
        Route::Key(name) => Some(name.clone()),
        Route::Http { .. } => None,
    }
}

/// All that can be asked about. A WebSocket has one route that is asked about; any other API has methods and
/// paths, though an HTTP API's ARN may have the name of its default route in their place.
fn everything(request: PolicyRequest<'_>) -> Vec<String> {
    let paths = (request.api != Api::WebSocket).then(|| "*/*".to_owned());
    paths.into_iter().chain(named(request)).collect()
}

fn document<const N: usize>(
    request: PolicyRequest<'_>,
    statements: [(IamPolicyEffect, Vec<String>); N],
) -> ApiGatewayCustomAuthorizerPolicy {
    let mut policy = ApiGatewayCustomAuthorizerPolicy::default();
    policy.version = Some(VERSION.to_owned());
    for (effect, resources) in statements {
        if !resources.is_empty() {
            let mut statement = IamPolicyStatement::default();
            statement.action = vec![ACTION.to_owned()];
            statement.effect = effect;
            statement.resource = resources.iter().map(|it| request.stage.resource(it)).collect();
            policy.statement.push(statement);
        }
    }
    policy
}

/// A resource for one path. What means something in a policy (`*`, `?`, `${`) or cannot stand in an ARN is
/// replaced by `?`, which is any one character.
fn exactly(request: PolicyRequest<'_>, method: &str, path: &str) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@%/".contains(*c);
    let replace = |c: char| if fits(&c) { c } else { '?' };
    let name: String = format!("{method}/{path}").chars().map(replace).collect();
    let room = MAX_ARN.saturating_sub(request.stage.resource("").len());
    if name.len() <= room {
        return name;
    }
    name.chars().take(room.saturating_sub(1)).chain(['*']).collect()
}

/// What API Gateway takes as the ARN of a resource.
const MAX_ARN: usize = 512;
/// The version of the policy language.
const VERSION: &str = "2012-10-17";
/// The one action that API Gateway asks about.
const ACTION: &str = "execute-api:Invoke";
