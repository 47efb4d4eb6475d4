//! Headers of proxies: no panic, and after any text of a client, the last node is the proxy's own, or is unknown.
#![no_main]

use std::net::IpAddr;

use libfuzzer_sys::fuzz_target;
use quotapass_relay::http::forwarded::{Node, forwarded, x_forwarded_for};

fuzz_target!(|client: &str| {
    x_forwarded_for(client);
    forwarded(client);
    let own = Node::Address(IpAddr::from([192, 0, 2, 1]));
    assert_eq!(x_forwarded_for(&format!("{client}, 192.0.2.1:80")).pop(), Some(own));
    for element in ["for=192.0.2.1", "for=\"192.0.2.1:80\";proto=https"] {
        let last = forwarded(&format!("{client}, {element}")).pop();
        assert!(last == Some(own) || last == Some(Node::Unknown));
    }
});
