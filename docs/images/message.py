"""Draws a Slack message from its payload, for the documentation.

    message.py PAYLOAD.json PICTURE.png
"""
import html
import json
import pathlib
import re
import subprocess
import sys
import tempfile


def text(part):
    shown = html.escape(html.unescape(part["text"].replace("⁠", "")))
    if part["type"] == "mrkdwn":
        shown = re.sub(r"\*([^*\n]+)\*", r"<b>\1</b>", shown)
        shown = re.sub(r"&lt;(http[^|&]+)\|([^&]+)&gt;", r'<a href="\1">\2</a>', shown)
    return shown.replace("\n", "<br>")


def block(of):
    if of["type"] == "header":
        return f"<h1>{text(of['text'])}</h1>"
    if of["type"] == "section" and "fields" in of:
        return "<div class=fields>" + "".join(f"<div>{text(field)}</div>" for field in of["fields"]) + "</div>"
    if of["type"] == "section":
        return f"<p>{text(of['text'])}</p>"
    if of["type"] == "context":
        return "<p class=context>" + " &nbsp; ".join(text(element) for element in of["elements"]) + "</p>"
    if of["type"] == "actions":
        return "<div class=actions>" + "".join(f"<button class={element.get('style', 'plain')}>{text(element['text'])}</button>" for element in of["elements"]) + "</div>"
    return "<hr>"


payload = json.loads(pathlib.Path(sys.argv[1]).read_text())
page = """<meta charset=utf-8><style>
body{font:15px/1.45 'Noto Sans CJK JP',Lato,sans-serif;margin:18px;width:760px;color:#1d1c1d;background:#fff}
h1{font-size:18px;margin:2px 0 8px}p{margin:6px 0}.who{font-weight:700}.who span{font-weight:400;color:#616061;font-size:12px}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:8px;margin:8px 0}.context{color:#616061;font-size:12px}
button{font:inherit;font-weight:700;font-size:13px;padding:5px 11px;margin:4px 6px 0 0;border:1px solid #bbb;border-radius:4px;background:#fff}
button.primary{background:#007a5a;border-color:#007a5a;color:#fff}</style><div class=who>anbun <span>APP</span></div>""" + "".join(map(block, payload["blocks"]))
with tempfile.TemporaryDirectory() as folder:
    source = pathlib.Path(folder) / "message.html"
    source.write_text(page)
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=800,560", f"--screenshot={sys.argv[2]}", source.as_uri()], check=True, capture_output=True)
