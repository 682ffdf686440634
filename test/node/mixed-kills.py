#!/usr/bin/env python3
"""mixed-kills.py: the real daemon on a simulated node with every family, asked by eight callers at once for random claims,
killed, refused, and robbed of its cards. DRAPCID, DRAPCI, DRAPCI_SIM and DFL_IMAGE name the programs.

After each round the daemon is started if it was killed, what was pulled comes back, what did not come to its end is asked
for again as a kubelet would, and then journal, hardware and CDI must agree and no counter may be exceeded. At the end all
is released, and the hardware must be what it was.

DRAPCI_SEED chooses other claims and accidents; DRAPCI_ROUNDS how many rounds (else: as many as go into 45 s).
"""
import json
import os
import random
import re
import signal
import subprocess
import sys
import time

CALLERS, PATIENCE = 8, 45
WORK = "/run/drapci-mixed"
os.environ["DRAPCI_SOCKET"] = SOCKET = WORK + "/control.sock"
DRAPCI, SIM = os.environ["DRAPCI"], os.environ["DRAPCI_SIM"]
PCI = "/sys/bus/pci/devices"

INTERFACES = {"one": "9346116d52125ba64f2b5a6a24da6d4e", "two": "69528db6eb31577a8c3668f9faa081f6"}
AFUS = {"one-base": "d8424dc4a4a3c413f89e433683f9040b", "one": "331db30c988541ea9081f88b8f655caa",
        "two-base": "56e203e9864f49a7b94b12284c31e02b", "two": "5ac10ee5988541ea9081f88b8f655caa"}
# Of every kind of card, some are offered as they are and some as the operator can say.
CONFIG = f"""images: {WORK}/images
accelerators:
- {{match: {{address: "0000:17:00.0"}}, shares: true}}
- {{match: {{address: "0000:1f:00.0"}}, shares: true}}
- {{match: {{address: "0000:1b:00.0"}}, vfCount: 3}}
- {{match: {{address: "0000:23:00.0"}}, vfs: fixed}}
- {{match: {{address: "0000:3a:00.0"}}, shares: true}}
- {{match: {{address: "0000:ba:00.0"}}, shares: true, vfs: fixed}}
- match: {{address: "0000:f2:01.0"}}
  workQueues: [{{mode: dedicated, size: 64}}, {{mode: shared, size: 32}}]
- {{match: {{address: "0000:f3:00.0"}}, services: dc}}
"""
SHARES = {"bandwidth": ["50M", "100M", "400M"], "memory": ["2Gi", "5Gi", "9Gi"], "entries": ["1", "4", "9"]}
# What claims change, below each function.
PICTURE = ["driver_override", "sriov_numvfs", "sriov_drivers_autoprobe", "current_compute_partition", "qat/cfg_services",
           "qat/state", "sriov_admin/vf1/profile/vram_quota"]

counts = {key: 0 for key in ("prepared", "released", "refused", "kills", "kills in a write", "writes refused",
                             "GPU calls refused", "cards pulled", "restarts", "rounds")}
families, problems = {}, []


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


def ask(*arguments):
    answer = run(DRAPCI, "-o", "json", *arguments)
    try:
        return json.loads(answer.stdout)
    except ValueError:
        sys.exit(f"drapci {' '.join(arguments)}: {answer.stdout}{answer.stderr}")


def inject(*arguments):
    answer = run(SIM, "inject", *map(str, arguments))
    if answer.returncode:
        sys.exit(f"drapci-sim inject {arguments}: {answer.stderr}")


class Daemon:
    def __init__(self):
        self.process = None

    def start(self):
        with open(WORK + "/log", "ab") as log:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [os.environ["DRAPCID"], "--standalone", "--state-dir", WORK + "/state", "--cdi-dir", WORK + "/cdi",
                 "--control-socket", SOCKET, "--config", WORK + "/config.yaml"], stdout=log, stderr=log)
        end = time.monotonic() + 60
        while run(DRAPCI, "version").returncode:
            if self.process.poll() is not None or time.monotonic() > end:
                with open(WORK + "/log", encoding="utf-8") as log:
                    sys.exit("drapcid does not answer:\n" + "".join(log.readlines()[-20:]))
            time.sleep(0.05)

    def died(self):
        return self.process.poll() is not None

    def kill(self):
        if not self.died():
            self.process.kill()
            counts["kills"] += 1
        self.process.wait()


def picture():
    """What all the cards are set to, without what the kernel counts."""
    out = {}
    for function in sorted(os.listdir(PCI)):
        driver = f"{PCI}/{function}/driver"
        out[function] = {"driver": os.path.basename(os.readlink(driver)) if os.path.islink(driver) else ""}
        for name in PICTURE:
            try:
                with open(f"{PCI}/{function}/{name}", encoding="utf-8") as file:
                    out[function][name] = file.read().strip()
            except OSError:
                pass
    for path in sorted(os.popen(f"echo {PCI}/*/fpga_region/region*/dfl-port.*/afu_id").read().split()):
        try:
            with open(path, encoding="utf-8") as file:
                out[path[len(PCI) + 1:len(PCI) + 13]].setdefault("afus", []).append(file.read().strip())
        except OSError:
            pass
    state = os.environ.get("DRAPCI_SIM_NVML")
    if state and os.path.exists(state):
        with open(state, encoding="utf-8") as file:
            for gpu in json.load(file)["gpus"]:
                out["gpu " + gpu["address"]] = [gpu.get("mig", False), len(gpu.get("instances", []))]
    return out


def random_claim(name, cards):
    command = [DRAPCI, "prepare", "--name", name]
    # With a share only shares can go; with an image, only slots.
    card = random.choice(cards)
    device = random.choice(card["devices"] or [{"name": "none", "capacities": {}, "profile": ""}])
    command += ["--device", device["name"]]
    for capacity in device["capacities"]:
        command += ["--share", f"{capacity}={random.choice(SHARES.get(capacity, ['1']))}"]
    if device["capacities"]:
        return command
    config = None
    if device["profile"] == "slot" and random.random() < 0.7:
        config = random.choice(["one", "two", "none"])
    elif random.random() < 0.3:
        config = "vfio"
    for _ in range(random.choice([0, 0, 1, 2])):
        more = random.choice(random.choice(cards)["devices"] or [device])
        if not more["capacities"] and (config in (None, "vfio") or more["profile"] == "slot"):
            command += ["--device", more["name"]]
    return command + (["--config", f"{WORK}/{config}.yaml"] if config else [])


def claims():
    return [claim for claim in ask("claims")["claims"] if not claim["standing"]]


def callers(number, cards):
    """Eight at once, each with a new claim or the end of an old one."""
    held = [claim["name"] for claim in claims()]
    started = []
    for caller in range(CALLERS):
        if held and random.random() < 0.45:
            command = [DRAPCI, "unprepare", held.pop(random.randrange(len(held)))]
        else:
            command = random_claim(f"c{number}-{caller}", cards)
        started.append((command[1], subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)))
    return started


def accident(daemon, cards, pulled):
    """Before the callers ask; what is returned happens while they do."""
    kind = random.choice(["kill", "kill", "write", "write", "refuse", "gpu", "pull", "none"])
    if kind == "write":
        inject("kill-after", random.randint(1, 30))
    elif kind == "refuse":
        inject("fault", "*", random.choice(["EIO", "EBUSY", "EINVAL", "ENODEV"]), "--op", "write", "--count", 1)
        counts["writes refused"] += 1
    elif kind == "gpu":
        state = os.environ["DRAPCI_SIM_NVML"]
        run("flock", state + ".lock", "sh", "-c", 'jq "$1" "$2" > "$2.new" && mv "$2.new" "$2"', "-",
            '.faults = [{call: "nvmlGpuInstanceCreateComputeInstance", code: 999}]', state)
        counts["GPU calls refused"] += 1
    elif kind == "pull":
        card = random.choice(cards)
        pulled.append(card["address"])
    moment = random.uniform(0.01, 0.4)
    return lambda: (time.sleep(moment), daemon.kill()) if kind == "kill" else None


def one_round(number, daemon):
    cards = [card for card in ask("devices")["accelerators"] if not card["unusable"]]
    pulled = []
    meanwhile = accident(daemon, cards, pulled)
    started = callers(number, cards)
    for address in pulled:
        inject("unplug", address)
        counts["cards pulled"] += 1
    meanwhile()
    for what, caller in started:
        done = caller.wait() == 0
        counts[("prepared" if what == "prepare" else "released") if done else "refused"] += 1
    inject("clear")
    for address in pulled:
        inject("plug", address)
    if daemon.died():
        if -daemon.process.returncode != signal.SIGKILL:
            problems.append(f"round {number}: drapcid ended with {daemon.process.returncode}")
        daemon.start()
        counts["restarts"] += 1
    clean_up(pulled)
    check(number)


def clean_up(pulled):
    """A kubelet ends what failed; who held a card that was out has lost it."""
    lost = ["pci-" + re.sub("[:.]", "-", address) for address in pulled]
    for claim in claims():
        if claim["state"] == "prepared" and not any(h["accelerator"] in lost for h in claim["holdings"]):
            continue
        answer = run(DRAPCI, "unprepare", claim["name"])
        if answer.returncode and "held in reset" in answer.stderr:
            # A slot whose programming has failed waits for its operator, who binds the card anew.
            for holding in claim["holdings"]:
                rebind(holding["accelerator"])
            answer = run(DRAPCI, "unprepare", claim["name"])
        if answer.returncode:
            problems.append(f"{claim['name']} cannot be released: {answer.stderr.strip()}")


def rebind(accelerator):
    address = "{}:{}:{}.{}".format(*accelerator.split("-")[1:])
    for action in ("unbind", "bind"):
        with open("/sys/bus/pci/drivers/dfl-pci/" + action, "w", encoding="utf-8") as file:
            file.write(address)


def verified():
    """Of a card that is back, the node's own settings are made once the daemon has heard of it."""
    end = time.monotonic() + 20
    while True:
        answer = run(DRAPCI, "verify")
        if not answer.returncode or time.monotonic() > end:
            return answer
        time.sleep(0.1)


def check(number):
    answer = verified()
    if answer.returncode:
        problems.append(f"round {number}: {answer.stdout}{answer.stderr}")
    cards = ask("devices")["accelerators"]
    for card in cards:
        if any(int(counter["used"]) for counter in card["counters"]):
            families[card["family"]] = families.get(card["family"], 0) + 1
        home = not card["attributes"].get("driver", "").startswith("vfio")  # its own driver tells what there is
        for counter in card["counters"]:
            if home and int(counter["used"]) > int(counter["total"]):
                problems.append(f"round {number}: {card['name']} has {counter}")
    holders = {}
    for claim in claims():
        for holding in claim["holdings"]:
            key = (holding["device"], holding["shareId"])
            if holders.setdefault(key, claim["name"]) != claim["name"]:
                problems.append(f"round {number}: {key} is held by {holders[key]} and {claim['name']}")


def set_up():
    os.umask(0o022)
    for name in ("state", "cdi", "images"):
        os.makedirs(f"{WORK}/{name}")
    for image, afu in AFUS.items():
        with open(f"{WORK}/images/{image}.gbs", "wb") as file:
            subprocess.run([os.environ["DFL_IMAGE"], INTERFACES[image[:3]], afu], stdout=file, check=True)
    files = {"config": CONFIG, "vfio": "apiVersion: config.dra.pci/v1alpha1\nkind: AccessConfig\ndriver: vfio\n"}
    for image in ("one", "two", "none"):
        files[image] = f"apiVersion: config.dra.pci/v1alpha1\nkind: FpgaConfig\nimage: {image}.gbs\n"
    for name, text in files.items():
        with open(f"{WORK}/{name}.yaml", "w", encoding="utf-8") as file:
            file.write(text)


def main():
    seed = int(os.environ.get("DRAPCI_SEED", "1"))
    rounds = int(os.environ.get("DRAPCI_ROUNDS", "0"))
    random.seed(seed)
    set_up()
    daemon = Daemon()
    daemon.start()
    before = picture()
    end = time.monotonic() + PATIENCE
    while not problems and (counts["rounds"] < rounds if rounds else time.monotonic() < end):
        one_round(counts["rounds"], daemon)
        counts["rounds"] += 1
    for claim in claims():
        answer = run(DRAPCI, "unprepare", claim["name"])
        if answer.returncode:
            problems.append(f"at the end {claim['name']}: {answer.stderr.strip()}")
    after = picture()
    problems.extend(f"at the end {key}: {after.get(key)} instead of {value}" for key, value in before.items()
                    if after.get(key) != value)
    problems.extend(f"at the end {key} is left" for key in after if key not in before)
    daemon.process.terminate()
    daemon.process.wait()
    counts["kills in a write"] = counts["restarts"] - counts["kills"]
    print(f"seed {seed}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
    print("rounds in which a family was held: " + ", ".join(f"{k} {v}" for k, v in sorted(families.items())))
    for problem in problems:
        print("FAIL:", problem)
    if problems:
        with open(WORK + "/log", encoding="utf-8") as log:
            print("".join(log.readlines()[-30:]))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
