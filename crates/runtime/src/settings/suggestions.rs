//! Suggestions for misspelled settings. A misspelled setting would have no effect: an audience would not be checked, or
//! a policy would not apply.

use super::table::SETTINGS;

/// The setting with the closest name: with few edits for its length, regardless of case, or without the unit. `None` for
/// the name of a setting and for a name that is not close to one.
#[must_use]
pub fn closest_setting(name: &str) -> Option<&'static str> {
    if name.starts_with("AWS_")
        || name == ALLOWED_LOOKALIKE
        || SETTINGS.iter().any(|setting| setting.name == name)
    {
        return None;
    }
    let max_edits = |setting: &str| setting.len() / LETTERS_PER_EDIT;
    let is_close = |setting: &str, edits: usize| {
        // Excludes most names by their length, without a comparison.
        name.len().abs_diff(setting.len()) <= edits
            && is_within(edits, name.as_bytes(), setting.as_bytes())
    };
    let lacks_unit = |setting: &str| {
        name.len() + UNIT.len() == setting.len()
            && setting.strip_suffix(UNIT).is_some_and(|start| name.eq_ignore_ascii_case(start))
    };
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .filter(|setting| is_close(setting, max_edits(setting)) || lacks_unit(setting))
        .min_by_key(|setting| {
            (0..max_edits(setting)).take_while(|edits| !is_close(setting, *edits)).count()
        })
}

/// Whether at most this many edits turn one name into the other: a letter inserted, deleted or replaced, or two adjacent
/// letters swapped.
fn is_within(edits: usize, one: &[u8], other: &[u8]) -> bool {
    let is_same = |a: &u8, b: &u8| a.eq_ignore_ascii_case(b);
    match (one, other) {
        ([], []) => return true,
        ([a, one @ ..], [b, other @ ..]) if is_same(a, b) => {
            return is_within(edits, one, other);
        }
        _ => {}
    }
    let Some(edits) = edits.checked_sub(1) else { return false };
    let swapped = match (one, other) {
        ([a, b, one @ ..], [c, d, other @ ..]) if is_same(a, d) && is_same(b, c) => {
            Some((one, other))
        }
        _ => None,
    };
    let (one_rest, other_rest) =
        (one.get(1..).unwrap_or_default(), other.get(1..).unwrap_or_default());
    let (deleted, inserted, replaced) =
        ((one_rest, other), (one, other_rest), (one_rest, other_rest));
    let edited = [Some(deleted), Some(inserted), Some(replaced), swapped];
    edited.into_iter().flatten().any(|(one, other)| is_within(edits, one, other))
}

/// Allows one edit in the shortest names of settings. With two, unrelated names would match.
const LETTERS_PER_EDIT: usize = 8;
/// A plausible variable of another program.
const ALLOWED_LOOKALIKE: &str = "ACCESS_ROLES";
const UNIT: &str = "_SECONDS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelled_name_has_a_suggestion() {
        let rows = [
            ("TOKEN_AUDIANCE", "TOKEN_AUDIENCE"),
            ("TOKEN_AUDIENCES", "TOKEN_AUDIENCE"),
            ("TOKEN_ISSUERS", "TOKEN_ISSUER"),
            ("TOKEN_ISSUER ", "TOKEN_ISSUER"),
            ("TOKEN_ISUSER", "TOKEN_ISSUER"),
            ("token_issuer", "TOKEN_ISSUER"),
            ("tokenIssuer", "TOKEN_ISSUER"),
            ("TOKEN-ISSUER", "TOKEN_ISSUER"),
            ("KEYALIAS", "KEY_ALIAS"),
            ("KEY_ALAIS", "KEY_ALIAS"),
            ("Key_Alias", "KEY_ALIAS"),
            ("VERIFICATON", "VERIFICATION"),
            ("VERIFICATIONS", "VERIFICATION"),
            ("ISSUENCE_POLICY", "ISSUANCE_POLICY"),
            ("ISSUANCE_POLICYS", "ISSUANCE_POLICY"),
            ("ACCESS_RULE", "ACCESS_RULES"),
            ("TOKEN_TIPE", "TOKEN_TYPE"),
            ("ROTATION_DAY", "ROTATION_DAYS"),
            ("HTTPAPIRESPONSE", "HTTP_API_RESPONSE"),
            ("SINGING_ALGORITM", "SIGNING_ALGORITHM"),
            ("CLOCK_LEEWAY_SECOND", "CLOCK_LEEWAY_SECONDS"),
            ("CLOCKLEEWAYSECONDS", "CLOCK_LEEWAY_SECONDS"),
            ("clock_leeway", "CLOCK_LEEWAY_SECONDS"),
            ("KEY_REFRESH", "KEY_REFRESH_SECONDS"),
            ("TOKEN_LIFETIME", "TOKEN_LIFETIME_SECONDS"),
            ("TOKEN_LIFETIME_MAX", "TOKEN_LIFETIME_MAX_SECONDS"),
            ("TokenLifetimeMaxSeconds", "TOKEN_LIFETIME_MAX_SECONDS"),
            ("TOKEN_LIVETIME_MIN_SECONDS", "TOKEN_LIFETIME_MAX_SECONDS"),
            ("TOKEN_LIFETIME_SECOND", "TOKEN_LIFETIME_SECONDS"),
            ("PUBLICATON_WIAT_SECOND", "PUBLICATION_WAIT_SECONDS"),
            ("WEBSOCKETTOKENPROTOCOLL", "WEBSOCKET_TOKEN_PROTOCOL"),
        ];
        for (name, setting) in rows {
            assert_eq!(closest_setting(name), Some(setting), "{name}");
        }
    }

    #[test]
    fn other_names_and_names_of_settings_have_no_suggestion() {
        let lambda = "AWS_LAMBDA_FUNCTION_NAME AWS_LAMBDA_FUNCTION_VERSION AWS_REGION _HANDLER TZ \
            AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_FORMAT AWS_EXECUTION_ENV _X_AMZN_TRACE_ID \
            AWS_XRAY_CONTEXT_MISSING AWS_XRAY_DAEMON_ADDRESS LAMBDA_TASK_ROOT LAMBDA_RUNTIME_DIR \
            PATH LD_LIBRARY_PATH LANG AWS_ACCESS_KEY AWS_ACCESS_RULES AWS_KEY_ALIAS";
        let ordinary = "HOME HOSTNAME PWD SHLVL TERM USER LC_ALL LOG_LEVEL RUST_LOG RUST_BACKTRACE \
            NODE_OPTIONS PYTHONPATH JAVA_TOOL_OPTIONS OTEL_SERVICE_NAME OTEL_TRACES_EXPORTER \
            OTEL_EXPORTER_OTLP_ENDPOINT OPENTELEMETRY_COLLECTOR_CONFIG_FILE DD_API_KEY DD_SITE \
            POWERTOOLS_SERVICE_NAME POWERTOOLS_METRICS_NAMESPACE SSL_CERT_FILE SSL_CERT_DIR NO_PROXY \
            HTTPS_PROXY HTTP_PROXY STAGE ENVIRONMENT TABLE_NAME BUCKET_NAME API_KEY API_URL";
        let similar = "KEY ALIAS KEY_ID KEY_ARN KMS_ALIAS KEY_ALIASES_TABLE TOKEN TOKENS TOKEN_TABLE \
            TOKEN_TTL TOKEN_TIME TOKEN_URL TOKEN_SECRET TOKEN_ENDPOINT ISSUER ISSUER_URL AUDIENCE \
            USER_TOKEN_ISSUER INSURANCE_POLICY POLICY RULES ACCESS_ROLES ACCESS_ROLES_TABLE ACCESS_TOKEN TYPE \
            CERTIFICATION NOTIFICATION VERIFICATION_URL DAYS RETENTION_DAYS LEEWAY CLOCK SECONDS \
            REFRESH_SECONDS LIFETIME_SECONDS SIGNING_KEY SIGNING HASHING_ALGORITHM HTTP_API_ID \
            HTTP_API_RESPONSE_TIME WEBSOCKET_URL WEBSOCKET_PROTOCOL";
        for name in [lambda, ordinary, similar].into_iter().flat_map(str::split_whitespace) {
            assert_eq!(closest_setting(name), None, "{name}");
        }
        for name in SETTINGS.map(|setting| setting.name) {
            assert_eq!(closest_setting(name), None, "{name}");
        }
        assert_eq!(closest_setting(""), None);
    }
}
