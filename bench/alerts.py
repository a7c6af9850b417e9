"""From the end of a load to thirty messages in one Slack channel.

    alerts.py --anbun target/release/anbun --before EXPORT --after EXPORT [--budgets 30]

Both exports are the same one of the current month, the second with more days.  A stub of Slack on loopback takes one message a second
in the channel, as Slack does, and answers 429 to what comes sooner.  Prints when the first and the last message were taken, and the
ratio of the whole to the seconds that Slack's own pace needs.
"""
import argparse
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse


class Slack(http.server.BaseHTTPRequestHandler):
    taken, refused = [], 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        now = time.monotonic()
        if not self.path.endswith("chat.postMessage"):
            return self.answer(200, {"ok": True, "messages": [], "has_more": False})
        if Slack.taken and now - Slack.taken[-1] < 0.95:
            Slack.refused += 1
            return self.answer(429, {"ok": False, "error": "ratelimited"}, {"retry-after": "1"})
        Slack.taken.append(now)
        sent = json.loads(body) if body[:1] == b"{" else dict(urllib.parse.parse_qsl(body.decode()))
        self.answer(200, {"ok": True, "channel": sent["channel"], "ts": f"{len(Slack.taken)}.000100"})

    do_GET = do_POST

    def answer(self, status, body, headers=None):
        text = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(text)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--anbun", required=True)
    arguments.add_argument("--before", required=True)
    arguments.add_argument("--after", required=True)
    arguments.add_argument("--budgets", type=int, default=30)
    a = arguments.parse_args()
    slack = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    threading.Thread(target=slack.serve_forever, daemon=True).start()
    folder = tempfile.mkdtemp(prefix="anbun-bench-")
    os.chmod(folder, 0o755)
    export = os.path.join(folder, "export")
    settings = os.path.join(folder, "anbun.toml")
    with open(settings, "w") as file:
        file.write(f"[slack]\ntoken = 'xoxb-bench'\ndefault_channel = 'C0'\napi = 'http://127.0.0.1:{slack.server_port}/api'\n")
    anbun = [os.path.abspath(a.anbun), "--data-dir", folder, "--config", settings]
    serving = subprocess.Popen([*anbun, "serve", "--listen", "127.0.0.1:18097"], stderr=subprocess.DEVNULL)

    def run(*words):
        done = subprocess.run([*anbun, *words], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return done.stdout

    try:
        while subprocess.run([*anbun, "migrate", "--check"], capture_output=True).returncode:
            time.sleep(0.2)
        shutil.copytree(a.before, export)
        directory = os.path.join(export, "directory")
        run("directory", "import", *[os.path.join(directory, name) for name in os.listdir(directory)])
        run("ingest", "cur", export)
        costs = json.loads(run("costs", "--by", "department", "--where", "state=attributed", "--format", "json"))
        spent = [(row["dimensions"]["department"], float(row["cost"]["amount"])) for row in costs["data"]]
        spent = sorted((of for of in spent if of[1] > 1), key=lambda of: -of[1])[: a.budgets // 2]
        budgets = os.path.join(folder, "budgets.csv")
        with open(budgets, "w") as file:
            file.write("name,scope,code,frequency,currency,amount,rate,valid_from,valid_to,channel,thresholds\n")
            for nth in range(a.budgets):
                code, cost = spent[nth % len(spent)]
                file.write(f"b{nth},department,{code},month,USD,{cost * 1.01:.2f},,{time.strftime('%Y-%m')},,C1,100%\n")
        run("budgets", "import", budgets)
        time.sleep(15)
        Slack.taken.clear()
        shutil.rmtree(export)
        shutil.copytree(a.after, export)
        run("ingest", "cur", export)
        loaded = time.monotonic()
        while len(Slack.taken) < a.budgets and time.monotonic() - loaded < 120:
            time.sleep(0.1)
        took = [at - loaded for at in Slack.taken]
        if not took:
            raise SystemExit("no message came")
        print(f"{len(took)} messages in one channel, {Slack.refused} refused: the first after {took[0]:.1f} s, the last after {took[-1]:.1f} s")
        print(f"{took[-1] / max(len(took) - 1, 1):.2f} of the seconds that one message a second needs")
    finally:
        serving.terminate()
        serving.wait()
        slack.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
