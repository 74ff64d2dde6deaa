//! The integrations of REST APIs.

use serde_json::Value;

use crate::{
    gateway::{
        mapping_template::MappingTemplate,
        properties::{
            StaticHeaders, either, function_name, members, missing, static_value, unsupported,
        },
    },
    template::{TemplateError, text},
};

/// The integration of a method.
#[derive(Debug, Clone)]
pub(super) enum Integration {
    Function(String),
    Mock { status: u16, headers: StaticHeaders, body: MappingTemplate },
}

impl Integration {
    /// Reads the property `Integration` of a method, or the extension `x-amazon-apigateway-integration` of OpenAPI.
    pub(super) fn read(integration: &Value) -> Result<Self, TemplateError> {
        let kind = either(integration, "Type").map(text).unwrap_or_default();
        match &*kind.to_ascii_uppercase() {
            "AWS_PROXY" => {
                let uri = either(integration, "Uri").ok_or_else(|| missing("Uri"))?;
                Ok(Self::Function(function_name(&text(uri))?))
            }
            "MOCK" => Self::mock(integration),
            _ => Err(TemplateError(
                "only integrations of the types aws_proxy and mock are supported on this machine"
                    .into(),
            )),
        }
    }

    fn mock(integration: &Value) -> Result<Self, TemplateError> {
        let response = match integration.get("IntegrationResponses") {
            None => integration.pointer("/responses/default"),
            Some(Value::Array(responses)) if responses.len() > 1 => {
                return Err(unsupported("a mock with more than one response"));
            }
            Some(responses) => responses.get(0),
        };
        let response = response.ok_or_else(|| missing("default response of a mock"))?;
        let templates = either(response, "ResponseTemplates").unwrap_or(&Value::Null);
        let body = templates.get("application/json").map(text).unwrap_or_default();
        let status = either(response, "StatusCode").map(text).and_then(|text| text.parse().ok());
        let headers = members(either(response, "ResponseParameters"));
        let headers = headers.filter_map(|(name, value)| {
            let name = name.strip_prefix("method.response.header.")?;
            Some((name.to_owned(), static_value(value)))
        });
        Ok(Self::Mock {
            status: status.ok_or_else(|| missing("numeric statusCode"))?,
            headers: headers.collect(),
            body: MappingTemplate::parse(&body)?,
        })
    }
}
