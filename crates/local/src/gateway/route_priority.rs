//! The selection of one of several matching routes.

/// The priority of a resource for a path without its first slash, by segment: lower values first. `None` if the path
/// does not match.
pub(super) fn rank(resource: &str, path: &str) -> Option<Vec<u8>> {
    let mut segments = path.split('/');
    let mut rank = Vec::new();
    for pattern in resource.trim_start_matches('/').split('/') {
        let parameter = pattern.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
        match parameter {
            Some(name) if name.ends_with('+') => {
                segments.next().filter(|segment| !segment.is_empty())?;
                rank.push(2);
                return Some(rank);
            }
            Some(_) => {
                segments.next().filter(|segment| !segment.is_empty())?;
                rank.push(1);
            }
            None => {
                segments.next().filter(|segment| *segment == pattern)?;
                rank.push(0);
            }
        }
    }
    segments.next().is_none().then_some(rank)
}
