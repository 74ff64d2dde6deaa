//! The log groups of a template, which do not exist on this machine.

use crate::{
    account::ACCOUNT,
    partition::Partition,
    template::{Resolver, Template},
};

/// Defines the ARNs of the log groups.
pub(super) fn define_log_groups(template: &Template, resolver: &mut Resolver, region: &str) {
    let partition = Partition::of_region(region);
    for (id, _) in template.resources("AWS::Logs::LogGroup") {
        let arn = partition.arn("logs", region, ACCOUNT, &format!("log-group:{id}"));
        resolver.define_attribute(id, "Arn", arn);
    }
}
