//! The JSON of requests about moderation: what is read is written again as the same value.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_protocol::moderation::{
    AuthorRequest, DecisionRequest, EntryRequest, EventsAnswer, QueueAnswer, RefusalRequest, ReportBody, ReportRequest,
};
use serde::{Serialize, de::DeserializeOwned};

fn returns<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let written = serde_json::to_vec(&value).expect("what was read can be written");
    assert_eq!(serde_json::from_slice::<T>(&written).expect("what was written can be read"), value);
}

fuzz_target!(|bytes: &[u8]| {
    returns::<AuthorRequest>(bytes);
    returns::<ReportRequest>(bytes);
    returns::<ReportBody>(bytes);
    returns::<EntryRequest>(bytes);
    returns::<DecisionRequest>(bytes);
    returns::<RefusalRequest>(bytes);
    returns::<QueueAnswer>(bytes);
    returns::<EventsAnswer>(bytes);
    if let Ok(request) = serde_json::from_slice::<AuthorRequest>(bytes) {
        let _ = request.action();
    }
    if let Ok(request) = serde_json::from_slice::<ReportRequest>(bytes) {
        let _ = request.action();
    }
});
