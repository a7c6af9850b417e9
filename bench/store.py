"""A store that speaks as much of S3's protocol as reading an export needs, over a folder.  Prints its address.

    store.py FOLDER

Bucket `bills` is the folder.  GET /stats answers how many bytes of data files were sent; GET /reset begins anew.
"""
import email.utils
import hashlib
import os
import sys
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ROOT = os.path.abspath(sys.argv[1])
SENT = {"bytes": 0, "requests": 0}


def etag(path):
    properties = os.stat(path)
    return '"%s"' % hashlib.md5(f"{path} {properties.st_size} {properties.st_mtime_ns}".encode()).hexdigest()


class Store(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *_):
        pass

    def reply(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if url.path == "/stats":
            return self.reply(200, f"{SENT['bytes']} {SENT['requests']}".encode())
        if url.path == "/reset":
            SENT.update(bytes=0, requests=0)
            return self.reply(200, b"ok")
        SENT["requests"] += 1
        key = urllib.parse.unquote(url.path).removeprefix("/bills").lstrip("/")
        query = urllib.parse.parse_qs(url.query)
        if not key:
            return self.reply(200, self.listing(query.get("prefix", [""])[0]).encode(), [("Content-Type", "application/xml")])
        path = os.path.normpath(os.path.join(ROOT, key))
        if not path.startswith(ROOT) or not os.path.isfile(path):
            return self.reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        size, tag = os.path.getsize(path), etag(path)
        if self.headers.get("If-Match", tag).strip('"') != tag.strip('"'):
            return self.reply(412, b"<Error><Code>PreconditionFailed</Code></Error>")
        first, last = 0, size - 1
        asked = self.headers.get("Range")
        if asked:
            a, b = asked.removeprefix("bytes=").split("-")
            first, last = int(a), min(int(b), size - 1)
        length = last - first + 1
        self.send_response(206 if asked else 200)
        self.send_header("ETag", tag)
        self.send_header("Last-Modified", email.utils.formatdate(os.path.getmtime(path), usegmt=True))
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.flush()
        if key.endswith(".parquet"):
            SENT["bytes"] += length
        with open(path, "rb") as f:
            while length > 0:
                sent = os.sendfile(self.connection.fileno(), f.fileno(), first, length)
                if sent == 0:
                    break
                first, length = first + sent, length - sent

    def listing(self, prefix):
        found = []
        for folder, _, names in os.walk(ROOT):
            for name in names:
                path = os.path.join(folder, name)
                key = os.path.relpath(path, ROOT).replace(os.sep, "/")
                if key.startswith(prefix):
                    found.append((key, path))
        rows = "".join(
            f"<Contents><Key>{key}</Key><LastModified>{self.time(path)}</LastModified><ETag>{etag(path)}</ETag>"
            f"<Size>{os.path.getsize(path)}</Size></Contents>"
            for key, path in sorted(found)
        )
        return f'<ListBucketResult><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>'

    @staticmethod
    def time(path):
        import datetime
        return datetime.datetime.fromtimestamp(int(os.path.getmtime(path)), datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
