use aws_lambda_events::{
    apigw::ApiGatewayCustomAuthorizerPolicy,
    iam::{IamPolicyEffect, IamPolicyStatement},
};

use super::{Access, AccessRules, Api, ForbidReason, Route, Stage};

/// The request that a policy is the response to.
#[derive(Debug, Clone, Copy)]
pub struct PolicyRequest<'a> {
    /// The kind of API that the request was sent to.
    pub api: Api,
    /// The stage that the policy is for.
    pub stage: &'a Stage,
    /// The route of the request.
    pub route: &'a Route,
}

/// The IAM policy for a token: it allows what the rules open, or every route without rules.
///
/// The policy covers every route of the stage and depends only on the token and the rules, because API Gateway can
/// cache it and use it for another route. If `reason` is the spelling of the path, the policy
/// also denies its path: no policy can list every spelling.
///
/// A policy for a WebSocket API covers only the route of the request.
#[must_use]
pub fn policy(
    request: PolicyRequest<'_>,
    rules: Option<(&AccessRules, &Access)>,
    reason: Option<ForbidReason>,
) -> ApiGatewayCustomAuthorizerPolicy {
    let (route_key, every_route) = (route_key(request), every_route(request));
    let (allow, mut deny) = match rules {
        Some((rules, access)) => {
            let has_paths = request.api != Api::WebSocket;
            let (mut allow, deny) =
                if has_paths { rules.resources(access) } else { Default::default() };
            let keys = rules.open_keys(access).into_iter();
            let is_covered =
                |key: &String| request.api == Api::Http || Some(key) == route_key.as_ref();
            allow.extend(keys.filter(is_covered));
            (allow, deny)
        }
        None => (every_route.clone(), Vec::new()),
    };
    if reason.is_some_and(ForbidReason::is_about_the_path)
        && let Route::Http { method, path } = request.route
    {
        deny.push(path_resource(request, method, path));
    }
    // A policy must have a statement (IAM User Guide, "IAM JSON policy elements: Statement").
    let deny = if allow.is_empty() { every_route } else { deny };
    document(request, [(IamPolicyEffect::Allow, allow), (IamPolicyEffect::Deny, deny)])
}

/// The policy that denies every route of the stage.
#[must_use]
pub fn deny_all(request: PolicyRequest<'_>) -> ApiGatewayCustomAuthorizerPolicy {
    document(request, [(IamPolicyEffect::Deny, every_route(request))])
}

/// The name of the route of the request, if it has one.
fn route_key(request: PolicyRequest<'_>) -> Option<String> {
    match request.route {
        Route::Key(name) => Some(name.clone()),
        Route::Http { .. } => None,
    }
}

/// The resources of all routes that API Gateway can use the policy for. For a WebSocket API, this is the route of
/// the request. Any other API has methods and paths, and the ARN of an HTTP API can have `$default` in their place.
fn every_route(request: PolicyRequest<'_>) -> Vec<String> {
    let paths = (request.api != Api::WebSocket).then(|| "*/*".to_owned());
    paths.into_iter().chain(route_key(request)).collect()
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
            statement.resource =
                resources.iter().map(|name| request.stage.resource(name)).collect();
            policy.statement.push(statement);
        }
    }
    policy
}

/// The resource for the path of a request. Characters with a meaning in a policy (`*`, `?`, `${`) and those that an
/// ARN cannot have are replaced by `?`, which matches any one character. A path that is too long is cut and ends
/// with `*`.
fn path_resource(request: PolicyRequest<'_>, method: &str, path: &str) -> String {
    let is_literal = |c: &char| c.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@%/".contains(*c);
    let replace = |c: char| if is_literal(&c) { c } else { '?' };
    let name: String = format!("{method}/{path}").chars().map(replace).collect();
    let room = MAX_ARN.saturating_sub(request.stage.resource("").len());
    if name.len() <= room {
        return name;
    }
    name.chars().take(room.saturating_sub(1)).chain(['*']).collect()
}

/// The longest ARN that API Gateway accepts as a resource.
const MAX_ARN: usize = 512;
/// The version of the IAM policy language.
const VERSION: &str = "2012-10-17";
/// The action that API Gateway evaluates the policy for.
const ACTION: &str = "execute-api:Invoke";
