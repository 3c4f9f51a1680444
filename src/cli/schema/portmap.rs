//! The value of `portmap`.

#![expect(dead_code, reason = "these types are described, never made")]

use schemars::JsonSchema;

use super::value::{
    Boolean, Direct, Interface, MappingName, Net, OneOrMany, Ports, Protocol, Template, Templated, all_given,
};

/// Port mappings of a host: clients connect to `port`, the service listens on `to_port`, and `to_port` itself is closed
/// from outside. An empty list takes all mappings away.
#[derive(JsonSchema)]
#[schemars(
    inline,
    title = "Port mappings",
    extend("maxItems" = crate::mapping::MAX_MAPPINGS),
    example = ["2222:22"]
)]
pub(super) struct Portmap(Vec<Mapping>);

#[derive(JsonSchema)]
#[schemars(untagged, inline)]
enum Mapping {
    Short(Short),
    Long(Long),
    Template(Template),
}

/// `port:to_port`, or `port:to_port/protocol`; ports may be ranges. In quotes: without them YAML 1.1 reads a number.
#[derive(JsonSchema)]
#[schemars(inline, example = &"2222:22", example = &"53:5353/udp", example = &"8000-8010:80")]
struct Short(
    #[schemars(extend("pattern" = "^[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?:[1-9][0-9]{0,4}(-[1-9][0-9]{0,4})?(/(tcp|udp))?$"))]
     String,
);

/// A mapping with everything that there is to say.
#[derive(JsonSchema)]
#[schemars(rename = "Mapping", deny_unknown_fields, transform = all_given)]
struct Long {
    /// A name for people.
    name: Option<Templated<MappingName>>,
    /// The port that clients connect to, or a range such as "8000-8010".
    port: Templated<Ports>,
    /// The port that the service listens on, or as many as `port` has.
    to_port: Templated<Ports>,
    /// The protocol.
    #[schemars(extend("default" = "tcp"))]
    protocol: Option<Templated<Protocol>>,
    /// Who may use the mapping: addresses and networks; anyone unless given.
    #[schemars(example = ["198.51.100.0/24", "2001:db8::/32"])]
    source: Option<Templated<OneOrMany<Templated<Net>>>>,
    /// The incoming interface, with a + at its end for any ending; any unless given.
    #[schemars(example = &"eth0")]
    interface: Option<Templated<Interface>>,
    /// What connections from outside to `to_port` itself get: no answer, a refusal, or what the host's other rules say.
    #[schemars(extend("default" = "drop"))]
    direct: Option<Templated<Direct>>,
    /// Who may still connect to `to_port` itself: addresses and networks.
    #[schemars(example = ["198.51.100.7/32"])]
    direct_source: Option<Templated<OneOrMany<Templated<Net>>>>,
    /// Whether the host's own connections to `port` lead to `to_port` too.
    #[schemars(extend("default" = false))]
    loopback: Option<Templated<Boolean>>,
}
