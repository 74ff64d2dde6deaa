use rotation::RotationTiming;
use runtime::{Settings, table};

/// Reads the waiting times of a rotation from the settings that the functions share. `None` means that a problem
/// was noted in `settings`.
pub fn read_timing(settings: &mut Settings) -> Option<RotationTiming> {
    let (Some(publication), Some(lifetime_max), Some(leeway), Some(refresh)) = (
        settings.duration(&table::PUBLICATION_WAIT_SECONDS),
        settings.duration(&table::TOKEN_LIFETIME_MAX_SECONDS),
        settings.duration(&table::CLOCK_LEEWAY_SECONDS),
        settings.duration(&table::KEY_REFRESH_SECONDS),
    ) else {
        return None;
    };
    match RotationTiming::new(publication, lifetime_max, leeway, refresh) {
        Ok(timing) => Some(timing),
        Err(problem) => settings.problem(&table::PUBLICATION_WAIT_SECONDS, problem),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_that_would_invalidate_a_token_are_refused() {
        let rows = [
            ("defaults", vec![], Ok((9000, 600 + 300 + 60 + 3600))),
            (
                "longer lifetime and leeway",
                vec![("TOKEN_LIFETIME_MAX_SECONDS", "86400"), ("CLOCK_LEEWAY_SECONDS", "60")],
                Ok((9000, 600 + 300 + 60 + 86_400 + 60)),
            ),
            (
                "shortest publication wait",
                vec![("PUBLICATION_WAIT_SECONDS", "1260")],
                Ok((1260, 4560)),
            ),
            (
                "publication wait too short",
                vec![("PUBLICATION_WAIT_SECONDS", "1259")],
                Err(
                    "PUBLICATION_WAIT_SECONDS must be at least 1260 seconds, so that every verifier \
                     knows a key before it signs",
                ),
            ),
            (
                "publication wait too short for the refresh",
                vec![("KEY_REFRESH_SECONDS", "8100")],
                Err(
                    "PUBLICATION_WAIT_SECONDS must be at least 9060 seconds, so that every verifier \
                     knows a key before it signs",
                ),
            ),
            (
                "leeway above the authorizer's maximum",
                vec![("CLOCK_LEEWAY_SECONDS", "301")],
                Err("CLOCK_LEEWAY_SECONDS must be from 0 to 300 seconds"),
            ),
        ];
        for (name, values, expected) in rows {
            let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let mut settings: Settings = values.into_iter().map(owned).collect();
            let timing = read_timing(&mut settings);
            let read = timing
                .map(|timing| (timing.publication().as_secs(), timing.retirement().as_secs()));
            let read = settings.finish(read).map_err(|error| error.to_string());
            assert_eq!(read, expected.map_err(str::to_owned), "{name}");
        }
    }
}
