/// Where AWS has KMS.
pub(crate) fn endpoint(region: &str, fips: bool, dual_stack: bool) -> String {
    let service = if fips { "kms-fips" } else { "kms" };
    let partition = PARTITIONS.iter().find(|(start, ..)| region.starts_with(start));
    let (_, domain, both) = partition.unwrap_or(&PUBLIC);
    let domain = if dual_stack { both } else { domain };
    format!("https://{service}.{region}.{domain}")
}

/// The partitions of AWS by the names of their Regions, with the domain of endpoints for IPv4 and of
/// those for IPv6 too.
const PARTITIONS: [(&str, &str, &str); 6] = [
    ("cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    ("eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    ("eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    ("us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];
const PUBLIC: (&str, &str, &str) = ("", "amazonaws.com", "api.aws");

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use super::*;

    #[tokio::test]
    async fn endpoints_are_those_of_the_sdk() {
        let regions = [
            "us-east-1",
            "us-gov-west-1",
            "eu-central-2",
            "ap-southeast-7",
            "ca-west-1",
            "mx-central-1",
            "il-central-1",
            "cn-north-1",
            "cn-northwest-1",
            "us-iso-east-1",
            "us-iso-west-1",
            "us-isob-east-1",
            "eu-isoe-west-1",
            "us-isof-south-1",
            "us-isof-east-1",
            "eusc-de-east-1",
            "somewhere",
        ];
        for region in regions {
            for (fips, dual_stack) in [(false, false), (true, false), (false, true), (true, true)] {
                let params = Params::builder().region(region).use_fips(fips);
                let params = params.use_dual_stack(dual_stack).build().unwrap();
                let expected = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
                assert_eq!(endpoint(region, fips, dual_stack), expected.url(), "{region}");
            }
        }
    }
}
