use jwt::json;
use serde::Serialize;

use crate::{Access, Kind, Request, Route, Rules};

/// An IAM policy, as API Gateway takes it from an authorizer.
///
/// It depends on the token and the rules alone, and says of every route of the stage what is to
/// become of it: API Gateway may keep it, and use it for another route than it was asked about.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    action: &'static str,
    effect: Effect,
    resource: Resources,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
enum Resources {
    One(String),
    Several(Vec<String>),
}

impl Resources {
    /// How long it is as JSON.
    fn bytes(&self) -> usize {
        match self {
            Self::One(resource) => json::text_bytes(resource),
            Self::Several(resources) => {
                json::around(resources.len())
                    + resources.iter().map(|it| json::text_bytes(it)).sum::<usize>()
            }
        }
    }
}

impl Statement {
    fn bytes(&self) -> usize {
        let effect = match self.effect {
            Effect::Allow => r#""Allow""#,
            Effect::Deny => r#""Deny""#,
        };
        let rest = r#"{"Action":"execute-api:Invoke","Effect":,"Resource":}"#;
        rest.len() + effect.len() + self.resource.bytes()
    }
}

impl Policy {
    /// How long it is as JSON: counted, as writing it would take longer.
    pub(crate) fn bytes(&self) -> usize {
        let rest = r#"{"Version":"2012-10-17","Statement":}"#.len();
        let statements = self.statement.iter().map(Statement::bytes).sum::<usize>();
        rest + json::around(self.statement.len()) + statements
    }

    /// What these rules let the token do; without rules, everything.
    pub(crate) fn new(request: &Request, rules: Option<&Rules>, access: Option<&Access>) -> Self {
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
        let statement = [(Effect::Allow, allow), (Effect::Deny, deny)];
        let statement = statement.into_iter().filter_map(|(effect, resources)| {
            let arn = |resource: String| request.stage.resource(&resource);
            let mut resources: Vec<_> = resources.into_iter().map(arn).collect();
            let resource = match resources.len() {
                0 => return None,
                1 => Resources::One(resources.remove(0)),
                _ => Resources::Several(resources),
            };
            Some(Statement { action: "execute-api:Invoke", effect, resource })
        });
        Self { version: "2012-10-17", statement: statement.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_that_are_written() {
        let statement = |effect, resources: &[&str]| {
            let mut resources: Vec<_> = resources.iter().map(|&it| it.to_owned()).collect();
            let several = resources.len() != 1;
            let resource = if several {
                Resources::Several(resources)
            } else {
                Resources::One(resources.remove(0))
            };
            Statement { action: "execute-api:Invoke", effect, resource }
        };
        let rows = [
            vec![],
            vec![statement(Effect::Allow, &["arn:aws:execute-api:eu-west-1:1:a/test/*/*"])],
            vec![statement(Effect::Deny, &["\"quoted\"", "ü", "\u{1}"])],
            vec![statement(Effect::Allow, &["a", "b"]), statement(Effect::Deny, &["c"])],
        ];
        for statement in rows {
            let policy = Policy { version: "2012-10-17", statement };
            assert_eq!(policy.bytes(), serde_json::to_string(&policy).unwrap().len(), "{policy:?}");
        }
    }
}
