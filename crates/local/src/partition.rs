//! The partitions of AWS ("AWS Partitions" in the AWS fault isolation boundaries white paper).

/// A group of Regions with its own accounts and domain names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Partition {
    /// The name in ARNs.
    pub(crate) name: &'static str,
    /// The suffix of domain names.
    pub(crate) url_suffix: &'static str,
}

impl Partition {
    /// The partition of a Region. Unknown Regions are in the commercial partition, as in the SDKs.
    pub(crate) fn of_region(region: &str) -> Self {
        let found = PARTITIONS.into_iter().find(|(prefix, ..)| region.starts_with(prefix));
        let (_, name, url_suffix) = found.unwrap_or(("", "aws", "amazonaws.com"));
        Self { name, url_suffix }
    }

    /// An ARN of this partition.
    pub(crate) fn arn(self, service: &str, region: &str, account: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{account}:{resource}", self.name)
    }
}

/// The prefix of the names of Regions, the name of the partition and its suffix.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_have_a_partition() {
        let rows = [
            ("us-east-1", "aws", "amazonaws.com"),
            ("eu-central-1", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("local", "aws", "amazonaws.com"),
        ];
        for (region, name, url_suffix) in rows {
            assert_eq!(Partition::of_region(region), Partition { name, url_suffix }, "{region}");
        }
        let arn = Partition::of_region("cn-north-1").arn("iam", "", "000000000000", "root");
        assert_eq!(arn, "arn:aws-cn:iam::000000000000:root");
    }
}
