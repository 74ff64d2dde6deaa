use aws_smithy_runtime_api::{
    client::{
        http::{HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpConnector},
        orchestrator::{HttpRequest, HttpResponse},
        result::ConnectorError,
    },
    http::HttpError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream, timeout::TimeoutConfig};
use aws_types::SdkConfig;

use crate::{connector::Connector, outgoing::Outgoing, retries::components};

/// What takes a signed request to KMS, and its answer back.
pub(crate) enum Carrier {
    Own(Connector),
    Sdk(SharedHttpConnector),
}

impl Carrier {
    /// The HTTP client that a configuration names.
    pub(crate) fn of(config: &SdkConfig) -> Result<Self, &'static str> {
        let client = config.http_client().ok_or("goes with an HTTP client")?;
        let components = components().build().map_err(|_| "cannot be used")?;
        let timeouts = config.timeout_config();
        let mut settings = HttpConnectorSettings::builder();
        settings.set_connect_timeout(timeouts.and_then(TimeoutConfig::connect_timeout));
        settings.set_read_timeout(timeouts.and_then(TimeoutConfig::read_timeout));
        Ok(Self::Sdk(client.http_connector(&settings.build(), &components)))
    }

    pub(crate) async fn carry(
        &self,
        request: &Outgoing<'_>,
    ) -> Result<HttpResponse, ConnectorError> {
        match self {
            Self::Own(connector) => connector.carry(request).await,
            Self::Sdk(connector) => Box::pin(through(connector, request)).await,
        }
    }
}

async fn through(
    connector: &SharedHttpConnector,
    request: &Outgoing<'_>,
) -> Result<HttpResponse, ConnectorError> {
    let request = to_sdk(request).map_err(|error| ConnectorError::user(error.into()))?;
    let mut response = connector.call(request).await?;
    if response.body().bytes().is_none() {
        let body = ByteStream::new(response.take_body()).collect().await;
        // What breaks off is no answer.
        let body = body.map_err(|error| ConnectorError::io(error.into()))?;
        *response.body_mut() = SdkBody::from(body.into_bytes());
    }
    Ok(response)
}

fn to_sdk(request: &Outgoing<'_>) -> Result<HttpRequest, HttpError> {
    let Outgoing { method, target, headers, body } = request;
    let mut request = HttpRequest::new(SdkBody::from(*body));
    request.set_method(method)?;
    request.set_uri(format!("{}{}", target.place, target.path))?;
    for &(name, value) in *headers {
        request.headers_mut().try_append(name.to_owned(), value.to_owned())?;
    }
    Ok(request)
}
