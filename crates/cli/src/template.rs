/// The SAM template of this version.
pub(crate) const TEMPLATE: &str = include_str!("../../../template.yaml");
