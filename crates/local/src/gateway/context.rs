//! What all APIs of a stack share.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::broadcast;

use super::Exchange;
use crate::lambda::{FunctionLogs, HostedFunction};

/// What all APIs of a stack share.
#[derive(Debug, Clone)]
pub struct GatewayContext {
    /// The Region in ARNs.
    pub region: String,
    /// The functions by the names in their ARNs.
    pub functions: BTreeMap<String, Arc<HostedFunction>>,
    /// The logs of the functions.
    pub logs: FunctionLogs,
    /// The completed requests of all APIs.
    pub exchanges: broadcast::Sender<Exchange>,
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
