//! An echo over TLS: `rustls` in its blocking form, which knows nothing of virtual threads.
//!
//! `rustls::Stream` wants something that is `Read + Write`; a [`TcpStream`] of drift is that. The
//! certificate is made at the start and trusted by the clients.

use std::error::Error;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use drift::Duration;
use drift::net::{TcpListener, TcpStream};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const CLIENTS: usize = 100;

/// Both sides of a trust that was just made up.
fn configure() -> Result<(Arc<ServerConfig>, Arc<ClientConfig>)> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok((Arc::new(server), Arc::new(client)))
}

fn serve(mut socket: TcpStream, config: Arc<ServerConfig>) -> Result<()> {
    let mut connection = ServerConnection::new(config)?;
    let mut tls = rustls::Stream::new(&mut connection, &mut socket);
    let mut buffer = [0; 4096];
    loop {
        match tls.read(&mut buffer)? {
            0 => return Ok(()),
            n => tls.write_all(&buffer[..n])?,
        }
    }
}

fn client(address: SocketAddr, config: Arc<ClientConfig>, text: &str) -> Result<String> {
    let mut socket = TcpStream::connect(address)?;
    let mut connection = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
    let mut tls = rustls::Stream::new(&mut connection, &mut socket);
    tls.write_all(text.as_bytes())?;
    let mut answer = vec![0; text.len()];
    tls.read_exact(&mut answer)?;
    tls.conn.send_close_notify();
    tls.flush()?;
    Ok(String::from_utf8(answer)?)
}

fn accept(
    listener: &TcpListener,
    config: &Arc<ServerConfig>,
) -> std::result::Result<(), drift::ConcurrencyError> {
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                let config = config.clone();
                drop(drift::spawn(move || serve(socket, config)));
            }
            // No descriptor is left, or this client has gone: the others go on, and so does the
            // server. One that was cancelled ends here: its sleep answers so.
            Err(_) => drift::sleep(Duration::from_millis(10))?,
        }
    }
}

#[drift::main]
fn main() -> Result<()> {
    let (server_config, client_config) = configure()?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = drift::spawn(move || accept(&listener, &server_config));
    let answers = drift::scope(|s| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let config = client_config.clone();
                s.spawn_fallible(move || client(address, config, &format!("secret {n}")))
            })
            .collect();
        clients.iter().map(|client| client.join()).collect::<std::result::Result<Vec<_>, _>>()
    })??;
    server.cancel();
    assert!(answers.iter().enumerate().all(|(n, answer)| *answer == format!("secret {n}")));
    println!("{} clients had their secrets back", answers.len());
    Ok(())
}
