//! The program.
use barewire::{files, net};
fn main() {
    env_logger::init();
    let dir = std::env::args().nth(1).unwrap_or(".".into());
    let port: u16 = std::env::args().nth(2).and_then(|p| p.parse().ok()).unwrap_or(8080);
    let loops = std::env::args().nth(3).and_then(|p| p.parse().ok()).unwrap_or(1);
    let site = files::Site::open(std::path::Path::new(&dir), files::Settings::default()).unwrap();
    let listener = net::Listener::bind(([127, 0, 0, 1], port).into()).unwrap();
    eprintln!("listening on http://{}/ serving {dir}", listener.address());
    let settings = net::Settings { loops, max_connections: 14900, ..Default::default() };
    let server = net::Server::new(Box::new(site), settings, vec![listener]).unwrap();
    net::signal::watch(server.stopper()).unwrap();
    eprintln!("{:?}", server.run());
}
