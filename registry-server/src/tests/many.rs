//! Many clients at once.

use super::*;

#[test]
fn two_hundred_clients_are_served_at_once() {
    let server = Running::with(patient());
    let (address, clients) = (server.address, 200);
    // All are connected before any asks, and ask twice: no connection waits for another's end.
    let connected = std::sync::Barrier::new(clients);
    std::thread::scope(|scope| {
        for _ in 0..clients {
            scope.spawn(|| {
                let mut client = connect(address);
                assert_eq!(client.get("/hello").text(), "hello");
                connected.wait();
                assert_eq!(client.get("/reader").body.len(), 200_000);
                connected.wait();
                assert_eq!(client.get("/hello").text(), "hello");
            });
        }
    });
    assert_eq!(server.metric("transload_connections_refused_total"), 0);
}
