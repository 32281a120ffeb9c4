//! Sockets that share one port, one for each thread: the kernel deals the connections out.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    num::NonZeroUsize,
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{ListenConfig, config::size};

/// Opens one listener a thread, all on the same port, and tells the address they got. Those that are there already
/// are used, all of them: each has connections waiting that nobody else can accept.
pub(crate) fn open(
    config: &ListenConfig,
    sockets: Vec<TcpListener>,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let threads = config.threads.map_or_else(std::thread::available_parallelism, Ok);
    let threads = threads.unwrap_or(NonZeroUsize::MIN).get();
    let backlog = i32::try_from(size(config.backlog_max)).unwrap_or(i32::MAX);
    let mut listeners = sockets;
    for socket in &listeners {
        socket.set_nonblocking(true)?;
    }
    if listeners.is_empty() {
        // Alone first: another process of ours would share the port, and its callers, without a word.
        try_alone(config.address)?;
        listeners.push(bind(config.address, backlog)?);
    }
    // With port 0 the first has chosen; the others must follow it there.
    let address = listeners[0].local_addr()?;
    for _ in listeners.len()..threads {
        listeners.push(bind(address, backlog)?);
    }
    Ok((address, listeners))
}

fn bind(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = made(address)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it on Linux, which saves each of them a system call.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(socket.into())
}

/// Fails if anybody has the address.
fn try_alone(address: SocketAddr) -> io::Result<()> {
    made(address)?.bind(&address.into())
}

fn made(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_another_process_has_is_not_shared_with_it() {
        let config = |address| ListenConfig { address, ..ListenConfig::default() };
        let (address, listeners) =
            open(&config("127.0.0.1:0".parse().expect("an address")), Vec::new()).expect("a port is free");
        let second = open(&config(address), Vec::new()).expect_err("it is taken");
        assert_eq!(second.kind(), io::ErrorKind::AddrInUse);
        let (same, _) = open(&config(address), listeners).expect("a successor has the sockets");
        assert_eq!(same, address);
    }

    #[test]
    fn all_threads_share_the_port_the_system_chose() {
        let config = ListenConfig {
            address: "127.0.0.1:0".parse().expect("an address"),
            threads: NonZeroUsize::new(3),
            ..ListenConfig::default()
        };
        let (address, listeners) = open(&config, Vec::new()).expect("a port is free");
        assert_ne!(address.port(), 0);
        assert_eq!(listeners.len(), 3);
        assert!(listeners.iter().all(|listener| listener.local_addr().ok() == Some(address)));
    }
}
