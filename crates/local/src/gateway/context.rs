//! The common context of all APIs of a stack, and their reports of requests.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio::sync::broadcast;
use uuid::Uuid;

use crate::lambda::{FunctionLogs, HostedFunction};

/// The common context of all APIs of a stack.
#[derive(Debug, Clone)]
pub struct GatewayContext {
    /// The Region in ARNs.
    pub region: String,
    /// The functions by the names in their ARNs.
    pub functions: BTreeMap<String, Arc<HostedFunction>>,
    /// The logs of the functions.
    pub logs: FunctionLogs,
    /// The completed requests of all APIs.
    pub exchanges: broadcast::Sender<CompletedRequest>,
}

/// A completed request, for display.
#[derive(Debug, Clone)]
pub struct CompletedRequest {
    /// The request id, which is the header `x-amzn-requestid` of the response.
    pub id: Uuid,
    /// The method.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The status of the response.
    pub status: u16,
    /// The reason for the status, from the log of the function or from the gateway.
    pub reason: String,
    /// The time from the last byte of the request to the first byte of the response.
    pub duration: Duration,
}

impl GatewayContext {
    /// The context of these functions, without requests so far.
    #[must_use]
    pub fn new(
        region: &str,
        functions: BTreeMap<String, Arc<HostedFunction>>,
        logs: FunctionLogs,
    ) -> Self {
        let exchanges = broadcast::Sender::new(256);
        Self { region: region.to_owned(), functions, logs, exchanges }
    }
}
