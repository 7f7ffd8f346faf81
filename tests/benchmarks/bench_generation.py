"""Figures of generation against a fake server in a process of its own.

Usage: python tests/benchmarks/bench_generation.py [full|slots|client|memory|scan|parser|kill|trouble|ray|ray_kills]
       python tests/benchmarks/bench_generation.py yield [RECIPE ...]     (the embedded model, minutes per recipe)
Ratios hold within one run: the wanted throughput is computed from the server's own delay.
"""

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import aiohttp

from erc_synth.generation.parsing import parse
from erc_synth.generation.recipe import RECIPE_NAMES, load_profile, load_recipe
from erc_synth.generation.runs import worker
from erc_synth.generation.runs.journal import read_attempts, scan
from erc_synth.generation.runs.options import Options
from erc_synth.generation.runs.run import Run
from erc_synth.generation.serving.access import read_access
from erc_synth.generation.serving.embedded import EmbeddedServer
from erc_synth.generation.serving.engines import Opened
from erc_synth.generation.serving.openai import OpenAITransport

SERVER = Path(__file__).parent.parent / "fakes" / "llm_server.py"
RECIPE = load_recipe("meld_natural")


class Server:
    def __init__(self, *words):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.child = subprocess.Popen([sys.executable, str(SERVER), str(port), "--flavour", "vllm", *words])
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                return
            except OSError:
                time.sleep(0.1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()


def run(url, out, dialogues, concurrency):
    options = Options(load_profile("vicuna-1.5"), dict(RECIPE.sampling), dialogues=dialogues, concurrency=concurrency)
    start = time.perf_counter()
    asyncio.run(Run(RECIPE, options, Opened(read_access([url]), OpenAITransport()), Path(out)).execute())
    return time.perf_counter() - start


def slots():
    with Server("--delay", "0.2") as server, tempfile.TemporaryDirectory() as out:
        count, width = 25_600, 128
        seconds = run(server.url, out, count, width)
        share = count / seconds / (width / 0.2)
        print(f"server kept full: {count / seconds:.0f} dialogues/s of {width / 0.2:.0f} possible = {share:.1%}")


class Case(NamedTuple):
    """A server in some trouble: its flags, how many requests the client may have out, how many it can work on."""

    name: str
    flags: tuple[str, ...]
    width: int
    slots: int
    dialogues: int
    faults: float = 0.0  # share of the answers that hold a place to the end and bring no dialogue


FAULTY = ("429",) * 5 + ("500",) * 3 + ("reset",) * 2 + ("cut",) * 2  # 12 % of the answers in these shares
TROUBLE = [
    Case("no faults", (), 32, 32, 6_000),
    Case(
        "5 % 429, 3 % 500, 2 % resets, 2 % cut",
        ("--faults", "0.12", "--retry-after", "1", "--kinds", *FAULTY),
        32,
        32,
        6_000,
        0.12,
    ),
    Case("1 % 429", ("--faults", "0.01", "--retry-after", "1", "--kinds", "429"), 32, 32, 6_000, 0.01),
    Case("refuses above 32, 128 allowed", ("--limit", "32", "--retry-after", "1"), 128, 32, 6_000),
    Case("queues above 32, 128 allowed", ("--slots", "32"), 128, 32, 6_000),
]
DELAY = 0.2  # seconds that the server needs for an answer


def trouble():
    """Share of the server's places that were held, ours beside a loop that knows no more than to try again.

    An answer that fails holds its place as long as one that does not, so with 12 % of them the dialogues alone cannot
    take more than 88 % of the places.
    """
    for case in TROUBLE:
        shares = []
        for client in (run, naive):
            with Server("--delay", str(DELAY), *case.flags) as server, tempfile.TemporaryDirectory() as out:
                used = time.process_time()
                seconds = client(server.url, out, case.dialogues, case.width)
                used = (time.process_time() - used) / case.dialogues * 1000
            dialogues = case.dialogues * DELAY / seconds / case.slots
            shares.append(
                f"{dialogues / (1 - case.faults):6.1%} (dialogues {dialogues:.1%}, {used:.2f} CPU s per 1,000)"
            )
        print(f"{case.name:<40} ours {shares[0]}   naive loop {shares[1]}", flush=True)


def naive(url, out, dialogues, width):
    """A semaphore of `width`, each request repeated until it is answered, waiting as long as the server asks."""
    body = {"model": "lmsys/vicuna-13b-v1.5", "messages": [{"role": "user", "content": "Write exactly 4 lines."}]}

    async def ask(client, jobs):
        for _ in jobs:
            while True:
                wait = 0.5
                try:
                    async with client.post(f"{url}/v1/chat/completions", json=body) as answer:
                        wait = float(answer.headers.get("Retry-After", wait))
                        if answer.status == 200:
                            (await answer.json())["choices"][0]["message"]["content"]
                            break
                except (aiohttp.ClientError, OSError):
                    pass
                await asyncio.sleep(wait)

    async def loop():
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
            jobs = iter(range(dialogues))
            await asyncio.gather(*(ask(client, jobs) for _ in range(width)))

    start = time.perf_counter()
    asyncio.run(loop())
    return time.perf_counter() - start


def client():
    with Server() as server, tempfile.TemporaryDirectory() as out:
        before = time.process_time()
        seconds = run(server.url, out, 10_000, 64)
        used = time.process_time() - before
        print(
            f"client: {10_000 / seconds:.0f} dialogues/s by the clock, {10_000 / used:.0f} per CPU-second of the client"
        )


def memory(jobs=(1_000, 200_000)):
    peaks = []
    for count in jobs:
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import bench_generation as b; b.one({count})"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout.split()[-1]) / 1024)
    print(f"peak memory: {jobs[0]:,} jobs {peaks[0]:.0f} MB, {jobs[1]:,} jobs {peaks[1]:.0f} MB")


def one(count):
    with Server() as server, tempfile.TemporaryDirectory() as out:
        run(server.url, out, count, 64)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def scanning(records=200_000):
    with tempfile.TemporaryDirectory() as out:
        path = Path(out) / "journal.jsonl"
        text = "Speaker: Ross Utterance: The kite is up and away. Number: 0\n" * 10
        with path.open("w") as lines:
            for i in range(records):
                record = {"type": "attempt", "index": i, "attempt": 0, "outcome": "accepted", "seed": i,
                          "endpoint": "http://127.0.0.1:8000", "labels": {"neutral": 6, "joy": 4}, "text": text}  # fmt: skip
                lines.write(json.dumps(record) + "\n")
        start = time.perf_counter()
        found = scan(path)
        seconds = time.perf_counter() - start
        print(f"resume scan: {len(found.accepted):,} records ({path.stat().st_size / 1e6:.0f} MB) in {seconds:.2f} s")


def parser():
    text = "\n".join(
        f"Speaker: Ross{i % 3} Utterance: The kite is up and away, my friend. Number: {i % 7}" for i in range(10)
    )
    start, count = time.perf_counter(), 10_000
    for _ in range(count):
        parse(text, RECIPE.format)
    seconds = time.perf_counter() - start
    print(f"parser: {count / seconds:.0f} dialogues/s of ten turns, {count * len(text) / seconds / 1e6:.1f} MB/s")


def kill(rounds=20, dialogues=1_000):
    draw = random.Random(0)
    with Server("--delay", "0.02", "--faults", "0.2") as server, tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "erc_synth.cli.main", "generate", RECIPE.name, "--engine", "openai"]
        command += ["--endpoint", server.url, "--dialogues", str(dialogues), "--concurrency", "4", "--out", out]
        journal, before, lost = Path(out) / RECIPE.name / "journal.jsonl", set(), 0
        for _ in range(rounds):
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(draw.uniform(0.6, 2.0))
            os.kill(child.pid, signal.SIGKILL)
            child.wait()
            if journal.exists():
                whole = b"".join(
                    line for line in journal.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
                )
                now = {json.loads(line)["index"] for line in whole.splitlines() if b'"outcome": "accepted"' in line}
                lost += len(before - now)
                before = now
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        indices = [r["index"] for r in read_attempts(journal) if r["outcome"] == "accepted"]
        twice = len(indices) - len(set(indices))
        same = sorted(set(indices)) == list(range(dialogues))
        print(f"{rounds} kills with faults: {lost} lost, {twice} twice, same final set of jobs: {same}")


def rays(delay=0.5, width=8, each=320):
    """Throughput of shards under a local Ray, one server for each, from the first request to the last answer."""
    for count in (1, 2, 4):
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(Server("--delay", str(delay))) for _ in range(count)]
            out = stack.enter_context(tempfile.TemporaryDirectory())
            command = [sys.executable, "-m", "erc_synth.cli.main", "generate", RECIPE.name, "--engine", "openai"]
            command += [word for server in servers for word in ("--endpoint", server.url)]
            command += [
                "--dialogues",
                str(count * each),
                "--concurrency",
                str(width),
                "--out",
                out,
                "--launcher",
                "ray",
            ]
            command += ["--shards", str(count), "--cluster", "num_cpus=4", "--cluster", "include_dashboard=0"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            records = list(read_attempts(Path(out) / RECIPE.name / "journal.jsonl"))
        shards = {}
        for record in records:
            sent = datetime.fromisoformat(record["sent"]).timestamp()
            shards.setdefault(record["endpoint"], []).append((sent, sent + record["seconds"]))
        rate = sum(len(times) / (max(t[1] for t in times) - min(t[0] for t in times)) for times in shards.values())
        print(f"{count} servers under Ray: {rate:.1f} dialogues/s of {count * width / delay:.0f} possible = "
              f"{rate / (count * width / delay):.1%}", flush=True)  # fmt: skip


def ray_kills(kills=20, dialogues=4_000, shards=4):
    """Kills of a worker, the raylet, the head or the driver at random, while four shards run under a local Ray."""
    draw, lost, before = random.Random(0), 0, set()
    with Server("--delay", "0.1", "--faults", "0.1") as server, tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "erc_synth.cli.main", "generate", RECIPE.name, "--engine", "openai"]
        command += ["--endpoint", server.url, "--dialogues", str(dialogues), "--concurrency", "4", "--out", out]
        command += ["--launcher", "ray", "--shards", str(shards), "--cluster", "num_cpus=2"]
        command += ["--cluster", "include_dashboard=0"]
        done, child = Counter(), None
        while sum(done.values()) < kills:
            if child is None or child.poll() is not None:
                child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 60  # a cluster starts within it; something must be there to be lost
            while time.monotonic() < until and len({r["index"] for r in accepted_under(out)}) <= len(before):
                time.sleep(0.2)
            time.sleep(draw.uniform(0, 3))
            victim = draw.choice(list(RAY_PARTS))
            pids = subprocess.run(["pgrep", "-f", RAY_PARTS[victim]], capture_output=True, text=True).stdout.split()
            if not pids:
                continue
            os.kill(int(draw.choice(pids)), signal.SIGKILL)
            done[victim] += 1
            now = {record["index"] for record in accepted_under(out)}
            lost, before = lost + len(before - now), now
            print(f"  {sum(done.values())}: {victim} killed, {len(now)} dialogues there", flush=True)
            if victim in ("head", "driver", "raylet"):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(30)  # it may see the loss, or not: then it is ended as its user would
                child.kill()
                subprocess.run(STOP_RAY, capture_output=True)
        child.kill()
        subprocess.run(STOP_RAY, capture_output=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        indices = [r["index"] for r in read_attempts(Path(out) / RECIPE.name / "journal.jsonl")
                   if r["outcome"] == "accepted"]  # fmt: skip
        print(f"{dict(done)} killed: {lost} lost, {len(indices) - len(set(indices))} twice, "
              f"same final set of jobs: {sorted(set(indices)) == list(range(dialogues))}")  # fmt: skip


STOP_RAY = [Path(sys.executable).with_name("ray"), "stop", "--force"]
RAY_PARTS = {"worker": "ray::_on_a_worker", "head": "gcs_server", "raylet": "raylet/raylet",
             "driver": "erc_synth.cli.main generate"}  # fmt: skip


def accepted_under(out):
    """Accepted records in all journals below a folder, as far as their lines are whole."""
    for journal in Path(out).rglob("journal.jsonl"):
        for line in journal.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n") and b'"outcome": "accepted"' in line:
                yield json.loads(line)


def yields(recipes, jobs=8):
    """Share of single answers that are dialogues: with one example, without and with the grammar."""
    profile = load_profile("smollm2-135m")
    server = EmbeddedServer(profile)
    worker.MAX_ATTEMPTS = 1  # what one answer is worth, not what persistence gets
    for recipe in map(load_recipe, recipes or RECIPE_NAMES):
        for constrain in (False, True):
            options = Options(profile, {**recipe.sampling, **profile.sampling}, dialogues=jobs,
                              few_shot=profile.few_shot, constrain=constrain)  # fmt: skip
            with tempfile.TemporaryDirectory() as out:
                run = Run(recipe, options, Opened(read_access([server.url]), OpenAITransport("llama.cpp")), Path(out))
                asyncio.run(run.execute())
            tally, form = run.tally, "constrained" if constrain else "free       "
            print(f"yield {recipe.name:<18} {form} {tally.accepted}/{jobs} in {tally.seconds:.0f} s, "
                  f"{tally.completion_tokens / tally.seconds:.0f} tokens/s  {dict(tally.rejected)}", flush=True)  # fmt: skip


PARTS = {"slots": slots, "client": client, "memory": memory, "scan": scanning, "parser": parser, "kill": kill,
         "trouble": trouble, "ray": rays, "ray_kills": ray_kills}  # fmt: skip

if __name__ == "__main__":
    wanted = sys.argv[1:] or ["full"]
    if wanted[0] == "yield":
        yields(wanted[1:])
        sys.exit()
    for name, part in PARTS.items():
        if name in wanted or "full" in wanted:
            part()
