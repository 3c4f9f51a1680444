#!/bin/sh
cat <<'END'
{"_meta": {"hostvars": {
 "ec2-203-0-113-10.compute.example.com": {"ansible_host": "203.0.113.10", "ec2_tags": {"Name": "web-1", "Role": "web", "Env": "prod"}, "ec2_launch_time": "2024-03-01T09:12:44.000Z", "ec2_block_devices": {"/dev/sda1": "vol-0a1"}, "ec2_ami_launch_index": "0", "ebs_optimized": false, "ec2_vpc": null, "ports": [22, 80]},
 "ec2-203-0-113-11.compute.example.com": {"ansible_host": "203.0.113.11", "ec2_tags": {"Role": "web", "Env": "stage"}},
 "ec2-203-0-113-12.compute.example.com": {"ansible_host": "203.0.113.12", "ec2_tags": {"Role": "db"}}}},
"ec2": ["ec2-203-0-113-10.compute.example.com", "ec2-203-0-113-11.compute.example.com", "ec2-203-0-113-12.compute.example.com"],
"tag_Role_web": ["ec2-203-0-113-10.compute.example.com", "ec2-203-0-113-11.compute.example.com"],
"tag_Env_prod": ["ec2-203-0-113-10.compute.example.com"],
"eu_west_1a": {"hosts": ["ec2-203-0-113-10.compute.example.com", "ec2-203-0-113-12.compute.example.com"], "vars": {"zone": "a"}},
"type_t3_micro": ["ec2-203-0-113-11.compute.example.com"],
"type_m5_large": ["ec2-203-0-113-10.compute.example.com", "ec2-203-0-113-12.compute.example.com"]}
END
