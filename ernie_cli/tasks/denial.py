"""Whether an answer in words says that there is nothing: "There is no dog in the picture.", in English and Chinese.

Only a plain denial counts. What says that something could not be seen, told or decided is none, and whatever is in
doubt is none either: better unreadable than wrong.
"""

from __future__ import annotations

import re

from ernie_cli.tasks.json_text import unwrap

_NO_VIEW = (
    r"(?!\s+(?:doubt|question|way|need|reason|problem|information|idea|clear|"
    r"(?:image|picture|photo|video|clip|frame)s?\b))"
)
_IS_NOT = r"(?:(?:is|are|was|were|does|do|did|has|have)(?:\s+not|n't))"
_DENIALS = re.compile(
    r"\bthere(?:'s|\s+is|\s+are|\s+was|\s+were)\s+(?:no|not\s+an?y?|none|nothing)\b" + _NO_VIEW + "|"
    r"\bthere\s+(?:is|are|was|were)n't\s+an?y?\b" + _NO_VIEW + "|"
    r"^no"
    + _NO_VIEW
    + r"\s[^.,;:]{1,60}\s(?:is|are|was|were|can|could|visible|present|found|detected|appears?|happens?|occurs?|in)\b|"
    r"\b(?:does|do|did)(?:\s+not|n't)\s+(?:contain|show|include|have|feature|depict|appear|happen|occur|exist)\b|"
    r"\b(?:can\s?not|can't|could(?:\s+not|n't)|" + _IS_NOT + r"|unable\s+to|not\s+able\s+to)\s+"
    r"(?:find|see|locate|detect|spot|identify)\s+(?:any|an?|one|such)\b" + _NO_VIEW + "|"
    r"\b(?:never|"
    + _IS_NOT
    + r")\s+(?:happens?|occurs?|appears?|takes\s+place|present|visible|shown|seen|found|there|in\s+th)|"
    r"\babsent\s+from\b|\u6ca1\u6709|\u672a\u53d1\u73b0|\u672a\u51fa\u73b0|\u4e0d\u5b58\u5728|\u627e\u4e0d\u5230",
    re.IGNORECASE,
)
_BARE_DENIAL = re.compile(
    r"\W*(?:none|no|never|nothing|null|nil|n/?a|\u65e0|(?:not|none|nothing)\s+(?:found|present|visible|there|detected)"
    r"|no\s+(?:\w+\s+){1,4}(?:found|detected|visible|present)|\[\s*\]|\{\s*\})\W*",
    re.IGNORECASE,
)
_BUT = re.compile(
    r"\b(?:but|however|except|although|though|instead|only|until|till|before|after|apart|whether|sure|unclear"
    r"|enough|detail|tell|determine|clock|cut\s+off)\b"
    r"|\u4f46|\u4e0d\u8fc7|\u53ea\u6709|\d\s*,\s*\d",
    re.IGNORECASE,
)


def says_nothing(answer: str) -> bool:
    """Whether an answer in words says that there is none of what was asked for.

    A denial with a "but", a place or a length above 400 characters is not taken for one: better unreadable than wrong.
    Words cannot show that they were cut off: where the answer did not finish by itself, the caller must not believe it.
    """
    text = re.sub(r"```\w*", " ", unwrap(answer)).replace("\u2019", "'").strip().strip("\"'*").strip()
    if _BARE_DENIAL.fullmatch(text):
        return True
    return len(text) <= 400 and not _BUT.search(text) and bool(_DENIALS.search(text))
