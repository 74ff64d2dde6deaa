//! REST APIs at one address.

use hyper::{Request, body::Bytes};
use uuid::Uuid;

use super::RestApi;
use crate::gateway::explained_response::ExplainedResponse;

/// REST APIs at one address. Each keeps its authorizers, its policy cache and its gateway responses.
#[derive(Debug)]
pub(in crate::gateway) struct RestApis {
    first: RestApi,
    /// Their paths are those that no API before them has.
    others: Vec<RestApi>,
}

impl RestApis {
    pub(in crate::gateway) fn new(first: RestApi) -> Self {
        Self { first, others: Vec::new() }
    }

    /// Adds the paths of an API that no other API has.
    pub(in crate::gateway) fn add(&mut self, mut api: RestApi) {
        api.api.routes.retain(|route| self.with_path(&route.resource).is_none());
        self.others.push(api);
    }

    /// Responds to a request for a path of no API as the first API does.
    pub(in crate::gateway) async fn respond(
        &self,
        id: Uuid,
        request: Request<Bytes>,
    ) -> ExplainedResponse {
        let api = self.with_path(request.uri().path()).unwrap_or(&self.first);
        api.respond(id, request).await
    }

    /// The routes for display.
    pub(in crate::gateway) fn describe_routes(&self) -> Vec<String> {
        self.all().flat_map(RestApi::describe_routes).collect()
    }

    fn with_path(&self, path: &str) -> Option<&RestApi> {
        self.all().find(|api| api.api.has_path(path))
    }

    fn all(&self) -> impl Iterator<Item = &RestApi> {
        [&self.first].into_iter().chain(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{gateway::GatewayContext, lambda::FunctionLogs};

    #[test]
    fn paths_are_those_of_the_first_api_that_has_them() {
        let api = |operations: &[(&str, &str)]| {
            let operation = |(method, path): &(&str, &str)| {
                let function = format!("arn:aws:lambda:us-east-1:000000000000:function:{method}");
                let integration = json!({"type": "aws_proxy", "uri": function});
                let method = json!({*method: {"x-amazon-apigateway-integration": integration}});
                ((*path).to_owned(), method)
            };
            let paths: serde_json::Map<_, _> = operations.iter().map(operation).collect();
            let properties = json!({"StageName": "v1", "DefinitionBody": {"paths": paths}});
            let logs = FunctionLogs::default();
            let context = GatewayContext::new("us-east-1", BTreeMap::new(), logs);
            RestApi::new(&properties, context).unwrap()
        };
        let mut apis = RestApis::new(api(&[("post", "/a"), ("get", "/b/{id}")]));
        apis.add(api(&[("get", "/a"), ("get", "/b/c"), ("get", "/d"), ("get", "/b/c/d")]));
        apis.add(api(&[("put", "/d"), ("put", "/e")]));
        let routes = [
            "POST /a (open)",
            "GET /b/{id} (open)",
            "GET /b/c/d (open)",
            "GET /d (open)",
            "PUT /e (open)",
        ];
        assert_eq!(apis.describe_routes(), routes);
    }
}
