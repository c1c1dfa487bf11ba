//! Datagrams.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};

use drift::net::UdpSocket;

use crate::{Place, V4, everywhere, ms};

fn asks_and_is_answered(place: Place, address: &str) {
    let server = UdpSocket::bind(address).unwrap();
    let to = server.local_addr().unwrap();
    let echo = place.spawn(move || {
        let mut buffer = [0; 2048];
        for _ in 0..50 {
            let (length, from) = server.recv_from(&mut buffer).unwrap();
            server.send_to(&buffer[..length], from).unwrap();
        }
    });
    let client = UdpSocket::bind(address).unwrap();
    client.connect(to).unwrap();
    assert_eq!(client.peer_addr().unwrap(), to);
    for round in 0..50_usize {
        let bytes = vec![round as u8; round * 20];
        assert_eq!(client.send(&bytes).unwrap(), bytes.len());
        let mut answer = [0; 2048];
        assert_eq!(client.peek(&mut answer).unwrap(), bytes.len());
        assert_eq!(client.recv(&mut answer).unwrap(), bytes.len());
        assert_eq!(answer[..bytes.len()], bytes);
    }
    echo.join();
}

#[test]
fn a_datagram_echo_answers_over_ipv4() {
    everywhere(|place| asks_and_is_answered(place, V4));
}

#[test]
fn a_datagram_echo_answers_over_ipv6() {
    everywhere(|place| asks_and_is_answered(place, "[::1]:0"));
}

#[test]
fn a_peek_leaves_the_datagram() {
    everywhere(|_| {
        let (one, other) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V4).unwrap());
        one.send_to(b"hello", other.local_addr().unwrap()).unwrap();
        let expected = (5, one.local_addr().unwrap());
        for _ in 0..2 {
            assert_eq!(other.peek_from(&mut [0; 8]).unwrap(), expected);
        }
        assert_eq!(other.recv_from(&mut [0; 8]).unwrap(), expected);
        other.set_read_timeout(Some(ms(1))).unwrap();
        assert_eq!(other.recv_from(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
    });
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    everywhere(|_| {
        let (one, other) = (UdpSocket::bind(V4).unwrap(), UdpSocket::bind(V4).unwrap());
        one.send_to(b"", other.local_addr().unwrap()).unwrap();
        one.send_to(b"x", other.local_addr().unwrap()).unwrap();
        assert_eq!(other.recv_from(&mut []).unwrap().0, 0);
        assert_eq!(other.recv_from(&mut [0; 2]).unwrap().0, 1);
    });
}

#[test]
fn a_refusal_is_told_to_one_who_waits() {
    everywhere(|_| {
        let nobody = UdpSocket::bind(V4).unwrap().local_addr().unwrap();
        let socket = UdpSocket::bind(V4).unwrap();
        socket.connect(nobody).unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(socket.recv(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn options_are_those_of_the_socket() {
    let socket = UdpSocket::bind(V4).unwrap();
    socket.set_broadcast(true).unwrap();
    assert!(socket.broadcast().unwrap());
    socket.set_ttl(9).unwrap();
    assert_eq!(socket.ttl().unwrap(), 9);
    socket.set_multicast_loop_v4(false).unwrap();
    assert!(!socket.multicast_loop_v4().unwrap());
    socket.set_multicast_ttl_v4(3).unwrap();
    assert_eq!(socket.multicast_ttl_v4().unwrap(), 3);
    let socket = UdpSocket::from_std(socket.into_std().unwrap()).unwrap();
    assert_eq!(socket.ttl().unwrap(), 9);
}

#[test]
fn what_is_no_group_is_refused() {
    let socket = UdpSocket::bind(V4).unwrap();
    let group = Ipv4Addr::LOCALHOST;
    assert!(socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED).is_err());
    let socket = UdpSocket::bind("[::1]:0").unwrap();
    assert!(socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, 0).is_err());
}
