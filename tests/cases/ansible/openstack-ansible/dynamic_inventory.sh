#!/bin/sh
test "$1" = --list || exit 2
cat <<'END'
{
  "_meta": {"hostvars": {
    "infra1": {"ansible_host": "192.0.2.51", "is_metal": true, "management_address": "192.0.2.51", "properties": {"is_metal": true}},
    "infra2": {"ansible_host": "192.0.2.52", "is_metal": true, "management_address": "192.0.2.52"},
    "compute1": {"ansible_host": "192.0.2.61", "is_metal": true, "container_networks": {"management_address": {"address": "192.0.2.61", "netmask": null, "bridge": "br-mgmt"}}},
    "infra1_galera_container-1a2b3c4d": {"ansible_host": "198.51.100.11", "physical_host": "infra1", "component": "galera", "container_name": "infra1_galera_container-1a2b3c4d"},
    "infra2_galera_container-5e6f7a8b": {"ansible_host": "198.51.100.12", "physical_host": "infra2", "component": "galera"},
    "infra1_rabbit_mq_container-9c0d1e2f": {"ansible_host": "198.51.100.13", "physical_host": "infra1", "component": "rabbitmq", "container_tech": "lxc"}
  }},
  "all": {"vars": {"properties": {}, "container_cidr": "198.51.100.0/24", "tunnel_cidr": "203.0.113.0/24", "used_ips": [], "lb_port": 3306}},
  "galera": {"children": [], "hosts": ["infra1_galera_container-1a2b3c4d", "infra2_galera_container-5e6f7a8b"]},
  "galera_container": {"hosts": []},
  "galera_all": {"children": ["galera"], "hosts": []},
  "rabbitmq": {"hosts": ["infra1_rabbit_mq_container-9c0d1e2f"]},
  "rabbitmq_all": {"children": ["rabbitmq"], "vars": {"component": "overridden-by-host"}},
  "shared-infra_containers": {"children": ["galera", "rabbitmq"], "hosts": []},
  "infra_hosts": {"hosts": ["infra1", "infra2"]},
  "infra1-host_containers": {"hosts": ["infra1_galera_container-1a2b3c4d", "infra1_rabbit_mq_container-9c0d1e2f"]},
  "compute_hosts": {"hosts": ["compute1"]},
  "hosts": {"children": ["infra_hosts", "compute_hosts"]},
  "all_containers": {"children": ["shared-infra_containers"]}
}
END
