/// The SAM template of this version.
pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");

/// The settings that the template reads from files of its layer, with the contents of the files.
pub(crate) const CONFIGURATION: [(&str, &str); 3] = [
    ("ACCESS_RULES", include_str!("../../../layer/config/access-rules.json")),
    ("ISSUANCE_POLICY", include_str!("../../../layer/config/issuance-policy.json")),
    ("REVOCATIONS", include_str!("../../../layer/config/revocations.json")),
];
