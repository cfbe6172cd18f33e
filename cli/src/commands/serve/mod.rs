//! `transload serve`.

mod config;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use transload_reference::Registry as RegistryName;
use transload_registry_server::{
    ArchiveContent, Content, ContentError, DirectoryContent, Handle, Options, Registry, Server, TlsFiles,
    WriteOptions, archive, layout_store,
};

use crate::app::FAILED;
use crate::args::{Cli, ConfigOf, ServeArgs, VolumesArgs};
use crate::atomic;
use crate::jobs;
use crate::signals::on_signals;
use crate::task::{Problem, TaskErrors};
use crate::ui::{self, Progress, ProgressMode};
use config::Seen;

/// How long requests on their way have once the server is to end.
const GRACE: Duration = Duration::from_secs(10);

/// Serves places, or prints how nodes find the server.
pub(crate) fn serve(cli: &Cli, args: &ServeArgs) -> Result<u8, TaskErrors> {
    let progress = Arc::new(Progress::new(ProgressMode::None, 1, cli.quiet));
    ui::start_log(cli.quiet, cli.verbose, &progress);
    let address = address(args)?;
    if let Some(of) = args.print_config {
        return print_config(args, of, address);
    }
    if !address.ip().is_loopback() && args.tls_cert.is_none() && !args.plain_http {
        let message = format!("other machines reach {address}, and there is no certificate");
        let hint = "give --tls-cert and --tls-key, or --plain-http to do without: the network sees passwords and images then";
        return Err(Problem::of_file("--listen", message).with_hint(hint).into());
    }
    let registry = registry(args)?;
    let bound = Server::bind(address, options(args));
    let server =
        bound.map_err(|error| Problem::of_file("serve", error.to_string()).maybe_hint(error.hint()))?;
    if let Err(error) = heed_signals(server.handle(), cli.quiet) {
        log::warn!("signals end the server at once: {error}");
    }
    if !cli.quiet {
        greet(args, &server);
    }
    match server.serve(registry) {
        Ok(0) => Ok(0),
        Ok(cut) => {
            ui::err_line(format_args!(
                "cut {} that took too long",
                ui::count(cut, "request")
            ));
            Ok(0)
        }
        Err(error) => {
            ui::err_line(format_args!("error: {error}"));
            Ok(FAILED)
        }
    }
}

/// Ends the server on SIGINT and SIGTERM, and has it read its files again on SIGHUP.
fn heed_signals(handle: Handle, quiet: bool) -> std::io::Result<()> {
    let mut is_asked = false;
    on_signals(&[SIGINT, SIGTERM, SIGHUP], move |signal| match signal {
        SIGHUP => match handle.reload() {
            Ok(()) => log::info!("reloaded the certificates and the users"),
            Err(error) => log::error!("the old ones stay in use: {error}"),
        },
        _ if is_asked => handle.stop(Duration::ZERO),
        _ => {
            is_asked = true;
            if !quiet {
                ui::err_line("stopping after running requests; once more to stop at once");
            }
            handle.stop(GRACE);
        }
    })
}

/// Says what is served, where, and what to do next.
fn greet(args: &ServeArgs, server: &Server) {
    let url = url_of(args, server.address());
    let places = args.places.join(", ");
    let how = if args.writable {
        "for pulls and pushes"
    } else {
        "read-only"
    };
    ui::err_line(format_args!("serving {places} at {url}, {how}"));
    ui::err_line(format_args!(
        "nodes: transload serve {} --print-config containerd|docker|podman|crio|k3s|kubekey --server URL",
        args.places[0]
    ));
}

fn options(args: &ServeArgs) -> Options {
    let mut options = Options::default();
    options.htpasswd.clone_from(&args.htpasswd);
    options.tls = args
        .tls_cert
        .as_ref()
        .zip(args.tls_key.as_ref())
        .map(|(certificate, key)| {
            let mut files = TlsFiles::new(certificate, key);
            files.client_ca.clone_from(&args.client_ca);
            files
        });
    options
}

fn address(args: &ServeArgs) -> Result<SocketAddr, TaskErrors> {
    let problem = |message: String| Problem::of_file("--listen", message).with_hint("such as 0.0.0.0:5000");
    let mut addresses = args.listen.to_socket_addrs().map_err(|error| {
        problem(format!(
            "\"{}\" isn't an address with a port: {error}",
            args.listen
        ))
    })?;
    let first = addresses.next();
    first.ok_or_else(|| problem(format!("\"{}\" has no address", args.listen)).into())
}

fn url_of(args: &ServeArgs, address: SocketAddr) -> String {
    let scheme = if args.tls_cert.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Opens the places.
fn registry(args: &ServeArgs) -> Result<Registry, TaskErrors> {
    let registry = if args.writable {
        let [place] = args.places.as_slice() else {
            let message = "pushes go to one directory, but several places are given";
            let problem = Problem::of_file("--writable", message).with_hint("name one directory");
            return Err(problem.into());
        };
        let place = jobs::place(place, &args.volumes)?;
        if place.path().is_file() {
            let message = format!("{place} is an archive, which takes no pushes");
            return Err(Problem::of_file("--writable", message)
                .with_hint("give a directory")
                .into());
        }
        let options = layout_store::OpenOptions::default();
        let directory = DirectoryContent::create(place.path(), options).map_err(|error| at_place(&error))?;
        Registry::writable(directory, WriteOptions::default()).map_err(|error| at_place(&error))?
    } else {
        Registry::new(contents(args)?)
    };
    Ok(match &args.own_name {
        None => registry,
        Some(name) => registry.with_own_name(own_name(name)?),
    })
}

fn own_name(name: &str) -> Result<RegistryName, TaskErrors> {
    name.parse()
        .map_err(|error| Problem::of_file("--as", format!("\"{name}\" isn't a registry: {error}")).into())
}

fn contents(args: &ServeArgs) -> Result<Vec<Box<dyn Content>>, TaskErrors> {
    let places = args.places.iter();
    places.map(|text| content(text, &args.volumes)).collect()
}

fn content(text: &str, volumes: &VolumesArgs) -> Result<Box<dyn Content>, TaskErrors> {
    let place = jobs::place(text, volumes)?;
    if place.is_stream() {
        let problem = Problem::of_file("PLACE", "standard input is read once, and can't be served");
        return Err(problem.with_hint("write it to a file first").into());
    }
    let path = place.path();
    if !path.exists() {
        let problem = Problem::of_file("PLACE", format!("there is nothing at {}", path.display()));
        return Err(problem
            .with_hint("--writable makes a directory for pushes")
            .into());
    }
    let opened = match path.is_file() {
        _ if place.is_bundle() => {
            let opened = place.open_bundle().map_err(ContentError::from);
            let content = opened.and_then(|(bundle, _)| ArchiveContent::bundle(path, bundle));
            content.map(|content| Box::new(content) as _)
        }
        true => {
            ArchiveContent::open(path, &archive::OpenOptions::default()).map(|content| Box::new(content) as _)
        }
        false => DirectoryContent::open(path, layout_store::OpenOptions::default())
            .map(|content| Box::new(content) as _),
    };
    opened.map_err(|error| at_place(&error).into())
}

fn at_place(error: &ContentError) -> Problem {
    let hint = match error {
        ContentError::Store(error) => error.hint(),
        ContentError::Bundle(error) => error.hint(),
        _ => None,
    };
    Problem::of_file("PLACE", error.to_string()).maybe_hint(hint)
}

/// Prints, or writes, what makes a program take its images from the server.
fn print_config(args: &ServeArgs, of: ConfigOf, address: SocketAddr) -> Result<u8, TaskErrors> {
    let seen = seen(args, address)?;
    let made = config::file(of, &seen);
    let (path, text) = made.map_err(|error| Problem::of_file("--print-config", error.to_string()))?;
    let Some(out) = &args.out else {
        return Ok(ui::result(text, 0));
    };
    let mut paths = vec![path];
    if of == ConfigOf::Containerd {
        paths.extend(config::shadows(out));
    }
    for path in paths {
        let file = out.join(path);
        write(&file, &text)?;
        ui::err_line(format_args!("wrote {}", file.display()));
    }
    Ok(0)
}

/// Writes a file. One that is there stays, unless it says the same.
fn write(file: &Path, text: &str) -> Result<(), TaskErrors> {
    let problem = |message: String| Problem::of_file("--out", format!("{}: {message}", file.display()));
    match std::fs::read_to_string(file) {
        Ok(held) if held == text => return Ok(()),
        Ok(_) => {
            let problem = problem("it exists already, with other content".to_owned());
            return Err(problem
                .with_hint("move it away, or add what stdout shows without --out")
                .into());
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(problem(format!("it can't be read: {error}")).into()),
    }
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = made.and_then(|()| atomic::replace(file, text));
    written.map_err(|error| {
        let problem = problem(format!("it can't be written: {error}"));
        problem.maybe_hint(atomic::hint(&error)).into()
    })
}

/// The server as nodes see it.
fn seen(args: &ServeArgs, address: SocketAddr) -> Result<Seen, TaskErrors> {
    let url = match &args.server {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => url_of(args, address),
    };
    let (is_encrypted, host) = match url.split_once("://") {
        Some(("https", host)) => (true, host),
        Some(("http", host)) => (false, host),
        _ => return Err(no_server(&url)),
    };
    let Ok(registry) = host.parse::<RegistryName>() else {
        return Err(no_server(&url));
    };
    let is_any = |address: IpAddr| address.is_unspecified();
    if registry.host().trim_matches(['[', ']']).parse().is_ok_and(is_any) {
        let message = format!("nodes can't reach {url}: {host} means all addresses of this machine");
        return Err(Problem::of_file("--server", message)
            .with_hint("give the address that nodes use, such as --server http://10.0.0.5:5000")
            .into());
    }
    let mut registries = BTreeSet::new();
    for content in contents(args)? {
        let repositories = content.repositories().map_err(|error| at_place(&error))?;
        registries.extend(
            repositories
                .iter()
                .map(|repository| repository.registry().to_string()),
        );
    }
    Ok(Seen {
        host: host.to_owned(),
        is_encrypted,
        is_writable: args.writable,
        registries,
        url,
    })
}

fn no_server(url: &str) -> TaskErrors {
    let problem = Problem::of_file("--server", format!("\"{url}\" isn't the URL of a server"));
    problem
        .with_hint("such as http://10.0.0.5:5000 or https://hub.local")
        .into()
}
