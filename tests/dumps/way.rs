//! A lab host that carries a dump, and how the controller comes in there.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use super::dump::Dump;
use super::support::deploy::Run;
use super::support::lab::{Lab, said};

/// How the controller comes in: by the host's interface of this name, to this port, between these addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// What the host calls its only link.
    pub interface: String,
    /// Where sshd listens.
    pub port: u16,
    /// The controller's address; `None`: its own in the lab.
    pub from: Option<IpAddr>,
    /// The host's only address; `None`: its own in the lab.
    pub to: Option<IpAddr>,
}

impl Way {
    /// As labs are.
    pub fn plain() -> Self {
        Self {
            interface: "eth0".to_owned(),
            port: 22,
            from: None,
            to: None,
        }
    }

    /// Whether it needs addresses that labs do not have.
    pub fn has_addresses(&self) -> bool {
        self.from.is_some() || self.to.is_some()
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.interface, self.port)?;
        self.from.map_or(Ok(()), |from| write!(f, " from {from}"))?;
        self.to.map_or(Ok(()), |to| write!(f, " to {to}"))
    }
}

/// A mapping to a port that no dump lets anybody into.
pub const WEB: u16 = 42080;
/// Where it leads.
pub const WEB_TARGET: u16 = 47808;

/// A lab host that carries a dump; an ordinary empty one again when this is dropped.
pub struct Site<'a> {
    /// The lab, which has this host alone.
    pub lab: &'a Lab,
    /// The dump.
    pub dump: &'a Dump,
}

/// No rule, no state of ours, one sshd.
const BARE: &str = "
for tool in iptables ip6tables; do
    for table in raw mangle nat filter; do
        case $table in
        raw) chains='PREROUTING OUTPUT' ;;
        mangle) chains='PREROUTING INPUT FORWARD OUTPUT POSTROUTING' ;;
        nat) chains='PREROUTING INPUT OUTPUT POSTROUTING' ;;
        *) chains='INPUT FORWARD OUTPUT' ;;
        esac
        echo \"*$table\"
        for chain in $chains; do echo \":$chain ACCEPT [0:0]\"; done
        echo COMMIT
    done | $tool-restore || exit
done
rm -rf /run/portmap-deploy /var/lib/portmap-deploy
conntrack -F >/dev/null 2>&1 || :
";

/// The host's only link but lo.
const FIND_LINK: &str = "
for link in /sys/class/net/*; do
    link=${link##*/}
    [ ! -e \"/sys/class/net/$link/iflink\" ] || [ \"$link\" = lo ] || break
done
";

impl<'a> Site<'a> {
    /// Of the lab's only host.
    pub fn new(lab: &'a Lab, dump: &'a Dump) -> Self {
        Self { lab, dump }
    }

    /// A bare host with the dump's rules alone; whether they load.
    pub fn load(&self) -> bool {
        self.lab.run("host1", BARE);
        self.restore()
    }

    fn restore(&self) -> bool {
        let tool = if self.dump.family == 4 { "iptables" } else { "ip6tables" };
        std::fs::write(self.lab.root_of("host1").join("run/dump"), &self.dump.text).unwrap();
        self.lab
            .exec("host1", &format!("{tool}-restore </run/dump"))
            .status
            .success()
    }

    fn host(&self) -> IpAddr {
        self.lab.address("host1", self.dump.family)
    }

    /// The first of these ways by which the dump lets the controller in as often as it likes; else the first by which it
    /// does at all. It stays set up.
    pub fn way_in(&self, mut ways: Vec<Way>) -> Option<Way> {
        self.listen(&ways);
        self.give_addresses(&ways);
        let mut once = None;
        while let Some(first) = ways.first() {
            let interface = first.interface.clone();
            let (here, others): (Vec<_>, Vec<_>) = ways.into_iter().partition(|way| way.interface == interface);
            self.name_link(&interface);
            for way in self.open(here) {
                self.load();
                if (0..5).all(|_| self.answers(&way, way.port)) {
                    self.keep_addresses(&way);
                    return Some(way);
                }
                once = once.or(Some(way));
            }
            ways = others;
        }
        let once = once?;
        self.name_link(&once.interface);
        self.keep_addresses(&once);
        Some(once)
    }

    /// One more sshd on all ports that are asked for.
    fn listen(&self, ways: &[Way]) {
        let ports: BTreeSet<_> = ways.iter().map(|way| way.port).filter(|port| *port != 22).collect();
        if !ports.is_empty() {
            let ports: Vec<_> = ports.iter().map(|port| format!(" -p {port}")).collect();
            let ports = ports.concat();
            let sshd = format!("$(command -v sshd){ports} -o PidFile=/run/other-sshd.pid");
            self.lab.run("host1", &sshd);
        }
    }

    fn name_link(&self, name: &str) {
        self.lab.run(
            "host1",
            &format!("{FIND_LINK} [ \"$link\" = {name} ] || ip link set \"$link\" name {name}"),
        );
    }

    /// Those that work of ways that share the link's name.
    fn open(&self, ways: Vec<Way>) -> Vec<Way> {
        let open: Vec<bool> = std::thread::scope(|scope| {
            let ask = |way| scope.spawn(move || self.answers(way, way.port));
            let asked: Vec<_> = ways.iter().map(ask).collect();
            asked.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let open = ways.into_iter().zip(open).filter(|(_, open)| *open);
        open.map(|(way, _)| way).collect()
    }

    /// All addresses that these ways need, beside those of the lab.
    fn give_addresses(&self, ways: &[Way]) {
        let (ip, bits, options) = self.words();
        let route = said(
            self.lab
                .command("ip")
                .args(["-o", "route", "get", &self.host().to_string()]),
        );
        let words: Vec<_> = route.split_whitespace().collect();
        let [router, device, here] = ["via", "dev", "src"].map(|key| {
            let at = words.iter().position(|word| *word == key).unwrap();
            words[at + 1]
        });
        let (mut host, mut upstream, mut controller) = (FIND_LINK.to_owned(), String::new(), String::new());
        for to in ways.iter().filter_map(|way| way.to).collect::<BTreeSet<_>>() {
            let _ = write!(host, "\n{ip} addr replace {to}/{bits} dev \"$link\" {options};");
            let _ = write!(upstream, "\n{ip} route replace {to} dev br0;");
            let _ = write!(controller, "\n{ip} route replace {to} via {router};");
        }
        for from in ways.iter().filter_map(|way| way.from).collect::<BTreeSet<_>>() {
            let _ = write!(upstream, "\n{ip} route replace {from} via {here};");
            let _ = write!(controller, "\n{ip} addr replace {from}/{bits} dev {device} {options};");
        }
        self.lab.run("host1", &host);
        assert!(upstream.is_empty() || self.lab.upstream(&upstream).status.success());
        said(self.lab.command("sh").args(["-c", &controller]));
    }

    /// The host has no address but the way's, and the controller calls it from the way's.
    fn keep_addresses(&self, way: &Way) {
        let (ip, bits, _) = self.words();
        if way.to.is_some() {
            let own = self.host();
            self.lab.run(
                "host1",
                &format!(
                    "{FIND_LINK}
                    gateway=$({ip} route show default | sed -n 's/.* via \\([^ ]*\\).*/\\1/p')
                    {ip} addr del {own}/{0} dev $link
                    {ip} route replace $gateway dev $link
                    {ip} route replace default via $gateway dev $link",
                    if bits == 32 { 24 } else { 64 }
                ),
            );
        }
        if let Some(from) = way.from {
            let to = way.to.unwrap_or_else(|| self.host());
            let route = said(self.lab.command("ip").args(["-o", "route", "get", &to.to_string()]));
            let router = route.split_whitespace().nth(2).unwrap();
            let line = format!("{ip} route replace {to}/{bits} via {router} src {from}");
            said(self.lab.command("sh").args(["-c", &line]));
        }
    }

    /// How `ip` is called for this family, how long its addresses are, and what it says of new ones.
    fn words(&self) -> (&'static str, u8, &'static str) {
        match self.dump.family {
            4 => ("ip -4", 32, ""),
            _ => ("ip -6", 128, "nodad preferred_lft 0"),
        }
    }

    fn take_away(&self) {
        self.name_link("eth0");
        self.lab.run(
            "host1",
            "[ ! -e /run/other-sshd.pid ] || { kill $(cat /run/other-sshd.pid); rm -f /run/other-sshd.pid; }",
        );
    }

    /// Whether sshd answers there over a new connection.
    pub fn answers(&self, way: &Way, port: u16) -> bool {
        self.first_line(way, port).starts_with("SSH-2.0-")
    }

    /// What whoever listens there says over a new connection; empty: nobody does.
    pub fn first_line(&self, way: &Way, port: u16) -> String {
        let to = SocketAddr::new(way.to.unwrap_or_else(|| self.host()), port);
        self.lab.within(|| {
            let domain = if to.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
            let socket = Socket::new(domain, Type::STREAM, None).unwrap();
            if let Some(from) = way.from {
                socket.bind(&SocketAddr::new(from, 0).into()).unwrap();
            }
            if socket.connect_timeout(&to.into(), Duration::from_millis(400)).is_err() {
                return String::new();
            }
            let stream = TcpStream::from(socket);
            stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            let mut line = String::new();
            let _ = BufReader::new(stream).read_line(&mut line);
            line
        })
    }

    /// The same of a port that is open, where a rate in the rules may refuse the first attempts.
    pub fn patient_first_line(&self, way: &Way, port: u16) -> String {
        let attempts = (0..10).map(|_| self.first_line(way, port));
        attempts.into_iter().find(|line| !line.is_empty()).unwrap_or_default()
    }

    /// Whether the dump lets answers of [`WEB_TARGET`] out once connections to it get in.
    pub fn lets_answers_out(&self, way: &Way) -> bool {
        let tool = if self.dump.family == 4 { "iptables" } else { "ip6tables" };
        self.lab.run(
            "host1",
            &format!("{tool} -I INPUT 1 -p tcp --dport {WEB_TARGET} -j ACCEPT"),
        );
        let answered = !self.first_line(way, WEB_TARGET).is_empty();
        self.load();
        answered
    }

    /// Deploys a mapping of this port to where sshd listens, and that of [`WEB`].
    pub fn deploys(&self, way: &Way, mapped: u16, web: bool) -> Run {
        let web = if web {
            format!(", '{WEB}:{WEB_TARGET}'")
        } else {
            String::new()
        };
        let variables = format!("portmap: ['{mapped}:{}'{web}], {}", way.port, self.variables(way));
        self.lab.deploys(&variables)
    }

    /// Takes them away, coming in by the mapping.
    pub fn removes(&self, way: &Way, mapped: u16) -> Run {
        let variables = format!("portmap: ['{mapped}:{}'], {}", way.port, self.variables(way));
        let folder = self.lab.inventory_of(&[("host1", &variables)]);
        let [login, hosts] = ["login.yaml", "hosts.yaml"].map(|name| folder.join(name).display().to_string());
        self.lab.deploy(&["remove", "-i", &login, "-i", &hosts])
    }

    fn variables(&self, way: &Way) -> String {
        let to = way.to.unwrap_or_else(|| self.host());
        // Thousands of rules take their time.
        let window = if self.dump.text.len() > 100_000 { 60 } else { 6 };
        format!(
            "ansible_host: '{to}', ansible_port: {}, portmap_rollback_after: {window}",
            way.port
        )
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.take_away();
        }
    }
}
