"""A Hub server of our own: enough of the protocol for the real clients to create, commit, tag and load.

Everything is in memory. `with HubServer() as hub:` gives `hub.url`; files, commits, tags and requests
can be read from the object. Faults: `hub.fail["commit"] = 500` answers the next call so, `hub.down` every
call; `hub.lost` does the work and loses the answer; `hub.cut` ends an upload half-way; `hub.race` commits
something of its own just before the next commit (a stale parent).
The LFS store answers on another host name (localhost), as a CDN would: hub 2.x follows redirects on
the same host and would demand Hub headers there.
"""

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

TOKEN = "hf_testtoken"


def blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Repo:
    def __init__(self, private):
        self.private = private
        self.gated = False
        self.commits = []  # (sha, {path: (content, is_lfs)}, title)
        self.tags = {}
        self.commit({".gitattributes": (b"*.parquet filter=lfs\n", False)}, "initial commit")

    @property
    def head(self):
        return self.commits[-1][0]

    def commit(self, files, title):
        sha = hashlib.sha1(f"{len(self.commits)}{title}{sorted(files)}".encode()).hexdigest()
        self.commits.append((sha, dict(files), title))
        return sha

    def at(self, revision):
        revision = unquote(revision)
        sha = {"main": self.head, "refs/heads/main": self.head, **self.tags}.get(revision, revision)
        return next(((s, files) for s, files, _ in self.commits if s == sha), None)


class HubServer:
    def __init__(self):
        self.repos = {}
        self.store = {}
        self.requests = []
        self.fail = {}
        self.down = {}  # like `fail`, but for every call
        self.lost = set()  # names of calls whose work is done once while the answer is lost
        self.silence = threading.Event()  # ends the silence of calls that are left without an answer
        self.cut = False  # LFS uploads lose their connection half-way
        self.race = False
        self.corrupt = None  # (path, other): a commit stores the other file's content under the path
        self.pulls = []  # titles of open pull requests

    def __enter__(self):
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.handler, self.port = Handler, 0
        self.listen()
        self.url = f"http://127.0.0.1:{self.port}"
        return self

    def listen(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), self.handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def refuse(self, seconds):
        """Nobody listens for so long: the system itself refuses connections."""
        self.stop()
        threading.Timer(seconds, self.listen).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def __exit__(self, *_):
        self.silence.set()
        self.stop()
        self.thread.join(5)


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    # --- plumbing ------------------------------------------------------------------------------

    def _body(self):
        length = int(self.headers.get("Content-Length") or 0)
        return self.rfile.read(length)

    def _send(self, status=200, content=b"", kind="application/json", headers=None):
        for name in [name for name in self.hub.lost if f"/{name}" in self.path]:
            self.hub.lost.remove(name)
            self._fault("reset")
            return
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _missing(self, code="RepoNotFound", status=404):
        self._send(status, {"error": code}, headers={"X-Error-Code": code, "X-Error-Message": code})

    def _handle(self):
        if self.hub.cut and self.command == "PUT" and self.path.startswith("/lfs/"):
            self.rfile.read(int(self.headers["Content-Length"]) // 2)
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        body = self._body()
        path = urlparse(self.path).path.replace(
            "/api/models/", "/api/datasets/"
        )  # models and Spaces are kept beside data sets
        path = re.sub("^(/api)?/spaces/", r"\1/datasets/", path)
        path = re.sub(r"^/(?!datasets/|api/)(?=[^/]+/[^/]+([.]git|/resolve)/)", "/datasets/", path)
        self.hub.requests.append((self.command, path))
        for name, status in list(self.hub.fail.items()):
            if f"/{name}" in path:
                del self.hub.fail[name]
                return self._fault(status)
        for name, status in self.hub.down.items():
            if f"/{name}" in path:
                return self._send(status, {"error": f"fault {status}"})
        for method, pattern, action in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method:
                return action(self, body, **match.groupdict())
        return self._missing("EntryNotFound")

    def _fault(self, status):
        """A status with the Hub's own wait for 429; ``date``: the wait as a date; ``half``: half of an answer;
        ``short``: fewer bytes than were announced; ``silent``: no answer; ``reset``: the connection goes without one;
        ``refused``: so do all others for a second."""
        if status == "half":
            return self._send(200, b'{"sha": "4f')
        if status == "silent":
            self.hub.silence.wait(60)
            self.close_connection = True
            return None
        if status == "short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b'{"sha": "4f')
            self.close_connection = True
            return None
        if status == "refused":
            self.hub.refuse(1.0)
            status = "reset"
        if status == "date":
            return self._send(
                429, {"error": "slowly"}, headers={"Retry-After": formatdate(time.time() + 3, usegmt=True)}
            )
        if status != "reset":
            wait = {"Retry-After": "1"} if status == 429 else None
            return self._send(status, {"error": f"fault {status}"}, headers=wait)
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return self.connection.close()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _handle

    def _repo(self, repo):
        return self.hub.repos.get(repo)

    def _may_write(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    # --- routes --------------------------------------------------------------------------------

    def whoami(self, body):
        if not self._may_write():
            return self._send(401, {"error": "Invalid token"})
        return self._send(200, {"type": "user", "name": "org", "orgs": [], "auth": {"accessToken": {"role": "write"}}})

    def create(self, body):
        asked = json.loads(body)
        if not self._may_write():
            return self._send(401, {"error": "Invalid username or password."})
        name = f"{asked.get('organization') or 'org'}/{asked['name']}"
        if name in self.hub.repos:
            return self._send(409, {"error": "exists", "url": f"{self.hub.url}/datasets/{name}"})
        private = asked.get("private") or asked.get("visibility") == "private"
        self.hub.repos[name] = Repo(bool(private))
        return self._send(200, {"url": f"{self.hub.url}/datasets/{name}"})

    def info(self, body, repo, rev="main"):
        found = self._repo(repo)
        if found is None:
            return self._missing()
        state = found.at(rev)
        if state is None:
            return self._missing("RevisionNotFound")
        sha, files = state
        siblings = [{"rfilename": path} for path in files]
        answer = {"id": repo, "author": repo.split("/")[0], "sha": sha, "private": found.private, "gated": found.gated,
                  "disabled": False, "tags": [], "downloads": 0, "likes": 0, "siblings": siblings,
                  "lastModified": "2026-01-01T00:00:00.000Z"}  # fmt: skip
        return self._send(200, answer)

    def settings(self, body, repo):
        asked = json.loads(body)
        if "gated" in asked:
            self._repo(repo).gated = asked["gated"]
        return self._send(200, {})

    def preupload(self, body, repo, rev):
        if not self._may_write():
            return self._send(403, {"error": "forbidden"})
        files = json.loads(body)["files"]
        modes = {f["path"]: "lfs" if f["path"].endswith((".parquet", ".safetensors")) else "regular" for f in files}
        answer = [{"path": path, "uploadMode": mode, "shouldIgnore": False} for path, mode in modes.items()]
        return self._send(200, {"files": answer})

    def lfs_batch(self, body, repo):
        objects = []
        for item in json.loads(body)["objects"]:
            entry = {"oid": item["oid"], "size": item["size"]}
            if item["oid"] not in self.hub.store:
                base = f"http://localhost:{self.hub.port}/lfs/{item['oid']}"
                entry["actions"] = {"upload": {"href": base}, "verify": {"href": base + "/verify"}}
            objects.append(entry)
        return self._send(200, {"transfer": "basic", "objects": objects}, kind="application/vnd.git-lfs+json")

    def lfs_put(self, body, oid):
        if hashlib.sha256(body).hexdigest() != oid:
            return self._send(400, {"error": "cut upload"})
        self.hub.store[oid] = body
        return self._send(200)

    def lfs_get(self, body, oid):
        return self._ranged(self.hub.store[oid], {"ETag": f'"{oid}"'})

    def lfs_verify(self, body, oid):
        return self._send(200, {})

    def commit(self, body, repo, rev):
        found = self._repo(repo)
        if not self._may_write():
            return self._send(403, {"error": "forbidden"})
        if self.hub.race:
            self.hub.race = False
            found.commit({**found.commits[-1][1], "other.txt": (b"somebody", False)}, "somebody else")
        lines = [json.loads(line) for line in body.decode().splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit") not in (None, found.head):
            return self._send(412, {"error": "A commit has happened since. Please refresh and try again."})
        files = dict(found.commits[-1][1])
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = (base64.b64decode(value["content"]), False)
            elif line["key"] == "lfsFile":
                files[value["path"]] = (self.hub.store[value["oid"]], True)
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        if self.hub.corrupt:
            files[self.hub.corrupt[0]] = files[self.hub.corrupt[1]]
        answer = {"success": True, "commitUrl": f"{self.hub.url}/datasets/{repo}/commit/x"}
        if "create_pr=" in self.path and "create_pr=0" not in self.path:
            self.hub.pulls.append(header["summary"])
            answer |= {"pullRequestUrl": f"{self.hub.url}/datasets/{repo}/discussions/{len(self.hub.pulls)}"}
            sha = hashlib.sha1(b"pr").hexdigest()
        else:
            sha = found.commit(files, header["summary"])
        return self._send(200, {**answer, "commitOid": sha})

    def tree(self, body, repo, rev, folder=""):
        found = self._repo(repo)
        state = found and found.at(rev)
        if not found:
            return self._missing()
        if not state:
            return self._missing("RevisionNotFound")
        folder = unquote(folder or "").strip("/")
        recursive = parse_qs(urlparse(self.path).query).get("recursive", ["false"])[0].lower() == "true"
        entries, folders = [], set()
        for path, (content, is_lfs) in state[1].items():
            if folder and not path.startswith(folder + "/"):
                continue
            rest = path[len(folder) + 1 if folder else 0 :]
            parts = rest.split("/")
            for depth in range(1, len(parts)):
                folders.add("/".join(([folder] if folder else []) + parts[:depth]))
            if recursive or len(parts) == 1:
                entry = {"type": "file", "path": path, "size": len(content), "oid": blob_id(content)}
                if is_lfs:
                    entry["lfs"] = {
                        "oid": hashlib.sha256(content).hexdigest(),
                        "size": len(content),
                        "pointerSize": 130,
                    }
                entries.append(entry)
        if folder and not entries and not folders:
            return self._missing("EntryNotFound")
        shown = [{"type": "directory", "path": name, "size": 0, "oid": "0" * 40} for name in sorted(folders)
                 if recursive or "/" not in name[len(folder) + 1 if folder else 0 :]]  # fmt: skip
        return self._send(200, shown + entries)

    def paths_info(self, body, repo, rev):
        """What clients before hub 0.25 ask for; a form, as requests sends it."""
        state = self._repo(repo).at(rev)
        asked = [unquote(path) for path in parse_qs(body.decode())["paths"]]
        entries = [
            {"type": "file", "path": path, "size": len(state[1][path][0]), "oid": blob_id(state[1][path][0])}
            for path in asked
            if path in state[1]
        ]
        folders = [path for path in asked if any(name.startswith(f"{path}/") for name in state[1])]
        return self._send(200, entries + [{"type": "directory", "path": p, "oid": "0" * 40} for p in folders])

    def resolve(self, body, repo, rev, path):
        found = self._repo(repo)
        if not found or (found.private and not self._may_write()):
            return self._missing(status=401 if found else 404)
        state = found.at(rev)
        if not state:
            return self._missing("RevisionNotFound")
        sha, files = state
        if unquote(path) not in files:
            return self._missing("EntryNotFound")
        content, is_lfs = files[unquote(path)]
        headers = {"X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if not is_lfs:
            return self._ranged(content, {**headers, "ETag": f'"{blob_id(content)}"'})
        oid = hashlib.sha256(content).hexdigest()
        headers |= {"Location": f"http://localhost:{self.hub.port}/lfs/{oid}", "X-Linked-Size": str(len(content)),
                    "X-Linked-Etag": f'"{oid}"', "ETag": f'"{oid}"'}  # fmt: skip
        return self._send(302, b"", headers=headers)

    def _ranged(self, content, headers):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            return self._send(200, content, "application/octet-stream", headers)
        start, end = int(wanted[1]), int(wanted[2] or len(content) - 1)
        end = min(end, len(content) - 1)
        headers = {**headers, "Content-Range": f"bytes {start}-{end}/{len(content)}"}
        return self._send(206, content[start : end + 1], "application/octet-stream", headers)

    def tag(self, body, repo, rev):
        found, name = self._repo(repo), json.loads(body)["tag"]
        if name in found.tags:
            return self._send(409, {"error": "exists"})
        found.tags[name] = found.at(rev)[0]
        return self._send(200, {})

    def refs(self, body, repo):
        found = self._repo(repo)
        tags = [{"name": n, "ref": f"refs/tags/{n}", "targetCommit": sha} for n, sha in found.tags.items()]
        branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": found.head}]
        return self._send(200, {"branches": branches, "tags": tags, "converts": []})

    def discussions(self, body, repo):
        entries = [
            {"num": number, "title": title, "status": "open", "isPullRequest": True, "author": {"name": "org"},
             "createdAt": "2026-01-01T00:00:00.000Z", "repo": {"name": repo, "type": "dataset"}}
            for number, title in enumerate(self.hub.pulls, start=1)
        ]  # fmt: skip
        return self._send(200, {"discussions": entries, "count": len(entries), "start": 0})

    def validate(self, body):
        return self._send(200, {"errors": [], "warnings": []})


REPO = r"(?P<repo>[^/]+/[^/]+)"
ROUTES = [
    (("GET",), "/api/whoami-v2", _Handler.whoami),
    (("POST",), "/api/repos/create", _Handler.create),
    (("POST",), "/api/validate-yaml", _Handler.validate),
    (("GET",), f"/api/datasets/{REPO}", _Handler.info),
    (("GET",), f"/api/datasets/{REPO}/revision/(?P<rev>[^/]+)", _Handler.info),
    (("PUT",), f"/api/datasets/{REPO}/settings", _Handler.settings),
    (("POST",), f"/api/datasets/{REPO}/preupload/(?P<rev>[^/]+)", _Handler.preupload),
    (("POST",), f"/datasets/{REPO}[.]git/info/lfs/objects/batch", _Handler.lfs_batch),
    (("PUT",), "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_put),
    (("GET", "HEAD"), "/lfs/(?P<oid>[0-9a-f]{64})", _Handler.lfs_get),
    (("POST",), "/lfs/(?P<oid>[0-9a-f]{64})/verify", _Handler.lfs_verify),
    (("POST",), f"/api/datasets/{REPO}/commit/(?P<rev>[^/]+)", _Handler.commit),
    (("GET",), f"/api/datasets/{REPO}/tree/(?P<rev>[^/]+)(?P<folder>/.*)?", _Handler.tree),
    (("POST",), f"/api/datasets/{REPO}/paths-info/(?P<rev>[^/]+)", _Handler.paths_info),
    (("GET", "HEAD"), f"/datasets/{REPO}/resolve/(?P<rev>[^/]+)/(?P<path>.+)", _Handler.resolve),
    (("POST",), f"/api/datasets/{REPO}/tag/(?P<rev>[^/]+)", _Handler.tag),
    (("GET",), f"/api/datasets/{REPO}/refs", _Handler.refs),
    (("GET",), f"/api/datasets/{REPO}/discussions", _Handler.discussions),
]
