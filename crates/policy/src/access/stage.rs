use super::Route;

/// The ARN of a stage of an API: `arn:aws:execute-api:us-east-1:123456789012:abcdef123/test`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage(String);

/// The text is not the ARN of a method or route in a stage of an API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the ARN of a method or route in a stage")]
pub struct InvalidArn;

impl Stage {
    /// The stage and the route of a request's `methodArn` or `routeArn`, such as
    /// `arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request`.
    ///
    /// # Errors
    /// If it is the ARN of something else, or if a part before the path is empty or has a wildcard.
    pub fn of_request(arn: &str) -> Result<(Self, Route), InvalidArn> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let &["arn", partition, "execute-api", region, account, method] = &*parts else {
            return Err(InvalidArn);
        };
        let mut parts = method.splitn(3, '/');
        let (Some(api), Some(stage), Some(rest)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidArn);
        };
        let names = [partition, region, account, api, stage];
        // A wildcard in one of these would widen the policy beyond the stage.
        let has_wildcard = |name: &str| name.contains(['*', '?']);
        if names.iter().any(|name| name.is_empty() || has_wildcard(name)) {
            return Err(InvalidArn);
        }
        let route = match rest.split_once('/') {
            Some((method, path)) => {
                Route::Http { method: method.to_owned(), path: path.to_owned() }
            }
            None if rest.starts_with('$') && !has_wildcard(rest) => Route::Key(rest.to_owned()),
            None => return Err(InvalidArn),
        };
        let stage = format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}");
        Ok((Self(stage), route))
    }

    /// The ARN of a resource of the stage: `GET/orders`, `*/*` or `$connect`.
    #[must_use]
    pub fn resource(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request";

    #[test]
    fn stage_is_read_from_a_request_arn_or_refused() {
        let stage = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test";
        let rows = [
            ("a method", ARN.to_owned(), Some(stage)),
            ("the root", format!("{stage}/GET/"), Some(stage)),
            (
                "a path with colons, wildcards and dots",
                format!("{stage}/GET/a:b/../*/%2A/?x"),
                Some(stage),
            ),
            (
                "another partition",
                "arn:aws-cn:execute-api:cn-north-1:1:a/$default/GET/x".into(),
                Some("arn:aws-cn:execute-api:cn-north-1:1:a/$default"),
            ),
            ("no method", stage.into(), None),
            ("no stage", "arn:aws:execute-api:us-east-1:1:a".into(), None),
            ("an empty stage", "arn:aws:execute-api:us-east-1:1:a//GET/x".into(), None),
            ("a wildcard as the stage", "arn:aws:execute-api:us-east-1:1:a/*/GET/x".into(), None),
            ("a route key", format!("{stage}/$connect"), Some(stage)),
            ("a route key with a wildcard", format!("{stage}/$*"), None),
            ("a method without a path", format!("{stage}/GET"), None),
            ("another service", "arn:aws:lambda:us-east-1:1:a/test/GET/x".into(), None),
            ("empty", String::new(), None),
        ];
        for (name, arn, expected) in rows {
            let expected = expected.map(|stage| Stage(stage.into())).ok_or(InvalidArn);
            assert_eq!(Stage::of_request(&arn).map(|(stage, _)| stage), expected, "{name}");
        }
    }
}
