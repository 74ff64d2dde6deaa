//! Arbitrary text as an event of the authorizer. The resource of a policy does not leave the stage of the event.

#![no_main]

use authorizer::AuthorizerEvent;
use libfuzzer_sys::fuzz_target;
use policy::access::Route;

fuzz_target!(|text: &str| {
    let Ok(request) = text.parse::<AuthorizerEvent>() else { return };
    let resource = request.stage.resource("*/*");
    let stage =
        resource.strip_suffix("/*/*").expect("the resource ends with all methods and paths");
    assert!(stage.starts_with("arn:") && !stage.contains(['*', '?']));
    assert_eq!(stage.splitn(6, ':').count(), 6);
    if let Route::Key(name) = &request.route {
        assert!(name.starts_with('$') && !name.contains(['*', '?', '/']));
    }
});
