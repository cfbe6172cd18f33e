//! Serves a directory or an archive of images: `cargo run --example serve_directory -- PLACE ADDRESS [--writable]`.

use std::error::Error;
use std::path::Path;

use transload_registry_server::{
    ArchiveContent, DirectoryContent, Options, Registry, Server, WriteOptions, archive, layout_store,
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (place, address, is_writable) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [place, address] => (place, address, false),
        [place, address, "--writable"] => (place, address, true),
        _ => return Err("usage: serve_directory PLACE ADDRESS [--writable]".into()),
    };
    let options = layout_store::OpenOptions::default();
    let registry = if is_writable {
        let directory = DirectoryContent::create(place, options)?;
        Registry::writable(directory, WriteOptions::default().sparse_indexes(true))?
    } else if Path::new(place).is_dir() {
        Registry::new(vec![Box::new(DirectoryContent::open(place, options)?)])
    } else {
        Registry::new(vec![Box::new(ArchiveContent::open(
            place,
            &archive::OpenOptions::default(),
        )?)])
    };
    let server = Server::bind(address.parse()?, Options::default())?;
    println!("{place} is served at http://{}/", server.address());
    server.serve(registry)?;
    Ok(())
}
