use aws_lambda_events::{
    apigw::ApiGatewayCustomAuthorizerPolicy,
    iam::{IamPolicyEffect, IamPolicyStatement},
};

use crate::{Access, Kind, Request, Route, Rules};

/// The IAM policy for a token: what the rules let it do; without rules, everything.
///
/// It depends on the token and the rules alone and covers every route of the stage: API Gateway may
/// keep it and use it for another route than it was asked about.
pub(crate) fn policy(
    request: &Request,
    rules: Option<&Rules>,
    access: Option<&Access>,
) -> ApiGatewayCustomAuthorizerPolicy {
    let named = match &request.route {
        Route::Key(name) => Some(name.clone()),
        Route::Http { .. } => None,
    };
    // A WebSocket has one route that is asked about; any other API has methods and paths, though
    // an HTTP API's ARN may have the name of its default route in their place.
    let paths = request.kind != Kind::WebSocket;
    let everything: Vec<_> =
        paths.then(|| "*/*".to_owned()).into_iter().chain(named.clone()).collect();
    let (allow, deny) = match (rules, access) {
        (Some(rules), Some(access)) => {
            let (mut allow, deny) =
                if paths { rules.resources(access) } else { Default::default() };
            let keys = rules.open_keys(access).into_iter();
            let http = matches!(request.kind, Kind::Http1 | Kind::Http2);
            allow.extend(keys.filter(|key| http || Some(key) == named.as_ref()));
            (allow, deny)
        }
        _ => (everything.clone(), Vec::new()),
    };
    // A policy that allows nothing still has to say something.
    let deny = if allow.is_empty() { everything } else { deny };
    let mut policy = ApiGatewayCustomAuthorizerPolicy::default();
    policy.version = Some(VERSION.to_owned());
    for (effect, resources) in [(IamPolicyEffect::Allow, allow), (IamPolicyEffect::Deny, deny)] {
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

/// The version of the policy language.
const VERSION: &str = "2012-10-17";
/// The one action that API Gateway asks about.
const ACTION: &str = "execute-api:Invoke";
