"""Whether Slack's own models take every message that the tests made.

    slack_messages.py FOLDER

The models drop fields that they do not know, so what they make of a block must be the block.
"""
import json
import pathlib
import sys

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

files = sorted(pathlib.Path(sys.argv[1]).glob("*.json"))
assert files, "the tests made no message"
blocks = 0
for file in files:
    message = json.loads(file.read_text())
    view = message.get("view")
    if view is None:
        text = message.get("text", "")
        assert text and len(text) <= 4000, f"{file}: text of {len(text)} letters"
        assert len(message["blocks"]) <= 50, file
    else:
        View(**view).validate_json()
    for block in (view or message)["blocks"]:
        parsed = Block.parse(block)
        assert parsed is not None, f"{file}: {block}"
        parsed.validate_json()
        made = parsed.to_dict()
        assert made == block, f"{file}: {block} is to Slack {made}"
        blocks += 1
print(f"{blocks} blocks of {len(files)} messages are as Slack's models have them")
