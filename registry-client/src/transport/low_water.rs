//! How many bytes have to be there before a reader is woken.
//!
//! Linux alone has been tried; elsewhere each packet wakes a reader, as ever.

use std::net::TcpStream;

/// Sets it, in bytes. A read that times out still returns what is there, and so does one at the stream's end. Where the system refuses,
/// nothing changes.
#[cfg(target_os = "linux")]
pub(super) fn set(stream: &TcpStream, bytes: usize) {
    use nix::sys::socket::SetSockOpt;

    let bytes = i32::try_from(bytes).unwrap_or(i32::MAX);
    if let Err(error) = ReceiveLowWater.set(stream, &bytes) {
        log::debug!("a connection's low-water mark: {error}");
    }
}

/// `SO_RCVLOWAT`, socket(7).
#[cfg(target_os = "linux")]
#[derive(Debug, Clone, Copy)]
struct ReceiveLowWater;

#[cfg(target_os = "linux")]
nix::setsockopt_impl!(
    ReceiveLowWater,
    libc::SOL_SOCKET,
    libc::SO_RCVLOWAT,
    i32,
    nix::sys::socket::sockopt::SetStruct<'_, i32>
);

#[cfg(not(target_os = "linux"))]
pub(super) fn set(_: &TcpStream, _: usize) {}
