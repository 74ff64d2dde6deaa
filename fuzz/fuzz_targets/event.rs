//! Any text as an event for the authorizer: a policy's resource stays within one stage.

#![no_main]

use authorizer::AuthorizerEvent;
use libfuzzer_sys::fuzz_target;
use policy::access::Route;

fuzz_target!(|text: &str| {
    let Ok(request) = text.parse::<AuthorizerEvent>() else { return };
    let resource = request.stage.resource("*/*");
    let stage = resource.strip_suffix("/*/*").expect("all methods and paths");
    assert!(stage.starts_with("arn:") && !stage.contains(['*', '?']));
    assert_eq!(stage.splitn(6, ':').count(), 6);
    if let Route::Key(name) = &request.route {
        assert!(name.starts_with('$') && !name.contains(['*', '?', '/']));
    }
});
