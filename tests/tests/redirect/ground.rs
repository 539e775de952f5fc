//! The ground of these tests: a namespace that stands for a pod of both families, one for everything outside, and a
//! cable between them. Owns that they are gone afterwards.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kith_tests::binary;
use rustix::process::Uid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space, set_thread_uid};
use socket2::{Domain, Protocol, Socket, Type};

/// The addresses of the pod, by family.
pub(crate) const POD: [&str; 2] = ["10.77.0.2", "fd77::2"];
/// The addresses of what lies outside.
pub(crate) const OUTSIDE: [&str; 2] = ["10.77.0.1", "fd77::1"];
/// A user that applications run as.
pub(crate) const APPLICATION: u32 = 1000;
/// The user that the sidecar runs as.
pub(crate) const SIDECAR: u32 = 7440;

/// Nothing takes long on a cable without loss; what has not come by then does not come.
const SOON: Duration = Duration::from_secs(3);

static GROUNDS: AtomicU32 = AtomicU32::new(0);

/// A pod and its outside.
pub(crate) struct Ground {
    pod: String,
    outside: String,
}

impl Ground {
    /// Builds it, and applies the redirect with these exceptions.
    pub(crate) fn redirected(redirect: &str) -> Self {
        let ground = Self::new();
        let output = ground.step().env("KITH_REDIRECT", redirect).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        ground
    }

    pub(crate) fn new() -> Self {
        assert!(rustix::process::getuid().is_root(), "these tests make network namespaces: run them as root");
        for program in ["ip", "nft", "nsenter", "setpriv", "setcap", "unshare"] {
            let found =
                ["/usr/sbin", "/usr/bin", "/sbin", "/bin"].map(|folder| format!("{folder}/{program}"));
            assert!(
                found.iter().any(|path| std::path::Path::new(path).is_file()),
                "{program} is missing: apt-get install iproute2 nftables util-linux libcap2-bin"
            );
        }
        let number = GROUNDS.fetch_add(1, Ordering::Relaxed);
        let name = |end| format!("kith-redirect-{}-{number}-{end}", std::process::id());
        let ground = Self { pod: name("pod"), outside: name("outside") };
        ground.build();
        ground
    }

    fn build(&self) {
        let (pod, outside) = (&self.pod, &self.outside);
        ip(&format!("netns add {pod}"));
        ip(&format!("netns add {outside}"));
        ip(&format!("-n {pod} link add eth0 type veth peer name eth0 netns {outside}"));
        for (end, addresses) in [(pod, POD), (outside, OUTSIDE)] {
            ip(&format!("-n {end} address add {}/24 dev eth0", addresses[0]));
            ip(&format!("-n {end} address add {}/64 dev eth0 nodad", addresses[1]));
            ip(&format!("-n {end} link set lo up"));
            ip(&format!("-n {end} link set eth0 up"));
        }
        ip(&format!("-n {pod} route add default via {}", OUTSIDE[0]));
        ip(&format!("-n {pod} -6 route add default via {}", OUTSIDE[1]));
    }

    /// The step, in the pod, with good settings and nothing else.
    pub(crate) fn step(&self) -> Command {
        let mut command = self.command(&[]);
        command.arg(binary("kith-redirect"));
        command
    }

    /// A program in the pod: `words` are its name and first arguments. Its environment is that of the step.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.pod)).arg("--").args(words);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("KITH_REDIRECT", "{}").env("KITH_POD_IPS", POD.join(","));
        command
    }

    /// All rules of the pod, whoever wrote them.
    pub(crate) fn rules(&self) -> String {
        let output = self.command(&["nft", "list", "ruleset"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Does something in the pod, as a user.
    pub(crate) fn in_pod<T: Send>(&self, user: u32, work: impl FnOnce() -> T + Send) -> T {
        within(&self.pod, user, work)
    }

    /// Does something outside.
    pub(crate) fn outside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        within(&self.outside, 0, work)
    }

    /// A listener in the pod; who listens does not matter to the rules.
    pub(crate) fn listen(&self, at: &str) -> Listener {
        self.in_pod(0, || Listener::at(at))
    }

    /// A connection from the pod.
    pub(crate) fn call(&self, user: u32, to: &str) -> std::io::Result<TcpStream> {
        let to = address(to);
        self.in_pod(user, || TcpStream::connect_timeout(&to, SOON))
    }

    /// A connection to the pod.
    pub(crate) fn call_from_outside(&self, to: &str) -> std::io::Result<TcpStream> {
        let to = address(to);
        self.outside(|| TcpStream::connect_timeout(&to, SOON))
    }

    /// A connection from the pod that is sent from an address of the caller's choice.
    pub(crate) fn call_from(&self, user: u32, from: &str, to: &str) -> std::io::Result<TcpStream> {
        let (from, to) = (address(from), address(to));
        self.in_pod(user, || {
            let socket = Socket::new(Domain::for_address(from), Type::STREAM, Some(Protocol::TCP))?;
            socket.bind(&from.into())?;
            socket.connect_timeout(&to.into(), SOON)?;
            Ok(socket.into())
        })
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for name in [&self.pod, &self.outside] {
            // A test that fails while it builds has only one of them.
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

/// Somebody who waits to be called, but not for ever.
pub(crate) struct Listener(Socket);

impl Listener {
    pub(crate) fn at(at: &str) -> Self {
        let at = address(at);
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP)).unwrap();
        socket.set_reuse_address(true).unwrap();
        if at.is_ipv6() {
            socket.set_only_v6(true).unwrap();
        }
        socket.bind(&at.into()).unwrap();
        socket.listen(8).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        Self(socket)
    }

    /// Whether this very connection came here.
    pub(crate) fn met(&self, caller: &TcpStream) -> bool {
        self.accept(caller).is_some()
    }

    /// Whom a connection that came here was meant for.
    pub(crate) fn meant_for(&self, caller: &TcpStream) -> String {
        let Some(accepted) = self.accept(caller) else { return "it came elsewhere".to_owned() };
        let is_v4 = accepted.local_addr().unwrap().is_ipv4();
        let meant = if is_v4 { accepted.original_dst_v4() } else { accepted.original_dst_v6() };
        meant.unwrap().as_socket().unwrap().to_string()
    }

    fn accept(&self, caller: &TcpStream) -> Option<Socket> {
        let wanted = caller.local_addr().unwrap();
        let (accepted, from) = loop {
            match self.0.accept() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                called => break called.ok()?,
            }
        };
        // A mapped address is what the caller thinks that it has. Its port is not compared: the kernel gives another one
        // when it has redirected a connection from that port already.
        (from.as_socket().unwrap().ip() == wanted.ip().to_canonical()).then_some(accepted)
    }
}

/// Sends a datagram: it arrives, or the sender is told that it is refused.
pub(crate) fn datagram(from: &UdpSocket, to: &str, server: &UdpSocket) -> std::io::Result<()> {
    const LOOK: Duration = Duration::from_millis(50);
    from.connect(address(to))?;
    server.set_read_timeout(Some(LOOK))?;
    from.send(b"hello")?;
    let mut buffer = [0; 16];
    for _ in 0..SOON.as_millis() / LOOK.as_millis() {
        match server.recv(&mut buffer) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            arrived => return arrived.map(|_| ()),
        }
        if let Some(refused) = from.take_error()? {
            return Err(refused);
        }
    }
    Err(ErrorKind::TimedOut.into())
}

/// What a process said, for the message of a test that fails.
pub(crate) fn said(output: &Output) -> String {
    let [stdout, stderr] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{}: {stdout}{stderr}", output.status)
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not an address"))
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", said(&output));
}

/// A namespace and a user are a thread's, and a socket keeps those of the thread that made it.
fn within<T: Send>(namespace: &str, user: u32, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let namespace = File::open(format!("/run/netns/{namespace}")).unwrap();
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            set_thread_uid(Uid::from_raw(user)).unwrap();
            work()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
