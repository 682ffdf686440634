"""oci_bundle.py [--devices] CONFIG ROOTFS CDI-FILE... -- COMMAND...: gives what `runc spec` wrote to CONFIG the edits of
CDI files.

For containers that are started by a runtime without an engine that knows CDI. The container has a network namespace of
its own, no limits and no control group of its own, so that it can be started wherever namespaces can be made. With
--devices it has a control group, which admits the devices of the CDI files and no others but the runtime's own, and may
make nodes, to find that out.
"""
import json
import os
import stat
import sys

arguments = sys.argv[1:]
limited = arguments[0] == "--devices"
path, rootfs, *rest = arguments[limited:]
at = rest.index("--")
specs, command = rest[:at], rest[at + 1:]
with open(path) as file:
    config = json.load(file)
config["root"] = {"path": rootfs}
process = config["process"]
process.update(terminal=False, args=command)
process.pop("rlimits", None)
linux = config["linux"]
linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "cgroup"]
rules = []
if limited:
    rules.append({"allow": False, "access": "rwm"})
    linux["resources"] = {"devices": rules}
    for capabilities in process["capabilities"].values():
        capabilities.append("CAP_MKNOD")
else:
    linux.pop("resources", None)
config["mounts"] = [m for m in config["mounts"] if m["destination"] in ("/proc", "/dev")]


def apply(edits):
    process["env"] += edits.get("env", [])
    for node in edits.get("deviceNodes", []):
        status = os.stat(node.get("hostPath", node["path"]))
        device = {"type": "b" if stat.S_ISBLK(status.st_mode) else "c",
                  "major": os.major(status.st_rdev), "minor": os.minor(status.st_rdev)}
        linux.setdefault("devices", []).append({"path": node["path"], "fileMode": 0o600, **device})
        rules.append({"allow": True, "access": node.get("permissions", "rwm"), **device})
    for mount in edits.get("mounts", []):
        config["mounts"].append({"destination": mount["containerPath"], "source": mount["hostPath"],
                                 "type": "bind", "options": mount.get("options", ["bind"])})
    for hook in edits.get("hooks", []):
        call = {key: hook[key] for key in ("path", "args", "env", "timeout") if key in hook}
        config.setdefault("hooks", {}).setdefault(hook["hookName"], []).append(call)


for name in specs:
    with open(name) as file:
        spec = json.load(file)
    apply(spec.get("containerEdits", {}))
    for device in spec["devices"]:
        apply(device["containerEdits"])
with open(path, "w") as file:
    json.dump(config, file)
