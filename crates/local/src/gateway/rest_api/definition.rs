//! A REST API: its methods and gateway responses.

use std::collections::BTreeMap;

use super::{integration::Integration, lambda_authorizer::LambdaAuthorizer};
use crate::gateway::{properties::StaticHeaders, route_priority::rank};

/// A stage of a REST API.
#[derive(Debug, Clone)]
pub(super) struct ApiDefinition {
    pub(super) stage: String,
    pub(super) routes: Vec<ApiRoute>,
    /// The customized gateway responses by response type.
    pub(super) responses: BTreeMap<String, CustomResponse>,
}

/// A method of a resource.
#[derive(Debug, Clone)]
pub(super) struct ApiRoute {
    pub(super) method: String,
    /// The path of the resource with its path parameters, for example `/orders/{id}`.
    pub(super) resource: String,
    pub(super) authorization: MethodAuthorization,
    pub(super) integration: Integration,
}

/// The authorization type of a method.
#[derive(Debug, Clone)]
pub(super) enum MethodAuthorization {
    Open,
    Iam,
    Lambda(LambdaAuthorizer),
}

/// A customized gateway response: its status and additional headers.
#[derive(Debug, Clone, Default)]
pub(super) struct CustomResponse {
    pub(super) status: Option<u16>,
    pub(super) headers: StaticHeaders,
}

impl ApiDefinition {
    /// Selects the route for a path as API Gateway does: a literal segment has priority over a path parameter, a
    /// path parameter over a greedy one, and the method over ANY. One slash at the end of the path does not count.
    pub(super) fn route(&self, method: &str, path: &str) -> Option<&ApiRoute> {
        let path = without_outer_slashes(path);
        let matching = self.routes.iter().filter_map(|route| {
            let rank = rank(&route.resource, path)?;
            (route.method == method || route.method == "ANY")
                .then_some(((rank, route.method == "ANY"), route))
        });
        matching.min_by(|(first, _), (second, _)| first.cmp(second)).map(|(_, route)| route)
    }

    /// Whether a resource has this path, with any method.
    pub(super) fn has_path(&self, path: &str) -> bool {
        let path = without_outer_slashes(path);
        self.routes.iter().any(|route| rank(&route.resource, path).is_some())
    }
}

/// The path without its first slash and without one at its end.
fn without_outer_slashes(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

impl ApiRoute {
    /// The route for display.
    pub(super) fn describe(&self) -> String {
        let authorization = match &self.authorization {
            MethodAuthorization::Open => "open",
            MethodAuthorization::Iam => "AWS_IAM",
            MethodAuthorization::Lambda(authorizer) => &authorizer.function,
        };
        format!("{} {} ({authorization})", self.method, self.resource)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_route_with_the_highest_priority_is_selected() {
        let resources = ["/", "/a", "/a/{id}", "/a/b", "/a/{id}/c", "/{proxy+}"];
        let routes = resources.map(|resource| ApiRoute {
            method: "GET".into(),
            resource: resource.into(),
            authorization: MethodAuthorization::Open,
            integration: Integration::Function("F".into()),
        });
        let api =
            ApiDefinition { stage: "v1".into(), routes: routes.into(), responses: BTreeMap::new() };
        let rows = [
            ("/", Some("/")),
            ("/a", Some("/a")),
            ("/a/b", Some("/a/b")),
            ("/a/x", Some("/a/{id}")),
            ("/a/b/c", Some("/a/{id}/c")),
            ("/a/b/d", Some("/{proxy+}")),
            ("/x", Some("/{proxy+}")),
            ("/a/", Some("/a")),
            ("/a/b/", Some("/a/b")),
            ("/a/x/", Some("/a/{id}")),
            ("//", None),
            ("//a", None),
            ("///a", None),
            ("/a//", Some("/{proxy+}")),
        ];
        for (path, expected) in rows {
            let route = api.route("GET", path);
            assert_eq!(route.map(|route| &*route.resource), expected, "{path}");
            assert!(api.route("POST", path).is_none());
            assert_eq!(api.has_path(path), expected.is_some(), "{path}");
        }
    }
}
